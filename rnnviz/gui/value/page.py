"""Pages of the opened value: immutable answers to immutable requests, which a thread computes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rnnviz.core.errors import InputError
from rnnviz.core.places import Place
from rnnviz.explain.explanation import Explanation, ExplanationCache, StepWithBugs, explain
from rnnviz.explain.lines import Breakdown, Floats, Line
from rnnviz.explain.terms import (
    Divergence,
    LargestTerms,
    Order,
    TermTable,
    first_divergent_row,
    largest_terms,
    term_table,
)
from rnnviz.explain.value_sources import line_name, unit_size
from rnnviz.frozen import dataclass
from rnnviz.gui.regions import difference
from rnnviz.text.cause_words import fix_sentences
from rnnviz.verify.result import RunResult

MOST_TERMS = 16
"""Number of the largest terms on a page."""


@dataclass(frozen=True)
class PageRequest:
    """A value or a gradient to explain, the candidate to compare, and the line to show in detail.

    `line` is the symbol of the line's result; a cell without this line shows its first. With an `order` the page has
    the terms in a table, of which `top` are listed, None for the default.
    """

    result: RunResult
    candidate: str | None
    place: Place
    line: str = ""
    order: Order | None = None
    top: int | None = None


@dataclass(frozen=True, eq=False)
class ActivationCurve:
    """y = activation(x) at (n,) places that reach as far on both sides of 0, and the point (x, y) of the value."""

    activation: str
    x: Floats
    y: Floats
    point: tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """The opened value of two engines: one that differs, and one that it is compared with.

    `other` is empty where the value is compared with the equations alone. `wrong` is whether the first one's step
    differs from the arithmetic, not only from the other engine.
    """

    engine: str
    value: float
    other: str
    other_value: float
    difference: float
    wrong: bool


@dataclass(frozen=True, eq=False)
class Proof:
    """The step of a wrong engine with its likely cause, which gives the engine's own value.

    `changed` are the lines that differ from the arithmetic, `to_write` the equation to write, and `fixes` say how to
    mend the lane.
    """

    step: StepWithBugs
    changed: tuple[Line, ...]
    to_write: str
    fixes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Page:
    """The arithmetic of one value or gradient.

    `shown` is that of the engine whose equations are shown, `line` the one in detail, `lines` that line of the
    reference and the candidate, as far as these are explained.
    """

    request: PageRequest
    explained: Explanation
    shown: Breakdown
    line: Line
    lines: tuple[Line, ...]
    largest: LargestTerms
    curve: ActivationCurve | None = None
    comparison: Comparison | None = None
    proof: Proof | None = None
    table: TermTable | None = None
    divergent_sum: int | None = None

    @property
    def divergence(self) -> Divergence | None:
        """Where the candidate diverges from the reference."""
        return self.explained.divergences.get(self.request.candidate or "")

    @property
    def engines(self) -> tuple[str, ...]:
        return tuple(self.explained.breakdowns)

    @property
    def opened(self) -> Line:
        """The line that gives the opened value."""
        return opened_line(self.shown, self.request.place)


@dataclass(frozen=True, eq=False)
class Refusal:
    """Why a place has no page, in a sentence."""

    request: PageRequest
    reason: str


def opened_line(breakdown: Breakdown, place: Place) -> Line:
    """The line that gives the value of a place."""
    name = line_name(place) if place.is_gradient else place.array
    return breakdown.by_name.get(name, breakdown.lines[-1])


class PageBuilder:
    """Builds pages and caches intermediate values for the next request. Not thread-safe."""

    def __init__(self) -> None:
        self._result: RunResult | None = None
        self._cache: ExplanationCache | None = None
        self._explained: tuple[object, Explanation] | None = None

    def reset(self) -> None:
        self._result = self._cache = self._explained = None

    def build(self, request: PageRequest, interrupt: Callable[[], None] = lambda: None) -> Page | Refusal:
        """Build the page for a request. Long computations call `interrupt` often, which may raise to cancel."""
        try:
            return _page(request, self._explain(request, interrupt))
        except InputError as error:
            return Refusal(request, str(error))

    def _explain(self, request: PageRequest, interrupt: Callable[[], None]) -> Explanation:
        result, place = request.result, request.place
        if result is not self._result or self._cache is None:
            self._result, self._explained, self._cache = result, None, ExplanationCache(result)
        self._cache.interrupt_by(interrupt)
        # A gate has the arithmetic of its step.
        same = place if place.is_gradient else (place.location, unit_size(result.config.network.kind, place))
        key = same, request.candidate
        if self._explained is None or self._explained[0] != key:
            candidates = () if request.candidate is None else (request.candidate,)
            self._explained = key, explain(result, place, self._cache, candidates)
        return self._explained[1]


def _page(request: PageRequest, explained: Explanation) -> Page:
    each = tuple(explained.breakdowns.values())
    wrong = next((own for own in each if not own.right and own.engine not in explained.unread), None)
    # Equations of an engine that is right, if there is one.
    shown = next((own for own in each if own.right), wrong or each[0])
    comparison = _comparison(request, explained, shown, wrong)
    if wrong is not None and comparison is not None and not comparison.other:
        shown = wrong
    name = request.line if request.line in shown.by_name else shown.lines[0].name
    proof = None if wrong is None else _proof(request.result, explained, wrong)
    if not request.line and proof is not None and proof.changed and proof.changed[0].name in shown.by_name:
        name = proof.changed[0].name
    lines = tuple(own.by_name[name] for own in each if name in own.by_name)
    page = Page(
        request,
        explained,
        shown,
        shown.by_name[name],
        lines,
        largest_terms(shown.by_name[name], MOST_TERMS),
        activation_curve(shown.by_name[name]),
        comparison,
        proof,
    )
    if request.order is None:
        return page
    divergence = None if explained.of_gradient else page.divergence
    table = term_table(lines, request.order, request.top, divergence)
    return replace(page, table=table, divergent_sum=first_divergent_row(table, each[0], len(lines) - 1, divergence))


def _comparison(
    request: PageRequest, explained: Explanation, shown: Breakdown, wrong: Breakdown | None
) -> Comparison | None:
    """The opened value of two engines that differ, of which both give it; None if they do not differ."""
    result, place = request.result, request.place
    candidate = explained.breakdowns.get(request.candidate or "")
    first = wrong or (candidate if candidate is not shown else None)
    if first is None or first.engine in explained.unread:
        return None
    own, other = opened_line(first, place).own, opened_line(shown, place).own
    if own is None or (first is not shown and other is None):
        # A value that an engine did not record is never shown under its name.
        return None
    with_equations = None
    if not own.right:
        with_equations = Comparison(first.engine, own.stored, "", own.computed, own.difference, True)
    if first is shown or other is None:
        return with_equations
    between = result.comparisons[0] if request.candidate is None else result.comparison(request.candidate)
    divergence = explained.divergences.get(between.candidate)
    rtol, atol = (between.rtol, between.atol) if divergence is None else (divergence.rtol, divergence.atol)
    found = difference(np.array([other.stored]), np.array([own.stored]), rtol, atol)
    if not found.mismatched[0]:
        # A wrong step may give the same value as the other engine.
        return with_equations
    return Comparison(first.engine, own.stored, shown.engine, other.stored, float(found.signed[0]), not own.right)


def _proof(result: RunResult, explained: Explanation, wrong: Breakdown) -> Proof | None:
    step = explained.with_bugs.get(wrong.engine)
    if step is None:
        return None
    network, where = result.config.network, wrong.place.location
    causes = () if where is None else result.judged("forward").causes_of(wrong.engine)
    here = (cause for cause in causes if where is not None and cause.covers(where.layer, where.direction))
    fixes = tuple(fix for cause in here for fix in fix_sentences(cause, network))
    return Proof(step, step.changed(wrong), step.to_write(wrong), fixes)


_POINTS = 97
_LEAST_REACH, _REACH = {"sigmoid": 6.0, "relu": 2.0}, 3.0
_BEYOND = 1.15
_LARGEST = 1e30


def activation_curve(line: Line) -> ActivationCurve | None:
    """The curve of a line: a gate's, or tanh of an LSTM's h; None where it has no activation."""
    if line.point is None:
        return None
    activation, argument, value = line.point
    finite = abs(argument) if np.isfinite(argument) and abs(argument) < _LARGEST else 0.0
    reach = max(_LEAST_REACH.get(activation.name, _REACH), _BEYOND * finite)
    x = np.linspace(-reach, reach, _POINTS)
    return ActivationCurve(activation.name, x, activation.values(x), (argument, value))
