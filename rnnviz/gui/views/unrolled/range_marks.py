"""Marks of the selected range and its active units, and of other ranges along the lower edge."""

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from rnnviz.core.trace_index import Lane
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.unrolled.geometry import CellGeometry, Geometry
from rnnviz.quantities.plot_series import pixel_bands
from rnnviz.quantities.units import Query, Selection

_STRIP, _TICK = 5.0, 6.0


class RangeMarks(QGraphicsItem):
    """Paints nothing without a selected range."""

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent)
        self.setZValue(9)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._theme = LIGHT
        self._geometry: Geometry | None = None
        self._query: Query | None = None
        self._found: Selection | None = None
        self.hide()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def set_geometry(self, geometry: Geometry) -> None:
        """Update the marks for a geometry."""
        if self._query is not None and geometry != self._geometry:
            self.prepareGeometryChange()
        self._geometry = geometry

    def show_range(self, query: Query | None, found: Selection | None) -> None:
        """Set the range, and its result if available."""
        self.prepareGeometryChange()
        self._query, self._found = query, found
        self.setVisible(query is not None)
        self.update()

    def boundingRect(self) -> QRectF:
        geometry = self._geometry
        return QRectF() if geometry is None else QRectF(0.0, 0.0, geometry.width, geometry.height)

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        query, geometry = self._query, self._geometry
        if query is None or geometry is None:
            return
        lane = Lane(query.layer, query.direction)
        if lane not in {shown for shown, _ in geometry.picture.lanes}:
            return
        lane_rect = geometry.stack.lane_rect(lane)
        left, right = geometry.edge(query.times.start), sum(geometry.column(query.times.stop - 1))
        for width, role in ((4.0, "base"), (2.0, "accent")):
            painter.setPen(QPen(self._theme.color(role), width))
            painter.drawRect(QRectF(left, geometry.top_of(lane_rect), max(right - left, 3.0), lane_rect.height))
        if self._found is None:
            return
        for unit in self._found.units:
            rect = geometry.rect(CellGeometry(lane, query.times.start, unit))
            tick = QRectF(left - _TICK - 1.0, rect.y, _TICK, max(rect.height, 1.0))
            painter.fillRect(tick, self._theme.color("accent"))
        self._paint_others(painter, geometry, self._found)

    def _paint_others(self, painter: QPainter, geometry: Geometry, found: Selection) -> None:
        """Draw a strip along the lower edge. Narrow ranges are widened to be visible."""
        ranges = sorted((match.times.start, match.times.stop - 1) for match in found.matches)
        if not ranges:
            return
        low = geometry.camera.start
        bands = pixel_bands(np.array(ranges, np.int64), low, low + geometry.camera.span, int(geometry.width) or 1, 3)
        for start, stop in bands:
            strip = QRectF(float(start), geometry.height - _STRIP, float(stop - start), _STRIP)
            painter.fillRect(strip.adjusted(-1.0, -1.0, 1.0, 0.0), self._theme.color("base"))
            painter.fillRect(strip, self._theme.color("accent"))
