"""The command after a verdict: it runs as printed, and explains the first wrong value of the wrong engine."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from tests.cli.calls import DETECTABLE, WRONG, Called, write

pytestmark = pytest.mark.usefixtures("shared_worker")

STEP = "def step(x, state, p):\n    h, c = state\n    return 0.9 * h, c\n"
CELL = {"cell": "gru", "num_layers": 2, "bidirectional": True}


def config(folder: Path, **tables: dict[str, Any]) -> Path:
    """A config in which every known bug changes numbers."""
    return write(folder, **DETECTABLE | {"backward": {"loss": "normal"}} | tables)


def summary(rnnviz: Called, *words: str | Path) -> dict[str, Any]:
    answer = rnnviz("run", *words, "--json", "-")
    assert answer.err == ""
    return json.loads(answer.out)


def explained(rnnviz: Called, command: str) -> dict[str, Any]:
    program, *words = shlex.split(command)
    assert program == "rnnviz"
    answer = rnnviz(*words, "--json", "-")
    assert (answer.code, answer.err) == (0, "")
    return json.loads(answer.out)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({}, ("--engines", WRONG)),
        (CELL, ("--engines", "bug:reverse-not-reversed,manual", "--reference", "manual")),
        (CELL, ("--engines", "bug:gates-z-r-n,manual")),
        ({"cell": "gru", "reverse": True}, ("--engines", "manual,bug:update-gate-inverted")),
        ({"projection_size": 2}, ("--engines", "manual,bug:projection-transposed")),
        ({"projection_size": 2}, ("--engines", "manual,bug:gates-i-f-o-g")),
        ({}, ("--cell", "lstm_coupled", "--engines", "manual,bug:coupled-gates-exchanged")),
        ({}, ("--engines", "manual,my step.py")),
        ({}, ("--engines", WRONG, "--audit", "off")),
    ],
)
def test_the_command_explains_the_first_wrong_value(rnnviz, tmp_path, monkeypatch, network, words):
    folder = tmp_path / "it's a $folder"
    folder.mkdir()
    path = config(folder, network=network).relative_to(tmp_path)
    (tmp_path / "my step.py").write_text(STEP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    found = summary(rnnviz, path, *words)
    (command,) = found["next"]
    shown = explained(rnnviz, command)
    if "audit" in found:
        ((engine, audit),) = ((e, a) for e, a in found["audit"].items() if a["verdict"] == "wrong")
        first, value = audit["first_wrong"], audit["first_wrong"]["value"]
    else:
        engine, first, value = found["candidate"], found["first_mismatch"], found["first_mismatch"]["candidate"]
    assert shown["where"] == {key: first[key] for key in shown["where"]}
    assert shown["value"][engine] == value
    assert rnnviz("run", path, *words).out.endswith(f"\nNext: {command}\n")


@pytest.mark.parametrize(
    ("called", "found", "program"),
    [
        ("/usr/bin/rnnviz", "/usr/bin/rnnviz", ["rnnviz"]),
        (".venv/bin/rnnviz", None, [".venv/bin/rnnviz"]),
        ("/some where/rnnviz/__main__.py", None, [sys.executable, "-m", "rnnviz"]),
        ("/a/test/__main__.py", None, ["rnnviz"]),
    ],
)
def test_the_command_starts_the_program_as_it_was_called(rnnviz, tmp_path, monkeypatch, called, found, program):
    monkeypatch.setattr("sys.argv", [called])
    monkeypatch.setattr("rnnviz.cli.explain.which", lambda name: found)
    answer = rnnviz("run", config(tmp_path), "--engines", WRONG)
    words = shlex.split(answer.out.rpartition("Next: ")[2])
    assert words[: len(program) + 1] == [*program, "explain"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "option"),
    [
        ("cell-gradient-dropped", "--gradient c"),
        ("weight-gradient-not-summed-over-time", "--gradient 'l0_"),
        ("initial-state-gradient-missing", "--gradient h0"),
        ("truncated-at-one-step", "--gradient"),
    ],
)
def test_the_command_explains_the_first_wrong_gradient(rnnviz, tmp_path, bug, option):
    found = summary(rnnviz, config(tmp_path), "--engines", f"manual,bug:{bug}", "--backward")
    assert (found["verdict"], found["overall_verdict"]) == ("agree", "disagree")
    assert found["cause"]["name"] == bug
    assert found["fix"] == KNOWN_BUGS[bug].fix
    (command,) = found["next"]
    assert option in command
    first = found["backward"]["audit"][f"bug:{bug}"]["first_wrong"]
    lines = explained(rnnviz, command)["engines"][f"bug:{bug}"]["lines"]
    wrong = [line["own"]["value"] for line in lines if line["own"] is not None and line["own"]["ratio"] > 8]
    assert first["value"] in wrong


def test_the_input_and_the_worst_of_several_candidates(rnnviz, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.random.default_rng(3).standard_normal((2, 5, 3)))
    monkeypatch.chdir(tmp_path)
    path = config(tmp_path).name
    engines = "manual,bug:h2h-transposed,bug:no-h2h-bias"
    found = summary(rnnviz, path, "--engines", engines, "--input", "x.npy")
    each = {own["candidate"]: own for own in found["comparisons"]}
    assert [own["cause"]["name"] for own in each.values()] == ["h2h-transposed", "no-h2h-bias"]
    assert found["next"] == each["bug:h2h-transposed"]["next"]
    for engine, own in each.items():
        assert "--input x.npy" in own["next"][0]
        value = own["audit"][engine]["first_wrong"]["value"]
        assert explained(rnnviz, own["next"][0])["value"][engine] == value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engines", "state", "fix"),
    [
        ("manual,bug:final-state-at-last-timestep", None, KNOWN_BUGS["final-state-at-last-timestep"].fix),
        ("manual,recording:{tmp}/golden.npz", None, None),
        (
            "manual,recording:{tmp}/golden.npz",
            1.5,
            "Return the last computed hidden state of each lane as its final state.",
        ),
    ],
)
def test_no_command_where_no_step_is_wrong(rnnviz, tmp_path, monkeypatch, engines, state, fix):
    monkeypatch.chdir(tmp_path)
    path, engines = config(tmp_path, network=CELL), engines.format(tmp=tmp_path)
    rnnviz("run", path, "--engines", WRONG, "--npz", "run.npz", "--quiet", "--audit", "off")
    with np.load("run.npz") as arrays:
        further = {} if state is None else {"hidden": arrays["manual.hidden"], "state": arrays["manual.state"] * state}
        np.savez("golden.npz", output=arrays["manual.output"], **further)
    found = summary(rnnviz, path, "--engines", engines)
    assert (found["next"], found["fix"]) == ([], fix)
    assert "Next:" not in rnnviz("run", path, "--engines", engines).out
