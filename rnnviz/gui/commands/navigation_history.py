"""The trail: places visited through links that say where a number came from, and the way back."""

from PySide6.QtCore import QObject, Signal

from rnnviz.core.trace_index import Location
from rnnviz.explain.provenance import InputPlace, Place, step_of
from rnnviz.gui.app_state import Session
from rnnviz.verify.result import RunResult


class NavigationHistory(QObject):
    """Follows links from one number to another that it used, back and forward.

    The session's location goes along, as far as a place is one. When that moves by other means, or another result has
    no room for the trail, a new one begins there.
    """

    changed = Signal(object)
    """The place where one is now; also sent when only the way to it changed."""
    followed = Signal()
    """A link, or the way back or forward, led somewhere: the user wants to see it."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._places: list[Place] = [session.location]
        self._at = 0
        self._leading = False
        self._extent: tuple[object, ...] = ()
        session.location_changed.connect(self._on_location)
        session.result_changed.connect(self._on_result)

    @property
    def places(self) -> tuple[Place, ...]:
        """All places of the trail, with those that one went back from."""
        return tuple(self._places)

    @property
    def at(self) -> int:
        """Which of the places one is at."""
        return self._at

    @property
    def place(self) -> Place:
        """Where one is."""
        return self._places[self._at]

    @property
    def can_go_back(self) -> bool:
        """Whether a link led here."""
        return self._at > 0

    @property
    def can_go_forward(self) -> bool:
        """Whether one went back from somewhere."""
        return self._at < len(self._places) - 1

    def visit(self, place: Place) -> None:
        """Follow a link; what one went back from is forgotten."""
        if self._session.result is None or place == self.place:
            return
        del self._places[self._at + 1 :]
        self._places.append(place)
        self.go_to(self._at + 1)

    def begin(self, place: Place) -> None:
        """Look at a place to which no link of the trail led."""
        if self._session.result is not None:
            self._places = [place]
            self.go_to(0)

    def back(self) -> None:
        """Return to the number that used this one."""
        if self.can_go_back:
            self.go_to(self._at - 1)

    def forward(self) -> None:
        """Go again to where one went back from."""
        if self.can_go_forward:
            self.go_to(self._at + 1)

    def go_to(self, at: int) -> None:
        """Go to one of the trail's places."""
        self._at = at
        self._leading = True
        try:
            self._session.set_location(self._cursor())
        finally:
            self._leading = False
        self.changed.emit(self.place)
        self.followed.emit()

    def _cursor(self) -> Location:
        """Where the cursor stands: at the place, or where the input or h0 that one looks at was read."""
        for place in reversed(self._places[: self._at + 1]):
            step = step_of(place)
            if step is not None:
                return step
        here = self._session.location
        return here.moved(timestep=self.place.timestep) if isinstance(self.place, InputPlace) else here

    def _on_location(self, location: Location) -> None:
        if not self._leading and self._cursor() != location:
            self._places, self._at = [location], 0
            self.changed.emit(location)

    def _on_result(self, result: RunResult | None) -> None:
        """A trail stays where every place of it is still there: the numbers are other ones, the way is the same."""
        extent: tuple[object, ...] = ()
        if result is not None:
            network = result.inputs.network
            extent = (*result.shape, network.input_size, network.cell)
        if extent != self._extent or not self.can_go_back:
            self._places, self._at = [self._session.location], 0
        self._extent = extent
        self.changed.emit(self.place)
