"""An explanation as text that can be followed with paper and pencil, the engines side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnviz.analysis import numbers
from rnnviz.analysis.explain.arithmetic import Arithmetic, GateArithmetic
from rnnviz.analysis.explain.digits import enough, on_the_point
from rnnviz.analysis.explain.equations import Line, equations
from rnnviz.analysis.explain.explanation import Explanation
from rnnviz.analysis.explain.ledger import SHOWN_TERMS, term_name
from rnnviz.analysis.explain.provenance import input_source, notation, own_previous, previous_cell
from rnnviz.analysis.explain.terms import Side
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
        lines += ["", f"{gate.symbol}, {gate.gate.name}", *_gate(each, row, top), ""]
        lines += _equation(each, [steps[row] for steps in by_engine])
    for row in range(len(first.gates), len(by_engine[0])):
        lines += ["", *_equation(each, [steps[row] for steps in by_engine])]
    lines += ["", *_outcome(each), "", *explanation.sentences]
    return "\n".join(line.rstrip() for line in lines)


def _direction(where: Location) -> str:
    return f"{('forward', 'backward')[where.direction]} {ARROWS[where.direction]}"


@dataclass(frozen=True)
class _Row:
    """A line of a table: what it is called, and its numbers as text, one for each column."""

    name: str
    cells: tuple[str, ...]


def _table(header: Sequence[str], rows: Sequence[_Row], names: Sequence[str] = ()) -> Iterator[str]:
    """The rows with their decimal points below each other, and above them the header and the names of the engines."""
    width = max(len(row.name) for row in rows)
    columns = [on_the_point([row.cells[k] for row in rows]) for k in range(len(header))]
    widths = [max(len(title), len(column[0])) for title, column in zip(header, columns, strict=True)]
    if names:
        yield _joined(" " * width, _names_above(widths, names))
    yield _joined(" " * width, [f"{title:>{w}}" for title, w in zip(header, widths, strict=True)])
    for place, row in enumerate(rows):
        yield _joined(f"{row.name:<{width}}", [f"{c[place]:>{w}}" for c, w in zip(columns, widths, strict=True)])


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


def _gate(each: Sequence[Arithmetic], place: int, top: int | None) -> Iterator[str]:
    first = each[0].gates[place]
    count = len(first.pre.a.products)
    ranked = first.pre.by_weight()
    shown = ranked[: len(ranked) if top is None and len(ranked) <= SHOWN_TERMS else top or SHOWN_TERMS]
    if len(shown) == len(ranked):
        shown = np.arange(len(ranked))
    gates = [arithmetic.gates[place] for arithmetic in each]
    symbol = f"_{first.symbol}" if first.scaled else ""
    rows = [
        *_side(each[0], [gate.pre.a for gate in gates], shown[shown < count], f"a{symbol}"),
        *_side(each[0], [gate.pre.b for gate in gates], shown[shown >= count] - count, f"b{symbol}"),
        _Row(_argument(first), ("", *_totals([gate.pre.sum for gate in gates]))),
    ]
    header = ["weight", *("× input", "= product", "sum") * len(each)]
    yield from _table(header, rows, [shown_name(a.engine) for a in each])


def _side(first: Arithmetic, sides: Sequence[Side], shown: NDArray[np.intp], total: str) -> Iterator[_Row]:
    """The chosen terms, what the others come to, the bias, each with the sum up to it, and the whole sum."""
    kind, weights = sides[0].kind, sides[0].weights
    sums = [0.0] * len(sides)

    def added(values: Sequence[float], read: Sequence[str] = ("",) * len(sides)) -> Iterator[str]:
        for k, value in enumerate(values):
            with np.errstate(all="ignore"):
                sums[k] = float(np.add(sums[k], value))
            yield from (read[k], enough(value), enough(sums[k]))

    for index in map(int, shown):
        read = [enough(float(own.inputs[index])) for own in sides]
        products = [float(own.products[index]) for own in sides]
        name = term_name(first, input_source(first, kind, index))
        yield _Row(name, (enough(float(weights[index])), *added(products, read)))
    left = len(weights) - len(shown)
    if left:
        with np.errstate(all="ignore"):
            rest = [float(np.delete(own.products, shown).sum()) for own in sides]
        yield _Row(f"{numbers.count(left)} {'more' if len(shown) else 'terms'}", ("", *added(rest)))
    yield _Row(f"b_{kind}", ("", *added([own.bias for own in sides])))
    yield _Row(total, ("", *_totals([own.total for own in sides])))


def _totals(values: Sequence[float]) -> list[str]:
    """The values in the columns of products, where a sum stands beneath what it is of."""
    return [cell for value in values for cell in ("", enough(value), "")]


def _argument(gate: GateArithmetic) -> str:
    return f"a_{gate.symbol} + r · b_{gate.symbol}" if gate.scaled else "a + b"


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
