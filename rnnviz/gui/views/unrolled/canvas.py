"""Canvas of the lanes: headers, lanes, color bars and time axis with a common viewport."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QHelpEvent, QResizeEvent
from PySide6.QtWidgets import (
    QGraphicsSceneHoverEvent,
    QGraphicsSceneWheelEvent,
    QHBoxLayout,
    QScrollBar,
    QToolTip,
    QWidget,
)

from rnnviz.gui.regions import Region
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.unrolled.color_bar import ColorBar
from rnnviz.gui.views.unrolled.geometry import (
    Camera,
    CameraLimits,
    CellGeometry,
    Geometry,
    layout_for,
    limits_of,
    stack_lanes,
)
from rnnviz.gui.views.unrolled.header import Headers
from rnnviz.gui.views.unrolled.lanes_item import LanesItem
from rnnviz.gui.views.unrolled.marks import (
    ContributionRow,
    FutureCover,
    HighlightItem,
    InfluenceStrips,
    RangeMarks,
    SeamMarks,
    SelectionItem,
)
from rnnviz.gui.views.unrolled.render_state import RenderState, first_mismatch, visible_seams
from rnnviz.gui.views.unrolled.strips import Minimap, StageBadges, SwipeNames
from rnnviz.gui.views.unrolled.time_axis import TimeAxis
from rnnviz.gui.views.unrolled.unit_order import OrderLabel

_ZOOM_A_STEP = 1.25
_STEP = 120.0
"""Angle delta of one wheel notch in Qt's units."""
_MOST_STEPS = 100.0
"""Notches of one event, beyond which a factor could overflow."""


