"""View of the selected value's arithmetic, with links to the sources of its numbers."""

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QFont, QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QLabel, QSplitter, QWidget

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import GRADIENT, gradient
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.explain.backward import line_name
from rnnviz.explain.explanation import explain, padding_sentence
from rnnviz.explain.lines import format_short
from rnnviz.explain.report import report
from rnnviz.explain.value_sources import (
    InputSource,
    counterpart,
    lies_in,
    origin,
    same_kind,
    selected,
)
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.arithmetic.activation import ActivationPlot
from rnnviz.gui.views.arithmetic.cards import Cards, divergence_line, first_line
from rnnviz.gui.views.arithmetic.gradient_bars import GradientBarPlot
from rnnviz.gui.views.arithmetic.header import Breadcrumbs, DivergenceLabel, KindSwitch, ListOptions
from rnnviz.gui.views.arithmetic.page import Page, PageRequest, PageTask
from rnnviz.gui.views.arithmetic.term_table import TermTableView
from rnnviz.gui.views.base import ResultView, ViewHost, across, down, pages
from rnnviz.gui.views.labels import hint
from rnnviz.verify.result import RunResult

_LARGER = 1.7


class SourcePage(QWidget):
    """Shows the name and the number in large type, with details below."""

    def __init__(self) -> None:
        super().__init__()
        self._value, self._heading, self._description = QLabel(), QLabel(), QLabel()
        large = QFont(self.font())
        large.setPointSizeF(large.pointSizeF() * _LARGER)
        self._value.setFont(large)
        bold = QFont(self.font())
        bold.setBold(True)
        self._heading.setFont(bold)
        for label in (self._value, self._heading, self._description):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            label.setWordWrap(True)
        self.setLayout(down(self._value, self._heading, self._description, None, margins=(12, 8, 12, 8), spacing=4))

    @property
    def text(self) -> str:
        return "\n".join(label.text() for label in (self._value, self._heading, self._description))

    def show_origin(self, origin: InputSource) -> None:
        self._value.setText(f"{origin.name} = {format_short(float(origin.value))}")
        self._value.setToolTip(wrapped(number_format.full(origin.value)))
        self._value.setAccessibleName(self._value.text())
        self._heading.setText(origin.heading)
        self._description.setText("\n".join((*origin.sentences, f"In full: {number_format.full(origin.value)}")))


_PLOT_SHARE, _PLOT_LESS = 7, 40
"""The plot's width: this share of the whole, less these pixels, so that the terms fit into a narrow window."""

_CARDS_PERCENT = 40
"""Minimum share of the cards where the terms do not fit."""


