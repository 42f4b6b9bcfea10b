"""A gradient explained for every engine that gives it: its terms, its table, and the first line that differs."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from rnnviz.core import number_format
from rnnviz.core.byte_cache import ByteCache
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import GRADIENT, gradient
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place, entry_place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import Divergence, divergence_sentences, padding_sentence, wrong_sentences
from rnnviz.explain.gradient import (
    GradientBreakdown,
    GradientLine,
    GradientPart,
    gradient_breakdown,
    unit_contributions,
)
from rnnviz.explain.gradient_blocks import GradientBlocks, Layers
from rnnviz.explain.term_table import SHOWN_TERMS, Order, TermRow, TermTable, TermValues
from rnnviz.explain.worked_step import Floats
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import followed
from rnnviz.steps.states import CellStates
from rnnviz.verify.compare import gradient_atol
from rnnviz.verify.metrics import mismatching
from rnnviz.verify.result import RunResult


@dataclass(frozen=True, eq=False)
class GradientExplanation:
    """The gradients of one step by engine, the reference first, and where each candidate diverges from it.

    `unread` has the engines without the gradient, and why; `notes` are about the place, such as truncation.
    """

    place: Place
    breakdowns: Mapping[str, GradientBreakdown]
    partings: Mapping[str, Divergence | None]
    unread: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def reference(self) -> GradientBreakdown:
        return next(iter(self.breakdowns.values()))

    @property
    def flagged(self) -> bool:
        """Whether an engine's gradient differs from its terms, or a candidate diverges from the reference."""
        wrong = any(not own.right for breakdown in self.breakdowns.values() for own in breakdown.outcomes)
        return wrong or any(parting is not None for parting in self.partings.values())

    @property
    def sentences(self) -> tuple[str, ...]:
        """Which gradients differ from their terms, and where each candidate diverges from the reference."""
        outcomes = {name: breakdown.outcomes for name, breakdown in self.breakdowns.items()}
        return (
            *wrong_sentences(outcomes, "gradients of later steps"),
            *self.notes,
            *(_UNREAD.format(engine=display_name(name), reason=reason) for name, reason in self.unread.items()),
            *divergence_sentences(self.reference.engine, self.partings),
        )


_NO_GRADIENTS = "The run has no gradients: backward.enabled must be true (got false)."
_NO_ENGINE = "No engine of the run gives this gradient: {reasons}."
_NO_CONTRIBUTIONS = "The contributions of time steps by {engine} are not known: {reason}."
_NO_GRADIENT = "it does not give {name}"
_NO_INPUTS = "the inputs of its step were not recorded"
_UNREAD = "{engine} is left out: {reason}."
_TRUNCATED = "Truncation: no gradient passes from t = {later} to t = {earlier}."


def gradient_blocks_of(result: RunResult, cells: Mapping[str, CellStates] | None = None) -> dict[str, GradientBlocks]:
    """The backward passes of the engines that give gradients, for `explain_gradients`."""
    if result.inputs.loss is None:
        return {}
    known = cells or {}
    layers: Layers = ByteCache("bounds")
    return {
        name: GradientBlocks(result.inputs, trace, known.get(name), layers)
        for name, trace in result.traces.items()
        if gradient(result.config.network.kind.state_symbols[0]) in trace
    }


def explain_gradients(
    result: RunResult,
    place: Place,
    blocks: Mapping[str, GradientBlocks] | None = None,
    candidates: Collection[str] | None = None,
) -> GradientExplanation:
    """Explain a gradient of a run by its terms.

    Raises InputError in padding, without a backward pass, or where no engine gives the gradient.
    """
    inputs = result.inputs
    if inputs.loss is None:
        raise InputError(_NO_GRADIENTS)
    where = place.location
    if where is not None and (no_step := padding_sentence(inputs, where)):
        raise InputError(no_step)
    known = gradient_blocks_of(result) if blocks is None else blocks
    wanted = [n for n, t in result.traces.items() if candidates is None or n in candidates or t is result.reference]
    unread = {name: reason for name in wanted if (reason := _missing(result, name, place, known))}
    breakdowns = {name: gradient_breakdown(known[name], place) for name in wanted if name not in unread}
    if not breakdowns:
        each = "; ".join(f"{display_name(name)}: {reason}" for name, reason in unread.items())
        raise InputError(_NO_ENGINE.format(reasons=each))
    reference = breakdowns.get(result.reference.engine)
    partings = {
        c.candidate: _first_parting(result, reference, breakdowns[c.candidate], c.rtol, c.atol)
        for c in result.comparisons
        if reference is not None and c.candidate in breakdowns
    }
    return GradientExplanation(place, breakdowns, partings, unread, _notes(result, where))


def engines_without_terms(result: RunResult, blocks: Mapping[str, GradientBlocks]) -> dict[str, str]:
    """Sentences on the engines with a gradient that has no terms, by engine; `blocks` is of `gradient_blocks_of`."""
    reasons = {name: _missing(result, name, Place.at(gradient("h"), Location()), blocks) for name in result.traces}
    return {
        name: _UNREAD.format(engine=display_name(name), reason=reason) for name, reason in reasons.items() if reason
    }


