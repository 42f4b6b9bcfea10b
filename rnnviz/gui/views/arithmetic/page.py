"""Pages of the arithmetic view: immutable answers to immutable requests, computed on a thread."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.core.errors import InputError
from rnnviz.core.places import Place
from rnnviz.explain.explanation import Explanation, ExplanationCache, explain
from rnnviz.explain.lines import EquationLine, Floats, Line, stored_symbols
from rnnviz.explain.terms import Divergence, Order, TermTable, first_divergent_row, term_table
from rnnviz.explain.value_sources import unit_size
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.tasks import LatestTask
from rnnviz.gui.views.arithmetic.gradient_bars import GradientBars, gradient_bars
from rnnviz.verify.result import RunResult

_LATER_MS = 8


@dataclass(frozen=True, eq=False)
class PageRequest:
    """A value or a gradient to explain, the candidate to compare, and the line to show in detail.

    `line` is the symbol of the line's result; a cell without this line shows its first. `top` is the number of
    listed terms, None for the default.
    """

    result: RunResult
    candidate: str | None
    place: Place
    line: str
    order: Order
    top: int | None

    def same_as(self, other: "PageRequest | None") -> bool:
        return other is not None and self.result is other.result and self._rest == other._rest

    @property
    def _rest(self) -> tuple[object, ...]:
        return self.candidate, self.place, self.line, self.order, self.top


_POINTS = 97
_LEAST_REACH, _REACH = {"sigmoid": 6.0, "relu": 2.0}, 3.0
_BEYOND = 1.15
_LARGEST = 1e30


@dataclass(frozen=True, eq=False)
class ActivationCurve:
    """y = activation(x) at (n,) places that reach as far on both sides of 0, and a point (x, y) for each engine."""

    activation: str
    x: Floats
    y: Floats
    points: tuple[tuple[float, float], ...]


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
    explained: Explanation | None = None
    bars: GradientBars | None = None
    refusal: str = ""


class PageBuilder:
    """Builds pages and caches intermediate values for the next request. Not thread-safe."""

    def __init__(self) -> None:
        self._result: RunResult | None = None
        self._cache: ExplanationCache | None = None
        self._explained: tuple[object, Explanation] | None = None

    def reset(self) -> None:
        self._result = self._cache = self._explained = None

    def build(self, request: PageRequest, interrupt: Callable[[], None] = lambda: None) -> Page:
        """Build the page for a request. Long computations call `interrupt` often, which may raise to cancel."""
        try:
            return _page(request, self._explain(request, interrupt))
        except InputError as error:
            return Page(request, (), (), False, True, (), TermTable("", (), 0), None, refusal=str(error))

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
    divergence = explained.divergences.get(request.candidate or "")
    alike = list(zip(*(breakdown.lines for breakdown in each), strict=True))
    own = [{value.symbol: value.equation for value in breakdown.outcomes} for breakdown in each]
    stored = (tuple(lines.get(symbol) for lines in own) for symbol in stored_symbols(each))
    # The requested line, or the first if there is no such line.
    shown = next((lines for lines in alike if lines[0].name == request.line), alike[0])
    in_table = None if explained.of_gradient else divergence
    listed = term_table(shown, request.order, request.top, in_table)
    sentences, flagged = explained.sentences, explained.flagged
    if explained.of_gradient and not flagged:
        # The last sentence is shown: a divergence, or else a note.
        sentences = (*sentences, *explained.notes)
    return Page(
        request,
        tuple(breakdown.engine for breakdown in each),
        sentences,
        flagged or (not explained.of_gradient and len(sentences) > 1),
        not explained.unread,
        (*(tuple(line.equation for line in lines) for lines in alike), *stored),
        listed,
        divergence,
        first_divergent_row(listed, each[0], len(each) - 1, in_table),
        activation_curve(shown),
        explained,
        gradient_bars(each, shown) if explained.of_gradient else None,
    )


def activation_curve(lines: Sequence[Line]) -> ActivationCurve | None:
    """The curve of one line of some engines: a gate's, or tanh of an LSTM's h; None where it has no activation."""
    if lines[0].point is None:
        return None
    activation = lines[0].point[0]
    points = tuple(line.point[1:] for line in lines if line.point is not None)
    finite = [abs(x) for x, _ in points if np.isfinite(x) and abs(x) < _LARGEST]
    reach = max(_LEAST_REACH.get(activation.name, _REACH), _BEYOND * max(finite, default=0.0))
    x = np.linspace(-reach, reach, _POINTS)
    return ActivationCurve(activation.name, x, activation.values(x), points)


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
