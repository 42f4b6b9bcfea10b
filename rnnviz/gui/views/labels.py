"""Texts: elided in a fixed size, with links, and keys of a legend."""

from html import escape

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QFont,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractButton, QLabel, QSizePolicy, QWidget

from rnnviz.core.number_format import true_minus, true_minus_in
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.text.verdict_text import TextPart


def muted_palette(theme: Theme) -> QPalette:
    palette = theme.palette()
    palette.setColor(QPalette.ColorRole.WindowText, theme.color("muted"))
    return palette


def hint(text: str = "") -> QLabel:
    """A text in the middle of an empty view."""
    label = QLabel(text)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setWordWrap(True)
    return label


class ElidedLabel(QWidget):
    """One line of text, elided if it does not fit. The tooltip then shows the whole text.

    A new text only repaints. A QLabel would start a new layout of the window, which is slow for labels that follow
    the selection. `selectable` texts can be selected with the mouse. `middle` elides the middle, not the end.
    """

    def __init__(self, text: str = "", *, bold: bool = False, selectable: bool = False, middle: bool = False) -> None:
        super().__init__()
        self._text, self._why = text, ""
        self._elide = Qt.TextElideMode.ElideMiddle if middle else Qt.TextElideMode.ElideRight
        # In no layout: what it asks for goes unheard.
        self._label = QLabel(self)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        if selectable:
            self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        if bold:
            font = QFont(self.font())
            font.setBold(True)
            self.setFont(font)
            # A style sheet of the application keeps a font from being handed down.
            self._label.setFont(font)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def text(self) -> str:
        return self._text

    def setText(self, text: str) -> None:
        self._text = text
        self._label.setAccessibleName(text)
        self._fit()

    def explain(self, why: str) -> None:
        """Set a tooltip that replaces the one with the whole text."""
        self._why = why
        self._fit()

    def setAlignment(self, alignment: Qt.AlignmentFlag) -> None:
        """Align the text within a larger label."""
        self._label.setAlignment(alignment)

    def use(self, font: QFont, palette: QPalette) -> None:
        """Set the font and the colors, which a style sheet of the window keeps from being handed down."""
        for widget in (self, self._label):
            widget.setFont(font)
            widget.setPalette(palette)
        self._fit()

    def natural_width(self) -> int:
        return self.fontMetrics().horizontalAdvance(self._text)

    def sizeHint(self) -> QSize:
        return QSize(self.natural_width(), self.minimumSizeHint().height())

    def minimumSizeHint(self) -> QSize:
        margins = self.contentsMargins()
        return QSize(0, self.fontMetrics().height() + 1 + margins.top() + margins.bottom())

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._label.setGeometry(self.contentsRect())
        self._fit()

    def _fit(self) -> None:
        shown = self.fontMetrics().elidedText(self._text, self._elide, self.contentsRect().width())
        if shown != self._label.text():
            self._label.setText(shown)
        tip = wrapped(self._why or (self._text if shown != self._text else ""))
        if tip != self.toolTip():
            self.setToolTip(wrapped(tip))


