"""Table of numbers with highlighted rows."""

from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen

from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.number_table import NumberTable

_UNDER, _STROKE, _DASHES = 4.0, 2.0, (4.0, 3.0)


class HighlightTable(NumberTable):
    """Draws the same highlight frames as the lanes, around ranges of rows."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self.highlighted: tuple[range, ...] = ()
        """The highlighted rows."""

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        super().apply_theme(theme)

    def show_highlight(self, rows: Sequence[range]) -> None:
        if tuple(rows) != self.highlighted:
            self.highlighted = tuple(rows)
            self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.highlighted:
            return
        painter = QPainter(self.viewport())
        left, width = -self.horizontalOffset(), self.horizontalHeader().length()
        for rows in self.highlighted:
            top = self.rowViewportPosition(rows.start)
            bottom = self.rowViewportPosition(rows.stop - 1) + self.rowHeight(rows.stop - 1)
            rect = QRectF(left, top, width, bottom - top).adjusted(2.0, 2.0, -2.0, -2.0)
            over = QPen(self._theme.color("accent"), _STROKE)
            over.setDashPattern(_DASHES)
            for pen in (QPen(self._theme.color("base"), _UNDER), over):
                pen.setCapStyle(Qt.PenCapStyle.FlatCap)
                pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
                painter.setPen(pen)
                painter.drawRect(rect)
        painter.end()
