"""Bars of the probabilities of the next character."""

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.sequence import visible
from rnnviz.core.words import join_words
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped

MOST = 12
"""Number of characters that are shown."""
_PAD, _RADIUS = 8, 3.0
_MIDDLE = Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
_DRAWN, _GIVEN = "drawn next", "next in the text"


@dataclass(frozen=True)
class Bar:
    """A character with its probability, that after the prefix before, and its mark.

    `mark` says that it is the one that follows; "" for the others.
    """

    character: str
    probability: float
    before: float | None
    mark: str


def bars_of(
    characters: str, probabilities: FloatArray, following: str, *, drawn: bool, before: FloatArray | None = None
) -> tuple[Bar, ...]:
    """The most probable characters, the most probable first; the one that follows replaces the last if it is rarer.

    `probabilities` is (V,); `before` is (V,).
    """
    ranked = np.argsort(-probabilities, kind="stable")[:MOST].tolist()
    place = characters.find(following)
    if place >= 0 and place not in ranked:
        ranked[-1] = place
    return tuple(
        Bar(
            characters[i],
            float(probabilities[i]),
            None if before is None else float(before[i]),
            (_DRAWN if drawn else _GIVEN) if i == place else "",
        )
        for i in ranked
    )


class ProbabilityBars(QWidget):
    """Paints a row for each character. The one that follows has an arrow and bold text."""

    def __init__(self) -> None:
        super().__init__()
        self.bars: tuple[Bar, ...] = ()
        self._theme = LIGHT
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Probabilities of the next character")
        self.setToolTip(
            wrapped(
                "The most probable next characters. An arrow marks the one that follows. "
                "Lines are the probabilities after the previous prefix."
            )
        )

    def show_bars(self, bars: tuple[Bar, ...]) -> None:
        if bars == self.bars:
            return
        self.bars = bars
        listed = (f"{_name(bar)} {_percent(bar.probability)}{f', {bar.mark}' if bar.mark else ''}" for bar in bars)
        self.setAccessibleDescription(join_words(listed))
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(32 * metrics.averageCharWidth(), (MOST + 1) * (metrics.height() + 6))

    def minimumSizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(24 * metrics.averageCharWidth(), (MOST + 1) * (metrics.height() + 2))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        compared = any(bar.before is not None for bar in self.bars)
        number = self.fontMetrics().horizontalAdvance(" 100.0%") + _PAD
        room = self.width() - number * (2 if compared else 1)
        height = min(self.height() / (MOST + compared), 2.0 * self.fontMetrics().height())
        columns = [QRectF(room + place * number, 0, number - _PAD, height) for place in range(2)]
        if compared:
            painter.setPen(self._theme.color("muted"))
            for column, text in zip(columns, ("now", "before"), strict=True):
                painter.drawText(column, _RIGHT, text)
            x = columns[1].right() - self.fontMetrics().horizontalAdvance("before") - _PAD / 2
            painter.setPen(QPen(self._theme.color("cursor"), 2.0))
            painter.drawLine(QPointF(x, 0.25 * height), QPointF(x, 0.75 * height))
        for place, bar in enumerate(self.bars):
            top = (place + compared) * height
            self._paint_row(painter, bar, QRectF(0, top, room, height), [c.translated(0, top) for c in columns])
        painter.end()

    def _paint_row(self, painter: QPainter, bar: Bar, row: QRectF, columns: list[QRectF]) -> None:
        theme, metrics = self._theme, self.fontMetrics()
        font = QFont(self.font())
        font.setBold(bool(bar.mark))
        painter.setFont(font)
        arrow = metrics.horizontalAdvance("▶ ")
        longest = max(metrics.horizontalAdvance(f"{visible(other.character)} ") for other in self.bars)
        name = max(4 * metrics.averageCharWidth(), longest)
        painter.setPen(theme.color("text"))
        painter.drawText(row, _MIDDLE, "▶" if bar.mark else "")
        painter.drawText(row.adjusted(arrow, 0, 0, 0), _MIDDLE, visible(bar.character))
        painter.drawText(columns[0], _RIGHT, _percent(bar.probability))
        whole = row.adjusted(arrow + name, 0.2 * row.height(), 0, -0.2 * row.height())
        painter.setPen(Qt.PenStyle.NoPen)
        for color, width in (("raised", whole.width()), ("accent", max(bar.probability * whole.width(), 1.0))):
            painter.setBrush(theme.color(color))
            painter.drawRoundedRect(QRectF(whole.x(), whole.y(), width, whole.height()), _RADIUS, _RADIUS)
        if bar.before is None:
            return
        painter.setPen(theme.color("text"))
        painter.drawText(columns[1], _RIGHT, _percent(bar.before))
        # A line across, so that it differs in shape from the bar.
        x = whole.left() + bar.before * whole.width()
        for color, thickness in (("outline_under", 4.0), ("cursor", 2.0)):
            painter.setPen(QPen(theme.color(color), thickness))
            painter.drawLine(QPointF(x, row.top() + 2), QPointF(x, row.bottom() - 2))


def _percent(probability: float) -> str:
    return f"{probability:.1%}"


def _name(bar: Bar) -> str:
    return {" ": "space", "\n": "line end"}.get(bar.character, bar.character)
