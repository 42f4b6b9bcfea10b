"""Trainings in the main window: checkpoints in the lanes, stopping, going on, files, and closing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.training.panel import TrainingPanel
from rnnviz.training.loop import Checkpoint, TrainingLoop
from rnnviz.training.task import TrainingTask, load_task, save_task
from tests.leaks import children
from tests.training.tasks import task_of

pytestmark = pytest.mark.slow

SIZES = {"problem": {"timesteps": 8, "batch_size": 4}, "network": {"hidden_size": 5}}
TASK = task_of("parity", **SIZES, steps=30, checkpoint_every=15)


@pytest.fixture
def window(window):
    yield window
    window.trainings.close()
    if window.trainings.made:
        # The next test is not asked about these weights.
        window.trainings.panel.saved_as = "file"
        window.main_layout.docks.close("Training")


def opened(window: MainWindow, task: TrainingTask, folder: Path) -> TrainingPanel:
    save_task(task, folder / "task.toml")
    assert load_task(folder / "task.toml") == task
    window.files.open(folder / "task.toml")
    return window.trainings.panel


def until(qtbot: Any, window: MainWindow, step: int) -> None:
    """Wait until the lanes show a checkpoint."""
    title = f"training step {step}"
    qtbot.waitUntil(lambda: window.document.origin.title.endswith(title))
    qtbot.waitUntil(lambda: not window.runner.busy)
    qtbot.waitUntil(lambda: window.session.result.config == window.session.config)


def begun(qtbot: Any, training: TrainingPanel, task: TrainingTask) -> None:
    """Wait until some steps of a task are done."""

    def some() -> bool:
        history = training.history
        return history is not None and history.start.task.training == task.training and history.steps > 5

    qtbot.waitUntil(some)


def test_the_slider_shows_the_run_of_each_checkpoint(qtbot, window, tmp_path):
    training = opened(window, TASK, tmp_path)
    with qtbot.waitSignal(window.trainings.runner.ended):
        training.train_action.trigger()
    until(qtbot, window, 30)
    assert [saved.step for saved in training.history.checkpoints] == [0, 15, 30]
    window.session.set_location(Location(0, 0, 3, 2, 1))
    window.session.set_color_by("gradient")
    undo = window.document.history.undone
    training.previous_action.trigger()
    until(qtbot, window, 15)
    # The selection and the colors stay, and all checkpoints are one entry of the undo history.
    assert window.session.location == Location(0, 0, 3, 2, 1)
    assert window.session.state.color_by == "gradient"
    assert window.document.history.undone.partition(",")[0] == undo.partition(",")[0]
    assert not window.document.modified
    checkpoints = [event for event in TrainingLoop(TASK) if isinstance(event, Checkpoint)]
    found = window.session.result.inputs.parameters["l0_i2h_weight"]
    assert found == pytest.approx(checkpoints[1].parameters["l0_i2h_weight"], abs=1e-9)
    strip = window.trainings.strip
    assert strip.isVisible()
    assert strip.prediction is training.checkpoint.prediction
    # Changes of the user's stay, too.
    config = window.session.config
    window.document.edit(replace(config, backward=replace(config.backward, truncate=3)))
    training.next_action.trigger()
    until(qtbot, window, 30)
    assert window.session.config.backward.truncate == 3
    # Files.
    training.history.write_csv(tmp_path / "losses.csv")
    rows = (tmp_path / "losses.csv").read_text().splitlines()
    assert rows[0] == "step,seconds,distance,manual.loss,manual.accuracy,manual.norm,test.loss,test.accuracy"
    assert len(rows) == 32
    with np.load(training.history.checkpoints[-1].config.parameters.path) as weights:
        assert np.array_equal(weights["l0_i2h_weight"], training.checkpoint.parameters()["l0_i2h_weight"])
    assert training.checkpoint.parameters()["linear_weight"] == pytest.approx(
        checkpoints[2].parameters["linear_weight"]
    )


def test_another_training_replaces_the_checkpoints_but_not_another_file(qtbot, window, tmp_path):
    for size in (5, 3):
        task = replace(TASK, network=replace(TASK.network, hidden_size=size))
        training = opened(window, task, tmp_path)
        if size == 3:
            # The weights of the first would be lost.
            qtbot.answer(window, "Discard")
            qtbot.waitUntil(lambda shown=training: shown.history is None)
        training.follow.setChecked(True)
        with qtbot.waitSignal(window.trainings.runner.ended):
            training.train_action.trigger()
        qtbot.waitUntil(lambda size=size: window.session.config.network.hidden_size == size)
        until(qtbot, window, 30)
    other = replace(window.session.config, network=replace(window.session.config.network, dtype="float32"))
    with qtbot.finished(window):
        window.document.take(other, "other")
        window.control.run()
    with qtbot.waitSignal(window.trainings.runner.ended):
        training.continue_action.trigger()
    assert not training.follow.isChecked()
    assert window.document.origin.title == "other"
    # The last one is chosen by itself once more.
    training.follow.setChecked(True)
    until(qtbot, window, 60)


def test_a_stopped_training_goes_on_to_the_same_weights(qtbot, window, tmp_path):
    long = replace(TASK, training=replace(TASK.training, steps=100_000, checkpoint_every=100_000))
    training = opened(window, long, tmp_path)
    training.follow.setChecked(False)
    training.train_action.trigger()
    begun(qtbot, training, long)
    with qtbot.waitSignal(window.trainings.runner.ended) as ended:
        training.stop_action.trigger()
    assert ended.args == [True]
    done = training.history.checkpoints[-1].step
    steps = done + 10
    training.show_task(replace(long, training=replace(long.training, steps=steps)), "task", tmp_path)
    with qtbot.waitSignal(window.trainings.runner.ended):
        training.continue_action.trigger()
    assert [saved.step for saved in training.history.checkpoints] == [0, done, steps]
    whole = list(TrainingLoop(replace(long, training=replace(long.training, steps=steps))))
    found = training.history.checkpoints[-1].parameters()
    for name, array in whole[-1].parameters.items():
        assert found[name] == pytest.approx(array, abs=1e-9)
    losses = training.history.column("manual.loss")
    assert len(losses) == steps + 1
    assert np.isfinite(losses[1:]).all()


def test_a_session_and_a_file_hold_the_training_with_its_checkpoints(qtbot, window, tmp_path):
    training = opened(window, TASK, tmp_path)
    controller = window.trainings
    training.follow.setChecked(True)
    with qtbot.waitSignal(controller.runner.ended):
        training.train_action.trigger()
    until(qtbot, window, 30)
    numbers, chosen = training.history.numbers, training.checkpoint.parameters()
    window.sessions.save(tmp_path / "mine.rnnviz")
    qtbot.waitUntil(lambda: window.document.path == tmp_path / "mine.rnnviz" and not window.jobs.busy)
    assert not training.unsaved
    training.training_action.trigger()
    qtbot.choose_file(training.window(), tmp_path / "run.npz")
    qtbot.waitUntil(lambda: training.saved_as == "run.npz")
    for name in ("mine.rnnviz", "run.npz"):
        training.show_task(replace(TASK, network=replace(TASK.network, hidden_size=3)), "other", None)
        assert training.history is None
        window.files.open(tmp_path / name) if name == "mine.rnnviz" else controller.open_task(tmp_path / name)
        qtbot.waitUntil(lambda: training.history is not None and not controller.runner.busy)
        assert [saved.step for saved in training.history.checkpoints] == [0, 15, 30]
        assert np.array_equal(training.history.numbers, numbers, equal_nan=True)
        found = training.checkpoint.parameters()
        assert all(np.array_equal(found[name], array) for name, array in chosen.items())
        assert not training.unsaved
    with qtbot.waitSignal(controller.runner.ended):
        training.continue_action.trigger()
    assert training.history.steps == 60
    qtbot.idle(window)


def test_closing_the_panel_ends_the_training(qtbot, window, tmp_path):
    before = children()
    long = replace(TASK, training=replace(TASK.training, steps=1_000_000))
    training = opened(window, long, tmp_path)
    training.follow.setChecked(False)
    training.train_action.trigger()
    begun(qtbot, training, long)
    assert len(children() - before) == 1
    window.main_layout.docks.close("Training")
    qtbot.waitUntil(lambda: not window.trainings.runner.busy)
    assert children() - before == set()
    # The panel opens again with what was learned.
    window.trainings.open()
    assert training.isVisible()
    assert training.history.steps > 5
