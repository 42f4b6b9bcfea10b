"""The picture of the lanes: labels, strip of all steps, lanes and time axis in one widget, moved by one camera."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias, get_args

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBackingStore,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QRegion,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QToolTip, QWidget

from rnnviz.core.engine_spec import distinct_names
from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.kit.turns import in_turn
from rnnviz.gui.regions import Order, Region
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.geometry import (
    Camera,
    CameraLimits,
    CellGeometry,
    Geometry,
    layout_for,
    limits_of,
)
from rnnviz.gui.views.unrolled.heatmap import HeatmapLayer, paint_lane
from rnnviz.gui.views.unrolled.margins import Labels, TimeAxis, rects_of
from rnnviz.gui.views.unrolled.marks import (
    Future,
    Highlight,
    InfluenceImages,
    Marks,
    arrow_marks,
    contribution_marks,
    highlight_marks,
    highlights_of,
    masked_marks,
    paint_marks,
    pointer_marks,
    range_marks,
    read_marks,
    seam_marks,
    selection_marks,
    wrong_marks,
)
from rnnviz.gui.views.unrolled.overview import Handle, Overview
from rnnviz.gui.views.unrolled.render_state import RenderState, visible_seams
from rnnviz.reading.units import Query, Selection

_ZOOM_A_STEP = 1.25
_STEP = 120.0
"""Angle delta of one wheel notch in Qt's units."""
_MOST_STEPS = 100.0
"""Notches of one event, beyond which a factor could overflow."""
_AROUND = 4.0
"""Minimum distance of the selected cell from the upper and lower edge, in pixels."""
_RIGHT, _SPILL, _NAMES, _NAME_GAP = 12, 7.0, 20, 7.0
"""Margin at the right, how far marks may exceed the lanes, height of the names of two engines, and the gap of these."""
_WIDEST_COLUMN = 160

Layer: TypeAlias = Literal[
    "arrows", "wrong", "masked", "future", "seams", "influence", "contributions", "range", "reads", "highlights",
    "pointer", "selection",
]  # fmt: skip
"""Marks that change together, in the order in which they are painted."""
LAYERS: tuple[Layer, ...] = get_args(Layer)
_Part: TypeAlias = Literal["lanes", "axis", "overview", "labels", ""]


