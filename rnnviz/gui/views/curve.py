"""A curve of a plot: a line through an outline's points, and where these are few a dot at each."""

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPen

from rnnviz.analysis.outline import Outline

_DOTS_SHOWN = 64
"""Up to so many timesteps each value has a dot of its own; a sequence of one step is nothing but dots."""


class Curve(pg.PlotCurveItem):
    """Draws what it is given and thins nothing: an outline holds no more than there are pixels."""

    def __init__(self, pen: QPen, depth: float) -> None:
        super().__init__(connect="finite", antialias=False)
        self._dots: list[QPointF] = []
        self.draw_with(pen, depth)

    def draw_with(self, pen: QPen, depth: float) -> None:
        """Draw with another pen, at another depth; curves of greater depth lie above."""
        self._radius = round(pen.widthF()) + 1
        self._dot = QPen(pen.color(), 2 * self._radius, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        self._dot.setCosmetic(True)
        self.setPen(pen)
        self.setZValue(depth)

    def show_outline(self, outline: Outline) -> None:
        """Draw another outline; NaN and infinities leave gaps."""
        x, y = outline.points()
        few = outline.timesteps <= _DOTS_SHOWN
        self._dots = [QPointF(*point) for point in zip(x.tolist(), y.tolist(), strict=True)] if few else []
        self.setData(x, y)

    def pixelPadding(self) -> float:
        """Dots reach further than the line."""
        return float(max(super().pixelPadding(), self._radius if self._dots else 0))

    def paint(self, painter: QPainter, option: Any, widget: Any) -> None:
        super().paint(painter, option, widget)
        if self._dots:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(self._dot)
            painter.drawPoints([dot for dot in self._dots if abs(dot.y()) < float("inf")])
