"""Shared drawings: arrows, verdict marks, two-tone outlines."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

_HEAD = 5.0


def arrow(painter: QPainter, start: QPointF, end: QPointF, color: QColor, width: float = 1.4) -> None:
    """A horizontal or vertical arrow."""
    dx, dy = end.x() - start.x(), end.y() - start.y()
    length = max(abs(dx), abs(dy), 1e-9)
    ux, uy = dx / length, dy / length
    head = min(_HEAD, length)
    base = QPointF(end.x() - ux * head, end.y() - uy * head)
    side = head * 0.62
    painter.setPen(QPen(color, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
    painter.drawLine(start, base)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    left, right = (
        QPointF(base.x() - uy * side, base.y() + ux * side),
        QPointF(base.x() + uy * side, base.y() - ux * side),
    )
    painter.drawPolygon(QPolygonF([end, left, right]))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def verdict_mark(painter: QPainter, rect: QRectF, right: bool, color: QColor) -> None:
    """A check mark or a cross."""
    x, y, size = rect.x(), rect.y(), rect.width()
    path = QPainterPath()
    if right:
        path.moveTo(x + 0.12 * size, y + 0.55 * size)
        path.lineTo(x + 0.4 * size, y + 0.82 * size)
        path.lineTo(x + 0.9 * size, y + 0.2 * size)
    else:
        path.moveTo(x + 0.18 * size, y + 0.18 * size)
        path.lineTo(x + 0.82 * size, y + 0.82 * size)
        path.moveTo(x + 0.82 * size, y + 0.18 * size)
        path.lineTo(x + 0.18 * size, y + 0.82 * size)
    painter.strokePath(path, QPen(color, 2.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))


def two_toned(painter: QPainter, rect: QRectF, outline: QColor, under: QColor, width: float = 2.0) -> None:
    """A rectangle's outline over a wider one in the other tone."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for color, stroke in ((under, width + 2.0), (outline, width)):
        painter.setPen(QPen(color, stroke, Qt.PenStyle.SolidLine, Qt.PenCapStyle.SquareCap, Qt.PenJoinStyle.MiterJoin))
        painter.drawRect(rect)
