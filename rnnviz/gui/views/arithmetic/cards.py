"""Cards of a value's equations: their symbols, each engine's numbers below, and links to their sources."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, TypeAlias

from PySide6.QtCore import QCoreApplication, QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QToolTip, QVBoxLayout, QWidget

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import gradient
from rnnviz.core.places import Place
from rnnviz.core.trace_index import ARROWS
from rnnviz.explain.backward_symbols import gate_name
from rnnviz.explain.explanation import Explanation, StepWithBugs
from rnnviz.explain.lines import EquationLine
from rnnviz.explain.report import recomputed_of
from rnnviz.explain.value_sources import in_words
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.arithmetic.page import Page
from rnnviz.gui.views.base import claims, is_plain
from rnnviz.gui.views.table import blend

Face: TypeAlias = Literal["plain", "italic", "low"]

_LOW_SIZE, _LOW_BY = 0.78, 0.22
_WORDS = ("Δ", "bound", "direct", "final", "above", *(f"above {arrow}" for arrow in ARROWS))


def pieces(text: str, *, sign: bool) -> tuple[tuple[str, Face], ...]:
    """Split a symbol by face: names italic, signs and the brackets of h[t-1] upright, n of u_n a subscript."""
    if sign or text in _WORDS or text.startswith("stored "):
        return ((text.replace(" - ", " − "), "plain"),)
    name, bracket, step = text.partition("[")
    if bracket:
        return ((name, "italic"), (bracket + step.replace("-", "−"), "plain"))
    # In a product with a matrix the underscore is part of its name.
    name, _, index = (text, "", "") if " " in text else text.partition("_")
    return ((name, "italic"), (index, "low")) if index else ((name, "italic"),)


@dataclass(frozen=True)
class EquationColumn:
    """Column of one token: left edge and width in pixels, the symbol's pieces, and a text per row of numbers."""

    left: float
    width: float
    symbol: tuple[tuple[str, Face], ...]
    numbers: tuple[str, ...]
    sign: bool


class Faces:
    """Fonts of an equation with their metrics and cached text widths."""

    def __init__(self, font: QFont) -> None:
        plain = QFont(font)
        plain.setKerning(False)
        italic, low = QFont(plain), QFont(plain)
        italic.setItalic(True)
        low.setPointSizeF(max(plain.pointSizeF() * _LOW_SIZE, 1.0))
        self.fonts: dict[Face, QFont] = {"plain": plain, "italic": italic, "low": low}
        self._metrics = {face: QFontMetricsF(own) for face, own in self.fonts.items()}
        self._widths: dict[tuple[str, Face], float] = {}
        self.height, self.ascent = self._metrics["plain"].height(), self._metrics["plain"].ascent()

    def width(self, text: str, face: Face = "plain") -> float:
        key = text, face
        if key not in self._widths:
            if len(self._widths) > 4096:
                self._widths.clear()
            self._widths[key] = self._metrics[face].horizontalAdvance(text)
        return self._widths[key]


def columns(faces: Faces, line: EquationLine, rows: Sequence[Sequence[str]]) -> tuple[EquationColumn, ...]:
    """Lay out a line from x = 0. `rows` contains the texts below its tokens, row by row."""
    laid: list[EquationColumn] = []
    left = 0.0
    for place, token in enumerate(line.tokens):
        sign = token.value is None
        symbol = pieces(token.text, sign=sign)
        numbers = tuple(number_format.true_minus(row[place]) for row in rows)
        width = max(sum(faces.width(*piece) for piece in symbol), *(faces.width(text) for text in numbers))
        laid.append(EquationColumn(left, width, symbol, numbers, sign))
        left += width
    return tuple(laid)


def paint_symbol(painter: QPainter, faces: Faces, column: EquationColumn, left: float, top: float) -> QRectF:
    """Draw a symbol in the center of its column, and return its rectangle."""
    widths = [faces.width(*piece) for piece in column.symbol]
    x = left + column.left + (column.width - sum(widths)) / 2.0
    at = QRectF(x, top, sum(widths), faces.height)
    for (text, face), width in zip(column.symbol, widths, strict=True):
        painter.setFont(faces.fonts[face])
        painter.drawText(QPointF(x, top + faces.ascent + (_LOW_BY * faces.height if face == "low" else 0.0)), text)
        x += width
    return at


