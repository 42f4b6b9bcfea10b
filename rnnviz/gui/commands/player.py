"""Playing: the cursor runs through the recurrence by itself, in the order in which it is computed."""

from collections.abc import Callable
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.stepping import Stepper
from rnnviz.gui.theme.reduced_motion import motion_reduced
from rnnviz.quantities.traversal import Order

_FRAME_MS = 16
_SLOWEST = 2.0
"""Timesteps in a second."""
_CALM_MS = 340
"""What moves no more than three times a second harms nobody."""
_WHOLE_SECONDS = 12.0
"""A sequence that is long enough is played in this time, however long it is."""
_STAGE_MS = 1100
"""How long a stage of a step is shown: its words have to be read."""
FACTORS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""How many times as quick as usual; the last one is called the quickest."""
_QUICKEST_WITH_STAGES = 2.0
_SHORT, _LONG = 24, 1000
"""Up to so many timesteps stages are shown, and up to so many if the numbers are in view."""


class Player(QObject):
    """Moves the cursor on at a pace that suits the length; stops at the end, and when other numbers are shown.

    Of a short sequence, or one whose numbers are in view, every stage of a step is shown: what it reads, computes and
    carries on; quicker than that the cursor alone moves. Up to one timestep in a frame each of them is shown. Above
    that the clock says how many steps a frame takes: after one that was late more of them are skipped, and the pace is
    held. Where motion is to be reduced, a frame lasts so long that nothing flickers.
    """

    playing_changed = Signal(bool)
    pace_changed = Signal()
    """Another speed, or another order."""

    def __init__(
        self,
        session: Session,
        parent: QObject | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """`clock` tells seconds."""
        super().__init__(parent)
        self._session = session
        self._clock = clock
        self.stepper = Stepper(session, self)
        self.numbers_in_view: Callable[[], bool] = lambda: False
        """Whether the lanes are seen so closely that stages can be followed in any sequence."""
        self._factor, self._by = 1.0, 1
        self._speed = _SLOWEST
        self._began, self._taken, self._frame_ms = 0.0, 0, _FRAME_MS
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._step)
        session.numbers_changed.connect(self.halt)

    @property
    def playing(self) -> bool:
        """Whether the cursor moves by itself."""
        return self._timer.isActive()

    @property
    def factor(self) -> float:
        """How many times as quick as usual it plays: one of `FACTORS`."""
        return self._factor

    @property
    def order(self) -> Order:
        """Which steps are played."""
        return self.stepper.order

    @property
    def in_stages(self) -> bool:
        """Whether every stage of a step is shown at this speed, of this sequence, as it is seen now."""
        timesteps = self._timesteps
        short = timesteps <= _SHORT or (timesteps <= _LONG and self.numbers_in_view())
        return short and self._factor <= _QUICKEST_WITH_STAGES

    def toggle(self, *, backward: bool = False) -> None:
        """Play, from the start if the cursor is at the end; or halt. `backward` plays towards the start."""
        by = -1 if backward else 1
        if self.playing:
            self.halt()
            if by == self._by:
                return
        stages = self.in_stages
        if self._session.result is None or (self._timesteps < 2 and not stages):
            return
        self._by = by
        if self.stepper.at_end(by) and self.stepper.stage in (None, "carry" if by > 0 else "read"):
            self.stepper.go_to_end(-by)
        if not stages:
            self.stepper.rest()
        elif self.stepper.stage is None:
            self.stepper.begin(by)
        self._start()
        self.playing_changed.emit(True)

    def halt(self) -> None:
        """Stay where the cursor is; what is lit stays lit."""
        if self.playing:
            self._timer.stop()
            self.playing_changed.emit(False)

    def step(self, by: int) -> None:
        """Go one stage on (1) or back (-1), and play no further."""
        self.halt()
        self.stepper.step(by)

    def set_factor(self, factor: float) -> None:
        """Play so many times as quick as usual, from now on."""
        if factor not in FACTORS:
            raise ValueError(f"factor = {factor} is not allowed: it must be one of {', '.join(map(str, FACTORS))}.")
        self._factor = factor
        self._restart()

    def change_speed(self, by: int) -> None:
        """Play quicker (1) or slower (-1)."""
        place = FACTORS.index(self._factor) + by
        self.set_factor(FACTORS[min(max(place, 0), len(FACTORS) - 1)])

    def set_order(self, order: Order) -> None:
        """Play the cursor's lane, or all lanes layer by layer."""
        self.stepper.order = order
        self._restart()

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
            if not self.stepper.step(self._by):
                self.halt()
            return
        steps = 1
        if self._speed > 1000.0 / self._frame_ms:
            steps = int((self._clock() - self._began) * self._speed) - self._taken
            self._taken += steps
        if not self.stepper.move(self._by * steps):
            self.halt()


def speed(timesteps: int) -> float:
    """Timesteps in a second at which a sequence of so many is played."""
    return max(_SLOWEST, timesteps / _WHOLE_SECONDS)
