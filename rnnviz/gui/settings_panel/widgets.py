"""Qt controls and messages adapted to a narrow scrolling form. They ignore the mouse wheel, which scrolls the form."""

from functools import cache
from math import ceil
from pathlib import Path

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragMoveEvent,
    QDropEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
    QTextLayout,
    QTextOption,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLineEdit,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QWidget,
)

from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.palettes import Theme

_ANY_LENGTH = 2**31 - 1


def control_palette(theme: Theme) -> QPalette:
    """The theme's palette with outlines that are visible in the dark theme.

    Qt's Fusion style draws outlines in `Window` darkened by 1.4, which is invisible on a dark window.
    """
    return QPalette(_outlined(theme))


@cache
def _outlined(theme: Theme) -> QPalette:
    palette = theme.palette()
    if theme.name == "dark":
        palette.setColor(QPalette.ColorRole.Window, theme.color("border").lighter(140))
    return palette


class NoWheelComboBox(ComboBox):
    """Combo box that ignores the wheel and may be narrower than its longest item.

    `by_key` is true while a key steps through the items without the list.
    """

    by_key = False

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)

    def minimumSizeHint(self) -> QSize:
        """Without the placeholder, which may be cut as a long item may."""
        height = super().minimumSizeHint().height()
        least = QSize(self.fontMetrics().horizontalAdvance("X") * self.minimumContentsLength(), height)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        width = self.style().sizeFromContents(QStyle.ContentsType.CT_ComboBox, option, least, self).width()
        return QSize(width, height)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self.by_key = True
        super().keyPressEvent(event)
        self.by_key = False

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class ElidedCheckBox(QCheckBox):
    """Check box whose text is elided in the middle."""

    def __init__(self, words: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = words
        self.setMinimumWidth(40)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        style = self.style()
        taken = style.pixelMetric(QStyle.PixelMetric.PM_IndicatorWidth, None, self)
        taken += style.pixelMetric(QStyle.PixelMetric.PM_CheckBoxLabelSpacing, None, self) + 2
        elided = self.fontMetrics().elidedText(self._words, Qt.TextElideMode.ElideMiddle, self.width() - taken)
        self.setText(elided.replace("&", "&&"))


class FreeSpinBox(QAbstractSpinBox):
    """Integer spin box that accepts any text.

    The form reports invalid text instead of correcting it silently. Steps stay between `minimum` and `maximum`.
    """

    stepped = Signal()

    def __init__(self, minimum: int, maximum: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._minimum, self._maximum = minimum, maximum
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumWidth(48)

    def stepBy(self, steps: int) -> None:
        try:
            number = int(self.text()) + steps
        except ValueError:
            number = self._minimum
        self.lineEdit().setText(str(max(self._minimum, min(self._maximum, number))))
        self.stepped.emit()

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        both = QAbstractSpinBox.StepEnabledFlag.StepUpEnabled | QAbstractSpinBox.StepEnabledFlag.StepDownEnabled
        try:
            number = int(self.text())
        except ValueError:
            return both
        if number <= self._minimum:
            return QAbstractSpinBox.StepEnabledFlag.StepUpEnabled
        return QAbstractSpinBox.StepEnabledFlag.StepDownEnabled if number >= self._maximum else both

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class LongLineEdit(QLineEdit):
    """Line edit without Qt's limit of 32,767 characters."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMaxLength(_ANY_LENGTH)
        self.setMinimumWidth(48)


class PathLineEdit(LongLineEdit):
    """Line edit for a path, typed or dropped."""

    dropped = Signal(str)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _local_file(event) is not None:
            event.acceptProposedAction()
        else:
            super().dragEnterEvent(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        if _local_file(event) is not None:
            event.acceptProposedAction()
        else:
            super().dragMoveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        path = _local_file(event)
        if path is None:
            super().dropEvent(event)
            return
        event.acceptProposedAction()
        self.dropped.emit(path)


def _local_file(event: QDropEvent) -> str | None:
    urls = event.mimeData().urls()
    return str(Path(urls[0].toLocalFile())) if len(urls) == 1 and urls[0].isLocalFile() else None


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
