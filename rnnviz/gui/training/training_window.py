"""Training window: the form of a task, its curves, and a slider over its checkpoints."""

from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QSlider,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core import number_format
from rnnviz.gui.settings_panel.widgets import NoWheelComboBox
from rnnviz.gui.theme.icons import IconButton, Icons
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tool_window import ToolWindow, toolbar
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.training.curves import TrainingCurves
from rnnviz.gui.training.prediction import PredictionView
from rnnviz.gui.training.task_panel import TaskPanel
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.training.checkpoints import SavedCheckpoint, TestPrediction
from rnnviz.training.history import TrainingHistory, TrainingStart
from rnnviz.training.loop import MANUAL, StepDone
from rnnviz.training.task import TrainingTask

_REFRESH_MS = 200
"""Minimum interval between updates while steps arrive."""
_SAID_MS = 6_000
_OF_EARLIER_TASK = "Earlier task: "
_NOT_YET = "Train (F5) shows the curves. Checkpoints appear in the lanes of the main window."


class TrainingWindow(ToolWindow):
    """Shows a task, and a training of it. The user's requests are signals."""

    train_requested = Signal()
    continue_requested = Signal()
    stop_requested = Signal()
    ready_chosen = Signal(object)
    """The `Path` of a ready task."""
    open_requested = Signal()
    save_requested = Signal()
    weights_requested = Signal()
    model_requested = Signal()
    generate_requested = Signal()
    table_requested = Signal()
    picture_requested = Signal()
    checkpoint_chosen = Signal(object, bool)
    """The `SavedCheckpoint` to be shown, and whether the user chose it (the latest one follows by itself)."""
    colors_kept = Signal(bool)
    """Whether the colors have the same range at each checkpoint."""

    def __init__(self, parent: QWidget, task: TrainingTask, ready: Sequence[Path]) -> None:
        super().__init__(parent)
        self.history: TrainingHistory | None = None
        self.name = ""
        """The name of the task in the form."""
        self._path: Path | None = None
        """Its file, as long as the form is not edited."""
        self._running = False
        self._said = ""
        self._predicted: TestPrediction | None = None
        self.exported = False
        """Whether the last weights are in a file of the user's."""
        self._make_actions()
        self.ready = NoWheelComboBox()
        self.ready.setAccessibleName("Example tasks")
        self.ready.setToolTip(wrapped("A task that is learned in a minute or two. The form below shows its keys."))
        self.ready.setPlaceholderText("custom task")
        self.ready_tasks = tuple(ready)
        self.ready.addItems([path.stem for path in ready])
        self.ready.activated.connect(lambda place: self.ready_chosen.emit(ready[place]))
        self.form = TaskPanel(task)
        self.form.edited.connect(self._on_edited)
        self.curves, self.prediction = TrainingCurves(), PredictionView()
        self.curves.step_requested.connect(self._choose_step)
        self.progress = ElidedLabel(bold=True, selectable=True)
        self.progress.setAccessibleName("Progress of the training")
        self.finding = ElidedLabel(selectable=True)
        self.finding.setAccessibleName("Losses")
        self.verdict = ElidedLabel(selectable=True)
        self.verdict.setAccessibleName("Verdict")
        self.verdict.hide()
        self._bar = QProgressBar()
        self._bar.setFixedWidth(scaled(160))
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Training steps that are done")
        self._bar.setToolTip("How many of the training steps are done.")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Checkpoints")
        self.slider.setToolTip(
            wrapped("Checkpoints. The lanes show the fixed test sequences with the checkpoint's weights.")
        )
        self.slider.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.slider.valueChanged.connect(self._on_slider)
        self.checkpoint_label = ElidedLabel()
        self.follow = QCheckBox("Follow the &latest")
        self.follow.setChecked(True)
        self.follow.setToolTip(wrapped("Show each new checkpoint in the lanes while the training runs."))
        self.follow.toggled.connect(self._on_follow)
        self.keep_colors = QCheckBox("&Keep color range")
        self.keep_colors.setToolTip(
            wrapped("Fix the range of the colors in the lanes, so that checkpoints can be compared.")
        )
        self.keep_colors.toggled.connect(self.colors_kept)
        self._later = QTimer(self, singleShot=True, interval=_REFRESH_MS)
        self._later.timeout.connect(self._refresh_losses)
        # In a later frame, so that neither is long.
        self._then = QTimer(self, singleShot=True, interval=_REFRESH_MS // 4)
        self._then.timeout.connect(self._refresh_norms)
        self._later.timeout.connect(self._then.start)
        self._unsay = QTimer(self, singleShot=True, interval=_SAID_MS)
        self._unsay.timeout.connect(self._be_silent)
        self._lay_out()
        self.show_running(False)
        self.setWindowTitle("Train")
        self.resize(1120, 720)
        self.ready.setFocus()

    @property
    def checkpoint(self) -> SavedCheckpoint | None:
        """The chosen checkpoint."""
        found = [] if self.history is None else self.history.checkpoints
        return found[self.slider.value()] if self.slider.value() < len(found) else None

    def is_of(self, task: TrainingTask | None) -> bool:
        """Whether the last training is of a task, apart from keys that may change when it goes on."""
        if task is None or self.history is None:
            return False
        begun = self.history.start.task
        known = replace(begun.training, **_changeable(task))
        return task.with_input_size(begun.network.input_size) == replace(begun, training=known)

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

    @property
    def unexported(self) -> bool:
        """Whether there are trained weights that are in no file of the user's."""
        return self.history is not None and self.history.steps > 0 and not self.exported

    def show_task(self, task: TrainingTask, name: str, path: Path) -> None:
        """Show another task in the form, and nothing of a training of another one."""
        if not self.is_of(task):
            self._clear()
        self.name, self._path = name, path
        self.form.show_task(task)
        self.show_ready()
        self._update_actions()

    def show_ready(self) -> None:
        """Show which ready task is in the form."""
        self.ready.setCurrentIndex(self.ready_tasks.index(self._path) if self._path in self.ready_tasks else -1)

    def _clear(self) -> None:
        self.history, self.exported, self._predicted = None, False, None
        self.slider.blockSignals(True)
        self.slider.setRange(0, 0)
        self.slider.blockSignals(False)
        self.curves.clear()
        self.prediction.show_prediction(None)
        for label in (self.checkpoint_label, self.finding, self.verdict):
            label.setText("")
        self.verdict.hide()
        self.slider.setAccessibleDescription("")
        self.setWindowTitle("Train")
        self.refresh()

    def begin(self, start: TrainingStart) -> None:
        """Show a new training, without a step."""
        self._clear()
        self.history = TrainingHistory(start)
        self.setWindowTitle(f"{self.name}: training" if self.name else "Train")
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
        self.exported = self.exported and self.history.steps == steps
        count = len(self.history.checkpoints)
        if count != before:
            self._show_checkpoints(count)
        if not self._later.isActive():
            self._later.start(_REFRESH_MS if self.isActiveWindow() else 2 * _REFRESH_MS)

    def show_running(self, running: bool) -> None:
        self._running = running
        if running:
            # Disabled controls give up the keyboard.
            self.slider.setFocus()
        self.form.widget().setEnabled(not running)
        self.ready.setEnabled(not running)
        self._bar.setVisible(running)
        self._update_actions()
        self.refresh()

    def say(self, text: str) -> None:
        """Show a message for a few seconds."""
        self._said = text
        self._unsay.start()
        self.refresh()

    def _be_silent(self) -> None:
        self._said = ""
        self.refresh()

    def refresh(self) -> None:
        """Show the numbers so far."""
        self._refresh_losses()
        self._refresh_norms()

    def _refresh_norms(self) -> None:
        if self.history is not None:
            self.curves.show_norms(self.history)

    def _refresh_losses(self) -> None:
        history = self.history
        if history is None:
            self.progress.setText(self._said or _NOT_YET)
            return
        self._bar.setRange(0, history.start.task.training.steps)
        self._bar.setValue(history.steps)
        self.curves.show_losses(history)
        other = not self._running and self.form.task is not None and not self.is_of(self.form.task)
        of_other = _OF_EARLIER_TASK * other
        self.progress.setText(self._said or f"{of_other}{progress_text(history, running=self._running)}")
        self.finding.setText(" ".join(history.loss_sentences()))
        self.verdict.setText(history.comparison)
        self.verdict.setVisible(bool(history.comparison))
        self._show_chosen()

    def step_checkpoint(self, by: int) -> None:
        """Choose the next (1) or the previous (-1) checkpoint."""
        self.slider.setValue(self.slider.value() + by)

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._export.setIcon(Icons(theme)["export"])
        self.form.apply_theme(theme)
        self.curves.apply_theme(theme)
        self.prediction.apply_theme(theme)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop the training. Its checkpoints are kept until the program ends."""
        self.stop_requested.emit()
        super().closeEvent(event)

    def _make_actions(self) -> None:
        make = self.make_action
        self.train_action = make("&Train", "run", "F5", "Train from the first step.", self._on_train)
        self.stop_action = make(
            "&Stop", "stop", "Esc", "Stop after this training step. Everything is kept.", self.stop_requested.emit
        )
        self.continue_action = make(
            "&Continue",
            "play",
            "Shift+F5",
            "Continue from the last checkpoint; a finished training runs the same number of steps again. "
            "You may change [training] first.",
            self.continue_requested.emit,
        )
        self.open_action = make(
            "&Open task…", "open", "Ctrl+O", "Open a training task (TOML).", self.open_requested.emit
        )
        self.save_action = make(
            "Sa&ve task…", "save", "Ctrl+S", "Write the task of the form as TOML.", self.save_requested.emit
        )
        self.weights_action = make(
            "&Weights…",
            "",
            "Ctrl+Shift+S",
            "Write the weights of the chosen checkpoint for Gluon, PyTorch, ONNX Runtime or NumPy, and verify them. "
            "The linear layer is written next to them.",
            self.weights_requested.emit,
        )
        self.model_action = make(
            "Character &model…",
            "",
            "",
            "Write the chosen checkpoint with its characters, to open it in Generate.",
            self.model_requested.emit,
        )
        self.generate_action = make(
            "&Generate text",
            "",
            "Ctrl+G",
            "Generate text with the chosen checkpoint, in the window Generate.",
            self.generate_requested.emit,
        )
        self.table_action = make(
            "&Table of losses (CSV)…", "", "", "Write a row for each training step.", self.table_requested.emit
        )
        self.picture_action = make(
            "&Picture of the curves (PNG)…", "", "", "Write the curves as shown here.", self.picture_requested.emit
        )
        self.previous_action = make(
            "", "previous", "Alt+Left", "Choose the checkpoint before.", lambda: self.step_checkpoint(-1)
        )
        self.next_action = make("", "next", "Alt+Right", "Choose the next checkpoint.", lambda: self.step_checkpoint(1))
        self._exports = (
            self.weights_action,
            self.model_action,
            self.generate_action,
            self.table_action,
            self.picture_action,
        )

    def _lay_out(self) -> None:
        training = (self.train_action, self.stop_action, self.continue_action)
        bar = toolbar(training, (self.open_action, self.save_action))
        self._export = QToolButton()
        self._export.setText("&Export")
        self._export.setAccessibleName("Export")
        self._export.setToolTip("Write weights, losses or curves to a file.")
        self._export.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self._export)
        menu.setToolTipsVisible(True)
        menu.addActions(self._exports)
        self._export.setMenu(menu)
        bar.addWidget(self._export)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 8, 0)
        head.addWidget(bar)
        head.addWidget(self.progress, 1)
        head.addWidget(self._bar)
        task = QLabel("Tas&k")
        task.setBuddy(self.ready)
        chooser = QHBoxLayout()
        chooser.setContentsMargins(8, 8, 8, 0)
        chooser.setSpacing(8)
        chooser.addWidget(task)
        chooser.addWidget(self.ready, 1)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(chooser)
        column.addWidget(self.form, 1)
        left.setMinimumWidth(scaled(220))
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(left)
        right = QWidget()
        shown = QVBoxLayout(right)
        shown.setContentsMargins(0, 0, 0, 0)
        shown.setSpacing(4)
        shown.addWidget(self.curves, 5)
        shown.addWidget(self.prediction, 2)
        parts.addWidget(right)
        parts.setChildrenCollapsible(False)
        parts.setStretchFactor(1, 1)
        parts.setSizes([scaled(280), scaled(840)])
        foot = QHBoxLayout()
        foot.setContentsMargins(8, 4, 8, 0)
        foot.setSpacing(8)
        foot.addWidget(_button(self.previous_action, "Previous checkpoint"))
        foot.addWidget(self.slider, 3)
        foot.addWidget(_button(self.next_action, "Next checkpoint"))
        foot.addWidget(self.checkpoint_label, 2)
        foot.addWidget(self.follow)
        foot.addWidget(self.keep_colors)
        last = QVBoxLayout()
        last.setContentsMargins(8, 0, 8, 8)
        last.setSpacing(4)
        last.addWidget(self.finding)
        last.addWidget(self.verdict)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(parts, 1)
        layout.addLayout(foot)
        layout.addLayout(last)

    def _update_actions(self) -> None:
        some = self.checkpoint is not None
        self.train_action.setEnabled(not self._running)
        self.stop_action.setEnabled(self._running)
        self.continue_action.setEnabled(not self._running and self.task_to_resume is not None)
        self.open_action.setEnabled(not self._running)
        self.save_action.setEnabled(self.form.task is not None)
        for action in self._exports:
            action.setEnabled(some)
        characters = self.history is not None and bool(self.history.start.characters)
        for action in (self.model_action, self.generate_action):
            action.setVisible(characters)
        count = 0 if self.history is None else len(self.history.checkpoints)
        self.previous_action.setEnabled(some and self.slider.value() > 0)
        self.next_action.setEnabled(some and self.slider.value() < count - 1)

    def _on_edited(self) -> None:
        self.name, self._path = "", None
        self.show_ready()
        self.refresh()
        self._update_actions()

    def _on_train(self) -> None:
        if not self.form.reveal_error():
            self._said = ""
            self.train_requested.emit()

    def _show_checkpoints(self, count: int) -> None:
        """Extend the slider, and move it to the latest checkpoint if it follows."""
        assert self.history is not None
        self.slider.blockSignals(True)
        self.slider.setRange(0, count - 1)
        self.slider.setTickInterval(max(1, count // 50))
        if self.follow.isChecked():
            self.slider.setValue(count - 1)
        self.slider.blockSignals(False)
        self._show_chosen()
        if self.follow.isChecked():
            self.checkpoint_chosen.emit(self.history.checkpoints[-1], False)

    def _on_slider(self) -> None:
        """Show a checkpoint that the user chose. An earlier one than the latest is not left by itself."""
        if self._running and self.slider.value() < self.slider.maximum():
            self.follow.setChecked(False)
        self._show_chosen()
        if self.checkpoint is not None:
            self.checkpoint_chosen.emit(self.checkpoint, True)

    def _on_follow(self, follow: bool) -> None:
        if follow and self.slider.value() == self.slider.maximum():
            self._on_slider()
        elif follow:
            self.slider.setValue(self.slider.maximum())

    def _choose_step(self, step: int) -> None:
        """Choose the checkpoint that is nearest to a training step."""
        if self.history is not None and self.history.checkpoints:
            steps = [saved.step for saved in self.history.checkpoints]
            self.slider.setValue(min(range(len(steps)), key=lambda place: abs(steps[place] - step)))

    def _show_chosen(self) -> None:
        saved = self.checkpoint
        self._update_actions()
        if saved is not None:
            self.curves.show_checkpoint(saved.step)
            if saved.prediction is not self._predicted:
                self._predicted = saved.prediction
                self.prediction.show_prediction(saved.prediction)
            self.checkpoint_label.setText(checkpoint_text(saved))
            self.slider.setAccessibleDescription(checkpoint_text(saved))


def checkpoint_text(saved: SavedCheckpoint) -> str:
    """A checkpoint in one line: "step 300: test loss 0.041"."""
    accuracy = "" if isnan(saved.accuracy) else f", accuracy {number_format.percent(saved.accuracy)}"
    return f"step {number_format.count(saved.step)}: test loss {number_format.error(saved.loss)}{accuracy}"


def progress_text(history: TrainingHistory, *, running: bool) -> str:
    """Step, speed, loss and time left in one line."""
    total, rate = history.start.task.training.steps, history.rate
    count = number_format.count
    if not history.steps and not history.checkpoints:
        return "Starting…" if running else _NOT_YET
    parts = [f"step {count(history.steps)} of {count(max(total, history.steps))}"]
    if not history.steps:
        return parts[0]
    if not isnan(rate):
        parts.append(f"{number_format.error(rate)} steps/s")
    parts.append(f"loss {number_format.error(history.column(f'{MANUAL}.loss')[-1])}")
    if running and not isnan(rate):
        parts.append(f"{number_format.duration((total - history.steps) / rate)} left")
    elif not running:
        parts.append(number_format.duration(float(history.column("seconds")[-1])))
    return " · ".join(parts)


def _changeable(task: TrainingTask) -> dict[str, Any]:
    """The keys of the training that may differ when it goes on."""
    keys = ("steps", "learning_rate", "momentum", "clip_norm", "truncate", "checkpoint_every")
    return {key: getattr(task.training, key) for key in keys}


def _button(action: QAction, name: str) -> IconButton:
    button = IconButton(action.objectName(), name, action.toolTip())
    button.setEnabled(action.isEnabled())
    button.clicked.connect(action.trigger)
    action.enabledChanged.connect(button.setEnabled)
    return button