class Body(QSplitter):
    """Gives the cards their natural width and the terms the most, until the user moves a splitter handle."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.cards, self.table, self.plot, self.bars = Cards(), TermTableView(), ActivationPlot(), GradientBarPlot()
        self._by_hand = False
        self._needed = 0, 0
        # Not the result itself, whose files would stay as long as it does.
        self._result: Callable[[], RunResult | None] = lambda: None
        beside = QWidget()
        beside.setLayout(down((self.plot, 1), (self.bars, 1)))
        # Only one of them is shown, so that they need the height of one.
        self.bars.hide()
        for place, part in enumerate((self.cards, self.table, beside)):
            self.addWidget(part)
            self.setCollapsible(place, False)
        self.splitterMoved.connect(lambda: setattr(self, "_by_hand", True))

    def show_page(self, page: Page) -> None:
        wide = self.cards.natural_width, self.cards.least_width
        # In a result they only grow, so that nothing moves with the selection.
        same = page.request.result is self._result()
        self.cards.show_page(page, grow=same)
        self.table.show_page(page, grow=same)
        numbers, whole = self.table.least_widths
        if same:
            numbers, whole = max(numbers, self._needed[0]), max(whole, self._needed[1])
        if (self.cards.natural_width, self.cards.least_width, numbers, whole) != (*wide, *self._needed):
            self._needed = numbers, whole
            self._divide()
        self._result = weakref.ref(page.request.result)
        engines = [display_name(engine) for engine in page.engines]
        if page.bars is None:
            self.plot.show_curve(page.curve, engines)
        else:
            self.bars.show_bars(page.bars, engines)
        self.plot.setVisible(page.bars is None)
        self.bars.setVisible(page.bars is not None)

    def apply_theme(self, theme: Theme) -> None:
        for part in (self.cards, self.table, self.plot, self.bars):
            part.apply_theme(theme)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._divide()

    def _divide(self) -> None:
        if not self._by_hand:
            plot = max(self.plot.minimumSizeHint().width(), self.width() // _PLOT_SHARE - _PLOT_LESS)
            room = self.width() - 2 * self.handleWidth() - plot
            numbers, whole = self._needed
            # In a narrow window bars and headings shrink before the cards scroll, and these scroll before the numbers.
            equations = min(self.cards.least_width, room - numbers)
            rest = max(room - whole, equations, room * _CARDS_PERCENT // 100)
            cards = min(self.cards.natural_width, rest)
            self.setSizes([cards, max(room - cards, 1), plot])


_LEAST_TERMS = 32
"""Minimum number of listed terms. A small network's terms are thus complete."""
_EMPTY = "A run (F5) shows how the selected value is computed, term by term."
_COMPUTING = "Computing the terms …"
_NO_GRADIENTS = "Gradients need a backward pass: Run > Compute gradients (Shift+G)."
_OTHER_ROWS = 8
"""Rows of the table in addition to its terms: biases, parts, remaining terms, total."""


