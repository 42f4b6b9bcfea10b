"""Playing: the cursor runs through time by itself."""

from math import ceil

from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.gui.commands.cursor import Cursor
from rnnviz.gui.session import Session

_SLOWEST_MS, _FASTEST_MS = 500, 33
_WHOLE_MS = 12_000
"""A sequence that is long enough is played in this time, however long it is."""


class Player(QObject):
    """Moves the cursor on at a pace that suits the length; stops at the end, and when the result changes."""

    playing_changed = Signal(bool)

    def __init__(self, session: Session, cursor: Cursor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._cursor = cursor
        self._stride = 1
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._step)
        session.result_changed.connect(self.halt)

    @property
    def playing(self) -> bool:
        """Whether the cursor moves by itself."""
        return self._timer.isActive()

    def toggle(self) -> None:
        """Play, from the start if the cursor is at the end; or halt."""
        if self.playing:
            self.halt()
        elif self._session.result is not None and self._last > 0:
            if self._session.location.timestep >= self._last:
                self._cursor.go_to(0)
            interval, self._stride = pace(self._last + 1)
            self._timer.start(interval)
            self.playing_changed.emit(True)

    def halt(self) -> None:
        """Stay where the cursor is."""
        if self.playing:
            self._timer.stop()
            self.playing_changed.emit(False)

    @property
    def _last(self) -> int:
        return 0 if self._session.result is None else self._session.result.shape[2] - 1

    def _step(self) -> None:
        self._cursor.move(timestep=self._stride)
        if self._session.location.timestep >= self._last:
            self.halt()


def pace(timesteps: int) -> tuple[int, int]:
    """Milliseconds between two moves, and how many timesteps each move takes."""
    interval = _WHOLE_MS / timesteps
    return round(min(max(interval, _FASTEST_MS), _SLOWEST_MS)), max(1, ceil(_FASTEST_MS / interval))
