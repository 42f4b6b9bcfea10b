"""Cell states that an engine does not give are stored by the audit."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.inputs import open_inputs
from rnnviz.execution.events import AuditMode, RunRequest, open_traces
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.io.inputs import load_inputs
from rnnviz.reading.arrays import ArrayReader
from rnnviz.verify import audited
from tests import configs

pytest.importorskip("torch")


def config_of(cell: str) -> Config:
    keys = {"num_layers": 2, "bidirectional": True, "dtype": "float64", "timesteps": 7}
    return configs.config_of("manual", "torch", cell=cell, **keys)


def run(folder: Path, audit: AuditMode, cell: str = "lstm") -> None:
    request = RunRequest(config_of(cell), load_inputs, audit)
    outcome = compute(request, folder, lambda *_: None)
    judge_computed(request, folder, outcome, lambda *_: None)


def test_the_audit_stores_the_cell_states_of_an_engine_that_gives_none(tmp_path):
    run(tmp_path / "run", "auto")
    traces = open_traces(tmp_path / "run")
    assert traces["torch"].cell is None
    assert "derived.c" not in traces["manual"]
    np.testing.assert_allclose(traces["torch"]["derived.c"], traces["manual"]["c"], atol=1e-12)


def test_the_stored_cell_states_appear_once_they_are_complete(tmp_path):
    folder, seen = tmp_path / "run", []
    request = RunRequest(config_of("lstm"), load_inputs, "auto")
    outcome = compute(request, folder, lambda *_: None)

    def open_meanwhile(*_):
        array = open_traces(folder)["torch"].get("derived.c")
        seen.append("absent" if array is None else "complete" if array.all() else "incomplete")

    judge_computed(request, folder, outcome, open_meanwhile)
    assert seen[0] == "absent"
    assert "incomplete" not in seen


@pytest.mark.slow
@pytest.mark.parametrize("name", ["c", "i"])
def test_a_lane_of_stored_cell_states_is_that_of_followed_ones(tmp_path, name):
    run(tmp_path / "run", "auto")
    inputs, trace = open_inputs(tmp_path / "run" / "inputs"), open_traces(tmp_path / "run")["torch"]
    lane = 1, 1, 1, name, slice(0, 7), slice(0, 4)
    followed = ArrayReader(inputs, trace.with_arrays({"derived.c": None})).lane(*lane)
    np.testing.assert_allclose(ArrayReader(inputs, trace).lane(*lane), followed, atol=1e-12)
    if name == "c":
        np.testing.assert_array_equal(ArrayReader(inputs, trace).lane(*lane), trace["derived.c"][1, 1, :, 1])


def test_no_cell_states_are_stored_of_a_sampled_audit_or_a_cell_without_them(tmp_path, monkeypatch):
    run(tmp_path / "gru", "full", "gru")
    monkeypatch.setattr(audited, "FULL", 10)
    run(tmp_path / "lstm", "auto")
    for cell in ("gru", "lstm"):
        assert "derived.c" not in open_traces(tmp_path / cell)["torch"]
