"""Base of the plots next to the terms: their size, their colors, and the room between a line above and one below."""

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from rnnviz.core import number_format
from rnnviz.explain.lines import format_short
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled

_PAD, _LEAST_WIDTH = 6.0, 116


def short_number(value: float) -> str:
    """A number in its short form with a minus sign."""
    return number_format.true_minus(format_short(value))


class SidePlot(QWidget):
    """A plot with a line of text above and below it."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(scaled(150), scaled(140))

    def minimumSizeHint(self) -> QSize:
        return QSize(scaled(_LEAST_WIDTH), 80)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.color("base"))
        self._paint(painter)
        painter.end()

    @property
    def _ground(self) -> QRectF:
        """The room between the lines of text."""
        line = self.fontMetrics().height()
        return QRectF(_PAD, line + 4.0, self.width() - 2 * _PAD, self.height() - 2 * line - 8.0)

    def _paint(self, painter: QPainter) -> None:
        """Paint on the empty widget."""
        raise NotImplementedError
