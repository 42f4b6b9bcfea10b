"""Progress bar with stage and remaining time."""

from collections.abc import Callable
from math import ceil
from time import monotonic

from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QWidget

from rnnviz.core.words import wrapped

_ESTIMATE_AFTER_SECONDS = 1.0


class ProgressRow(QWidget):
    """Progress of one task."""

    def __init__(self, name: str, tip: str, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._began = 0.0
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
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addStretch(1)
        for widget in (self._stage, self._bar, self._left):
            layout.addWidget(widget)

    @property
    def stage(self) -> str:
        """The current stage."""
        return self._stage.text()

    @property
    def text(self) -> str:
        """The whole row as text."""
        return f"{self.stage} {self._left.text()}"

    def begin(self, stage: str) -> None:
        """Start of the task."""
        self._began = self._clock()
        self.set_progress(stage, 0.0)

    def set_progress(self, stage: str, fraction: float) -> None:
        """Set stage and completed fraction."""
        self._stage.setText(stage)
        self._bar.setValue(int(100 * fraction))
        self._left.setText(f"{self._bar.value()}%  {time_left(self._clock() - self._began, fraction)}".rstrip())


def time_left(elapsed: float, fraction: float) -> str:
    """Estimated remaining time at constant speed; "" before an estimate is possible."""
    if elapsed < _ESTIMATE_AFTER_SECONDS or fraction < 0.02:
        return ""
    seconds = elapsed * (1.0 - fraction) / fraction
    if seconds < 1.0:
        return "almost done"
    if seconds < 60.0:
        return f"about {ceil(seconds)} s left"
    return f"about {ceil(seconds / 60.0)} min left"
