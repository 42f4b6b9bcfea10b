"""Playback: moves the selection through the time steps in the order of computation."""

from collections.abc import Callable
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.stepping import Stepper
from rnnviz.gui.theme.reduced_motion import motion_reduced
from rnnviz.quantities.steps import Order

_FRAME_MS = 16
_SLOWEST = 2.0
"""Time steps per second."""
_CALM_MS = 340
"""At most three changes per second, the WCAG limit for flashes."""
_WHOLE_SECONDS = 12.0
"""Playback time of a long sequence at speed 1."""
_STAGE_MS = 1100
"""Duration of a stage at speed 1, long enough to read its text."""
FACTORS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Playback speeds; the last one is shown as "max"."""
_QUICKEST_WITH_STAGES = 2.0
_SHORT, _LONG = 24, 1000
"""Largest numbers of time steps for playback in stages: in general, and if the numbers are visible."""


class Player(QObject):
    """Moves the selection at a speed that depends on the length. Stops at the end and on new values.

    A short sequence, or one whose numbers are visible, is played in stages: read, compute, pass on. At high speed only
    the selection moves. Up to one time step per frame, every time step is shown. Above that, the clock determines the
    steps per frame, so that a late frame skips more. With reduced motion, frames last long enough to avoid flicker.
    """

    playing_changed = Signal(bool)
    pace_changed = Signal()
    """Speed, order, loop or reveal changed."""

    def __init__(
        self,
        session: Session,
        parent: QObject | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """`clock` returns seconds."""
        super().__init__(parent)
        self._session = session
        self._clock = clock
        self.stepper = Stepper(session, self)
        self.numbers_in_view: Callable[[], bool] = lambda: False
        """Whether the lanes are zoomed in far enough to show numbers."""
        self.loop_range: Callable[[], range | None] = lambda: None
        """Time steps to loop; None for the whole sequence."""
        self._looping = self._revealing = False
        self._factor, self._by = 1.0, 1
        self._speed = _SLOWEST
        self._began, self._taken, self._frame_ms = 0.0, 0, _FRAME_MS
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._step)
        session.on_change(self.pause, "inputs")

    @property
    def playing(self) -> bool:
        """Whether playback is active."""
        return self._timer.isActive()

    @property
    def factor(self) -> float:
        """Playback speed, one of `FACTORS`."""
        return self._factor

    @property
    def order(self) -> Order:
        """Order of the steps played."""
        return self.stepper.order

    @property
    def looping(self) -> bool:
        """Whether playback repeats a range or the whole sequence."""
        return self._looping

    @property
    def revealing(self) -> bool:
        """Whether the lanes hide what is computed after the selected step."""
        return self._revealing

    @property
    def in_stages(self) -> bool:
        """Whether playback shows stages at the current speed, length and zoom."""
        timesteps = self._timesteps
        short = timesteps <= _SHORT or (timesteps <= _LONG and self.numbers_in_view())
        return short and self._factor <= _QUICKEST_WITH_STAGES

    def toggle(self, *, backward: bool = False) -> None:
        """Play, or pause. Restarts from the beginning at the end. `backward` plays toward t = 0."""
        by = -1 if backward else 1
        if self.playing:
            self.pause()
            if by == self._by:
                return
        stages = self.in_stages
        if self._session.result is None or (self._timesteps < 2 and not stages):
            return
        self._by = by
        if (
            not self._looping
            and self.stepper.at_end(by)
            and self.stepper.stage in (None, "carry" if by > 0 else "read")
        ):
            self.stepper.go_to_end(-by)
        if not stages:
            self.stepper.stop()
        elif self.stepper.stage is None:
            self.stepper.begin(by)
        self._start()
        self.playing_changed.emit(True)

    def pause(self) -> None:
        """Stop playback. Selection and highlights stay."""
        if self.playing:
            self._timer.stop()
            self.playing_changed.emit(False)

    def step(self, by: int) -> None:
        """Pause, and go to the next (1) or previous (-1) stage."""
        self.pause()
        self.stepper.step(by)

    def set_factor(self, factor: float) -> None:
        """Set the playback speed."""
        if factor not in FACTORS:
            raise ValueError(f"factor = {factor} is not allowed: it must be one of {', '.join(map(str, FACTORS))}.")
        self._factor = factor
        self._restart()

    def change_speed(self, by: int) -> None:
        """Select the next higher (1) or lower (-1) speed."""
        place = FACTORS.index(self._factor) + by
        self.set_factor(FACTORS[min(max(place, 0), len(FACTORS) - 1)])

    def set_order(self, order: Order) -> None:
        """Play the selected lane, or all lanes layer by layer."""
        self.stepper.order = order
        self._restart()

    def toggle_loop(self) -> None:
        """Repeat the range that is selected in the lanes, or the whole sequence; or stop at the end."""
        self._looping = not self._looping
        self.pace_changed.emit()

    def toggle_reveal(self) -> None:
        """Hide values until their step is reached, or show all of them."""
        self._revealing = not self._revealing
        self.pace_changed.emit()

    @property
    def _timesteps(self) -> int:
        return 0 if self._session.result is None else self._session.result.shape[2]

    def _restart(self) -> None:
        if self.playing:
            self._start()
        self.pace_changed.emit()

    def _start(self) -> None:
        walk = self.stepper.walk
        self._speed = speed(0 if walk is None else walk.count()) * self._factor
        self._began, self._taken = self._clock(), 0
        pace = _STAGE_MS / self._factor if self.in_stages else 1000.0 / self._speed
        self._frame_ms = _CALM_MS if motion_reduced() else _FRAME_MS
        self._timer.start(max(self._frame_ms, round(pace)))

    def _step(self) -> None:
        if self.in_stages:
            if self.stepper.stage in (None, "carry" if self._by > 0 else "read") and self._wrap(1):
                self.stepper.begin(self._by)
            elif not self.stepper.step(self._by):
                self.pause()
            return
        steps = 1
        if self._speed > 1000.0 / self._frame_ms:
            steps = int((self._clock() - self._began) * self._speed) - self._taken
            self._taken += steps
        if not self._wrap(steps) and not self.stepper.move(self._by * steps) and not self._looping:
            self.pause()

    def _wrap(self, steps: int) -> bool:
        """Return to the beginning of the loop if the next steps leave it; False without a loop."""
        walk, here = self.stepper.walk, self._session.location
        if not self._looping or walk is None:
            return False
        first, last = 0, walk.count() - 1
        times = self.loop_range()
        if times is not None:
            first, last = sorted(walk.index_of(here.moved(timestep=t)) for t in (times.start, times.stop - 1))
        if first <= walk.index_of(here) + self._by * steps <= last:
            return False
        self._session.set_location(walk.at(first if self._by > 0 else last, here))
        return True


def speed(timesteps: int) -> float:
    """Time steps per second for a sequence of `timesteps`."""
    return max(_SLOWEST, timesteps / _WHOLE_SECONDS)
