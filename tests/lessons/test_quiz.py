"""Runs with an unknown engine: its known bug is computed, and no file names it."""

from dataclasses import replace

import pytest

from rnnviz.core.config import Backward, Compare, Config
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.engines.registry import unknown_engine
from rnnviz.io.export.data import json_text, write_csv, write_npz
from rnnviz.io.export.notebook import write_notebook
from rnnviz.io.export.report import write_report
from rnnviz.lessons.index import find_lesson
from rnnviz.text.verdict_text import report
from tests.shared_worker import run_shared

__all__ = ["run_shared"]


def config_of(engine: str) -> Config:
    config = find_lesson("gru").config
    backward = Backward(enabled=KNOWN_BUGS[engine.removeprefix("bug:")].of_gradients)
    return replace(config, compare=Compare(reference="manual", candidates=(unknown_engine(engine),)), backward=backward)


@pytest.mark.parametrize(
    "engine", ["bug:update-gate-inverted", pytest.param("bug:truncated-at-one-step", marks=pytest.mark.slow)]
)
def test_no_export_names_the_bug_of_an_unknown_engine(engine, run_shared, tmp_path):
    result = run_shared(config_of(engine))
    assert result.overall_verdict == "disagree"
    write_csv(result, tmp_path / "a.csv")
    write_npz(result, tmp_path / "a.npz")
    write_notebook(result, tmp_path / "a.ipynb")
    write_report(result, tmp_path / "a.html", [])
    texts = [json_text(result), report(result), *(path.read_bytes().decode("latin-1") for path in tmp_path.iterdir())]
    assert len(texts) == 6
    bug = KNOWN_BUGS[engine.removeprefix("bug:")]
    for text in texts:
        assert bug.name not in text
        assert bug.cause not in text
