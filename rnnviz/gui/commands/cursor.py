"""Moving the one location by steps: through time, units, lanes and samples."""

from rnnviz.gui.app_state import Session


class Cursor:
    """Moves the session's location; a step beyond an edge stays at the edge."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def move(self, *, timestep: int = 0, unit: int = 0, sample: int = 0) -> None:
        """Move by this many steps along each axis."""
        here = self._session.location
        self._session.set_location(
            here.moved(timestep=here.timestep + timestep, unit=here.unit + unit, sample=here.sample + sample)
        )

    def go_to(self, timestep: int) -> None:
        """Move to a time step."""
        self._session.set_location(self._session.location.moved(timestep=timestep))

    def go_to_end(self) -> None:
        """Move to the last time step."""
        result = self._session.result
        if result is not None:
            self.go_to(result.shape[2] - 1)

    def go_to_sample(self, sample: int) -> None:
        """Look at another sample."""
        self._session.set_location(self._session.location.moved(sample=sample))

    def move_lane(self, steps: int) -> None:
        """Move up by this many lanes: from forward to backward, and from there to the next layer."""
        result = self._session.result
        if result is None:
            return
        layers, directions, *_ = result.shape
        here = self._session.location
        lane = min(max(here.layer * directions + here.direction + steps, 0), layers * directions - 1)
        layer, direction = divmod(lane, directions)
        self._session.set_location(here.moved(layer=layer, direction=direction))
