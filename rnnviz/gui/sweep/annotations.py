"""Annotations of heat map cells: verdict mark, number, and frame of the selected cell."""

from collections.abc import Callable
from math import ceil, floor
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from rnnviz.core import number_format
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.unrolled.colormap import on
from rnnviz.sweeps.results import NO_ROW, ROW_MARKS, ROW_VERDICTS, WAITING, Cells

_SMALLEST_GAP, _SMALLEST_MARK = 6.0, 13.0
_WAITING = "·"


class CellAnnotations(pg.GraphicsObject):
    """Draws in pixels at any zoom, visible cells only."""

    def __init__(self) -> None:
        super().__init__()
        self._cells: Cells | None = None
        self._ground: NDArray[np.uint8] = np.zeros((0, 0, 3), np.uint8)
        self._theme = LIGHT
        self._short: Callable[[float], str] = number_format.error
        self._chosen: tuple[int, int] | None = None

    def show_cells(self, cells: Cells, ground: NDArray[np.uint8], theme: Theme, short: Callable[[float], str]) -> None:
        """Annotate other cells. `ground` are their colors, of shape (D, A, 3); `short` formats a number."""
        self._cells, self._ground, self._theme, self._short = cells, ground, theme, short
        self.prepareGeometryChange()
        self.update()

    def choose(self, cell: tuple[int, int] | None) -> None:
        """Set the selected cell (down, across)."""
        self._chosen = cell
        self.update()

    def text(self, down: int, across: int, *, number: bool) -> str:
        """Text of a cell: verdict mark, and number if it fits."""
        assert self._cells is not None
        if self._cells.rows[down, across] == NO_ROW:
            return ""
        verdict = int(self._cells.verdicts[down, across])
        mark = _WAITING if verdict == WAITING else ROW_MARKS[ROW_VERDICTS[verdict]]
        value = float(self._cells.values[down, across])
        bare = not number or (value != value and not self._cells.nan[down, across])
        return mark if bare else f"{mark} {self._short(value)}"

    def boundingRect(self) -> QRectF:
        rows, columns = (0, 0) if self._cells is None else self._cells.shape
        return QRectF(0, 0, columns, rows)

    def paint(self, painter: QPainter, *_unused: Any) -> None:
        if self._cells is None:
            return
        transform = painter.transform()
        view = self.viewRect()
        painter.resetTransform()
        rows, columns = self._cells.shape
        top, bottom = max(0, floor(view.top())), min(rows, ceil(view.bottom()))
        left, right = max(0, floor(view.left())), min(columns, ceil(view.right()))
        one = transform.mapRect(QRectF(0, 0, 1, 1))
        painter.setClipRect(transform.mapRect(view))
        metrics = QFontMetricsF(painter.font())
        write = min(one.width(), one.height()) >= _SMALLEST_MARK
        number = one.width() >= metrics.horizontalAdvance("✘ 1.2e-10") + 6 and one.height() >= metrics.height()
        if min(one.width(), one.height()) >= _SMALLEST_GAP:
            painter.setPen(QPen(self._theme.color("base"), 1.0))
            ground = transform.mapRect(QRectF(left, top, right - left, bottom - top))
            for across in range(left, right + 1):
                x = transform.mapRect(QRectF(across, top, 1, 1)).left()
                painter.drawLine(round(x), round(ground.top()), round(x), round(ground.bottom()))
            for down in range(top, bottom + 1):
                y = transform.mapRect(QRectF(left, down, 1, 1)).top()
                painter.drawLine(round(ground.left()), round(y), round(ground.right()), round(y))
        if write:
            for down in range(top, bottom):
                for across in range(left, right):
                    painter.setPen(self._ink(down, across))
                    rect = transform.mapRect(QRectF(across, down, 1, 1))
                    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, self.text(down, across, number=number))
        if self._chosen is not None:
            down, across = self._chosen
            rect = transform.mapRect(QRectF(across, down, 1, 1)).adjusted(1.5, 1.5, -1.5, -1.5)
            for role, width in (("outline_under", 5.0), ("cursor", 2.0)):
                painter.setPen(QPen(self._theme.color(role), width))
                painter.drawRect(rect)

    def _ink(self, down: int, across: int) -> QColor:
        red, green, blue = (int(channel) for channel in self._ground[down, across])
        return on(0xFF000000 | red << 16 | green << 8 | blue, self._theme)