class LanesCanvas(QWidget):
    """Paints the lanes and what is around them, and moves one camera for all of it.

    Positions in `geometry_in_view`, signals and marks are pixels from the upper left corner of the lanes, `area`. Its
    methods answer Qt's events, paint one part each, or move the camera.
    """

    moved = Signal()
    """Another part of the picture is in view."""
    pointed = Signal(object)
    """The `CellGeometry` that was clicked."""
    opened = Signal(object)
    """A `CellGeometry` whose number was clicked twice."""
    time_pointed = Signal(int)
    """The time step that was clicked on the axis."""
    lane_pointed = Signal(object)
    """The `Lane` whose label was clicked."""
    range_dragged = Signal(float, float, float)
    """Start of a drag with Shift (x, y), and its current x."""
    special_seen = Signal()
    """A special value has been painted for the first time."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("lanes")
        self.describe: Callable[[QPointF], str] = lambda _place: ""
        self._theme = LIGHT
        self._shown: RenderState | None = None
        self._cell: CellGeometry | None = None
        self._location = Location()
        self.geometry_in_view: Geometry | None = None
        """The current geometry, or None."""
        self.area = QRect()
        self.complete = False
        """Whether the visible lanes are painted completely on the screen."""
        self.focused = self.linked = False
        """Whether the keyboard is on the selected value, and whether its card is at the right."""
        self._fitted = True
        self.labels, self.axis = Labels(), TimeAxis()
        self.heatmap = HeatmapLayer(self)
        self.overview = Overview(self, self.heatmap)
        self.heatmap.tiles_ready.connect(lambda: in_turn(self, self._update_lanes))
        self.overview.heatmap.tiles_ready.connect(lambda: in_turn(self, self._update_overview))
        # Queued, for they come in the middle of painting.
        self.heatmap.computing_changed.connect(self._show_computing, Qt.ConnectionType.QueuedConnection)
        self.marks: dict[Layer, Marks] = {}
        self.influence = InfluenceImages()
        self.highlights: list[Highlight] = []
        self._highlighted: tuple[Region, ...] = ()
        self._range: tuple[Query | None, Selection | None] = None, None
        self._order: Order | None = None
        self._pressed: QPointF | None = None
        self._drag: _Part = ""
        self._handle: Handle = "window"
        self._last = QPointF()
        self._hovered: CellGeometry | None = None
        self._labeled: object = None
        """Everything that the painted labels show."""
        self._timed: object = None
        """Everything that the painted axis shows."""

    # What is shown

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_lanes(self, shown: RenderState | None, selected: CellGeometry, location: Location) -> None:
        """Show other lanes. The camera stays where it is, or fitted."""
        self._shown, self._cell, self._location = shown, selected, location
        if shown is not None:
            self.axis.show_names(shown.result.inputs.names.of_sample(shown.sample).timesteps)
        self.relook()

    def show_selection(self, shown: RenderState | None, cell: CellGeometry, location: Location) -> None:
        """Move the selection, and scroll only as far as needed to show it.

        `shown` may be split at another time step.
        """
        before, geometry = self._shown, self.geometry_in_view
        before_at, self._shown, self._cell, self._location = self._cell, shown, cell, location
        if geometry is None or shown is None:
            return
        room = limits_of(geometry)
        camera = geometry.camera.showing(cell.timestep, room)
        if geometry.stack.find(cell.lane) is not None:
            _, y, _, height = geometry.rect(cell)
            over, under = max(_AROUND - y, 0.0), max(y + height + _AROUND - geometry.height, 0.0)
            if over or under:
                camera = camera.panned(0.0, under - over, room)
        if camera != geometry.camera:
            self._show(layout_for(geometry.picture, geometry.width, geometry.height, camera))
            return
        self._mark_selection()
        for timestep in {cell.timestep, *(() if before_at is None else (before_at.timestep,))}:
            pill = self.axis.pill(timestep, geometry)
            self.update(self._in_widget(pill.adjusted(-60.0, 0.0, 60.0, 2.0).translated(0.0, geometry.bottom)))
        if before is not None and before.split != shown.split:
            left, right = sorted(geometry.edge(at.split) for at in (before, shown))
            self.complete = False
            self.update(self._in_widget(QRectF(left - 2.0, 0.0, right - left + 4.0, geometry.height)))
            self._update_overview()

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        self._highlighted = tuple(highlighted)
        self._mark_highlights()
        self._mark_future()

    def show_range(self, query: Query | None, found: Selection | None) -> None:
        """Mark the selected range, and what was found for it."""
        self._range = query, found
        if self.geometry_in_view is not None:
            self._set("range", range_marks(query, found, self.geometry_in_view))

    def show_influence(self, influence: InfluenceImages) -> None:
        self.influence = influence
        self._mark_influence()

    def reveal(self, order: Order | None) -> None:
        """Hide what is computed after the selected step in an order of computation; None shows everything."""
        self._order = order
        self._mark_future()

    def set_focused(self, focused: bool) -> None:
        self.focused = focused
        self._mark_selection()

    def left_of_axis(self, size: QSize) -> QPoint:
        """The place of a button of a size at the left of the time axis."""
        bottom = 0.0 if self.geometry_in_view is None else self.geometry_in_view.bottom
        x = self.area.left() - size.width() - round(self.axis.height * 0.75)
        return QPoint(max(x, 0), self.area.top() + round(bottom + (self.axis.height - size.height()) / 2.0) + 1)

    def wait_for_range(self, waiting: bool) -> None:
        """Keep the previous picture while the range of the colors is sought."""
        if waiting != self.heatmap.waiting:
            self.heatmap.waiting = self.overview.heatmap.waiting = waiting
            self._update_lanes()
            self._update_overview()

    def stop(self) -> None:
        """Stop the rendering threads until the next paint."""
        self.wait_for_range(False)
        for own in (self.heatmap, self.overview.heatmap):
            own.renderer.stop()

    # The camera

    def fit(self) -> None:
        """Show the whole sequence, and every lane unless numbers need more height."""
        self._fitted = True
        self.relook()

    def chosen_camera(self) -> Camera | None:
        """The camera, or None while everything is shown."""
        return None if self._fitted or self.geometry_in_view is None else self.geometry_in_view.camera

    def set_camera(self, camera: Camera) -> None:
        geometry = self.geometry_in_view
        if geometry is None or camera == geometry.camera:
            return
        self._fitted = False
        self._show(layout_for(geometry.picture, geometry.width, geometry.height, camera))

    def zoom_time(self, factor: float, x: float) -> None:
        self._steer(lambda seen, room: seen.camera.zoomed_time(factor, seen.time_at(x), room))

    def zoom_around(self, factor: float, timestep: int) -> None:
        """Scale the time axis around a time step if it is visible, else around the center."""
        geometry = self.geometry_in_view
        if geometry is not None:
            x = geometry.x_of(timestep)
            self.zoom_time(factor, x if 0.0 <= x <= geometry.width else geometry.width / 2.0)

    def zoom_lanes(self, factor: float, y: float) -> None:
        """Scale the lanes; what is at a height stays there."""

        def zoomed(seen: Geometry, room: CameraLimits) -> Camera:
            lane_rect = seen.stack.nearest(y + seen.camera.scroll)
            share = (y - seen.top_of(lane_rect)) / lane_rect.height
            after = layout_for(seen.picture, seen.width, seen.height, seen.camera.zoomed_lanes(factor, room))
            there = after.stack.lane_rect(lane_rect.lane)
            down = there.top + share * there.height - y - after.camera.scroll
            return after.camera.panned(0.0, down, limits_of(after))

        self._steer(zoomed)

    def show_times(self, times: range) -> None:
        """Show some time steps, with as many before and after."""
        self._show_span((times.start + times.stop - 1) / 2.0, 3.0 * len(times))

    def show_part(self, first: float, last: float) -> None:
        """Show a part of the time axis; of the whole one, everything."""
        geometry = self.geometry_in_view
        if geometry is not None and last - first >= limits_of(geometry).timesteps:
            self.fit()
            return
        self._steer(lambda seen, room: replace(seen.camera, start=first, span=last - first).within(room))

    def _show_span(self, center: float, span: float) -> None:
        def around(seen: Geometry, room: CameraLimits) -> Camera:
            fitting = min(max(span, room.fewest), room.whole)
            return replace(seen.camera, start=center - fitting / 2.0, span=fitting).within(room)

        self._steer(around)

    def pan(self, right: float, down: float) -> None:
        """Move the content by pixels."""
        self._steer(lambda seen, room: seen.camera.panned(-right / seen.pitch, -down, room))

    def scroll_to(self, value: int) -> None:
        self._steer(lambda seen, room: seen.camera.panned(0.0, value - seen.camera.scroll, room))

    def _steer(self, change: Callable[[Geometry, CameraLimits], Camera]) -> None:
        """Move the camera, if there is a picture."""
        if self.geometry_in_view is not None:
            self.set_camera(change(self.geometry_in_view, limits_of(self.geometry_in_view)))

    # Laying out

    def relook(self) -> None:
        """Lay out the parts again."""
        shown = self._shown
        self.complete = False
        if shown is None or self.width() < 2 * _RIGHT or self.height() < 2 * _RIGHT:
            self.update()
            self._labeled = self._timed = None
            self.geometry_in_view, self.area = None, QRect()
            self.heatmap.reset()
            self.overview.show(None, 0.0, 0.0)
            self.marks, self.highlights = {}, []
            self.moved.emit()
            return
        self.labels.fit(shown, float(self.width()))
        before = self.geometry_in_view
        fit, camera = self._fitted or before is None, Camera() if before is None else before.camera
        self._show(self._laid_out(shown, camera, fit=fit))

    def _laid_out(self, shown: RenderState, camera: Camera, *, fit: bool, overview: bool | None = None) -> Geometry:
        """The geometry in the place that the other parts leave, with the strip of all steps if not all are in view."""
        picture = shown.picture()
        wanted = overview if overview is not None else not fit and camera.span < picture.timesteps
        left = int(self.labels.width)
        columns = picture.timesteps + picture.initial * len(picture.directions)
        width = min(max(self.width() - left - _RIGHT, 1), columns * scaled(_WIDEST_COLUMN))
        self.overview.show(shown if wanted else None, float(width), float(self.height()))
        top = round(self.overview.height) + (scaled(_NAMES) if shown.right is not None else 0)
        height = max(self.height() - top - round(self.axis.height), 1)
        self.area = QRect(left, top, width, height)
        return layout_for(picture, float(width), float(height), camera, fit=fit)

    def _show(self, geometry: Geometry) -> None:
        shown = self._shown
        assert shown is not None
        partial = geometry.camera.span < geometry.picture.timesteps
        if partial != (self.overview.geometry is not None):
            geometry = self._laid_out(shown, geometry.camera, fit=self._fitted, overview=partial)
        self.geometry_in_view = geometry
        self.complete = False
        self.marks = {
            "arrows": arrow_marks(geometry, shown),
            "wrong": wrong_marks(shown, geometry),
            "masked": masked_marks(shown, geometry),
            "seams": seam_marks(visible_seams(shown, geometry), geometry),
            "contributions": contribution_marks(shown.contributions, geometry),
            "range": range_marks(*self._range, geometry),
        }
        self._mark_influence()
        self._mark_highlights()
        self._mark_selection()
        self._mark_pointer(None)
        self._update_parts(shown, geometry)
        self.moved.emit()

    def _update_lanes(self) -> None:
        if self.geometry_in_view is not None:
            self.update(self.area.left(), self.area.top(), self.area.width(), round(self.geometry_in_view.bottom))

    def _update_overview(self) -> None:
        self.update(0, 0, self.width(), self.area.top())

    def _update_parts(self, shown: RenderState, geometry: Geometry) -> None:
        """Repaint the lanes, and the labels and the axis if they show anything else."""
        camera, cell = geometry.camera, self._cell
        labeled = (geometry.stack, camera.scroll, self.area, *self.labels.contents(shown))
        timed = (camera.start, camera.span, geometry.bottom, self.area, self.axis.names, shown.initial_name, cell)
        left = 0 if labeled != self._labeled else self.area.left() - round(_SPILL)
        bottom = self.height() if timed != self._timed else self.area.top() + round(geometry.bottom)
        self.update(left, 0, self.width() - left, bottom)
        self._labeled, self._timed = labeled, timed

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.relook()

    def sizeHint(self) -> QSize:
        return QSize(760, 520)

    # Marks

    def _set(self, layer: Layer, marks: Marks) -> None:
        """Replace the marks of a layer, and repaint where they differ."""
        before, geometry = self.marks.get(layer, ()), self.geometry_in_view
        self.marks[layer] = marks
        # The axis is below the clip of the marks.
        bottom = 0 if geometry is None else self.area.top() + round(geometry.bottom)
        for mark in {*before} ^ {*marks}:
            self.update(self._in_widget(QRectF(*mark.bounds)) & QRect(0, 0, self.width(), bottom))

    def _in_widget(self, place: QRectF) -> QRect:
        return place.translated(self.area.topLeft()).toAlignedRect()

    def _mark_selection(self) -> None:
        geometry, shown, cell = self.geometry_in_view, self._shown, self._cell
        if geometry is None or shown is None or cell is None:
            return
        network = shown.result.config.network
        self._set("reads", read_marks(network, self._location, shown, geometry))
        edge = self.width() - self.area.left() if self.linked else None
        self._set("selection", selection_marks(cell, geometry, focused=self.focused, card=edge))
        self._mark_future()

    def _mark_future(self) -> None:
        geometry, shown, cell = self.geometry_in_view, self._shown, self._cell
        if geometry is None or shown is None or cell is None:
            return
        self._set("future", self.future.marks(geometry))

    @property
    def future(self) -> Future:
        """The part that is not computed yet at the selection."""
        assert self._cell is not None
        assert self._shown is not None
        parts = {region.part for region in self._highlighted}
        reading, of_input = "read" in parts and "computed" not in parts, self._shown.input_gradient is not None
        return Future(self._order, self._cell, reading, self._shown.gradient, of_input)

    def _mark_highlights(self) -> None:
        geometry = self.geometry_in_view
        self.highlights = [] if geometry is None else highlights_of(self._highlighted, geometry)
        if geometry is not None:
            self._set("highlights", highlight_marks(self.highlights, geometry.width))

    def _mark_influence(self) -> None:
        if self.geometry_in_view is not None:
            self._set("influence", tuple(self.influence.strips(self.geometry_in_view, self._theme).values()))

    def _mark_pointer(self, hovered: CellGeometry | None) -> None:
        self._hovered = hovered
        if self.geometry_in_view is not None:
            pressed = self._pressed is not None
            self._set("pointer", pointer_marks(hovered, self.geometry_in_view, pressed=pressed))

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        shown, geometry, ground = self._shown, self.geometry_in_view, self._theme.color("base")
        # An active painter of a widget that is gone would crash.
        with QPainter(self) as painter:
            # Rectangle by rectangle: what is larger than its clip of many of them is painted slowly.
            for rect in rects_of(event.region()):
                painter.fillRect(rect, ground)
            if shown is not None and geometry is not None:
                self._paint(painter, shown, geometry, event.region())

    def _paint(self, painter: QPainter, shown: RenderState, geometry: Geometry, region: QRegion) -> None:
        exposed = QRectF(region.boundingRect())
        area, on_screen = QRectF(self.area), self._on_screen(painter)
        seen = len(shown.seen)
        if region.intersects(QRect(0, self.area.top(), self.area.left() - round(_SPILL), round(geometry.bottom))):
            painter.save()
            painter.setClipRect(QRectF(0.0, area.top(), area.left(), area.height()))
            painter.translate(0.0, area.top())
            self.labels.paint(painter, shown, geometry)
            painter.restore()
        if exposed.top() < area.top():
            painter.save()
            painter.translate(area.left(), _AROUND)
            self.overview.paint(painter, shown, geometry, taken=not on_screen)
            painter.restore()
            self._paint_names(painter, shown, geometry)
        end = area.top() + geometry.bottom
        if exposed.bottom() > end:
            painter.save()
            painter.translate(area.left(), end)
            selected = None if self._cell is None else self._cell.timestep
            below = region & QRect(0, round(end), self.width(), self.height())
            self.axis.paint(
                painter, geometry, shown.theme, shown.initial_name, selected, below.translated(-self.area.left(), 0)
            )
            painter.restore()
        painter.save()
        painter.setClipRect(QRectF(area.left(), area.top(), area.width(), geometry.bottom))
        painter.translate(area.topLeft())
        within = exposed.translated(-area.topLeft()) & QRectF(0.0, 0.0, geometry.width, geometry.height)
        density = painter.deviceTransform().m11()
        self.heatmap.prepare(shown, geometry, density, None if on_screen else within)
        dirty = region.translated(-self.area.topLeft())
        rects = rects_of(dirty)
        for own in geometry.lane_rects_in_view():
            place = QRectF(*geometry.lane_area(own)) & QRectF(0.0, 0.0, geometry.width, geometry.height)
            parts = [part for rect in rects if not (part := QRectF(rect) & place).isEmpty()]
            if parts:
                paint_lane(painter, self.heatmap, shown, geometry, own, parts, dirty)
        painter.setClipRect(QRectF(-_SPILL, -_SPILL, self.width(), geometry.bottom + _SPILL))
        paint_marks(painter, (mark for layer in LAYERS for mark in self.marks.get(layer, ())), self._theme, dirty)
        painter.restore()
        if len(shown.seen) > seen:
            self.special_seen.emit()
        both = self.heatmap.complete and (self.overview.geometry is None or self.overview.heatmap.complete)
        self.complete = self.complete or (on_screen and both)

    def _on_screen(self, painter: QPainter) -> bool:
        """Whether the window itself is painted, which repaints later; a picture of it does not."""
        store: QBackingStore | None = self.window().backingStore()
        return store is not None and painter.paintEngine().paintDevice() is store.paintDevice()

    def _show_computing(self, lanes: frozenset[Lane]) -> None:
        self.labels.computing = lanes
        self.update(0, 0, self.area.left(), self.height())

    def names(self) -> list[tuple[str, float]]:
        """The names of two engines that are shown, with the places where they begin."""
        shown, geometry = self._shown, self.geometry_in_view
        if shown is None or geometry is None or shown.right is None:
            return []
        metrics, width = QFontMetricsF(self._name_font()), geometry.width
        edge = min(max(geometry.edge(shown.split), 0.0), width)
        left, right = distinct_names((shown.left.engine, shown.right.engine)).values()
        before, after = metrics.horizontalAdvance(left), metrics.horizontalAdvance(right)
        found = []
        if edge - _NAME_GAP >= before:
            found.append((left, edge - _NAME_GAP - before))
        if width - edge - _NAME_GAP >= after:
            found.append((right, edge + _NAME_GAP))
        return found or [(left, 0.0) if edge > width / 2.0 else (right, max(width - after, 0.0))]

    def _name_font(self) -> QFont:
        font = QFont(QApplication.font())
        font.setPixelSize(scaled(12))
        font.setBold(True)
        return font

    def _paint_names(self, painter: QPainter, shown: RenderState, geometry: Geometry) -> None:
        if shown.right is None:
            return
        height = scaled(_NAMES)
        painter.setFont(self._name_font())
        painter.setPen(shown.theme.color("text"))
        baseline = self.area.top() - (height - QFontMetricsF(self._name_font()).capHeight()) / 2.0
        for text, left in self.names():
            painter.drawText(QPointF(self.area.left() + left, baseline), text)
        edge = geometry.edge(shown.split)
        if 0.0 <= edge <= geometry.width:
            painter.setPen(QPen(shown.theme.color("cursor"), 1.0))
            x = self.area.left() + round(edge) + 0.5
            painter.drawLine(QPointF(x, self.area.top() - height + 3.0), QPointF(x, self.area.top()))

    # The pointer

    def part_at(self, place: QPointF) -> _Part:
        """The part of the picture at a point of the widget."""
        geometry, within = self.geometry_in_view, place - self.area.topLeft()
        if geometry is None:
            return ""
        if within.x() < 0.0:
            return "labels" if 0.0 <= within.y() < geometry.bottom else ""
        if 0.0 <= within.y() < geometry.bottom:
            return "lanes"
        if within.y() >= geometry.bottom:
            return "axis" if within.y() < geometry.bottom + self.axis.height else ""
        return "overview" if self.overview.geometry is not None and place.y() < self.overview.height else ""

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.describe(QPointF(event.pos())), self)
            return True
        return bool(super().event(event))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom time, with Ctrl the lanes; pan with Shift or a horizontal wheel."""
        delta, keys = event.angleDelta(), event.modifiers()
        turned = min(max((delta.y() or delta.x()) / _STEP, -_MOST_STEPS), _MOST_STEPS)
        within = event.position() - self.area.topLeft()
        if delta.y() == 0 or keys & Qt.KeyboardModifier.ShiftModifier:
            self.pan(turned * _STEP / 2.0, 0.0)
        elif keys & Qt.KeyboardModifier.ControlModifier:
            self.zoom_lanes(_ZOOM_A_STEP**turned, within.y())
        else:
            self.zoom_time(_ZOOM_A_STEP**turned, within.x())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            event.ignore()
            return
        self._pressed = self._last = event.position()
        self._drag = part = self.part_at(event.position())
        if part == "overview" and self.geometry_in_view is not None:
            x = event.position().x() - self.area.left()
            self._handle = self.overview.handle_at(x, self.geometry_in_view.camera)
            self._move_window(x)
        elif part == "axis":
            self._point_time(event.position().x())
        self._mark_pointer(self._hovered)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = event.position()
        if self._pressed is None:
            self._hover(place)
            return
        far = (place - self._pressed).manhattanLength() >= QApplication.startDragDistance()
        if self._drag == "overview":
            self._move_window(place.x() - self.area.left())
        elif self._drag == "axis":
            self._point_time(place.x())
        elif self._drag == "lanes" and (far or self._last != self._pressed):
            begun = self._pressed - self.area.topLeft()
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self.range_dragged.emit(begun.x(), begun.y(), place.x() - self.area.left())
            else:
                self.setCursor(Qt.CursorShape.ClosedHandCursor)
                self.pan(place.x() - self._last.x(), place.y() - self._last.y())
            self._last = place

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._pressed = self._pressed, None
        if pressed is None:
            return
        clicked = self._last == pressed and event.button() == Qt.MouseButton.LeftButton
        within = pressed - self.area.topLeft()
        geometry = self.geometry_in_view
        if clicked and geometry is not None and self._drag == "lanes":
            cell = geometry.hit(within.x(), within.y())
            if cell is not None:
                self.pointed.emit(cell)
        elif clicked and geometry is not None and self._drag == "labels":
            self.lane_pointed.emit(geometry.stack.nearest(within.y() + geometry.camera.scroll).lane)
        self._drag = ""
        self._hover(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Explain the number at a point, or show everything while no numbers are visible."""
        geometry, within = self.geometry_in_view, event.position() - self.area.topLeft()
        if event.button() != Qt.MouseButton.LeftButton or self.part_at(event.position()) not in ("lanes", "overview"):
            return
        cell = None if geometry is None or not geometry.numbered else geometry.hit(within.x(), within.y())
        if cell is None:
            self.fit()
        else:
            self.opened.emit(cell)

    def leaveEvent(self, event: QEvent) -> None:
        self._mark_pointer(None)
        super().leaveEvent(event)

    def _hover(self, place: QPointF) -> None:
        part, within, geometry = self.part_at(place), place - self.area.topLeft(), self.geometry_in_view
        cell = geometry.hit(within.x(), within.y()) if part == "lanes" and geometry is not None else None
        if cell is not None and geometry is not None and not QRectF(*geometry.rect(cell)).contains(within):
            cell = None
        if cell != self._hovered or self.marks.get("pointer"):
            self._mark_pointer(cell)
        shape = Qt.CursorShape.ArrowCursor
        if part == "overview" and geometry is not None:
            handle = self.overview.handle_at(within.x(), geometry.camera)
            shape = Qt.CursorShape.OpenHandCursor if handle == "window" else Qt.CursorShape.SizeHorCursor
        elif part in ("axis", "lanes") or (part == "labels" and self._foldable(within.y())):
            shape = Qt.CursorShape.PointingHandCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    def _foldable(self, y: float) -> bool:
        shown, geometry = self._shown, self.geometry_in_view
        if shown is None or geometry is None or not shown.compared_values:
            return False
        return not shown.mismatched(geometry.stack.nearest(y + geometry.camera.scroll).lane)

    def _point_time(self, x: float) -> None:
        geometry = self.geometry_in_view
        if geometry is not None:
            timestep = round(geometry.time_at(x - self.area.left()))
            self.time_pointed.emit(min(max(timestep, 0), geometry.picture.computed.stop - 1))

    def _move_window(self, x: float) -> None:
        if self.geometry_in_view is not None and self.overview.geometry is not None:
            start, end = self.overview.dragged(self._handle, x, self.geometry_in_view.camera)
            self._show_span((start + end) / 2.0, end - start)
