"""The value card: how the opened value is computed, all units next to it, and its place in the output."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLabel, QWidget

from rnnviz.core import number_format
from rnnviz.core.masks import Mask
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.explain.lines import format_short
from rnnviz.explain.value_sources import InputSource, counterpart, in_words
from rnnviz.gui.kit.segments import Segments
from rnnviz.gui.regions import Region
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.icons import IconButton
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.value.arithmetic_page import ArithmeticPage, Numbers, Readout
from rnnviz.gui.value.explained_view import ExplainedView
from rnnviz.gui.value.output_page import OutputPage
from rnnviz.gui.value.page import Page
from rnnviz.gui.value.rows import MARGIN, Fonts
from rnnviz.gui.value.texts import subtitle_of, title_of
from rnnviz.gui.value.vector_page import VectorPage
from rnnviz.gui.views.base import across, claims, down, pages
from rnnviz.gui.views.labels import ElidedLabel, hint, muted_palette
from rnnviz.verify.result import RunResult

VALUE, VECTOR, OUTPUT, GRADIENT = "Value", "Vector", "Output", "Gradient"
_SEGMENTS = (
    (VALUE, "How the selected value is computed from earlier ones (E)."),
    (VECTOR, "All units of the selected step, engine by engine."),
    (OUTPUT, "Where the selected value is in the output and in the final state."),
    (GRADIENT, "How the gradient of the selected value comes from the loss (D)."),
)
ARITHMETIC = "Arithmetic"
"""Title of the tab with all terms."""
_PAGE, _VECTOR = "page ", "tab "
"""Prefixes of the page and of the vector in the saved state."""


class ValueCard(ExplainedView):
    """A title with the selected value, and four pages: its arithmetic, all units, its place, and its gradient."""

    title = "Value"
    help_page = "window#value"
    closed = Signal()
    """The user closes the card."""
    left = Signal()
    """Esc: the keyboard goes back to the value."""
    terms_requested = Signal()
    """All terms of the chosen equation are to be shown."""

    def __init__(self, settings: Settings | None = None) -> None:
        """`settings` store the added columns of the vector."""
        super().__init__()
        self.heading, self.subtitle = ElidedLabel("No value yet", bold=True), ElidedLabel()
        self.back = IconButton("previous", "Back", "Return to the number that used this one (Alt+Left).")
        self.forward = IconButton("next", "Forward", "Return to the number before Back (Alt+Right).")
        self.closing = IconButton("close", "Close the value card", "Close the card. A click on a value opens it again.")
        self.closing.clicked.connect(self.closed)
        for button in (self.back, self.forward, self.closing):
            button.setFixedSize(scaled(28), scaled(28))
        self.segments = Segments("Page of the value", _SEGMENTS)
        self.segments.chosen.connect(self._on_segment)
        self.arithmetic, self.vector, self.output = ArithmeticPage(), VectorPage(settings), OutputPage()
        self.source, self.empty = SourcePage(), hint()
        self.empty.setMargin(scaled(MARGIN))
        self._pages = pages(None, self.empty, self.arithmetic, self.vector, self.output, self.source)
        titles = down(self.heading, self.subtitle, spacing=0)
        edge = scaled(MARGIN)
        self.head = QWidget()
        """The title and its buttons, which can be the title of a dock."""
        self.head.setObjectName("dock_title")
        buttons = self.back, self.forward, self.closing
        self.head.setLayout(across((titles, 1), *buttons, margins=(edge, 10, 6, 6), spacing=0))
        segments = across(self.segments, None, margins=(edge, 2, edge, 8))
        self.setLayout(down(self.head, segments, (self._pages, 1), spacing=0))
        self.setObjectName("value_card")
        for widget in (self, self.head):
            widget.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.arithmetic.followed.connect(self.place_requested)
        self.arithmetic.line_chosen.connect(self.choose_line)
        self.arithmetic.terms_requested.connect(self._on_terms)
        for page in (self.vector, self.output):
            page.location_requested.connect(self.location_requested)
        self.vector.explanation_requested.connect(self.explanation_requested)
        self.vector.columns.changed.connect(self.state_changed)
        self.output.highlight_requested.connect(self.highlight_requested)
        self.show_result(None, None)

    # What is shown

    @property
    def page_name(self) -> str:
        """The chosen page: "Value", "Vector", "Output" or "Gradient"."""
        return self.segments.current

    def choose(self, name: str) -> None:
        """Show a page by its name."""
        self.segments.choose(name)
        self._on_segment(name)

    def bind(self, window: Any) -> None:
        super().bind(window)
        trail, layout = window.navigation, window.main_layout
        trail.changed.connect(lambda: self._show_trail(trail))
        trail.followed.connect(self._show_opened)
        trail.followed.connect(lambda: layout.docks.open(self.title))
        trail.opened.connect(self.take_focus)
        self.back.clicked.connect(trail.back)
        self.forward.clicked.connect(trail.forward)
        self.terms_requested.connect(lambda: layout.select_tab(ARITHMETIC))
        self.closed.connect(lambda: layout.docks.close(self.title))
        self.left.connect(lambda: window.lanes.setFocus())
        window.verdict.explanation_wanted.connect(self.reveal)
        self._show_trail(trail)

    def take_focus(self) -> None:
        """Give the keyboard to the equations, or to the number that has none."""
        part = self.source if self.ends else self.arithmetic.equations
        part.setFocus(Qt.FocusReason.OtherFocusReason)

    def reveal(self) -> None:
        """Show the arithmetic with the part that decides in view, and give it the focus."""
        self._show_opened()
        self.finish_pending()
        self.arithmetic.reveal()

    @property
    def wants_page(self) -> bool:
        return self.page_name in (VALUE, GRADIENT)

    def show_page(self, page: Page) -> None:
        self.arithmetic.show_page(page, self.masks)
        self._show_titles()
        if self.wants_page:
            self._pages.setCurrentWidget(self.arithmetic)

    def show_text(self, text: str) -> None:
        self.arithmetic.forget(self.page)
        self.empty.setText(text)
        self._show_titles()
        if self.wants_page or self.result is None:
            self._pages.setCurrentWidget(self.empty)

    def show_source(self, source: InputSource) -> None:
        self.arithmetic.forget(self.page)
        self.source.show_source(source, masked=self.is_masked(source.place))
        self._show_titles()
        if self.wants_page:
            self._pages.setCurrentWidget(self.source)

    def copy_text(self) -> str:
        """The numbers of the page that is shown."""
        if self.result is None or self.wants_page:
            if self.masks and self.result is not None:
                # Only what is shown: a question asks for some of the rest.
                return self.source.text if self.ends else self.arithmetic.copy_text()
            return super().copy_text()
        return self.vector.table.copy_text() if self.page_name == VECTOR else self.output.table.copy_text()

    # The contract of a view

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        super().show_result(result, candidate)
        self.segments.setVisible(result is not None)
        self.segments.offer(GRADIENT, offered=result is not None and result.has_gradients)
        if self.page_name == GRADIENT and (result is None or not result.has_gradients):
            self.segments.choose(VALUE)
        self.vector.show_result(result, candidate)
        self.output.show_result(result)
        if result is not None:
            self._show_location(self._location)
        self._show_titles()

    def show_location(self, location: Location) -> None:
        super().show_location(location)
        self._show_location(location)

    def show_place(self, place: Place, line: str) -> None:
        super().show_place(place, line)
        if self.wants_page and place.in_backward_pass != (self.page_name == GRADIENT):
            self.segments.choose(GRADIENT if place.in_backward_pass else VALUE)

    def show_masked(self, masked: Sequence[Mask]) -> None:
        super().show_masked(masked)
        self.vector.show_masked(masked)
        self.output.show_masked(masked)
        self._show_titles()

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        self.vector.show_highlight(highlighted)
        self.output.show_highlight(highlighted)

    def follow_array(self, name: str) -> bool:
        return self.vector.follow_array(name)

    def save_state(self) -> tuple[str, ...]:
        chosen = (each.name for each in self.vector.columns.chosen)
        return (_PAGE + self.page_name, _VECTOR + self.vector.kind, *chosen)

    def restore_state(self, choices: Sequence[str]) -> None:
        columns = [word for word in choices if not word.startswith((_VECTOR, _PAGE))]
        self.vector.columns.choose_these(columns)
        for kind in self.vector.kinds:
            if _VECTOR + kind in choices:
                self.vector.choose(kind)
        for name in (VALUE, VECTOR, OUTPUT):
            if _PAGE + name in choices:
                self.choose(name)

    def apply_theme(self, theme: Theme) -> None:
        for part in (self.arithmetic, self.vector, self.output, self.source):
            part.apply_theme(theme)
        self.empty.setPalette(muted_palette(theme))
        fonts = Fonts(self.font())
        self.heading.use(fonts.title, theme.palette())
        self.subtitle.use(fonts.caption, muted_palette(theme))

    # Qt

    def event(self, event: QEvent) -> bool:
        """Handle Esc before the window's shortcuts."""
        return claims(event, (Qt.Key.Key_Escape,)) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def _show_location(self, location: Location) -> None:
        others: dict[str, VectorPage | OutputPage] = {VECTOR: self.vector, OUTPUT: self.output}
        other = others.get(self.page_name)
        if other is not None:
            other.show_location(location)
        if self.complete or other is not None:
            # The page of an earlier value keeps its title.
            self._show_titles()

    def _show_titles(self) -> None:
        if self.result is None:
            self.heading.setText("No value yet")
            self.subtitle.setText("")
            return
        page = self.page if self.wants_page and not self.ends else None
        place = Place.at("h", self._location) if page is None else page.request.place
        # The gradient of a parameter is of no step.
        title = in_words(place) if place.location is None else title_of(self.result, place.location)
        self.heading.setText(title)
        # A wrong value is not named while a question is open.
        shown = page if page is None or not self.masks else replace(page, comparison=None)
        self.subtitle.setText(subtitle_of(self.result, place.location or self._location, shown))

    def _show_trail(self, trail: Any) -> None:
        """Say where Back and Forward lead."""
        for button, at, can in (
            (self.back, trail.at - 1, trail.can_go_back),
            (self.forward, trail.at + 1, trail.can_go_forward),
        ):
            button.setEnabled(can)
            to = f": {in_words(trail.places[at])}" if can else ""
            key = "Alt+Left" if button is self.back else "Alt+Right"
            button.setToolTip(wrapped(f"{button.accessibleName()}{to} ({key})."))

    def _show_opened(self) -> None:
        """Show the page of the opened value, its arithmetic or its gradient."""
        self.segments.choose(GRADIENT if self.place.in_backward_pass else VALUE)
        self._refresh()

    def _on_segment(self, name: str) -> None:
        if name in (VECTOR, OUTPUT) and self.result is not None:
            self._show_location(self._location)
            self._pages.setCurrentWidget(self.vector if name == VECTOR else self.output)
        elif self.result is not None and self.place.in_backward_pass != (name == GRADIENT):
            self.place_requested.emit(counterpart(self.place, self._location))
        else:
            self._refresh()

    def _on_terms(self, line: str) -> None:
        self.choose_line(line)
        self.terms_requested.emit()


class SourcePage(QWidget):
    """A number that no step computed in large type, and where it comes from."""

    def __init__(self) -> None:
        super().__init__()
        self.number, self._text = Numbers(), QLabel()
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._text.setContentsMargins(scaled(MARGIN), 4, scaled(MARGIN), 4)
        self.setLayout(down(self.number, self._text, None, spacing=0))
        self.setFocusProxy(self._text)

    @property
    def text(self) -> str:
        return f"{self.number.accessibleName()}\n{self._text.text()}"

    def show_source(self, source: InputSource, *, masked: bool) -> None:
        value = "?" if masked else number_format.true_minus(format_short(float(source.value)))
        full = "" if masked else f"In full: {number_format.full(source.value)}"
        self.number.show_numbers((Readout("", f"{source.name} = {value}", tip=full),))
        self._text.setText("\n".join(filter(None, (source.heading, *source.sentences, full))))

    def apply_theme(self, theme: Theme) -> None:
        self.number.apply_theme(theme)
