"""Painter of table cells."""

from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QIcon, QPainter

from rnnviz.gui.theme.palettes import LIGHT, Theme

MARK_SIZE = 12
INSET = 4
"""Horizontal padding of a cell's text in pixels."""


@dataclass(frozen=True, slots=True)
class TableCell:
    """Format of a cell. Numbers align at the right, words at the left."""

    text: str
    color: QColor | None = None
    bold: bool = False
    mark: QIcon | None = None
    left: bool = False


def blend(theme: Theme, role: str, part: float, ground: str = "base") -> QColor:
    """Blend a color role of the theme into a background role."""
    over, under = theme.color(role), theme.color(ground)
    return QColor(
        round(part * over.red() + (1.0 - part) * under.red()),
        round(part * over.green() + (1.0 - part) * under.green()),
        round(part * over.blue() + (1.0 - part) * under.blue()),
    )


class CellPainter:
    """Draws cells. Character widths are cached, because a table contains few different ones."""

    def __init__(self, font: QFont) -> None:
        self.use_font(font)
        self.apply_theme(LIGHT)

    def use_font(self, font: QFont) -> None:
        """Set the font."""
        # With kerning, digits would not be aligned in columns.
        plain = QFont(font)
        plain.setKerning(False)
        self._plain, self._bold = _Face(plain), _Face(_bold(plain))

    def apply_theme(self, theme: Theme) -> None:
        """Set the colors. A selected row is tinted; its texts keep their colors."""
        self._text = theme.color("text")
        self._chosen = blend(theme, "accent", 0.2)
        self._alternate = blend(theme, "raised", 0.6)

    def ground(self, row: int, *, chosen: bool) -> QColor | None:
        """Background color of a row, or None."""
        return self._chosen if chosen else self._alternate if row % 2 else None

    def begin(self, painter: QPainter) -> None:
        """Prepare for the cells of one paint event."""
        self._face, self._color = self._plain, self._text
        painter.setFont(self._face.font)
        painter.setPen(self._color)

    def paint(self, painter: QPainter, rect: QRect, cell: TableCell) -> None:
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
    """A font with the widths of its characters in pixels."""

    def __init__(self, font: QFont) -> None:
        self.font, self.metrics = font, QFontMetrics(font)
        self.height, self.ascent = self.metrics.height(), self.metrics.ascent()
        self._widths: dict[str, int] = {}

    def width(self, text: str) -> int:
        """Width of a text in pixels."""
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