class LanesBox(pg.ViewBox):
    """A view box that emits requests instead of moving. Positions are pixels within it."""

    time_zoom_asked = Signal(float, float)
    """Factor, and the x that stays in place."""
    lane_zoom_asked = Signal(float, float)
    """Factor, and the y that stays in place."""
    pan_asked = Signal(float, float)
    """Movement of the content in pixels, right and down."""
    pointed = Signal(float, float)
    double_clicked = Signal(float, float)
    range_dragged = Signal(float, float, float)
    """Start of a drag with Shift (x, y), and its current x."""
    hovered = Signal(bool)
    """Whether the pointer is over the lanes."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False, enableMouse=False, defaultPadding=0.0)
        self._ranging = False
        self.disableAutoRange()
        self.setAcceptHoverEvents(True)

    def hoverEnterEvent(self, event: QGraphicsSceneHoverEvent) -> None:
        self.hovered.emit(True)
        super().hoverEnterEvent(event)

    def hoverLeaveEvent(self, event: QGraphicsSceneHoverEvent) -> None:
        self.hovered.emit(False)
        super().hoverLeaveEvent(event)

    def wheelEvent(self, event: QGraphicsSceneWheelEvent, axis: int | None = None) -> None:
        """Zoom time, with Ctrl the lanes; pan with Shift or a horizontal wheel."""
        turned = min(max(event.delta() / _STEP, -_MOST_STEPS), _MOST_STEPS)
        keys = event.modifiers()
        if event.orientation() == Qt.Orientation.Horizontal:
            self.pan_asked.emit(turned * _STEP / 2.0, 0.0)
        elif keys & Qt.KeyboardModifier.ControlModifier:
            self.lane_zoom_asked.emit(_ZOOM_A_STEP**turned, event.pos().y())
        elif keys & Qt.KeyboardModifier.ShiftModifier:
            self.pan_asked.emit(turned * _STEP / 2.0, 0.0)
        else:
            self.time_zoom_asked.emit(_ZOOM_A_STEP**turned, event.pos().x())
        event.accept()

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        """Pan, or with Shift select a range of time steps."""
        if event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            event.ignore()
            return
        event.accept()
        if self._ranging or (event.isStart() and event.modifiers() & Qt.KeyboardModifier.ShiftModifier):
            self._ranging = not event.isFinish()
            begun = event.buttonDownPos()
            self.range_dragged.emit(begun.x(), begun.y(), event.pos().x())
            return
        moved = event.pos() - event.lastPos()
        self.pan_asked.emit(moved.x(), moved.y())
        self.setCursor(Qt.CursorShape.ArrowCursor if event.isFinish() else Qt.CursorShape.ClosedHandCursor)

    def mouseClickEvent(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        event.accept()
        if event.double():
            self.double_clicked.emit(event.pos().x(), event.pos().y())
        else:
            self.pointed.emit(event.pos().x(), event.pos().y())


class LanesCanvas(pg.GraphicsView):
    """Widget of the scene. It leaves the keyboard to the view."""

    def __init__(self) -> None:
        super().__init__(background=None)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(pg.GraphicsView.Shape.NoFrame)
        self.describe: Any = lambda _place: ""

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            place: QPoint = event.pos()
            QToolTip.showText(event.globalPos(), self.describe(QPointF(self.mapToScene(place))), self)
            return True
        handled: bool = super().viewportEvent(event)
        return handled


_LANE_SCROLL = 40
_AROUND = 4.0
"""Minimum distance of the selected cell from the upper and lower edge, in pixels."""


class UnrolledCanvas(QWidget):
    """Lays out the parts of the canvas, and moves one camera for all of them."""

    moved = Signal()
    """Another part of the picture is in view."""
    pointed = Signal(object)
    """The `CellGeometry` that was clicked."""
    opened = Signal(object)
    """A `CellGeometry` whose number was clicked twice."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = LIGHT
        self._shown: RenderState | None = None
        self._cell: CellGeometry | None = None
        self.geometry_in_view: Geometry | None = None
        """The current geometry in pixels of `box`, or None."""
        self._fitted = True
        self._pointer_here, self._numbers_found = False, False
        self.canvas = LanesCanvas()
        self.box, self.axis = LanesBox(), TimeAxis()
        self.axis.linkToView(self.box)
        self.headers, self.color_bar, self.names = Headers(), ColorBar(), SwipeNames()
        self.order, self.minimap = OrderLabel(), Minimap()
        self._parts = self.headers, self.color_bar, self.names, self.minimap
        grid = self._grid = pg.GraphicsLayout()
        grid.layout.setContentsMargins(0, 0, 0, 0)
        grid.layout.setSpacing(0)
        for item, row, column in (
            (self.minimap, 0, 1),
            (self.names, 1, 1),
            (self.headers, 2, 0),
            (self.box, 2, 1),
            (self.color_bar, 2, 2),
            (self.axis, 3, 1),
            (self.order, 3, 0),
        ):
            grid.addItem(item, row, column)
        self.canvas.setCentralItem(grid)
        self.lanes = LanesItem(self.box)
        # Queued, for it comes in the middle of painting.
        self.lanes.special_seen.connect(self.color_bar.update, Qt.ConnectionType.QueuedConnection)
        self.ranges, self.future = RangeMarks(self.box), FutureCover(self.box)
        self.seams, self.influence = SeamMarks(self.box), InfluenceStrips(self.box)
        self.row = ContributionRow(self.box)
        self.selection, self.highlights = SelectionItem(self.box), HighlightItem(self.box)
        self.badges = StageBadges(self.minimap)
        for part in (self.headers, self.color_bar):
            self.lanes.heatmap.computing_changed.connect(part.show_computing, Qt.ConnectionType.QueuedConnection)
        self._bar = QScrollBar(Qt.Orientation.Vertical)
        self._bar.setAccessibleName("lanes in view")
        self._bar.setToolTip("Scrolls to the lanes that are out of view.")
        self._bar.setSingleStep(_LANE_SCROLL)
        self._bar.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self._bar)
        self.canvas.setAccessibleName("lanes")
        self.box.sigResized.connect(self._relook)
        self.box.time_zoom_asked.connect(self.zoom_time)
        self.box.lane_zoom_asked.connect(self._zoom_lanes_at)
        self.box.pan_asked.connect(self._pan)
        self.box.pointed.connect(self._point)
        self.box.double_clicked.connect(self._double_click)
        self.box.hovered.connect(self._hover)
        self._bar.valueChanged.connect(self._scroll_to)
        self.minimap.time_requested.connect(self._center)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.canvas.setBackground(theme.color("base"))
        self.axis.apply_theme(theme)
        self.order.apply_theme(theme)

    def show_lanes(self, shown: RenderState | None, selected: CellGeometry) -> None:
        """Show other lanes. The camera stays where it is, or fitted."""
        self._shown, self._cell = shown, selected
        for part in self._parts:
            part.make_room(shown)
        self.order.setVisible(shown is not None and not self.headers.tight)
        # AxisItem.setVisible leaves its height as it was.
        if shown is None:
            self.axis.hide()
        else:
            if not self.axis.isVisible():
                # Every call draws it again.
                self.axis.show()
            self.axis.show_names(shown.result.inputs.names.of_sample(shown.sample).timesteps)
        # At once, for a picture of the old size would be drawn in vain.
        self._grid.layout.activate()
        self._relook()

    def show_selection(self, shown: RenderState | None, cell: CellGeometry) -> None:
        """Move the selection, and scroll only as far as needed to show it.

        `shown` may be split at another time step.
        """
        self._shown, self._cell = shown, cell
        geometry = self.geometry_in_view
        if geometry is None or shown is None:
            return
        room = limits_of(geometry)
        camera = geometry.camera.showing(cell.timestep, room)
        _, y, _, height = geometry.rect(cell)
        over, under = max(_AROUND - y, 0.0), max(y + height + _AROUND - geometry.height, 0.0)
        if over or under:
            camera = camera.panned(0.0, under - over, room)
        if camera != geometry.camera:
            self._show(layout_for(geometry.picture, geometry.width, geometry.height, camera))
        else:
            self._place_cursor()
            if shown.right is not None:
                self.lanes.move_split(shown, geometry)
                self.names.move_split(shown, geometry)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for part in self._parts:
            part.limit_width(float(event.size().width()))
        if self._grid.geometry() != self.canvas.range:
            # The canvas got its size before, while the parts had the widths for the old one.
            self._grid.layout.activate()
            self._grid.setGeometry(self.canvas.range)

    def hide_selection(self) -> None:
        """Leave out the selection, as in a picture for a paper."""
        for mark in (self.selection.column, self.selection.frame):
            mark.hide()

    def hide_controls(self) -> None:
        """Leave out the button of the unit order, and the space that headers keep for other results."""
        self.order.hide()
        for part in self.headers, self.color_bar:
            part.tight = True
            part.make_room(self._shown)
        self._grid.layout.activate()

    def show_legend(self, shown: bool) -> None:
        self.color_bar.make_room(self._shown if shown else None)
        self._grid.layout.activate()

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        self.highlights.set_regions(highlighted, self.geometry_in_view, self._theme)
        self.future.show_stage(highlighted)
        self._show_badges()

    def fit(self) -> None:
        """Show the whole sequence, and every lane unless numbers need more height."""
        self._fitted = True
        self._relook()

    def chosen_camera(self) -> Camera | None:
        """The camera, or None while everything is shown."""
        return None if self._fitted or self.geometry_in_view is None else self.geometry_in_view.camera

    def set_camera(self, camera: Camera) -> None:
        geometry = self.geometry_in_view
        if geometry is None or camera == geometry.camera:
            return
        self._fitted = False
        after = layout_for(geometry.picture, geometry.width, geometry.height, camera)
        self._show(after)
        self._numbers_found = self._numbers_found or (after.numbered and not geometry.numbered)

    def zoom_time(self, factor: float, x: float) -> None:
        self._steer(lambda seen, room: seen.camera.zoomed_time(factor, seen.time_at(x), room))

    def zoom_around(self, factor: float, timestep: int) -> None:
        """Scale the time axis around a time step if it is visible, else around the center."""
        geometry = self.geometry_in_view
        if geometry is not None:
            x = geometry.x_of(timestep)
            self.zoom_time(factor, x if 0.0 <= x <= geometry.width else geometry.width / 2.0)

    def show_times(self, times: range) -> None:
        """Show some time steps, with as many before and after."""

        def around(seen: Geometry, room: CameraLimits) -> Camera:
            span = min(max(3.0 * len(times), room.fewest), room.whole)
            start = (times.start + times.stop - 1) / 2.0 - span / 2.0
            return replace(seen.camera, start=start, span=span).within(room)

        self._steer(around)

    def _steer(self, change: Callable[[Geometry, CameraLimits], Camera]) -> None:
        """Move the camera, if there is a picture."""
        if self.geometry_in_view is not None:
            self.set_camera(change(self.geometry_in_view, limits_of(self.geometry_in_view)))

    def _center(self, time: float) -> None:
        self._steer(lambda seen, room: replace(seen.camera, start=time - seen.camera.span / 2.0).within(room))

    def _zoom_lanes_at(self, factor: float, y: float) -> None:
        def zoomed(seen: Geometry, room: CameraLimits) -> Camera:
            lane_rect = seen.stack.nearest(y + seen.camera.scroll)
            share = (y - seen.top_of(lane_rect)) / lane_rect.height
            after = layout_for(seen.picture, seen.width, seen.height, seen.camera.zoomed_lanes(factor, room))
            there = after.stack.lane_rect(lane_rect.lane)
            down = there.top + share * there.height - y - after.camera.scroll
            return after.camera.panned(0.0, down, limits_of(after))

        self._steer(zoomed)

    def _pan(self, right: float, down: float) -> None:
        self._steer(lambda seen, room: seen.camera.panned(-right / seen.pitch, -down, room))

    def _scroll_to(self, value: int) -> None:
        self._steer(lambda seen, room: seen.camera.panned(0.0, value - seen.camera.scroll, room))

    def _point(self, x: float, y: float) -> None:
        cell = None if self.geometry_in_view is None else self.geometry_in_view.hit(x, y)
        if cell is not None:
            self.pointed.emit(cell)

    def _double_click(self, x: float, y: float) -> None:
        """Explain the number at a point, or show everything while no numbers are visible."""
        geometry = self.geometry_in_view
        cell = None if geometry is None or not geometry.numbered else geometry.hit(x, y)
        if cell is None:
            self.fit()
        else:
            self.opened.emit(cell)

    def _relook(self) -> None:
        width, height = self.box.width(), self.box.height()
        if self._shown is None or width < 1.0 or height < 1.0:
            self.geometry_in_view = None
            for part in (self.lanes, *self._parts):
                part.show_lanes(None, None)
            self.selection.hide()
            self.seams.hide()
            self.row.hide()
            self.highlights.set_geometry(None, self._theme)
            self._show_badges()
            return
        camera = Camera() if self.geometry_in_view is None else self.geometry_in_view.camera
        self._show(
            layout_for(self._shown.picture(), width, height, camera, fit=self._fitted or self.geometry_in_view is None)
        )

    def _show(self, geometry: Geometry) -> None:
        self.geometry_in_view = geometry
        camera = geometry.camera
        self.box.setXRange(camera.start, camera.start + camera.span, padding=0.0)
        for part in (self.lanes, *self._parts):
            part.show_lanes(self._shown, geometry)
        directions = geometry.picture.directions
        initial = [t for t, d in ((-1, 0), (len(geometry.picture.computed), 1)) if d in directions and geometry.boxes]
        name = "h0" if self._shown is None else self._shown.initial_name
        self.axis.show_timesteps(geometry.picture.timesteps, tuple(initial) if name else (), name)
        self._place_cursor()
        self.selection.point_at(None if self._shown is None else first_mismatch(self._shown), geometry, self._theme)
        if self._shown is not None:
            self.seams.show_seams(visible_seams(self._shown, geometry), geometry, self._theme)
            self.row.show_contributions(self._shown.contributions, geometry, self._theme)
        self.ranges.set_geometry(geometry, self._theme)
        self.influence.set_geometry(geometry, self._theme)
        self.highlights.set_geometry(geometry, self._theme)
        self._show_badges()
        self._adjust_bar(geometry)
        self._hint()
        self.moved.emit()

    def _show_badges(self) -> None:
        self.badges.show_frames(self.highlights.frames, self.box.width(), self._theme)

    def _adjust_bar(self, geometry: Geometry) -> None:
        most = max(0, round(geometry.stack.height - geometry.height))
        # What decides on the bar must not depend on the width that it takes.
        flat = stack_lanes(geometry.picture.lanes, geometry.height, geometry.camera.zoom, boxes=False)
        self._bar.blockSignals(True)
        self._bar.setRange(0, most)
        self._bar.setPageStep(int(geometry.height))
        self._bar.setValue(round(geometry.camera.scroll))
        self._bar.blockSignals(False)
        needed = flat.height > geometry.height + 1.0
        if self._bar.isVisibleTo(self) != needed:
            self._bar.setVisible(needed)

    def _hover(self, here: bool) -> None:
        self._pointer_here = here
        self._hint()

    def _hint(self) -> None:
        """Show how to zoom to numbers, until the user has done so once."""
        geometry = self.geometry_in_view
        wanted = self._pointer_here and not self._numbers_found and geometry is not None and not geometry.numbered
        self.axis.show_hint(wanted)

    def _place_cursor(self) -> None:
        if self.geometry_in_view is not None and self._cell is not None:
            at_split = self._shown is not None and self._shown.right is not None
            self.selection.move_to(self._cell, self.geometry_in_view, self._theme, at_split=at_split)
            shown = self._shown
            self.future.show_selection(
                self._cell,
                self.geometry_in_view,
                self._theme,
                gradients=shown is not None and shown.gradient,
                of_input=shown is not None and shown.input_gradient is not None,
            )
