"""Pages of the arithmetic view: immutable answers to immutable requests, computed on a thread."""

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.core.errors import InputError
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.explain.equations import EquationLine, equations, outcomes
from rnnviz.explain.explanation import Divergence, Explanation, cell_states_of, explain_value
from rnnviz.explain.gradient import GradientBreakdown
from rnnviz.explain.gradient_blocks import GradientBlocks
from rnnviz.explain.gradient_explanation import (
    GradientBars,
    GradientExplanation,
    explain_gradients,
    gradient_bars,
    gradient_blocks_of,
    gradient_table,
)
from rnnviz.explain.likely_cause import StepWithBugs
from rnnviz.explain.step_breakdown import ActivationCurve, StepBreakdown, activation_curve, own_symbols
from rnnviz.explain.term_table import Order, TermTable, first_parted_sum, ledger
from rnnviz.frozen import dataclass
from rnnviz.gui.jobs.task_queue import LatestTask
from rnnviz.steps.states import CellStates
from rnnviz.verify.result import RunResult

_LATER_MS = 8


@dataclass(frozen=True, eq=False)
class PageRequest:
    """A value to explain, the candidate to compare, and the line to show in detail.

    `line` is the symbol of the line's result; a cell without this line shows its first. `top` is the number of
    listed terms, None for the default. `gradient` is the gradient that is explained in place of the value. `size` is
    what the unit of `where` is counted in, by default like the units of h.
    """

    result: RunResult
    candidate: str | None
    where: Location
    line: str
    order: Order
    top: int | None
    gradient: Place | None = None
    size: str = ""

    def same_as(self, other: "PageRequest | None") -> bool:
        return other is not None and self.result is other.result and self._rest == other._rest

    @property
    def _rest(self) -> tuple[object, ...]:
        return self.candidate, self.where, self.line, self.order, self.top, self.gradient, self.size


@dataclass(frozen=True, eq=False)
class Page:
    """Arithmetic of one value, or of a gradient, for the reference and a candidate.

    `lines` contains the equations, then the returned lines and the stored c and h; each entry has one line for each of
    the `engines`, None for an engine without that value. `divergent_sum` is the first row of the terms where the
    running sums diverge. `flagged` says whether the last of the `sentences` is marked, `whole` that no engine is left
    out. A page without lines has the reason in `refusal`.
    """

    request: PageRequest
    engines: tuple[str, ...]
    sentences: tuple[str, ...]
    flagged: bool
    whole: bool
    lines: tuple[tuple[EquationLine | None, ...], ...]
    term_table: TermTable
    divergence: Divergence | None
    divergent_sum: int | None = None
    curve: ActivationCurve | None = None
    explained: Explanation | GradientExplanation | None = None
    bars: GradientBars | None = None
    refusal: str = ""

    @property
    def arithmetics(self) -> tuple[StepBreakdown, ...]:
        """Arithmetic of the reference and, if there is one, of the candidate; none of a gradient."""
        return tuple(self.explained.arithmetics.values()) if isinstance(self.explained, Explanation) else ()

    @property
    def with_bugs(self) -> tuple[StepWithBugs, ...]:
        """Steps of wrong engines with their likely causes, where these give the engines' values."""
        return tuple(self.explained.with_bugs.values()) if isinstance(self.explained, Explanation) else ()

    @property
    def breakdowns(self) -> tuple[GradientBreakdown, ...]:
        """Terms of a gradient for the reference and, if there is one, for the candidate; none of a value."""
        return tuple(self.explained.breakdowns.values()) if isinstance(self.explained, GradientExplanation) else ()


class PageBuilder:
    """Builds pages and caches intermediate values for the next request. Not thread-safe."""

    def __init__(self) -> None:
        self._result: RunResult | None = None
        self._cells: dict[str, CellStates] = {}
        self._blocks: dict[str, GradientBlocks] = {}
        self._explained: tuple[tuple[object, str | None], Explanation | GradientExplanation] | None = None

    def reset(self) -> None:
        self._result, self._cells, self._blocks, self._explained = None, {}, {}, None

    def build(self, request: PageRequest, interrupt: Callable[[], None] = lambda: None) -> Page:
        """Build the page for a request. Long computations call `interrupt` often, which may raise to cancel."""
        try:
            explained = self._explain(request, interrupt)
        except InputError as error:
            return Page(request, (), (), False, True, (), TermTable("", (), 0), None, refusal=str(error))
        if isinstance(explained, GradientExplanation):
            return _gradient_page(request, explained)
        return _value_page(request, explained)

    def _explain(self, request: PageRequest, interrupt: Callable[[], None]) -> Explanation | GradientExplanation:
        if request.result is not self._result:
            self._result, self._explained = request.result, None
            self._cells = cell_states_of(request.result)
            self._blocks = gradient_blocks_of(request.result, self._cells)
        for cells in self._cells.values():
            cells.interrupt = interrupt
        for blocks in self._blocks.values():
            blocks.interrupt = interrupt
        key = request.gradient or (request.where, request.size), request.candidate
        if self._explained is None or self._explained[0] != key:
            candidates = () if request.candidate is None else (request.candidate,)
            found: Explanation | GradientExplanation
            if request.gradient is None:
                found = explain_value(request.result, request.where, self._cells, candidates, request.size)
            else:
                found = explain_gradients(request.result, request.gradient, self._blocks, candidates)
            self._explained = key, found
        return self._explained[1]


