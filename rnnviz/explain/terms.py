"""The terms of one line with running sums, and the first number in which two engines diverge."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import field, replace
from itertools import chain
from math import nan
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.core import number_format
from rnnviz.core.places import Place
from rnnviz.explain.lines import Breakdown, Line, same_number
from rnnviz.explain.value_sources import in_words
from rnnviz.frozen import dataclass
from rnnviz.verify.metrics import mismatching

Order: TypeAlias = Literal["index", "weight"]
RowKind: TypeAlias = Literal["term", "rest", "bias", "part", "total"]
Step: TypeAlias = Literal["input", "sum", "gate", "previous", "c", "h", "stored_line", "stored_c", "stored"]

Factors: TypeAlias = tuple[float | None, float | None, float | None]

SHOWN_TERMS = 16
"""This many terms of a line are shown unless asked otherwise: all of a small network's."""


@dataclass(frozen=True)
class Divergence:
    """A number in which two engines differ by more than the tolerance, or by more than rounding explains.

    `step` is the kind of number: "input" of a term (`kind` and `index` say which; every gate reads it), the "sum" or
    the value of a "gate" or a gradient, the "previous" state, "c", "h", or the engine's own line, c or h ("stored").
    `line` is the name of the line that has the number: of a previous state that of the new one, "" of an input.
    """

    step: Step
    name: str
    reference: float
    candidate: float
    line: str = ""
    kind: Literal["i2h", "h2h"] | None = None
    index: int | None = None
    rtol: float = field(default=0.0, compare=False, repr=False)
    atol: float = field(default=0.0, compare=False, repr=False)

    @property
    def gate(self) -> str | None:
        """The line of a sum, of a gate, a gradient or a returned line."""
        return self.line if self.step in ("sum", "gate", "stored_line") else None

    @property
    def is_stored(self) -> bool:
        """Whether it is a value that the engines returned, which no line of the arithmetic gives."""
        return self.step in ("stored", "stored_c", "stored_line")

    def reaches(self, line: Line, breakdown: Breakdown) -> bool:
        """Whether a line is where the engines diverge, or a later one; an input is in every gate."""
        if self.is_stored or self.step == "input":
            return self.step == "input"
        if self.step == "previous":
            graph = graph_of(breakdown.cell)
            return graph.depends(graph.values[line.name], lambda n: (n.op, n.name) == ("state", self.line))
        names = [each.name for each in breakdown.lines]
        return names.index(line.name) >= names.index(self.line)


def first_divergence(ours: Breakdown, theirs: Breakdown, rtol: float, atol: float) -> Divergence | None:
    """The first number that differs, in the order of computation, from x and h[t-1] on; None if all agree."""
    for vector, other in zip(ours.read, theirs.read, strict=True):
        differs = np.flatnonzero(mismatching(vector.values, other.values, rtol, atol))
        if differs.size:
            k = int(differs[0])
            pair = float(vector.values[k]), float(other.values[k])
            return Divergence("input", in_words(vector.source(k)), *pair, "", vector.way, k, rtol, atol)
    pairs = list(_pairs_of_gradients(ours, theirs) if ours.lines[0].kind == "gradient" else _pairs(ours, theirs))
    one, two = (np.array([getattr(pair, name) for pair in pairs]) for name in ("reference", "candidate"))
    # An engine can be wrong within the tolerance.
    wrong = {own.symbol for each in (ours, theirs) for own in each.outcomes if not own.right}
    stored = (k for k, pair in enumerate(pairs) if pair.is_stored and pair.line in wrong)
    apart = (k for k in stored if not same_number(one[k], two[k]))
    first = next(chain(np.flatnonzero(mismatching(one, two, rtol, atol)).tolist(), apart), None)
    return None if first is None else replace(pairs[first], rtol=rtol, atol=atol)


class Compared(NamedTuple):
    """A number of a step that is compared: the `sum` or the `value` of a line, the `previous` or the `stored` one."""

    step: Step
    name: str
    of: Literal["sum", "value", "previous", "stored"]
    line: str


def compared_numbers(
    cell: CellSpec, gates: Sequence[str], states: Collection[str], given: Collection[str]
) -> Iterator[Compared]:
    """The numbers of a step in the order of computation; `given` has the values that an engine gives."""
    for gate in gates:
        yield Compared("sum", f"the pre-activation of {gate}", "sum", gate)
        yield Compared("gate", gate, "value", gate)
    first, *others = cell.state_symbols
    values: dict[str, Step] = {"c": "c", "h": "h"}
    for symbol in (*(own for own in others if own in states), first):
        if symbol != first:
            yield Compared("previous", f"{symbol}[t-1]", "previous", symbol)
        if symbol in states:
            yield Compared(values.get(symbol, "gate"), symbol, "value", symbol)
    steps: dict[str, Step] = {"c": "stored_c", "h": "stored"}
    for symbol in sorted(given, key=lambda name: (name in steps, name == first)):
        of = "stored" if symbol in steps else "returned"
        yield Compared(steps.get(symbol, "stored_line"), f"the {of} {symbol}", "stored", symbol)


