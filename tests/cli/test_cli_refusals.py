"""Whatever is wrong: one sentence on standard error, and the exit code that says whose fault it is."""

import os

import numpy as np
import pytest

from rnnviz.cli import main
from rnnviz.core.config import CELL_NAMES
from tests.cli.calls import DISAGREEING, toml, write

pytestmark = pytest.mark.usefixtures("shared_worker")


@pytest.mark.parametrize(
    ("tables", "parts"),
    [
        ({"network": {"hiden_size": 4}}, ["network.hiden_size = 4 is not a known key", "hidden_size"]),
        ({"networks": {}}, ["networks is not a known table"]),
        ({"problem": {}}, ["rnnviz train"]),
        ({"network": {"hidden_size": "4"}}, ['network.hidden_size = "4"', "an integer from 1 to 1,000,000,000"]),
        ({"network": {"hidden_size": 0}}, ["network.hidden_size = 0", "from 1"]),
        ({"network": {"hidden_size": -3}}, ["network.hidden_size = -3"]),
        ({"network": {"hidden_size": 10**9}}, ["would take", "PB of memory", "network.hidden_size = 1,000,000,000"]),
        ({"sequence": {"timesteps": 10**9}}, ["would take", "sequence.timesteps = 1,000,000,000"]),
        ({"network": {"cell": "elman"}}, ['network.cell = "elman"', *CELL_NAMES]),
        ({"sequence": {"path": "missing.npy"}}, ["missing.npy does not exist"]),
        ({"sequence": {"path": "text.npy"}}, ["text.npy is not a valid .npy file"]),
        ({"sequence": {"path": "objects.npy"}}, ["objects.npy holds Python objects, which are never unpickled"]),
        ({"sequence": {"path": "ragged.csv"}}, ["ragged.csv, line 2 has 2 values, but the first row has 3"]),
        ({"sequence": {"path": "narrow.npy"}}, ["(5, 7, 2)", "set network.input_size = 2"]),
        ({"sequence": {"lengths": [1, 3]}}, ["sequence.lengths = [1, 3] has 2 lengths, but there are 16 samples"]),
        ({"sequence": {"paths": ["ragged.csv"], "lengths": [2]}}, ["ragged.csv, line 2 has 2 values"]),
        ({"parameters": {"path": "lacking.npz"}}, ["lacking.npz", "l0_h2h_bias", "(16,)"]),
        ({"parameters": {"path": "misshapen.npz"}}, ["misshapen.npz", "(3, 16)", "(16, 3)"]),
        ({"compare": {"candidates": ["nonsense"]}}, ['compare.candidates names "nonsense"', "manual"]),
        ({"compare": {"candidates": ["mine.py"]}}, ["mine.py"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else toml(value),
)
def test_invalid_input_exits_with_2(rnnviz, tmp_path, tables, parts):
    (tmp_path / "text.npy").write_text("1,2,3\n", encoding="utf-8")
    np.save(tmp_path / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    (tmp_path / "ragged.csv").write_text("1,2,3\n4,5\n", encoding="utf-8")
    np.save(tmp_path / "narrow.npy", np.ones((5, 7, 2)))
    weights = {"i2h_weight": (16, 3), "h2h_weight": (16, 4), "i2h_bias": (16,), "h2h_bias": (16,)}
    arrays = {f"l0_{name}": np.zeros(shape) for name, shape in weights.items()}
    np.savez(tmp_path / "misshapen.npz", **{**arrays, "l0_i2h_weight": np.zeros((3, 16))})
    arrays.pop("l0_h2h_bias")
    np.savez(tmp_path / "lacking.npz", **arrays)
    (tmp_path / "mine.py").write_text("raise SystemExit\n", encoding="utf-8")
    # Without an engine that needs MXNet the refusal comes as soon as a child has started.
    compare = DISAGREEING | tables.pop("compare", {})
    sentence = rnnviz.refused("run", write(tmp_path, compare=compare, **tables))
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["run"], "config"),
        (["run", "config.toml", "--rtol", "much"], '--rtol must be a number (got "much").'),
        (["run", "config.toml", "--rtol", "-1"], "--rtol = -1"),
        (["run", "config.toml", "--atol", "nan"], "--atol = nan"),
        (["run", "config.toml", "--engnes"], 'Unknown option "--engnes". Did you mean "--engines"?'),
        (["run", "config.toml", "more"], 'Unknown argument "more".'),
        (["rnn", "config.toml"], 'Unknown command "rnn". Did you mean "run"?'),
        (["rnn"], 'Unknown command "rnn". Did you mean "run"?'),
        (["run", "config.toml", "--engines", ""], "--engines"),
        (["run", "config.toml", "--engines", "manual,manual"], "twice"),
        (["run", "config.toml", "--engines", "manual,nonsense"], "--engines"),
        (["run", "config.toml", "--reference", "nonsense"], "--reference"),
        (["run", "config.toml", "--engines", "manual,./missing.py"], "no such file"),
        (["run", "config.toml", "--audit", "ful"], '(got "ful"). Did you mean "full"?'),
        (["run", "missing.toml"], "missing.toml does not exist"),
        (["run", "config.toml", "--csv", "missing/out.csv"], "missing/out.csv cannot be written"),
        (["run", "config.toml", "--json", "."], ". cannot be written: it is a folder"),
        (["config", "lsmt"], 'Unknown lesson "lsmt". Did you mean "lstm"?'),
        (["missing.toml"], "missing.toml does not exist"),
        (["--frobnicate"], "--frobnicate"),
    ],
    ids=" ".join,
)
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
