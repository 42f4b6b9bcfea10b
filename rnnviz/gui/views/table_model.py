"""Table model made of column records: each says how it writes, aligns, colors, explains and sorts its cells."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt
from PySide6.QtGui import QColor, QIcon

from rnnviz.core import number_format
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.table import FULL_ROLE, AnyIndex, TableCell
from rnnviz.results.columns import Column, Look

_Roles = Qt.ItemDataRole
_ROOT = QModelIndex()
NONFINITE = {number_format.NAN: "nan", number_format.INFINITY: "infinite"}


class TableModel(QAbstractTableModel):
    """Rows of any type under columns. Only visible cells are written."""

    def __init__(self, columns: Sequence[Column] = (), tip: Callable[[Any], str] | None = None) -> None:
        """`tip` returns the tooltip of a row, by default every column with its exact text."""
        super().__init__()
        self.columns = tuple(columns)
        self.rows: Sequence[Any] = ()
        """The rows as they were set, whatever they are sorted by."""
        self.broken_titles: dict[int, str] = {}
        """Titles in two lines by column, which replace those that do not fit."""
        self._tip = tip or self.described
        self._order: NDArray[np.intp] | None = None
        self._sorting: tuple[int, Qt.SortOrder] | None = None
        self._use_theme(LIGHT)

    def show_rows(self, rows: Sequence[Any], columns: Sequence[Column] | None = None, *, keep: bool = False) -> None:
        """Set the rows, and the columns if they change.

        With `keep`, as many rows in the same columns replace the earlier ones without a reset: the selection stays.
        """
        columns = self.columns if columns is None else tuple(columns)
        same = keep and len(rows) == len(self.rows) and _titles(columns) == _titles(self.columns)
        if same:
            self.rows, self.columns = rows, columns
            self.refresh()
            return
        self.beginResetModel()
        self.rows, self.columns = rows, columns
        self._sort()
        self.endResetModel()

    def refresh(self) -> None:
        """Sort again, and report that every cell may have changed."""
        if self._sorting is not None:
            self.sort(*self._sorting)
        elif self.rows and self.columns:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.rows) - 1, len(self.columns) - 1))

    def apply_theme(self, theme: Theme) -> None:
        self._use_theme(theme)
        self.refresh()

    def row(self, place: int) -> Any:
        """The row at a place of the table."""
        return self.rows[place if self._order is None else int(self._order[place])]

    def place_of(self, number: int) -> int:
        """Place in the table of `rows[number]`."""
        return number if self._order is None else int(np.flatnonzero(self._order == number)[0])

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1 restores the order of the rows. The selection stays at its rows."""
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        numbers = [at.row() if self._order is None else int(self._order[at.row()]) for at in before]
        self._sorting = (column, order) if 0 <= column < len(self.columns) else None
        self._sort()
        after = [self.index(self.place_of(number), at.column()) for number, at in zip(numbers, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def cell(self, row: int, column: int) -> TableCell:
        at, entry = self.columns[column], self.row(row)
        text, look = at.text(entry), at.look(entry)
        role = look.role
        if at.number:
            role = role or NONFINITE.get(text.removeprefix("-"), "")
            text = number_format.true_minus(text)
        return TableCell(text, self._color(role), look.bold, self._icon(look), left=not (at.right or at.number))

    def described(self, row: Any) -> str:
        """Every column of a row with its exact text."""
        return "\n".join(f"{column.name}: {text}" for column in self.columns if (text := column.exact(row)))

    def widest(self) -> list[str]:
        texts = [column.widest or self._measured(column) for column in self.columns]
        return [
            number_format.true_minus(text) if column.number else text
            for column, text in zip(self.columns, texts, strict=True)
        ]

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        column = self.columns[section]
        if role == _Roles.DisplayRole:
            return self.broken_titles.get(section, column.title)
        if role in (FULL_ROLE, _Roles.AccessibleTextRole):
            return column.name
        if role == _Roles.ToolTipRole:
            return wrapped(column.why or column.name)
        if role == _Roles.TextAlignmentRole and not (column.right or column.number):
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        column, row = self.columns[index.column()], self.row(index.row())
        if role == _Roles.DisplayRole:
            return number_format.true_minus(column.text(row)) if column.number else column.text(row)
        if role == FULL_ROLE:
            return column.exact(row)
        if role == _Roles.ToolTipRole:
            return wrapped(self._tip(row))
        if role == _Roles.AccessibleTextRole:
            note = column.look(row).note
            return f"{column.name} {self.data(index)}" + (f", {note}" if note else "")
        return None

    def _use_theme(self, theme: Theme) -> None:
        self._theme, self._icons = theme, Icons(theme)
        self._colors: dict[str, QColor] = {}

    def _color(self, role: str) -> QColor | None:
        if role and role not in self._colors:
            self._colors[role] = self._theme.color(role)
        return self._colors.get(role)

    def _icon(self, look: Look) -> QIcon | None:
        return self._icons.colored(look.icon, look.role) if look.icon else None

    def _measured(self, column: Column) -> str:
        text = max((column.title, *map(column.text, self.rows)), key=len)
        # A mark takes the room of three digits.
        return text + ("00" if column.number else "0") + "000" * any(column.look(row).icon for row in self.rows)

    def _sort(self) -> None:
        keys = None if self._sorting is None else self.columns[self._sorting[0]].keys
        if self._sorting is None or keys is None:
            self._order = None
            return
        found = keys().astype(np.float64)
        # NaN comes last, and equal rows keep their order, whichever way they are sorted.
        ascending = self._sorting[1] == Qt.SortOrder.AscendingOrder
        self._order = np.argsort(found if ascending else -found, kind="stable")


def _titles(columns: Sequence[Column]) -> list[tuple[str, str]]:
    return [(column.title, column.heading) for column in columns]
