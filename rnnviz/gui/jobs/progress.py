"""Run progress in the status bar."""

from collections.abc import Callable
from time import monotonic

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedWidget, QWidget

from rnnviz.execution.events import STARTING, Stage
from rnnviz.gui.jobs.progress_row import ProgressRow

SHOW_AFTER_MS = 200
"""Delay before a bar appears."""


class RunProgress(QStackedWidget):
    """Progress during a run, else the times of the last run."""

    stage_shown = Signal(object)
    """The stage of a run, if it takes long, or None at its end."""

    def __init__(self, clock: Callable[[], float] = monotonic, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stage = STARTING
        self._summary = QLabel()
        self._summary.setToolTip("Time of each engine in the last run, and library versions.")
        self._row = ProgressRow("Run progress", "Completed share of the run.", clock)
        self._row.setContentsMargins(0, 0, 10, 0)
        idle = QWidget()
        idle_layout = QHBoxLayout(idle)
        idle_layout.setContentsMargins(0, 0, 10, 0)
        idle_layout.addStretch(1)
        idle_layout.addWidget(self._summary)
        self.addWidget(idle)
        self.addWidget(self._row)
        self._delay = QTimer(self, singleShot=True, interval=SHOW_AFTER_MS)
        self._delay.timeout.connect(self._reveal)

    @property
    def running(self) -> bool:
        """Whether the bar is visible."""
        return self.currentIndex() == 1

    @property
    def text(self) -> str:
        """The visible text."""
        return self._row.text if self.running else self._summary.text()

    def begin(self) -> None:
        """Start of a run."""
        self._stage = STARTING
        self._row.begin(str(self._stage))
        self._delay.start()

    def set_progress(self, stage: Stage, fraction: float) -> None:
        """Set stage and completed fraction."""
        self._stage = stage
        self._row.set_progress(str(stage), fraction)
        if self.running:
            self.stage_shown.emit(stage)

    def end(self) -> None:
        """End of a run."""
        self._delay.stop()
        if self.running:
            self.setCurrentIndex(0)
            self.stage_shown.emit(None)

    def summarize(self, text: str) -> None:
        """Set the text shown between runs."""
        self._summary.setText(text)

    def _reveal(self) -> None:
        self.setCurrentIndex(1)
        self.stage_shown.emit(self._stage)
