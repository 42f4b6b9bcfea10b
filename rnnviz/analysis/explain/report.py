"""An explanation as text that can be followed with paper and pencil, the engines side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnnviz.analysis import numbers
from rnnviz.analysis.explain.arithmetic import Arithmetic
from rnnviz.analysis.explain.digits import enough, on_the_point
from rnnviz.analysis.explain.equations import Line, equations
from rnnviz.analysis.explain.explanation import Explanation
from rnnviz.analysis.explain.ledger import Figures, Ledger, Row, ledger
from rnnviz.analysis.explain.provenance import notation, own_previous, previous_cell
from rnnviz.analysis.explain.running_sums import first_parted_sum
from rnnviz.analysis.naming import shown_name
from rnnviz.analysis.running_error import ALLOWED
from rnnviz.analysis.wording_of_names import timestep_in_words
from rnnviz.model.location import ARROWS, Location

_BETWEEN = "  "
"""Parts the columns: so little that two engines side by side are no wider than most terminals."""


def report(explanation: Explanation, top: int | None = None) -> str:
    """The whole arithmetic; of each gate the `top` terms that weigh most and the rest summed, else all if few."""
    each = list(explanation.arithmetics.values())
    first = explanation.reference
    where = explanation.where
    sizes = f"{numbers.count(len(first.h_previous))} units, {numbers.count(len(first.x))} inputs"
    place = f"h[{where.timestep}][{where.unit}] of layer {where.layer} {_direction(where)}, sample {where.sample}"
    named = timestep_in_words(first.names, where.timestep) if first.names.timestep(where.timestep) else ""
    lines = [
        f"{place}{named and f', {named}'}: {first.cell.title}, {sizes}",
        "",
        *(f"  {equation}" for equation in first.cell.equations),
        "  with a = W_i2h x + b_i2h and b = W_h2h h' + b_h2h",
        "",
        *_states(each),
    ]
    by_engine = [equations(arithmetic) for arithmetic in each]
    for row, gate in enumerate(first.gates):
        lines += ["", f"{gate.symbol}, {gate.gate.name}", *_gate(explanation, gate.symbol, top), ""]
        lines += _equation(each, [steps[row] for steps in by_engine])
    for row in range(len(first.gates), len(by_engine[0])):
        lines += ["", *_equation(each, [steps[row] for steps in by_engine])]
    lines += ["", *_outcome(each), "", *explanation.sentences]
    return "\n".join(line.rstrip() for line in lines)


def _direction(where: Location) -> str:
    return f"{('forward', 'backward')[where.direction]} {ARROWS[where.direction]}"


@dataclass(frozen=True)
class _Row:
    """A line of a table: what it is called, its numbers as text, one for each column, and whether it is marked."""

    name: str
    cells: tuple[str, ...]
    marked: bool = False


def _table(header: Sequence[str], rows: Sequence[_Row], names: Sequence[str] = ()) -> Iterator[str]:
    """The rows with their decimal points below each other, and above them the header and the names of the engines."""
    width = max(len(row.name) for row in rows)
    columns = [on_the_point([row.cells[k] for row in rows]) for k in range(len(header))]
    widths = [max(len(title), len(column[0])) for title, column in zip(header, columns, strict=True)]
    if names:
        yield _joined(" " * width, _names_above(widths, names))
    yield _joined(" " * width, [f"{title:>{w}}" for title, w in zip(header, widths, strict=True)])
    for place, row in enumerate(rows):
        line = _joined(f"{row.name:<{width}}", [f"{c[place]:>{w}}" for c, w in zip(columns, widths, strict=True)])
        yield f"≠{line[1:]}" if row.marked else line


def _names_above(widths: list[int], names: Sequence[str]) -> list[str]:
    """The engines' names over their columns, which are made as wide as these.

    The first column is the weights', which all engines share; each engine has as many of the others.
    """
    each = (len(widths) - 1) // len(names)
    cells = [" " * widths[0]]
    for k, name in enumerate(names):
        first, last = 1 + each * k, each * (k + 1)
        span = sum(widths[first : last + 1]) + len(_BETWEEN) * (each - 1)
        widths[last] += max(0, len(name) - span)
        cells.append(f"{name:^{span}}")
    return cells


def _joined(name: str, cells: Sequence[str]) -> str:
    return "  " + _BETWEEN.join([name, *cells])


def _states(each: Sequence[Arithmetic]) -> Iterator[str]:
    """What the step carries on."""
    first = each[0]
    rows = [_Row(f"h' = {notation(own_previous(first))}", tuple(enough(a.previous.h) for a in each))]
    if first.previous.c is not None:
        values = tuple(enough(a.previous.c) for a in each if a.previous.c is not None)
        rows.append(_Row(f"c' = {notation(previous_cell(first))}", values))
    yield from _table([shown_name(a.engine) for a in each], rows)


def _gate(explanation: Explanation, symbol: str, top: int | None) -> Iterator[str]:
    """What a gate adds up, as the window lists it; ≠ marks the first row in which an engine's sum parts."""
    each = list(explanation.arithmetics.values())
    partings = {name: parting for name, parting in explanation.partings.items() if parting is not None}
    found = ledger(each, symbol, top=top, parting=next(iter(partings.values()), None))
    marked = {
        first_parted_sum(found, each[0], engine, partings[arithmetic.engine])
        for engine, arithmetic in enumerate(each)
        if arithmetic.engine in partings
    }
    factors = [row.figures[0].factor for row in found.rows]
    rows = [
        _Row(
            row.name,
            (_cell(factor), *(cell for own in row.figures for cell in _figures(found, row, own))),
            marked=place in marked,
        )
        for place, (row, factor) in enumerate(zip(found.rows, factors, strict=True))
    ]
    added = ("× r",) if found.scaled else ()
    header = ["weight", *("× input", "= product", *added, "sum") * len(each)]
    yield from _table(header, rows, [shown_name(a.engine) for a in each])


def _figures(found: Ledger, row: Row, own: Figures) -> Iterator[str]:
    """One engine's cells of a row."""
    yield _cell(own.input)
    yield _cell(found.product(row, own))
    if found.scaled:
        yield _cell(own.added)
    yield _cell(own.stop)


def _cell(value: float | None) -> str:
    return "" if value is None else enough(value)


def _equation(each: Sequence[Arithmetic], lines: Sequence[Line]) -> Iterator[str]:
    """The equation once, and beneath it the numbers of each engine; engines with the same digits share a line."""
    yield f"  {lines[0].symbols}"
    named: dict[str, list[str]] = {}
    for arithmetic, line in zip(each, lines, strict=True):
        named.setdefault(line.numbers, []).append(shown_name(arithmetic.engine))
    width = max(len(text) for text in named)
    for text, engines in named.items():
        yield f"  {text:<{width}}   {', '.join(engines)}"


def _outcome(each: Sequence[Arithmetic]) -> Iterator[str]:
    """What the arithmetic gives, and what the engines have."""
    rows = [
        _Row("h of this arithmetic", tuple(enough(a.h) for a in each)),
        _Row("h of the engine", tuple(enough(a.stored) for a in each)),
        _Row("difference", tuple(numbers.error(a.difference) for a in each)),
        _Row("allowed for rounding", tuple(numbers.error(ALLOWED * a.bound) for a in each)),
    ]
    yield from _table([shown_name(a.engine) for a in each], rows)
