"""The tab with all terms of a line of the opened value, with the running sums of two engines and a chart of these."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

from PySide6.QtCore import QEvent, QLineF, QRect, QRectF, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QActionGroup, QBrush, QColor, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QMenu, QStyledItemDelegate, QStyleOptionViewItem, QToolButton

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.places import Place
from rnnviz.explain.lines import format_distinct, format_short
from rnnviz.explain.terms import Order, TermRow, TermTable
from rnnviz.explain.value_sources import InputSource, in_words
from rnnviz.gui.kit.table import NONFINITE, AnyIndex, Table, TableModel
from rnnviz.gui.naming import named
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.value.explained_view import ExplainedView
from rnnviz.gui.value.page import Page, PageRequest
from rnnviz.gui.value.rows import MASKED
from rnnviz.gui.value.texts import Masked, names_of
from rnnviz.gui.views.base import across, choice, claims, down, is_plain, pages
from rnnviz.gui.views.labels import ElidedLabel, hint, muted_palette
from rnnviz.results.columns import Column, Look
from rnnviz.verify.result import RunResult

MARKS = ("●", "□")
"""Marks of the reference and the candidate."""
_PAD, _LEAST_BAR = 6, 1.5
_NUMBER, _BAR = "-0.000", "000000000000"
_LONGEST = 10
"""Characters of a number; its tooltip has all digits."""
_GO = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_WITH_SHIFT = Qt.KeyboardModifier.ShiftModifier

Field: TypeAlias = Literal["factor", "input", "product", "added", "stop"]

_HEADINGS: dict[Field, tuple[str, str]] = {
    "factor": ("weight", "Weight. A click on it shows its gradient, if the run has gradients."),
    "input": ("× input", "Input value."),
    "product": ("= prod.", "Weight × input. Biases and the sums u and v are in this column, too."),
    "added": ("× r", "Term as added: weight × input, times r for terms of h[t-1]."),
    "stop": ("sum", "Running sum."),
}
_OF_GRADIENT: dict[Field, tuple[str, str]] = {
    "factor": ("factor", "Weight, or local derivative: the product of the values and slopes on the way."),
    "input": ("× grad.", "Gradient of the later value."),
    "product": ("= prod.", "Factor × gradient. Sums of parts are in this column, too."),
}


class TermTableView(Table):
    """A click on a name, or Enter on its row, follows the source of the number."""

    followed = Signal(object)
    """The `Place` of a row's source."""

    def __init__(self) -> None:
        self.terms = TableModel(tip=self._tip)
        self._bars = _Bars()
        super().__init__(self.terms, "Terms of the chosen line")
        self.page: Page | None = None
        self._columns: dict[int, Field] = {}
        self._is_masked: Masked = lambda place: False
        self._hides_sums = False
        self._split: TermRow | None = None
        self.setItemDelegate(self._bars)

    def show_page(self, page: Page, is_masked: Masked, *, hides_sums: bool = False) -> None:
        """Show the terms of a page. With `hides_sums` a question asks for what they add up to."""
        table = page.table
        assert table is not None, "the page has a table"
        self.page, self._is_masked, self._hides_sums = page, is_masked, hides_sums
        self._split = None if page.divergent_sum is None else table.rows[page.divergent_sum]
        columns = list(self._made(page, table))
        self.terms.show_rows(table.rows, columns, keep=True)
        self._bars.show_rows(() if hides_sums else table.rows)
        self.pictures = frozenset({len(columns) - 1})
        self.fit()

    def copy_text(self) -> str:
        """The selected rows with headings, or all rows if at most one is selected; in full precision."""
        lines = super().copy_text().splitlines()
        # The last column has the bars.
        return "".join(line.rpartition("\t")[0] + "\n" for line in lines)

    def apply_theme(self, theme: Theme) -> None:
        self._bars.apply_theme(theme)
        super().apply_theme(theme)

    # Columns

    def _made(self, page: Page, table: TermTable) -> Iterable[Column]:
        """One set of terms for all engines, the candidate's numbers where they differ, and a running sum of each."""
        self._columns = {}
        names = [display_name(engine) for engine in page.engines[: len(page.lines)]]
        marked = [f"{mark} {name}" for mark, name in zip(MARKS, names, strict=False)] if len(names) > 1 else [""]
        yield Column(
            f"term of {table.line}",
            lambda row: named(row.name),
            look=self._name_look,
            heading="term",
            why="Input of the term. Click it, or press Enter, to show how it is computed.",
            shrinks=True,
        )
        common: tuple[Field, ...] = ("factor", "input", "product", *(("added",) if table.scaled else ()))
        for field in common:
            yield self._column(table, field, 0, "")
        for engine in range(1, len(names)):
            for field in common:
                own, first = self._reader(table, field, engine), self._reader(table, field, 0)
                if any(not _same(own(row), first(row)) for row in table.rows):
                    yield self._column(table, field, engine, marked[engine], apart=True)
        for engine, name in enumerate(marked):
            yield self._column(table, "stop", engine, name)
        yield Column(
            "running sum",
            lambda row: "",
            why="From the sum before the row to the sum after it: right is an increase.",
            widest=_BAR,
            grows=True,
            optional=True,
        )

    def _reader(self, table: TermTable, field: Field, engine: int) -> Callable[[TermRow], float | None]:
        def read(row: TermRow) -> float | None:
            own = row.figures[engine]
            value: float | None = table.product(row, own) if field == "product" else getattr(own, field)
            return value

        return read

    def _column(self, table: TermTable, field: Field, engine: int, name: str, *, apart: bool = False) -> Column:
        """A number of each row. With `apart` only those of a candidate that differ from the reference's."""
        read, first = self._reader(table, field, engine), self._reader(table, field, 0)
        other = self._reader(table, field, 1 - engine) if len(table.rows[0].figures) == 2 else None
        text, why = (_OF_GRADIENT if table.of_gradient else {}).get(field, _HEADINGS[field])
        if not table.shared and not table.of_gradient and field in ("factor", "input"):
            text = "first" if field == "factor" else "× second"
            why = "One of the numbers of the product."

        def value(row: TermRow) -> float | None:
            found = read(row)
            return None if apart and _same(found, first(row)) else found

        def hidden(row: TermRow) -> bool:
            of_term = field in ("input", "product", "added") and self._is_masked(row.source)
            of_weight = field in ("factor", "product", "added") and self._is_masked(row.weight)
            return of_term or of_weight or (self._hides_sums and (field == "stop" or row.kind == "total"))

        def short(row: TermRow) -> str:
            found = value(row)
            if found is None:
                return ""
            if hidden(row):
                return MASKED
            beside = None if other is None else other(row)
            if beside is not None and self._diverges(row, field) and not _same(found, beside):
                text = format_distinct(found, beside)[0]
                text = text if len(text) <= _LONGEST else format_short(found)
                return f"≠ {text}" if field == "stop" and engine else text
            return format_short(found)

        def full(row: TermRow) -> str:
            found = value(row)
            return "" if found is None else MASKED if hidden(row) else number_format.full(found)

        def look(row: TermRow) -> Look:
            if self._is_weight(row, field):
                return Look("accent")
            if self._diverges(row, field) and field in ("input", "product", "stop"):
                note = "the running sums diverge here" if field == "stop" else ""
                return Look("wrong", bold=True, note=note)
            shown = short(row)
            equal = field == "stop" and engine and other is not None and shown == format_short(other(row) or 0.0)
            bold = row.kind == "total" or (row.kind == "part" and field == "product")
            return Look("muted" if equal and shown.removeprefix("-") not in NONFINITE else "", bold=bold)

        self._columns[len(self._columns) + 1] = field
        title = f"{name} {text}".strip()
        why, widest = f"{name} {why}".strip(), _widest(table, short)
        return Column(title, short, full, number=True, look=look, why=why, widest=widest)

    def _diverges(self, row: TermRow, field: Field) -> bool:
        """Whether the engines first diverge in this number of a row."""
        if field == "stop":
            return row is self._split
        return row.diverges

    def _name_look(self, row: TermRow) -> Look:
        if row.diverges:
            return Look("wrong", bold=True, icon="cross", note="first divergence")
        role = "accent" if row.source is not None else "muted" if row.kind == "rest" else ""
        return Look(role, bold=row.kind == "total")

    def _tip(self, row: TermRow) -> str:
        """Every number in full precision, and where a click leads."""
        lines = [self.terms.described(row)]
        if row.source is not None:
            lines.append(f"Click the name to go to {in_words(row.source)}.")
        if (weight := self.weight_of(row)) is not None:
            lines.append(f"Click the weight, or press Shift+Enter, to go to {in_words(weight)}.")
        return "\n".join(lines)

    # Links

    def weight_of(self, row: TermRow) -> Place | None:
        """The gradient of a row's weight or bias, if the run has gradients."""
        if row.weight is None or self.page is None or self.page.request.result.inputs.loss is None:
            return None
        return row.weight.gradient

    def _is_weight(self, row: TermRow, field: Field) -> bool:
        return field == ("product" if row.kind == "bias" else "factor") and self.weight_of(row) is not None

    def link_at(self, index: AnyIndex) -> Place | None:
        """The place to which a click on a cell leads."""
        if not index.isValid():
            return None
        row: TermRow = self.terms.row(index.row())
        if index.column() == 0:
            return row.source
        field = self._columns.get(index.column())
        return self.weight_of(row) if field is not None and self._is_weight(row, field) else None

    def follow(self, place: Place | None) -> None:
        if place is not None:
            self.followed.emit(place)

    def event(self, event: QEvent) -> bool:
        """Handle Enter and Shift+Enter before the window's shortcuts."""
        if isinstance(event, QKeyEvent) and _is_shifted(event) and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return claims(event, _GO) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        index = self.currentIndex()
        if is_plain(event, _GO) and index.isValid():
            self.follow(self.terms.row(index.row()).source)
        elif _is_shifted(event) and index.isValid():
            self.follow(self.weight_of(self.terms.row(index.row())))
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        if event.button() == Qt.MouseButton.LeftButton:
            self.follow(self.link_at(self.indexAt(event.position().toPoint())))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ignore the second click, which would follow a link of the newly shown page."""
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        link = self.link_at(self.indexAt(event.position().toPoint())) is not None
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if link else Qt.CursorShape.ArrowCursor)


def _is_shifted(event: QKeyEvent) -> bool:
    return event.key() in _GO and event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier == _WITH_SHIFT


def _same(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and one != one and other != other)


def _widest(table: TermTable, text: Callable[[TermRow], str]) -> str:
    """The widest text of a column. Marked numbers and sums are bold, which is wider."""
    return max([_NUMBER, *(text(row) + "." for row in table.rows)], key=len)


class _Bars(QStyledItemDelegate):
    """Draws bars from the sum before a row to the sum after it, one below the other where engines differ."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[TermRow, ...] = ()
        self._low, self._high = 0.0, 0.0
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colors: falling and growing as the lanes draw less and more than 0."""
        self._theme = theme
        self._falls, self._grows = QColor(theme.diverging[1]), QColor(theme.diverging[-2])

    def show_rows(self, rows: tuple[TermRow, ...]) -> None:
        self._rows = rows
        stops = [own.stop for row in rows for own in row.figures if own.stop is not None and abs(own.stop) < _LARGEST]
        self._low, self._high = min([0.0, *stops]), max([0.0, *stops])

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        styled: Any = option
        if index.row() >= len(self._rows):
            return
        rect, row = QRect(styled.rect), self._rows[index.row()]
        painter.save()
        painter.setClipRect(rect)
        zero = self._x(rect, 0.0)
        painter.setPen(self._theme.color("border"))
        painter.drawLine(QLineF(zero, rect.top(), zero, rect.bottom() + 1))
        spans = [
            (0.0 if row.kind == "total" else own.start, own.stop)
            for own in row.figures
            if own.stop is not None and abs(own.start) < _LARGEST and abs(own.stop) < _LARGEST
        ]
        apart = len(spans) > 1 and any(
            abs(self._x(rect, one) - self._x(rect, two)) > 1.0 for one, two in zip(*spans[:2], strict=True)
        )
        shown = spans if apart else spans[:1]
        height = (rect.height() - 4.0) / max(len(shown), 1)
        for place, (start, stop) in enumerate(shown):
            left, right = sorted((self._x(rect, start), self._x(rect, stop)))
            top = rect.top() + 2.5 + place * height
            bar = QRectF(left, top, max(right - left, _LEAST_BAR), height - 1.0)
            color = self._grows if stop >= start else self._falls
            color = self._theme.color("text") if row.kind == "total" else color
            painter.fillRect(bar, color)
            if place:
                # The candidate's mark: color alone must not distinguish the engines.
                painter.fillRect(bar, QBrush(self._theme.color("base"), Qt.BrushStyle.BDiagPattern))
                painter.setPen(QPen(color, 1.0))
                painter.drawRect(bar)
        painter.restore()

    def _x(self, rect: QRect, value: float) -> float:
        span = self._high - self._low or 1.0
        return rect.left() + _PAD + (value - self._low) / span * (rect.width() - 2 * _PAD)


_LARGEST = number_format.LARGEST_PLAIN**2


_ORDERS: dict[Order, str] = {"index": "In order of computation", "weight": "Largest first"}
_COUNTS = {0: "As many as fit", 16: "16", 32: "32", 64: "64", 128: "128", 512: "512", 1 << 30: "All"}
_LEAST_TERMS = 32
"""Minimum number of listed terms. A small network's terms are thus complete."""
_OTHER_ROWS = 8
"""Rows of the table in addition to its terms: biases, parts, remaining terms, total."""


