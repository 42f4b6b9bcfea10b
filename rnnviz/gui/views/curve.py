"""The curves of a plot: lines through outlines' points, and where these are few a dot at each."""

from collections.abc import Callable

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QTransform
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.quantities.minmax_envelope import Outline, drop_collinear

_DOTS_SHOWN = 64
"""Up to this many time steps each value has its own dot; a sequence of one step is nothing but dots."""
_BESIDE = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
"""Pixels to the right and down of the thin lines that make a wide one."""


class Curve:
    """One line. It thins nothing: an outline holds no more points than there are pixels for."""

    def __init__(self, pen: QPen, depth: float, changed: Callable[[], None]) -> None:
        self._path = QPainterPath()
        self._dots: list[QPointF] = []
        self._changed = changed
        self.outline: Outline | None = None
        """What is drawn."""
        self.visible = True
        self.draw_with(pen, depth)

    def draw_with(self, pen: QPen, depth: float) -> None:
        """Draw with another pen, at another depth; curves of greater depth lie above."""
        self.depth, self._pen = depth, pen
        self._dot = QPen(pen.color(), 2 * round(pen.widthF()) + 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        self._dot.setCosmetic(True)
        self._changed()

    def show_outline(self, outline: Outline) -> None:
        """Draw another outline; NaN and infinities leave gaps."""
        self.outline = outline
        x, y = outline.points()
        self._dots = _finite_points(x, y) if outline.timesteps <= _DOTS_SHOWN else []
        x, y = drop_collinear(x, y)
        self._path = pg.arrayToQPath(x, np.asarray(y, np.float64), connect="finite")
        self._changed()

    def set_visible(self, visible: bool) -> None:
        """Draw the curve, or leave it out."""
        self.visible = visible
        self._changed()

    def paint(self, painter: QPainter) -> None:
        """Draw the line in the plot's coordinates."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if self._pen.widthF() <= 1.0 or self._pen.style() != Qt.PenStyle.SolidLine:
            painter.setPen(self._pen)
            painter.drawPath(self._path)
        else:
            self._paint_wide(painter)
        if self._dots:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(self._dot)
            painter.drawPoints(self._dots)

    def _paint_wide(self, painter: QPainter) -> None:
        """Draw thin lines side by side: a wide one has its outline computed, which takes ten times as long."""
        thin = QPen(self._pen)
        thin.setWidthF(1.0)
        painter.setPen(thin)
        there = painter.transform()
        for right, down in _BESIDE:
            painter.setTransform(there * QTransform.fromTranslate(right, down))
            painter.drawPath(self._path)
        painter.setTransform(there)


class CurvesItem(pg.GraphicsObject):
    """All curves of a plot as one picture, which is kept until a curve or the part in sight changes.

    So the selection passes over them at no cost.
    """

    def __init__(self) -> None:
        super().__init__()
        self._curves: list[Curve] = []
        self.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)

    def add(self, pen: QPen, depth: float) -> Curve:
        """A curve without values yet; those of greater depth lie above."""
        curve = Curve(pen, depth, self.update)
        self._curves.append(curve)
        return curve

    def remove(self, curve: Curve) -> None:
        """Draw a curve no more."""
        self._curves.remove(curve)
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(self.viewRect())

    def viewRangeChanged(self) -> None:
        """Another part is in sight."""
        self.prepareGeometryChange()
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        for curve in sorted(self._curves, key=lambda curve: curve.depth):
            if curve.visible:
                curve.paint(painter)


def _finite_points(x: NDArray[np.float64], y: FloatArray) -> list[QPointF]:
    return [QPointF(*point) for point in zip(x.tolist(), y.tolist(), strict=True) if np.isfinite(point[1])]


def cosmetic_pen(color: QColor, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    """A pen whose width is in pixels, whatever the plot's scale."""
    pen = QPen(color, width, style)
    pen.setCosmetic(True)
    return pen
