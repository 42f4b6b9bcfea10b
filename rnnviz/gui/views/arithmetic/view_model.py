"""Page of the arithmetic view: an immutable answer to an immutable request."""

from collections.abc import Callable
from dataclasses import dataclass

from rnnviz.core.trace_index import Location
from rnnviz.explain.equations import EquationLine, equations, outcomes
from rnnviz.explain.explanation import Divergence, Explanation, cell_states_of, explain_value
from rnnviz.explain.step_breakdown import ActivationCurve, StepBreakdown, activation_curve, own_symbols
from rnnviz.explain.term_table import Order, TermTable, first_parted_sum, ledger
from rnnviz.verify.cell_states import CellStates
from rnnviz.verify.result import RunResult


@dataclass(frozen=True, eq=False)
class PageRequest:
    """A value to explain, the candidate to compare, and the line to show in detail.

    `line` is the symbol of the line's result; a cell without this line shows its first. `top` is the number of
    listed terms, None for the default.
    """

    result: RunResult
    candidate: str | None
    where: Location
    line: str
    order: Order
    top: int | None

    def same_as(self, other: "PageRequest | None") -> bool:
        """Whether both requests have the same answer."""
        return other is not None and self.result is other.result and self._rest == other._rest

    @property
    def _rest(self) -> tuple[object, ...]:
        return self.candidate, self.where, self.line, self.order, self.top


@dataclass(frozen=True, eq=False)
class Page:
    """Arithmetic of one value for the reference and a candidate.

    `lines` contains the equations, then the returned lines and the stored c and h; each entry has one line for each of
    the `arithmetics`, None for an engine without that value. `divergent_sum` is the first row of the terms where the
    running sums diverge.
    """

    request: PageRequest
    explanation: Explanation
    lines: tuple[tuple[EquationLine | None, ...], ...]
    term_table: TermTable
    curve: ActivationCurve | None
    divergence: Divergence | None
    divergent_sum: int | None

    @property
    def arithmetics(self) -> tuple[StepBreakdown, ...]:
        """Arithmetic of the reference and, if there is one, of the candidate."""
        return tuple(self.explanation.arithmetics.values())


class PageBuilder:
    """Builds pages and caches intermediate values for the next request. Not thread-safe.

    `interrupt` is called often in long computations, and may raise to cancel.
    """

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._result: RunResult | None = None
        self._cells: dict[str, CellStates] = {}
        self._explained: tuple[Location, str | None, Explanation] | None = None

    def reset(self) -> None:
        """Release the cached results."""
        self._result, self._cells, self._explained = None, {}, None

    def build(self, request: PageRequest) -> Page:
        """Build the page for a request."""
        explanation = self._explain(request)
        each = tuple(explanation.arithmetics.values())
        divergence = explanation.partings.get(request.candidate or "")
        computed = tuple(zip(*map(equations, each), strict=True))
        own = [outcomes(arithmetic) for arithmetic in each]
        stored = [tuple(lines.get(symbol) for lines in own) for symbol in own_symbols(each)]
        lines = (*computed, *(line for line in stored if any(line)))
        known = [line[0].result.text for line in computed]
        line = request.line if request.line in known else known[0]
        listed = ledger(each, line, request.order, request.top, divergence)
        return Page(
            request,
            explanation,
            lines,
            listed,
            activation_curve(each, line),
            divergence,
            first_parted_sum(listed, each[0], len(each) - 1, divergence),
        )

    def _explain(self, request: PageRequest) -> Explanation:
        if request.result is not self._result:
            self._result, self._explained = request.result, None
            self._cells = cell_states_of(request.result)
            for cells in self._cells.values():
                cells.interrupt = self._interrupt
        if self._explained is None or self._explained[:2] != (request.where, request.candidate):
            candidates = () if request.candidate is None else (request.candidate,)
            explanation = explain_value(request.result, request.where, self._cells, candidates)
            self._explained = request.where, request.candidate, explanation
        return self._explained[2]
