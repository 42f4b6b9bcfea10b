"""The training window: its form, its curves of given steps, and its slider."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Config
from rnnviz.core.errors import EngineError
from rnnviz.gui.training.runner import TrainingRunner
from rnnviz.gui.training.training_window import TrainingWindow
from rnnviz.training.checkpoints import CheckpointFolder, SavedCheckpoint, TestPrediction
from rnnviz.training.history import TrainingStart
from rnnviz.training.loop import LearnerStep, StepAudit, StepDone, TrainingLoop
from rnnviz.training.task import TrainingTask

AUDIT = StepAudit(0.01, "l0_i2h_weight", 0.01, "l0_i2h_weight")


def task_of(**training: Any) -> TrainingTask:
    return TrainingTask.from_mapping({"network": {"hidden_size": 4}, "training": {"steps": 100, **training}})


def steps(first: int, last: int, *names: str) -> list[StepDone]:
    audit = AUDIT if len(names) > 1 else None
    done = []
    for step in range(first, last + 1):
        learners = {name: LearnerStep(1.0 / step, float("nan"), 0.5, audit) for name in names}
        done.append(StepDone(step, 0.1 * step, learners, 1e-7 * 2.0**step if audit else None))
    return done


def saved(step: int, prediction: TestPrediction | None = None) -> SavedCheckpoint:
    return SavedCheckpoint(step, 0.2 / (step + 1), float("nan"), Config(task_of().network), prediction)


@pytest.fixture
def make(qtbot):
    parents = []

    def make_(task):
        parents.append(QWidget())
        return TrainingWindow(parents[-1], task, [])

    yield make_
    for parent in parents:
        parent.deleteLater()


def test_an_invalid_field_shows_its_error_and_prevents_training(make):
    window, asked = make(task_of()), list[bool]()
    window.train_requested.connect(lambda: asked.append(True))
    field = window.form.field("training.learning_rate")
    field.editor.line.clear()
    QTest.keyClicks(field.editor.line, "-1")
    window.train_action.trigger()
    assert window.form.task is None
    assert list(window.form.errors) == ["training.learning_rate"]
    assert "above 0" in field.note.text
    assert asked == []
    field.editor.line.clear()
    QTest.keyClicks(field.editor.line, "0.5")
    window.train_action.trigger()
    assert window.form.task == task_of(learning_rate=0.5)
    assert asked == [True]
    # The problem decides which other keys there are.
    kind = window.form.field("problem.kind").editor
    assert not window.form.field("problem.symbols").shown
    kind.combo.setCurrentIndex(kind.combo.findData("copy"))
    kind.combo.activated.emit(kind.combo.currentIndex())
    assert window.form.field("problem.symbols").shown
    assert window.ready.currentText() == ""


def test_the_slider_follows_the_latest_checkpoint_until_another_is_chosen(make):
    window, shown = make(task_of()), list[tuple[int, bool]]()
    window.checkpoint_chosen.connect(lambda checkpoint, by_user: shown.append((checkpoint.step, by_user)))
    window.begin(TrainingStart(task_of(), 0.25))
    window.show_running(True)
    window.take([saved(0), *steps(1, 10, "manual"), saved(10)])
    assert shown == [(10, False)]
    window.previous_action.trigger()
    assert shown[-1] == (0, True)
    window.take([*steps(11, 20, "manual"), saved(20)])
    assert window.checkpoint.step == 0
    assert not window.follow.isChecked()
    window.curves.step_requested.emit(12)
    assert window.checkpoint.step == 10
    window.follow.setChecked(True)
    assert window.checkpoint.step == 20
    window.refresh()
    assert window.progress.text().startswith("step 20 of 100 · 10 steps/s · loss 0.05 · 8.0 s left")
    lines = {line.name: line for line in window.curves.loss.lines}
    assert lines["training"].values[20] == 1.0 / 20
    assert list(lines["test"].values) == [0.2, 0.2 / 11, 0.2 / 21]
    assert window.curves.loss.plot.logarithmic
    window.curves.logarithmic.setChecked(False)
    assert not window.curves.loss.plot.logarithmic
    # Other weights are another training; the number of steps may change.
    window.show_running(False)
    assert window.task_to_resume == task_of()
    window.show_task(task_of(steps=30, learning_rate=0.1), "", Path("task.toml"))
    assert window.task_to_resume == task_of(steps=30, learning_rate=0.1)
    window.show_task(task_of(steps=15), "", Path("task.toml"))
    assert window.task_to_resume == task_of(steps=35)
    window.show_task(task_of(optimizer="sgd"), "", Path("task.toml"))
    assert window.task_to_resume is None
    # Another task begins without curves, checkpoints and weights.
    assert (window.history, window.checkpoint, window.unexported) == (None, None, False)
    assert (window.curves.loss.keys, window.checkpoint_label.text(), window.finding.text()) == ([], "", "")
    assert not window.weights_action.isEnabled()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sine", "adding", "parity", "brackets"])
def test_the_prediction_of_the_chosen_checkpoint_is_drawn_with_its_target(make, tmp_path, kind):
    task = TrainingTask.from_mapping(
        {"problem": {"kind": kind, "timesteps": 8, "batch_size": 6}, "network": {"hidden_size": 4}}
    )
    loop = TrainingLoop(task)
    source = loop.source
    folder = CheckpointFolder(tmp_path, loop.task, source)
    checkpoint = folder.save(loop.checkpoint())
    found, batch = checkpoint.prediction, source.test
    window = make(task)
    window.begin(TrainingStart(loop.task, source.baseline))
    window.take([checkpoint])
    assert not window.prediction.isHidden()
    if kind in ("sine", "adding"):
        target = batch.target[:, 0, 0] if kind == "sine" else batch.target[-1, :4, 0]
        lines = {line.name: line.values for line in window.prediction.plot.lines}
        assert lines["target"] == pytest.approx(target)
        assert lines["prediction"] == pytest.approx(found.predicted)
        assert not window.prediction.plot.isHidden()
    else:
        symbols = "eo" if kind == "parity" else "()[]"
        first, second, *marks = window.prediction.symbols.toPlainText().splitlines()
        assert first.split()[1] == "".join(symbols[int(c)] for c in batch.target[:, 0])
        wrong = [place for place, (a, b) in enumerate(zip(first, second, strict=True)) if a != b and place > 10]
        assert [place for place, c in enumerate("".join(marks)) if c == "×"] == wrong
    window.show_task(task_of(), "", Path("task.toml"))
    assert window.prediction.isHidden()


def test_weights_are_unexported_until_they_are_in_a_file_and_again_after_a_step(make):
    window = make(task_of())
    window.begin(TrainingStart(task_of(), 0.25))
    window.take([saved(0)])
    assert not window.unexported
    window.take(steps(1, 3, "manual"))
    assert window.unexported
    window.exported = True
    assert not window.unexported
    window.take(steps(4, 5, "manual"))
    assert window.unexported


@pytest.mark.parametrize("error", [EngineError("No process."), MemoryError("Unable to allocate 149. GiB")])
def test_a_training_without_a_checkpoint_has_none_to_go_on_from(qtbot, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("rnnviz.gui.training.runner.TrainingProcess", fail)
    runner = TrainingRunner()
    with qtbot.waitSignal(runner.failed) as caught:
        runner.train(task_of())
    sentence, begun = caught.args
    assert not begun
    assert "allocate" not in sentence
    runner.close()


def test_a_library_has_curves_a_distance_and_a_verdict(make):
    window = make(task_of(library="torch"))
    window.begin(TrainingStart(task_of(library="torch"), 0.25))
    window.take([saved(0), *steps(1, 20, "manual", "torch")])
    window.refresh()
    assert [line.name for line in window.curves.loss.lines] == ["training, manual", "training, torch", "test"]
    assert [line.name for line in window.curves.norm.lines] == ["manual", "torch"]
    assert not window.curves.distance.isHidden()
    distances = window.curves.distance.lines[0].values
    assert np.argmax(distances > window.curves.distance.limit[0]) == 12
    assert "from training step 12 on" in window.verdict.text()
    assert "at most manual 1% and torch 1% of the tolerance" in window.verdict.text()
