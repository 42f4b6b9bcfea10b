"""A ledger's rows as a table's model: what is read, weighed and added up, each engine's figures beside the other's."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from rnnviz.analysis import numbers
from rnnviz.analysis.explain.digits import enough, told_apart
from rnnviz.analysis.explain.ledger import Figures, Ledger, Row
from rnnviz.analysis.explain.provenance import in_words
from rnnviz.analysis.naming import shown_name
from rnnviz.gui.look.icons import Icons
from rnnviz.gui.look.theme import LIGHT, Theme
from rnnviz.gui.views.arithmetic.card import MARKS
from rnnviz.gui.views.cells import Cell
from rnnviz.gui.views.tables import FULL_ROLE

AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_Roles = Qt.ItemDataRole
_LONGEST_ENGINE = 6
"""A longer name does not fit over one column: its sign stands alone, which the cards have beside the name."""

Field: TypeAlias = Literal["name", "factor", "input", "product", "added", "stop", "bar"]

_HEADINGS: dict[Field, tuple[str, str]] = {
    "name": ("", "What is read. Click it, or press Enter, to see how it came about."),
    "factor": ("weight", "What the input is multiplied with."),
    "input": ("× input", "The number that is read."),
    "product": ("= prod.", "The two multiplied; a bias or a sum stands here, too."),
    "added": ("× r", "What is added: beneath h' the product times the reset gate r."),
    "stop": ("sum", "What it has come to, row by row."),
    "bar": ("so far", "From the sum before a row to the sum after it: to the right it grew, to the left it fell."),
}


@dataclass(frozen=True)
class _Column:
    field: Field
    engine: int = 0
    first: bool = False
    """Whether it is the first of its engine's."""


