"""How far a run is: what is done, how much of it, how long it will take. Its room is kept while nothing runs."""

from collections.abc import Callable
from math import ceil
from time import monotonic

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QStackedWidget, QWidget

_SHOW_AFTER_MS = 200
_TELL_AFTER_SECONDS = 1.0


class RunProgress(QStackedWidget):
    """In the status bar: a run's progress while one goes on, else how long the last one took.

    Runs that end within a blink never show a bar.
    """

    stage_shown = Signal(object)
    """What a run that takes its time is doing, or None when it is over."""

    def __init__(self, clock: Callable[[], float] = monotonic, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._clock = clock
        self._began = 0.0
        self._summary = QLabel()
        self._summary.setToolTip("How long each engine took in the last run, and what it computed with.")
        self._stage = QLabel()
        self._bar = QProgressBar()
        self._bar.setRange(0, 100)
        self._bar.setFixedWidth(160)
        self._bar.setToolTip("How much of the run is done.")
        self._bar.setAccessibleName("Progress of the run")
        self._left = QLabel()
        self._left.setMinimumWidth(self.fontMetrics().horizontalAdvance("about 59 min left"))
        running = QWidget()
        layout = QHBoxLayout(running)
        layout.setContentsMargins(0, 0, 10, 0)
        layout.addStretch(1)
        for widget in (self._stage, self._bar, self._left):
            layout.addWidget(widget)
        idle = QWidget()
        idle_layout = QHBoxLayout(idle)
        idle_layout.setContentsMargins(0, 0, 10, 0)
        idle_layout.addStretch(1)
        idle_layout.addWidget(self._summary)
        self.addWidget(idle)
        self.addWidget(running)
        self._delay = QTimer(self, singleShot=True, interval=_SHOW_AFTER_MS)
        self._delay.timeout.connect(self._reveal)

    @property
    def running(self) -> bool:
        """Whether the bar is in sight."""
        return self.currentIndex() == 1

    @property
    def text(self) -> str:
        """What is in sight, in words."""
        if not self.running:
            return self._summary.text()
        return f"{self._stage.text()} {self._bar.value()}% {self._left.text()}".strip()

    def begin(self) -> None:
        """A run begins."""
        self._began = self._clock()
        self.tell("starting", 0.0)
        self._delay.start()

    def tell(self, stage: str, fraction: float) -> None:
        """So much of the run is done."""
        self._stage.setText(stage)
        self._bar.setValue(int(100 * fraction))
        self._left.setText(time_left(self._clock() - self._began, fraction))
        if self.running:
            self.stage_shown.emit(stage)

    def end(self) -> None:
        """The run is over."""
        self._delay.stop()
        if self.running:
            self.setCurrentIndex(0)
            self.stage_shown.emit(None)

    def summarise(self, text: str) -> None:
        """What to say while nothing runs."""
        self._summary.setText(text)

    def _reveal(self) -> None:
        self.setCurrentIndex(1)
        self.stage_shown.emit(self._stage.text())


def time_left(elapsed: float, fraction: float) -> str:
    """The time left in words, if the rest goes as fast as what is done; nothing before that means anything."""
    if elapsed < _TELL_AFTER_SECONDS or fraction < 0.02:
        return ""
    seconds = elapsed * (1.0 - fraction) / fraction
    if seconds < 1.0:
        return "almost done"
    if seconds < 60.0:
        return f"about {ceil(seconds)} s left"
    return f"about {ceil(seconds / 60.0)} min left"
