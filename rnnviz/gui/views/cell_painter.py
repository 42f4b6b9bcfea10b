"""One cell of a table: what a view's model says about it, and how it is drawn."""

from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QIcon, QPainter

from rnnviz.gui.theme.palettes import LIGHT, Theme

MARK_SIZE = 12
INSET = 4
"""What is kept free at either side of a text; pixels."""


@dataclass(frozen=True, slots=True)
class TableCell:
    """How a cell is drawn; a number is on the right, words on the left."""

    text: str
    color: QColor | None = None
    bold: bool = False
    mark: QIcon | None = None
    left: bool = False


def blend(theme: Theme, role: str, part: float, ground: str = "base") -> QColor:
    """A role's color laid thinly over another."""
    over, under = theme.color(role), theme.color(ground)
    return QColor(
        round(part * over.red() + (1.0 - part) * under.red()),
        round(part * over.green() + (1.0 - part) * under.green()),
        round(part * over.blue() + (1.0 - part) * under.blue()),
    )


class CellPainter:
    """Draws cells; measures the width of each character once, as a table holds few kinds of them."""

    def __init__(self, font: QFont) -> None:
        self.use_font(font)
        self.apply_theme(LIGHT)

    def use_font(self, font: QFont) -> None:
        """Write in this font."""
        # Digits that move closer to their neighbors would not stand beneath each other.
        plain = QFont(font)
        plain.setKerning(False)
        self._plain, self._bold = _Face(plain), _Face(_bold(plain))

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colors: a chosen row is tinted and keeps the colors of its texts."""
        self._text = theme.color("text")
        self._chosen = blend(theme, "accent", 0.2)
        self._alternate = blend(theme, "raised", 0.6)

    def ground(self, row: int, *, chosen: bool) -> QColor | None:
        """What lies below a row, if anything."""
        return self._chosen if chosen else self._alternate if row % 2 else None

    def begin(self, painter: QPainter) -> None:
        """Get ready for the cells of one pass."""
        self._face, self._color = self._plain, self._text
        painter.setFont(self._face.font)
        painter.setPen(self._color)

    def paint(self, painter: QPainter, rect: QRect, cell: TableCell) -> None:
        """Draw one cell."""
        left, right = rect.left() + INSET, rect.right() + 1 - INSET
        if cell.mark is not None:
            cell.mark.paint(painter, QRect(left, rect.top(), MARK_SIZE, rect.height()))
            if cell.left:
                left += MARK_SIZE + INSET
        face, color = self._bold if cell.bold else self._plain, cell.color or self._text
        if face is not self._face:
            painter.setFont(face.font)
        if color is not self._color:
            painter.setPen(color)
        self._face, self._color = face, color
        text, room = cell.text, right - (left if cell.left else rect.left() + 1)
        width = face.width(text)
        if width > room and not cell.left:
            # A bold number, in a column that gave up a little, rather takes some of the margin than loses a digit.
            more = min(width - room, INSET - 1)
            right, room = right + more, room + more
        if width > room:
            text = face.metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)
            width = face.width(text)
        y = rect.top() + (rect.height() - face.height) // 2 + face.ascent
        painter.drawText(QPoint(left if cell.left else right - width, y), text)


class _Face:
    """A font and the widths of its characters in pixels."""

    def __init__(self, font: QFont) -> None:
        self.font, self.metrics = font, QFontMetrics(font)
        self.height, self.ascent = self.metrics.height(), self.metrics.ascent()
        self._widths: dict[str, int] = {}

    def width(self, text: str) -> int:
        """How wide a text is."""
        widths = self._widths
        try:
            return sum([widths[letter] for letter in text])
        except KeyError:
            for letter in text:
                widths[letter] = self.metrics.horizontalAdvance(letter)
            return self.width(text)


def _bold(font: QFont) -> QFont:
    bold = QFont(font)
    bold.setBold(True)
    return bold
