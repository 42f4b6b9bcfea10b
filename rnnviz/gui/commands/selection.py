"""Commands that move the selection through time, units, lanes and samples."""

from rnnviz.gui.app_state import Session


class SelectionCommands:
    """Moves the selection. It stops at the edges of the result."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def move(self, *, timestep: int = 0, sample: int = 0) -> None:
        here = self._session.location
        self._session.set_location(here.moved(timestep=here.timestep + timestep, sample=here.sample + sample))

    def go_to(self, timestep: int) -> None:
        self._session.set_location(self._session.location.moved(timestep=timestep))

    def go_to_end(self) -> None:
        result = self._session.result
        if result is not None:
            self.go_to(self._session.length - 1)

    def go_to_sample(self, sample: int) -> None:
        self._session.set_location(self._session.location.moved(sample=sample))

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