def _pairs(ours: Breakdown, theirs: Breakdown) -> Iterator[Divergence]:
    def number(own: Breakdown, at: Compared) -> float:
        line = own.by_name[at.line]
        match at.of:
            case "sum":
                return nan if line.argument is None else line.argument
            case "previous":
                return next(state.value for state in own.previous if state.symbol == at.line)
            case "stored" if line.own is not None:
                return line.own.stored
        # An engine that does not give a value has the one of its arithmetic.
        return line.value

    gates, states = [gate.name for gate in ours.gates], [state.symbol for state in ours.previous]
    given = dict.fromkeys(own.symbol for each in (ours, theirs) for own in each.outcomes)
    for at in compared_numbers(ours.cell, gates, states, given):
        yield Divergence(at.step, at.name, number(ours, at), number(theirs, at), at.line)


def _pairs_of_gradients(ours: Breakdown, theirs: Breakdown) -> Iterator[Divergence]:
    """The engines' own gradients follow the lines that give them, because later lines read them."""
    for mine, other in zip(ours.lines, theirs.lines, strict=True):
        for part, beside in zip(mine.parts, other.parts, strict=True):
            if len(part) > 1:
                yield Divergence("sum", f"{part.text} of {mine.name}", part.total, beside.total, mine.name)
        yield Divergence("gate", mine.name, mine.value, other.value, mine.name)
        if mine.own is not None and other.own is not None:
            yield Divergence("stored_line", f"the returned {mine.name}", mine.own.stored, other.own.stored, mine.name)


@dataclass(frozen=True)
class TermValues:
    """One engine's numbers in a row: `added` is what brings the sum from `start` to `stop`; None without the number."""

    factor: float | None = None
    input: float | None = None
    product: float | None = None
    added: float | None = None
    start: float = 0.0
    stop: float | None = None


@dataclass(frozen=True)
class TermRow:
    """An entry: a term, the terms that are not listed, a bias, the sum of a part, or the whole."""

    kind: RowKind
    name: str
    figures: tuple[TermValues, ...]
    source: Place | None = None
    diverges: bool = False
    weight: Place | None = None