class ArithmeticView(ResultView):
    """Cards with equations, and the terms and activation of the selected line; or a number's source.

    A worker computes the page of the latest request; the previous page stays visible until then. A hidden view
    computes at once, for example for a picture.
    """

    title = group = "Arithmetic"
    help_page = "window#arithmetic"
    figure_width = 1000
    stacked_width = 640

    place_requested = Signal(object)
    """The `Place` of a followed link."""
    shown = Signal()
    """The latest requested page is visible."""

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self._location = Location()
        self.place = Place.at("h", self._location)
        self._line = ""
        self._divergence_wanted = False
        self.page: Page | None = None
        """The page of equations, also while a source covers it."""
        self._task = PageTask(self)
        self._task.page_ready.connect(self._on_answer)

        self.kind = KindSwitch()
        self.crumbs = Breadcrumbs()
        self.note = DivergenceLabel()
        self.list_options = ListOptions()
        self.panes = self._body = body = Body()
        self.cards, self.table, self.plot = body.cards, body.table, body.plot
        self.end = SourcePage()
        self.empty = hint(_EMPTY)
        self._pages = pages(None, self.empty, body, self.end)
        top = across(self.kind, self.crumbs, (self.note, 100), None, self.list_options, spacing=8)
        self.setLayout(down(top, (self._pages, 1), margins=(8, 4, 8, 0), spacing=4))
        self.muted = (self.empty,)
        self.themed = self.crumbs, self.note, body
        self.cards.chosen.connect(self.choose_line)
        self.cards.followed.connect(self.place_requested)
        self.table.followed.connect(self.place_requested)
        body.bars.followed.connect(self.place_requested)
        self.kind.chosen.connect(self._on_kind)
        self.table.stepped.connect(self._on_stepped)
        self.list_options.changed.connect(self._ask)
        self.note.clicked.connect(self.show_divergence)
        self.show_result(None, None)

    # What is shown

    @property
    def complete(self) -> bool:
        """Whether the latest requested page is visible."""
        asked = self._task.request
        return asked is None or self.ends or (self.page is not None and self.page.request.same_as(asked))

    @property
    def ends(self) -> bool:
        """Whether the shown number has no equations: an input value, an initial state or a loss gradient."""
        return self._result is not None and self.place.is_given

    def copy_text(self) -> str:
        """The whole arithmetic of every engine, or the text of the source."""
        if self._result is None:
            return ""
        if self.ends:
            return self.end.text
        if unexplained := self._unexplained():
            return unexplained
        if self.place.is_gradient:
            explained = None if self.page is None or not self.complete else self.page.explained
            if explained is not None and explained.of_gradient:
                return report(explained)
        return report(explain(self._result, self.place))

    def choose_line(self, line: str) -> None:
        """Select a line by its symbol: a gate's, "c" or "h"."""
        self._line = line
        self._ask()

    def bind(self, window: ViewHost) -> None:
        window.navigation.bind(self)
        window.verdict.explanation_wanted.connect(self.show_divergence)

    def show_divergence(self) -> None:
        """Select the line in which the engines diverge, once the latest requested page is visible.

        If the likely cause of an engine's errors gives its values, the first line with this cause gets the focus.
        """
        self._divergence_wanted = not self.complete
        if self.page is not None and self.complete and self.page.explained and self.page.explained.with_bugs:
            self.cards.reveal_below(len(self.page.lines))
        elif self.page is not None and self.complete and (place := divergence_line(self.page)) is not None:
            self.cards.reveal(place)
            # A stored value has no terms.
            self.choose_line(first_line(self.page, place).result.text.removeprefix("stored "))

    def show_history(self, places: tuple[Place, ...], at: int) -> None:
        """Show a place of a navigation history, with its breadcrumbs."""
        self.place = places[at]
        self.crumbs.show_history(places, at)
        # Where only the selection moved, the line stays.
        moved = len(places) == 1 and self._line.startswith(GRADIENT) and self.place.array == gradient("h")
        if self.place.is_gradient and not moved:
            self._line = line_name(self.place)
        elif self.place.kind == "step" and self.place.array not in ("h", gradient("h")):
            self._line = self.place.array
        self.kind.show_kind(gradient=self.place.in_backward_pass)
        step = self._selected()
        if step is not None:
            self._location = step
        # Out of sight nothing is worked out: the next look, or the next picture, asks.
        if self.isVisible():
            self._refresh()

    # The contract of a view

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is not self._result:
            self._task.reset()
        if result is None:
            self.page = None
        elif self._result is None or result.inputs.network.cell != self._result.inputs.network.cell:
            # Another cell begins with its first gate: an RNN's h is not what an LSTM's h is made of.
            self._line = ""
        self._result, self._candidate = result, candidate
        self.kind.setVisible(result is not None)
        self.crumbs.setVisible(result is not None)
        # Without a page they would have the content of an earlier result.
        self.note.setVisible(self.page is not None)
        self.list_options.setVisible(self.page is not None)
        if result is not None:
            self._location = self._location.within(result.shape)
        if result is None or not self._keeps(result):
            self._start(self._location)
        self._refresh()

    def show_location(self, location: Location) -> None:
        if location != self._location:
            self._location = location
            self._start(location)
        self._refresh()

    def _start(self, location: Location) -> None:
        """Start a navigation history at a value, or at its gradient if a gradient is shown."""
        self.show_history((same_kind(location, self.place),), 0)

    def _keeps(self, result: RunResult) -> bool:
        """Whether the place still belongs to the selection, or is a source without equations."""
        return self._is_in(result) and self._selected() in (None, self._location)

    def _is_in(self, result: RunResult) -> bool:
        """Whether a result has the place."""
        return lies_in(self.place, result.inputs)

    def _selected(self) -> Location | None:
        """The selected value of the place: `provenance.selected`."""
        if self._result is None:
            return self.place.location
        return selected(self._result.config.network.kind, self.place, self._location)

    def finish_pending(self) -> None:
        asked = self._task.request
        if asked is not None and not self.complete:
            self._show(self._task.answer_now(asked))

    def duplicate(self) -> Self:
        made = type(self)()
        made._result, made._location, made._line = self._result, self._location, self._line
        made.show_history((self.place,), 0)
        return made

    def hide_selection(self) -> None:
        self.cards.show_whole_cards()

    # Asking and being answered

    def _refresh(self) -> None:
        result = self._result
        if result is not None and not self._is_in(result):
            # A place in a newer result, which a view out of sight is shown when it is seen.
            return
        if result is None:
            self._task.request = None
            self.empty.setText(_EMPTY)
            self._pages.setCurrentWidget(self.empty)
        elif self.place.is_given:
            self._task.request = None
            if self.page is not None and self.page.request.result is not result:
                self.page = None
            self.end.show_origin(origin(result.inputs, self.place))
            self._pages.setCurrentWidget(self.end)
            self.note.setVisible(False)
            self.list_options.setVisible(False)
            self.shown.emit()
        elif unexplained := self._unexplained():
            self._task.request = self.page = None
            self._refuse(unexplained)
        else:
            self._ask()

    def _unexplained(self) -> str:
        """Why the place has no arithmetic: padding, or a gradient without a backward pass; "" if it has one."""
        if self._result is None:
            return ""
        if self.place.is_gradient:
            if self._result.inputs.loss is None:
                return _NO_GRADIENTS
            if self.place.location is None:
                return ""
        return padding_sentence(self._result.inputs, self._location)

    def _refuse(self, why: str) -> None:
        self.empty.setText(why)
        self._pages.setCurrentWidget(self.empty)
        self.note.setVisible(False)
        self.list_options.setVisible(False)
        self.shown.emit()

    def _ask(self) -> None:
        if self._result is None or self.ends or self._unexplained():
            return
        request = PageRequest(
            self._result,
            self._candidate,
            self.place,
            self._line,
            self.list_options.order,
            self._top(),
        )
        if self.page is not None and self.page.request.same_as(request):
            self._task.request = request
            self._show(self.page)
        elif not self.isVisible():
            self._show(self._task.answer_now(request))
        elif not request.same_as(self._task.request):
            self.empty.setText("")
            if self.page is not None and self.page.request.place.is_gradient != request.place.is_gradient:
                # The heading says already that it is a gradient, or a value.
                self.empty.setText(_COMPUTING)
                self._pages.setCurrentWidget(self.empty)
            self._task.ask(request)

    def _top(self) -> int:
        chosen = self.list_options.terms
        return max(_LEAST_TERMS, self.table.rows_in_room - _OTHER_ROWS) if chosen is None else chosen

    def _on_answer(self, page: Page) -> None:
        # It may still have been on its way when what was asked for last was there already.
        if page.request.same_as(self._task.request) or not self.complete:
            self._show(page)

    def _show(self, page: Page) -> None:
        """Show a page, even one that answers an earlier request while the selection moves."""
        self.page = page
        if page.refusal:
            self._refuse(page.refusal)
            return
        if page.request.same_as(self._task.request):
            self._line = page.term_table.line
            # A line that the cell lacks has become its first one, which need not be asked for again.
            self.page = replace(page, request=replace(page.request, line=self._line))
            self._task.request = self.page.request
        self._body.show_page(page)
        self.note.show_page(page)
        with QSignalBlocker(self.list_options):
            self.list_options.show_terms(page.term_table)
        self.note.setVisible(True)
        self.list_options.setVisible(True)
        self._pages.setCurrentIndex(1)
        if self.complete:
            self.shown.emit()
            if self._divergence_wanted:
                self.show_divergence()

    def _on_kind(self, gradient: bool) -> None:
        if gradient != self.place.in_backward_pass:
            self.place_requested.emit(counterpart(self.place, self._location))

    def _on_stepped(self, by: int) -> None:
        if self._result is not None:
            there = self._location.moved(timestep=self._location.timestep + by)
            self.location_requested.emit(there.within(self._result.shape))

    # Qt

    def showEvent(self, event: QShowEvent) -> None:
        """Apply the changes that were made while the view was hidden."""
        super().showEvent(event)
        self._refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop the worker. A closing window hides its views."""
        self._task.stop()
        if not self.complete:
            self._task.request = None
        super().hideEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._refresh()