def paint_number(painter: QPainter, faces: Faces, column: EquationColumn, row: int, left: float, top: float) -> None:
    """Draw a number below a symbol. Numbers of several rows align at the right."""
    text = column.numbers[row]
    widest = max(faces.width(own) for own in column.numbers)
    end = left + column.left + (column.width + widest) / 2.0
    painter.drawText(QPointF(end - faces.width(text), top + faces.ascent), text)


_PAD, _GAP, _INSET = 8, 14, 3
_OF_CAUSE = "The equation with the likely cause of the engine's errors: {cause}."
_WIDEST_LABEL = 170
"""Largest width in pixels that a card asks for its labels."""
MARKS = ("●", "□")
"""Marks of the reference and the candidate, as in the activation plot."""
_APART = "≠ "


@dataclass(frozen=True)
class CardContent:
    """Content of a card.

    `lines` contains the equation once for each of the `engines`. `name` names the result, such as "input gate".
    `sources` contains the source of each token's number. `parts` marks the first divergence.
    """

    name: str
    engines: tuple[str, ...]
    lines: tuple[EquationLine, ...]
    sources: tuple[Place | None, ...]
    parts: bool = False
    detailed: bool = True
    """Whether the line has terms, so that the card is selectable."""
    cause: str = ""
    """The likely cause of an engine's errors with which the equation is computed."""

    @cached_property
    def rows(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """Rows of numbers with their labels. Engines with the same digits share a row."""
        cells = [line.cells for line in self.lines]
        if self.parts and len(cells) == 2 and cells[0] == cells[1]:
            cells = list(self.lines[0].cells_apart(self.lines[1]))
        if len(set(cells)) == 1:
            return ((cells[0], ", ".join(self.engines)),)
        return tuple((own, f"{mark} {name}") for own, mark, name in zip(cells, MARKS, self.engines, strict=False))

    @property
    def words(self) -> str:
        rows = "; ".join(f"{engines}: {''.join(cells)}" for cells, engines in self.rows)
        return f"{self.name}: {self.lines[0].symbols}; {rows}" + ("; first divergence" if self.parts else "")


class Card(QWidget):
    """A click or an arrow key selects the card. Left and Right move between links, Enter follows one."""

    chosen = Signal()
    followed = Signal(object)
    """The `Place` of a link."""
    stepped = Signal(int)
    """-1 or 1: request for the card above or below."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self._faces = Faces(self.font())
        self.content: CardContent | None = None
        self._columns: tuple[EquationColumn, ...] = ()
        self._link: int | None = None
        self.checked = False
        self.brief: frozenset[str] = frozenset()
        """Marks of engines that have their marks alone, without their names."""
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def links(self) -> tuple[int, ...]:
        """Indices of the tokens that are links."""
        content = self.content
        return () if content is None else tuple(k for k, source in enumerate(content.sources) if source is not None)

    def show_content(self, content: CardContent, *, checked: bool) -> None:
        rows = content.rows
        self._columns = columns(self._faces, content.lines[0], [cells for cells, _ in rows])
        self.content, self.checked = content, checked
        if self._link not in self.links:
            self._link = None
        # One card of them all is where Tab leads to; arrows go on from there.
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if checked else Qt.FocusPolicy.ClickFocus)
        if self.minimumSize() != self.minimumSizeHint():
            self.setMinimumSize(self.minimumSizeHint())
        self._name()
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._faces = Faces(self.font())
        if self.content is not None:
            self.show_content(self.content, checked=self.checked)
        self.update()

    def minimumSizeHint(self) -> QSize:
        rows = 1 if self.content is None else len(self.content.rows)
        wide = self._columns[-1].left + self._columns[-1].width if self._columns else 0.0
        return QSize(round(2 * _PAD + wide), round((1 + rows) * self._faces.height + 2 * _INSET + 4))

    def sizeHint(self) -> QSize:
        # In a narrow window the labels are shortened.
        return self.minimumSizeHint() + QSize(round(_GAP + self._label_width()), 0)

    def link_rect(self, token: int) -> QRectF:
        """Rectangle of a token and its numbers."""
        column = self._columns[token]
        return QRectF(_PAD + column.left, _INSET, column.width, self.height() - 2 * _INSET)

    def follow(self, token: int) -> None:
        source = None if self.content is None else self.content.sources[token]
        if source is not None:
            self.followed.emit(source)

    def _label_width(self) -> float:
        """Width of the labels, including the divergence mark, so that the card keeps its width."""
        if self.content is None:
            return 0.0
        widest = max(
            self._faces.width(text) for text in (_APART + self.content.name, *(label for _, label in self.content.rows))
        )
        return min(widest, scaled(_WIDEST_LABEL))

    def _name(self) -> None:
        content = self.content
        if content is None:
            return
        name = content.words
        if self._link is not None:
            source = content.sources[self._link]
            assert source is not None, "a link leads somewhere"
            name = f"{content.lines[0].tokens[self._link].text}: Enter goes to {in_words(source)}"
        if name != self.accessibleName():
            self.setAccessibleName(name)
        why = "The terms are in the table. Left and Right select a number, Enter goes to its source."
        stored = "Values that each engine stored, for comparison."
        of_cause = _OF_CAUSE.format(cause=content.cause)
        self.setAccessibleDescription(why if content.detailed else of_cause if content.cause else stored)

    # Qt

    def event(self, event: QEvent) -> bool:
        """Handle the card's keys before the window's shortcuts, and show tooltips."""
        if claims(event, _KEYS):
            return True
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.tooltip_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def tooltip_at(self, point: QPointF) -> str:
        """Tooltip at a point: a number of every engine in full precision, and its source."""
        content = self.content
        if content is None:
            return ""
        for token, column in enumerate(self._columns):
            if not column.sign and self.link_rect(token).contains(point):
                values = [
                    f"{engine}: {number_format.full(value)}"
                    for engine, line in zip(content.engines, content.lines, strict=True)
                    if (value := line.tokens[token].value) is not None
                ]
                source = content.sources[token]
                whence = [] if source is None else [f"Click to go to {in_words(source)}."]
                return "\n".join([content.lines[0].tokens[token].text, *values, *whence])
        if content.cause:
            return _OF_CAUSE.format(cause=content.cause)
        return f"{content.name}: click to show its terms." if content.detailed else content.name

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if not is_plain(event, _KEYS):
            super().keyPressEvent(event)
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.stepped.emit(-1 if key == Qt.Key.Key_Up else 1)
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._step_link(-1 if key == Qt.Key.Key_Left else 1)
        elif self._link is not None:
            self.follow(self._link)
        else:
            self.chosen.emit()

    def _step_link(self, by: int) -> None:
        links = self.links
        if links:
            at = links.index(self._link) if self._link in links else (-1 if by > 0 else len(links))
            self._link = links[min(max(at + by, 0), len(links) - 1)]
            self._name()
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        on_link = self._link_at(event.position()) is not None
        self.setCursor(Qt.CursorShape.PointingHandCursor if on_link else Qt.CursorShape.ArrowCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        token = self._link_at(event.position())
        if token is None:
            self.chosen.emit()
        else:
            self.follow(token)

    def _link_at(self, point: QPointF) -> int | None:
        return next((token for token in self.links if self.link_rect(token).contains(point)), None)

    def paintEvent(self, event: QPaintEvent) -> None:
        content, theme = self.content, self._theme
        painter = QPainter(self)
        if content is None:
            painter.end()
            return
        card = QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, self.checked or content.parts or self.hasFocus())
        if self.checked:
            painter.setPen(QPen(theme.color("accent"), 1.0))
            painter.setBrush(blend(theme, "accent", 0.1))
            painter.drawRoundedRect(card, 4, 4)
            painter.fillRect(QRectF(card.left(), card.top() + 2, 3, card.height() - 4), theme.color("accent"))
        if content.parts:
            for role, width in (("outline_under", 4.0), ("outline", 2.0)):
                painter.setPen(QPen(theme.color(role), width))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(card, 4, 4)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent"), 2.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            # On whole pixels: between them it would be pale next to the line of a selected card.
            inset = 4.0 if content.parts else 1.0
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(inset, inset, -inset, -inset), 4, 4)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        self._paint_line(painter, content)
        self._paint_labels(painter, content)
        painter.end()

    def _paint_line(self, painter: QPainter, content: CardContent) -> None:
        theme, faces, top = self._theme, self._faces, _INSET + 1.0
        text, link, muted = theme.color("text"), theme.color("accent"), theme.color("muted")
        for token, column in enumerate(self._columns):
            leads = content.sources[token] is not None
            painter.setPen(link if leads else muted if column.sign else text)
            at = paint_symbol(painter, faces, column, _PAD, top)
            if leads:
                painter.setPen(QPen(link, 1.0, Qt.PenStyle.DotLine))
                painter.drawLine(at.bottomLeft(), at.bottomRight())
            painter.setFont(faces.fonts["plain"])
            painter.setPen(muted if column.sign else text)
            for row in range(len(column.numbers)):
                paint_number(painter, faces, column, row, _PAD, top + (1 + row) * faces.height + 1)
            if token == self._link and self.hasFocus():
                painter.setPen(QPen(link, 2.0))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(self.link_rect(token).adjusted(-2, 0, 2, 0))

    @property
    def labels(self) -> tuple[str, ...]:
        """The line's name and the engines of each row of numbers, shortened by whole words to fit next to the line.

        Engines whose names do not fit have their marks, which the columns of the terms explain.
        """
        content = self.content
        if content is None:
            return ()
        room = self.width() - 3 * _PAD - self._columns[-1].left - self._columns[-1].width
        apart = _APART if content.parts else ""
        # The line has its symbol, but nothing else says that its value is recomputed.
        words = content.name.rpartition(", ")[2].split()
        shorter = (" ".join(words[:count]) for count in range(len(words), -1, -1))
        wanted = [[apart + name for name in (content.name, *shorter)]]
        for _, engines in content.rows:
            marks = engines[0] if engines.startswith(MARKS) else " ".join(MARKS) if len(content.engines) > 1 else ""
            wanted.append([marks] if marks in self.brief else [engines, marks])
        return tuple(next((label for label in each if self._faces.width(label) <= room), "") for each in wanted)

    @property
    def short_labels(self) -> set[str]:
        """Marks of engines with a separate row, where the name does not fit."""
        rows = () if self.content is None else self.content.rows
        shown = zip(self.labels[1:], rows, strict=True)
        return {label for label, (_, engines) in shown if engines.startswith(MARKS) and label in MARKS}

    def _paint_labels(self, painter: QPainter, content: CardContent) -> None:
        """Write the labels at the right edge."""
        painter.setFont(self._faces.fonts["plain"])
        for row, label in enumerate(self.labels):
            role = "wrong" if content.parts and row == 0 else "muted"
            self._write(painter, label, self.width() - _PAD, row, self._theme.color(role))

    def _write(self, painter: QPainter, text: str, end: float, row: int, color: QColor) -> None:
        painter.setPen(color)
        y = _INSET + 1.0 + row * self._faces.height + self._faces.ascent + (1 if row else 0)
        painter.drawText(QPointF(end - self._faces.width(text), y), text)


_KEYS = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
    Qt.Key.Key_Space,
)


_SCROLL_BAR, _LEAST_WIDTH = 20, 200


class Cards(QScrollArea):
    """`chosen` emits the symbol of a newly selected line, `followed` the source of a number."""

    chosen = Signal(str)
    followed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
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
        self.natural_width = self.least_width = 0
        self._chosen: int | None = None
        # Cards that are new have their places only then.
        self.verticalScrollBar().rangeChanged.connect(self.show_chosen)

    def show_page(self, page: Page, *, grow: bool = True) -> None:
        """Show the equations of a page. With `grow`, the widths are at least as large as before."""
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
            QTimer.singleShot(0, self, self.show_chosen)
        wide = max(card.sizeHint().width() for card in self.cards)
        self.natural_width = max(self.natural_width if grow else 0, wide + _SCROLL_BAR)
        equations = max(card.minimumSizeHint().width() for card in self.cards)
        self.least_width = max(self.least_width if grow else 0, equations + _SCROLL_BAR)
        self.setMinimumWidth(min(self.natural_width, _LEAST_WIDTH))
        self._agree()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        for card in self.cards:
            card.apply_theme(theme)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._agree()

    def _agree(self) -> None:
        """Name an engine in all cards alike: by its mark if its name does not fit in one."""
        for card in self.cards:
            card.brief = frozenset()
        brief = frozenset[str]().union(*(card.short_labels for card in self.cards))
        for card in self.cards:
            card.brief = brief
            card.update()

    def reveal(self, place: int) -> None:
        self.cards[place].setFocus(Qt.FocusReason.OtherFocusReason)
        self._scroll_to(place)
        self._choose(place)

    def reveal_below(self, place: int) -> None:
        """Give a card the focus, with as many of the cards below it in sight as fit."""
        self.reveal(place)
        self.verticalScrollBar().setValue(self.cards[place].y())

    def show_chosen(self) -> None:
        """Scroll to the card of the chosen line, and then to the card with the focus: a stored value of that line."""
        focus = self.window().focusWidget()
        focused = next((place for place, card in enumerate(self.cards) if card is focus), None)
        for place in (self._chosen, focused):
            if place is not None and place < len(self.cards):
                self._scroll_to(place)

    def show_whole_cards(self) -> None:
        """Hide the cards that do not fit, from the top or from the chosen one: SVG has no clipping."""
        for card in self.cards:
            card.show()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
        room, first = self.viewport().height(), 0
        if self._chosen is not None and self.cards[self._chosen].geometry().bottom() >= room:
            first = self._chosen
        top = self.cards[first].y()
        for place, card in enumerate(self.cards):
            card.setVisible(place >= first and card.geometry().bottom() - top < room)

    def _scroll_to(self, place: int) -> None:
        """Scroll to a card, but not sideways: Qt shows the middle of a card that is too wide."""
        left = self.horizontalScrollBar().value()
        self.ensureWidgetVisible(self.cards[place], 0, 2)
        self.horizontalScrollBar().setValue(left)

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


def card_contents(page: Page) -> tuple[CardContent, ...]:
    """Contents of the cards of a page: equations, the engines' stored values, and equations with a likely cause."""
    engines = tuple(map(display_name, page.engines))
    cell = page.request.result.config.network.kind
    names = {"c": "cell state", "h": "hidden value", "m": "before the projection"} | dict.fromkeys(
        cell.further_states, "state"
    )
    explained = page.explained
    assert explained is not None, "the page has lines"
    if explained.of_gradient:
        gates = {gate_name(cell, gate.symbol): gate.name for gate in cell.gates}
        names = {gradient(symbol): name for symbol, name in (names | gates | {"out": "output"}).items()}
    else:
        names |= {gate.name: gate.title for gate in explained.reference.gates}
    terms = {line[0].result.text for line in page.lines if line[0] is not None and not _is_own(line[0])}
    marked = divergence_line(page)
    contents = []
    for place, lines in enumerate(page.lines):
        having = [(engine, line) for engine, line in zip(engines, lines, strict=True) if line is not None]
        line = having[0][1]
        contents.append(
            CardContent(
                "stored" if _is_own(line) else _name(explained, line.result.text, names),
                tuple(engine for engine, _ in having),
                tuple(own for _, own in having),
                tuple(token.source for token in line.tokens),
                parts=place == marked,
                detailed=line.result.text in terms,
            )
        )
    return (*contents, *(content for step in explained.with_bugs.values() for content in _cards_with_bugs(step)))


_WITH_CAUSE = "with likely cause"


def _cards_with_bugs(step: StepWithBugs) -> Iterator[CardContent]:
    """Contents of the cards of a wrong engine's equations with its likely cause, the last ones its stored values."""
    own = step.breakdown
    engines = (display_name(own.engine),)
    for line in (*(line.equation for line in own.lines), *(value.equation for value in own.outcomes)):
        yield CardContent(_WITH_CAUSE, engines, (line,), (None,) * len(line.tokens), detailed=False, cause=step.cause)


def _name(explained: Explanation, symbol: str, names: dict[str, str]) -> str:
    """The name of a line's value, with a mark if an engine does not give it."""
    clause = recomputed_of(tuple(explained.breakdowns.values()), symbol).removeprefix(", ")
    return ", ".join(filter(None, (names.get(symbol, ""), clause)))


def _is_own(line: EquationLine) -> bool:
    """Whether the line has an engine's own value next to the equations' value."""
    return line.result.text.startswith("stored ")


def divergence_line(page: Page) -> int | None:
    """Index of the first line that shows the divergence. For an input, this is the first gate."""
    divergence = page.divergence
    if divergence is None:
        return None
    symbols = [first_line(page, place).result.text for place in range(len(page.lines))]
    if divergence.step == "input":
        return 0
    return symbols.index(f"stored {divergence.line}" if divergence.is_stored else divergence.line)


def first_line(page: Page, place: int) -> EquationLine:
    """The line at an index of the page, of the first engine that has it."""
    return next(line for line in page.lines[place] if line is not None)
