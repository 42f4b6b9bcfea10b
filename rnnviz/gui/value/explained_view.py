"""Base of the views of the opened value: what is asked of the thread, and when."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent

from rnnviz.core.masks import Mask, is_masked
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import explain, padding_sentence
from rnnviz.explain.report import report
from rnnviz.explain.value_sources import InputSource, lies_in, origin, same_kind, selected
from rnnviz.gui.kit.tasks import LatestTask
from rnnviz.gui.value.page import Page, PageBuilder, PageRequest, Refusal
from rnnviz.gui.views.base import ResultView
from rnnviz.verify.result import RunResult

EMPTY = "A run (F5) shows how the selected value is computed, term by term."
NO_GRADIENTS = "Gradients need a backward pass: Run > Compute gradients (Shift+G)."


class ExplainedView(ResultView):
    """Shows the arithmetic of the opened value, or the source of a number that no step computed.

    A worker computes the page of the latest request; the previous page stays visible until then. A hidden view
    computes at once, for example for a picture.
    """

    place_requested = Signal(object)
    """The `Place` of a followed link."""
    line_requested = Signal(str)
    """The symbol of the line to show in detail."""
    later_ms = 8
    """Pause before a page is asked for. Views with different pauses do not show their pages in one frame."""

    def __init__(self) -> None:
        super().__init__()
        self.result: RunResult | None = None
        self.place = Place.at("h", Location())
        self.page: Page | None = None
        """The page of equations, also while a source covers it."""
        self.masks: Sequence[Mask] = ()
        self._candidate: str | None = None
        self._location = Location()
        self._line = ""
        self._asked: PageRequest | None = None
        """The latest request, until it is dropped."""
        self._answered: PageRequest | None = None
        """The request whose answer is visible."""
        self._builder = PageBuilder()
        # While the selection moves, pages of earlier requests are shown, too.
        self._task = LatestTask("arithmetic", self, finish=True)
        self._task.done.connect(self._on_answer)
        # After the other views of the selection are painted: the two threads share the interpreter lock.
        self._soon = QTimer(self, singleShot=True, interval=self.later_ms)
        self._soon.timeout.connect(self._begin)

    # What a view of this kind does with them

    @property
    def wants_page(self) -> bool:
        """Whether the view shows pages now."""
        return True

    def show_page(self, page: Page) -> None:
        """Show a page that is not refused."""
        raise NotImplementedError

    def show_text(self, text: str) -> None:
        """Show why there is no page."""
        raise NotImplementedError

    def show_source(self, source: InputSource) -> None:
        """Show a number that no step computed."""
        raise NotImplementedError

    def request_for(self, result: RunResult) -> PageRequest:
        """The request for the present place."""
        return PageRequest(result, self._candidate, self.place, self._line)

    # Places

    @property
    def complete(self) -> bool:
        """Whether the latest requested page is visible."""
        asked = self._asked
        return asked is None or self.ends or asked == self._answered

    @property
    def ends(self) -> bool:
        """Whether the shown number has no equations: an input value, an initial state or a loss gradient."""
        return self.result is not None and self.place.is_given

    def bind(self, window: Any) -> None:
        """Follow the trail of the window, which follows the links of the view."""
        trail = window.navigation
        trail.changed.connect(lambda: self.show_place(trail.place, trail.line))
        self.place_requested.connect(trail.visit)
        self.line_requested.connect(trail.choose_line)
        self.show_place(trail.place, trail.line)

    def show_place(self, place: Place, line: str) -> None:
        """Show a place of the trail, and one of its lines in detail."""
        self.place, self._line = place, line
        step = self._selected()
        if step is not None:
            self._location = step
        # Out of sight nothing is worked out: the next look, or the next picture, asks.
        if self.isVisible():
            self._refresh()

    def choose_line(self, line: str) -> None:
        """Show a line in detail by its symbol: a gate's, "c" or "h"."""
        self._line = line
        self._ask()
        self.line_requested.emit(line)

    def is_masked(self, place: Place | None) -> bool:
        """Whether a number is one that an open question asks for."""
        return place is not None and is_masked(self.masks, place)

    def copy_text(self) -> str:
        """The whole arithmetic of every engine, or the text of the source."""
        if self.result is None:
            return ""
        if self.ends:
            source = origin(self.result.inputs, self.place)
            return "\n".join((f"{source.name} = {source.value}", source.heading, *source.sentences))
        if unexplained := self._unexplained():
            return unexplained
        if self.place.is_gradient:
            explained = None if self.page is None or not self.complete else self.page.explained
            if explained is not None and explained.of_gradient:
                return report(explained)
        return report(explain(self.result, self.place))

    # The contract of a view

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is not self.result:
            self._asked = self._answered = None
            self._stop()
            self._builder.reset()
        if result is None:
            self.page = None
        elif self.result is None or result.inputs.network.cell != self.result.inputs.network.cell:
            # Another cell begins with its first gate: an RNN's h is not what an LSTM's h is made of.
            self._line = ""
        self.result, self._candidate = result, candidate
        if result is not None:
            self._location = self._location.within(result.shape)
        if result is None or not self._keeps(result):
            self.place = same_kind(self._location, self.place)
        self._refresh()

    def show_location(self, location: Location) -> None:
        if location != self._location:
            self._location = location
            self.place = same_kind(location, self.place)
        self._refresh()

    def show_masked(self, masked: Sequence[Mask]) -> None:
        self.masks = masked
        if self.ends:
            self._refresh()
        elif self.page is not None:
            self._show(self.page)

    def finish_pending(self) -> None:
        if self._asked is not None and not self.complete:
            self._answer_now(self._asked)

    def _keeps(self, result: RunResult) -> bool:
        """Whether the place still belongs to the selection, or is a source without equations."""
        return lies_in(self.place, result.inputs) and self._selected() in (None, self._location)

    def _selected(self) -> Location | None:
        """The selected value of the place: `value_sources.selected`."""
        if self.result is None:
            return self.place.location
        return selected(self.result.config.network.kind, self.place, self._location)

    # Asking and being answered

    def _refresh(self) -> None:
        result = self.result
        if result is not None and not lies_in(self.place, result.inputs):
            # A place in a newer result, which a view out of sight is shown when it is seen.
            return
        if result is None:
            self._asked = None
            self.show_text(EMPTY)
        elif self.place.is_given:
            self._asked = None
            if self.page is not None and self.page.request.result is not result:
                self.page = None
            self.show_source(origin(result.inputs, self.place))
        elif unexplained := self._unexplained():
            self._asked = self.page = None
            self.show_text(unexplained)
        else:
            self._ask()

    def _unexplained(self) -> str:
        """Why the place has no arithmetic: padding, or a gradient without a backward pass; "" if it has one."""
        if self.result is None:
            return ""
        if self.place.is_gradient:
            if self.result.inputs.loss is None:
                return NO_GRADIENTS
            if self.place.location is None:
                return ""
        return padding_sentence(self.result.inputs, self._location)

    def _ask(self) -> None:
        if self.result is None or self.ends or self._unexplained():
            return
        if not self.wants_page:
            self._asked = None
            return
        request = self.request_for(self.result)
        if self.page is not None and self.page.request == request:
            self._asked = request
            self._show(self.page)
        elif not self.isVisible():
            self._answer_now(request)
        elif request != self._asked:
            self._asked = request
            if self.page is None:
                self.show_text("")
            # Not restarted while the selection moves, or it might never fire.
            if not self._soon.isActive():
                self._soon.start()

    def _begin(self) -> None:
        if self._asked is not None:
            self._task.ask(partial(self._builder.build, self._asked))

    def _answer_now(self, request: PageRequest) -> None:
        """Build a page at once, in a few milliseconds, and drop the pending request."""
        self._stop()
        self._asked = request
        self._show(self._builder.build(request))

    def _stop(self) -> None:
        """Cancel, and wait for the thread, at most for one block of a long computation; the request remains."""
        self._soon.stop()
        self._task.stop()

    def _on_answer(self, answer: Page | Refusal) -> None:
        asked, given = self._asked, answer.request
        # It may have been on its way when another result was shown, or what was asked for last was there already.
        if asked is None or given.result is not asked.result or given.candidate != asked.candidate:
            return
        if given == asked or not self.complete:
            self._show(answer)

    def _show(self, answer: Page | Refusal) -> None:
        """Show an answer, even to an earlier request while the selection moves."""
        self._answered = answer.request
        self.page = answer if isinstance(answer, Page) else None
        if isinstance(answer, Page):
            self.show_page(answer)
        else:
            self.show_text(answer.reason)

    # Qt

    def showEvent(self, event: QShowEvent) -> None:
        """Apply the changes that were made while the view was hidden."""
        super().showEvent(event)
        self._refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop the worker. A closing window hides its views."""
        self._stop()
        if not self.complete:
            self._asked = None
        super().hideEvent(event)
