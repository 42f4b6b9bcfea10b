"""Commands that move the selection through time, units, lanes and samples."""

from PySide6.QtWidgets import QWidget

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.go_to_dialog import GoToDialog


class SelectionCommands:
    """Moves the selection. It stops at the edges of the result."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        self._session, self._parent = session, parent

    def move(self, *, timestep: int = 0, unit: int = 0, sample: int = 0) -> None:
        """Move by a number of steps along each axis."""
        here = self._session.location
        self._session.set_location(
            here.moved(timestep=here.timestep + timestep, unit=here.unit + unit, sample=here.sample + sample)
        )

    def go_to(self, timestep: int) -> None:
        """Select a time step."""
        self._session.set_location(self._session.location.moved(timestep=timestep))

    def go_to_end(self) -> None:
        """Select the last time step."""
        result = self._session.result
        if result is not None:
            self.go_to(result.shape[2] - 1)

    def go_to_sample(self, sample: int) -> None:
        """Select a sample."""
        self._session.set_location(self._session.location.moved(sample=sample))

    def ask_place(self) -> None:
        """Ask for the indices of a value, and select it."""
        if self._session.result is not None:
            GoToDialog(self._session, self._parent).open()

    def move_lane(self, steps: int) -> None:
        """Move up by `steps` lanes: from forward to backward, then to the next layer."""
        result = self._session.result
        if result is None:
            return
        layers, directions, *_ = result.shape
        here = self._session.location
        lane = min(max(here.layer * directions + here.direction + steps, 0), layers * directions - 1)
        layer, direction = divmod(lane, directions)
        self._session.set_location(here.moved(layer=layer, direction=direction))
