"""Keeps the views at what the session shows. A hidden view catches up when it is seen, and costs nothing before."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject

from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.base import ResultView
from rnnviz.quantities.highlights import Region


class ViewSynchronizer(QObject):
    """Connects views to a session in both directions."""

    def __init__(
        self,
        session: Session,
        views: Sequence[ResultView],
        eager: Sequence[ResultView] = (),
        parent: QObject | None = None,
    ) -> None:
        """`eager` are those of the views that follow a result even while hidden, as their tab tells something of it."""
        super().__init__(parent)
        self._session = session
        self._views: list[ResultView] = []
        self._eager = set(eager)
        self._behind_result: set[ResultView] = set()
        self._behind_location: set[ResultView] = set()
        for view in views:
            self.add(view)
        session.result_changed.connect(self._on_result)
        session.candidate_changed.connect(self._on_candidate)
        session.location_changed.connect(self._on_location)
        session.highlight_changed.connect(self._on_lit)

    def add(self, view: ResultView, *, eager: bool = False) -> None:
        """Let another view follow, which shows nothing yet and is not in sight; an `eager` one never falls behind."""
        self._views.append(view)
        if eager:
            self._eager.add(view)
        view.location_requested.connect(self._session.set_location)
        view.lit_requested.connect(self._session.set_highlight)
        view.installEventFilter(self)
        if self._session.result is not None:
            self._behind_result.add(view)
            if eager:
                self.catch_up(view)

    def apply_theme(self, theme: Theme) -> None:
        """Draw every view in these colors."""
        for view in self._views:
            view.apply_theme(theme)

    def catch_up(self, view: ResultView) -> None:
        """Bring one view to the present, as when a picture of a hidden one is made."""
        if view in self._behind_result:
            self._show_result(view)
        elif view in self._behind_location:
            self._show_location(view)

    def settle(self) -> None:
        """Have nothing in sight that is still on its way, as before a picture is taken."""
        for view in self._views:
            if view.isVisible():
                view.settle()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Bring a view to the present when it comes into sight."""
        if event.type() == QEvent.Type.Show and isinstance(watched, ResultView):
            self.catch_up(watched)
        return False

    def _on_result(self, _new: object) -> None:
        for view in self._views:
            if view.isVisible() or view in self._eager:
                self._show_result(view)
            elif view not in self._behind_result:
                # A result that a view out of sight kept would keep its files as well, however large they are.
                view.show_result(None, None)
                self._behind_result.add(view)

    def _on_candidate(self, _candidate: str) -> None:
        for view in self._views:
            if view.isVisible() or view in self._eager:
                self._show_result(view)
            else:
                self._behind_result.add(view)

    def _on_location(self, _location: Location) -> None:
        for view in self._views:
            if view.isVisible():
                self._show_location(view)
            else:
                self._behind_location.add(view)

    def _on_lit(self, lit: tuple[Region, ...]) -> None:
        # Hidden views, too: it takes no time, and goes as quickly as it came.
        for view in self._views:
            view.show_highlight(lit)

    def _show_result(self, view: ResultView) -> None:
        self._behind_result.discard(view)
        view.show_result(self._session.result, self._session.candidate)
        if self._session.result is not None:
            self._show_location(view)

    def _show_location(self, view: ResultView) -> None:
        self._behind_location.discard(view)
        view.show_location(self._session.location)
