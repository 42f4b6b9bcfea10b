"""Step by step through the recurrence: at each step what is read, what is computed, what is carried on."""

from PySide6.QtCore import QObject, Signal

from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.quantities.traversal import STAGES, Order, Traversal, stage_regions, stage_text


class Stepper(QObject):
    """Moves the session from stage to stage and lights up what each of them is about.

    It forgets its stage when the cursor is moved by anybody else.
    """

    told = Signal(str)
    """What happens now, in words; empty when nothing does."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.order: Order = "lane"
        self._stage: int | None = None
        self._shown_at: Location | None = None
        self._moving = False
        session.location_changed.connect(self._on_elsewhere)
        session.numbers_changed.connect(self.rest)

    @property
    def stage(self) -> str | None:
        """What is lit up: one of `STAGES`, or None."""
        return None if self._stage is None else STAGES[self._stage]

    @property
    def walk(self) -> Traversal | None:
        """The steps in the order of computation."""
        result = self._session.result
        return None if result is None else Traversal(*result.shape[:3], self.order, result.inputs.network.reverse)

    def begin(self, by: int) -> None:
        """Stand on the first stage of the cursor's step, or, if going back, on the last one."""
        self._show(0 if by > 0 else len(STAGES) - 1)

    def step(self, by: int) -> bool:
        """Go one stage on (1) or back (-1); False where there is no further one."""
        walk = self.walk
        if walk is None:
            return False
        if self._stage is None:
            self.begin(by)
            return True
        stage = self._stage + by
        if not 0 <= stage < len(STAGES):
            here = self._session.location
            index = walk.index_of(here) + by
            if not 0 <= index < walk.count():
                return False
            self._moving = True
            self._session.set_location(walk.at(index, here))
            self._moving = False
            stage %= len(STAGES)
        self._show(stage)
        return True

    def move(self, steps: int) -> bool:
        """Go so many whole steps on, or back if negative, without stages; False at the end."""
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
        """Whether the cursor's step is the last one, or the first one if `by` is negative."""
        walk = self.walk
        if walk is None:
            return True
        index = walk.index_of(self._session.location)
        return index == (walk.count() - 1 if by > 0 else 0)

    def go_to_end(self, by: int) -> None:
        """Go to the first step of all, or to the last one if `by` is positive."""
        walk = self.walk
        if walk is not None:
            self._session.set_location(walk.at(walk.count() - 1 if by > 0 else 0, self._session.location))

    def rest(self) -> None:
        """Light up nothing."""
        if self._stage is not None:
            self._stage = None
            self._session.set_highlight(())
            self.told.emit("")

    def _show(self, stage: int) -> None:
        result, where = self._session.result, self._session.location
        assert result is not None, "there are stages of a result only"
        network, timesteps = result.inputs.network, result.shape[2]
        self._stage, self._shown_at = stage, where
        self._session.set_highlight(stage_regions(network, where, timesteps, STAGES[stage]))
        self.told.emit(stage_text(network, where, timesteps, STAGES[stage]))

    def _on_elsewhere(self, location: Location) -> None:
        # The same place is told of again when its numbers have been audited.
        if not self._moving and location != self._shown_at:
            self.rest()
