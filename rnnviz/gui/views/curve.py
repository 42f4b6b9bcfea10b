"""Curves of a plot: lines, with a dot at each point where points are few."""

from collections.abc import Callable

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QTransform
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.quantities.plot_series import Outline, drop_collinear

_DOTS_SHOWN = 64
"""Maximum number of visible time steps at which each value has a dot."""
_BESIDE = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
"""Offsets in pixels (right, down) of the thin lines that form a wide one."""


class Curve:
    """One line. An outline has at most as many points as there are pixels, so all are drawn."""

    def __init__(self, pen: QPen, depth: float, changed: Callable[[], None]) -> None:
        self._path = QPainterPath()
        self._dots: list[QPointF] = []
        self._changed = changed
        self.outline: Outline | None = None
        """The drawn outline, or None."""
        self.visible = True
        self.draw_with(pen, depth)

    def draw_with(self, pen: QPen, depth: float) -> None:
        """Set pen and depth. Curves of greater depth are above."""
        self.depth, self._pen = depth, pen
        self._dot = QPen(pen.color(), 2 * round(pen.widthF()) + 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        self._dot.setCosmetic(True)
        self._changed()

    def show_outline(self, outline: Outline) -> None:
        """Draw another outline. NaN and infinities leave gaps."""
        self.outline = outline
        x, y = outline.points()
        self._dots = _finite_points(x, y) if outline.timesteps <= _DOTS_SHOWN else []
        x, y = drop_collinear(x, y)
        self._path = pg.arrayToQPath(x, np.asarray(y, np.float64), connect="finite")
        self._changed()

    def set_visible(self, visible: bool) -> None:
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
        """Draw several thin lines instead of a wide one, whose outline would take ten times as long."""
        thin = QPen(self._pen)
        thin.setWidthF(1.0)
        painter.setPen(thin)
        there = painter.transform()
        for right, down in _BESIDE:
            painter.setTransform(there * QTransform.fromTranslate(right, down))
            painter.drawPath(self._path)
        painter.setTransform(there)


class CurvesItem(pg.GraphicsObject):
    """All curves of a plot as one cached picture, redrawn when a curve or the view range changes.

    The selection line moves over it without a redraw.
    """

    def __init__(self) -> None:
        super().__init__()
        self._curves: list[Curve] = []
        self.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)

    def add(self, pen: QPen, depth: float) -> Curve:
        """Add a curve without values. Curves of greater depth are above."""
        curve = Curve(pen, depth, self.update)
        self._curves.append(curve)
        return curve

    def remove(self, curve: Curve) -> None:
        self._curves.remove(curve)
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(self.viewRect())

    def viewRangeChanged(self) -> None:
        self.prepareGeometryChange()
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        for curve in sorted(self._curves, key=lambda curve: curve.depth):
            if curve.visible:
                curve.paint(painter)


def _finite_points(x: NDArray[np.float64], y: FloatArray) -> list[QPointF]:
    return [QPointF(*point) for point in zip(x.tolist(), y.tolist(), strict=True) if np.isfinite(point[1])]


def cosmetic_pen(color: QColor, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    """A pen with a width in pixels at any scale of the plot."""
    pen = QPen(color, width, style)
    pen.setCosmetic(True)
    return pen
