"""Navigation from a value in any view to its arithmetic, with back and forward."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from rnnviz.explain.provenance import Place, quantity_place
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.actions import Actions
from rnnviz.gui.commands.navigation_history import NavigationHistory
from rnnviz.gui.views.base import ResultView

if TYPE_CHECKING:
    # Imported on demand, not before the first paint.
    from rnnviz.gui.views.arithmetic.view import ArithmeticView


class ExplainController(QObject):
    """Connects the views to one navigation history. `wanted` requests the arithmetic view."""

    wanted = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.trail = NavigationHistory(session, self)
        self.trail.followed.connect(self.wanted)

    def add(self, view: ResultView) -> None:
        """Connect a view that requests explanations."""
        view.explanation_requested.connect(self.explain)

    def bind_view(self, view: "ArithmeticView") -> None:
        """Connect the arithmetic view to the navigation history in both directions."""
        trail, crumbs = self.trail, view.crumbs
        trail.changed.connect(lambda _place: view.show_history(trail.places, trail.at))
        view.place_requested.connect(trail.visit)
        crumbs.back_requested.connect(trail.back)
        crumbs.forward_requested.connect(trail.forward)
        crumbs.place_requested.connect(trail.go_to)

    def explain(self, place: Place) -> None:
        """Show how a value is computed."""
        self.trail.begin(place)

    def explain_selection(self) -> None:
        """Show how the selected value is computed, for the quantity of the lanes."""
        self.explain(quantity_place(self._session.location, self._session.quantity))

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Functions of the navigation commands, by command id."""
        return {"explain": self.explain_selection, "trail_back": self.trail.back, "trail_forward": self.trail.forward}

    def enable(self, actions: Actions) -> None:
        """Keep the enabled state of the Back and Forward commands up to date."""

        def show(_place: Place | None = None) -> None:
            actions["trail_back"].setEnabled(self.trail.can_go_back)
            actions["trail_forward"].setEnabled(self.trail.can_go_forward)

        self.trail.changed.connect(show)
        show()
