"""Legend keys: a curve's line, its name, and its value at the selection."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from rnnviz.core.words import wrapped
from rnnviz.gui.theme.palettes import LIGHT, Theme

_LINE = 24
_PAD = 6


class LegendKey(QAbstractButton):
    """A button with a piece of the curve's line and its name, next to the value at the selection.

    Checkable keys show and hide their curve. An unchecked key has a muted name and its line crossed out.
    """

    def __init__(self, name: str, why: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pen = QPen()
        self._theme = LIGHT
        self._value = ""
        self.setText(name)
        self.setToolTip(wrapped(why))
        self.setAccessibleName(name)
        self.setAccessibleDescription(why)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    @property
    def value(self) -> str:
        """The displayed value at the selection."""
        return self._value

    def rename(self, name: str, why: str) -> None:
        """Set the name and the tooltip."""
        self.setText(name)
        self.setToolTip(f"{name}: {why}")
        self.setAccessibleName(name)
        self.setAccessibleDescription(why)
        self.updateGeometry()

    def show_line(self, pen: QPen, theme: Theme) -> None:
        """Set the pen of the line, and the colors."""
        self._pen, self._theme = pen, theme
        self.update()

    def show_value(self, value: str) -> None:
        """Set the value at the selection."""
        self._value = value
        self.setAccessibleName(f"{self.text()}: {value}")
        self.update()

    def sizeHint(self) -> QSize:
        # The width of a value is fixed, so that nothing moves with the selection.
        metrics = self.fontMetrics()
        width = _LINE + metrics.horizontalAdvance(f"{self.text()} -0.0000") + 3 * _PAD
        return QSize(width, metrics.height() + 6)

    def minimumSizeHint(self) -> QSize:
        # Many keys in a narrow window become lines alone, whose names appear in tooltips.
        return QSize(_LINE + 2 * _PAD, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, shown = self._theme, self.isChecked() or not self.isCheckable()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.underMouse() or self.hasFocus():
            painter.setPen(QPen(theme.color("accent" if self.hasFocus() else "border"), 1.0))
            painter.setBrush(theme.color("raised"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        middle = self.height() / 2
        pen = QPen(self._pen)
        pen.setWidthF(max(pen.widthF(), 2.0))
        if not shown:
            pen.setColor(theme.color("border"))
        painter.setPen(pen)
        painter.drawLine(QPointF(_PAD, middle), QPointF(_PAD + _LINE, middle))
        text = self.rect().adjusted(2 * _PAD + _LINE, 0, -_PAD, 0)
        painter.setPen(theme.color("text" if shown else "muted"))
        name = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, text.width())
        painter.drawText(text, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        if shown and self.width() >= self.sizeHint().width():
            painter.setPen(theme.color("muted"))
            painter.drawText(text, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._value)
        painter.end()
