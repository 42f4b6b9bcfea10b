"""The strip of all time steps over the lanes, with the part in view as a window that moves and stretches."""

from math import ceil
from typing import Literal, TypeAlias

from PySide6.QtCore import QObject, QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QPixmap

from rnnviz.core import number_format
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.geometry import Camera, Geometry, LaneRect, Stack
from rnnviz.gui.views.unrolled.heatmap import HeatmapLayer
from rnnviz.gui.views.unrolled.margins import TimeAxis, text_font
from rnnviz.gui.views.unrolled.render_state import RenderState

Handle: TypeAlias = Literal["left", "right", "window"]
_LANE, _TALLEST, _NUMBERS, _CONNECTORS = 13, 0.2, 26, 12
"""Height of a lane, and the largest share of the height of the view that all of them take."""
_NARROWEST, _GRIP, _REACH = 10.0, 16.0, 12.0
"""Least width of the window, height of its grips, and how far from them they are taken."""
_LABEL, _GAP = 150.0, 8.0


class Overview:
    """Heat maps of the hidden lanes over all time steps. It is there while not all of them are in view. Tiles of the
    lanes, which showed all time steps before a part was chosen, stand in for its own."""

    def __init__(self, parent: QObject, lanes: HeatmapLayer) -> None:
        self.heatmap = HeatmapLayer(parent, lanes.store)
        self.geometry: Geometry | None = None
        self._axis = TimeAxis()
        self._drawn: tuple[object, QPixmap] | None = None

    @property
    def height(self) -> float:
        """Height with the numbers below it and the lines to the lanes."""
        return 0.0 if self.geometry is None else self.geometry.height + scaled(_NUMBERS) + _CONNECTORS

    def show(self, shown: RenderState | None, width: float, whole_height: float) -> None:
        """Show the lanes of a state, or nothing."""
        if shown is None:
            self.geometry = self._drawn = None
            self.heatmap.reset()
            return
        picture = shown.picture()
        lanes = [(lane, rows) for lane, rows in picture.lanes if lane.layer is not None]
        each = max(min(scaled(_LANE), int(_TALLEST * whole_height / len(lanes))), 2)
        rects = [LaneRect(lane, rows, float(place * each), float(each)) for place, (lane, rows) in enumerate(lanes)]
        camera, height = Camera(-0.5, float(picture.timesteps)), float(each * len(lanes))
        self.geometry = Geometry(picture, width, height, camera, Stack(tuple(rects), height))

    def part(self, camera: Camera) -> QRectF:
        """The window of the part in view."""
        geometry = self.geometry
        if geometry is None:
            return QRectF()
        width = max(camera.span * geometry.pitch, _NARROWEST)
        left = min(max(geometry.x_of(camera.start), 0.0), geometry.width - width)
        return QRectF(left, 0.0, width, geometry.height)

    def handle_at(self, x: float, camera: Camera) -> Handle:
        """The part of the window that a press takes: an end, or all of it."""
        part = self.part(camera)
        near: list[tuple[float, Handle]] = [(abs(x - part.left()), "left"), (abs(x - part.right()), "right")]
        distance, end = min(near)
        outside = not part.left() <= x <= part.right()
        return end if distance <= (_REACH if outside else min(_REACH, part.width() / 4.0)) else "window"

    def dragged(self, handle: Handle, x: float, camera: Camera) -> tuple[float, float]:
        """First and last time of the window after a drag to x."""
        assert self.geometry is not None
        time, end = self.geometry.time_at(x), camera.start + camera.span
        if handle == "left":
            return min(time, end - 1.0), end
        if handle == "right":
            return camera.start, max(time, camera.start + 1.0)
        return time - camera.span / 2.0, time + camera.span / 2.0

    def words(self, view: Geometry) -> str:
        steps, whole = number_format.count(len(view.timesteps_in_view())), number_format.count(view.picture.timesteps)
        return f"{steps} of {whole} time steps are in view. Drag the window to move it, and its ends to zoom."

    def _paint_lanes(self, painter: QPainter, shown: RenderState, geometry: Geometry) -> None:
        """Paint the heat maps, and their label and axis."""
        painter.save()
        area = QRectF(0.0, 0.0, geometry.width, geometry.height)
        painter.setClipRect(area)
        for own in geometry.stack.lane_rects:
            self.heatmap.paint(painter, shown, geometry, own, area)
        painter.restore()
        every = f"all {number_format.count(geometry.picture.timesteps)} steps"
        painter.setFont(text_font(12))
        painter.setPen(shown.theme.color("muted"))
        label = QRectF(-_LABEL, 0.0, _LABEL - _GAP, geometry.height)
        painter.drawText(label, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, every)
        painter.translate(0.0, geometry.height)
        self._axis.paint(painter, geometry, shown.theme, "", None)

    def paint(self, painter: QPainter, shown: RenderState, view: Geometry, *, taken: bool) -> None:
        """Paint at the origin of the painter, over the lanes `view`; a picture that is `taken` waits for all tiles."""
        geometry = self.geometry
        if geometry is None:
            return
        density = painter.deviceTransform().m11()
        self.heatmap.prepare(
            shown, geometry, density, QRectF(0.0, 0.0, geometry.width, geometry.height) if taken else None
        )
        # Tiles of other scales may have stood in for some.
        complete, styles = self.heatmap.complete, tuple(tiles.style for tiles in shown.tiles)
        key = styles, geometry, density, shown.split, shown.theme.name, complete
        if self._drawn is None or self._drawn[0] != key or not complete:
            picture = QPixmap(ceil((geometry.width + _LABEL) * density), ceil(self.height * density))
            picture.setDevicePixelRatio(density)
            picture.fill(shown.theme.color("base"))
            with QPainter(picture) as into:
                into.translate(_LABEL, 0.0)
                self._paint_lanes(into, shown, geometry)
            self._drawn = key, picture
        painter.drawPixmap(QPointF(-_LABEL, 0.0), self._drawn[1])
        theme, part, accent = shown.theme, self.part(view.camera), shown.theme.color("accent")
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for color, width in ((theme.color("base"), 5.0), (accent, 2.5)):
            painter.setPen(QPen(color, width))
            painter.drawRoundedRect(part.adjusted(1.0, -2.0, -1.0, 2.0), 4.0, 4.0)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(accent)
        for x in (part.left(), part.right()):
            painter.drawRoundedRect(QRectF(x - 3.0, part.center().y() - _GRIP / 2.0, 6.0, _GRIP), 3.0, 3.0)
        accent.setAlphaF(0.6)
        painter.setPen(QPen(accent, 1.0))
        top, bottom = geometry.height + scaled(_NUMBERS), self.height
        painter.drawLine(QPointF(part.left(), top), QPointF(0.0, bottom))
        painter.drawLine(QPointF(part.right(), top), QPointF(geometry.width, bottom))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
