"""Layout of an equation in columns, with the numbers below its symbols."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QFont, QFontMetricsF, QPainter

from rnnviz.explain.equations import EquationLine

Face: TypeAlias = Literal["plain", "italic", "low"]

_LOW_SIZE, _LOW_BY = 0.78, 0.22
_WORDS = ("Δ", "bound")


def pieces(text: str, *, sign: bool) -> tuple[tuple[str, Face], ...]:
    """Split a symbol by face: names italic, signs and the brackets of h[t-1] upright, n of u_n a subscript."""
    if sign or text in _WORDS or text.startswith("own "):
        return ((text.replace(" - ", " − "), "plain"),)
    name, bracket, step = text.partition("[")
    if bracket:
        return ((name, "italic"), (bracket + step.replace("-", "−"), "plain"))
    name, _, index = text.partition("_")
    return ((name, "italic"), (index, "low")) if index else ((name, "italic"),)


@dataclass(frozen=True)
class EquationColumn:
    """Column of one token: left edge and width in pixels, the symbol's pieces, and a text per row of numbers."""

    left: float
    width: float
    symbol: tuple[tuple[str, Face], ...]
    numbers: tuple[str, ...]
    sign: bool


class Faces:
    """Fonts of an equation with their metrics and cached text widths."""

    def __init__(self, font: QFont) -> None:
        plain = QFont(font)
        plain.setKerning(False)
        italic, low = QFont(plain), QFont(plain)
        italic.setItalic(True)
        low.setPointSizeF(max(plain.pointSizeF() * _LOW_SIZE, 1.0))
        self.fonts: dict[Face, QFont] = {"plain": plain, "italic": italic, "low": low}
        self._metrics = {face: QFontMetricsF(own) for face, own in self.fonts.items()}
        self._widths: dict[tuple[str, Face], float] = {}
        self.height, self.ascent = self._metrics["plain"].height(), self._metrics["plain"].ascent()

    def width(self, text: str, face: Face = "plain") -> float:
        """Width of a text in pixels."""
        key = text, face
        if key not in self._widths:
            if len(self._widths) > 4096:
                self._widths.clear()
            self._widths[key] = self._metrics[face].horizontalAdvance(text)
        return self._widths[key]


def columns(faces: Faces, line: EquationLine, rows: Sequence[Sequence[str]]) -> tuple[EquationColumn, ...]:
    """Lay out a line from x = 0. `rows` contains the texts below its tokens, row by row."""
    laid: list[EquationColumn] = []
    left = 0.0
    for place, token in enumerate(line.tokens):
        sign = token.value is None
        symbol = pieces(token.text, sign=sign)
        numbers = tuple(row[place].replace(" - ", " − ") if sign else row[place] for row in rows)
        width = max(sum(faces.width(*piece) for piece in symbol), *(faces.width(text) for text in numbers))
        laid.append(EquationColumn(left, width, symbol, numbers, sign))
        left += width
    return tuple(laid)


def paint_symbol(painter: QPainter, faces: Faces, column: EquationColumn, left: float, top: float) -> QRectF:
    """Draw a symbol in the center of its column, and return its rectangle."""
    widths = [faces.width(*piece) for piece in column.symbol]
    x = left + column.left + (column.width - sum(widths)) / 2.0
    at = QRectF(x, top, sum(widths), faces.height)
    for (text, face), width in zip(column.symbol, widths, strict=True):
        painter.setFont(faces.fonts[face])
        painter.drawText(QPointF(x, top + faces.ascent + (_LOW_BY * faces.height if face == "low" else 0.0)), text)
        x += width
    return at


def paint_number(painter: QPainter, faces: Faces, column: EquationColumn, row: int, left: float, top: float) -> None:
    """Draw a number below a symbol. Numbers of several rows align at the right."""
    text = column.numbers[row]
    widest = max(faces.width(own) for own in column.numbers)
    end = left + column.left + (column.width + widest) / 2.0
    painter.drawText(QPointF(end - faces.width(text), top + faces.ascent), text)
