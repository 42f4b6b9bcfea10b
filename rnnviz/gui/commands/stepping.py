"""Step-by-step traversal in three stages: read, compute, pass on."""

from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.quantities.steps import STAGES, Order, Traversal, stage_regions, stage_text


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
        session.on_change(self._on_elsewhere, "location")
        session.on_change(self.stop, "inputs")

    @property
    def stage(self) -> str | None:
        """The current stage, one of `STAGES`, or None."""
        return None if self._stage is None else STAGES[self._stage]

    @property
    def walk(self) -> Traversal | None:
        """The steps in the order of computation; None without a result."""
        result = self._session.result
        return None if result is None else Traversal(*result.shape[:3], self.order, result.inputs.network.reverse)

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
        network, timesteps = result.inputs.network, result.shape[2]
        self._stage, self._shown_at = stage, where
        highlighted = stage_regions(network, where, timesteps, STAGES[stage])
        self._session.replace(replace(state, location=where, highlighted=highlighted))
        self.status_changed.emit(stage_text(network, where, timesteps, STAGES[stage]))

    def _on_elsewhere(self) -> None:
        if self._session.location != self._shown_at:
            self.stop()
