"""View of the unrolled network: every lane on one time axis, from the whole sequence down to single numbers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCursor, QFocusEvent, QHideEvent, QKeyEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QDockWidget, QMainWindow, QScrollBar

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.masks import DIFFERENCE, VERDICT, Mask, masks_any
from rnnviz.core.number_format import count
from rnnviz.core.sequence import IN_FULL, timestep_in_words
from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.app_state import Field, Limit, RangeName, Session
from rnnviz.gui.kit.tasks import LatestTask
from rnnviz.gui.kit.turns import in_turn
from rnnviz.gui.regions import Order, Region
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ResultView, across, down
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.gui.views.unrolled.canvas import LanesCanvas
from rnnviz.gui.views.unrolled.color_range import (
    LOGARITHMIC,
    RANGES,
    RangeDialog,
    follows_values,
    is_fixed,
    limit_of,
    range_text,
    reach_of,
    scaled_limit,
)
from rnnviz.gui.views.unrolled.geometry import Camera, CellGeometry, Geometry
from rnnviz.gui.views.unrolled.head import Head, choice_menu
from rnnviz.gui.views.unrolled.lane_text import describe, table_in_view
from rnnviz.gui.views.unrolled.marks import InfluenceImages
from rnnviz.gui.views.unrolled.network_diagram import NetworkDiagram
from rnnviz.gui.views.unrolled.ranges import RangeSelection
from rnnviz.gui.views.unrolled.render_state import (
    LaneCaches,
    Look,
    Reach,
    Reaches,
    RenderState,
    cell_at,
    place_of,
    pointed_at,
    render_state_of,
    shown_in,
    unit_beside,
)
from rnnviz.reading.quantities import is_gradient
from rnnviz.reading.units import ORDERS, SAMPLED, LaneOrders, OrderKey, find_orders, order_effort
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    from rnnviz.dependence.influence import Influence

_KEY_ZOOMS = {Qt.Key.Key_Plus: 1.5, Qt.Key.Key_Equal: 1.5, Qt.Key.Key_Minus: 1.0 / 1.5}
_COLORS_AFTER = 120
"""Milliseconds from the last move of the camera to the range of the visible values."""


_REACHES_KEPT = 256
_AT_ONCE = 1 << 21
"""Maximum number of values of a result whose color range is found within a frame."""
_PRODUCTS_AT_ONCE = 3e6
"""Maximum number of products of an order of units that are computed within a frame."""
_LANE_SCROLL = 40
_RANGE_FACTOR = 1.25


class UnrolledView(ResultView):
    """Lanes of one sample, with the first layer at the bottom. Zoomed in, boxes with numbers and arrows.

    Engine, quantity and unit order are those of the application state. Values of the candidate are drawn from the
    selected time step on while the lanes are split. `error_ratio` colors the values by error ratio. `difference`
    shows candidate minus reference, whichever engine is shown; other quantities are computed from the shown engine's
    values. Quantities that the network lacks are replaced by the value. Its methods are what mouse, keys, menus and
    signals do to the picture.
    """

    title = "lanes"
    help_page = "window#lanes"

    range_chosen = Signal(object)
    """The user has chosen another range of the colors in place of a `Limit`."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        session.changed.connect(self._on_change)
        self._location, self._theme = Location(), LIGHT
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self._caches: LaneCaches | None = None
        self._reach: Reach = None
        """Ends of the color scale, or None for the quantity's own."""
        self._dragged: Limit | None = None
        """Range of the colors while it is dragged."""
        self._cameras: dict[tuple[int, ...], Camera | None] = {}
        """The visible part of the document's results by their shape; None where all was visible."""
        self._of_another_document = False
        self._turn = 0
        self._drawn: tuple[object, ...] = ()
        self._card: QDockWidget | None = None
        self._card_in_front = False
        self.ordering = LatestTask("order", self)
        self.ordering.done.connect(self._take_order)
        self._sought: OrderKey | None = None
        self.shown: RenderState | None = None
        self._opened: frozenset[Lane] = frozenset()
        """Lanes without difference that the user has unfolded."""
        self._masks: tuple[Mask, ...] = ()
        self.head, self.canvas, self._bar = Head(session), LanesCanvas(), QScrollBar(Qt.Orientation.Vertical)
        self.legend = self.head.legend
        self.chosen_camera, self.set_camera = self.canvas.chosen_camera, self.canvas.set_camera
        self.fit = self.canvas.fit
        self._bar.setAccessibleName("lanes in view")
        self._bar.setToolTip("Scrolls to the lanes that are out of view.")
        self._bar.setSingleStep(_LANE_SCROLL)
        self._bar.hide()
        self._bar.valueChanged.connect(self.canvas.scroll_to)
        self._caption = ElidedLabel()
        self._caption.setObjectName("flow_caption")
        self._caption.setAccessibleName("Stage of the step")
        self._caption.setContentsMargins(12, 0, 12, 2)
        self._caption.hide()
        layout = down(self.head, (across((self.canvas, 1), self._bar, spacing=0), 1), self._caption, spacing=0)
        self.setLayout(layout)
        self.diagram = NetworkDiagram(session.config, self)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.title)
        self.setObjectName("lanes")
        self.setAutoFillBackground(True)
        self.canvas.describe = self.description_at
        self.canvas.pointed.connect(self._point)
        self.canvas.opened.connect(self._explain)
        self.canvas.time_pointed.connect(self._point_time)
        self.canvas.lane_pointed.connect(self._toggle_lane)
        # Queued, for it comes in the middle of painting.
        self.canvas.special_seen.connect(self._show_head, Qt.ConnectionType.QueuedConnection)
        self.ranges = RangeSelection(session, self.canvas, self)
        self.ranges.location_requested.connect(self.location_requested)
        self.head.order_asked.connect(self._offer_orders)
        self.head.zoomed.connect(self.zoom_time)
        self.head.fit_asked.connect(self.fit)
        self.legend.clicked.connect(self.offer_color_range)
        self.legend.dragged.connect(self._drag_range)
        self.legend.dropped.connect(self._drop_range)
        self.settling = QTimer(self, interval=_COLORS_AFTER, singleShot=True)
        self.settling.timeout.connect(self._match_colors)
        self.reaching = LatestTask("colors", self)
        self.reaching.done.connect(self._take_reach)
        self.moved = self.canvas.moved
        self.moved.connect(self._on_moved)
        self.apply_theme(LIGHT)

    # What is shown

    @property
    def geometry_in_view(self) -> Geometry | None:
        return self.canvas.geometry_in_view

    def description_at(self, place: QPointF) -> str:
        """Description of what is at a point of the canvas."""
        shown, geometry, canvas = self.shown, self.geometry_in_view, self.canvas
        if shown is None or geometry is None:
            return ""
        part, within = canvas.part_at(place), place - canvas.area.topLeft()
        if part == "axis":
            names = shown.result.inputs.names.of_sample(shown.sample)
            timestep = round(geometry.time_at(within.x()))
            return timestep_in_words(names, timestep, IN_FULL) if names.timestep(timestep) else ""
        if part == "labels":
            return canvas.labels.description(geometry.stack.nearest(within.y() + geometry.camera.scroll).lane)
        if part == "overview":
            return canvas.overview.words(geometry)
        cell = geometry.hit(within.x(), within.y()) if part == "lanes" else None
        if cell is None:
            return ""
        return "\n".join(filter(None, (describe(shown, cell, boxes=geometry.boxes), self._influence_at(cell))))

    def _influence_at(self, cell: CellGeometry) -> str:
        found = self.session.influence
        if found is None or not 0 <= cell.timestep < len(found.inputs):
            return ""
        norm = found.at(cell.lane.layer, cell.lane.direction, cell.timestep)
        return f"influence on {found.where}: {number_format.error(norm)}"

    def copy_text(self) -> str:
        """The visible numbers as a table in full precision, or else the selected values."""
        shown, geometry = self.shown, self.geometry_in_view
        if shown is None or geometry is None:
            return ""
        return table_in_view(shown, geometry) or describe(shown, cell_at(shown, self._location))

    # The contract of a view

    @property
    def selection_area(self) -> QRect:
        """The visible part of the selected cell and its frame, in pixels of the view."""
        geometry, canvas = self.geometry_in_view, self.canvas
        cell = cell_at(self.shown, self._location)
        if geometry is None or geometry.stack.find(cell.lane) is None:
            return QRect()
        frame = QRectF(*geometry.rect(cell).grown(2.0)).translated(canvas.area.topLeft())
        return (frame & QRectF(canvas.area)).toAlignedRect().translated(canvas.mapTo(self, QPoint()))

    def lane_area(self, lane: Lane) -> QRect:
        """A lane with its label in pixels of the canvas; all of it without the lane."""
        geometry, canvas = self.geometry_in_view, self.canvas
        own = None if geometry is None else geometry.stack.find(lane)
        if geometry is None or own is None:
            return canvas.rect()
        top = canvas.area.top() + round(geometry.top_of(own))
        return QRect(0, top, canvas.area.right(), round(own.height))

    def lead_to(self, dock: QDockWidget) -> None:
        """Draw a line from the selected value to its card while that is docked at the right, in front of others."""
        self._card, self._card_in_front = dock, not dock.visibleRegion().isEmpty()
        dock.visibilityChanged.connect(self._on_card)
        for changed in (dock.topLevelChanged, dock.dockLocationChanged):
            changed.connect(self._show_selection)

    def save_state(self) -> tuple[str, ...]:
        limit = self.session.limit
        return self.ranges.words() if limit == Limit() else (*self.ranges.words(), limit.word())

    def restore_state(self, choices: Sequence[str]) -> None:
        self.ranges.choose_by(choices)
        self.session.set_limit(next(filter(None, map(limit_of, choices)), Limit()))

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        """Show a finished run. Results of one shape and document have the same visible part."""
        before, known = None if self._result is None else self._result.shape, result is self._result
        if before is not None and not known and not self._of_another_document:
            self._cameras[before] = self.chosen_camera()
        self._of_another_document = self._of_another_document and known
        if not known:
            # Not cleared: a piece of the earlier result may be drawn at this moment, and would come in after.
            self._turn += 1
            self._caches = None if result is None else LaneCaches(result, self._turn)
            self._opened = frozenset()
            self.ordering.cancel()
        self._result, self._candidate = result, candidate
        if result is not None:
            self._location = self._location.within(result.shape)
        self._renew(at_once=not known)
        if result is not None and result.shape != before:
            self.fit()
            camera = self._cameras.get(result.shape)
            if camera is not None:
                self.set_camera(camera)

    def begin_document(self) -> None:
        """Forget which parts of earlier results were visible: the next one is of another document."""
        self._cameras.clear()
        self._of_another_document = True

    def show_location(self, location: Location) -> None:
        """Move the selection, and scroll only as far as needed. Another sample changes the lanes.

        A folded lane opens for the selection, as there is no other way to it by keyboard.
        """
        other_sample = location.sample != self._location.sample
        self._location, lane = location, Lane(location.layer, location.direction)
        folded = self.shown is not None and lane in self.shown.bands
        if folded:
            self._opened |= {lane}
        if other_sample or folded:
            self._renew()
        elif self._limit.name == "lane":
            self.settling.start()
        self._show_selection()

    def _on_card(self, in_front: bool) -> None:
        # A dock behind the tab of another one is visible to Qt, too: only its signal says which one is in front.
        self._card_in_front = in_front
        self._show_selection()

    def _show_selection(self) -> None:
        window, card = self.window(), self._card
        if card is not None and isinstance(window, QMainWindow):
            right = window.dockWidgetArea(card) == Qt.DockWidgetArea.RightDockWidgetArea
            self.canvas.linked = right and self._card_in_front and not card.isFloating()
        if self.shown is not None:
            self.shown = self.shown.with_split(self._location.timestep)
        self.canvas.show_selection(self.shown, cell_at(self.shown, self._location), self._location)

    def show_masked(self, masked: Sequence[Mask]) -> None:
        self._masks = tuple(masked)
        self._renew()

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        self.canvas.show_highlight(highlighted)

    def show_influence(self, influence: "Influence | None", *, followed: bool) -> None:
        self.canvas.show_influence(InfluenceImages(influence))

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.canvas.apply_theme(theme)
        self.head.apply_theme(theme)
        palette = theme.palette()
        palette.setColor(QPalette.ColorRole.Window, theme.color("base"))
        self.setPalette(palette)
        self.diagram.apply_theme(theme)
        self._renew()

    def reveal_as_computed(self, order: Order | None) -> None:
        """Hide what is computed after the selected step in an order of computation; None shows everything."""
        self.canvas.reveal(order)

    def step_unit(self, by: int) -> None:
        """Select the unit above (-1) or below (1) in the shown order."""
        if self.shown is not None:
            # Not from the shown selection, which is late in a large result: keys repeat.
            self.location_requested.emit(unit_beside(self.shown, self.session.location, by))

    def show_caption(self, text: str) -> None:
        """Describe the highlighted stage of a step below the time axis; empty for no caption."""
        self._caption.setText(text)
        self._caption.setAccessibleDescription(text)
        self._caption.setVisible(bool(text))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.diagram.setGeometry(self.rect().adjusted(0, self.head.height(), 0, 0))

    def _on_moved(self) -> None:
        """Follow another part of the picture."""
        geometry = self.geometry_in_view
        if self._limit.name == "visible":
            self.settling.start()
        most = 0 if geometry is None else max(0, round(geometry.stack.height - geometry.height))
        self._bar.blockSignals(True)
        self._bar.setRange(0, most)
        if geometry is not None:
            self._bar.setPageStep(int(geometry.height))
            self._bar.setValue(round(geometry.camera.scroll))
        self._bar.blockSignals(False)
        self._bar.setVisible(most > 0)
        self._show_head()

    def _show_head(self) -> None:
        self.head.show_state(self.shown, self.geometry_in_view)

    def offer_color_range(self) -> None:
        place = self.legend.mapToGlobal(self.legend.rect().bottomLeft())
        menu = choice_menu(RANGES, self._limit.name, self, "range")
        menu.setTitle("Color range")
        menu.setAccessibleName("Color range")
        menu.triggered.connect(lambda action: self._take_range(action.data()))
        menu.addSeparator()
        logarithmic = menu.addAction(LOGARITHMIC[0])
        logarithmic.setObjectName("range_logarithmic")
        logarithmic.setToolTip(wrapped(LOGARITHMIC[1]))
        logarithmic.setCheckable(True)
        logarithmic.setChecked(self._limit.logarithmic)
        logarithmic.triggered.connect(self.toggle_logarithmic)
        menu.addAction("&Widen", self.widen_range)
        menu.addAction("&Narrow", self.narrow_range)
        menu.popup(place)

    def toggle_logarithmic(self) -> None:
        """Switch between a linear color scale and one that is logarithmic on both sides of 0."""
        self.choose_range(self.session.limit._replace(logarithmic=not self.session.limit.logarithmic))

    def _take_range(self, name: RangeName | None) -> None:
        if name is None:
            # An action of its own.
            return
        if name != "fixed":
            self.choose_range(self.session.limit._replace(name=name))
        else:
            dialog = RangeDialog(self.session.limit, self)
            dialog.accepted.connect(lambda: self.choose_range(dialog.limit))
            dialog.open()

    @property
    def _limit(self) -> Limit:
        return self._dragged or self.session.limit

    def choose_range(self, limit: Limit) -> None:
        """Set the values that the colors cover, as one change that undo reverts."""
        before = self.session.limit
        if limit != before:
            self.session.set_limit(limit)
            self.range_chosen.emit(before)

    def widen_range(self) -> None:
        """Move both ends of the range away from 0."""
        self.scale_range(_RANGE_FACTOR)

    def narrow_range(self) -> None:
        """Move both ends of the range toward 0."""
        self.scale_range(1.0 / _RANGE_FACTOR)

    def scale_range(self, factor: float) -> None:
        """Multiply both ends of the range, which then is fixed."""
        shown = self.shown
        if shown is not None and not is_fixed(shown):
            self.choose_range(scaled_limit(shown.paint.hidden.scale, factor, factor))

    def keep_range(self, kept: bool) -> None:
        """Fix the range at the current one, or let it follow the values again."""
        if kept:
            self.scale_range(1.0)
        elif self.session.limit.name == "fixed":
            self.choose_range(self.session.limit._replace(name="auto"))

    def _drag_range(self, limit: Limit) -> None:
        self._dragged = limit
        self._match_colors()

    def _drop_range(self) -> None:
        limit, self._dragged = self._limit, None
        self.choose_range(limit)

    def _offer_orders(self) -> None:
        array = "h" if self.shown is None else self.shown.array
        choices = {name: (f"By {title}", why.format(array=array)) for name, (title, why) in ORDERS.items()}
        menu = choice_menu(choices, self.session.order, self, "order")
        menu.triggered.connect(lambda action: self.session.set_order(action.data()))
        menu.popup(QCursor.pos())

    def _match_colors(self, *, at_once: bool = False) -> None:
        """Fit the color scale to the chosen range. That of a large result is read on a thread, unless `at_once`."""
        shown, geometry = self.shown, self.geometry_in_view
        self.settling.stop()
        self.reaching.cancel()
        if shown is None or geometry is None or self._caches is None:
            self.canvas.wait_for_range(False)
            return
        key, reaches, limit = self._reach_key(shown, geometry), self._caches.reaches, self._limit
        lane = Lane(self._location.layer, self._location.direction)
        if key not in reaches:
            if len(reaches) >= _REACHES_KEPT:
                reaches.clear()
            large = shown.result[shown.engine].hidden.size > _AT_ONCE
            if large and not at_once and follows_values(shown, limit):
                self.reaching.ask(lambda check: (reaches, key, reach_of(shown, geometry, limit, lane, check)))
                self.canvas.wait_for_range(True)
                return
            reaches[key] = reach_of(shown, geometry, limit, lane)
        self.canvas.wait_for_range(False)
        reach = reaches[key]
        if reach != self._reach:
            self._reach = reach
            self._show(self._render_state())

    def _reach_key(self, shown: RenderState, geometry: Geometry) -> object:
        """Everything that determines the range of the colors."""
        limit, lane = self._limit, (self._location.layer, self._location.direction)
        read = tuple((*tiles.style[1:5], tiles.style.order) for tiles in shown.tiles)
        view = (geometry.stack, geometry.camera, geometry.height) if limit.name == "visible" else ()
        return read, view, limit, lane if limit.name == "lane" else None

    def _take_reach(self, found: tuple[Reaches, object, Reach]) -> None:
        reaches, key, reach = found
        reaches[key] = reach
        self._match_colors()

    def finish_pending(self) -> None:
        self._take_options()
        if self.reaching.busy:
            self._match_colors(at_once=True)

    # Moving

    def zoom_time(self, factor: float) -> None:
        """Scale the time axis around the selection if it is visible, else around the center."""
        self.canvas.zoom_around(factor, self._location.timestep)

    def _point(self, cell: CellGeometry) -> None:
        if self.shown is not None:
            self.location_requested.emit(pointed_at(self.shown, self._location, cell))

    def _point_time(self, timestep: int) -> None:
        self.location_requested.emit(self._location.moved(timestep=timestep))

    def _toggle_lane(self, lane: Lane) -> None:
        """Unfold a lane without difference, or fold it again."""
        if self.shown is not None and self.shown.compared_values and not self.shown.mismatched(lane):
            self._opened ^= {lane}
            self._renew()

    def _explain(self, cell: CellGeometry) -> None:
        shown, geometry = self.shown, self.geometry_in_view
        if shown is not None and geometry is not None:
            self.explanation_requested.emit(place_of(shown, self._location, cell, boxes=geometry.boxes))

    def _options(self) -> tuple[object, ...]:
        state = self.session.state
        lesson = state.lesson_step is not None
        return state.engine, state.swipe, state.color_by, state.order, self.session.contributions, lesson

    def _on_change(self, changed: frozenset[Field]) -> None:
        if "config" in changed:
            self.diagram.show_config(self.session.config)
        # Another result is shown at once with its options.
        if "result" not in changed and self._options() != self._drawn:
            large = self._result is not None and self._result.reference.hidden.size > _AT_ONCE
            if large and self.isVisible():
                # After the controls are painted.
                self.canvas.complete = False
                in_turn(self, self._take_options)
            else:
                self._take_options()
        elif "limit" in changed:
            if self.shown is not None and self.shown.logarithmic != self._limit.logarithmic:
                self._show(self._render_state())
            self._match_colors()

    def _take_options(self) -> None:
        if self._options() != self._drawn:
            self._renew()

    def _renew(self, *, at_once: bool = False) -> None:
        """Read the numbers again for another result, engine, sample, quantity or theme."""
        shown, geometry = self._render_state(), self.geometry_in_view
        if shown is not None and geometry is not None and self._caches is not None:
            # A range that is known already is shown at once.
            reach = self._caches.reaches.get(self._reach_key(shown, geometry), self._reach)
            if reach != self._reach:
                self._reach = reach
                shown = self._render_state()
        self._show(shown)
        self._match_colors(at_once=at_once)

    def _show(self, shown: RenderState | None) -> None:
        self._drawn = self._options()
        self.shown = shown
        self.head.show_order(self.session.order, finding=self.ordering.busy)
        self.head.order.setToolTip(wrapped(self._order_in_words()))
        self.head.show_recomputed(shown)
        self.diagram.setVisible(shown is None)
        self.setAccessibleDescription("" if shown is None else shown.words())
        if shown is not None:
            self.legend.setToolTip(wrapped(f"{shown.words()} {range_text(shown, self._limit)}"))
        self.canvas.show_lanes(shown, cell_at(shown, self._location), self._location)

    def _render_state(self) -> RenderState | None:
        result, state, location = self._result, self.session.state, self._location
        if result is None or self._caches is None:
            return None
        engine = state.engine if state.engine in result.traces else result.reference.engine
        assert engine is not None
        found = self.session.contributions
        contributions = found if found is not None and found.engine in result.traces else None
        # Without a candidate there are no marks of what a question asks for.
        asked = any(masks_any(state.masked, name) for name in (VERDICT, DIFFERENCE))
        candidate = None if asked and state.color_by not in ("difference", "error_ratio") else self._candidate
        quantity, drawn = shown_in(result, engine, candidate, state.color_by)
        if contributions is not None:
            quantity, drawn = "value", contributions.engine
        order = OrderKey(
            state.order,
            drawn,
            location.sample,
            quantity if is_gradient(quantity) else "h",
            (candidate or "") if state.order == "difference" else "",
        )
        shown = render_state_of(
            result,
            engine,
            state.swipe if state.swipe in result.traces else None,
            candidate,
            location.sample,
            state.color_by,
            self._theme,
            self._caches,
            self._order(result, order),
            self._reach,
            logarithmic=self._limit.logarithmic,
            contributions=contributions,
        )
        look = Look(self._opened, state.lesson_step is not None, self._masks)
        return replace(shown.with_split(location.timestep), look=look)

    def _order(self, result: RunResult, key: OrderKey) -> LaneOrders | None:
        """An order of the units of all lanes, or None for that of the index, and until a task has found it."""
        assert self._caches is not None
        caches = self._caches
        known = caches.orders.get(key)
        if known is None and key.name != "index" and order_effort(result, key) <= _PRODUCTS_AT_ONCE:
            known = caches.keep_order(find_orders(result, key, lambda: None))
        if known is not None or key.name == "index":
            self._sought = None
            self.ordering.cancel()
        elif self._sought != key or not self.ordering.busy:
            self._sought = key
            self.ordering.ask(lambda check: (caches, find_orders(result, key, check)))
        return known

    def _take_order(self, found: tuple[LaneCaches, LaneOrders]) -> None:
        caches, order = found
        caches.keep_order(order)
        self._renew()

    def _order_in_words(self) -> str:
        """Description of the order and of the time steps it is computed from."""
        name, shown = self.session.order, self.shown
        found = None if shown is None else shown.orders
        why = ORDERS[name][1].format(array="h" if found is None else found.key.array)
        if shown is None or found is None:
            return f"{why} Click to change the order (O)."
        steps = shown.result.inputs.length(found.key.sample)
        looked = "every time step" if steps <= SAMPLED else f"up to {count(SAMPLED)} of {count(steps)} time steps"
        engine = display_name(found.key.candidate or found.key.engine)
        return f"{why} Computed for each lane from {looked} of the shown sample by {engine} (O)."

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop rendering. A closing window hides its views."""
        self.settling.stop()
        self.canvas.stop()
        self.reaching.stop()
        self.ordering.stop()
        self.ranges.stop()
        super().hideEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.canvas.set_focused(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.canvas.set_focused(False)

    def sizeHint(self) -> QSize:
        return QSize(760, 520)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter explains, + and - zoom time, 0 shows everything. With Ctrl they are the window's shortcuts.

        Shift with an arrow selects a range from the selection on, and Escape clears it.
        """
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()
        elif self.ranges.handle_key(event):
            event.accept()
        elif factor := _KEY_ZOOMS.get(Qt.Key(event.key())):
            self.zoom_time(factor)
        elif event.key() == Qt.Key.Key_0:
            self.fit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.shown is not None:
            self._explain(cell_at(self.shown, self._location))
        else:
            event.ignore()
