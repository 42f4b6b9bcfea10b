"""Graphics item that paints all lanes in the window's pixels: heat maps, or boxes with numbers and arrows."""

from itertools import pairwise

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QBackingStore,
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QGraphicsItem, QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.colormap import PADDING, STEPS, hatch, pixel
from rnnviz.gui.views.unrolled.geometry import FRAME, Geometry, LaneRect, Scale
from rnnviz.gui.views.unrolled.heatmap import HeatmapLayer
from rnnviz.gui.views.unrolled.lane_text import Block, block_in_view
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.gui.views.unrolled.tiles import BOLD_OUTLINE, image_of

_HEAD = 5.0


def arrow(painter: QPainter, start: QPointF, end: QPointF, color: QColor, width: float = 1.4) -> None:
    """A horizontal or vertical arrow."""
    dx, dy = end.x() - start.x(), end.y() - start.y()
    length = max(abs(dx), abs(dy), 1e-9)
    ux, uy = dx / length, dy / length
    head = min(_HEAD, length)
    base = QPointF(end.x() - ux * head, end.y() - uy * head)
    side = head * 0.62
    painter.setPen(QPen(color, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
    painter.drawLine(start, base)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    left, right = (
        QPointF(base.x() - uy * side, base.y() + ux * side),
        QPointF(base.x() + uy * side, base.y() - ux * side),
    )
    painter.drawPolygon(QPolygonF([end, left, right]))
    painter.setBrush(Qt.BrushStyle.NoBrush)


_ROOM_FOR_LABEL = 32.0
_HATCHED_EDGE = 14.0
_LABEL_FONT, _LARGEST_LABEL = 10, 13


def paint_boxes(painter: QPainter, shown: RenderState, geometry: Geometry, block: Block, density: float) -> None:
    """Fill the boxes of a lane and outline the mismatches."""
    lane_rect = block.lane_rect
    scale = Scale(lane_rect.row * density, lane_rect.rows)
    first, stop = scale.span(block.rows.start)[0], scale.span(block.rows.stop - 1)[1]
    bins = scale.bins(first, stop)
    rows = bins.starts - block.rows.start
    edges = np.append(np.diff(bins.starts) > 0, False)
    colors = shown.paint.of(lane_rect.lane).table[block.indices]
    top = geometry.top_of(lane_rect) + first / density
    ground = pixel(shown.theme.base)
    for place, timestep in enumerate(block.timesteps):
        x, width = geometry.column(timestep)
        left, across = round(x * density), max(1, round(width * density))
        column = np.repeat(colors[rows, place, None], across, axis=1)
        # The middle is the number's.
        edge = min(across // 6, round(_HATCHED_EDGE * density))
        if timestep >= len(geometry.picture.computed) and (block.indices[:, place] == PADDING).all():
            edge = across
        indices = np.repeat(block.indices[rows, place, None], edge, axis=1)
        for part in (column[:, :edge], column[:, across - edge :]):
            hatch(part, indices, 0, first, shown.theme, max(round(density), 1))
        column[edges] = ground
        image = image_of(column)
        image.setDevicePixelRatio(density)
        painter.drawImage(QPointF(left / density, round(top * density) / density), image)
    _outline(painter, shown, geometry, block)


def paint_numbers(painter: QPainter, shown: RenderState, geometry: Geometry, block: Block, exposed: QRectF) -> None:
    size = geometry.font_pixels(block.lane_rect)
    if not size:
        return
    font = number_font(size)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    advance, rise = metrics.horizontalAdvance("0"), (metrics.ascent() - metrics.descent()) / 2.0
    paint = shown.paint.of(block.lane_rect.lane)
    top, scale = geometry.top_of(block.lane_rect), Scale(block.lane_rect.row, block.lane_rect.rows)
    centers = [geometry.x_of(timestep) for timestep in block.timesteps]
    half = geometry.box_width / 2.0
    inside = [exposed.left() - half <= center <= exposed.right() + half for center in centers]
    digits = digits_on(geometry, block.lane_rect)
    for row, (place_down, texts) in enumerate(zip(block.rows, block.texts(digits), strict=True)):
        begin, end = scale.span(place_down)
        if top + end < exposed.top() or top + begin > exposed.bottom():
            continue
        baseline = top + (begin + end) / 2.0 + rise
        for place, text in enumerate(texts):
            if inside[place]:
                index, width = block.indices[row, place], advance * len(text)
                left = centers[place] - width / 2.0
                if index >= STEPS and text:
                    # Letters on a pattern are hard to read.
                    height = min(metrics.height(), end - begin - 2.0)
                    ground = QRectF(left - 1.0, top + (begin + end - height) / 2.0, width + 2.0, height)
                    painter.fillRect(ground, QColor.fromRgb(int(paint.table[index])))
                painter.setPen(paint.inks[index])
                painter.drawText(QPointF(left, baseline), text)


def paint_recurrence(painter: QPainter, shown: RenderState, geometry: Geometry, block: Block) -> None:
    """Arrows from h[t-1] to h[t], or from h[t+1] to h[t] in a backward lane; of gradients the other way."""
    if block.lane_rect.lane.layer is None:
        return
    backward = block.lane_rect.lane.backward
    y = round(geometry.top_of(block.lane_rect) + block.lane_rect.height / 2.0) + 0.5
    color = shown.theme.color("muted")
    # Past the edges of the view, so that an arrow goes on to the step that is just out of it.
    # A backward lane begins in the column of its initial state.
    last = shown.length - (0 if backward and shown.initial_name else 1)
    last = min(last, geometry.picture.timesteps - 1)
    steps = [t for t in block.timesteps if t <= max(last, shown.length - 1) or t == geometry.picture.timesteps]
    if steps and steps[0] > 0:
        steps.insert(0, steps[0] - 1)
    if steps and steps[-1] < last:
        steps.append(steps[-1] + 1)
    for before, after in pairwise(steps):
        left, width = geometry.column(before)
        start, end = left + width + FRAME + 1.0, geometry.column(after)[0] - FRAME - 1.0
        ends = QPointF(start, y), QPointF(end, y)
        reversed_arrow = backward != shown.gradient
        arrow(painter, ends[reversed_arrow], ends[not reversed_arrow], color)
        if end - start >= _ROOM_FOR_LABEL:
            _label(painter, shown, QRectF(start, y - 18.0, end - start, 14.0), "h2h", Qt.AlignmentFlag.AlignHCenter)


def paint_frames(painter: QPainter, shown: RenderState, geometry: Geometry) -> None:
    """Frame the values that one layer computes at one time step, with an arrow from its inputs; of gradients, to them.

    Both directions of a layer share a frame: they have the same inputs, and the layer above reads both.
    """
    layers = _layers(geometry)
    edge = QPen(shown.theme.color("border"), 1.0)
    for timestep in geometry.timesteps_in_view():
        if timestep not in geometry.picture.computed:
            break
        x, width = geometry.column(timestep)
        below: float | None = None
        for lane_rects in layers:
            top = geometry.top_of(lane_rects[0]) - FRAME
            bottom = geometry.top_of(lane_rects[-1]) + lane_rects[-1].height + FRAME
            painter.setPen(edge)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(x - FRAME, top, width + 2.0 * FRAME, bottom - top), FRAME, FRAME)
            if below is not None:
                center = round(x + width / 2.0) + 0.5
                ends = QPointF(center, below - 1.0), QPointF(center, bottom + 1.0)
                arrow(painter, ends[shown.gradient], ends[not shown.gradient], shown.theme.color("muted"))
                if width >= _ROOM_FOR_LABEL:
                    place = QRectF(center + 6.0, bottom, width / 2.0, below - bottom)
                    _label(painter, shown, place, "i2h", Qt.AlignmentFlag.AlignLeft)
            below = top


def digits_on(geometry: Geometry, lane_rect: LaneRect) -> int:
    advance = QFontMetricsF(number_font(geometry.font_pixels(lane_rect))).horizontalAdvance("0")
    return max(geometry.picture.digits, int((geometry.box_width - 4.0) / advance))


def number_font(pixels: int) -> QFont:
    font = code_font()
    font.setPixelSize(pixels)
    return font


def _outline(painter: QPainter, shown: RenderState, geometry: Geometry, block: Block) -> None:
    if not block.marks.any():
        return
    top, scale = geometry.top_of(block.lane_rect), Scale(block.lane_rect.row, block.lane_rect.rows)
    rects = []
    for row, place in np.argwhere(block.marks):
        x, width = geometry.column(block.timesteps[place])
        first, stop = scale.span(block.rows[row])
        rects.append(QRectF(x, top + first, width, stop - first))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    bold = block.lane_rect.row >= BOLD_OUTLINE
    for role, stroke in (("outline_under", 4.0 if bold else 3.0), ("outline", 2.0 if bold else 1.0)):
        pen = QPen(shown.theme.color(role), stroke)
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.drawRects(rects)


def _layers(geometry: Geometry) -> list[list[LaneRect]]:
    """Lanes grouped by frame, from the input up."""
    layers: dict[int | None, list[LaneRect]] = {}
    for lane_rect in geometry.stack.lane_rects:
        layers.setdefault(lane_rect.lane.layer, []).append(lane_rect)
    return list(reversed(layers.values()))


def _label(painter: QPainter, shown: RenderState, rect: QRectF, text: str, side: Qt.AlignmentFlag) -> None:
    font = painter.font()
    # Between two layers there is no room for more.
    small = number_font(min(scaled(_LABEL_FONT), _LARGEST_LABEL))
    painter.setFont(small)
    painter.setPen(shown.theme.color("muted"))
    painter.drawText(rect, side | Qt.AlignmentFlag.AlignVCenter, text)
    painter.setFont(font)


_SPLIT_REACH = 2.0
"""Tolerance in pixels for the split after rounding to screen pixels."""


class LanesItem(QGraphicsObject):
    """Paints the exposed part of the visible lanes."""

    special_seen = Signal()
    """A special value has been painted for the first time."""

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent)
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._shown: RenderState | None = None
        self._geometry: Geometry | None = None
        self.complete = False
        """Whether the visible lanes are painted completely on the screen."""
        self.heatmap = HeatmapLayer(self)
        self.heatmap.tiles_ready.connect(self.update)

    def show_lanes(self, shown: RenderState | None, geometry: Geometry | None) -> None:
        if _size(geometry) != _size(self._geometry):
            self.prepareGeometryChange()
        self._shown, self._geometry = shown, geometry
        self.complete = False
        if shown is None:
            self.heatmap.reset()
        self.update()

    def stop(self) -> None:
        """Stop the rendering thread until the next paint."""
        self.heatmap.renderer.stop()

    def move_split(self, shown: RenderState, geometry: Geometry) -> None:
        """Move the split between two engines, and repaint only the changed part."""
        before, self._shown = self._shown, shown
        self.complete = False
        if before is not None and before.split != shown.split:
            left, right = sorted(geometry.edge(shown_at.split) for shown_at in (before, shown))
            self.update(QRectF(left - _SPLIT_REACH, 0.0, right - left + 2.0 * _SPLIT_REACH, geometry.height))

    def boundingRect(self) -> QRectF:
        return QRectF(0.0, 0.0, *_size(self._geometry))

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        shown, geometry = self._shown, self._geometry
        if shown is None or geometry is None:
            return
        exposed: QRectF = option.exposedRect  # type: ignore[attr-defined]
        density, seen = painter.deviceTransform().m11(), len(shown.seen)
        on_screen = _on_screen(painter, widget)
        self.heatmap.prepare(shown, geometry, density, None if on_screen else exposed)
        if geometry.boxes:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            paint_frames(painter, shown, geometry)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for lane_rect in geometry.lane_rects_in_view():
            top = geometry.top_of(lane_rect)
            if top > exposed.bottom() + 2.0 or top + lane_rect.height < exposed.top() - 2.0:
                continue
            numbered = geometry.font_pixels(lane_rect) > 0
            block = block_in_view(shown, geometry, lane_rect) if geometry.boxes or numbered else None
            if block is not None:
                shown.left.tiles.seen.update(block.special)
            if geometry.boxes and block is not None:
                paint_boxes(painter, shown, geometry, block, density)
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                paint_recurrence(painter, shown, geometry, block)
                painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            else:
                self.heatmap.paint(painter, shown, geometry, lane_rect, exposed)
            if numbered and block is not None:
                paint_numbers(painter, shown, geometry, block, exposed)
        if len(shown.seen) > seen:
            self.special_seen.emit()
        self.complete = self.complete or (on_screen and self.heatmap.complete)


def _on_screen(painter: QPainter, widget: QWidget | None) -> bool:
    """Whether the window itself is painted, which repaints later; a picture of it does not."""
    if widget is None:
        return False
    shown: QBackingStore | None = widget.window().backingStore()
    return shown is not None and painter.paintEngine().paintDevice() is shown.paintDevice()


def _size(geometry: Geometry | None) -> tuple[float, float]:
    return (0.0, 0.0) if geometry is None else (geometry.width, geometry.height)