class LedgerModel(QAbstractTableModel):
    """`cell` tells how a cell is drawn; `figures` what the bars of a row show."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ledger: Ledger | None = None
        self._engines: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()
        self._longest_name = ""
        self._columns: tuple[_Column, ...] = ()
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colours from now on."""
        self._muted, self._link, self._wrong = (theme.color(role) for role in ("muted", "accent", "wrong"))
        self._strange = {numbers.NAN: theme.color("nan"), numbers.INFINITY: theme.color("infinite")}
        self._mark = Icons(theme).coloured("cross", "wrong")

    @property
    def ledger(self) -> Ledger | None:
        """What is shown."""
        return self._ledger

    @property
    def bar_column(self) -> int:
        """Where the bars stand."""
        return len(self._columns) - 1

    def show_ledger(self, ledger: Ledger, engines: tuple[str, ...]) -> bool:
        """Show another ledger; True if the columns are other ones."""
        names = tuple(map(shown_name, engines))
        if len(engines) > 1 and _alike(ledger):
            # As the cards do: numbers of the same digits stand there once, as everybody's.
            columns, names = _columns(ledger, 1), (", ".join(names),)
        else:
            columns = _columns(ledger, len(engines))
        same = columns == self._columns and names == self._names and engines == self._engines
        # Only ever longer, so that no column moves with the cursor.
        kept = self._longest_name if same else ""
        self._longest_name = max(kept, *(row.name for row in ledger.rows), key=len)
        if same and self._ledger is not None and len(ledger.rows) == len(self._ledger.rows):
            self._ledger = ledger
            self.dataChanged.emit(self.index(0, 0), self.index(len(ledger.rows) - 1, len(columns) - 1))
            return False
        self.beginResetModel()
        self._ledger, self._engines, self._names, self._columns = ledger, engines, names, columns
        self.endResetModel()
        return not same

    def row(self, row: int) -> Row:
        """An entry."""
        assert self._ledger is not None, "an empty model has no rows"
        return self._ledger.rows[row]

    @property
    def reach(self) -> tuple[float, float]:
        """The least and largest sum on the way, and 0: what the bars' axis shows."""
        found = [0.0]
        for row in self._ledger.rows if self._ledger is not None else ():
            for own in row.figures:
                if own.stop is not None and abs(own.stop) < numbers.LARGEST_PLAIN**2:
                    found.append(own.stop)
        return min(found), max(found)

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() or self._ledger is None else len(self._ledger.rows)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or section >= len(self._columns):
            return None
        column = self._columns[section]
        text, why = self._heading(column)
        engine = self._names[column.engine]
        if role == _Roles.DisplayRole:
            return f"{self._above(column)}\n{text}" if self._is_parted else text
        if role == _Roles.ToolTipRole:
            return why if column.field in ("name", "bar") or self._is_shared(column) else f"{engine}: {why}"
        if role in (FULL_ROLE, _Roles.AccessibleTextRole):
            if column.field == "name":
                return "term"
            return text if column.field == "bar" or self._is_shared(column) else f"{engine} {text}"
        return None

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        row, column = index.row(), self._columns[index.column()]
        if role == _Roles.DisplayRole:
            return self._text(row, column)
        if role == FULL_ROLE:
            value = self._value(row, column)
            return self.row(row).name if column.field == "name" else "" if value is None else numbers.full(value)
        if role == _Roles.ToolTipRole:
            return self.told(row)
        if role == _Roles.AccessibleTextRole:
            heading = self.headerData(index.column(), Qt.Orientation.Horizontal, role)
            words = f"{heading} {self._text(row, column)}"
            return f"{words}, the engines part here" if self.row(row).parts and column.field == "name" else words
        return None

    def cell(self, row: int, column: int) -> Cell:
        """How a cell is drawn: where the engines part first in bold and marked; equal figures of the second muted."""
        at, entry = self._columns[column], self.row(row)
        text = self._text(row, at)
        if at.field == "name":
            if entry.parts:
                return Cell(text, self._wrong, bold=True, mark=self._mark, left=True)
            colour = self._link if entry.source is not None else self._muted if entry.kind == "rest" else None
            return Cell(text, colour, bold=entry.kind == "total", left=True)
        if entry.parts and at.field in ("input", "product"):
            return Cell(text, self._wrong, bold=True)
        strange = self._strange.get(text.removeprefix("-"))
        if at.engine and strange is None and text == self._text(row, _Column(at.field)):
            return Cell(text, self._muted, bold=entry.kind == "total")
        return Cell(text, strange, bold=entry.kind == "total" or (entry.kind == "part" and at.field == "product"))

    def told(self, row: int) -> str:
        """Every figure of a row in full, and where its input came from."""
        entry = self.row(row)
        lines = [entry.name]
        for engine, own in zip(self._engines, entry.figures, strict=True):
            if own.factor is not None and own.input is not None and own.product is not None:
                product = f"{numbers.full(own.factor)} × {numbers.full(own.input)} = {numbers.full(own.product)}"
            else:
                value = own.added if own.product is None else own.product
                product = "" if value is None else numbers.full(value)
            lines.append(f"{engine}: {product}")
        if entry.source is not None:
            lines.append(f"Click its name: {in_words(entry.source)}")
        return "\n".join(lines)

    def widest(self) -> list[str]:
        """For each column a text as wide as it may need."""
        if self._ledger is None:
            return []
        widest = {
            "name": self._longest_name + ("000" if self._is_parted else "0"),
            "bar": "0" * 8,
        }
        # The sums among the products stand in bold.
        plain, bold = "-0.0000", "-0.00000"
        return [
            widest.get(c.field, max(bold if c.field == "product" else plain, self._heading(c)[0], key=len))
            for c in self._columns
        ]

    def _heading(self, column: _Column) -> tuple[str, str]:
        if self._ledger is not None and not self._ledger.shared:
            if column.field == "factor":
                return "first", "The first number of the product."
            if column.field == "input":
                return "× second", "The second number of the product."
        return _HEADINGS[column.field]

    @property
    def _is_parted(self) -> bool:
        """Whether each engine has columns of its own."""
        return len(self._names) > 1

    def _above(self, column: _Column) -> str:
        """The engine's name over the first of its columns."""
        name = self._names[column.engine]
        short = f" {name}" if len(name) <= _LONGEST_ENGINE else ""
        return f"{MARKS[column.engine]}{short}" if column.first else ""

    def _is_shared(self, column: _Column) -> bool:
        return column.field == "factor" and self._ledger is not None and self._ledger.shared

    def _value(self, row: int, column: _Column) -> float | None:
        if column.field in ("name", "bar"):
            return None
        own: Figures = self.row(row).figures[column.engine]
        value: float | None = getattr(own, column.field)
        if column.field == "product" and value is None and self._ledger is not None and not self._ledger.scaled:
            return own.added
        return value

    def _text(self, row: int, column: _Column) -> str:
        entry = self.row(row)
        if column.field == "name":
            return entry.name
        value = self._value(row, column)
        if value is None:
            return ""
        if entry.parts and len(entry.figures) == 2 and column.field in ("input", "product"):
            other = self._value(row, _Column(column.field, 1 - column.engine))
            if other is not None and other != value:
                return told_apart(value, other)[0]
        return enough(value)


def _alike(ledger: Ledger) -> bool:
    """Whether all engines' figures have the same digits, and the engines do not part in any of them."""
    return not any(row.parts for row in ledger.rows) and all(
        _digits(own) == _digits(row.figures[0]) for row in ledger.rows for own in row.figures[1:]
    )


def _digits(figures: Figures) -> list[str]:
    values = figures.factor, figures.input, figures.product, figures.added, figures.stop
    return ["" if value is None else enough(value) for value in values]


def _columns(ledger: Ledger, engines: int) -> tuple[_Column, ...]:
    found = [_Column("name")]
    if ledger.shared:
        found.append(_Column("factor"))
    fields: list[Field] = ["input", "product", "stop"]
    if ledger.scaled:
        fields.insert(2, "added")
    if not ledger.shared:
        fields.insert(0, "factor")
    for engine in range(engines):
        # The candidate's sums are told by its bars, and leave the room to the numbers that they come from.
        own = fields if not engine else [field for field in fields if field != "stop"]
        found += [_Column(field, engine, first=field == fields[0]) for field in own]
    return (*found, _Column("bar"))