class LinkLabel(QLabel):
    """A text with links. Tab moves to the first link, and skips a text without links. A click takes no focus."""

    clicked = Signal()
    """A click on no link that selects no text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hovered = ""
        self.linkHovered.connect(self._hover)

    def _hover(self, link: str) -> None:
        self._hovered = link

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        beside = not self._hovered and not self.hasSelectedText()
        super().mouseReleaseEvent(event)
        if beside and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()

    def offer_links(self, offered: bool) -> None:
        """Set whether the text has links."""
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if offered else Qt.FocusPolicy.NoFocus)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if event.reason() == Qt.FocusReason.TabFocusReason:
            super().focusNextPrevChild(True)
        elif event.reason() == Qt.FocusReason.BacktabFocusReason:
            super().focusNextPrevChild(False)


NOTE_GAP = "  "
"""Separates the notes of a muted line."""
_PADDING = 5


def markup(parts: tuple[TextPart, ...], theme: Theme, first: int = 0) -> str:
    """The HTML of a text. Its links are numbered from `first` on."""
    pieces, number = [], first
    for part in parts:
        # A line must not end within "t = 11".
        text = escape(true_minus_in(part.text)).replace(" = ", "&nbsp;=&nbsp;")
        if part.where is not None or part.act:
            text = f'<a href="{number}" style="color:{theme.accent}">{text}</a>'
            number += 1
        pieces.append(f"<b>{text}</b>" if part.strong else text)
    return "".join(pieces)


_LINE = 24
_WIDEST_NAME = 140
"""Pixels: longer names are elided, so that a key leaves room for the others."""
_PAD = 6


class LegendKey(QAbstractButton):
    """A button with a piece of the curve's line and its name, next to the value at the selection.

    Checkable keys show and hide their curve. An unchecked key has a muted name and its line crossed out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pen, self._points = QPen(), False
        self._theme = LIGHT
        self.value = ""
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def rename(self, name: str, why: str) -> None:
        self.setText(name)
        # A key in little room has no name.
        self.setToolTip(wrapped(why if name.lower() in why.lower() else f"{name}: {why}"))
        self.setAccessibleName(name)
        self.setAccessibleDescription(why)
        self.updateGeometry()

    def show_line(self, pen: QPen, theme: Theme, *, points: bool = False) -> None:
        """Draw a line, or a ring for a curve of `points`."""
        self._pen, self._theme, self._points = pen, theme, points
        self.update()

    def show_value(self, value: str) -> None:
        appears = bool(value) != bool(self.value)
        self.value = value = true_minus(value)
        if appears:
            self.updateGeometry()
        self.setAccessibleName(f"{self.text()}: {value}")
        self.update()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        name = min(metrics.horizontalAdvance(self.text()), scaled(_WIDEST_NAME))
        return QSize(_LINE + name + self._value_width + 4 * _PAD, metrics.height() + 6)

    def minimumSizeHint(self) -> QSize:
        # Many keys in a narrow window become lines alone, whose names appear in tooltips.
        return QSize(_LINE + 2 * _PAD, self.sizeHint().height())

    @property
    def _value_width(self) -> int:
        """The same for every value, so that nothing moves with the selection."""
        return self.fontMetrics().horizontalAdvance(" −0.0000") if self.value else 0

    @property
    def _has_value(self) -> bool:
        return self.width() >= self.sizeHint().width()

    @property
    def shown_name(self) -> str:
        """The name as far as it fits next to the value."""
        metrics = self.fontMetrics()
        room = self.width() - 3 * _PAD - _LINE - (self._value_width if self._has_value else 0)
        return metrics.elidedText(self.text(), Qt.TextElideMode.ElideMiddle, room)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, shown = self._theme, self.isChecked() or not self.isCheckable()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.underMouse() or self.hasFocus():
            painter.setPen(QPen(theme.color("accent"), 2.0) if self.hasFocus() else QPen(theme.color("muted"), 1.0))
            painter.setBrush(theme.color("raised"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        middle = self.height() / 2
        pen = QPen(self._pen)
        pen.setWidthF(max(pen.widthF(), 2.0))
        if not shown:
            pen.setColor(theme.color("border"))
        painter.setPen(pen)
        if self._points:
            painter.drawEllipse(QPointF(_PAD + _LINE / 2, middle), 3.5, 3.5)
        else:
            painter.drawLine(QPointF(_PAD, middle), QPointF(_PAD + _LINE, middle))
        text = self.rect().adjusted(2 * _PAD + _LINE, 0, -_PAD, 0)
        painter.setPen(theme.color("text" if shown else "muted"))
        painter.drawText(text, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self.shown_name)
        if shown and self._has_value:
            painter.setPen(theme.color("muted"))
            text.setLeft(text.left() + self.fontMetrics().horizontalAdvance(f"{self.shown_name} "))
            painter.drawText(text, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self.value)
        painter.end()
