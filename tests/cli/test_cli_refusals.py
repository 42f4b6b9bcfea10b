"""Whatever is wrong: one sentence on standard error, and the exit code that says whose fault it is."""

import os

import numpy as np
import pytest

from rnnviz.cli import main
from tests.cases import cases
from tests.cli.calls import DISAGREEING, toml, write

pytestmark = pytest.mark.usefixtures("shared_worker")


@pytest.mark.parametrize(
    ("tables", "parts"),
    cases(__file__)["invalid-inputs"],
    ids=lambda value: "" if isinstance(value, list) else toml(value),
)
def test_invalid_input_exits_with_2(rnnviz, tmp_path, tables, parts):
    np.save(tmp_path / "narrow.npy", np.ones((5, 7, 2)))
    np.savez(tmp_path / "lacking.npz", l0_i2h_weight=np.zeros((16, 3)), l0_h2h_weight=np.zeros((16, 4)))
    (tmp_path / "mine.py").write_text("raise SystemExit\n", encoding="utf-8")
    # Without an engine that needs MXNet the refusal comes as soon as a child has started.
    compare = DISAGREEING | tables.pop("compare", {})
    sentence = rnnviz.refused("run", write(tmp_path, compare=compare, **tables))
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize(("words", "part"), cases(__file__)["refused-commands"], ids=" ".join)
def test_invalid_command_exits_with_2(rnnviz, tmp_path, monkeypatch, words, part):
    write(tmp_path, compare={"reference": "manual", "candidates": ["onnx"]})
    monkeypatch.chdir(tmp_path)
    assert part in rnnviz.refused(*words)
    assert os.listdir(tmp_path) == ["config.toml"]


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError('mine')",
        "import os, signal\ndef step(x, state, p):\n    os.kill(os.getpid(), signal.SIGKILL)",
        "def step(x, state, p):\n    return 1 / 0",
    ],
    ids=["at import", "death", "at a step"],
)
def test_failed_engine_exits_with_3(rnnviz, config, tmp_path, code):
    own = tmp_path / "mine.py"
    own.write_text(code + "\n", encoding="utf-8")
    assert "mine.py" in rnnviz.refused("run", config, "--engines", f"manual,{own}", code=3)


def test_traceback_only_with_rnnviz_debug(capsys, monkeypatch, config):
    monkeypatch.setenv("RNNVIZ_DEBUG", "1")
    assert main(["run", "missing.toml"]) == 2
    _, err = capsys.readouterr()
    assert "Traceback" in err
    assert err.strip().splitlines()[-1].startswith("rnnviz: missing.toml does not exist")
