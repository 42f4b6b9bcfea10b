"""Selection mark: thin items above the lanes, so that a move repaints only a small area."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.unrolled.geometry import FRAME, CellGeometry, Geometry
from rnnviz.gui.views.unrolled.shapes import two_toned

_WIDE_COLUMN = 14.0
_SMALLEST_BOX = 7.0


class _Stroke(QGraphicsObject):
    """A rectangle in the two tones of the selection. It ignores clicks."""

    def __init__(self, parent: QGraphicsItem, width: float) -> None:
        super().__init__(parent)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._theme, self._width = LIGHT, width
        self.rect = QRectF()

    def place(self, rect: QRectF, theme: Theme) -> None:
        if rect != self.rect:
            self.prepareGeometryChange()
            self.rect = rect
        if theme is not self._theme:
            self._theme = theme
            self.update()

    def boundingRect(self) -> QRectF:
        reach = self._width / 2.0 + 2.0
        return QRectF() if self.rect.isNull() else self.rect.adjusted(-reach, -reach, reach, reach)

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        if self.rect.isNull():
            return
        cursor, ground = self._theme.color("cursor"), self._theme.color("base")
        two_toned(painter, self.rect, cursor, ground, self._width)


class _Line(_Stroke):
    """A vertical line, or the two edges of a column that is wide enough to keep its content visible."""

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        if self.rect.isNull():
            return
        edges = {self.rect.left(), self.rect.right()}
        for role, width in (("base", self._width + 2.0), ("cursor", self._width)):
            painter.setPen(QPen(self._theme.color(role), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
            for x in edges:
                painter.drawLine(round(x), round(self.rect.top()), round(x), round(self.rect.bottom()))


class SelectionItem:
    """A line through all lanes at the selected time step, and a box around the selected cell."""

    def __init__(self, parent: QGraphicsItem) -> None:
        # Two lines would repaint all that lies between them.
        self.left, self.right = _Line(parent, 1.0), _Line(parent, 1.0)
        self.box = _Stroke(parent, 2.0)
        for depth, item in enumerate((self.left, self.right, self.box)):
            item.setZValue(10 + depth)

    def hide(self) -> None:
        for item in (self.left, self.right, self.box):
            item.place(QRectF(), LIGHT)

    def move_to(self, cell: CellGeometry, geometry: Geometry, theme: Theme, *, at_split: bool = False) -> None:
        """Move to a cell. With `at_split`, the line is at the left edge of its time step."""
        x, y, width, height = geometry.rect(cell)
        bottom = geometry.height
        if width >= _WIDE_COLUMN:
            gap = FRAME if geometry.boxes else 0.0
            self.left.place(QRectF(round(geometry.edge(cell.timestep)), 0.0, 0.0, bottom), theme)
            self.right.place(QRectF(round(x + width + gap), 0.0, 0.0, bottom), theme)
        else:
            line = geometry.edge(cell.timestep) if at_split else x + width / 2.0
            self.left.place(QRectF(round(line), 0.0, 0.0, bottom), theme)
            self.right.place(QRectF(), theme)
        grown_x, grown_y = max(_SMALLEST_BOX - width, 0.0) / 2.0, max(_SMALLEST_BOX - height, 0.0) / 2.0
        if geometry.boxes:
            # Around the cell: a stroke on a low row would strike its number out.
            grown_x = grown_y = 1.0
        self.box.place(QRectF(round(x), y, round(width), height).adjusted(-grown_x, -grown_y, grown_x, grown_y), theme)
