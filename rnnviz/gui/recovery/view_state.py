"""View state of a session: capture, and restore after the session's run."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, cast

from PySide6.QtCore import QObject, QSize, QTimer

from rnnviz.gui.app_state import ColorBy, Session
from rnnviz.gui.document import Document
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.unrolled.geometry import Camera
from rnnviz.io.session import SavedViewState
from rnnviz.quantities.gates import color_names
from rnnviz.quantities.units import OrderName


class Lanes(Protocol):
    """The unrolled network, as the view state sees it."""

    @property
    def chosen_camera(self) -> Callable[[], Camera | None]:
        """The viewport, or None while the whole sequence is shown."""

    @property
    def set_camera(self) -> Callable[[Camera], None]:
        """Set the viewport."""


class ViewStateHost(Protocol):
    """The window as the view state sees it. `lanes` exist once it is usable."""

    session: Session
    document: Document
    main_layout: MainLayout

    @property
    def lanes(self) -> Lanes:
        """View of the unrolled network."""


def view_state_of(window: ViewStateHost) -> SavedViewState:
    """The current view state."""
    session, main_layout = window.session, window.main_layout
    place, whole = session.location, main_layout.window()
    shown = SavedViewState(
        place.layer,
        place.direction,
        place.timestep,
        place.sample,
        place.unit,
        # The choice of a gate outlives the cell that has it.
        session.color_by if session.color_by in color_names(session.config.network.custom) else "value",
        session.order,
        session.engine,
        session.candidate,
        session.swiping,
        tab=main_layout.tab_in_front,
        width=whole.width(),
        height=whole.height(),
    )
    camera = window.lanes.chosen_camera()
    if camera is not None:
        shown = replace(shown, start=camera.start, span=camera.span, zoom=camera.zoom, scroll=camera.scroll)
    shares = main_layout.shares().get
    return replace(shown, whole=shares("whole"), upper=shares("upper"), middle=shares("middle"), side=shares("side"))


def view_choices_of(window: ViewStateHost) -> dict[str, tuple[str, ...]]:
    """Saved states of the views that have one, by title."""
    views = {view.title: view.save_state() for view in window.main_layout.findChildren(ResultView)}
    return {title: choices for title, choices in views.items() if choices is not None}


class ViewStateRestorer(QObject):
    """Restores a view state: the layout at once, the rest with the next result, unless the config changes first."""

    def __init__(self, window: ViewStateHost, parent: QObject) -> None:
        super().__init__(parent)
        self._window = window
        self._state: SavedViewState | None = None
        self._choices: dict[str, tuple[str, ...]] = {}
        window.session.on_change(self._on_result, "result")
        window.document.changed.connect(self._cancel)
        window.main_layout.view_added.connect(self._choose)

    def begin(self, state: SavedViewState, choices: Mapping[str, tuple[str, ...]]) -> None:
        """Start to restore a view state and states of single views. Call it after setting the session's config."""
        self._state, self._choices = state, dict(choices)
        window = self._window.main_layout.window()
        if state.width is not None and state.height is not None and not window.isMaximized():
            # Never larger than now or than the screen.
            room = window.screen().availableSize().expandedTo(window.size())
            window.resize(QSize(state.width, state.height).boundedTo(room))
        self._window.main_layout.restore_shares(state)
        if state.tab is not None:
            self._window.main_layout.select_tab_if_visible(state.tab)

    def _cancel(self) -> None:
        self._state, self._choices = None, {}

    def _choose(self, view: ResultView) -> None:
        """Restore the state of a view, at once or when it is created."""
        choices = self._choices.pop(view.title, None)
        if choices is not None:
            view.restore_state(choices)

    def _on_result(self) -> None:
        state, self._state = self._state, None
        session = self._window.session
        if state is None or session.result is None:
            return
        if state.candidate in [comparison.candidate for comparison in session.result.comparisons]:
            session.set_candidate(str(state.candidate))
        session.set_swiping(state.swiping)
        if state.engine in session.result.traces:
            session.set_engine(str(state.engine))
        session.set_color_by(cast(ColorBy, state.colors))
        session.set_order(cast(OrderName, state.order))
        session.set_location(state.location)
        # After the lanes have their size.
        QTimer.singleShot(0, self, lambda: self._set_viewport(state))

    def _set_viewport(self, state: SavedViewState) -> None:
        start, span, zoom, scroll = state.start, state.span, state.zoom, state.scroll
        if start is not None and span is not None and zoom is not None and scroll is not None:
            self._window.lanes.set_camera(Camera(start, span, zoom, scroll))
        # The states of the views depend on selection and engine.
        for view in self._window.main_layout.findChildren(ResultView):
            self._choose(view)
