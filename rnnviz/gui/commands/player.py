"""Playing: the cursor runs through time by itself."""

from collections.abc import Callable
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from rnnviz.gui.commands.cursor import Cursor
from rnnviz.gui.session import Session

_FRAME_MS = 16
_FRAMES_PER_SECOND = 1000.0 / _FRAME_MS
_SLOWEST = 2.0
"""Timesteps in a second."""
_WHOLE_SECONDS = 12.0
"""A sequence that is long enough is played in this time, however long it is."""


class Player(QObject):
    """Moves the cursor on at a pace that suits the length; stops at the end, and when the result changes.

    Up to one timestep in a frame each of them is shown. Above that the clock says how many steps a frame takes: after
    one that was late more of them are skipped, and the pace is held.
    """

    playing_changed = Signal(bool)

    def __init__(
        self,
        session: Session,
        cursor: Cursor,
        parent: QObject | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """`clock` tells seconds."""
        super().__init__(parent)
        self._session = session
        self._cursor = cursor
        self._clock = clock
        self._speed = _SLOWEST
        self._began, self._taken = 0.0, 0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
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
            self._speed = speed(self._last + 1)
            self._began, self._taken = self._clock(), 0
            self._timer.start(max(_FRAME_MS, round(1000.0 / self._speed)))
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
        steps = 1
        if self._speed > _FRAMES_PER_SECOND:
            steps = int((self._clock() - self._began) * self._speed) - self._taken
            self._taken += steps
        self._cursor.move(timestep=steps)
        if self._session.location.timestep >= self._last:
            self.halt()


def speed(timesteps: int) -> float:
    """Timesteps in a second at which a sequence of so many is played."""
    return max(_SLOWEST, timesteps / _WHOLE_SECONDS)
