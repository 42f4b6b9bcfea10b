"""Tables of numbers: what a view's model says about a cell, how it is drawn, and how it is copied."""

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRect, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QIcon, QKeyEvent, QKeySequence, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from rnnviz.gui.look.theme import LIGHT, Theme

FULL_ROLE = Qt.ItemDataRole.UserRole
"""The text of a cell or heading as it is copied: a number with every digit that it takes to read back."""

MARK_SIZE = 12
_INSET = 4
_SQUEEZE = 4
_STEPS = {int(Qt.Key.Key_Left): -1, int(Qt.Key.Key_Right): 1}
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter

AnyIndex = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Cell:
    """How a cell is drawn; a number stands on the right, words on the left."""

    text: str
    colour: QColor | None = None
    bold: bool = False
    mark: QIcon | None = None
    left: bool = False


class NumberTable(QTableView):
    """A table whose model has a method `cell(row, column) -> Cell` beside Qt's own.

    Rows are chosen whole and copied as text with tabs, in full precision.

    `stepped` is sent with -1 or 1 when an arrow asks for the timestep before or after, which a table of one
    vector has no other use for.
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
        self._painter = _CellPainter(self)
        self.setItemDelegate(self._painter)

    def copy_text(self) -> str:
        """The chosen rows with their headings, or all of them if at most one is chosen."""
        model = self.model()
        chosen = sorted({index.row() for index in self.selectionModel().selectedRows()})
        rows = chosen if len(chosen) > 1 else range(model.rowCount())
        columns = [column for column in range(model.columnCount()) if not self.isColumnHidden(column)]
        heading = [str(model.headerData(column, Qt.Orientation.Horizontal, FULL_ROLE)) for column in columns]
        lines = [heading] + [[str(model.index(row, c).data(FULL_ROLE)) for c in columns] for row in rows]
        return "".join("\t".join(line) + "\n" for line in lines)

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colours from now on."""
        self._painter.apply_theme(theme)
        self.viewport().update()

    def fit_columns(self, widest: list[str], growing: tuple[int, ...], shrinking: int | None = None) -> int:
        """Give each column the room that its widest text needs; those of `growing` share out what is left.

        The `shrinking` one, if any, gives up to half of its room where there is too little.

        Returns the width in pixels that all columns need.
        """
        self._widest, self._growing, self._shrinking = widest, growing, shrinking
        widths = [self.fontMetrics().horizontalAdvance(text) + 2 * _INSET for text in widest]
        needed = sum(widths)
        spare = self.viewport().width() - needed
        if shrinking is not None and spare < 0:
            widths[shrinking] = max(widths[shrinking] // 2, widths[shrinking] + spare)
            spare = 0
        # Not every column is as wide as it may be: a bar to scroll sideways is worse than a few pixels less.
        spare = 0 if spare < -_SQUEEZE * len(growing) else spare
        for place, column in enumerate(growing):
            widths[column] += spare * (place + 1) // len(growing) - spare * place // len(growing)
        for column, width in enumerate(widths):
            self.horizontalHeader().resizeSection(column, width)
        return needed

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit_columns(self._widest, self._growing, self._shrinking)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._painter.use_font(self.font())

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


def blend(theme: Theme, role: str, part: float, ground: str = "base") -> QColor:
    """A role's colour laid thinly over another."""
    over, under = theme.color(role), theme.color(ground)
    return QColor(
        round(part * over.red() + (1.0 - part) * under.red()),
        round(part * over.green() + (1.0 - part) * under.green()),
        round(part * over.blue() + (1.0 - part) * under.blue()),
    )


class _CellPainter(QStyledItemDelegate):
    """Draws a cell from one question to its model: the default asks eight, which a table of numbers feels."""

    def __init__(self, table: NumberTable) -> None:
        super().__init__(table)
        self.use_font(table.font())
        self.apply_theme(LIGHT)

    def use_font(self, font: QFont) -> None:
        """Write in this font from now on."""
        self._plain, self._bold = font, _bold(font)
        self._digit = QFontMetrics(self._bold).horizontalAdvance("0")

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colours from now on: a chosen row is tinted and keeps the colours of its texts."""
        self._text = theme.color("text")
        self._chosen = blend(theme, "accent", 0.2)
        self._alternate = blend(theme, "raised", 0.6)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        model: Any = index.model()
        cell: Cell = model.cell(index.row(), index.column())
        drawn: Any = option
        rect: QRect = drawn.rect
        if drawn.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, self._chosen)
        elif index.row() % 2:
            painter.fillRect(rect, self._alternate)
        if cell.mark is not None:
            cell.mark.paint(painter, QRect(rect.left() + _INSET, rect.top(), MARK_SIZE, rect.height()))
            if cell.left:
                rect = rect.adjusted(MARK_SIZE + _INSET, 0, 0, 0)
        painter.setFont(self._bold if cell.bold else self._plain)
        painter.setPen(cell.colour or self._text)
        rect = rect.adjusted(_INSET if cell.left else 1, 0, -_INSET, 0)
        text = cell.text
        # Digits are all of one width; only words and crowded columns are worth measuring.
        crowded = cell.left or len(text) * self._digit >= rect.width()
        if crowded and drawn.fontMetrics.horizontalAdvance(text) > rect.width():
            text = drawn.fontMetrics.elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(rect, _LEFT if cell.left else _RIGHT, text)


def _bold(font: QFont) -> QFont:
    bold = QFont(font)
    bold.setBold(True)
    return bold
