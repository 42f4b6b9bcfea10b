"""Terms of one equation with running sums."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.graph import Node
from rnnviz.cells.interpreters.symbols import expression, short_equations
from rnnviz.core import number_format
from rnnviz.core.places import Place, parameter_place
from rnnviz.core.trace_index import ARROWS
from rnnviz.explain.explanation import Divergence
from rnnviz.explain.step_breakdown import GateArithmetic, StepBreakdown
from rnnviz.explain.value_sources import input_source, notation, previous_place
from rnnviz.explain.worked_step import Kind
from rnnviz.frozen import dataclass
from rnnviz.verify.metrics import mismatching

Order: TypeAlias = Literal["index", "weight"]
RowKind: TypeAlias = Literal["term", "rest", "bias", "part", "total"]

SHOWN_TERMS = 16
"""This many terms of a gate are shown unless asked otherwise: all of a small network's."""


@dataclass(frozen=True)
class TermValues:
    """One engine's numbers in a row, None where it has no such number.

    `factor` times `input` is `product`; `added` is what the row adds, which brings the sum from `start` to `stop`.
    A row that only repeats what was added before it adds nothing itself.
    """

    factor: float | None = None
    input: float | None = None
    product: float | None = None
    added: float | None = None
    start: float = 0.0
    stop: float | None = None


@dataclass(frozen=True)
class TermRow:
    """An entry: a term, the terms that are not listed, a bias, one half's sum, or the whole.

    `source` is where the row's input comes from; `parts` shows that the engines diverge here first. `weight` is the
    parameter that is the row's factor, or its bias.
    """

    kind: RowKind
    name: str
    figures: tuple[TermValues, ...]
    source: Place | None = None
    parts: bool = False
    weight: Place | None = None


@dataclass(frozen=True)
class TermTable:
    """The rows of a line, with each engine's figures in the order of the arithmetics.

    `line` is the symbol that the line gives. `terms` is how many there are, listed or not. `shared` shows that the
    factors are weights, the same for every engine; `scaled` that a term adds something else than its product;
    `of_gradient` that a term is a local derivative times another gradient.
    """

    line: str
    rows: tuple[TermRow, ...]
    terms: int
    shared: bool = True
    scaled: bool = False
    of_gradient: bool = False

    def product(self, row: TermRow, own: TermValues) -> float | None:
        """An engine's product in a row, or the addend of a row without one; None for the total."""
        if row.kind == "total":
            return None
        return own.added if own.product is None and not self.scaled else own.product


def ledger(
    each: Sequence[StepBreakdown],
    line: str,
    order: Order = "index",
    top: int | None = None,
    parting: Divergence | None = None,
) -> TermTable:
    """The ledger of the line that gives `line`: a gate's symbol, "c", "h", or another value that the step names.

    Of a gate the `top` terms are listed that weigh most in the first engine, unless asked otherwise all if they are
    few, and the rest summed. `parting` is where two of the engines diverge: its row is listed in any case.
    Raises a KeyError if the cell has no such line.
    """
    if line in each[0].by_symbol:
        return _gate(each, line, order, top, parting)
    if line not in each[0].lines:
        raise KeyError(f"{line} is not a line of the cell {each[0].cell.name}")
    return _state(each, line, parting)


def _gate(
    each: Sequence[StepBreakdown], symbol: str, order: Order, top: int | None, parting: Divergence | None
) -> TermTable:
    gates = [arithmetic.by_symbol[symbol] for arithmetic in each]
    pre = gates[0].pre
    count, terms = len(pre.u.products), len(pre)
    shown = pre.by_weight()
    limit = top if top is not None else terms if terms <= SHOWN_TERMS else SHOWN_TERMS
    marked = _marked_term(parting, count)
    if marked is not None and marked not in shown[:limit]:
        shown = np.concatenate([[marked], shown[shown != marked]])
    shown = shown[:limit]
    builder = _GateRows(each, gates, marked)
    total_parts = parting is not None and parting.gate == symbol
    rows = builder.by_index(np.sort(shown)) if order == "index" else builder.by_weight(shown)
    rows = (*rows, builder.total(parts=total_parts))
    return TermTable(symbol, rows, terms, scaled=gates[0].scaled)


def _marked_term(parting: Divergence | None, count: int) -> int | None:
    if parting is None or parting.index is None:
        return None
    return parting.index if parting.kind == "i2h" else count + parting.index


