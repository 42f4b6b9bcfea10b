"""A recording on the command line: a run's own archive is one, by path on the command line and in a config."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.calls import write
from tests.needs import needs

pytestmark = pytest.mark.usefixtures("shared_worker")


def written(folder: Path, name: str, candidate: str) -> Path:
    network, compare = {"cell": "gru", "bidirectional": True}, {"reference": "manual", "candidates": [candidate]}
    return write(folder, name, network=network, initial_state={"source": "normal"}, compare=compare)


@pytest.mark.slow
@needs("PySide6")
def test_an_exported_run_is_a_recording_of_each_of_its_engines(tmp_path, rnnviz):
    made = written(tmp_path, "made.toml", "bug:update-gate-inverted")
    archive = tmp_path / "made.npz"
    assert rnnviz("run", made, "--npz", archive, "--quiet").code == 1
    against = written(tmp_path, "against.toml", "recording:made.npz#bug:update-gate-inverted")
    outputs = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "npz", "png")}
    answer = rnnviz("run", against, *(word for kind, path in outputs.items() for word in (f"--{kind}", path)))
    name = f"recording:{archive}#bug:update-gate-inverted"
    assert (answer.code, answer.err) == (1, "")
    first, *_ = answer.out.splitlines()
    assert first.startswith("✘ made.npz#bug:update-gate-inverted differs from what these weights and this input give")
    assert "first at layer 0, forward, t = 0" in first
    found = json.loads(outputs["json"].read_text(encoding="utf-8"))
    assert (found["verdict"], found["candidate"]) == ("disagree", name)
    assert [own["name"] for own in found["diagnosis"]] == ["update-gate-inverted"]
    assert (found["audit"][name]["verdict"], found["audit"][name]["coverage"]) == ("wrong", 1.0)
    with outputs["csv"].open(encoding="utf-8", newline="") as rows:
        assert next(csv.reader(rows))[5:7] == ["manual", "made.npz#bug:update-gate-inverted"]
    with np.load(outputs["npz"], allow_pickle=False) as again, np.load(archive, allow_pickle=False) as first:
        for kind in ("hidden", "output", "state"):
            expected = first[f"bug:update-gate-inverted.{kind}"]
            np.testing.assert_array_equal(again[f"made.npz#bug:update-gate-inverted.{kind}"], expected)


@pytest.mark.slow
def test_an_exported_run_with_padding_is_an_input_and_a_recording(tmp_path, rnnviz):
    lengths, archive = [2, 6, 3], tmp_path / "run.npz"
    network, sequence = {"bidirectional": True}, {"batch_size": 3, "timesteps": 6, "lengths": lengths}
    first = write(tmp_path, "first.toml", network=network, sequence=sequence, initial_state={"source": "normal"})
    assert rnnviz("run", first, "--engines", "manual,bug:final-state-at-last-timestep", "--npz", archive).code == 1
    given = {table: {"path": "run.npz"} for table in ("sequence", "parameters", "initial_state")}
    again = write(tmp_path, "again.toml", network=network, **given)
    answer = rnnviz("run", again, "--engines", f"manual,recording:{archive}#manual", "--json", "-")
    assert answer.code == 0
    found = json.loads(answer.out)
    assert (found["verdict"], found["lengths"], found["elements"]) == ("agree", lengths, 2 * 4 * 11)
    assert found["max_abs_error"]["value"] == 0.0
