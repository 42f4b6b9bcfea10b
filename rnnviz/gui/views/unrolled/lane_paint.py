"""Painting of one lane: its heat map or boxes, the column of the initial state, and the numbers in the boxes."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QRegion
from PySide6.QtWidgets import QApplication

from rnnviz.gui.views.unrolled.colormap import STEPS
from rnnviz.gui.views.unrolled.geometry import Geometry, LaneRect, Scale
from rnnviz.gui.views.unrolled.heatmap import HeatmapLayer
from rnnviz.gui.views.unrolled.lane_text import Block, block_in_view
from rnnviz.gui.views.unrolled.margins import code_pixels
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.gui.views.unrolled.tiles import Sheet, draw_boxes, image_of

_NO_DIFFERENCE = "no difference"


def paint_lane(
    painter: QPainter,
    heatmap: HeatmapLayer,
    shown: RenderState,
    geometry: Geometry,
    own: LaneRect,
    parts: Sequence[QRectF],
    dirty: QRegion,
) -> None:
    """Paint parts of a lane; of its numbers, those in the `dirty` region."""
    if own.band:
        area = QRectF(*geometry.lane_area(own)) & QRectF(0.0, 0.0, geometry.width, geometry.height)
        painter.fillRect(area, shown.theme.color("window"))
        painter.setFont(QApplication.font())
        painter.setPen(shown.theme.color("muted"))
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, _NO_DIFFERENCE)
        return
    room = geometry.room(own)
    if own.lane.layer is None and shown.hot is not None:
        _paint_hot(painter, shown, geometry, own)
    else:
        for part in parts:
            heatmap.paint(painter, shown, geometry, own, part)
        _paint_initial(painter, shown, geometry, own)
    if room:
        block = block_in_view(shown, geometry, own)
        shown.left.tiles.seen.update(block.special)
        _paint_numbers(painter, shown, geometry, block, room, dirty)


def _paint_hot(painter: QPainter, shown: RenderState, geometry: Geometry, own: LaneRect) -> None:
    """The row of an input that has one feature at each time step: boxes without a color, or one bar."""
    steps = geometry.timesteps_in_view()
    steps = range(steps.start, min(steps.stop, shown.length))
    if not steps:
        return
    color = shown.theme.color("raised")
    if not geometry.boxes:
        painter.fillRect(QRectF(*geometry.lane_area(own, steps)), color)
        return
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    for timestep in steps:
        painter.drawRoundedRect(QRectF(*geometry.lane_area(own, range(timestep, timestep + 1))), 2.0, 2.0)


def _paint_initial(painter: QPainter, shown: RenderState, geometry: Geometry, own: LaneRect) -> None:
    """The column of the initial state, which tiles do not have."""
    timestep = geometry.initial_timestep(own.lane)
    state = None if timestep is None else shown.initial(own.lane)
    if timestep is None or state is None:
        return
    density = painter.deviceTransform().m11()
    (left, width), units = geometry.span(timestep), Scale(own.row * density, own.rows)
    begin, across = round(left * density), max(round(width * density), 1)
    colors = shown.paint.of(own.lane)
    order = [geometry.picture.unit_at(own.lane, row) for row in range(own.rows)]
    values = state[order][units.bins(0, units.pixels).starts]
    pixels = np.repeat(colors.table[colors.scale.indices(values)][:, np.newaxis], across, axis=1)
    sheet = Sheet(float(across), units.size, max(1, round(density)), geometry.gap)
    draw_boxes(pixels, None, (Scale(float(across), 1), units), (0, 0), sheet, shown.theme)
    image = image_of(pixels)
    image.setDevicePixelRatio(density)
    painter.drawImage(QPointF(begin / density, round(geometry.top_of(own) * density) / density), image)


def _paint_numbers(
    painter: QPainter, shown: RenderState, geometry: Geometry, block: Block, room: int, dirty: QRegion
) -> None:
    own = block.lane_rect
    font = code_pixels(geometry.font_pixels(own))
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    advance, rise = metrics.horizontalAdvance("0"), (metrics.ascent() - metrics.descent()) / 2.0
    paint, top = shown.paint.of(own.lane), geometry.top_of(own)
    columns = [geometry.column(timestep) for timestep in block.timesteps]
    asked = [dirty.intersects(QRectF(x, top, width, own.height).toAlignedRect()) for x, width in columns]
    bounds = dirty.boundingRect()
    for row, (place_down, texts) in enumerate(zip(block.rows, block.texts(room), strict=True)):
        begin, end = own.scale.span(place_down)
        if top + end < bounds.top() or top + begin > bounds.bottom() + 1:
            continue
        baseline = top + (begin + end) / 2.0 + rise
        for place, text in enumerate(texts):
            if not text or not asked[place]:
                continue
            left, width = columns[place]
            index, wide = block.indices[row, place], advance * len(text)
            if block.names is not None:
                text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, width - 2.0)
                wide = metrics.horizontalAdvance(text)
            x = left + (width - wide) / 2.0
            if index >= STEPS + 2:
                # Letters on a pattern are hard to read.
                height = min(metrics.height(), end - begin - 2.0)
                ground = QRectF(x - 1.0, top + (begin + end - height) / 2.0, wide + 2.0, height)
                painter.fillRect(ground, QColor.fromRgb(int(paint.table[index])))
            painter.setPen(shown.theme.color("text") if block.names is not None else paint.inks[index])
            painter.drawText(QPointF(x, baseline), text)
