"""Lines of the term table: one for numbers that the engines share, another where a candidate differs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rnnviz.core import number_format
from rnnviz.explain.equations import format_short, told_apart_briefly
from rnnviz.explain.term_table import TermRow, TermTable, TermValues
from rnnviz.gui.naming import named
from rnnviz.gui.views.arithmetic.card import MARKS

APART = "≠ "

Field: TypeAlias = Literal["name", "factor", "input", "product", "added", "stop", "bar"]


_HEADINGS: dict[Field, tuple[str, str]] = {
    "name": ("", "Input of the term. Click it, or press Enter, to show how it is computed."),
    "factor": ("weight", "Weight."),
    "input": ("× input", "Input value. Where the candidate has another value, a □ line shows it."),
    "product": ("= prod.", "Weight × input. Biases and the sums u and v are in this column, too."),
    "added": ("× r", "Added value: for terms of h[t-1] the product times the reset gate r."),
    "stop": ("sum", "Running sum."),
    "bar": (
        "running sum",
        "From the sum before the row to the sum after it: right is an increase.",
    ),
}


@dataclass(frozen=True)
class TermTableColumn:
    """A column. `engine` is the index of the engine of a running sum."""

    field: Field
    engine: int = 0


@dataclass(frozen=True)
class TermTableLine:
    """A line with one text per column.

    The first line of a row has every engine's running sum, and the first engine's other numbers. A further line has
    another engine's numbers. `parts` marks the first row where the running sums diverge.
    """

    row: TermRow
    engine: int
    texts: tuple[str, ...]
    parts: bool = False


def heading(field: Field, term_table: TermTable | None) -> tuple[str, str]:
    """Heading of a column, and its tooltip."""
    if term_table is not None and not term_table.shared and field == "factor":
        return "first", "The first number of the product."
    if term_table is not None and not term_table.shared and field == "input":
        return "× second", "The second number of the product."
    return _HEADINGS[field]


def columns_of(term_table: TermTable, engines: int) -> tuple[TermTableColumn, ...]:
    """Columns: one set of terms for all engines, and a running sum for each engine."""
    fields: list[Field] = ["name", "factor", "input", "product"]
    if term_table.scaled:
        fields.append("added")
    sums = [TermTableColumn("stop", engine) for engine in range(engines)]
    return (*map(TermTableColumn, fields), *sums, TermTableColumn("bar"))


def lines_of(
    term_table: TermTable, columns: tuple[TermTableColumn, ...], split_at: int | None
) -> tuple[TermTableLine, ...]:
    """Lines of the table. `split_at` is the first row where the running sums diverge."""
    return tuple(
        line
        for at, row in enumerate(term_table.rows)
        for line in _lines(term_table, row, columns, parts=at == split_at)
    )


def value_of(term_table: TermTable, row: TermRow, column: TermTableColumn, engine: int) -> float | None:
    """Number of an engine in a column, or None."""
    own: TermValues = row.figures[column.engine if column.field == "stop" else engine]
    match column.field:
        case "name" | "bar":
            return None
        case "product":
            return term_table.product(row, own)
    value: float | None = getattr(own, column.field)
    return value


def copied(term_table: TermTable, engines: Sequence[str], rows: Iterable[TermRow]) -> str:
    """Rows as tab-separated text in full precision: weights once, then the numbers of each engine."""
    fields = [column.field for column in columns_of(term_table, 1)][1:-1]
    common: tuple[Field, ...] = ("factor",) if term_table.shared else ()
    columns = [(TermTableColumn(field), "") for field in common] + [
        (TermTableColumn(field, engine), name if len(engines) > 1 else "")
        for engine, name in enumerate(engines)
        for field in fields
        if field not in common
    ]
    table = [["term", *(f"{name} {heading(column.field, term_table)[0]}".strip() for column, name in columns)]]
    for row in rows:
        values = [value_of(term_table, row, column, column.engine) for column, _ in columns]
        table.append([named(row.name), *("" if value is None else number_format.full(value) for value in values)])
    return "".join("\t".join(cells) + "\n" for cells in table)


def _lines(
    term_table: TermTable, row: TermRow, columns: tuple[TermTableColumn, ...], *, parts: bool
) -> Iterator[TermTableLine]:
    first = tuple(_text(term_table, row, column, 0, parts=parts) for column in columns)
    yield TermTableLine(row, 0, (_name(term_table, row), *first[1:]), parts)
    for engine in range(1, len(row.figures)):
        own = tuple(_text(term_table, row, column, engine, parts=parts) for column in columns)
        if any(column.field != "stop" and own[k] != first[k] for k, column in enumerate(columns)):
            shown_once = ("stop", "factor") if term_table.shared else ("stop",)
            rest = ["" if column.field in shown_once else own[k] for k, column in enumerate(columns)]
            yield TermTableLine(row, engine, (MARKS[engine], *rest[1:]))


def _text(term_table: TermTable, row: TermRow, column: TermTableColumn, engine: int, *, parts: bool) -> str:
    value = value_of(term_table, row, column, engine)
    if value is None:
        return ""
    is_sum = column.field == "stop"
    if len(row.figures) == 2 and (parts if is_sum else row.parts):
        other = value_of(term_table, row, TermTableColumn(column.field, 1 - column.engine), 1 - engine)
        if other is not None and other != value:
            text = told_apart_briefly(value, other)[0]
            return f"{APART}{text}" if is_sum and column.engine else text
    return format_short(value)


def _name(term_table: TermTable, row: TermRow) -> str:
    """Short name of a row. The card contains the name of the line's result."""
    return row.name.replace(f"_{term_table.line}", "") if row.kind in ("part", "total") else row.name.replace(", ", ",")