class _GateRows:
    """Rows of one gate; places count the terms of x first, then those of h[t-1]."""

    def __init__(self, each: Sequence[StepBreakdown], gates: Sequence[GateArithmetic], marked: int | None) -> None:
        self._each, self._gates, self._marked = each, gates, marked
        self._count = len(gates[0].pre.u.products)
        self._terms = len(gates[0].pre)
        self._sums = [0.0] * len(gates)
        self._added = [np.concatenate([part.contributions for part in g.pre.parts]) for g in gates]

    def by_index(self, shown: NDArray[np.intp]) -> tuple[TermRow, ...]:
        subscript = f"_{self._gates[0].symbol}" if self._gates[0].scaled else ""
        rows: list[TermRow] = []
        biased, first = len(self._gates[0].pre.v.products) + self._count, 0
        halves: tuple[tuple[Kind, str, int], ...] = (
            ("i2h", "u", self._count),
            ("h2h", "v", biased),
            ("value", "", self._terms),
        )
        for kind, name, last in halves:
            listed = shown[(shown >= first) & (shown < last)]
            rows += [self._term(int(place)) for place in listed]
            rows += self._rest(np.setdiff1d(np.arange(first, last), listed), listed=bool(len(listed)))
            if name and last > first:
                rows += [self._bias(kind), self._half(kind, name + subscript)]
            first = last
        return tuple(rows)

    def by_weight(self, shown: NDArray[np.intp]) -> tuple[TermRow, ...]:
        rows = [self._term(int(place)) for place in shown]
        rows += self._rest(np.setdiff1d(np.arange(self._terms), shown), listed=bool(len(shown)))
        pre = self._gates[0].pre
        return (*rows, *(self._bias(part.kind) for part in (pre.u, pre.v) if len(part.products)))

    def total(self, *, parts: bool) -> TermRow:
        cell, gate = self._each[0].cell, self._gates[0]
        line = next(line for line in short_equations(cell) if line.name == gate.symbol)
        # Without the activation and its bracket.
        symbols = line.symbols[1:-1] if line.node.op == "activation" else line.symbols
        name = "".join(symbol.text for symbol in symbols)
        figures = tuple(TermValues(product=g.pre.sum, stop=g.pre.sum) for g in self._gates)
        return TermRow("total", name, figures, parts=parts)

    def _term(self, place: int) -> TermRow:
        terms = [gate.pre.term(place) for gate in self._gates]
        source = input_source(self._each[0], terms[0].kind, terms[0].index, terms[0].reads or terms[0].name)
        figures = tuple(
            self._figures(k, term.contribution, term.weight, term.input, term.product) for k, term in enumerate(terms)
        )
        name = term_name(self._each[0], source)
        if terms[0].kind == "matrix" and not terms[0].reads:
            # A product with other units' values, which have no name but that of the matrix.
            name = f"{terms[0].name}[u={self._each[0].where.unit}, {terms[0].index}]"
        matrix = terms[0].name if terms[0].kind == "matrix" else f"{terms[0].kind}_weight"
        weight = self._parameter(terms[0].kind, matrix, terms[0].index)
        return TermRow("term", name, figures, source, parts=place == self._marked, weight=weight)

    def _parameter(self, kind: Kind, name: str, *column: int) -> Place | None:
        """The place of a weight or a bias of the unit's row."""
        if kind == "value":
            return None
        first, symbol = self._each[0], self._gates[0].symbol
        where, row = first.where, first.where.unit
        if kind != "matrix":
            gates = first.cell.gate_symbols if kind == "i2h" else first.cell.recurrent_gates
            row += gates.index(symbol) * first.hidden_size
        return parameter_place(where.lane, name, (row, *column))

    def _rest(self, places: NDArray[np.intp], *, listed: bool) -> list[TermRow]:
        if not len(places):
            return []
        with np.errstate(all="ignore"):
            sums = [float(added[places].sum()) for added in self._added]
        name = f"{number_format.count(len(places))} {'more' if listed else 'terms'}"
        return [TermRow("rest", name, tuple(self._figures(k, value) for k, value in enumerate(sums)))]

    def _bias(self, kind: Kind) -> TermRow:
        sides = [gate.pre.u if kind == "i2h" else gate.pre.v for gate in self._gates]
        figures = tuple(
            self._figures(k, float(np.multiply(side.factor, side.bias)), product=side.bias)
            for k, side in enumerate(sides)
        )
        return TermRow("bias", f"b_{kind}", figures, weight=self._parameter(kind, f"{kind}_bias"))

    def _half(self, kind: Kind, name: str) -> TermRow:
        """The sum of one half, u or v; a GRU's candidate adds r · v."""
        sides = [gate.pre.u if kind == "i2h" else gate.pre.v for gate in self._gates]
        return TermRow("part", name, tuple(TermValues(product=side.total) for side in sides))

    def _figures(
        self,
        engine: int,
        added: float,
        factor: float | None = None,
        read: float | None = None,
        product: float | None = None,
    ) -> TermValues:
        start = self._sums[engine]
        with np.errstate(all="ignore"):
            self._sums[engine] = float(np.add(start, added))
        return TermValues(factor, read, product, added, start, self._sums[engine])


