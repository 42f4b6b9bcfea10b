"""Moves of the selection, and navigation from a value in any view to its arithmetic, with back and forward."""

from PySide6.QtCore import QObject, Signal

from rnnviz.core.gradients import GRADIENT, gradient
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.explain.value_sources import line_name, quantity_place, same_kind, selected
from rnnviz.gui.app_state import Session


class NavigationHistory(QObject):
    """Visited places: each link leads from a value to one that it uses.

    The selection follows. If it moves by other means, or a new result lacks a visited place, the history restarts.
    """

    changed = Signal()
    """The current place or the history before it changed."""
    followed = Signal()
    """A link, Back or Forward was followed, or a value was opened."""
    opened = Signal()
    """A value was opened: the history begins at it."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._places: list[Place] = [Place.at("h", session.location)]
        self.at = 0
        self.line = ""
        """The symbol of the line that is shown in detail; "" for the first one."""
        self._extent: tuple[object, ...] = ()
        session.on_change(self._on_location, "location")
        session.on_change(self._on_result, "result")
        self.changed.connect(self._tell_parameter)

    @property
    def places(self) -> tuple[Place, ...]:
        """All places, including those after the current one."""
        return tuple(self._places)

    @property
    def place(self) -> Place:
        return self._places[self.at]

    @property
    def can_go_back(self) -> bool:
        return self.at > 0

    @property
    def can_go_forward(self) -> bool:
        return self.at < len(self._places) - 1

    def visit(self, place: Place) -> None:
        """Follow a link. Drops the places after the current one."""
        if self._session.result is None or place == self.place:
            return
        del self._places[self.at + 1 :]
        self._places.append(place)
        self.go_to(self.at + 1)

    def begin(self, place: Place | Location) -> None:
        """Restart the history at a place, or at a hidden value."""
        if self._session.result is not None:
            self._places = [Place.at("h", place) if isinstance(place, Location) else place]
            self.go_to(0)
            self.opened.emit()

    def explain_selection(self) -> None:
        """Restart the history at the selected value, for the quantity of the lanes."""
        self.begin(quantity_place(self._session.location, self._session.quantity))

    def explain_gradient(self) -> None:
        """Restart the history at the gradient of the selected value."""
        self.begin(Place.at("grad.h", self._session.location))

    def explain(self, *, gradient: bool) -> None:
        """Restart the history at the selected value, or at its gradient, unless one of the same kind is shown."""
        if gradient != self.place.in_backward_pass:
            self.explain_gradient() if gradient else self.begin(self._session.location)

    def choose_line(self, line: str) -> None:
        """Show another line of the current place in detail."""
        if line != self.line:
            self.line = line
            self.changed.emit()

    def back(self) -> None:
        if self.can_go_back:
            self.go_to(self.at - 1)

    def forward(self) -> None:
        if self.can_go_forward:
            self.go_to(self.at + 1)

    def go_to(self, at: int) -> None:
        self.at = at
        self._session.set_location(self._selection())
        self._tell()
        self.followed.emit()

    def _selection(self) -> Location:
        """The selection for the current place: its step, or the step that read the input or initial state."""
        here, result = self._session.location, self._session.result
        for place in reversed(self._places[: self.at + 1]):
            step = place.location if result is None else selected(result.config.network.kind, place, here)
            if step is not None:
                return step
        timestep = self.place.timestep
        return here if timestep is None else here.moved(timestep=timestep)

    def _on_location(self) -> None:
        location, found = self._session.location, self._session.contributions
        lane = None if found is None else (found.lane.layer, found.lane.direction)
        if (
            found is not None
            and lane == (location.layer, location.direction)
            and (self._parameter is not None or self._selection() != location)
        ):
            # The gradient that the lane shows at this step, after the one to which it contributes.
            self._places, self.at = [found.parameter.gradient, found.source(location)], 1
            self._tell()
        elif self._selection() != location:
            self._places, self.at = [same_kind(location, self.place)], 0
            self._tell()

    def _tell(self) -> None:
        """Report another place, whose line is shown in detail: a gate's own one, else the one that was shown."""
        place = self.place
        of_gradient = self.line.startswith(GRADIENT)
        stays = len(self._places) == 1 and of_gradient and place.array == gradient("h")
        if place.is_gradient and not stays:
            self.line = line_name(place)
        elif place.kind == "step" and place.array not in ("h", gradient("h")):
            self.line = place.array
        elif of_gradient and not place.in_backward_pass:
            self.line = ""
        self.changed.emit()

    @property
    def _parameter(self) -> Place | None:
        """The parameter whose gradient is the current place."""
        return self.place.of if self.place.kind == "parameter" else None

    def _tell_parameter(self) -> None:
        if self._parameter is not None:
            self._session.set_parameter(self._parameter)

    def _on_result(self) -> None:
        """Keep the history if the new result has the same shape and lengths: padding has no places."""
        result = self._session.result
        extent: tuple[object, ...] = ()
        if result is not None:
            network = result.inputs.network
            extent = (*result.shape, network.input_size, network.cell, result.inputs.lengths)
        if extent != self._extent or not self.can_go_back:
            self._places, self.at = [same_kind(self._session.location, self.place)], 0
        self._extent = extent
        self._tell()


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
