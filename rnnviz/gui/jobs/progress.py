"""Progress of the run and of background tasks in the status bar: a bar with stage and remaining time."""

from collections.abc import Callable
from math import ceil
from time import monotonic

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QLabel, QProgressBar, QPushButton, QWidget

from rnnviz.execution.events import STARTING, Stage
from rnnviz.gui.kit.tasks import TaskQueue
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import across

_ESTIMATE_AFTER_SECONDS = 1.0


class ProgressRow(QWidget):
    """Progress of one task."""

    def __init__(self, name: str, tip: str, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._first = 0.0, 0.0
        """When the first share was completed, and which: the start of an engine takes a time of another kind."""
        self._stage = QLabel()
        self._bar = QProgressBar()
        self._bar.setRange(0, 100)
        self._bar.setFixedWidth(160)
        # On the filled half of the bar, no color of the text is legible in both themes.
        self._bar.setTextVisible(False)
        self._bar.setToolTip(wrapped(tip))
        self._bar.setAccessibleName(name)
        self._left = QLabel()
        self._left.setMinimumWidth(self.fontMetrics().horizontalAdvance("100%  about 59 min left"))
        self.setLayout(across(None, self._stage, self._bar, self._left))

    @property
    def stage(self) -> str:
        return self._stage.text()

    @property
    def text(self) -> str:
        return f"{self.stage} {self._left.text()}"

    def begin(self, stage: str) -> None:
        self._first = self._clock(), 0.0
        self.set_progress(stage, 0.0)

    def set_progress(self, stage: str, fraction: float) -> None:
        self._stage.setText(stage)
        self._bar.setValue(int(100 * fraction))
        began, share = self._first
        if not share:
            self._first = self._clock(), fraction
        self._left.setText(f"{self._bar.value()}%  {time_left(self._clock() - began, share, fraction)}".rstrip())


def time_left(elapsed: float, first: float, fraction: float) -> str:
    """Estimated remaining time at constant speed since the `first` share; "" before an estimate is possible."""
    if not first or elapsed < _ESTIMATE_AFTER_SECONDS or fraction - first < 0.02:
        return ""
    seconds = elapsed * (1.0 - fraction) / (fraction - first)
    if seconds < 1.0:
        return "almost done"
    if seconds < 60.0:
        return f"about {ceil(seconds)} s left"
    return f"about {ceil(seconds / 60.0)} min left"


SHOW_AFTER_MS = 200
"""Delay before a bar appears."""
_SUMMARY = "Time of each engine in the last run, and library versions."
_MESSAGE_GAP = 32
_UNLIMITED = 16_777_215


class RunProgress(QWidget):
    """Progress during a run, else the times of the last run."""

    stage_shown = Signal(object)
    """The stage of a run, if it takes long, or None at its end."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._stage = STARTING
        self._text, self._room = "", _UNLIMITED
        self._summary = QLabel()
        self._summary.setToolTip(_SUMMARY)
        self._row = ProgressRow("Run progress", "Completed share of the run.", clock)
        self._row.hide()
        self.setLayout(across(None, self._summary, self._row, margins=(0, 0, 8, 0)))
        self._delay = QTimer(self, singleShot=True, interval=SHOW_AFTER_MS)
        self._delay.timeout.connect(self._reveal)

    @property
    def running(self) -> bool:
        return not self._row.isHidden()

    @property
    def text(self) -> str:
        return self._row.text if self.running else self._text

    def begin(self) -> None:
        self._stage = STARTING
        self._row.begin(str(self._stage))
        self._delay.start()

    def set_progress(self, stage: Stage, fraction: float) -> None:
        self._stage = stage
        self._row.set_progress(str(stage), fraction)
        if self.running:
            self.stage_shown.emit(stage)

    def end(self) -> None:
        self._delay.stop()
        if self.running:
            self._show_row(wanted=False)
            self.stage_shown.emit(None)

    def summarize(self, text: str) -> None:
        self._text = text
        self._show_summary()

    def leave_room(self, message: str, width: int) -> None:
        """Elide the times, so that a message fits next to them into `width` pixels."""
        taken = self.fontMetrics().horizontalAdvance(message) + scaled(_MESSAGE_GAP)
        self._room = width - taken if message else _UNLIMITED
        self._show_summary()

    def _show_summary(self) -> None:
        fitting = self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, max(self._room, 0))
        self._summary.setText(fitting)
        self._summary.setToolTip(wrapped(f"{self._text}\n{_SUMMARY}".lstrip()))

    def _reveal(self) -> None:
        self._show_row(wanted=True)
        self.stage_shown.emit(self._stage)

    def _show_row(self, *, wanted: bool) -> None:
        self._row.setVisible(wanted)
        self._summary.setVisible(not wanted)


class TasksProgress(QWidget):
    """Progress of a long background task, as of an export, with a button that stops it."""

    def __init__(self, tasks: TaskQueue) -> None:
        super().__init__()
        self._row = ProgressRow("Export progress", "Written share of the file.")
        stop = QPushButton("Stop")
        stop.setObjectName("stop_export")
        stop.setAccessibleName("Stop export")
        stop.setToolTip("Cancel the export. An existing file stays unchanged.")
        stop.clicked.connect(tasks.stop)
        self.setLayout(across(self._row, stop, margins=(0, 0, 8, 0)))
        self._delay = QTimer(self, singleShot=True, interval=SHOW_AFTER_MS)
        self._delay.timeout.connect(self.show)
        tasks.progressed.connect(self._on_progressed)
        tasks.busy_changed.connect(self._on_busy)
        self.hide()

    @property
    def text(self) -> str:
        return self._row.text if self.isVisible() else ""

    def _on_progressed(self, title: str, fraction: float) -> None:
        if fraction <= 0.0:
            self._row.begin(title)
        self._row.set_progress(title, fraction)

    def _on_busy(self, busy: bool) -> None:
        if busy:
            self._delay.start()
        else:
            self._delay.stop()
            self.hide()
