"""Table model of the terms of a line: input, weight, product, and each engine's running sum."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.explain.provenance import in_words
from rnnviz.explain.term_table import TermRow, TermTable
from rnnviz.gui.naming import named
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.arithmetic.card import MARKS
from rnnviz.gui.views.arithmetic.term_table_lines import (
    APART,
    TermTableColumn,
    TermTableLine,
    columns_of,
    copied,
    heading,
    lines_of,
    value_of,
)
from rnnviz.gui.views.cell_painter import TableCell
from rnnviz.gui.views.number_table import FULL_ROLE

AnyIndex: TypeAlias = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_Roles = Qt.ItemDataRole
_LEAST_NUMBER, _LEAST_BAR = "-0.000", "0000"
"""Minimum widths of a column of numbers and of the bars, as texts."""
_SHORT_TITLE = 7
"""Characters of a heading that fit above every sum, such as "● gluon"."""


class TermTableModel(QAbstractTableModel):
    """`cell` returns the format of a cell; the figures of `row` are the values of its bars."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._term_table: TermTable | None = None
        self._lines: tuple[TermTableLine, ...] = ()
        self._engines: tuple[str, ...] = ()
        self._titles: tuple[str, ...] = ()
        self._columns: tuple[TermTableColumn, ...] = ()
        self._widest: list[str] = []
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        self._muted, self._link, self._wrong = (theme.color(role) for role in ("muted", "accent", "wrong"))
        self._strange = {number_format.NAN: theme.color("nan"), number_format.INFINITY: theme.color("infinite")}
        self._mark = Icons(theme).colored("cross", "wrong")

    @property
    def term_table(self) -> TermTable | None:
        """The table of terms, or None."""
        return self._term_table

    @property
    def lines(self) -> tuple[TermTableLine, ...]:
        """The lines of the table."""
        return self._lines

    @property
    def bar_column(self) -> int:
        """Index of the column of bars."""
        return len(self._columns) - 1

    @property
    def sum_columns(self) -> range:
        """Indices of the columns of running sums."""
        return range(self.bar_column - len(self._engines), self.bar_column)

    @property
    def full_titles(self) -> tuple[str, ...]:
        """Headings of the running sums: mark and name of each engine."""
        return _titles(self._engines)

    def show_terms(self, term_table: TermTable, engines: tuple[str, ...], split_at: int | None = None) -> bool:
        """Show another table, whose running sums first diverge in row `split_at`; True if the columns change."""
        columns = columns_of(term_table, len(engines))
        lines = lines_of(term_table, columns, split_at)
        shared = None if self._term_table is None else self._term_table.shared
        same = columns == self._columns and engines == self._engines and term_table.shared == shared
        count = len(self._lines)
        self._widest = _as_wide(lines, columns, term_table, _titles(engines), self._widest if same else [])
        if same and len(lines) == count:
            self._term_table, self._lines = term_table, lines
            self.dataChanged.emit(self.index(0, 0), self.index(count - 1, len(columns) - 1))
            return False
        self.beginResetModel()
        if not same:
            self._titles = ()
        self._term_table, self._lines, self._engines, self._columns = term_table, lines, engines, columns
        self.endResetModel()
        return not same

    def show_titles(self, titles: tuple[str, ...]) -> None:
        """Set the headings of the running sums, elided to fit."""
        if titles != self._titles:
            self._titles = titles
            sums = self.sum_columns
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, sums.start, sums.stop - 1)

    def row(self, line: int) -> TermRow:
        """The row of terms that a line belongs to."""
        return self._lines[line].row

    def copied(self, lines: Iterable[int]) -> str:
        """Rows of some lines as tab-separated text, with every engine's numbers in full precision."""
        if self._term_table is None:
            return ""
        rows = dict.fromkeys(self.row(line) for line in lines)
        return copied(self._term_table, tuple(map(display_name, self._engines)), rows)

    @property
    def reach(self) -> tuple[float, float]:
        """Range of the bars' axis: the least and the largest running sum, and 0."""
        found = [0.0]
        for row in self._term_table.rows if self._term_table is not None else ():
            for own in row.figures:
                if own.stop is not None and abs(own.stop) < number_format.LARGEST_PLAIN**2:
                    found.append(own.stop)
        return min(found), max(found)

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._lines)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or section >= len(self._columns):
            return None
        column = self._columns[section]
        text, why = heading(column.field, self._term_table)
        own = column.field == "stop" and len(self._engines) > 1
        if role == _Roles.DisplayRole:
            if len(self._engines) < 2:
                return text
            above = self._titles[column.engine] if own and self._titles else ""
            return f"{above}\n{text}"
        name = display_name(self._engines[column.engine])
        if role == _Roles.ToolTipRole:
            return f"{name}: {why}" if own else why
        if role in (FULL_ROLE, _Roles.AccessibleTextRole):
            return "term" if column.field == "name" else f"{name} {text}" if own else text
        return None

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        line, column = self._lines[index.row()], self._columns[index.column()]
        text = line.texts[index.column()]
        if role == _Roles.DisplayRole:
            return named(text) if column.field == "name" else text
        if role == FULL_ROLE:
            return named(line.row.name) if column.field == "name" else self._full(line, column)
        if role == _Roles.ToolTipRole:
            return self.row_tooltip(index.row())
        if role == _Roles.AccessibleTextRole:
            return self._read(line, column, text)
        return None

    def cell(self, row: int, column: int) -> TableCell:
        """Format of a cell: the first divergence is bold and marked, equal sums of the candidate are muted."""
        at, line = self._columns[column], self._lines[row]
        text, entry = line.texts[column], line.row
        if at.field == "name":
            return self._name_cell(line, named(text))
        if (line.parts and at.field == "stop") or (entry.parts and at.field in ("input", "product")):
            return TableCell(text, self._wrong, bold=True)
        nonfinite = self._strange.get(text.removeprefix("-"))
        bold = entry.kind == "total" or (entry.kind == "part" and at.field == "product")
        if nonfinite is None and at.engine and text == line.texts[column - at.engine]:
            return TableCell(text, self._muted, bold=bold)
        return TableCell(text, nonfinite, bold=bold)

    def row_tooltip(self, row: int) -> str:
        """Tooltip of a row: every number in full precision, each engine's running sum, and the input's source."""
        entry = self.row(row)
        lines = [named(entry.name)]
        for engine, own in zip(map(display_name, self._engines), entry.figures, strict=True):
            if own.factor is not None and own.input is not None and own.product is not None:
                value = (
                    f"{number_format.full(own.factor)} × {number_format.full(own.input)} = "
                    f"{number_format.full(own.product)}"
                )
            else:
                number = own.added if own.product is None else own.product
                value = "" if number is None else number_format.full(number)
            summed = "" if own.stop is None or entry.kind == "total" else f", sum {number_format.full(own.stop)}"
            lines.append(f"{engine}: {value}{summed}")
        if self._lines[row].parts:
            lines.append("The running sums diverge here.")
        if entry.source is not None:
            lines.append(f"Click the name to go to {in_words(entry.source)}.")
        return "\n".join(lines)

    def widest(self) -> list[str]:
        """The widest text of each column. Widths only grow while the columns stay the same."""
        return self._widest

    def _name_cell(self, line: TermTableLine, text: str) -> TableCell:
        entry = line.row
        if line.engine:
            return TableCell(text, self._muted, left=True)
        if entry.parts:
            return TableCell(text, self._wrong, bold=True, mark=self._mark, left=True)
        color = self._link if entry.source is not None else self._muted if entry.kind == "rest" else None
        return TableCell(text, color, bold=entry.kind == "total", left=True)

    def _full(self, line: TermTableLine, column: TermTableColumn) -> str:
        if self._term_table is None or (line.engine and column.field == "stop"):
            return ""
        value = value_of(self._term_table, line.row, column, line.engine)
        return "" if value is None else number_format.full(value)

    def _read(self, line: TermTableLine, column: TermTableColumn, text: str) -> str:
        """Accessible text of a cell."""
        if column.field == "name":
            whose = f" of {display_name(self._engines[line.engine])}" if line.engine else ""
            return f"term {named(line.row.name)}{whose}" + (", first divergence" if line.row.parts else "")
        words, _ = heading(column.field, self._term_table)
        if column.field == "stop" and len(self._engines) > 1:
            words = f"{display_name(self._engines[column.engine])} {words}"
        text = f"{words} {text.removeprefix(APART)}"
        return f"{text}, the running sums diverge here" if line.parts and column.field == "stop" else text


