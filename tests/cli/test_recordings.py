"""A recording on the command line: a run's own archive is one, by path on the command line and in a config."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from rnnviz.cli import main

TEXT = """
[network]
cell = "gru"
input_size = 3
hidden_size = 4
bidirectional = true
[initial_state]
source = "normal"
[compare]
reference = "manual"
candidates = ["{candidate}"]
"""


def write(path: Path, candidate: str) -> Path:
    path.write_text(TEXT.format(candidate=candidate), encoding="utf-8")
    return path


def test_a_run_s_own_archive_is_a_recording_of_each_of_its_engines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = write(tmp_path / "made.toml", "mistake:update-gate-inverted")
    archive = tmp_path / "made.npz"
    assert main(["run", str(made), "--npz", str(archive), "--quiet"]) == 1
    against = write(tmp_path / "against.toml", "trace:made.npz#mistake:update-gate-inverted")
    outputs = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "npz", "png")}
    assert (
        main(["run", str(against), *(word for kind, path in outputs.items() for word in (f"--{kind}", str(path)))]) == 1
    )
    name = f"trace:{archive}#mistake:update-gate-inverted"
    said, err = capsys.readouterr()
    assert said.startswith("✘ made.npz#mistake:update-gate-inverted is wrong from layer 0, forward, t = 0")
    assert err == ""
    found = json.loads(outputs["json"].read_text(encoding="utf-8"))
    assert (found["verdict"], found["candidate"]) == ("mismatch", name)
    assert found["diagnosis"] == ["update-gate-inverted"]
    assert (found["audit"][name]["verdict"], found["audit"][name]["coverage"]) == ("wrong", 1.0)
    with outputs["csv"].open(encoding="utf-8", newline="") as rows:
        assert next(csv.reader(rows))[5:7] == ["manual", name]
    with np.load(outputs["npz"], allow_pickle=False) as again, np.load(archive, allow_pickle=False) as first:
        for kind in ("hidden", "output", "state"):
            expected = first[f"mistake:update-gate-inverted.{kind}"]
            np.testing.assert_array_equal(again[f"{name}.{kind}"], expected)


def test_an_archive_of_several_engines_is_refused_with_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path / "config.toml", "onnx")
    np.savez(tmp_path / "two.npz", **{"gluon.hidden": np.ones(1), "torch.hidden": np.ones(1)})
    assert main(["run", str(config), "--engines", f"manual,trace:{tmp_path / 'two.npz'}"]) == 2
    said, err = capsys.readouterr()
    assert said == ""
    assert err == (
        f"rnnviz: {tmp_path}/two.npz holds what gluon and torch computed: name one of them, "
        f"trace:{tmp_path}/two.npz#gluon or trace:{tmp_path}/two.npz#torch.\n"
    )