def explain_gradient(result: RunResult, name: str, index: Sequence[int]) -> GradientExplanation:
    """Explain an entry of a gradient by its terms, by the name of its array in a trace.

    Raises InputError if no engine gives the array, or it has no such entry, or that is in padding.
    """
    array = next((trace[name] for trace in result.traces.values() if name in trace), None)
    if array is None or not name.startswith(GRADIENT):
        names = dict.fromkeys(n for trace in result.traces.values() for n in trace if n.startswith(GRADIENT))
        raise InputError(f"name must be one of {', '.join(names) or 'no gradients: the run has none'} (got {name}).")
    if len(index) != array.ndim or not all(0 <= k < size for k, size in zip(index, array.shape, strict=True)):
        raise InputError(f"index must be inside the shape {array.shape} of {name} (got {list(index)}).")
    return explain_gradients(result, entry_place(result.config.network, name, index))


def contributions_over_time(
    result: RunResult, engine: str, place: Place, check: Callable[[float], None] = lambda fraction: None
) -> Floats:
    """The contributions (T, U) of the time steps to a parameter's gradient, by `gradient.unit_contributions`.

    Raises InputError without a backward pass, or if the engine does not give the gradients.
    """
    if result.inputs.loss is None:
        raise InputError(_NO_GRADIENTS)
    blocks = gradient_blocks_of(result)
    if reason := _missing(result, engine, place, blocks):
        raise InputError(_NO_CONTRIBUTIONS.format(engine=display_name(engine), reason=reason))
    return unit_contributions(blocks[engine], place, check)


def _missing(result: RunResult, name: str, place: Place, blocks: Mapping[str, GradientBlocks]) -> str:
    """Why an engine's gradient cannot be explained, in a clause; "" if it can."""
    if name in result.without_gradients:
        return result.without_gradients[name]
    if name not in blocks:
        return _NO_GRADIENT.format(name=gradient(result.config.network.kind.state_symbols[0]))
    trace = result.traces[name]
    lanes = [(layer, direction) for layer in range(trace.shape[0]) for direction in range(trace.shape[1])]
    read = [(layer, direction) for layer, direction in lanes if layer >= _lowest(place)]
    if any(len(followed(result.inputs, trace, *lane)) < result.inputs.timesteps for lane in read):
        return _NO_INPUTS
    return ""


def _lowest(place: Place) -> int:
    """The lowest layer whose steps the gradient reads."""
    return place.layer if place.lane is not None else 0


def _notes(result: RunResult, where: Location | None) -> tuple[str, ...]:
    network, loss = result.inputs.network, result.inputs.loss
    if where is None or loss is None:
        return ()
    backward = network.backward(where.direction)
    later = where.timestep + (-1 if backward else 1)
    if 0 <= later < result.inputs.length(where.sample) and loss.cuts(max(later, where.timestep)):
        return (_TRUNCATED.format(later=later, earlier=where.timestep),)
    return ()


def _first_parting(
    result: RunResult, reference: GradientBreakdown, candidate: GradientBreakdown, rtol: float, atol: float
) -> Divergence | None:
    """The first number that differs: a part of a line, the line, or an engine's own gradient; None if all agree."""
    scale = gradient_atol(atol, _array(result.traces[reference.engine], reference.place))
    found = list(_numbers(reference, candidate))
    ours, theirs = np.array([d.reference for d in found]), np.array([d.candidate for d in found])
    differs = np.flatnonzero(mismatching(ours, theirs, rtol, scale))
    if differs.size:
        return found[int(differs[0])]
    wrong = {own.symbol for each in (reference, candidate) for own in each.outcomes if not own.right}
    return next((d for d in found if d.step == "stored_line" and d.gate in wrong and d.differs), None)


def _array(trace: Trace, place: Place) -> FloatArray:
    """The engine's gradients at the step of a place, whose largest one is the scale of the tolerance."""
    where = place.location
    if where is not None:
        return np.asarray(trace[gradient("h")][where.layer, where.direction, where.timestep, where.sample])
    return np.asarray(trace.get(place.array, np.ones(1)))


def _numbers(ours: GradientBreakdown, theirs: GradientBreakdown) -> Iterator[Divergence]:
    """The numbers of both engines in the order of the backward pass; later lines read the engines' own gradients."""
    for mine, other in zip(ours.lines, theirs.lines, strict=True):
        for part, beside in zip(mine.parts, other.parts, strict=True):
            if len(part.factors) > 1:
                yield Divergence("sum", f"{part.text} of {mine.name}", part.total, beside.total, gate=mine.name)
        yield Divergence("gate", mine.name, mine.value, other.value, gate=mine.name)
        if mine.own is not None and other.own is not None:
            own = mine.own.stored, other.own.stored
            yield Divergence("stored_line", f"the returned {mine.name}", *own, gate=mine.name)