def _value_page(request: PageRequest, explanation: Explanation) -> Page:
    each = tuple(explanation.arithmetics.values())
    divergence = explanation.partings.get(request.candidate or "")
    computed = tuple(zip(*map(equations, each), strict=True))
    own = [outcomes(arithmetic.outcomes) for arithmetic in each]
    stored = [tuple(lines.get(symbol) for lines in own) for symbol in own_symbols(each)]
    line = _known_line(request, computed)
    listed = ledger(each, line, request.order, request.top, divergence)
    sentences = explanation.sentences
    return Page(
        request,
        tuple(arithmetic.engine for arithmetic in each),
        sentences,
        divergence is not None or len(sentences) > 1,
        not explanation.unread,
        (*computed, *(lines for lines in stored if any(lines))),
        listed,
        divergence,
        first_parted_sum(listed, each[0], len(each) - 1, divergence),
        activation_curve(each, line),
        explanation,
    )


def _gradient_page(request: PageRequest, explanation: GradientExplanation) -> Page:
    each = tuple(explanation.breakdowns.values())
    computed = tuple(zip(*([line.equation for line in breakdown.lines] for breakdown in each), strict=True))
    own = [outcomes(breakdown.outcomes) for breakdown in each]
    symbols = dict.fromkeys(symbol for lines in own for symbol in lines)
    line = _known_line(request, computed)
    # The last sentence is shown: a divergence, or else a note.
    notes = () if explanation.flagged else explanation.notes
    return Page(
        request,
        tuple(breakdown.engine for breakdown in each),
        (*explanation.sentences, *notes),
        explanation.flagged,
        not explanation.unread,
        (*computed, *(tuple(lines.get(symbol) for lines in own) for symbol in symbols)),
        gradient_table(each, line, request.order, request.top),
        explanation.partings.get(request.candidate or ""),
        explained=explanation,
        bars=gradient_bars(each, line),
    )


def _known_line(request: PageRequest, computed: Sequence[tuple[EquationLine, ...]]) -> str:
    """The requested line, or the first if there is no such line."""
    known = [line[0].result.text for line in computed]
    return request.line if request.line in known else known[0]


class PageTask(QObject):
    """Holds the latest request until it is answered or dropped."""

    page_ready = Signal(object)
    """A `Page` for the requested engines. It may answer an earlier request."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.request: PageRequest | None = None
        self._builder = PageBuilder()
        # While the selection moves, pages of earlier requests are shown, too.
        self._task = LatestTask("arithmetic", self, finish=True)
        self._task.done.connect(self._on_answer)
        # After the other views of the selection are painted: the two threads share the interpreter lock.
        self._soon = QTimer(self, singleShot=True, interval=_LATER_MS)
        self._soon.timeout.connect(self._ask)

    def ask(self, request: PageRequest) -> None:
        """Request a page, in place of an earlier request."""
        self.request = request
        # Not restarted while the selection moves, or it might never fire.
        if not self._soon.isActive():
            self._soon.start()

    def answer_now(self, request: PageRequest) -> Page:
        """Build a page at once, in a few milliseconds, and drop the pending request."""
        self.stop()
        self.request = request
        return self._builder.build(request)

    def stop(self) -> None:
        """Cancel, and wait for the thread, at most for one block of a long computation; the request remains."""
        self._soon.stop()
        self._task.stop()

    def reset(self) -> None:
        self.request = None
        self.stop()
        self._builder.reset()

    def _ask(self) -> None:
        if self.request is not None:
            self._task.ask(partial(self._builder.build, self.request))

    def _on_answer(self, page: Page) -> None:
        # It may still have been on its way when another result was shown.
        asked, given = self.request, page.request
        if asked is not None and given.result is asked.result and given.candidate == asked.candidate:
            self.page_ready.emit(page)
