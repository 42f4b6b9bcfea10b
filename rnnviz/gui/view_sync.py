"""Creation of the views in tabs, and synchronization of all views with the application state."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication

from rnnviz.gui.app_state import Field, Session
from rnnviz.gui.commands.playback import Player
from rnnviz.gui.kit.turns import in_turn
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.base import ResultView

if TYPE_CHECKING:
    # Imported after the first paint.
    from rnnviz.gui.views.unrolled.view import UnrolledView


_AT_ONCE = 1 << 21
"""Maximum number of values of a trace for which all views together show another location within a frame."""


class ViewSynchronizer(QObject):
    """Connects views to the application state in both directions.

    Of a large result, the view with the keyboard shows another location at once. The others, and all of them another
    candidate, follow one by one.
    """

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._views: list[ResultView] = []
        self._behind_result: set[ResultView] = set()
        self._behind: dict[ResultView, None] = {}
        """In the order in which they became behind, so that none waits forever while the selection moves."""
        session.changed.connect(self._on_change)

    def add(self, view: ResultView) -> None:
        """Add a hidden, empty view."""
        self._views.append(view)
        view.location_requested.connect(self._session.set_location)
        view.highlight_requested.connect(self._session.set_highlight)
        view.installEventFilter(self)
        if self._session.following == "influence":
            view.show_influence(self._session.influence, followed=True)
        if self._session.masked:
            view.show_masked(self._session.masked)
        if self._session.result is not None:
            self._behind_result.add(view)
            if view.follows_hidden:
                self.catch_up(view)

    def remove(self, view: ResultView) -> None:
        """Leave a view as it is."""
        self._views.remove(view)
        self._behind_result.discard(view)
        self._behind.pop(view, None)
        view.removeEventFilter(self)

    def apply_theme(self, theme: Theme) -> None:
        for view in self._views:
            view.apply_theme(theme)

    def catch_up(self, view: ResultView) -> None:
        if view in self._behind_result:
            self._show_result(view)
        elif view in self._behind:
            self._show_location(view)

    def finish_pending(self) -> None:
        """Finish pending updates of visible views, as before a picture is taken."""
        for view in self._views:
            if view.isVisible():
                self.catch_up(view)
                view.finish_pending()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show and isinstance(watched, ResultView):
            self.catch_up(watched)
        return False

    def _on_change(self, changed: frozenset[Field]) -> None:
        moved, other = "location" in changed, "result" in changed or "candidate" in changed
        recolored = "color_by" in changed
        first = self._first() if (moved or other or recolored) and "result" not in changed else None
        for view in self._views:
            if "highlighted" in changed:
                # Hidden views, too: it is cheap.
                view.show_highlight(self._session.highlighted)
            if "masked" in changed:
                view.show_masked(self._session.masked)
            if not changed.isdisjoint(("followed", "following")):
                view.show_influence(self._session.influence, followed=self._session.following == "influence")
            follows = recolored and view.follow_array(self._session.array)
            if not (moved or other or follows):
                continue
            self._behind.setdefault(view)
            if other or follows:
                self._behind_result.add(view)
            if "result" in changed and not self._follows(view):
                # A hidden view that kept the old result would keep its files on disk.
                view.show_result(None, None)
            elif first is not None and (other or view is not first):
                in_turn(self, self._update_next)
            elif self._follows(view):
                self.catch_up(view)

    def _first(self) -> ResultView | None:
        """The view that shows another location or candidate before the others; None if all do at once."""
        result, shown = self._session.result, [view for view in self._views if view.isVisible()]
        if result is None or not shown or result.reference.hidden.size <= _AT_ONCE:
            return None
        focused = QApplication.focusWidget()
        if focused is None:
            return shown[0]
        return next((view for view in shown if view is focused or view.isAncestorOf(focused)), shown[0])

    def _update_next(self) -> None:
        behind = [view for view in self._behind if self._follows(view)]
        if behind:
            self.catch_up(behind[0])
        if len(behind) > 1:
            in_turn(self, self._update_next)

    def _follows(self, view: ResultView) -> bool:
        """Whether a view that is behind is to be updated: if it is visible, or follows every result."""
        return view.isVisible() or (view.follows_hidden and view in self._behind_result)

    def _show_result(self, view: ResultView) -> None:
        self._behind_result.discard(view)
        self._behind.pop(view, None)
        view.follow_array(self._session.array)
        view.show_result(self._session.result, self._session.candidate)
        if self._session.result is not None:
            self._show_location(view)
        if self._session.following == "influence":
            # A view drops it with the result for which it was computed: also an audit makes another result.
            view.show_influence(self._session.influence, followed=True)

    def _show_location(self, view: ResultView) -> None:
        self._behind.pop(view, None)
        view.show_location(self._session.location)


VIEWS = (
    "value.arithmetic_view.ArithmeticView",
    "views.units_plot.UnitsPlot",
    "views.error_plot.ErrorPlot",
    "views.gradient_plot.GradientFlowPlot",
    "views.different_values.DifferentValues",
    "views.step_audit.StepAuditTable",
    "views.checks.ChecksTable",
    "views.known_bugs.KnownBugsView",
    "views.checks.StdoutView",
    "views.parameters.ParametersView",
)
"""Module and class of the views in tabs, in order. Each class declares the rest."""


class LazyViews(QObject):
    """Creates each view in a tab in idle time, or when it is requested. Its module is imported only then."""

    made = Signal(object)
    """A new `ResultView`, to be added to its tab, and to be connected."""
    completed = Signal()
    """All views exist."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._left = list(VIEWS)
        self._steps = self._in_small_steps()
        # Fires when no event is pending, so that no view is created between a key press and its effect.
        self._idle = QTimer(self, interval=0)
        self._idle.timeout.connect(self._next)

    def begin(self) -> None:
        self._idle.start()

    def stop(self) -> None:
        self._idle.stop()

    def make(self, title: str) -> None:
        """Make the view of a title, if it is not made yet."""
        for name in self._left:
            if view_class(name).title == title:
                self._make(name)
                return

    def _make(self, name: str) -> None:
        if name in self._left:
            self._left.remove(name)
            self.made.emit(view_class(name)())

    def _next(self) -> None:
        step = next(self._steps, None)
        if step is None:
            self._idle.stop()
            self.completed.emit()
        else:
            step()

    def _in_small_steps(self) -> Iterator[Callable[[], object]]:
        """Separate the import of a view's module from its creation: together they take longer than a frame."""
        for name in VIEWS:
            if name in self._left:
                yield partial(view_class, name)
                yield partial(self._make, name)


def view_class(name: str) -> type[ResultView]:
    module, _, title = name.rpartition(".")
    found: type[ResultView] = getattr(import_module(f"rnnviz.gui.{module}"), title)
    return found


def bind_player(player: Player, lanes: "UnrolledView") -> None:
    """Hide the future of the lanes if the player reveals it, and describe stages."""
    player.numbers_in_view = lambda: lanes.geometry_in_view is not None and lanes.geometry_in_view.numbered
    player.stepper.status_changed.connect(lanes.show_caption)
    player.pace_changed.connect(lambda: lanes.reveal_as_computed(player.order if player.revealing else None))
