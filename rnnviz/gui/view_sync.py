"""Synchronization of views with the application state. A hidden view is updated when it becomes visible."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject

from rnnviz.gui.app_state import Field, Session
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.base import ResultView


class ViewSynchronizer(QObject):
    """Connects views to the application state in both directions."""

    def __init__(
        self,
        session: Session,
        views: Sequence[ResultView],
        eager: Sequence[ResultView] = (),
        parent: QObject | None = None,
    ) -> None:
        """`eager` views are updated while hidden, because their tab title shows a part of the result."""
        super().__init__(parent)
        self._session = session
        self._views: list[ResultView] = []
        self._eager = set(eager)
        self._behind_result: set[ResultView] = set()
        self._behind_location: set[ResultView] = set()
        for view in views:
            self.add(view)
        session.changed.connect(self._on_change)

    def add(self, view: ResultView, *, eager: bool = False) -> None:
        """Add a hidden, empty view. An `eager` one is updated while hidden."""
        self._views.append(view)
        if eager:
            self._eager.add(view)
        view.location_requested.connect(self._session.set_location)
        view.highlight_requested.connect(self._session.set_highlight)
        view.installEventFilter(self)
        if self._session.result is not None:
            self._behind_result.add(view)
            if eager:
                self.catch_up(view)

    def apply_theme(self, theme: Theme) -> None:
        """Set the colors of every view."""
        for view in self._views:
            view.apply_theme(theme)

    def catch_up(self, view: ResultView) -> None:
        """Update one view, as before a hidden one is rendered."""
        if view in self._behind_result:
            self._show_result(view)
        elif view in self._behind_location:
            self._show_location(view)

    def finish_pending(self) -> None:
        """Finish pending updates of visible views, as before a picture is taken."""
        for view in self._views:
            if view.isVisible():
                view.finish_pending()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show and isinstance(watched, ResultView):
            self.catch_up(watched)
        return False

    def _on_change(self, changed: frozenset[Field]) -> None:
        if "highlighted" in changed:
            # Hidden views, too: it is cheap.
            for view in self._views:
                view.show_highlight(self._session.highlighted)
        if "result" in changed:
            self._on_result()
        elif "candidate" in changed:
            self._on_candidate()
        if "location" in changed and "result" not in changed:
            self._on_location()

    def _on_result(self) -> None:
        for view in self._views:
            if view.isVisible() or view in self._eager:
                self._show_result(view)
            elif view not in self._behind_result:
                # A hidden view that kept the old result would keep its files on disk.
                view.show_result(None, None)
                self._behind_result.add(view)

    def _on_candidate(self) -> None:
        for view in self._views:
            if view.isVisible() or view in self._eager:
                self._show_result(view)
            else:
                self._behind_result.add(view)

    def _on_location(self) -> None:
        for view in self._views:
            if view.isVisible():
                self._show_location(view)
            else:
                self._behind_location.add(view)

    def _show_result(self, view: ResultView) -> None:
        self._behind_result.discard(view)
        view.show_result(self._session.result, self._session.candidate)
        if self._session.result is not None:
            self._show_location(view)

    def _show_location(self, view: ResultView) -> None:
        self._behind_location.discard(view)
        view.show_location(self._session.location)
