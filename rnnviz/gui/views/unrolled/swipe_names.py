"""Names of the two engines at the sides of the split, above the lanes."""

from typing import NamedTuple

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QGraphicsWidget, QStyleOptionGraphicsItem, QWidget

from rnnviz.core.engine_spec import distinct_names
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.render_state import RenderState

HEIGHT = 20.0
_GAP = 7.0
_NARROWEST = 4.0
"""Minimum width in pixels of a side that has a name."""


class Name(NamedTuple):
    """An engine's name as written, with its left and right end."""

    text: str
    left: float
    right: float


class SwipeNames(QGraphicsWidget):
    """A strip with height 0 unless two engines are shown."""

    def __init__(self, parent: QGraphicsItem | None = None) -> None:
        super().__init__(parent)
        self._shown: RenderState | None = None
        self._geometry: Geometry | None = None
        self.make_room(None)

    def make_room(self, shown: RenderState | None) -> None:
        """Set the height."""
        height = float(scaled(HEIGHT)) if shown is not None and shown.right is not None else 0.0
        self.setMinimumHeight(height)
        self.setMaximumHeight(height)

    def show_lanes(self, shown: RenderState | None, geometry: Geometry | None) -> None:
        self._shown, self._geometry = shown, geometry
        self.update()

    def move_split(self, shown: RenderState, geometry: Geometry) -> None:
        """Move the split between the engines.

        Qt repaints every item that meets the bounding rectangle of all changes, so the changed part must not be
        wider than that of the lanes below.
        """
        before = self._extent()
        self._shown, self._geometry = shown, geometry
        self.update(before.united(self._extent()))

    def names(self) -> list[Name]:
        """The visible names from left to right."""
        shown, geometry = self._shown, self._geometry
        if shown is None or geometry is None or shown.right is None:
            return []
        metrics, width = QFontMetricsF(self._font()), geometry.width
        edge = min(max(geometry.edge(shown.split), 0.0), width)
        left, right = distinct_names((shown.left.engine, shown.right.engine)).values()
        before, after = metrics.horizontalAdvance(left), metrics.horizontalAdvance(right)
        begin = max(edge - _GAP - before, 0.0)
        next_begin = max(min(edge + _GAP, width - after), 0.0)
        if min(edge, width - edge) < _NARROWEST or before + 2.0 * _GAP + after > width:
            wider = Name(left, begin, begin + before), Name(right, next_begin, next_begin + after)
            return [wider[edge < width / 2.0]]
        # Without enough space on its side, a name reaches across the split in full.
        if begin == 0.0:
            next_begin = max(next_begin, before + 2.0 * _GAP)
        else:
            begin = min(begin, next_begin - 2.0 * _GAP - before)
        return [Name(left, begin, begin + before), Name(right, next_begin, next_begin + after)]

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        shown, geometry = self._shown, self._geometry
        if shown is None or geometry is None or shown.right is None:
            return
        font, height = self._font(), self.size().height()
        painter.setFont(font)
        painter.setPen(shown.theme.color("text"))
        baseline = (height + QFontMetricsF(font).capHeight()) / 2.0
        names = self.names()
        for name in names:
            painter.drawText(QPointF(name.left, baseline), name.text)
        edge = geometry.edge(shown.split)
        if 0.0 <= edge <= geometry.width and not any(name.left < edge < name.right for name in names):
            painter.setPen(QPen(shown.theme.color("cursor"), 1.0))
            painter.drawLine(QPointF(round(edge) + 0.5, 3.0), QPointF(round(edge) + 0.5, height))

    def _extent(self) -> QRectF:
        names = self.names()
        if not names:
            return self.boundingRect()
        left, right = names[0].left, names[-1].right
        return QRectF(left - 2.0 * _GAP, 0.0, right - left + 4.0 * _GAP, self.size().height())

    def boundingRect(self) -> QRectF:
        return QRectF(QPointF(), self.size())

    def _font(self) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(scaled(12))
        font.setBold(True)
        return font