class ArithmeticView(ExplainedView):
    """A choice of a line, where the engines diverge, and the terms; their order and number are in a menu."""

    title = "Arithmetic"
    group = "Arithmetic"
    help_page = "window#arithmetic"
    later_ms = 40

    def __init__(self) -> None:
        super().__init__()
        self._order: Order = "index"
        self._count = 0
        self.lines = choice("Equation", ())
        self.lines.setToolTip("Equation whose terms are listed.")
        self.lines.currentIndexChanged.connect(lambda place: self.choose_line(self.lines.itemData(place)))
        self.note = ElidedLabel(selectable=True)
        self.options = QToolButton()
        self.options.setText("Terms")
        self.options.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        # The arrow is behind the text.
        self.options.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.options.setAccessibleName("Order and number of the terms")
        self.options.setToolTip(wrapped("Sort the terms by computation order or by contribution, or list more."))
        self.options.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.options.setMenu(self._menu())
        self.table = TermTableView()
        self.empty = hint()
        self._pages = pages(None, self.empty, self.table)
        head = across(self.lines, (self.note, 1), self.options)
        self.setLayout(down(head, (self._pages, 1), margins=(8, 4, 8, 8), spacing=4))
        self.table.followed.connect(self.place_requested)
        self.table.stepped.connect(self._on_stepped)
        self.show_result(None, None)

    def set_order(self, order: Order) -> None:
        self._order = order
        self._ask()

    def set_count(self, count: int) -> None:
        """List this many terms; 0 for as many as fit."""
        self._count = count
        self._ask()

    def request_for(self, result: RunResult) -> PageRequest:
        room = self.table.viewport().height() // self.table.verticalHeader().defaultSectionSize()
        top = self._count or max(_LEAST_TERMS, room - _OTHER_ROWS)
        return PageRequest(result, self._candidate, self.place, self._line, self._order, top)

    def show_page(self, page: Page) -> None:
        names = names_of(page.shown)
        with QSignalBlocker(self.lines):
            self.lines.clear()
            for line in page.shown.lines:
                self.lines.addItem("  ".join(filter(None, (line.name, names.get(line.name, "")))), line.name)
            self.lines.setCurrentIndex(self.lines.findData(page.line.name))
        # They quote numbers of both engines.
        sentences = () if self.masks else page.explained.sentences or page.explained.notes
        self.note.setText(number_format.true_minus_in(sentences[-1] if sentences else ""))
        self.note.explain("\n".join(sentences))
        where = page.shown.place.location
        hides = where is not None and self.is_masked(Place.at(page.line.name, where))
        self.table.show_page(page, self.is_masked, hides_sums=hides)
        self._show_controls(shown=True)
        self._pages.setCurrentWidget(self.table)

    def copy_text(self) -> str:
        """The whole arithmetic, or the table while a question asks for some of its numbers."""
        if self.masks and self.result is not None:
            return self.empty.text() if self.ends else self.table.copy_text()
        return super().copy_text()

    def show_text(self, text: str) -> None:
        self.table.page = self.page
        self.empty.setText(text)
        self._show_controls(shown=False)
        self._pages.setCurrentWidget(self.empty)

    def show_source(self, source: InputSource) -> None:
        self.show_text("\n".join((source.heading, *source.sentences)))

    def apply_theme(self, theme: Theme) -> None:
        self.table.apply_theme(theme)
        self.options.setIcon(Icons(theme)["down"])
        self.empty.setPalette(muted_palette(theme))
        self.note.use(self.font(), muted_palette(theme))

    def _show_controls(self, *, shown: bool) -> None:
        for control in (self.lines, self.note, self.options):
            control.setVisible(shown)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        for title, entries, chosen, choose in (
            ("Order", _ORDERS, self._order, self.set_order),
            ("Number of terms", _COUNTS, self._count, self.set_count),
        ):
            menu.addSection(title)
            group = QActionGroup(menu)
            for key, text in entries.items():
                action = menu.addAction(text)
                action.setCheckable(True)
                action.setChecked(key == chosen)
                action.triggered.connect(lambda _=False, key=key, choose=choose: choose(key))
                group.addAction(action)
        return menu

    def _on_stepped(self, by: int) -> None:
        if self.result is not None:
            there = self._location.moved(timestep=self._location.timestep + by)
            self.location_requested.emit(there.within(self.result.shape))
