"""The unrolled network: every lane on one time axis, from the whole sequence down to single numbers."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QWidget

from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.unrolled.canvas import UnrolledCanvas
from rnnviz.gui.views.unrolled.clipboard_text import outlines_in_view, table_in_view
from rnnviz.gui.views.unrolled.display_options import DisplayOptions
from rnnviz.gui.views.unrolled.geometry import CellGeometry, Geometry
from rnnviz.gui.views.unrolled.header import Flag, flag_of
from rnnviz.gui.views.unrolled.hit_actions import cell_at, place_of, pointed_at, unit_beside
from rnnviz.gui.views.unrolled.range_selection import RangeSelection
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.gui.views.unrolled.swipe_names import Name
from rnnviz.gui.views.unrolled.tooltip_text import describe
from rnnviz.gui.views.unrolled.unit_order_worker import Ordering
from rnnviz.gui.views.unrolled.visible_values import Number
from rnnviz.quantities.catalog import Quantity
from rnnviz.quantities.highlights import Region
from rnnviz.quantities.unit_order import OrderName
from rnnviz.verify.result import RunResult

_KEY_ZOOMS = {Qt.Key.Key_Plus: 1.5, Qt.Key.Key_Equal: 1.5, Qt.Key.Key_Minus: 1.0 / 1.5}
_FOCUS = 2


class UnrolledView(ResultView):
    """Lanes of one sample, bottom layer at the bottom; zoomed in, boxes with numbers and arrows.

    The values are those of the reference unless `show_engine` names another engine.
    """

    title = "unrolled network"

    order_requested = Signal(str)
    """Another order of units is wanted."""

    picture_completed = Signal()
    """Nothing in view is was in for any more."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._location = Location()
        self._ordering = Ordering(self)
        self._ordering.found.connect(self._on_order)
        self._ordering.requested.connect(self.order_requested)
        self._chosen = DisplayOptions(self._ordering)
        self._shown: RenderState | None = None
        self._stage = UnrolledCanvas(self)
        self.canvas, self.box, self.color_bar = self._stage.canvas, self._stage.box, self._stage.color_bar
        self.lit = self._stage.lit
        self.chosen_camera, self.look_with = self._stage.chosen_camera, self._stage.look_with
        layout = QHBoxLayout(self)
        layout.setContentsMargins(_FOCUS, _FOCUS, _FOCUS, _FOCUS)
        layout.addWidget(self._stage)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.title)
        self.canvas.describe = self.description_at
        self._stage.pointed.connect(self._point)
        self._stage.opened.connect(self._explain)
        self.ranges = RangeSelection(self._stage, self)
        self.ranges.location_requested.connect(self.location_requested)
        self._stage.order.clicked.connect(lambda: self._ordering.offer(self))
        self._stage.lanes.completed.connect(self.picture_completed, Qt.ConnectionType.QueuedConnection)
        self.apply_theme(LIGHT)

    # What is shown

    @property
    def shown_engine(self) -> str | None:
        """The engine whose values are drawn."""
        return None if self._shown is None else self._shown.engine

    @property
    def swiped_to(self) -> str | None:
        """The engine whose values are drawn from the selection's time step on, if it is not the shown one's."""
        return None if self._shown is None or self._shown.right is None else self._shown.right.engine

    @property
    def geometry_in_view(self) -> Geometry | None:
        """Where everything lies at the moment, in pixels of `box`."""
        return self._stage.geometry_in_view

    @property
    def picture_complete(self) -> bool:
        """Whether what was asked for last is on the screen as it is, and nothing is in for any of it."""
        return self._stage.lanes.complete

    @property
    def computing(self) -> frozenset[Lane]:
        """The lanes in view whose numbers are still being computed."""
        return self._stage.lanes.computing

    def visible_numbers(self) -> list[Number]:
        """Every number that is written in view, with its cell: what is painted."""
        return self._stage.lanes.numbers()

    def visible_outlines(self) -> list[CellGeometry]:
        """Every mismatching cell of the shown sample in view."""
        geometry = self.geometry_in_view
        return [] if self._shown is None or geometry is None else outlines_in_view(self._shown, geometry)

    def swipe_names(self) -> list[Name]:
        """The names above the lanes while two engines share them, from left to right."""
        return self._stage.names.names()

    def hint(self) -> str:
        """What is said under the lanes on how to reach numbers; empty while nothing is."""
        return self._stage.axis.hint

    def lane_flags(self) -> list[Flag]:
        """The headers of all lanes, from the top down."""
        return [] if self._shown is None else [flag_of(self._shown, lane) for lane, _ in self._shown.picture().lanes]

    def description_at(self, place: QPointF) -> str:
        """What the tooltip says at a place of the canvas."""
        shown, geometry = self._shown, self.geometry_in_view
        if shown is None or geometry is None:
            return ""
        if self.color_bar.sceneBoundingRect().contains(place):
            # Names that are too long for the bar stand here in full.
            return shown.words()
        if told := self._stage.axis.description_at(place):
            return told
        if self._stage.order.sceneBoundingRect().contains(place):
            return self._ordering.words()
        within = self.box.mapFromScene(place)
        cell = geometry.hit(within.x(), within.y())
        return "" if cell is None else describe(shown, cell)

    def copy_text(self) -> str:
        """The numbers in view as a table, in full precision; where there are none, what is at the selection."""
        shown, geometry = self._shown, self.geometry_in_view
        if shown is None or geometry is None:
            return ""
        return table_in_view(shown, geometry) or describe(shown, cell_at(shown, self._location))

    # The contract of a view

    def save_state(self) -> tuple[str, ...]:
        return self.ranges.words()

    def restore_state(self, choices: Sequence[str]) -> None:
        self.ranges.choose_by(choices)

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        """Show a finished run; the part in view stays if the new result has the same shape."""
        before = self._chosen.result and self._chosen.result.shape
        self._chosen.show_result(result, candidate)
        if result is not None:
            self._location = self._location.within(result.shape)
        self._renew()
        if result is not None and result.shape != before:
            self.fit()

    def show_location(self, location: Location) -> None:
        """Move the selection, and the view no further than it takes to see it; another sample changes the lanes."""
        other_sample = location.sample != self._location.sample
        self._location = location
        if other_sample:
            self._renew()
        if self._shown is not None:
            self._shown = self._shown.with_split(location.timestep)
        self._stage.show_cursor(self._shown, cell_at(self._shown, self._location))
        self.ranges.follow(self._shown, self._location)

    def show_highlight(self, lit: Sequence[Region]) -> None:
        """Frame these regions."""
        self._stage.show_highlight(lit)

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colors."""
        self._chosen.theme = theme
        self._stage.apply_theme(theme)
        self._renew()

    def show_color_by(self, color_by: Quantity) -> None:
        """Show the hidden lanes by another quantity.

        "error ratio" colors their values by the error ratio of the tolerance. By "difference" the numbers are the
        candidate's less the reference's, whichever engine is shown; any other quantity is computed from the shown
        engine's values. What the network does not have is shown by value.
        """
        if self._chosen.take_quantity(color_by):
            self._renew()

    def show_order(self, name: OrderName) -> None:
        """Let the units of each hidden lane be in another order, as soon as it is found; see `ordering.ORDERS`."""
        self._ordering.choose(name)
        self._renew()

    @property
    def order_text(self) -> str:
        """What is said below the lanes' names of the order of their units."""
        return self._stage.order.text

    def step_unit(self, by: int) -> None:
        """Ask for the unit above (-1) or below the selection's, in the order in which they are."""
        if self._shown is not None:
            self.location_requested.emit(unit_beside(self._shown, self._location, by))

    def show_engine(self, name: str) -> None:
        """Draw the values of another engine of the result.

        Raises
        ------
        KeyError
            If that engine was not run.
        """
        self._chosen.take_engine(name)
        self._renew()

    def show_swipe(self, other: str | None) -> None:
        """Draw another engine's values from the selection's time step on: moving the selection wipes from one to the
        other.

        None draws one engine everywhere. It shows while colors show values, and where the result has both engines.

        Raises
        ------
        KeyError
            If that engine was not run.
        """
        if self._chosen.take_other(other):
            self._renew()

    # Moving

    def fit(self) -> None:
        """Show the whole sequence; every lane too, unless its numbers need more height than there is."""
        self._stage.fit()

    def zoom_time(self, factor: float) -> None:
        """Show the time axis `factor` times as large, around the selection if it is in view, else the middle."""
        self._stage.zoom_around(factor, self._location.timestep)

    def _point(self, cell: CellGeometry) -> None:
        if self._shown is not None:
            self.location_requested.emit(pointed_at(self._shown, self._location, cell))

    def _explain(self, cell: CellGeometry) -> None:
        if self._shown is not None:
            self.explanation_requested.emit(place_of(self._shown, self._location, cell))

    def _on_order(self) -> None:
        self._renew()
        self.show_location(self._location)

    def _renew(self) -> None:
        """Read the numbers again: another result, engine, sample, coloring or theme."""
        self._shown = self._chosen.shown(self._location)
        self._stage.order.show_order(self._ordering.name, finding=self._ordering.finding)
        self.setAccessibleDescription("" if self._shown is None else self._shown.words())
        self._stage.show_lanes(self._shown, cell_at(self._shown, self._location))
        self.ranges.follow(self._shown, self._location)

    def hideEvent(self, event: QHideEvent) -> None:
        """Draw nothing more: a window that closes hides what is in it."""
        self._stage.lanes.rest()
        self._ordering.rest()
        self.ranges.rest()
        super().hideEvent(event)

    def sizeHint(self) -> QSize:
        return QSize(760, 520)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter explains, + and - zoom time, 0 shows everything; with Ctrl they are the window's.

        Shift with an arrow chooses a range from the selection on, and Escape gives it up.
        """
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()
        elif self.ranges.take_key(event):
            event.accept()
        elif factor := _KEY_ZOOMS.get(Qt.Key(event.key())):
            self.zoom_time(factor)
        elif event.key() == Qt.Key.Key_0:
            self.fit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._shown is not None:
            self._explain(cell_at(self._shown, self._location))
        else:
            event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Show whether the keyboard is here."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._chosen.theme.color("base"))
        if self.hasFocus():
            painter.setPen(QPen(self._chosen.theme.color("accent"), 2.0))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()
