"""Minimap above the lanes: the whole sequence, the part in view, and the time steps with mismatches."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QCursor, QPainter, QPen
from PySide6.QtWidgets import (
    QGraphicsItem,
    QGraphicsSceneMouseEvent,
    QGraphicsWidget,
    QStyleOptionGraphicsItem,
    QWidget,
)

from rnnviz.core import number_format
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.verify.compare import Comparison

HEIGHT = 15.0
"""Height of the strip, also for badges; the map itself is lower."""
_MAP = 8.0
_TRACK, _NARROWEST, _WIDE_STEP = 3.0, 6.0, 3.0


class Minimap(QGraphicsWidget):
    """A strip with the width of the lanes. A click or a drag moves the part in view."""

    time_requested = Signal(float)
    """Time step for the center of the view."""

    def __init__(self, parent: QGraphicsItem | None = None) -> None:
        super().__init__(parent)
        self._shown: RenderState | None = None
        self._geometry: Geometry | None = None
        self._comparison: Comparison | None = None
        self._steps: NDArray[np.int64] = np.zeros(0, np.int64)
        self._pixels: tuple[float, list[int]] = (0.0, [])
        self.setCursor(QCursor(Qt.CursorShape.PointingHandCursor))
        self.make_room(None)

    def make_room(self, shown: RenderState | None) -> None:
        """Set the height. Mismatches are counted once for each comparison."""
        height = 0.0 if shown is None else float(scaled(HEIGHT))
        self.setMinimumHeight(height)
        self.setMaximumHeight(height)
        comparison = None if shown is None else shown.comparison
        if comparison is not self._comparison:
            self._comparison = comparison
            differ = np.zeros(0, bool) if comparison is None else (comparison.mismatched_over_time > 0).any(axis=(0, 1))
            self._steps, self._pixels = np.flatnonzero(differ), (0.0, [])

    def show_lanes(self, shown: RenderState | None, geometry: Geometry | None) -> None:
        self._shown, self._geometry = shown, geometry
        if geometry is not None and self._pixels[0] != geometry.width:
            places = np.unique((2 * self._steps + 1) * int(geometry.width) // (2 * geometry.picture.timesteps))
            self._pixels = geometry.width, places.tolist()
        self.update()

    @property
    def part(self) -> QRectF:
        """Rectangle of the part in view; null if that is the whole sequence."""
        geometry = self._geometry
        if geometry is None or geometry.camera.span >= geometry.picture.timesteps:
            return QRectF()
        per_step = geometry.width / geometry.picture.timesteps
        width = max(geometry.camera.span * per_step, _NARROWEST)
        left = min(max((geometry.camera.start + 0.5) * per_step, 0.0), geometry.width - width)
        return QRectF(left, 3.0, width, _MAP)

    @property
    def ticks(self) -> list[int]:
        """Pixels with mismatches; none while the lanes show every time step wide enough for its own marks."""
        geometry = self._geometry
        if geometry is None or (self.part.isNull() and geometry.pitch >= _WIDE_STEP):
            return []
        return self._pixels[1]

    def words(self) -> str:
        """Description of the strip."""
        geometry = self._geometry
        if geometry is None or (self.part.isNull() and not self.ticks):
            return ""
        steps, whole = len(geometry.timesteps_in_view()), geometry.picture.timesteps
        in_view = f"{number_format.count(steps)} of {number_format.count(whole)} time steps are in view."
        return f"{in_view} Marks are time steps with mismatches. Click or drag to move."

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        shown, part = self._shown, self.part
        if shown is None:
            return
        if not part.isNull():
            track = QRectF(0.0, 3.0 + (_MAP - _TRACK) / 2.0, self.size().width(), _TRACK)
            painter.fillRect(track, shown.theme.color("grid"))
        for x in self.ticks:
            painter.fillRect(QRectF(x - 1.0, 4.0, 2.0, _MAP - 2.0), shown.theme.color("wrong"))
        if not part.isNull():
            tint = shown.theme.color("accent")
            painter.setPen(QPen(tint, 1.0))
            tint.setAlphaF(0.3)
            painter.setBrush(tint)
            painter.drawRect(part.adjusted(0.5, 0.5, -0.5, -0.5))

    def mousePressEvent(self, event: QGraphicsSceneMouseEvent) -> None:
        """Move the view, also while dragging."""
        event.accept()
        self._move(event.pos().x())

    def mouseMoveEvent(self, event: QGraphicsSceneMouseEvent) -> None:
        self._move(event.pos().x())

    def _move(self, x: float) -> None:
        if self._geometry is not None:
            self.time_requested.emit(x / self._geometry.width * self._geometry.picture.timesteps - 0.5)

    def boundingRect(self) -> QRectF:
        return QRectF(QPointF(), self.size())
