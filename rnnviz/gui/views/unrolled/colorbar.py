"""Color bars of the hidden lanes and of the input, with a legend of special values."""

from collections.abc import Callable
from math import ceil, floor

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QCursor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import (
    QGraphicsItem,
    QGraphicsSceneMouseEvent,
    QGraphicsWidget,
    QStyleOptionGraphicsItem,
    QWidget,
)

from rnnviz.core import number_format
from rnnviz.core.trace_index import INPUT, Lane
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.colormap import SPECIAL_WORDS, STEPS, ColorScale, hatch, rounded_up
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.gui.views.unrolled.tiles import image_of

WIDTH = 92.0
_LEFT, _BAR, _TICK = 14.0, 14.0, 4.0
_LINE = 15.0
_MARGIN = 8.0
_SHORTEST_BAR = 44.0


class ColorBar(QGraphicsWidget):
    """Is at the right edge of the lanes and spans them. A click opens the menu of ranges."""

    clicked = Signal()

    def __init__(self, parent: QGraphicsItem | None = None) -> None:
        super().__init__(parent)
        self._shown: RenderState | None = None
        self._geometry: Geometry | None = None
        self._computing = False
        self.setCursor(QCursor(Qt.CursorShape.PointingHandCursor))
        self.setMinimumWidth(0.0)
        self.setMaximumWidth(0.0)

    def show_lanes(self, shown: RenderState | None, geometry: Geometry | None) -> None:
        same = shown is self._shown and _lanes_of(geometry) == _lanes_of(self._geometry)
        self._shown, self._geometry = shown, geometry
        if not same:
            self.update()

    def make_room(self, shown: RenderState | None) -> None:
        """Set the width to that of bars and ticks."""
        width = float(scaled(WIDTH)) if shown is not None else 0.0
        self.setMinimumWidth(width)
        self.setMaximumWidth(width)

    def show_computing(self, lanes: frozenset[Lane]) -> None:
        """Show whether a lane is still being computed: its colors belong to the previous values."""
        if bool(lanes) != self._computing:
            self._computing = bool(lanes)
            self.update()

    def legend(self) -> list[str]:
        """Labels of the visible special colors."""
        return [] if self._shown is None else [SPECIAL_WORDS[index] for index in sorted(self._shown.seen)]

    def heading(self) -> tuple[str, ...]:
        """Lines of the heading: the quantity of the hidden lanes."""
        return ("h",) if self._shown is None else self._shown.heading()

    def ticks(self, lane: Lane = Lane(0), most: float = 5.0) -> list[tuple[float, str]]:  # noqa: B008
        """Values and texts of at most about `most` ticks of a lane's bar."""
        return [] if self._shown is None else _ticks(self._shown.paint.of(lane)[0], most)

    def mousePressEvent(self, event: QGraphicsSceneMouseEvent) -> None:
        """Request the menu."""
        event.accept()
        self.clicked.emit()

    def boundingRect(self) -> QRectF:
        """The area without its margin, so that changes in lanes or axis do not repaint the bars."""
        return QRectF(_MARGIN, 0.0, self.size().width() - _MARGIN, self.size().height() - _MARGIN)

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        shown, geometry = self._shown, self._geometry
        if shown is None or geometry is None:
            return
        font = self.font()
        font.setPixelSize(scaled(11))
        painter.setFont(font)
        hidden_top = max(geometry.top_of(geometry.stack.lane_rects[0]), 6.0)
        lane_rect = geometry.stack.lane_rect(INPUT)
        split = min(geometry.top_of(lane_rect), geometry.height)
        bottom = min(split + lane_rect.height, geometry.height - 4.0)
        hidden_bottom = split - 10.0 if split < geometry.height else geometry.height - 6.0
        top = self._paint_legend(painter, shown, hidden_top)
        self._paint_bar(painter, shown, Lane(0), top, hidden_bottom)
        if bottom - split > scaled(_LINE):
            self._paint_bar(painter, shown, INPUT, split, bottom)

    def _paint_legend(self, painter: QPainter, shown: RenderState, top: float) -> float:
        for index in sorted(shown.seen):
            pixels = np.full((11, int(_BAR)), shown.paint.hidden_table[index], np.uint32)
            hatch(pixels, np.full(pixels.shape, index, np.uint8), 0, 0, shown.theme)
            painter.drawImage(QPointF(_LEFT, top + 2.0), image_of(pixels))
            painter.setPen(shown.theme.color("text"))
            painter.drawText(QPointF(_LEFT + _BAR + 6.0, top + scaled(12)), SPECIAL_WORDS[index])
            top += scaled(_LINE)
        return top + (6.0 if shown.seen else 0.0)

    def _paint_bar(self, painter: QPainter, shown: RenderState, lane: Lane, top: float, bottom: float) -> None:
        theme, (scale, table) = shown.theme, shown.paint.of(lane)
        heading = ("x",) if lane.layer is None else self.heading()
        tick: Callable[[float], str] = number_format.error if shown.differs(lane) else _tick
        painter.setPen(theme.color("muted"))
        if bottom - top < scaled(_SHORTEST_BAR):
            text = f"{heading[0]} {tick(scale.low)} … {tick(scale.high)}"
            if scale.low == -scale.high:
                text = f"{heading[0]} ±{tick(scale.high)}"
            room = QRectF(_LEFT, top, self.size().width(), bottom - top)
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, number_format.true_minus(text))
            return
        metrics = QFontMetricsF(painter.font())
        if lane.layer is not None and self._computing:
            heading = (*heading, "computing …")
        for line in heading:
            # The names of two engines may differ at either end.
            short = metrics.elidedText(line, Qt.TextElideMode.ElideMiddle, self.size().width() - _LEFT)
            painter.drawText(QPointF(_LEFT, top + metrics.ascent()), short)
            top += metrics.height()
        top += 2.0
        bar = QRectF(_LEFT, top, _BAR, bottom - top)
        # One by one, as an image that is stretched has other colors where only a part of it is painted.
        edges = np.linspace(bar.bottom(), bar.top(), STEPS + 1).tolist()
        for shade, under, over in zip(table[:STEPS].tolist(), edges, edges[1:], strict=False):
            painter.fillRect(QRectF(_LEFT, over, _BAR, under - over), QColor.fromRgb(shade))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.color("border"), 1.0))
        painter.drawRect(bar)
        for value, text in _ticks(scale, bar.height() / (1.6 * scaled(_LINE))):
            y = bar.bottom() - scale.share(value) * bar.height()
            limit = scale.error_ratio and value == 1.0
            color: QColor = theme.color("wrong" if limit else "text")
            painter.setPen(QPen(color, 2.0 if limit else 1.0))
            painter.drawLine(QPointF(bar.left() if limit else bar.right(), y), QPointF(bar.right() + _TICK, y))
            place = min(max(y, bar.top() + 4.0), bar.bottom() - 4.0)
            painter.drawText(QPointF(bar.right() + _TICK + 4.0, place + metrics.ascent() / 2.0 - 1.0), text)


