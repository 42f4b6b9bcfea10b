"""The training panel: its form, its state, its curves of given steps, and its slider."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6.QtTest import QTest

from rnnviz.core.config import Config
from rnnviz.core.errors import EngineError
from rnnviz.core.trace_index import Location
from rnnviz.gui.training.output_strip import OutputStrip
from rnnviz.gui.training.panel import TrainingPanel, TrainingState
from rnnviz.gui.training.runner import TrainingRunner
from rnnviz.gui.training.task_form import settings_text
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
    panels = []

    def make_(task):
        panels.append(TrainingPanel(task, []))
        return panels[-1]

    yield make_
    for panel in panels:
        panel.deleteLater()


def test_an_invalid_field_shows_its_error_and_prevents_training(make):
    panel, asked = make(task_of()), list[bool]()
    panel.train_requested.connect(lambda: asked.append(True))
    field = panel.form.field("training.learning_rate")
    field.editor.line.clear()
    QTest.keyClicks(field.editor.line, "-1")
    panel.train_action.trigger()
    assert panel.form.task is None
    assert list(panel.form.errors) == ["training.learning_rate"]
    assert "above 0" in field.note.text
    assert asked == []
    field.editor.line.clear()
    QTest.keyClicks(field.editor.line, "0.5")
    panel.train_action.trigger()
    assert panel.form.task == task_of(learning_rate=0.5)
    assert asked == [True]
    # The problem decides which other keys there are.
    kind = panel.form.field("problem.kind").editor
    assert not panel.form.field("problem.symbols").shown
    kind.combo.setCurrentIndex(kind.combo.findData("copy"))
    kind.combo.activated.emit(kind.combo.currentIndex())
    assert panel.form.field("problem.symbols").shown
    assert panel.ready.currentText() == ""


def test_the_slider_follows_the_latest_checkpoint_until_another_is_chosen(make):
    panel, shown = make(task_of()), list[tuple[int, bool]]()
    panel.checkpoint_chosen.connect(lambda checkpoint, by_user: shown.append((checkpoint.step, by_user)))
    panel.begin(TrainingStart(task_of(), 0.25))
    panel.show_running(True)
    panel.take([saved(0), *steps(1, 10, "manual"), saved(10)])
    assert shown == [(10, False)]
    panel.previous_action.trigger()
    assert shown[-1] == (0, True)
    panel.take([*steps(11, 20, "manual"), saved(20)])
    assert panel.checkpoint.step == 0
    assert not panel.follow.isChecked()
    panel.curves.step_requested.emit(12)
    assert panel.checkpoint.step == 10
    panel.follow.setChecked(True)
    assert panel.checkpoint.step == 20
    panel.refresh()
    assert panel.progress.text() == "Step 20 of 100"
    assert panel.speed.text() == "10 steps/s, 8.0 s left"
    lines = {line.name: line for line in panel.curves.loss.lines}
    assert lines["training"].values[20] == 1.0 / 20
    assert list(lines["test"].values) == [0.2, 0.2 / 11, 0.2 / 21]
    assert list(lines["test"].steps) == [0, 10, 20]
    # Other weights are another training; the number of steps may change.
    panel.show_running(False)
    assert panel.task_to_resume == task_of()
    panel.show_task(task_of(steps=30, learning_rate=0.1), "", Path("task.toml"))
    assert panel.task_to_resume == task_of(steps=30, learning_rate=0.1)
    panel.show_task(task_of(steps=15), "", Path("task.toml"))
    assert panel.task_to_resume == task_of(steps=35)
    panel.show_task(task_of(optimizer="sgd"), "", Path("task.toml"))
    assert panel.task_to_resume is None
    # Another task begins without curves, checkpoints and weights.
    assert (panel.history, panel.checkpoint, panel.unsaved) == (None, None, False)
    assert (panel.curves.loss.lines, panel.curves.norm.lines, panel.state) == ((), (), TrainingState.NEW)
    assert not panel.weights_action.isEnabled()


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
    panel = make(task)
    panel.begin(TrainingStart(loop.task, source.baseline))
    panel.take([checkpoint])
    assert found.target.shape == batch.counted.shape if kind == "adding" else (8, 4)
    strip = OutputStrip(lambda parameters: found if parameters == checkpoint.config.parameters else None)
    strip.show_result(SimpleNamespace(config=checkpoint.config), None)
    strip.show_location(Location(timestep=5, sample=2))
    assert panel.prediction.isHidden() is (kind != "adding")
    assert strip.isHidden() is (kind == "adding")
    if kind == "sine":
        assert found.target == pytest.approx(batch.target[:, :4, 0])
        assert strip.sentence.startswith(f"t = 5: target {found.target[5, 2]:.3f}".replace("-", "−"))
    elif kind == "adding":
        drawn, predicted = panel.prediction.points.getData()
        order = np.argsort(found.target[-1])
        assert drawn == pytest.approx(batch.target[-1, order, 0])
        assert predicted == pytest.approx(found.predicted[-1, order])
    else:
        symbols = "eo" if kind == "parity" else "()[]"
        assert found.symbols(2)[0] == "".join(symbols[int(c)] for c in batch.target[:, 2])
        assert ("which differs" in strip.sentence) == (found.predicted[5, 2] != found.target[5, 2])
    strip.show_result(SimpleNamespace(config=Config(task_of().network)), None)
    assert strip.isHidden()
    strip.deleteLater()
    panel.show_task(task_of(), "", Path("task.toml"))
    assert panel.prediction.isHidden()


def test_one_button_fits_the_state(make):
    panel, asked = make(task_of()), list[str]()
    for name in ("train", "stop", "continue"):
        getattr(panel, f"{name}_requested").connect(lambda name=name: asked.append(name))
    panel.button.click()
    panel.begin(TrainingStart(task_of(), 0.25))
    panel.show_running(True)
    assert panel.state is TrainingState.TRAINING
    panel.button.click()
    panel.take([saved(0), *steps(1, 10, "manual"), saved(10)])
    panel.show_running(False)
    assert panel.state is TrainingState.STOPPED
    panel.button.click()
    panel.show_running(True)
    panel.take([*steps(11, 100, "manual"), saved(100)])
    panel.show_running(False)
    assert (panel.state, panel.word.text()) == (TrainingState.DONE, "Done.")
    assert asked == ["train", "stop", "continue"]


def test_the_settings_in_one_line_fold_out_to_fields(make):
    panel = make(task_of(optimizer="sgd", clip_norm=0.0, library="torch"))
    assert settings_text(panel.form.task) == "SGD 0.01 · 32 sequences · no clipping · 100 steps · with torch"
    assert panel.form.isHidden()
    panel.settings.click()
    assert not panel.form.isHidden()


def test_weights_are_unsaved_until_they_are_in_a_file_and_again_after_a_step(make):
    panel = make(task_of())
    panel.begin(TrainingStart(task_of(), 0.25))
    panel.take([saved(0)])
    assert not panel.unsaved
    panel.take(steps(1, 3, "manual"))
    assert panel.unsaved
    panel.show_saved("w.npz")
    assert not panel.unsaved
    panel.take(steps(4, 5, "manual"))
    assert panel.unsaved


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
    panel = make(task_of(library="torch"))
    panel.begin(TrainingStart(task_of(library="torch"), 0.25))
    panel.take([saved(0), *steps(1, 20, "manual", "torch")])
    panel.refresh()
    assert [line.name for line in panel.curves.loss.lines] == ["training, manual", "training, torch", "test"]
    assert [line.name for line in panel.curves.norm.lines] == ["norm, manual", "norm, torch"]
    assert not panel.curves.distance.isHidden()
    distances = panel.curves.distance.lines[0].values
    assert np.argmax(distances > panel.curves.distance.limit[0]) == 12
    assert "from training step 12 on" in panel.verdict.text()
    assert "at most manual 1% and torch 1% of the tolerance" in panel.verdict.text()