def term_name(first: StepBreakdown, place: Place) -> str:
    """The value that a term reads, with the direction if the layer below has two: "x[t=1, i=0]", "h[t=1, u=3] ←"."""
    text = notation(place)
    if place.lane is None or place.layer == first.where.layer or len(first.x) == len(first.h_previous):
        return text
    return f"{text} {ARROWS[place.lane.backward]}"


def _state(each: Sequence[StepBreakdown], line: str, parting: Divergence | None) -> TermTable:
    """A line other than a gate, such as c or h, from the products that it adds up."""
    first = each[0]
    rows: list[TermRow] = []
    sums = [0.0] * len(each)
    products = list(_products(first.graph.values[line]))
    for node in products:
        figures = []
        for engine, arithmetic in enumerate(each):
            factor, read = (
                (arithmetic.number(arg) for arg in node.args) if node.op == "times" else (1.0, arithmetic.number(node))
            )
            with np.errstate(all="ignore"):
                added, start = float(np.multiply(factor, read)), sums[engine]
                sums[engine] = float(np.add(start, added))
            figures.append(TermValues(factor, read, added, added, start, sums[engine]))
        name, read_from = "".join(s.text for s in expression(first.cell, node)), node.args[-1] if node.args else node
        previous = parting.state if parting is not None and parting.step == "previous" else None
        parts = (read_from.op, read_from.name) == ("state", previous)
        rows.append(TermRow("term", name, tuple(figures), _source(first, read_from), parts))
    values = [arithmetic.number(arithmetic.graph.values[line]) for arithmetic in each]
    parts = parting is not None and parting.step == line
    rows.append(TermRow("total", line, tuple(TermValues(product=value, stop=value) for value in values), parts=parts))
    return TermTable(line, tuple(rows), len(products), shared=False)


def _products(node: Node) -> Iterator[Node]:
    """The products that a sum adds up, and its other terms."""
    if node.op == "plus":
        for arg in node.args:
            yield from _products(arg)
    else:
        yield node


def _source(arithmetic: StepBreakdown, node: Node) -> Place:
    """Where the second factor of a product comes from; of tanh(c) where c does."""
    if node.op == "state":
        return previous_place(arithmetic, node.name)
    names = {value: name for name, value in arithmetic.graph.values.items()}
    return Place.at(names.get(node, "c"), arithmetic.where)


def first_parted_sum(
    ledger: TermTable, reference: StepBreakdown, engine: int, parting: Divergence | None
) -> int | None:
    """The first row whose sums differ by more than the tolerance of `parting`; None where none do.

    The sums are those of the first engine, whose arithmetic `reference` is, and of the one at place `engine`. Before
    the line in which the two diverge they agree by the tolerance, and what is left of a difference that later terms
    cancel is not a divergence.
    """
    if parting is None or not parting.reaches(ledger.line, reference):
        return None
    pairs = [
        (row, own.stop, other.stop)
        for row, (own, other) in enumerate((row.figures[0], row.figures[engine]) for row in ledger.rows)
        if own.stop is not None and other.stop is not None
    ]
    ours, theirs = np.array([pair[1] for pair in pairs]), np.array([pair[2] for pair in pairs])
    differs = np.flatnonzero(mismatching(ours, theirs, parting.rtol, parting.atol))
    return pairs[int(differs[0])][0] if differs.size else None
