"""Table model of the rows of a sweep. Texts are created only for visible cells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.table import FULL_ROLE, AnyIndex, TableCell
from rnnviz.sweeps.results import (
    QUANTITIES,
    ROW_MARKS,
    WAITING,
    FirstWrong,
    SweepFigures,
    SweepRow,
    SweepTable,
    order,
    ranks,
    short_key,
    value_text,
)

_Roles = Qt.ItemDataRole
_ROOT = QModelIndex()
_NOTHING = ""
_FIRST_SAMPLE = "manual at L0→ t=0 n=0 u=0"
_SPACE = "\u2002"
"""Padding of a text column that follows right-aligned numbers."""
_VERDICT_ROLES = {"agree": "right", "drift": "doubtful", "disagree": "wrong", "refused": "muted", "failed": "wrong"}


@dataclass(frozen=True)
class _Column:
    """A column: heading, tooltip, text and sort key."""

    heading: str
    why: str
    text: Callable[[SweepRow], str]
    full: Callable[[SweepRow], str]
    keys: Callable[[SweepFigures], NDArray[np.float64]]
    words: bool = False


class SweepModel(QAbstractTableModel):
    """One row for each run, in the order of the sweep until sorted otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self._sorting: tuple[int, Qt.SortOrder] | None = None
        self.figures = SweepFigures(SweepTable((), ()))
        self._order: NDArray[np.intp] = np.empty(0, np.intp)
        self._columns: tuple[_Column, ...] = ()

    def show_figures(self, figures: SweepFigures) -> None:
        """Show another sweep in its own order."""
        self.beginResetModel()
        self.figures, self._sorting = figures, None
        keys = tuple(_key_column(place, figures) for place in range(len(figures.keys)))
        self._columns = (*keys, _VERDICT, *_NUMBERS, _FIRST_WRONG, _REASON)
        self._order = np.arange(len(figures.rows))
        self.endResetModel()

    def refresh(self) -> None:
        """Sort and update after new rows."""
        if self._sorting is not None:
            self.sort(*self._sorting)
        elif len(self._order):
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._order) - 1, len(self._columns) - 1))

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme

    def row(self, row: int) -> SweepRow:
        """The `SweepRow` in a row of the table."""
        return self.figures.rows[int(self._order[row])]

    def place(self, row: int) -> int:
        """Index in the sweep of a row of the table."""
        return int(self._order[row])

    def row_of(self, place: int) -> int:
        """Row of the table for an index in the sweep."""
        return int(np.flatnonzero(self._order == place)[0])

    def column_of(self, heading: str) -> int:
        """Index of the column with a heading."""
        return [column.heading for column in self._columns].index(heading)

    def sort(self, column: int, order_: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1 restores the order of the sweep. The selection stays on its rows."""
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        places = [self.place(index.row()) for index in before]
        if column < 0 or column >= len(self._columns):
            self._sorting, self._order = None, np.arange(len(self.figures.rows))
        else:
            self._sorting = column, order_
            self._order = order(
                self._columns[column].keys(self.figures), ascending=order_ == Qt.SortOrder.AscendingOrder
            )
        rows = np.empty(len(self._order), np.intp)
        rows[self._order] = np.arange(len(self._order))
        after = [self.index(int(rows[place]), index.column()) for place, index in zip(places, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def cell(self, row: int, column: int) -> TableCell:
        """Format of a cell."""
        asked, found = self._columns[column], self.row(row)
        color = None
        if asked is _VERDICT or found.finding is None:
            role = "muted" if found.finding is None else _VERDICT_ROLES[found.finding.verdict]
            color = self._theme.color(role) if asked is _VERDICT else None
        text = f"{_SPACE}{asked.text(found)}" if asked.words and column else asked.text(found)
        return TableCell(text, color, bold=asked is _VERDICT and found.finding is not None, left=asked.words)

    def widest(self) -> list[str]:
        """The widest text of each column."""
        found = []
        for place, column in enumerate(self._columns):
            texts = [column.heading + "00"]
            if place < len(self.figures.dimensions):
                texts += self.figures.dimensions[place].texts
            elif column is _VERDICT:
                texts.append(f"{ROW_MARKS['disagree']} disagree")
            elif column is _FIRST_WRONG:
                texts += [_FIRST_SAMPLE] if self.figures.counts["disagree"] else []
            elif column is not _REASON:
                texts += ["1.2e-10", "1 min 59 s"]
            found.append(max(texts, key=len) + ("00" if column.words else "0"))
        return found

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or section >= len(self._columns):
            return None
        column = self._columns[section]
        if role == _Roles.DisplayRole:
            return f"{_SPACE}{column.heading}" if column.words and section else column.heading
        if role == FULL_ROLE:
            return column.heading
        if role == _Roles.ToolTipRole:
            return f"{column.why} A click sorts by it."
        if role == _Roles.TextAlignmentRole and column.words:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        column = self._columns[index.column()]
        if role == _Roles.DisplayRole:
            return column.text(self.row(index.row()))
        if role == FULL_ROLE:
            return column.full(self.row(index.row()))
        if role == _Roles.ToolTipRole:
            return f"{column.heading}: {column.full(self.row(index.row())) or 'none'}"
        return None


def _key_column(place: int, figures: SweepFigures) -> _Column:
    key, dimension = figures.keys[place], figures.dimensions[place]
    return _Column(
        short_key(key, figures.keys),
        f"{key}: varies between rows.",
        lambda row: value_text(row.point.values[place]),
        lambda row: str(row.point.values[place]) if dimension.words else value_text(row.point.values[place]),
        lambda _: dimension.ranks[dimension.codes],
        dimension.words,
    )


def _verdict(row: SweepRow) -> str:
    return "waiting" if row.finding is None else f"{ROW_MARKS[row.finding.verdict]} {row.finding.verdict}"


def _verdict_keys(figures: SweepFigures) -> NDArray[np.float64]:
    return np.where(figures.verdicts == WAITING, np.nan, figures.verdicts.astype(np.float64))


def _number_column(place: int) -> _Column:
    quantity = QUANTITIES[place]
    short = number_format.duration if quantity.name in ("reference", "engine") else number_format.error

    def text(row: SweepRow) -> str:
        value = quantity.value(row)
        return _NOTHING if value is None else short(value)

    def full(row: SweepRow) -> str:
        value = quantity.value(row)
        return _NOTHING if value is None else number_format.full(value)

    return _Column(quantity.title, quantity.why, text, full, lambda figures: figures.values[quantity.name])


def _wrong(row: SweepRow) -> FirstWrong | None:
    return None if row.finding is None else row.finding.first_wrong


def _wrong_text(row: SweepRow) -> str:
    wrong = _wrong(row)
    return _NOTHING if wrong is None else f"{display_name(wrong.engine)} at {wrong.where.short}"


def _reason(row: SweepRow) -> str:
    return _NOTHING if row.finding is None else row.finding.reason


_VERDICT = _Column(
    "verdict",
    "Verdict of the comparison with the reference, or the reason why there is no run.",
    _verdict,
    _verdict,
    _verdict_keys,
    True,
)
_NUMBERS = tuple(_number_column(place) for place in range(len(QUANTITIES)))
_FIRST_WRONG = _Column(
    "first wrong",
    "First wrong step and its engine, by the step audit.",
    _wrong_text,
    _wrong_text,
    lambda figures: ranks([_wrong_text(row) for row in figures.rows]),
    True,
)
_REASON = _Column(
    "result",
    "The verdict in one sentence.",
    _reason,
    _reason,
    lambda figures: ranks([_reason(row) for row in figures.rows]),
    True,
)