def _ticks(scale: ColorScale, most: float) -> list[tuple[float, str]]:
    """Round values on a linear scale, powers of ten on a logarithmic one."""
    if not scale.error_ratio:
        step = rounded_up((scale.high - scale.low) / (4.0 if most >= 5 else 2.0) * (1.0 - 1e-9))
        if step > scale.high:
            # The largest round number on the scale.
            step = 1.0 / rounded_up(1.0 / scale.high * (1.0 - 1e-9))
        inside = range(ceil(scale.low / step - 1e-9), floor(scale.high / step + 1e-9) + 1)
        return [(k * step, number_format.true_minus(number_format.error(k * step))) for k in inside]
    low, high = round(np.log10(scale.low)), round(np.log10(scale.high))
    step = max(1, int(np.ceil((high - low) / max(most, 1.0))))
    powers = sorted({low, high, *range(0, high, step), *range(0, low, -step)})
    return [(10.0**power, _power(power, power == low)) for power in powers]


def _power(power: int, lowest: bool) -> str:
    if power == 0:
        return "1 = limit"
    if power > 0:
        return number_format.count(10**power) if power < 5 else f"1e{power}"
    text = f"{10.0**power:g}"
    return f"≤ {text}" if lowest else text


def _tick(value: float) -> str:
    return "0" if value == 0.0 else number_format.short(value) if abs(value) < 0.095 else f"{value:.3g}"


def _lanes_of(geometry: Geometry | None) -> object:
    """Inputs of the bars from a geometry, which exclude the visible time."""
    return None if geometry is None else (geometry.stack, geometry.camera.scroll, geometry.height)
