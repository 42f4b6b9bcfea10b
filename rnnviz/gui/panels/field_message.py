"""Wrapped text, and error or warning messages below a field."""

from math import ceil

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QTextLayout, QTextOption
from PySide6.QtWidgets import QSizePolicy, QWidget

_SIGN = 13.0


class WrappedText(QWidget):
    """A paragraph that also breaks inside long paths, names and numbers.

    QLabel breaks only between words, and a path is one word.
    """

    _indent = 0.0

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = ""
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_text(self, text: str) -> None:
        """Set the text."""
        if text != self.text:
            self.text = text
            self.updateGeometry()
            self.update()

    def heightForWidth(self, width: int) -> int:
        return max(int(_SIGN), ceil(self._laid_out(width)[1]))

    def sizeHint(self) -> QSize:
        return QSize(120, self.heightForWidth(max(self.width(), 120)))

    def minimumSizeHint(self) -> QSize:
        return QSize(60, int(_SIGN))

    def paintEvent(self, event: QPaintEvent) -> None:
        layout, _ = self._laid_out(self.width())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._color())
        layout.draw(painter, QPointF(self._indent, 0.0))
        self._decorate(painter)
        painter.end()

    def _color(self) -> QColor:
        return self.palette().windowText().color()

    def _decorate(self, painter: QPainter) -> None:
        """Draw next to the text."""

    def _laid_out(self, width: int) -> tuple[QTextLayout, float]:
        """Text layout for a width, and its height."""
        layout = QTextLayout(self.text, self.font())
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        height = 0.0
        layout.beginLayout()
        while (line := layout.createLine()).isValid():
            line.setLineWidth(max(20.0, width - self._indent))
            line.setPosition(QPointF(0.0, height))
            height += line.height()
        layout.endLayout()
        return layout, height


class FieldMessage(WrappedText):
    """A message with an icon, so that it does not rely on color."""

    _indent = _SIGN + 5.0

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sign_color = QColor()

    def show_sentence(self, sentence: str, color: QColor) -> None:
        """Set the message and its color."""
        self._sign_color = color
        self.setAccessibleName(sentence)
        self.show_text(sentence)
        self.update()

    def _color(self) -> QColor:
        return self._sign_color

    def _decorate(self, painter: QPainter) -> None:
        top = max(0.0, (self.fontMetrics().height() - _SIGN) / 2.0)
        circle = QRectF(0.5, top + 0.5, _SIGN - 1.0, _SIGN - 1.0)
        painter.setPen(QPen(self._sign_color, 1.3))
        painter.drawEllipse(circle)
        x = circle.center().x()
        painter.setPen(QPen(self._sign_color, 1.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(QPointF(x, circle.top() + 3.0), QPointF(x, circle.top() + 6.6))
        painter.drawPoint(QPointF(x, circle.top() + 9.2))
