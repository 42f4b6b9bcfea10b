"""Training panel: a task, the state of its training, curves, and a slider over its checkpoints."""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from functools import partial
from math import isnan
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QLabel,
    QProgressBar,
    QPushButton,
    QSlider,
    QToolButton,
    QWidget,
)

from rnnviz.core import number_format
from rnnviz.core.words import plural
from rnnviz.gui.access import announce
from rnnviz.gui.kit.panel import Panel, line, menu_button
from rnnviz.gui.settings_panel.widgets import NoWheelComboBox
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.training.curves import AnswerPlot, TrainingCurves
from rnnviz.gui.training.task_form import TaskForm, continues, settings_text
from rnnviz.gui.views.base import across, down, pages
from rnnviz.gui.views.labels import ElidedLabel, hint
from rnnviz.training.checkpoints import SavedCheckpoint
from rnnviz.training.history import TrainingHistory, TrainingStart
from rnnviz.training.loop import StepDone
from rnnviz.training.task import PROBLEMS, TrainingTask

_REFRESH_MS = 200
"""Minimum interval between updates while steps arrive."""
_SAID_MS = 6_000
_PLOTS, _FORM, _EMPTY = range(3)
"""Pages between the state and the checkpoints."""


class TrainingState(Enum):
    """The state of a training, in one word."""

    NEW = ""
    TRAINING = "Training"
    STOPPED = "Stopped"
    DONE = "Done"


