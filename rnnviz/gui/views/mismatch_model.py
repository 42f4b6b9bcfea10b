"""Table model of the mismatches. Texts are created only for visible cells."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.gui.views.cell_painter import TableCell
from rnnviz.gui.views.number_table import FULL_ROLE, AnyIndex
from rnnviz.verify.mismatches import MismatchRows

_Roles = Qt.ItemDataRole
_ROOT = QModelIndex()
_PLACES = ("layer", "direction", "t", "sample", "unit")


class MismatchModel(QAbstractTableModel):
    """One mismatch in each row, in the order of computation until sorted otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: MismatchRows | None = None
        self._order: NDArray[np.intp] = np.empty(0, np.intp)
        self._places: NDArray[np.intp] | None = None
        self._sorting: tuple[int, Qt.SortOrder] | None = None
        self.headings: tuple[str, ...] = ()
        self.show_rows(None, "reference", "candidate")

    def show_rows(self, rows: MismatchRows | None, reference: str, candidate: str) -> None:
        """Set the rows; the sort order stays."""
        self.beginResetModel()
        self._rows = rows
        self.headings = (*_PLACES, display_name(reference), display_name(candidate), "difference", "error ratio", "ulp")
        self._order, self._places = self._sorted(), None
        self.endResetModel()

    def location(self, row: int) -> Location:
        """Location of the mismatch in a row."""
        assert self._rows is not None
        return self._rows.location(int(self._order[row]))

    def row_of(self, where: Location) -> int | None:
        """Row of a location, or None."""
        place = None if self._rows is None else self._rows.row_of(where)
        if place is None:
            return None
        if self._places is None:
            self._places = np.empty_like(self._order)
            self._places[self._order] = np.arange(len(self._order))
        return int(self._places[place])

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1 restores the order of computation."""
        self.layoutAboutToBeChanged.emit()
        self._sorting = None if column < 0 else (column, order)
        self._order, self._places = self._sorted(), None
        self.layoutChanged.emit()

    def cell(self, row: int, column: int) -> TableCell:
        """Format of a cell."""
        return TableCell(self._text(row, column, full=False), left=column == 1)

    def widest(self) -> list[str]:
        """The widest text of each column."""
        if self._rows is None or not len(self._rows):
            return list(self.headings)
        largest = [str(int(self._rows.where[:, place].max())) for place in range(5)]
        samples = [*largest, "-0.000", "-0.000", "1.2e-10", "1.2e-10", "100,000"]
        samples[1] = max(DIRECTIONS, key=len)
        return [max(pair, key=len) + "00" for pair in zip(self.headings, samples, strict=True)]

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.headings)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role in (_Roles.DisplayRole, FULL_ROLE, _Roles.ToolTipRole):
            return self.headings[section]
        return None

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        if role in (_Roles.DisplayRole, FULL_ROLE):
            return self._text(index.row(), index.column(), full=role == FULL_ROLE)
        if role == _Roles.ToolTipRole:
            return f"{self.headings[index.column()]}: {self._text(index.row(), index.column(), full=True)}"
        return None

    def _text(self, row: int, column: int, *, full: bool) -> str:
        rows, place = self._rows, int(self._order[row])
        assert rows is not None
        if column == 1:
            return DIRECTIONS[rows.location(place).backward]
        if column < 5:
            return str(int(rows.where[place, column]))
        if column in (5, 6):
            value = (rows.reference if column == 5 else rows.candidate)[place]
            return number_format.full(value) if full else number_format.short(value)
        if column == 9:
            return str(int(rows.ulp[place])) if full else number_format.ulp(int(rows.ulp[place]))
        value = (rows.error if column == 7 else rows.error_ratio)[place]
        return number_format.full(float(value)) if full else number_format.error(value)

    def _sorted(self) -> NDArray[np.intp]:
        if self._rows is None:
            return np.empty(0, np.intp)
        if self._sorting is None:
            return np.arange(len(self._rows))
        column, order = self._sorting
        keys: Any = [
            *self._rows.where.T,
            self._rows.reference,
            self._rows.candidate,
            self._rows.error,
            self._rows.error_ratio,
            self._rows.ulp,
        ][column]
        ascending = np.argsort(keys, kind="stable")
        if order == Qt.SortOrder.AscendingOrder:
            return ascending
        # Equal rows keep the order of computation whichever way they are sorted.
        return len(keys) - 1 - np.argsort(keys[::-1], kind="stable")[::-1]
