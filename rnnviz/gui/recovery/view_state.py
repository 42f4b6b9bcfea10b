"""What the window shows, as a session keeps it, and brought back when the session's run is there."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, cast

from PySide6.QtCore import QObject, QSize, QTimer

from rnnviz.gui.app_state import ColorBy, Session
from rnnviz.gui.document import Document
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.unrolled.viewport import Camera
from rnnviz.io.session.types import SavedViewState
from rnnviz.quantities.unit_order import OrderName


class Lanes(Protocol):
    """The unrolled network, as far as it has a camera of its own."""

    @property
    def chosen_camera(self) -> Callable[[], Camera | None]:
        """Where it looks, or None while it shows the whole sequence."""

    @property
    def look_with(self) -> Callable[[Camera], None]:
        """Let it look there."""


class ViewStateHost(Protocol):
    """The window, as far as its look is kept; `lanes` are there once it is usable."""

    session: Session
    document: Document
    arrangement: MainLayout

    @property
    def lanes(self) -> Lanes:
        """The unrolled network."""


def view_state_of(window: ViewStateHost) -> SavedViewState:
    """What is shown now."""
    session, arrangement = window.session, window.arrangement
    place, whole = session.location, arrangement.window()
    shown = SavedViewState(
        place.layer,
        place.direction,
        place.timestep,
        place.sample,
        place.unit,
        session.color_by,
        session.order,
        session.engine,
        session.candidate,
        session.swiping,
        tab=arrangement.tab_in_front,
        width=whole.width(),
        height=whole.height(),
    )
    camera = window.lanes.chosen_camera()
    if camera is not None:
        shown = replace(shown, start=camera.start, span=camera.span, zoom=camera.zoom, scroll=camera.scroll)
    shares = arrangement.shares().get
    return replace(shown, whole=shares("whole"), upper=shares("upper"), middle=shares("middle"), side=shares("side"))


def view_choices_of(window: ViewStateHost) -> dict[str, tuple[str, ...]]:
    """What is chosen in single views, by their titles, of those in which something can be."""
    views = {view.title: view.save_state() for view in window.arrangement.findChildren(ResultView)}
    return {title: choices for title, choices in views.items() if choices is not None}


class ViewStateRestorer(QObject):
    """Brings a look back: the arrangement at once, the rest with the next result, unless the config changes before."""

    def __init__(self, window: ViewStateHost, parent: QObject) -> None:
        super().__init__(parent)
        self._window = window
        self._look: SavedViewState | None = None
        self._choices: dict[str, tuple[str, ...]] = {}
        window.session.result_changed.connect(self._on_result)
        window.document.changed.connect(self._forget)
        window.arrangement.view_added.connect(self._choose)

    def begin(self, look: SavedViewState, choices: Mapping[str, tuple[str, ...]]) -> None:
        """Want a look, and choices in single views; call it after the session's config was taken."""
        self._look, self._choices = look, dict(choices)
        window = self._window.arrangement.window()
        if look.width is not None and look.height is not None and not window.isMaximized():
            # No larger than it is already, or than the screen.
            room = window.screen().availableSize().expandedTo(window.size())
            window.resize(QSize(look.width, look.height).boundedTo(room))
        self._window.arrangement.restore_shares(look)
        if look.tab is not None:
            self._window.arrangement.select_tab_if_visible(look.tab)

    def _forget(self) -> None:
        self._look, self._choices = None, {}

    def _choose(self, view: ResultView) -> None:
        """Make the choices in a view that is there; in one that is made later they are made then."""
        choices = self._choices.pop(view.title, None)
        if choices is not None:
            view.restore_state(choices)

    def _on_result(self, result: object) -> None:
        look, self._look = self._look, None
        if look is None or result is None:
            return
        session = self._window.session
        assert session.result is not None
        if look.candidate in [comparison.candidate for comparison in session.result.comparisons]:
            session.set_candidate(str(look.candidate))
        session.set_swiping(look.swiping)
        if look.engine in session.result.traces:
            session.set_engine(str(look.engine))
        session.set_color_by(cast(ColorBy, look.colors))
        session.set_order(cast(OrderName, look.order))
        session.set_location(look.location)
        # When the lanes know the room that they have.
        QTimer.singleShot(0, self, lambda: self._aim(look))

    def _aim(self, look: SavedViewState) -> None:
        start, span, zoom, scroll = look.start, look.span, look.zoom, look.scroll
        if start is not None and span is not None and zoom is not None and scroll is not None:
            self._window.lanes.look_with(Camera(start, span, zoom, scroll))
        # Which vectors there are, and whose range it was, depends on the place and the engine.
        for view in self._window.arrangement.findChildren(ResultView):
            self._choose(view)
