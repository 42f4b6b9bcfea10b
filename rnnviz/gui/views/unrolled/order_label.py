"""Label of the unit order below the headers. A click opens its menu."""

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QCursor, QFont, QFontMetricsF, QPainter
from PySide6.QtWidgets import (
    QGraphicsItem,
    QGraphicsSceneMouseEvent,
    QGraphicsWidget,
    QSizePolicy,
    QStyleOptionGraphicsItem,
    QWidget,
)

from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.quantities.units import ORDERS, OrderName

_RIGHT, _TOP = 6.0, 4.0


class OrderLabel(QGraphicsWidget):
    """A line of text in the corner at the left of the time axis."""

    clicked = Signal()

    def __init__(self, parent: QGraphicsItem | None = None) -> None:
        super().__init__(parent)
        self._theme, self._finding = LIGHT, False
        self._name: OrderName = "index"
        # As tall as the axis beside it, and no taller.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self.setCursor(QCursor(Qt.CursorShape.PointingHandCursor))

    @property
    def text(self) -> str:
        if self._finding:
            return "computing the order …"
        return f"units by {ORDERS[self._name][0]} ▾"

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_order(self, name: OrderName, *, finding: bool) -> None:
        """Show the order, or that it is being computed."""
        if (name, finding) != (self._name, self._finding):
            self._name, self._finding = name, finding
            self.update()

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        font = QFont(self.font())
        font.setPixelSize(scaled(11))
        painter.setFont(font)
        painter.setPen(self._theme.color("muted" if self._name == "index" and not self._finding else "accent"))
        width = self.size().width() - _RIGHT
        metrics = QFontMetricsF(font)
        text = metrics.elidedText(self.text, Qt.TextElideMode.ElideRight, width)
        painter.drawText(
            QRectF(0.0, _TOP, width, metrics.height()), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, text
        )

    def boundingRect(self) -> QRectF:
        return QRectF(QPointF(), self.size())

    def mousePressEvent(self, event: QGraphicsSceneMouseEvent) -> None:
        """Request the menu."""
        event.accept()
        self.clicked.emit()
