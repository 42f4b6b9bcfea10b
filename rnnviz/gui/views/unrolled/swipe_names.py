"""Names of the two engines at the sides of the split, above the lanes."""

from typing import NamedTuple

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QGraphicsWidget, QStyleOptionGraphicsItem, QWidget

from rnnviz.core.engine_spec import display_name
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.render_state import RenderState

HEIGHT = 20.0
_GAP = 7.0
_SHORTEST = 28.0
"""Minimum width of a name in pixels; in less space an elided name is unreadable."""


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
        found = []
        for side, room in ((shown.left, edge), (shown.right, width - edge)):
            text = display_name(side.engine)
            if room < min(_SHORTEST, metrics.horizontalAdvance(text)) + _GAP:
                continue
            text = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room - _GAP)
            across = metrics.horizontalAdvance(text)
            left = edge - _GAP - across if side is shown.left else edge + _GAP
            found.append(Name(text, left, left + across))
        return found

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        shown, geometry = self._shown, self._geometry
        if shown is None or geometry is None or shown.right is None:
            return
        font, height = self._font(), self.size().height()
        painter.setFont(font)
        painter.setPen(shown.theme.color("text"))
        baseline = (height + QFontMetricsF(font).capHeight()) / 2.0
        for name in self.names():
            painter.drawText(QPointF(name.left, baseline), name.text)
        edge = geometry.edge(shown.split)
        if 0.0 <= edge <= geometry.width:
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
