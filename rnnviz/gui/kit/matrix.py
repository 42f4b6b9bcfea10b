"""A matrix of numbers in colors. Only visible cells are written, so it may be large."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QRect, Qt
from PySide6.QtGui import QFontMetrics, QImage, QKeyEvent, QKeySequence, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QHeaderView, QTableView

from rnnviz.core import number_format
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.gui.kit.table import AnyIndex
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.unrolled.colormap import PixelArray, color_table, on, value_scale

_ROOT = QModelIndex()
_Roles = Qt.ItemDataRole
_ROW_HEIGHT = 22
_HIDDEN = "?"


class _MatrixModel(QAbstractTableModel):
    """Colors are on a scale about 0 that ends at the largest magnitude."""

    def __init__(self) -> None:
        super().__init__()
        self.values: FloatArray | None = None
        self.rows: Sequence[str] = ()
        self.columns: Sequence[str] = ()
        self.describe: Callable[[int, int], str] = lambda row, column: ""
        self.hidden: Callable[[int, int], bool] = lambda row, column: False
        self._scale = value_scale(1.0)
        self.apply_theme(LIGHT)

    def show_values(self, values: FloatArray | None, rows: Sequence[str], columns: Sequence[str], most: float) -> None:
        self.beginResetModel()
        self.values, self.rows, self.columns = values, rows, columns
        self._scale = value_scale(most)
        self._table = color_table(self._theme, self._scale)
        self.endResetModel()

    def apply_theme(self, theme: Theme) -> None:
        self._theme, self._table = theme, color_table(theme, self._scale)

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() or self.values is None else self.values.shape[0]

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() or self.values is None else self.values.shape[1]

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        names = self.columns if orientation == Qt.Orientation.Horizontal else self.rows
        return names[section] if role == _Roles.DisplayRole and section < len(names) else None

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        row, column = index.row(), index.column()
        if role == _Roles.DisplayRole:
            return self.text(row, column)
        if self.values is None or role not in (_Roles.ToolTipRole, _Roles.AccessibleTextRole):
            return None
        full = _HIDDEN if self.hidden(row, column) else number_format.full(self.values[row, column])
        text = f"{self.describe(row, column)} = {full}"
        return wrapped(text) if role == _Roles.ToolTipRole else text

    def text(self, row: int, column: int) -> str:
        if self.values is None or self.hidden(row, column):
            return _HIDDEN
        return number_format.true_minus(number_format.short(self.values[row, column]))

    def colors(self, rows: slice, columns: slice) -> PixelArray:
        """(rows, columns): the colors of cells as 0xffRRGGBB."""
        assert self.values is not None, "an empty matrix has no cells"
        colors = np.ascontiguousarray(self._table[self._scale.indices(self.values[rows, columns])])
        for row, column in np.ndindex(colors.shape):
            if self.hidden(row + rows.start, column + columns.start):
                colors[row, column] = self._theme.color("raised").rgb()
        return colors


class MatrixView(QTableView):
    """Cells have one size. Copies have every digit of the selected cells, or of all if at most one is selected."""

    def __init__(self, name: str) -> None:
        """`name` is for screen readers."""
        super().__init__()
        self.matrix = _MatrixModel()
        self._theme = LIGHT
        self.setModel(self.matrix)
        self.setAccessibleName(name)
        self.setEditTriggers(QTableView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.setShowGrid(False)
        self.setSelectionMode(QTableView.SelectionMode.ContiguousSelection)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            header.setHighlightSections(False)
            header.setMinimumSectionSize(1)
        self.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._use_font()

    def show_values(self, values: FloatArray | None, rows: Sequence[str], columns: Sequence[str], most: float) -> None:
        """Show a matrix with names of its rows and columns; `most` is its largest magnitude."""
        self.matrix.show_values(values, rows, columns, most)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.matrix.apply_theme(theme)
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw all visible cells in one pass: Qt asks a model for nine roles of each, which is too slow to scroll."""
        if self.matrix.values is None:
            return
        area = self.viewport().rect()
        width, height = self.horizontalHeader().defaultSectionSize(), self.verticalHeader().defaultSectionSize()
        left, top = max(0, self.columnAt(0)), max(0, self.rowAt(0))
        x, y = self.columnViewportPosition(left), self.rowViewportPosition(top)
        colors = self.matrix.colors(
            slice(top, top + area.height() // height + 2), slice(left, left + area.width() // width + 2)
        )
        rows, columns = colors.shape
        painter, metrics = QPainter(self.viewport()), self.fontMetrics()
        image = QImage(colors.data, columns, rows, 4 * columns, QImage.Format.Format_RGB32)
        painter.drawImage(QRect(x, y, columns * width, rows * height), image)
        painter.setFont(self.font())
        digit, baseline = metrics.horizontalAdvance("0"), (height - metrics.height()) // 2 + metrics.ascent()
        for row, line in enumerate(colors.tolist()):
            for column, color in enumerate(line):
                text = self.matrix.text(top + row, left + column)
                painter.setPen(on(color, self._theme))
                at = x + column * width + (width - digit * len(text)) // 2
                painter.drawText(at, y + row * height + baseline, text)
        chosen = self.visualRegionForSelection(self.selectionModel().selection()).boundingRect()
        if chosen.isValid():
            painter.setPen(QPen(self._theme.color("cursor"), 2))
            painter.drawRect(chosen.adjusted(1, 1, -1, -1))
        painter.end()

    def copy_text(self) -> str:
        values = self.matrix.values
        if values is None:
            return ""
        chosen = self.selectionModel().selectedIndexes()
        rows, columns = range(values.shape[0]), range(values.shape[1])
        if len(chosen) > 1:
            rows = range(min(at.row() for at in chosen), max(at.row() for at in chosen) + 1)
            columns = range(min(at.column() for at in chosen), max(at.column() for at in chosen) + 1)
        lines = [["", *(self.matrix.columns[column] for column in columns)]]
        for row in rows:
            cells = (_HIDDEN if self.matrix.hidden(row, c) else number_format.full(values[row, c]) for c in columns)
            lines.append([self.matrix.rows[row], *cells])
        return "".join("\t".join(line) + "\n" for line in lines)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and self.font().families() != code_font().families():
            self._use_font()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            QApplication.clipboard().setText(self.copy_text())
        else:
            super().keyPressEvent(event)

    def _use_font(self) -> None:
        self.setFont(code_font())
        width = QFontMetrics(code_font()).horizontalAdvance("−0.000")
        self.horizontalHeader().setDefaultSectionSize(width + scaled(14))
        self.verticalHeader().setDefaultSectionSize(scaled(_ROW_HEIGHT))