@dataclass(frozen=True)
class TermTable:
    """The rows of a line, with each engine's figures in the order of the engines.

    `terms` is how many there are, listed or not. `shared` factors are weights, the same for every engine; a `scaled`
    term adds something else than its product; a term `of_gradient` is a local derivative times another gradient.
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


def term_table(
    lines: Sequence[Line], order: Order = "index", top: int | None = None, divergence: Divergence | None = None
) -> TermTable:
    """The terms of one line of some engines with running sums: the `top` ones, or all of few, the rest in one row."""
    with np.errstate(all="ignore"):
        rows = tuple(_Rows(lines, divergence).rows(order, top))
    first = lines[0]
    gate, scaled = first.kind == "gate", bool(first.scaled_by)
    return TermTable(first.name, rows, len(first), gate, scaled, first.kind == "gradient")


@dataclass(frozen=True)
class LargestTerms:
    """The terms and biases of a line of one engine that add most, those first. `count` is how many the line has."""

    rows: tuple[TermRow, ...]
    count: int
    total: float
    """The sum of all that the line adds."""

    def rest(self, shown: int) -> float:
        """Sum of the terms after the first `shown`."""
        with np.errstate(all="ignore"):
            return float(np.subtract(self.total, sum(row.figures[0].added or 0.0 for row in self.rows[:shown])))


def largest_terms(line: Line, top: int) -> LargestTerms:
    """The `top` largest terms and biases of a line."""
    with np.errstate(all="ignore"):
        every = _Rows([line], None).rows("weight", top)
        rows = [row for row in every if row.kind in ("term", "bias")]
        # As in the sums, NaN and infinity weigh more than any number.
        sizes = np.nan_to_num(np.abs([row.figures[0].added or 0.0 for row in rows]), nan=np.inf)
        largest = [rows[k] for k in np.argsort(-sizes, kind="stable")[:top]]
        biases = [part.scale * part.bias.value for part in line.parts if part.bias is not None]
        total = sum(float(part.added.sum()) for part in line.parts) + sum(biases)
    return LargestTerms(tuple(largest), len(line) + len(biases), float(total))


class _Rows:
    """The rows of one line; places count the terms of all its parts."""

    def __init__(self, lines: Sequence[Line], divergence: Divergence | None) -> None:
        self._lines, self._parts, self._divergence = lines, lines[0].parts, divergence
        self._sums = [0.0] * len(lines)
        self._starts = np.cumsum([0, *map(len, self._parts)])
        self._added = [np.concatenate([*(part.added for part in line.parts), np.zeros(0)]) for line in lines]

    def rows(self, order: Order, top: int | None) -> Iterator[TermRow]:
        first, terms = self._lines[0], len(self._lines[0])
        shown, marked = first.by_weight(), self._marked
        limit = top if top is not None else terms if terms <= SHOWN_TERMS else SHOWN_TERMS
        if marked is not None and marked not in shown[:limit]:
            shown = np.concatenate([[marked], shown[shown != marked]])
        if first.kind == "state":
            order, limit = "index", terms
        if order == "index":
            shown = np.sort(shown[:limit])
            for k, part in enumerate(self._parts):
                yield from self._of_parts(range(k, k + 1), shown)
                of_several = first.kind == "gradient" and len(self._parts) > 1 and len(part) > 1
                if of_several or part.bias is not None:
                    sums = tuple(TermValues(product=line.parts[k].total) for line in self._lines)
                    yield TermRow("part", part.text, sums)
        else:
            yield from self._of_parts(range(len(self._parts)), shown[:limit])
        total = [line.value if line.argument is None else line.argument for line in self._lines]
        figures = tuple(TermValues(product=value, stop=value) for value in total)
        at = self._divergence
        yield TermRow("total", first.sum_text, figures, diverges=at is not None and first.name in (at.gate, at.step))

    @property
    def _marked(self) -> int | None:
        """The place of the term with the divergence, if that is one that the line reads."""
        at = self._divergence
        for start, part in zip(self._starts, self._parts, strict=False):
            if at is not None and (
                (at.index is not None and part.way == at.kind) or (at.step == "previous" and part.text == at.name)
            ):
                return int(start) + (at.index or 0)
        return None

    def _of_parts(self, parts: range, shown: NDArray[np.intp]) -> Iterator[TermRow]:
        """Rows of some parts: the terms that are shown, the others in one row, and the biases."""
        start, stop = self._starts[parts.start], self._starts[parts.stop]
        listed = shown[(shown >= start) & (shown < stop)]
        yield from (self._term(int(place)) for place in listed)
        rest = np.setdiff1d(np.arange(start, stop), listed)
        if len(rest):
            name = f"{number_format.count(len(rest))} {'more' if len(listed) else 'terms'}"
            sums = [float(added[rest].sum()) for added in self._added]
            yield TermRow("rest", name, tuple(self._figures(k, value) for k, value in enumerate(sums)))
        for k in parts:
            if (bias := self._parts[k].bias) is not None:
                # Every engine has the same parameters.
                scales = [line.parts[k].scale for line in self._lines]
                added = [float(np.multiply(scale, bias.value)) for scale in scales]
                figures = (self._figures(own, value, (None, None, bias.value)) for own, value in enumerate(added))
                yield TermRow("bias", bias.symbol, tuple(figures), weight=bias.source)

    def _term(self, place: int) -> TermRow:
        k = int(np.searchsorted(self._starts, place, side="right")) - 1
        i, part = place - int(self._starts[k]), self._parts[k]
        figures = []
        for engine, own in enumerate(line.parts[k] for line in self._lines):
            numbers = float(own.factors[i]), float(own.values[i]), float(own.products[i])
            figures.append(self._figures(engine, float(own.added[i]), numbers))
        return TermRow("term", part.name(i), tuple(figures), part.source(i), place == self._marked, part.weight(i))

    def _figures(self, engine: int, added: float, numbers: Factors = (None, None, None)) -> TermValues:
        """Figures of a row that adds a number; `numbers` are its factor, its input, and their product."""
        start = self._sums[engine]
        self._sums[engine] = float(np.add(start, added))
        return TermValues(*numbers, added, start, self._sums[engine])


def first_divergent_row(
    table: TermTable, breakdown: Breakdown, engine: int, divergence: Divergence | None
) -> int | None:
    """The first row whose sums by the first engine, of the `breakdown`, and another one differ; None where none do."""
    # Lines before the divergence agree, though later terms may cancel a difference in their sums.
    if divergence is None or not divergence.reaches(breakdown.by_name[table.line], breakdown):
        return None
    sums = [(row.figures[0].stop, row.figures[engine].stop) for row in table.rows]
    rows = [k for k, (ours, theirs) in enumerate(sums) if ours is not None and theirs is not None]
    ours, theirs = np.array([sums[k] for k in rows], np.float64).reshape(-1, 2).T
    differs = np.flatnonzero(mismatching(ours, theirs, divergence.rtol, divergence.atol))
    return rows[int(differs[0])] if differs.size else None