class TrainingPanel(Panel):
    """Shows a task, and a training of it. The user's requests are signals, and actions of its menus.

    Its methods are one for each part of the panel, each of its commands and each event of a training.
    """

    help_page = "training"
    train_requested = Signal()
    continue_requested = Signal()
    stop_requested = Signal()
    ready_chosen = Signal(object)
    """The `Path` of a ready task."""
    checkpoint_chosen = Signal(object, bool)
    """The `SavedCheckpoint` to be shown, and whether the user chose it (the latest one follows by itself)."""

    def __init__(self, task: TrainingTask, ready: Sequence[Path]) -> None:
        super().__init__()
        self.setAccessibleName("Training")
        self.history: TrainingHistory | None = None
        self.name = ""
        """The name of the task in the form."""
        self._path: Path | None = None
        """Its file, as long as the form is not edited."""
        self._running = False
        self._icons = Icons(LIGHT)
        self.saved_as = ""
        """The name of the user's file that has the last weights, if any."""
        self.ready_tasks = tuple(ready)
        self._make_task(task)
        self._make_state()
        self.curves, self.prediction = TrainingCurves(), AnswerPlot()
        self.curves.step_requested.connect(self._choose_step)
        self.verdict = ElidedLabel(selectable=True)
        self.verdict.hide()
        self._make_checkpoints()
        self._make_actions()
        self._later = QTimer(self, singleShot=True, interval=_REFRESH_MS)
        self._later.timeout.connect(self._refresh_losses)
        # In a later frame, so that neither is long.
        self._then = QTimer(self, singleShot=True, interval=_REFRESH_MS // 4)
        self._then.timeout.connect(self._refresh_norms)
        self._later.timeout.connect(self._then.start)
        self._unsay = QTimer(self, singleShot=True, interval=_SAID_MS)
        self._unsay.timeout.connect(lambda: self.say(""))
        self._lay_out()
        self.setFocusProxy(self.button)
        self.show_running(False)
        self.refresh()

    @property
    def state(self) -> TrainingState:
        if self._running:
            return TrainingState.TRAINING
        history = self.history
        if history is None or not history.checkpoints:
            return TrainingState.NEW
        done = history.steps >= history.start.task.training.steps
        return TrainingState.DONE if done else TrainingState.STOPPED

    @property
    def checkpoint(self) -> SavedCheckpoint | None:
        """The chosen checkpoint."""
        found = [] if self.history is None else self.history.checkpoints
        return found[self.slider.value()] if self.slider.value() < len(found) else None

    @property
    def unsaved(self) -> bool:
        """Whether there are trained weights that are in no file of the user's."""
        return self.history is not None and self.history.steps > 0 and not self.saved_as

    def is_of(self, task: TrainingTask | None) -> bool:
        """Whether the last training is of a task, apart from keys that may change when it goes on."""
        if task is None or self.history is None:
            return False
        return continues(self.history.start.task, task)

    @property
    def task_to_resume(self) -> TrainingTask | None:
        """The task of the form, if the last training can go on with it; with more steps if all are done."""
        task, history = self.form.task, self.history
        if task is None or history is None or not history.checkpoints or not self.is_of(task):
            return None
        done = history.checkpoints[-1].step
        if task.training.steps > done:
            return task
        return replace(task, training=replace(task.training, steps=done + task.training.steps))

    def show_task(self, task: TrainingTask, name: str, path: Path | None) -> None:
        """Show another task in the form, and nothing of a training of another one."""
        if not self.is_of(task):
            self._clear()
        self.name, self._path = name, path
        self.form.show_task(task)
        self.show_ready()
        self.refresh()

    def show_ready(self) -> None:
        """Show which ready task is in the form."""
        self.ready.setCurrentIndex(self.ready_tasks.index(self._path) if self._path in self.ready_tasks else -1)

    def begin(self, start: TrainingStart) -> None:
        """Show a new training, without a step."""
        self._clear()
        self.history = TrainingHistory(start)
        self.refresh()

    def show_history(self, history: TrainingHistory, name: str) -> None:
        """Show a training of a file, at its last checkpoint."""
        self._clear()
        self.history, self.name, self._path, self.saved_as = history, name, None, name
        self.form.show_task(history.start.task)
        self.show_ready()
        self.slider.show_steps([saved.step for saved in history.checkpoints], to_end=True)
        self.refresh()

    def go_on(self, task: TrainingTask) -> None:
        """Show that the training goes on with another table `training`."""
        if self.history is not None:
            size = self.history.start.task.network.input_size
            self.history.rewind()
            self.history.start = replace(self.history.start, task=task.with_input_size(size))

    def take(self, events: list[StepDone | SavedCheckpoint]) -> None:
        if self.history is None:
            return
        before, steps = len(self.history.checkpoints), self.history.steps
        self.history.add(events)
        if self.history.steps != steps:
            self.saved_as = ""
        if len(self.history.checkpoints) != before:
            self._show_checkpoints()
        if not self._later.isActive():
            self._later.start()

    def show_running(self, running: bool) -> None:
        ended, self._running = self._running and not running, running
        self.form.widget().setEnabled(not running)
        self.ready.setEnabled(not running)
        if running:
            self.settings.setChecked(False)
        self.refresh()
        if ended:
            announce(self, f"{self.word.text()} {self.progress.text()}")

    def show_saved(self, name: str) -> None:
        """Show that the weights are in a file of this name."""
        self.saved_as = name
        self._refresh_state()

    def say(self, text: str) -> None:
        """Show a message for a few seconds."""
        self._message.setText(text)
        self._unsay.start()

    def refresh(self) -> None:
        self._refresh_losses()
        self._refresh_norms()
        self._fold_out()

    def step_checkpoint(self, by: int) -> None:
        """Choose the next (1) or the previous (-1) checkpoint."""
        self.slider.setValue(self.slider.value() + by)

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._icons = Icons(theme)
        self.save_button.setIcon(self._icons["export"])
        for part in (self.form, self.curves, self.prediction):
            part.apply_theme(theme)
        self._refresh_state()

    def leave(self) -> None:
        """Stop the training. All of it is kept until the program ends."""
        self.stop_requested.emit()

    # Parts

    def _make_task(self, task: TrainingTask) -> None:
        self.ready = NoWheelComboBox()
        self.ready.setAccessibleName("Task")
        self.ready.setToolTip(wrapped("A task that is learned in a minute or two."))
        self.ready.setPlaceholderText("Custom task")
        self.ready.addItems([path.stem.replace("-", " ").capitalize() for path in self.ready_tasks])
        self.ready.activated.connect(lambda place: self.ready_chosen.emit(self.ready_tasks[place]))
        # A wrapped label would give the panel a height for its width, and a scroll bar in a dock.
        self.sentence = ElidedLabel()
        self.settings = QToolButton()
        self.settings.setAccessibleName("Settings of the task")
        self.settings.setToolTip(wrapped("Change the problem, the network, the optimizer and the number of steps."))
        self.settings.setCheckable(True)
        self.settings.setAutoRaise(True)
        self.settings.toggled.connect(self._fold_out)
        self.form = TaskForm(task)
        self.form.edited.connect(self._on_edited)

    def _make_state(self) -> None:
        self.button = QPushButton()
        self.button.clicked.connect(self._on_button)
        self.word, self.progress, self.speed = QLabel(), ElidedLabel(), QLabel()
        self.word.setProperty("heading", True)
        self.progress.setAccessibleName("Progress of the training")
        self.speed.setProperty("muted", True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(scaled(8))
        self.bar.setAccessibleName("Training steps that are done")

    def _make_checkpoints(self) -> None:
        self.shown_label = ElidedLabel()
        self.follow = QCheckBox("&Follow the newest")
        self.follow.setChecked(True)
        self.follow.setToolTip(wrapped("Show each new checkpoint in the lanes while the training runs."))
        self.follow.toggled.connect(self._on_follow)
        self.slider = CheckpointSlider()
        self.slider.valueChanged.connect(self._on_slider)
        self._last_step = QLabel()
        self._message = ElidedLabel(selectable=True)
        self.save_button = QPushButton("Save &weights")
        self.save_button.setToolTip(
            wrapped(
                "Write the weights of the chosen checkpoint for Gluon, PyTorch, ONNX Runtime or NumPy, and verify "
                "them. The linear layer is written next to them. (Ctrl+Shift+S)"
            )
        )
        self.save_button.clicked.connect(lambda: self.weights_action.trigger())

    def _make_actions(self) -> None:
        def make(text: str, keys: str, why: str) -> QAction:
            return self.make_action(text, "", keys, why, lambda: None)

        self.train_action = self.make_action(
            "&Train from the first step", "run", "F5", "Train from the first step.", self._on_train
        )
        self.stop_action = self.make_action(
            "&Stop", "stop", "Esc", "Stop after this training step. Everything is kept.", self.stop_requested.emit
        )
        self.continue_action = self.make_action(
            "&Continue",
            "play",
            "Shift+F5",
            "Continue from the last checkpoint. A finished training runs the same number of steps again. "
            "You may change [training] first.",
            self.continue_requested.emit,
        )
        self.open_action = make("&Open task…", "Ctrl+O", "Open a training task (TOML) or a saved training (NPZ).")
        self.save_action = make("Sa&ve task…", "Ctrl+S", "Write the task of the form as TOML.")
        self.linear_action = make("&Linear axis of the loss", "", "Show the loss on a linear axis.")
        self.linear_action.setCheckable(True)
        self.linear_action.toggled.connect(lambda linear: self.curves.loss.set_logarithmic(not linear))
        self.weights_action = make("Save &weights…", "Ctrl+Shift+S", "Write the weights of the chosen checkpoint.")
        self.model_action = make(
            "Save character &model…", "", "Write the chosen checkpoint with its characters, to open it in Generate."
        )
        self.generate_action = make("&Generate text", "Ctrl+G", "Generate text with the chosen checkpoint.")
        self.training_action = make(
            "Save t&raining…", "", "Write the training with its checkpoints, to continue it here or by rnnviz train."
        )
        self.table_action = make("Save &losses (CSV)…", "", "Write a row for each training step.")
        self.picture_action = make("Save &curves (PNG)…", "", "Write the curves as shown here.")
        self.previous_action = self.make_action(
            "", "", "Alt+Left", "Choose the previous checkpoint.", lambda: self.step_checkpoint(-1)
        )
        self.next_action = self.make_action(
            "", "", "Alt+Right", "Choose the next checkpoint.", lambda: self.step_checkpoint(1)
        )
        self._exports = (
            self.weights_action,
            self.model_action,
            self.generate_action,
            self.training_action,
            self.table_action,
            self.picture_action,
        )

    def _lay_out(self) -> None:
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        tasks = (self.train_action, self.open_action, self.save_action, self.linear_action)
        lanes, start = QLabel("In the lanes"), QLabel("start")
        lanes.setProperty("heading", True)
        for label in (start, self._last_step):
            label.setProperty("muted", True)
        card = partial(down, margins=(12, 10, 12, 10))
        chosen = card(
            across(self.ready, (self.sentence, 1)), across(self.settings, None, menu_button("More of the task", tasks))
        )
        state = card(across(self.button, self.word, (self.progress, 1), self.speed), self.bar)
        plots = card((self.curves, 1), self.prediction, self.verdict)
        self._pages = pages(None, plots, self.form, hint("Train shows losses and gradients here."))
        checkpoints = card(
            across(lanes, (self.shown_label, 1), self.follow),
            self.slider,
            across(start, None, self._last_step),
            spacing=2,
        )
        saving = card(across((self._message, 1), self.save_button, menu_button("More to save", self._exports)))
        self._below = QWidget()
        self._below.setLayout(down(line(), checkpoints, line(), saving, spacing=0))
        self.setLayout(down(chosen, line(), state, line(), (self._pages, 1), self._below, spacing=0))

    # What is shown

    def _clear(self) -> None:
        self.history, self.saved_as = None, ""
        self.slider.show_steps(())
        self.curves.clear()
        self.prediction.show_prediction(None)
        self.verdict.setText("")
        self.verdict.hide()

    def _refresh_losses(self) -> None:
        if self.history is not None:
            self.curves.show_losses(self.history)
            self.verdict.setText(self.history.comparison)
            self.verdict.setVisible(bool(self.history.comparison))
        self._refresh_progress()

    def _refresh_norms(self) -> None:
        if self.history is not None:
            self.curves.show_norms(self.history)

    def _refresh_progress(self) -> None:
        history, task = self.history, self.form.task
        count = number_format.count
        if history is None:
            total = 0 if task is None else task.training.steps
            self.progress.setText(f"{plural(total, 'step')}, not trained yet" if total else "")
            self.speed.setText("")
            self.bar.setValue(0)
            return
        total = max(history.start.task.training.steps, history.steps)
        self.bar.setRange(0, total)
        self.bar.setValue(history.steps)
        self.progress.setText(f"Step {count(history.steps)} of {count(total)}")
        self.speed.setText(speed_text(history, running=self._running))

    def _refresh_state(self) -> None:
        """Show what is possible now."""
        state, task, some = self.state, self.form.task, self.checkpoint is not None
        resumes = not self._running and self.task_to_resume is not None
        if state.value and self.word.text() != f"{state.value}.":
            announce(self, f"Training: {state.value.lower()}.")
        self.word.setText(f"{state.value}." if state.value else "")
        self.word.setVisible(bool(state.value))
        label, icon = ("&Stop", "stop") if self._running else ("&Continue", "play") if resumes else ("&Train", "run")
        self.button.setText(label)
        self.button.setDefault(not self._running and not resumes)
        action = self.stop_action if self._running else self.continue_action if resumes else self.train_action
        self.button.setToolTip(action.toolTip())
        self.button.setIcon(self._icons.colored(icon, "on_accent" if self.button.isDefault() else "text"))
        self.train_action.setEnabled(not self._running)
        self.stop_action.setEnabled(self._running)
        self.continue_action.setEnabled(resumes)
        self.open_action.setEnabled(not self._running)
        self.save_action.setEnabled(task is not None)
        for action in self._exports:
            action.setEnabled(some)
        self.save_button.setEnabled(some)
        characters = self.history is not None and bool(self.history.start.characters)
        for action in (self.model_action, self.generate_action):
            action.setVisible(characters)
        self.previous_action.setEnabled(some and self.slider.value() > 0)
        self.next_action.setEnabled(some and self.slider.value() < self.slider.maximum())
        for part in (self.follow, self.slider):
            part.setEnabled(self._running or some)
        if task is not None:
            self.sentence.setText(PROBLEMS[task.problem.kind])
            self.settings.setText(f"{settings_text(task)}  {'⌃' if self.settings.isChecked() else '⌄'}")
        saved = f"The weights are saved as {self.saved_as}." if self.saved_as else "The weights are not saved."
        if not self._unsay.isActive():
            self._message.setText(saved if self.history is not None and self.history.steps else "")
        self._show_chosen()

    def _show_chosen(self) -> None:
        saved = self.checkpoint
        self.curves.show_checkpoint(None if saved is None else saved.step)
        text = "no checkpoint yet" if saved is None else checkpoint_text(saved)
        if text != self.shown_label.text():
            self.shown_label.setText(text)
            self.slider.setAccessibleDescription(text)
            self.prediction.show_prediction(None if saved is None else saved.prediction)
        self._last_step.setText(number_format.count(self.slider.steps[-1]) if self.slider.steps else "")

    # What the user does

    def _on_button(self) -> None:
        enabled = (self.stop_action, self.continue_action, self.train_action)
        next(action for action in enabled if action.isEnabled()).trigger()

    def _fold_out(self) -> None:
        page = _FORM if self.settings.isChecked() else _EMPTY if self.history is None else _PLOTS
        self._pages.setCurrentIndex(page)
        self._below.setHidden(self.history is None)
        self._refresh_state()

    def _on_edited(self) -> None:
        self.name, self._path = "", None
        self.show_ready()
        self.refresh()

    def _on_train(self) -> None:
        if self.form.errors:
            self.settings.setChecked(True)
        if not self.form.reveal_error():
            self.train_requested.emit()

    def _show_checkpoints(self) -> None:
        """Extend the slider, and move it to the latest checkpoint if it follows."""
        assert self.history is not None
        follows = self.follow.isChecked()
        self.slider.show_steps([saved.step for saved in self.history.checkpoints], to_end=follows)
        self._refresh_state()
        if follows:
            self.checkpoint_chosen.emit(self.history.checkpoints[-1], False)

    def _on_slider(self) -> None:
        """Show a checkpoint that the user chose. An earlier one than the latest is not left by itself."""
        if self._running and self.slider.value() < self.slider.maximum():
            self.follow.setChecked(False)
        self._refresh_state()
        if self.checkpoint is not None:
            self.checkpoint_chosen.emit(self.checkpoint, True)

    def _on_follow(self, follow: bool) -> None:
        if follow and self.slider.value() == self.slider.maximum():
            self._on_slider()
        elif follow:
            self.slider.setValue(self.slider.maximum())

    def _choose_step(self, step: int) -> None:
        """Choose the checkpoint that is nearest to a training step."""
        steps = self.slider.steps
        if steps:
            self.slider.setValue(min(range(len(steps)), key=lambda place: abs(steps[place] - step)))


class CheckpointSlider(QSlider):
    """A slider over checkpoints, with a tick at each."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.steps: Sequence[int] = ()
        self.setAccessibleName("Checkpoints")
        self.setToolTip(wrapped("The lanes show the fixed test sequences with the checkpoint's weights."))
        self.setPageStep(1)

    def show_steps(self, steps: Sequence[int], *, to_end: bool = False) -> None:
        """Show the steps of the checkpoints, without a signal."""
        self.steps = steps
        self.blockSignals(True)
        self.setRange(0, max(0, len(steps) - 1))
        if to_end:
            self.setValue(self.maximum())
        self.blockSignals(False)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if 1 < len(self.steps) <= self.width() // 4:
            painter = QPainter(self)
            handle, height = scaled(14), self.height() / 2
            for place in range(len(self.steps)):
                x = handle / 2 + 2 + place * (self.width() - handle - 4) / self.maximum()
                on = place <= self.value()
                color = self.palette().color(QPalette.ColorRole.Link if on else QPalette.ColorRole.Mid)
                painter.fillRect(round(x) - 1, round(height) - 5, 2, 10, color)
            painter.end()


def checkpoint_text(saved: SavedCheckpoint) -> str:
    """A checkpoint in words, with its accuracy if classes are predicted."""
    accuracy = "" if isnan(saved.accuracy) else f", accuracy {number_format.percent(saved.accuracy)}"
    return f"checkpoint of step {number_format.count(saved.step)}{accuracy}"


def speed_text(history: TrainingHistory, *, running: bool) -> str:
    """Speed and time left, or the time that the training took."""
    if not history.steps:
        return ""
    if not running:
        return number_format.duration(float(history.column("seconds")[-1]))
    rate = history.rate
    if isnan(rate):
        return ""
    left = (history.start.task.training.steps - history.steps) / rate
    return f"{number_format.error(rate)} steps/s, {number_format.duration(left)} left"