def _titles(engines: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(map(display_name, engines))
    return names if len(names) < 2 else tuple(f"{mark} {name}" for mark, name in zip(MARKS, names, strict=False))


def _as_wide(
    lines: tuple[TermTableLine, ...],
    columns: tuple[TermTableColumn, ...],
    term_table: TermTable,
    titles: tuple[str, ...],
    before: list[str],
) -> list[str]:
    """The widest text of each column, including `before`."""
    found = []
    for place, column in enumerate(columns):
        # Marked rows and sums are bold, which is wider.
        bold = [line.row.parts or line.parts or line.row.kind in ("part", "total") for line in lines]
        texts = [line.texts[place] + ("." if wide else "") for line, wide in zip(lines, bold, strict=True)]
        match column.field:
            case "bar":
                texts = [_LEAST_BAR]
            case "name":
                texts = [text + "0" for text in texts]
                texts += ["000" + line.texts[place] + "." for line in lines if line.row.parts]
            case "stop":
                # First, as a title is the widest of as many characters.
                texts = [*(title for title in titles if len(title) <= _SHORT_TITLE), _LEAST_NUMBER, *texts]
            case _:
                texts += [_LEAST_NUMBER, heading(column.field, term_table)[0]]
        found.append(max([*before[place : place + 1], *texts], key=_width))
    return found


def _width(text: str) -> float:
    """Width in digits. A decimal point counts as half a digit, as the extra width of bold text does."""
    return len(text) - 0.5 * text.endswith(".")
