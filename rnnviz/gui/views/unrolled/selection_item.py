"""Marks of the selection and of the first mismatch: small items, so that a move repaints only a small area."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsItem, QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.unrolled.geometry import FRAME, CellGeometry, Geometry
from rnnviz.gui.views.unrolled.shapes import two_toned

_WIDE_COLUMN = 14.0
_SMALLEST_BOX = 7.0
_TINT, _TINT_BEHIND = 0.10, 0.35
"""Opacity of the selected column over colors, and behind boxes."""
_BAR = 2.0
_POINTER, _NARROW_POINTER, _TALLEST_POINTER = 8.0, 4.0, 10.0


class _Mark(QGraphicsObject):
    """A mark in a rectangle. It ignores clicks."""

    reach = 1.0
    """Distance in pixels that the mark extends beyond its rectangle."""

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._theme = LIGHT
        self.rect = QRectF()

    def place(self, rect: QRectF, theme: Theme) -> None:
        if rect != self.rect:
            self.prepareGeometryChange()
            self.rect = rect
        if theme is not self._theme:
            self._theme = theme
            self.update()

    def boundingRect(self) -> QRectF:
        reach = self.reach
        return QRectF() if self.rect.isNull() else self.rect.adjusted(-reach, -reach, reach, reach)


class _Column(_Mark):
    """The selected time step: a line, or a tint of a column that is wide enough; behind boxes, and over colors."""

    reach = 2.0

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        if self.rect.isNull():
            return
        x, top, bottom = round(self.rect.left()), round(self.rect.top()), round(self.rect.bottom())
        if self.rect.width():
            tint = self._theme.color("accent" if self.zValue() < 0.0 else "cursor")
            tint.setAlphaF(_TINT_BEHIND if self.zValue() < 0.0 else _TINT)
            painter.fillRect(QRectF(x, top, round(self.rect.width()), bottom - top), tint)
            return
        for role, width in (("base", 3.0), ("cursor", 1.0)):
            painter.setPen(QPen(self._theme.color(role), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
            painter.drawLine(x, top, x, bottom)


class _Frame(_Mark):
    """The frame of the selected cell. Where numbers are written, only its sides are bold, outside the digits."""

    reach = 3.0
    numbered = False

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        if self.rect.isNull():
            return
        cursor, ground = self._theme.color("cursor"), self._theme.color("base")
        if not self.numbered:
            two_toned(painter, self.rect, cursor, ground, 2.0)
            return
        rect = self.rect
        for x in (rect.left() - _BAR, rect.right()):
            painter.fillRect(QRectF(x - 1.0, rect.top(), _BAR + 2.0, rect.height()), ground)
        for x in (rect.left() - _BAR, rect.right()):
            painter.fillRect(QRectF(x, rect.top(), _BAR, rect.height()), cursor)
        for y in (rect.top(), rect.bottom() - 1.0):
            painter.fillRect(QRectF(rect.left(), y, rect.width(), 1.0), cursor)


class _Pointer(_Mark):
    """A triangle that points at the first mismatch, from the left, or from the right at the edge of the view."""

    from_right = False

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        if self.rect.isNull():
            return
        base, tip = self.rect.left(), self.rect.right()
        if self.from_right:
            base, tip = tip, base
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._theme.color("outline_under"), 1.0))
        painter.setBrush(self._theme.color("text"))
        ends = QPointF(base, self.rect.top()), QPointF(base, self.rect.bottom())
        painter.drawPolygon(QPolygonF([*ends, QPointF(tip, self.rect.center().y())]))


class SelectionItem:
    """A tint or line through all lanes at the selected time step, a frame of the selected cell, the first mismatch."""

    def __init__(self, parent: QGraphicsItem) -> None:
        self.column, self.frame, self.first = _Column(parent), _Frame(parent), _Pointer(parent)
        for depth, item in enumerate((self.column, self.first, self.frame)):
            item.setZValue(10 + depth)

    def hide(self) -> None:
        for item in (self.column, self.frame, self.first):
            item.place(QRectF(), LIGHT)

    def move_to(self, cell: CellGeometry, geometry: Geometry, theme: Theme, *, at_split: bool = False) -> None:
        """Move to a cell. With `at_split`, the line is at the left edge of its time step."""
        x, y, width, height = geometry.rect(cell)
        bottom = geometry.height
        gap = FRAME if geometry.boxes else 0.0
        self.column.setZValue(-1.0 if geometry.boxes else 10.0)
        if width >= _WIDE_COLUMN:
            left = round(geometry.edge(cell.timestep))
            self.column.place(QRectF(left, 0.0, round(x + width + gap) - left, bottom), theme)
        else:
            line = geometry.edge(cell.timestep) if at_split else x + width / 2.0
            self.column.place(QRectF(round(line), 0.0, 0.0, bottom), theme)
        grown_x, grown_y = max(_SMALLEST_BOX - width, 0.0) / 2.0, max(_SMALLEST_BOX - height, 0.0) / 2.0
        self.frame.numbered = geometry.font_pixels(geometry.stack.lane_rect(cell.lane)) > 0
        self.frame.place(
            QRectF(round(x), y, round(width), height).adjusted(-grown_x, -grown_y, grown_x, grown_y), theme
        )

    def point_at(self, first: CellGeometry | None, geometry: Geometry, theme: Theme) -> None:
        """Mark the first mismatch, or none."""
        if first is None:
            self.first.place(QRectF(), theme)
            return
        x, y, width, height = geometry.rect(first)
        numbered = geometry.font_pixels(geometry.stack.lane_rect(first.lane)) > 0
        # Between boxes there is space; else a neighbor's digits are there.
        across = _NARROW_POINTER if numbered and not geometry.boxes else _POINTER
        tall = _TALLEST_POINTER if not numbered else min(height, _TALLEST_POINTER)
        self.first.from_right = x < across
        left = x + width if self.first.from_right else x - across
        self.first.place(QRectF(left, y + (height - tall) / 2.0, across, tall), theme)
