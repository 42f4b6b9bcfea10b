"""Column of cards: every equation of a value, one of them selected."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from rnnviz.core.engine_spec import display_name
from rnnviz.explain.equations import EquationLine
from rnnviz.explain.explanation import Divergence, Step
from rnnviz.explain.provenance import Place, token_source
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.arithmetic.card import Card, CardContent
from rnnviz.gui.views.arithmetic.page import Page

_SCROLL_BAR, _LEAST_WIDTH = 20, 200


class Cards(QScrollArea):
    """`chosen` emits the symbol of a newly selected line, `followed` the source of a number."""

    chosen = Signal(str)
    followed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = LIGHT
        self._column = QVBoxLayout()
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(1)
        self._column.addStretch()
        inside = QWidget()
        inside.setLayout(self._column)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        # The background of the view is below.
        inside.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Equations with their numbers")
        self.cards: list[Card] = []
        self.natural_width = 0
        self._chosen: int | None = None
        # Cards that are new have their places only then.
        self.verticalScrollBar().rangeChanged.connect(self._show_chosen)

    def show_page(self, page: Page) -> None:
        contents = card_contents(page)
        while len(self.cards) < len(contents):
            self._add()
        while len(self.cards) > len(contents):
            card = self.cards.pop()
            self._column.removeWidget(card)
            card.hide()
            card.deleteLater()
        for card, content in zip(self.cards, contents, strict=True):
            line = content.lines[0].result.text
            card.show_content(content, checked=content.detailed and line == page.term_table.line)
        chosen = next((place for place, card in enumerate(self.cards) if card.checked), None)
        if chosen != self._chosen:
            self._chosen = chosen
            QTimer.singleShot(0, self, self._show_chosen)
        wide = max(card.minimumWidth() for card in self.cards)
        # It only grows, so that neighbors do not move with the selection.
        self.natural_width = max(self.natural_width, wide + _SCROLL_BAR)
        self.setMinimumWidth(min(self.natural_width, _LEAST_WIDTH))

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        for card in self.cards:
            card.apply_theme(theme)

    def reveal(self, place: int) -> None:
        """Scroll to a card and select it."""
        self.cards[place].setFocus(Qt.FocusReason.OtherFocusReason)
        self.ensureWidgetVisible(self.cards[place], 0, 2)
        self._choose(place)

    def _show_chosen(self) -> None:
        if self._chosen is not None and self._chosen < len(self.cards):
            self.ensureWidgetVisible(self.cards[self._chosen], 0, 2)

    def _add(self) -> None:
        card = Card()
        card.apply_theme(self._theme)
        place = len(self.cards)
        card.chosen.connect(lambda: self._choose(place))
        card.followed.connect(self.followed)
        card.stepped.connect(lambda by: self._step(place + by))
        self._column.insertWidget(place, card)
        self.cards.append(card)

    def _choose(self, place: int) -> None:
        content = self.cards[place].content
        if content is not None and content.detailed:
            self.chosen.emit(content.lines[0].result.text)

    def _step(self, place: int) -> None:
        if 0 <= place < len(self.cards):
            self.reveal(place)


_STORED: dict[Step, str] = {"stored_c": "own c", "stored": "own h"}
"""Symbols of the lines with an engine's stored values."""


def card_contents(page: Page) -> tuple[CardContent, ...]:
    """Contents of the cards of a page. The last ones are the engines' stored values."""
    first = page.arithmetics[0]
    engines = tuple(display_name(arithmetic.engine) for arithmetic in page.arithmetics)
    names = {gate.symbol: gate.gate.name for gate in first.gates}
    further = dict.fromkeys(first.cell.further_states, "state")
    names = (
        {"c": "cell state", "h": "hidden value"} | further | names | {f"own {name}": "stored" for name in first.lines}
    )
    marked = divergence_line(page)
    contents = []
    for place, lines in enumerate(page.lines):
        having = [(engine, line) for engine, line in zip(engines, lines, strict=True) if line is not None]
        line = having[0][1]
        contents.append(
            CardContent(
                names.get(line.result.text, ""),
                tuple(engine for engine, _ in having),
                tuple(own for _, own in having),
                _sources(page, line),
                parts=place == marked,
                detailed=line.result.text in first.lines,
            )
        )
    return tuple(contents)


def divergence_line(page: Page) -> int | None:
    """Index of the first line that shows the divergence. For an input, this is the first gate."""
    divergence = page.divergence
    if divergence is None:
        return None
    symbols = [next(line.result.text for line in lines if line is not None) for lines in page.lines]
    return 0 if divergence.step == "input" else symbols.index(_line_of(divergence))


def _line_of(divergence: Divergence) -> str:
    if divergence.step == "stored_line":
        return f"own {divergence.gate}"
    if divergence.gate is not None:
        return divergence.gate
    return _STORED.get(divergence.step) or {"previous": divergence.state, "c": "c"}.get(divergence.step, "h")


def _sources(page: Page, line: EquationLine) -> tuple[Place | None, ...]:
    """The source of each token's number; None for the result."""
    first = page.arithmetics[0]
    return tuple(
        None if place == 0 or token.value is None else token_source(first, token)
        for place, token in enumerate(line.tokens)
    )