def gradient_table(
    each: Sequence[GradientBreakdown], name: str, order: Order = "index", top: int | None = None
) -> TermTable:
    """The table of the line that gives a gradient: every term is a factor times another gradient.

    Raises KeyError if there is no such line.
    """
    return _Rows([breakdown.by_name[name] for breakdown in each]).table(order, top)


class _Rows:
    """The rows of one line; places count the terms of all its parts."""

    def __init__(self, lines: Sequence[GradientLine]) -> None:
        self._lines = lines
        self._terms = len(lines[0])
        self._sums = [0.0] * len(lines)
        parts = lines[0].parts
        self._starts = np.cumsum([0, *(len(part.factors) for part in parts)])
        self._added = [np.concatenate([*(part.products for part in line.parts), np.zeros(0)]) for line in lines]

    def table(self, order: Order, top: int | None) -> TermTable:
        weight = np.abs(self._added[0])
        weight[np.isnan(weight)] = np.inf
        shown = np.argsort(-weight, kind="stable")
        limit = top if top is not None else self._terms if self._terms <= SHOWN_TERMS else SHOWN_TERMS
        shown = shown[:limit]
        rows = self._by_index(np.sort(shown)) if order == "index" else self._by_weight(shown)
        first = self._lines[0]
        figures = tuple(TermValues(product=line.value, stop=line.value) for line in self._lines)
        total = TermRow("total", first.name, figures)
        return TermTable(first.name, (*rows, total), self._terms, shared=False, of_gradient=True)

    def _by_index(self, shown: NDArray[np.intp]) -> Iterator[TermRow]:
        for k, part in enumerate(self._lines[0].parts):
            start, stop = int(self._starts[k]), int(self._starts[k + 1])
            listed = shown[(shown >= start) & (shown < stop)]
            yield from (self._term(int(place)) for place in listed)
            yield from self._rest(np.setdiff1d(np.arange(start, stop), listed), listed=bool(len(listed)))
            if stop - start > 1 and len(self._lines[0].parts) > 1:
                figures = tuple(TermValues(product=line.parts[k].total) for line in self._lines)
                yield TermRow("part", part.text, figures)

    def _by_weight(self, shown: NDArray[np.intp]) -> Iterator[TermRow]:
        yield from (self._term(int(place)) for place in shown)
        yield from self._rest(np.setdiff1d(np.arange(self._terms), shown), listed=bool(len(shown)))

    def _part(self, place: int) -> tuple[int, int]:
        """The index of the part that has a term, and the term's index in it."""
        k = int(np.searchsorted(self._starts, place, side="right")) - 1
        return k, place - int(self._starts[k])

    def _term(self, place: int) -> TermRow:
        k, index = self._part(place)
        part: GradientPart = self._lines[0].parts[k]
        figures = tuple(
            self._figures(engine, float(own.products[index]), float(own.factors[index]), float(own.gradients[index]))
            for engine, own in enumerate(line.parts[k] for line in self._lines)
        )
        return TermRow("term", part.name(index), figures, part.source(index), weight=part.weight(index))

    def _rest(self, places: NDArray[np.intp], *, listed: bool) -> Iterator[TermRow]:
        if len(places):
            name = f"{number_format.count(len(places))} {'more' if listed else 'terms'}"
            with np.errstate(all="ignore"):
                sums = [float(added[places].sum()) for added in self._added]
            yield TermRow("rest", name, tuple(self._figures(k, value) for k, value in enumerate(sums)))

    def _figures(self, engine: int, added: float, factor: float | None = None, read: float | None = None) -> TermValues:
        start = self._sums[engine]
        with np.errstate(all="ignore"):
            self._sums[engine] = float(np.add(start, added))
        return TermValues(factor, read, None if factor is None else added, added, start, self._sums[engine])


@dataclass(frozen=True, eq=False)
class GradientBars:
    """The parts of a gradient (E, K) for each engine, with their names and sources.

    Those of a parameter are its time steps: `over_time`.
    """

    values: Floats
    names: tuple[str, ...]
    sources: tuple[Place | None, ...]
    over_time: bool = False


def gradient_bars(each: Sequence[GradientBreakdown], name: str) -> GradientBars:
    """The bars of the line that gives a gradient."""
    if each[0].contributions is not None:
        values = np.array([breakdown.contributions for breakdown in each])
        part = each[0].lines[0].parts[0]
        width = len(part.factors) // values.shape[1]
        times = range(values.shape[1])
        return GradientBars(values, tuple(f"t={t}" for t in times), tuple(part.source(t * width) for t in times), True)
    lines = [breakdown.by_name[name] for breakdown in each]
    totals = np.array([[part.total for part in line.parts] for line in lines])
    sources = tuple(part.source(0) if len(part.factors) == 1 else None for part in lines[0].parts)
    return GradientBars(totals, tuple(part.text for part in lines[0].parts), sources)
