"""Playback in time steps and in stages."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.gui.regions import STAGES, Order, Stage, Traversal, stage_regions, stage_text
from rnnviz.gui.theme.scaling import motion_reduced


class Stepper(QObject):
    """Moves the selection from stage to stage and highlights the values of each.

    Any other change of the selection ends the stage.
    """

    status_changed = Signal(str)
    """Description of the current stage; empty without one."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.order: Order = "lane"
        self._stage: int | None = None
        self._shown_at: Location | None = None
        self._gradients = False
        session.on_change(self._on_elsewhere, "location")
        session.on_change(self.stop, "inputs")
        session.on_change(self._on_quantity, "color_by", "result")

    @property
    def stage(self) -> Stage | None:
        """The current stage, or None."""
        return None if self._stage is None else self.stages[self._stage]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of a step in their order, which is the opposite one in the backward pass."""
        return STAGES if self.walk is None else self.walk.stages

    @property
    def walk(self) -> Traversal | None:
        """The steps in the order of computation, of gradients in that of the backward pass; None without a result."""
        result, session = self._session.result, self._session
        if result is None:
            return None
        return Traversal(result.inputs.network, session.length, self.order, session.in_backward_pass)

    def begin(self, by: int) -> None:
        """Start at the first stage of the selected step, or at the last if `by` is negative."""
        self._show(0 if by > 0 else len(STAGES) - 1, self._session.location)

    def step(self, by: int) -> bool:
        """Go to the next (1) or previous (-1) stage; False at the end."""
        walk = self.walk
        if walk is None:
            return False
        if self._stage is None:
            self.begin(by)
            return True
        stage, where = self._stage + by, self._session.location
        if not 0 <= stage < len(STAGES):
            index = walk.index_of(where) + by
            if not 0 <= index < walk.count():
                return False
            where = walk.at(index, where)
            stage %= len(STAGES)
        self._show(stage, where)
        return True

    def show(self, stage: Stage | None) -> None:
        """Show a stage of the selected step; None for the whole step."""
        if stage is None:
            self.stop()
        elif self._session.result is not None:
            self._show(self.stages.index(stage), self._session.location)

    def move(self, steps: int) -> bool:
        """Move by whole steps without stages; False at the end."""
        walk = self.walk
        if walk is None:
            return False
        if not steps:
            return True
        here = self._session.location
        index = walk.index_of(here) + steps
        self._session.set_location(walk.at(index, here))
        return 0 <= index < walk.count() and not self.at_end(steps)

    def at_end(self, by: int) -> bool:
        """Whether the selected step is the last, or the first if `by` is negative."""
        walk = self.walk
        if walk is None:
            return True
        index = walk.index_of(self._session.location)
        return index == (walk.count() - 1 if by > 0 else 0)

    def go_to_end(self, by: int) -> None:
        """Select the last step, or the first if `by` is negative."""
        walk = self.walk
        if walk is not None:
            self._session.set_location(walk.at(walk.count() - 1 if by > 0 else 0, self._session.location))

    def stop(self) -> None:
        """End the stage and clear the highlights."""
        if self._stage is not None:
            self._stage = None
            self._session.set_highlight(())
            self.status_changed.emit("")

    def _show(self, stage: int, where: Location) -> None:
        result, state = self._session.result, self._session.state
        assert result is not None, "stages need a result"
        network, length = result.inputs.network, result.inputs.length(where.sample)
        self._stage, self._shown_at = stage, where
        name, gradients = self.stages[stage], self._session.in_backward_pass
        highlighted = stage_regions(network, where, length, name, gradients=gradients)
        self._session.replace(replace(state, location=where, highlighted=highlighted))
        self.status_changed.emit(stage_text(network, where, length, name, gradients=gradients))

    def _on_elsewhere(self) -> None:
        if self._session.location != self._shown_at:
            self.stop()

    def _on_quantity(self) -> None:
        if self._session.in_backward_pass != self._gradients:
            self._gradients = self._session.in_backward_pass
            self.stop()


_FRAME_MS = 16
_SLOWEST = 2.0
"""Time steps per second."""
_CALM_MS = 340
"""At most three changes per second, the WCAG limit for flashes."""
_WHOLE_SECONDS = 12.0
"""Playback time of a long sequence at speed 1."""
STAGE_MS = 800
"""Duration of a stage at speed 1, long enough to read its text."""
FACTORS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Playback speeds; the last one is shown as "max"."""
_QUICKEST_WITH_STAGES = 2.0
_SHORT, _LONG = 24, 1000
"""Largest numbers of time steps for playback in stages: in general, and if the numbers are visible."""


