"""Parts of the window by the names that lessons use, and the frame around the one that a step speaks of."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QRegion
from PySide6.QtWidgets import QWidget

from rnnviz.core.trace_index import Lane
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.navigation import NavigationHistory
from rnnviz.gui.commands.toolbar import Controls
from rnnviz.gui.commands.top_line import TopLine
from rnnviz.gui.main_layout import SETTINGS, VALUE, MainLayout
from rnnviz.gui.settings_panel.config_panel import ConfigPanel
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.unrolled.view import UnrolledView

_LINE = 2
_MOVES = (
    QEvent.Type.Resize,
    QEvent.Type.Move,
    QEvent.Type.Show,
    QEvent.Type.Hide,
    QEvent.Type.LayoutRequest,
)

Area = Callable[[], QRect]
"""Returns a rectangle in a widget's coordinates."""


class PartFrame(QWidget):
    """A frame over the window, around a widget or an area of it. Mouse events pass through."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Frame of the part that the lesson speaks of")
        self._window, self._theme = window, LIGHT
        self.target: QWidget | None = None
        self._area: Area = QRect
        self._watched: list[QWidget] = []
        self.hide()

    @property
    def framed(self) -> QRect:
        """The visible part of the area in the window's coordinates; empty for a hidden widget."""
        widget = self.target
        if widget is None or not widget.isVisible():
            return QRect()
        area = self._area()
        for around in _up_to(widget, self._window):
            # A widget in a scrolled pane is visible only as far as the pane is.
            area = area.intersected(around.rect()).translated(around.pos())
        return area

    def show_around(self, target: QWidget | None, area: Area | None = None) -> None:
        """Frame a widget, or an area of it; with None nothing."""
        for widget in self._watched:
            widget.removeEventFilter(self)
        if self.target is not None:
            self.target.destroyed.disconnect(self._forget)
        self.target, self._watched = target, []
        if target is not None:
            target.destroyed.connect(self._forget)
            self._area = area or target.rect
            # The frame moves with what moves any of these.
            self._watched = [*_up_to(target, self._window), self._window]
            for widget in self._watched:
                widget.installEventFilter(self)
        self.refresh()
        self.raise_()

    def refresh(self) -> None:
        framed = self.framed
        if framed.isEmpty():
            self.hide()
            return
        self.setGeometry(framed.adjusted(-_LINE, -_LINE, _LINE, _LINE).intersected(self._window.rect()))
        # What is below the inside is not painted again during playback.
        inside = self.rect().adjusted(2 * _LINE, 2 * _LINE, -2 * _LINE, -2 * _LINE)
        self.setMask(QRegion(self.rect()) - QRegion(inside))
        self.show()
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ParentChange:
            # Other widgets are around it now.
            self.show_around(self.target, self._area)
        elif event.type() in _MOVES and watched is not self:
            self.refresh()
        return False

    def _forget(self) -> None:
        self.target, self._watched = None, []
        self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._theme.color("accent"), _LINE))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0), 4.0, 4.0)
        painter.end()


def _up_to(widget: QWidget, window: QWidget) -> Iterator[QWidget]:
    """A widget and those around it, without the window."""
    around: QWidget | None = widget
    while around is not None and around is not window:
        yield around
        around = around.parentWidget()


TAB_OF = {
    "arithmetic": "Arithmetic",
    "gradient": "Arithmetic",
    "units": "Units over time",
    "errors": "Error over time",
    "checks": "Checks",
    "mismatches": "Different values",
    "audit": "Step audit",
    "gradient-flow": "Gradient flow",
    "error-histogram": "Error over time",
    "known-bugs": "Known bugs",
}
"""Titles of the views in tabs, by the names that lessons use."""
VIEW_OF = {"vector": "Selected hidden state", "state-map": "Output and state", "verdict": "Verdict"}
"""Titles of the views outside tabs, by the names that lessons use."""
SECTION_OF = {
    "panel.network": "network",
    "panel.sequence": "sequence",
    "panel.parameters": "parameters",
    "panel.initial-state": "initial_state",
    "panel.comparison": "compare",
    "panel.backward": "backward",
}
"""Config sections of the settings, by the names that lessons use."""
_TALL_TAB = 340
"""Height in pixels of a cell's equations, of the terms of a small network, or of curves to read."""


class PartsHost(Protocol):
    """The window as the lookup sees it."""

    session: Session
    main_layout: MainLayout
    panel: ConfigPanel
    controls: Controls
    top_line: TopLine
    lanes: UnrolledView
    navigation: NavigationHistory
    views: list[ResultView]


def open_part(window: PartsHost, part: str) -> tuple[QWidget, Area | None]:
    """Make a part visible, one of `rnnviz.lessons.index.PARTS`, and return its widget and area."""
    layout = window.main_layout
    if part in ("arithmetic", "gradient"):
        window.navigation.explain(gradient=part == "gradient")
    if part in TAB_OF:
        layout.select_tab(TAB_OF[part])
        if part in ("arithmetic", "gradient", "gradient-flow"):
            layout.set_tabs_height(max(layout.tabs.height(), scaled(_TALL_TAB)))
        return layout.tabs, None
    pane = SETTINGS if part.startswith("panel") else VALUE if part in ("vector", "state-map") else None
    if pane is not None:
        layout.docks.open(pane)
    if part in VIEW_OF:
        return next(view for view in window.views if view.title == VIEW_OF[part]), None
    if part in SECTION_OF:
        return window.panel.reveal_section(SECTION_OF[part]), None
    if part == "lane":
        return window.lanes.canvas, partial(_lane_area, window)
    return _OTHERS[part](window), None


def _lane_area(window: PartsHost) -> QRect:
    """The selected lane with its header in the canvas's coordinates, or the whole canvas without a result."""
    lanes, where = window.lanes, window.session.location
    geometry = lanes.geometry_in_view
    if geometry is None:
        return QRect(lanes.canvas.rect())
    lane_rect = geometry.stack.lane_rect(Lane(where.layer, where.direction))
    top = geometry.top_of(lane_rect)
    corners = (QPointF(0.0, top), QPointF(geometry.width, top + lane_rect.height))
    first, last = (lanes.canvas.mapFromScene(lanes.box.mapToScene(corner)) for corner in corners)
    # A frame at the left edge of the lane would be over the numbers of its units.
    return QRect(QPoint(0, first.y()), last)


_OTHERS: dict[str, Callable[[PartsHost], QWidget]] = {
    "lanes": lambda window: window.lanes,
    "panel": lambda window: window.panel,
    "panel.shapes": lambda window: window.panel.reveal_shapes(),
    "run": lambda window: window.top_line.run_button,
    "transport": lambda window: window.controls.transport,
    "sample": lambda window: window.top_line.sample,
    "colors": lambda window: window.controls.colors,
    "export": lambda window: window.top_line.export,
}


def show_line(window: PartsHost, line: str) -> None:
    """Show the terms of an equation, by its symbol."""
    from rnnviz.gui.views.arithmetic.view import ArithmeticView

    for view in window.views:
        if isinstance(view, ArithmeticView):
            view.choose_line(line)


def show_quantity(window: PartsHost, quantity: str) -> None:
    """Show a quantity of the units over time."""
    from rnnviz.gui.views.units_plot import UnitsPlot

    for view in window.views:
        if isinstance(view, UnitsPlot):
            # Later on, the array of the lanes is not a new one.
            view.follow_array(window.session.array)
            view.show_quantity(quantity)
