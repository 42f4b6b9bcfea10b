"""Table of numbers, with its own painting, sizing and copying."""

from typing import Any

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRect, Qt, Signal
from PySide6.QtGui import (
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QStyleOptionViewItem,
    QWidget,
)

from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.cell_painter import INSET, CellPainter
from rnnviz.gui.views.focus_frame import FramedTable

FULL_ROLE = Qt.ItemDataRole.UserRole
"""Item role of the copied text: a number with all digits needed to read it back exactly."""

_SQUEEZE = 3
_HEADING_MARGIN = 4
"""Margin of a heading in pixels, defined by the style."""
_STEPS = {int(Qt.Key.Key_Left): -1, int(Qt.Key.Key_Right): 1}

AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class NumberTable(FramedTable):
    """A table whose model also has a method `cell(row, column) -> TableCell`.

    Whole rows are selected, and copied as tab-separated text in full precision. All visible cells are painted in
    one pass, because Qt's delegates query the model many times per cell, which is too slow while the selection
    moves.

    `stepped` is emitted with -1 or 1 when Left or Right requests the previous or next time step.
    """

    stepped = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.verticalHeader().hide()
        # Rows of one height are never measured one by one.
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideRight)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._widest: list[str] = []
        self._growing: tuple[int, ...] = ()
        self._shrinking: int | None = None
        self._pictures: set[int] = set()
        self._painter = CellPainter(self.font())

    def copy_text(self) -> str:
        """The selected rows with headings, or all rows if at most one is selected."""
        model = self.model()
        chosen = sorted({index.row() for index in self.selectionModel().selectedRows()})
        rows = chosen if len(chosen) > 1 else range(model.rowCount())
        columns = [column for column in range(model.columnCount()) if not self.isColumnHidden(column)]
        heading = [str(model.headerData(column, Qt.Orientation.Horizontal, FULL_ROLE)) for column in columns]
        lines = [heading] + [[str(model.index(row, c).data(FULL_ROLE)) for c in columns] for row in rows]
        return "".join("\t".join(line) + "\n" for line in lines)

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._painter.apply_theme(theme)
        self.viewport().update()

    def fit_columns(self, widest: list[str], growing: tuple[int, ...], shrinking: int | None = None) -> int:
        """Set the column widths from the widest texts; `growing` columns share the remaining width.

        Headings come first, so that a long one is elided only without enough room. The `shrinking` column, if
        any, gives up to half of its width if there is too little.

        Returns the total width in pixels that the columns need.
        """
        self._widest, self._growing, self._shrinking = widest, growing, shrinking
        widths = [self.fontMetrics().horizontalAdvance(text) + 2 * INSET for text in widest]
        needed = sum(widths)
        spare = self.viewport().width() - needed
        if shrinking is not None and spare < 0:
            widths[shrinking] = max(widths[shrinking] // 2, widths[shrinking] + spare)
            spare = 0
        # Not every column is as wide as it may be: a bar to scroll sideways is worse than a few pixels less.
        spare = 0 if spare < -_SQUEEZE * len(growing) else spare
        # While a model is being replaced the columns are still those of the last one.
        if spare > 0 and self.model().columnCount() == len(widths):
            spare -= self._widen_for_headings(widths, growing, spare)
        for place, column in enumerate(growing):
            widths[column] += spare * (place + 1) // len(growing) - spare * place // len(growing)
        for column, width in enumerate(widths):
            self.horizontalHeader().resizeSection(column, width)
        return needed

    def _widen_for_headings(self, widths: list[int], growing: tuple[int, ...], spare: int) -> int:
        """Widen columns for their headings, in equal proportion, and return the used width in pixels."""
        header, model = self.horizontalHeader(), self.model()
        lacking = {}
        for column in growing:
            heading = str(model.headerData(column, Qt.Orientation.Horizontal))
            wanted = header.fontMetrics().horizontalAdvance(heading) + 2 * INSET + _HEADING_MARGIN
            lacking[column] = max(0, wanted - widths[column])
        lack = sum(lacking.values())
        given = 0
        for column, pixels in lacking.items():
            share = pixels if lack <= spare else pixels * spare // lack
            widths[column] += share
            given += share
        return given

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit_columns(self._widest, self._growing, self._shrinking)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._painter.use_font(self.font())
            self.fit_columns(self._widest, self._growing, self._shrinking)

    def paintEvent(self, event: QPaintEvent) -> None:
        model: Any = self.model()
        touched = event.rect()
        first, last = self.rowAt(touched.top()), self.rowAt(touched.bottom())
        if first < 0:
            return
        last = last if last >= 0 else model.rowCount() - 1
        height = self.verticalHeader().defaultSectionSize()
        top, chosen = self.rowViewportPosition(first), self.selectionModel()
        columns = self._columns_in_sight(touched)
        painter = QPainter(self.viewport())
        self._painter.begin(painter)
        for row in range(first, last + 1):
            y = top + (row - first) * height
            ground = self._painter.ground(row, chosen=chosen.isRowSelected(row, _ROOT))
            if ground is not None:
                painter.fillRect(
                    QRect(columns[0][1], y, columns[-1][1] + columns[-1][2] - columns[0][1], height), ground
                )
            for column, left, width in columns:
                rect = QRect(left, y, width, height)
                if column in self._pictures:
                    self._paint_picture(painter, rect, model.index(row, column))
                else:
                    self._painter.paint(painter, rect, model.cell(row, column))
        painter.end()

    def show_pictures(self, column: int) -> None:
        """Let a delegate paint the cells of a column."""
        self._pictures.add(column)

    def _columns_in_sight(self, touched: QRect) -> list[tuple[int, int, int]]:
        """Index, left edge and width in pixels of each column to paint, from left to right."""
        header = self.horizontalHeader()
        spans = [
            (column, header.sectionViewportPosition(column), header.sectionSize(column))
            for column in map(header.logicalIndex, range(header.count()))
            if not header.isSectionHidden(column)
        ]
        return [span for span in spans if span[1] <= touched.right() and span[1] + span[2] > touched.left()]

    def _paint_picture(self, painter: QPainter, rect: QRect, index: QModelIndex) -> None:
        option: Any = QStyleOptionViewItem()
        self.initViewItemOption(option)
        option.rect = rect
        self.itemDelegateForIndex(index).paint(painter, option, index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            QApplication.clipboard().setText(self.copy_text())
        elif (
            event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right)
            and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        ):
            self.stepped.emit(-1 if event.key() == Qt.Key.Key_Left else 1)
        else:
            super().keyPressEvent(event)
