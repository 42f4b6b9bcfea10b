"""Boxes for cells with their numbers, and arrows between time steps and layers."""

from itertools import pairwise

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontDatabase, QFontMetricsF, QPainter, QPen

from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.colormap import hatch, pixel
from rnnviz.gui.views.unrolled.geometry import FRAME, Geometry
from rnnviz.gui.views.unrolled.layout import LaneRect
from rnnviz.gui.views.unrolled.mismatch_overlay import BOLD_OUTLINE
from rnnviz.gui.views.unrolled.pixel_grid import Scale
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.gui.views.unrolled.shapes import arrow
from rnnviz.gui.views.unrolled.tiles import image_of
from rnnviz.gui.views.unrolled.visible_values import Block

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
    colors = shown.paint.of(lane_rect.lane)[1][block.indices]
    top = geometry.top_of(lane_rect) + first / density
    ground = pixel(shown.theme.base)
    for place, timestep in enumerate(block.timesteps):
        x, width = geometry.column(timestep)
        left, across = round(x * density), max(1, round(width * density))
        column = np.repeat(colors[rows, place, None], across, axis=1)
        # The middle is the number's.
        edge = min(across // 6, round(_HATCHED_EDGE * density))
        indices = np.repeat(block.indices[rows, place, None], edge, axis=1)
        for part in (column[:, :edge], column[:, across - edge :]):
            hatch(part, indices, 0, first, shown.theme, round(density))
        column[edges] = ground
        image = image_of(column)
        image.setDevicePixelRatio(density)
        painter.drawImage(QPointF(left / density, round(top * density) / density), image)
    _outline(painter, shown, geometry, block)


def paint_numbers(painter: QPainter, shown: RenderState, geometry: Geometry, block: Block, exposed: QRectF) -> None:
    """Write the numbers of a lane on its cells."""
    size = geometry.font_pixels(block.lane_rect)
    if not size:
        return
    font = number_font(size)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    advance, rise = metrics.horizontalAdvance("0"), (metrics.ascent() - metrics.descent()) / 2.0
    colors = shown.paint.inks(block.lane_rect.lane)
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
                painter.setPen(colors[block.indices[row, place]])
                painter.drawText(QPointF(centers[place] - advance * len(text) / 2.0, baseline), text)


def paint_recurrence(painter: QPainter, shown: RenderState, geometry: Geometry, block: Block) -> None:
    """Arrows from h[t-1] to h[t], or from h[t+1] to h[t] in a backward lane."""
    if block.lane_rect.lane.layer is None:
        return
    backward = block.lane_rect.lane.backward
    y = round(geometry.top_of(block.lane_rect) + block.lane_rect.height / 2.0) + 0.5
    color = shown.theme.color("muted")
    # Past the edges of the view, so that an arrow goes on to the step that is just out of it.
    last = geometry.picture.timesteps - 1
    steps = list(block.timesteps)
    if steps and steps[0] > 0:
        steps.insert(0, steps[0] - 1)
    if steps and steps[-1] < last:
        steps.append(steps[-1] + 1)
    for before, after in pairwise(steps):
        left, width = geometry.column(before)
        start, end = left + width + FRAME + 1.0, geometry.column(after)[0] - FRAME - 1.0
        ends = QPointF(start, y), QPointF(end, y)
        arrow(painter, ends[backward], ends[not backward], color)
        if end - start >= _ROOM_FOR_LABEL:
            _label(painter, shown, QRectF(start, y - 18.0, end - start, 14.0), "h2h", Qt.AlignmentFlag.AlignHCenter)


def paint_frames(painter: QPainter, shown: RenderState, geometry: Geometry) -> None:
    """Frame the values that one layer computes at one time step, with an arrow from its inputs.

    Both directions of a layer share a frame: they have the same inputs, and the layer above reads both.
    """
    layers = _layers(geometry)
    edge = QPen(shown.theme.color("border"), 1.0)
    for timestep in geometry.timesteps_in_view():
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
                arrow(painter, QPointF(center, below - 1.0), QPointF(center, bottom + 1.0), shown.theme.color("muted"))
                if width >= _ROOM_FOR_LABEL:
                    place = QRectF(center + 6.0, bottom, width / 2.0, below - bottom)
                    _label(painter, shown, place, "i2h", Qt.AlignmentFlag.AlignLeft)
            below = top


def digits_on(geometry: Geometry, lane_rect: LaneRect) -> int:
    """Number of digits that fit on a lane's cell."""
    advance = QFontMetricsF(number_font(geometry.font_pixels(lane_rect))).horizontalAdvance("0")
    return max(geometry.picture.digits, int((geometry.box_width - 4.0) / advance))


def number_font(pixels: int) -> QFont:
    """The system's monospace font."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setStyleHint(QFont.StyleHint.Monospace)
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
