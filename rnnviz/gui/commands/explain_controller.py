"""How a number in any view leads to its arithmetic, and from there along the trail."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from rnnviz.explain.provenance import Place, quantity_place
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.actions import Actions
from rnnviz.gui.commands.navigation_history import NavigationHistory
from rnnviz.gui.views.base import ResultView

if TYPE_CHECKING:
    # It is imported when there is something to explain, not before the window is painted.
    from rnnviz.gui.views.arithmetic.view import ArithmeticView


class ExplainController(QObject):
    """Connects the views to one trail; `wanted` tells that the arithmetic is to be seen."""

    wanted = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.trail = NavigationHistory(session, self)
        self.trail.followed.connect(self.wanted)

    def add(self, view: ResultView) -> None:
        """Let a view ask for explanations."""
        view.explanation_requested.connect(self.explain)

    def lead(self, view: "ArithmeticView") -> None:
        """Let the view that shows explanations follow the trail, and lead along it."""
        trail, crumbs = self.trail, view.crumbs
        trail.changed.connect(lambda _place: view.show_trail(trail.places, trail.at))
        view.place_requested.connect(trail.visit)
        crumbs.back_requested.connect(trail.back)
        crumbs.forward_requested.connect(trail.forward)
        crumbs.place_requested.connect(trail.go_to)

    def explain(self, place: Place) -> None:
        """Show how a number came about."""
        self.trail.begin(place)

    def explain_cursor(self) -> None:
        """Show how the value at the cursor came about, of the quantity that the lanes show."""
        self.explain(quantity_place(self._session.location, self._session.quantity))

    def handlers(self) -> dict[str, Callable[[], object]]:
        """What the commands of the trail do."""
        return {"explain": self.explain_cursor, "trail_back": self.trail.back, "trail_forward": self.trail.forward}

    def enable(self, actions: Actions) -> None:
        """Offer the way back and forward as far as there is one."""

        def show(_place: Place | None = None) -> None:
            actions["trail_back"].setEnabled(self.trail.can_go_back)
            actions["trail_forward"].setEnabled(self.trail.can_go_forward)

        self.trail.changed.connect(show)
        show()
