"""rnnviz train: its files and exit codes, and that Ctrl-C keeps the trained weights."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Config, Network
from rnnviz.core.resources import resource_path
from rnnviz.io.model_formats.load import entries_of
from rnnviz.io.session import SavedDocument, SavedSession, write_session
from rnnviz.training.checkpoints import linear_file, write_trained
from rnnviz.training.history import TrainingHistory
from rnnviz.training.task import load_task
from rnnviz.verify.verdict import Verdict
from tests.cases import cases
from tests.profiles import nightly_except

TASK = cases(__file__)["task"]


def _written(folder: Path, text: str = TASK) -> Path:
    path = folder / "task.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.slow
def test_losses_are_printed_and_written(tmp_path, rnnviz):
    path, weights = _written(tmp_path), tmp_path / "w.npz"
    said = rnnviz("train", path, "--json", tmp_path / "a.json", "--weights", weights).out
    figures = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert figures["verdict"] is None
    assert len(figures["loss"]["steps"]) == len(figures["norm"]) == len(figures["accuracy"]) == 7
    assert (figures["loss"]["first"], figures["loss"]["last"]) == (
        figures["loss"]["steps"][0],
        figures["loss"]["steps"][-1],
    )
    assert [test["step"] for test in figures["test"]] == [0, 3, 6, 7]
    assert figures["distance"] is None
    assert figures["task"]["network"]["hidden_size"] == 4
    assert all(sentence in said for sentence in figures["sentences"])
    (entry,) = entries_of(weights)
    assert (entry.cell, entry.hidden_size) == ("lstm", 4)
    with np.load(tmp_path / "w-linear.npz") as linear:
        assert {name: linear[name].shape for name in linear} == {"linear_weight": (2, 4), "linear_bias": (2,)}


@pytest.mark.slow
def test_a_resumed_training_is_the_uninterrupted_one(tmp_path, rnnviz):
    path, kept = _written(tmp_path), tmp_path / "run.npz"
    rnnviz("train", path, "--json", tmp_path / "whole.json", "--weights", tmp_path / "whole.npz")
    rnnviz("train", path, "--steps", "4", "--checkpoint", kept)
    words = ("--steps", "7", "--json", tmp_path / "resumed.json", "--weights", tmp_path / "resumed.npz")
    assert rnnviz("train", "--resume", kept, "--checkpoint", kept, *words).code == 0
    whole, resumed = (json.loads((tmp_path / f"{name}.json").read_text("utf-8")) for name in ("whole", "resumed"))
    for key in ("loss", "norm", "accuracy", "task", "sentences"):
        assert resumed[key] == whole[key]
    assert [test for test in resumed["test"] if test["step"] != 4] == whole["test"]
    for name in ("npz", "linear"):
        one, other = (tmp_path / f"{which}{'-linear' * (name == 'linear')}.npz" for which in ("whole", "resumed"))
        with np.load(one) as expected, np.load(other) as found:
            assert all(np.array_equal(expected[each], found[each]) for each in expected)
    session = SavedSession(Config(Network("gru", 2, 3)), SavedDocument("mine"), training=kept)
    write_session(session, tmp_path / "kept.rnnviz")
    for name in (kept, tmp_path / "kept.rnnviz"):
        answer = rnnviz("train", "--resume", name)
        assert (answer.code, "All 7 training steps are done" in answer.err) == (2, True)


@pytest.mark.slow
def test_characters_become_a_model_that_generates(tmp_path, rnnviz):
    (tmp_path / "text.txt").write_text("abcdefgh " * 100, encoding="utf-8")
    path = _written(tmp_path, TASK.replace('kind = "parity"', 'kind = "characters"\npath = "text.txt"'))
    model = str(tmp_path / "w.safetensors")
    assert rnnviz("train", path, "--weights", model, "--quiet").code == 0
    assert not (tmp_path / "w-linear.npz").exists()
    said = rnnviz("generate", model, "--prefix", "abc", "--length", "5").out.rstrip("\n")
    assert said.startswith("abc")
    assert set(said) <= set("abcdefgh ")


@pytest.mark.parametrize(("words", "said"), cases(__file__)["refused-tasks"])
def test_refusals(words, said, tmp_path, rnnviz):
    peephole = tmp_path / "peephole.toml"
    peephole.write_text('[network]\ncell = "lstm_peephole"\n', encoding="utf-8")
    named = {"task": _written(tmp_path), "folder": tmp_path, "peephole": peephole}
    answer = rnnviz("train", *(word.format(**named) for word in words))
    assert answer.code == 2
    assert said in answer.err


@pytest.mark.parametrize("path", sorted(resource_path("training").glob("*.toml")), ids=lambda path: path.stem)
def test_examples_are_tasks(path, rnnviz):
    task = load_task(path)
    assert task.problem.kind == {"example": "adding", "adding-tanh": "adding"}.get(path.stem, path.stem)
    answer = rnnviz("train", "--example", *([] if path.stem == "example" else [path.stem]))
    assert answer.code == 0
    assert answer.out == path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_wrong_step_is_a_disagreement(tmp_path, monkeypatch, rnnviz):
    monkeypatch.setattr(TrainingHistory, "verdict", Verdict.DISAGREE)
    monkeypatch.setattr(TrainingHistory, "sentences", ("It is wrong.",))
    answer = rnnviz("train", _written(tmp_path))
    assert (answer.code, answer.out) == (1, "It is wrong.\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", nightly_except([signal.SIGINT, signal.SIGTERM, signal.SIGHUP], signal.SIGINT))
def test_a_signal_while_the_weights_are_verified_keeps_them(rnnviz, tmp_path, monkeypatch, number):
    def interrupted(*given):
        os.kill(os.getpid(), number)
        return write_trained(*given)

    monkeypatch.setattr("rnnviz.training.checkpoints.write_trained", interrupted)
    weights = tmp_path / "w.npz"
    # A shell starts what runs in its background with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert rnnviz("train", _written(tmp_path), "--weights", weights).code == 128 + number
    finally:
        signal.signal(signal.SIGINT, before)
    assert entries_of(weights)
    assert linear_file(weights).exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", nightly_except([signal.SIGINT, signal.SIGTERM, signal.SIGHUP], signal.SIGTERM))
def test_a_signal_keeps_the_trained_weights(tmp_path, number):
    path, weights = _written(tmp_path, TASK.replace("steps = 7", "steps = 1000000")), tmp_path / "w.safetensors"
    words = [sys.executable, "-m", "rnnviz", "train", str(path), "--json", str(tmp_path / "a.json")]
    words += ["--weights", str(weights)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(8)
        # A terminal or a job scheduler sends it to the child process as well.
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 128 + number
    assert said.startswith("Stopped after ")
    figures = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert len(figures["loss"]["steps"]) > 0
    assert entries_of(weights)