class Player(QObject):
    """Moves the selection at a speed that depends on the length. Stops at the end and on new values.

    A short sequence, or one whose numbers are visible, is played in stages. At high speed only the
    selection moves. Up to one time step per frame, every time step is shown. Above that, the clock determines the
    steps per frame, so that a late frame skips more. With reduced motion, frames last long enough to avoid flicker.
    """

    playing_changed = Signal(bool)
    pace_changed = Signal()
    """Speed, order, loop or reveal changed."""

    def __init__(
        self, session: Session, parent: QObject | None = None, clock: Callable[[], float] = perf_counter
    ) -> None:
        """`clock` returns seconds."""
        super().__init__(parent)
        self._session = session
        self._clock = clock
        self.stepper = Stepper(session, self)
        self.numbers_in_view: Callable[[], bool] = lambda: False
        """Whether the lanes are zoomed in far enough to show numbers."""
        self.looping = self.revealing = False
        self.factor, self._by = 1.0, 1
        self._speed = _SLOWEST
        self._began, self._taken, self._frame_ms = 0.0, 0, _FRAME_MS
        self.timer = QTimer(self)
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self._step)
        session.on_change(self.pause, "inputs", "color_by")

    @property
    def playing(self) -> bool:
        return self.timer.isActive()

    @property
    def order(self) -> Order:
        return self.stepper.order

    @property
    def in_stages(self) -> bool:
        """Whether playback shows stages at the current speed, length and zoom."""
        timesteps = self._timesteps
        short = timesteps <= _SHORT or (timesteps <= _LONG and self.numbers_in_view())
        return short and self.factor <= _QUICKEST_WITH_STAGES

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
        last_stage = self.stepper.stage in (None, self.stepper.stages[-1 if by > 0 else 0])
        if last_stage and not self.looping and self.stepper.at_end(by):
            self.stepper.go_to_end(-by)
        if not stages:
            self.stepper.stop()
        elif self.stepper.stage is None:
            self.stepper.begin(by)
        self._start()
        self.playing_changed.emit(True)

    def pause(self) -> None:
        if self.playing:
            self.timer.stop()
            self.playing_changed.emit(False)

    def show(self, stage: Stage | None) -> None:
        """Pause, and show a stage of the selected step, or the whole step."""
        self.pause()
        self.stepper.show(stage)

    def step(self, by: int) -> None:
        """Pause, and go to the next (1) or previous (-1) stage."""
        self.pause()
        self.stepper.step(by)

    def set_factor(self, factor: float) -> None:
        if factor not in FACTORS:
            raise ValueError(f"factor = {factor} is not allowed: it must be one of {', '.join(map(str, FACTORS))}.")
        self.factor = factor
        self._restart()

    def change_speed(self, by: int) -> None:
        place = FACTORS.index(self.factor) + by
        self.set_factor(FACTORS[min(max(place, 0), len(FACTORS) - 1)])

    def set_order(self, order: Order) -> None:
        self.stepper.order = order
        self._restart()

    def loop_range(self) -> range | None:
        """Time steps to loop: the selected range; None for the whole sequence."""
        query = self._session.state.selected_range
        return None if query is None else query.times

    def toggle_loop(self) -> None:
        """Repeat the range that is selected in the lanes, or the whole sequence; or stop at the end."""
        self.looping = not self.looping
        self.pace_changed.emit()

    def toggle_reveal(self) -> None:
        self.revealing = not self.revealing
        self.pace_changed.emit()

    def save_state(self) -> tuple[str, ...]:
        """Choices of playback as words."""
        stage = self.stepper.stage
        chosen = {"loop": self.looping, "hide future": self.revealing, f"stage {stage}": stage is not None}
        return f"speed {self.factor:g}", f"order {self.order}", *(word for word, on in chosen.items() if on)

    def restore_state(self, choices: Sequence[str]) -> None:
        """Apply saved choices; those that are missing or unknown are the usual ones."""
        self.looping, self.revealing = "loop" in choices, "hide future" in choices
        self.factor = next((factor for factor in FACTORS if f"speed {factor:g}" in choices), 1.0)
        self.set_order(next((order for order in ORDERS if f"order {order}" in choices), "lane"))
        self.show(next((stage for stage in STAGES if f"stage {stage}" in choices), None))

    @property
    def _timesteps(self) -> int:
        return self._session.length

    def _restart(self) -> None:
        if self.playing:
            self._start()
        self.pace_changed.emit()

    def _start(self) -> None:
        walk = self.stepper.walk
        self._speed = speed(0 if walk is None else walk.count()) * self.factor
        self._began, self._taken = self._clock(), 0
        pace = STAGE_MS / self.factor if self.in_stages else 1000.0 / self._speed
        self._frame_ms = _CALM_MS if motion_reduced() else _FRAME_MS
        self.timer.start(max(self._frame_ms, round(pace)))

    def _step(self) -> None:
        if self.in_stages:
            if self.stepper.stage in (None, self.stepper.stages[-1 if self._by > 0 else 0]) and self._wrap(1):
                self.stepper.begin(self._by)
            elif not self.stepper.step(self._by):
                self.pause()
            return
        steps = 1
        if self._speed > 1000.0 / self._frame_ms:
            steps = int((self._clock() - self._began) * self._speed) - self._taken
            self._taken += steps
        if not self._wrap(steps) and not self.stepper.move(self._by * steps) and not self.looping:
            self.pause()

    def _wrap(self, steps: int) -> bool:
        """Return to the beginning of the loop if the next steps leave it; False without a loop."""
        walk, here = self.stepper.walk, self._session.location
        if not self.looping or walk is None:
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


def of_indices(count: int) -> str:
    """The range of an index that counts from 0, behind its value: " of 0–15"."""
    return f" of 0–{count - 1}" if count > 1 else " of 0"


ORDERS: dict[Order, tuple[str, str]] = {
    "lane": ("&Selected lane", "Play the selected lane. A backward lane plays from the last time step of the sample."),
    "layers": ("&All lanes", "Play all lanes, layer by layer, in the order of computation."),
}


def factor_text(factor: float) -> str:
    """Text of a speed: "0.5×", or "max" for the highest."""
    return "max" if factor == FACTORS[-1] else f"{factor:g}×"
