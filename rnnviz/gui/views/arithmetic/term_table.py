"""Table of the terms of a line: input, weight, product, each engine's running sum, and a waterfall chart of these.

Numbers that the engines share are in one line; where a candidate differs, another line has its numbers.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Literal, TypeAlias

from PySide6.QtCore import QEvent, QLineF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QKeyEvent, QMouseEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.places import Place
from rnnviz.explain.lines import format_distinct, format_short
from rnnviz.explain.terms import TermRow, TermTable, TermValues
from rnnviz.explain.value_sources import in_words
from rnnviz.frozen import dataclass
from rnnviz.gui.naming import named
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.arithmetic.cards import MARKS
from rnnviz.gui.views.arithmetic.page import Page
from rnnviz.gui.views.base import claims, is_plain
from rnnviz.gui.views.table import INSET, AnyIndex, NumberTable
from rnnviz.gui.views.table_model import NONFINITE, TableModel
from rnnviz.results.columns import Column, Look

_PAD = 6
_COMFORTABLE_BAR, _LEAST_BAR_WIDTH = 58, 32
"""Width of the bars, in pixels, that wider headings leave, and that they leave if they then fit."""
_AROUND_TITLE, _WIDEST_TITLE = 10, 160
"""Pixels: the margin of a heading, and the maximum width of a column widened for its heading."""
_LEAST_BAR = 1.5
_LEAST_NUMBER, _LEAST_BAR_TEXT = "-0.000", "0000"
"""Minimum widths of a column of numbers and of the bars, as texts."""
_SHORT_TITLE = 7
"""Characters of a heading that fit above every sum, such as "● gluon"."""
_FIRST = "first divergence"
_GO = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_WITH_SHIFT = Qt.KeyboardModifier.ShiftModifier
_APART, _NARROW = "≠ ", " .,ijlt[]"
_TIME = re.compile(r"\[t=[^,\]]*,\w=")

_BRIEF = 10
"""Characters of a number of a candidate."""

Field: TypeAlias = Literal["name", "factor", "input", "product", "added", "stop", "bar"]

_HEADINGS: dict[Field, tuple[str, str]] = {
    "name": ("", "Input of the term. Click it, or press Enter, to show how it is computed."),
    "factor": ("weight", "Weight."),
    "input": ("× input", "Input value. Where the candidate has another value, a □ line shows it."),
    "product": ("= prod.", "Weight × input. Biases and the sums u and v are in this column, too."),
    "added": ("× r", "Term as added: weight × input, times r for terms of h[t-1]."),
    "stop": ("sum", "Running sum."),
    "bar": (
        "running sum",
        "From the sum before the row to the sum after it: right is an increase.",
    ),
}


_GRADIENT_HEADINGS: dict[Field, tuple[str, str]] = {
    "name": ("", "Gradient that the term reads. Click it, or press Enter, to show its terms."),
    "factor": ("factor", "Weight, or local derivative: the product of the values and slopes on the way."),
    "input": ("× grad.", "Gradient of the later value. Where the candidate has another one, a □ line shows it."),
    "product": ("= prod.", "Factor × gradient. Sums of parts are in this column, too."),
}


@dataclass(frozen=True)
class TermTableColumn:
    """A column. `engine` is the index of the engine of a running sum."""

    field: Field
    engine: int = 0


@dataclass(frozen=True)
class TermTableLine:
    """A line with one text per column.

    The first line of a row has every engine's running sum, and the first engine's other numbers. A further line has
    another engine's numbers. `parts` marks the first row where the running sums diverge.
    """

    row: TermRow
    engine: int
    texts: tuple[str, ...]
    parts: bool = False


def _heading(field: Field, term_table: TermTable | None) -> tuple[str, str]:
    """Heading of a column, and its tooltip."""
    if term_table is not None and term_table.of_gradient:
        return _GRADIENT_HEADINGS.get(field, _HEADINGS[field])
    if term_table is not None and not term_table.shared and field == "factor":
        return "first", "The first number of the product."
    if term_table is not None and not term_table.shared and field == "input":
        return "× second", "The second number of the product."
    return _HEADINGS[field]


def _fields_of(term_table: TermTable, engines: int) -> tuple[TermTableColumn, ...]:
    """Fields of the columns: one set of terms for all engines, and a running sum for each engine."""
    fields: list[Field] = ["name", "factor", "input", "product"]
    if term_table.scaled:
        fields.append("added")
    sums = [TermTableColumn("stop", engine) for engine in range(engines)]
    return (*map(TermTableColumn, fields), *sums, TermTableColumn("bar"))


def _lines_of(
    term_table: TermTable, columns: tuple[TermTableColumn, ...], split_at: int | None
) -> tuple[TermTableLine, ...]:
    """Lines of the table. `split_at` is the first row where the running sums diverge."""
    return tuple(
        line
        for at, row in enumerate(term_table.rows)
        for line in _lines(term_table, row, columns, parts=at == split_at)
    )


def _value_of(term_table: TermTable, row: TermRow, column: TermTableColumn, engine: int) -> float | None:
    """Number of an engine in a column, or None."""
    own: TermValues = row.figures[column.engine if column.field == "stop" else engine]
    match column.field:
        case "name" | "bar":
            return None
        case "product":
            return term_table.product(row, own)
    value: float | None = getattr(own, column.field)
    return value


def _copied(term_table: TermTable, engines: Sequence[str], rows: Iterable[TermRow]) -> str:
    fields = [column.field for column in _fields_of(term_table, 1)][1:-1]
    common: tuple[Field, ...] = ("factor",) if term_table.shared else ()
    columns = [(TermTableColumn(field), "") for field in common] + [
        (TermTableColumn(field, engine), name if len(engines) > 1 else "")
        for engine, name in enumerate(engines)
        for field in fields
        if field not in common
    ]
    table = [["term", *(f"{name} {_heading(column.field, term_table)[0]}".strip() for column, name in columns)]]
    for row in rows:
        values = [_value_of(term_table, row, column, column.engine) for column, _ in columns]
        table.append([named(row.name), *("" if value is None else number_format.full(value) for value in values)])
    return "".join("\t".join(cells) + "\n" for cells in table)


def _lines(
    term_table: TermTable, row: TermRow, columns: tuple[TermTableColumn, ...], *, parts: bool
) -> Iterator[TermTableLine]:
    first = tuple(_text(term_table, row, column, 0, parts=parts) for column in columns)
    yield TermTableLine(row, 0, (_name(term_table, row), *first[1:]), parts)
    for engine in range(1, len(row.figures)):
        if all(
            _value_of(term_table, row, column, engine) == _value_of(term_table, row, column, 0)
            for column in columns
            if column.field != "stop"
        ):
            continue
        own = tuple(_text(term_table, row, column, engine, parts=parts) for column in columns)
        if any(column.field != "stop" and own[k] != first[k] for k, column in enumerate(columns)):
            shown_once = ("stop", "factor") if term_table.shared else ("stop",)
            rest = ["" if column.field in shown_once else own[k] for k, column in enumerate(columns)]
            yield TermTableLine(row, engine, (MARKS[engine], *rest[1:]))


def _text(term_table: TermTable, row: TermRow, column: TermTableColumn, engine: int, *, parts: bool) -> str:
    value = _value_of(term_table, row, column, engine)
    if value is None:
        return ""
    is_sum = column.field == "stop"
    if len(row.figures) == 2 and (parts if is_sum else row.diverges):
        other = _value_of(term_table, row, TermTableColumn(column.field, 1 - column.engine), 1 - engine)
        if other is not None and other != value:
            text = format_distinct_briefly(value, other)[0]
            return f"{_APART}{text}" if is_sum and column.engine else text
    return format_short(value)


def without_time(name: str) -> str:
    """A name such as "x[t=2,i=0]" without its time step, "x[0]"."""
    return _TIME.sub("[", name)


def _name(term_table: TermTable, row: TermRow) -> str:
    """Short name of a row. The card contains the name of the line's result."""
    return row.name.replace(f"_{term_table.line}", "") if row.kind in ("part", "total") else row.name.replace(", ", ",")


class TermTableModel(TableModel):
    """Rows are `TermTableLine`s. The figures of a line's `row` are the values of its bar."""

    def __init__(self) -> None:
        super().__init__(tip=self.row_tooltip)
        self.term_table: TermTable | None = None
        self._fields: tuple[TermTableColumn, ...] = ()
        self._engines: tuple[str, ...] = ()
        self._titles: tuple[str, ...] = ()
        self.brief = False
        """Whether names leave out the time step."""
        self.has_gradients = False
        """Whether weights lead to their gradients."""

    @property
    def bar_column(self) -> int:
        return len(self._fields) - 1

    @property
    def sum_columns(self) -> range:
        return range(self.bar_column - len(self._engines), self.bar_column)

    @property
    def full_titles(self) -> tuple[str, ...]:
        """Headings of the running sums: mark and name of each engine."""
        return _titles(self._engines)

    def show_terms(
        self, term_table: TermTable, engines: tuple[str, ...], split_at: int | None = None, *, grow: bool = True
    ) -> bool:
        """Show another table, whose running sums first diverge in row `split_at`; True if the columns change.

        With `grow`, columns are at least as wide as before.
        """
        fields = _fields_of(term_table, len(engines))
        lines = _lines_of(term_table, fields, split_at)
        kind = None if self.term_table is None else (self.term_table.shared, self.term_table.of_gradient)
        same = (
            fields == self._fields and engines == self._engines and (term_table.shared, term_table.of_gradient) == kind
        )
        before = [column.widest for column in self.columns] if same and grow else []
        widest = _as_wide(lines, fields, term_table, _titles(engines), before)
        self.term_table, self._engines, self._fields = term_table, engines, fields
        if not same:
            self._titles = ()
        self.show_rows(
            lines, [self._column(*column) for column in zip(count(), fields, widest, strict=False)], keep=True
        )
        return not same

    def show_titles(self, titles: tuple[str, ...]) -> None:
        """Set the headings of the running sums, elided to fit."""
        if titles != self._titles:
            self._titles, sums = titles, self.sum_columns
            self.columns = tuple(
                replace(column, title=self._title(field))
                for column, field in zip(self.columns, self._fields, strict=True)
            )
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, sums.start, sums.stop - 1)

    def copied(self, places: Iterable[int]) -> str:
        """Rows of some lines as tab-separated text, with every engine's numbers in full precision."""
        if self.term_table is None:
            return ""
        rows = dict.fromkeys(self.row(place).row for place in places)
        return _copied(self.term_table, tuple(map(display_name, self._engines)), rows)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.AccessibleTextRole and index.column() == 0:
            line = self.row(index.row())
            whose = f" of {display_name(self._engines[line.engine])}" if line.engine else ""
            return f"term {named(line.row.name)}{whose}" + (f", {_FIRST}" if line.row.diverges else "")
        return super().data(index, role)

    @property
    def reach(self) -> tuple[float, float]:
        """Range of the bars' axis: the least and the largest running sum, and 0."""
        found = [0.0]
        for row in self.term_table.rows if self.term_table is not None else ():
            for own in row.figures:
                if own.stop is not None and abs(own.stop) < number_format.LARGEST_PLAIN**2:
                    found.append(own.stop)
        return min(found), max(found)

    def row_tooltip(self, line: TermTableLine) -> str:
        """Tooltip of a row: every number in full precision, each engine's running sum, and the input's source."""
        entry = line.row
        lines = [named(entry.name)]
        for engine, own in zip(map(display_name, self._engines), entry.figures, strict=True):
            if own.factor is not None and own.input is not None and own.product is not None:
                value = (
                    f"{number_format.full(own.factor)} × {number_format.full(own.input)} = "
                    f"{number_format.full(own.product)}"
                )
            else:
                number = own.added if own.product is None else own.product
                value = "" if number is None else number_format.full(number)
            summed = "" if own.stop is None or entry.kind == "total" else f", sum {number_format.full(own.stop)}"
            lines.append(f"{engine}: {value}{summed}")
        if line.parts:
            lines.append("The running sums diverge here.")
        if entry.source is not None:
            lines.append(f"Click the name to go to {in_words(entry.source)}.")
        if (weight := self.weight_of(line)) is not None:
            lines.append(f"Click the weight, or press Shift+Enter, to go to {in_words(weight)}.")
        return "\n".join(lines)

    def weight_of(self, line: TermTableLine) -> Place | None:
        """The gradient of a row's weight or bias, if the run has gradients."""
        weight = line.row.weight
        return weight.gradient if weight is not None and self.has_gradients else None

    def is_weight(self, line: TermTableLine, column: int) -> bool:
        """Whether a cell has a weight or a bias with a gradient."""
        field = "product" if line.row.kind == "bias" else "factor"
        return self._fields[column].field == field and self.weight_of(line) is not None

    def _title(self, field: TermTableColumn) -> str:
        text, _ = _heading(field.field, self.term_table)
        if len(self._engines) < 2:
            return text
        if field.field == "bar":
            # The last word fits over the narrowest bars.
            return f"\n{text.rpartition(' ')[2]}"
        above = self._titles[field.engine] if field.field == "stop" and self._titles else ""
        return f"{above}\n{text}"

    def _column(self, place: int, field: TermTableColumn, widest: str) -> Column:
        text, why = _heading(field.field, self.term_table)
        if field.field == "name":
            return Column(
                self._title(field),
                lambda line: named(without_time(line.texts[0]) if self.brief else line.texts[0]),
                lambda line: named(line.row.name),
                look=_name_look,
                heading="term",
                why=why,
                widest=widest,
            )
        name = display_name(self._engines[field.engine])
        own = field.field == "stop" and len(self._engines) > 1
        return Column(
            self._title(field),
            lambda line: line.texts[place],
            lambda line: self._full(line, field),
            number=True,
            look=lambda line: Look("accent") if self.is_weight(line, place) else _number_look(line, field, place),
            heading=f"{name} {text}" if own else text,
            why=f"{name}: {why}" if own else why,
            widest=widest,
        )

    def _full(self, line: TermTableLine, field: TermTableColumn) -> str:
        if self.term_table is None or (line.engine and field.field == "stop"):
            return ""
        value = _value_of(self.term_table, line.row, field, line.engine)
        return "" if value is None else number_format.full(value)


def _name_look(line: TermTableLine) -> Look:
    entry = line.row
    if line.engine:
        return Look("muted")
    if entry.diverges:
        return Look("wrong", bold=True, icon="cross")
    role = "accent" if entry.source is not None else "muted" if entry.kind == "rest" else ""
    return Look(role, bold=entry.kind == "total")


def _number_look(line: TermTableLine, field: TermTableColumn, place: int) -> Look:
    """The first divergence is bold and marked, equal sums of the candidate are muted."""
    entry, text = line.row, line.texts[place]
    if line.parts and field.field == "stop":
        return Look("wrong", bold=True, note="the running sums diverge here")
    if entry.diverges and field.field in ("input", "product"):
        return Look("wrong", bold=True)
    equal = field.engine and text == line.texts[place - field.engine] and text.removeprefix("-") not in NONFINITE
    bold = entry.kind == "total" or (entry.kind == "part" and field.field == "product")
    return Look("muted" if equal else "", bold=bold)


def _titles(engines: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(map(display_name, engines))
    return names if len(names) < 2 else tuple(f"{mark} {name}" for mark, name in zip(MARKS, names, strict=False))


def _as_wide(
    lines: Sequence[TermTableLine],
    columns: tuple[TermTableColumn, ...],
    term_table: TermTable,
    titles: tuple[str, ...],
    before: list[str],
) -> list[str]:
    """The widest text of each column, including `before`."""
    found = []
    for place, column in enumerate(columns):
        # Marked rows and sums are bold, which is wider.
        bold = [line.row.diverges or line.parts or line.row.kind in ("part", "total") for line in lines]
        texts = [line.texts[place] + ("." if wide else "") for line, wide in zip(lines, bold, strict=True)]
        match column.field:
            case "bar":
                texts = [_LEAST_BAR_TEXT]
            case "name":
                texts = [text + "0" for text in texts]
                texts += ["000" + line.texts[place] + "." for line in lines if line.row.diverges]
            case "stop":
                texts = [*(title for title in titles if len(title) <= _SHORT_TITLE), _LEAST_NUMBER, *texts]
            case _:
                texts += [_LEAST_NUMBER, _heading(column.field, term_table)[0]]
        found.append(max([*before[place : place + 1], *texts], key=_width))
    return found


def _width(text: str) -> float:
    """Width in digits. Narrow characters count as half a digit, as the extra width of bold text does."""
    return len(text) - 0.5 * sum(map(text.count, _NARROW))


class TermTableView(NumberTable):
    """A click on a name, or Enter on its row, follows the source of the number."""

    followed = Signal(object)
    """The `Place` of a row's source."""

    def __init__(self) -> None:
        self.term_model = TermTableModel()
        super().__init__(self.term_model, "Terms of the chosen line")
        self._bars = _Bars(self.term_model)
        self._fitted: list[str] = []
        self.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideNone)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 3)
        self.setMouseTracking(True)
        self.setItemDelegate(self._bars)

    def show_page(self, page: Page, *, grow: bool = True) -> None:
        """Show the terms of a page. With `grow`, columns are at least as wide as before."""
        self.term_model.has_gradients = page.request.result.inputs.loss is not None
        fresh = self.term_model.show_terms(page.term_table, page.engines, page.divergent_sum, grow=grow)
        self._bars.update_range()
        self.pictures = frozenset({self.term_model.bar_column})
        if fresh or self.term_model.widest() != self._fitted:
            self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    @property
    def least_widths(self) -> tuple[int, int]:
        """Widths in pixels at which every number is whole, and every name and heading with bars that are wide enough.

        In the first, names leave out the time step.
        """
        widest = self.term_model.widest()[: self.term_model.bar_column]
        widths = [self.fontMetrics().horizontalAdvance(text) + 2 * INSET for text in widest]
        around = self.verticalScrollBar().sizeHint().width() + 2 * self.frameWidth()
        brief = self.fontMetrics().horizontalAdvance(without_time(widest[0])) + 2 * INSET
        numbers = brief + sum(widths[1:]) + around
        for column, title in zip(self.term_model.sum_columns, self.term_model.full_titles, strict=False):
            widths[column] = max(widths[column], self._title_width(title))
        widths.append(scaled(_COMFORTABLE_BAR))
        return numbers, sum(widths) + around

    def _title_width(self, title: str) -> int:
        wide = self.horizontalHeader().fontMetrics().horizontalAdvance(title) + _AROUND_TITLE
        return min(wide, max(scaled(_WIDEST_TITLE), self.viewport().width() // 4))

    def _fit(self) -> None:
        """Set the column widths. Without enough room, the bars are hidden first, then names leave out the time step."""
        self._fitted = widest = self.term_model.widest()
        if not widest:
            return
        bar, room = self.term_model.bar_column, self.viewport().width()
        widths = [self.fontMetrics().horizontalAdvance(text) + 2 * INSET for text in widest]
        drawn = sum(widths) <= room
        brief = sum(widths[:bar]) > room
        if brief != self.term_model.brief:
            self.term_model.brief = brief
            self.viewport().update()
        shrinking: int | None = 0
        if brief:
            widest[0] = without_time(widest[0])
            widths[0] = self.fontMetrics().horizontalAdvance(widest[0]) + 2 * INSET
            # Names that are cut are of no use in a table that scrolls anyway.
            shrinking = 0 if sum(widths[:bar]) - room <= widths[0] // 2 else None
        # Another cell can have its sums where the bars were.
        for column in range(len(widest)):
            self.setColumnHidden(column, column == bar and not drawn)
        self.fit_columns(widest if drawn else widest[:bar], (bar,) if drawn else (0,), shrinking)
        self._title_sums()

    def _title_sums(self) -> None:
        """Write the engines' names above their sums. Spare width of the bars or terms goes to these columns."""
        titles = self.term_model.full_titles
        if len(titles) < 2:
            return
        header, bar = self.horizontalHeader(), self.term_model.bar_column
        metrics = header.fontMetrics()
        giver, least = bar, scaled(_COMFORTABLE_BAR)
        if self.isColumnHidden(bar):
            giver, least = 0, self.fontMetrics().horizontalAdvance(self._fitted[0]) + 2 * INSET
        named = list(zip(self.term_model.sum_columns, titles, strict=True))
        wanted = sum(max(0, self._title_width(title) - header.sectionSize(column)) for column, title in named)
        if giver == bar and wanted <= header.sectionSize(bar) - scaled(_LEAST_BAR_WIDTH):
            # Short bars next to whole names.
            least = min(least, header.sectionSize(bar) - wanted)
        spare = max(0, header.sectionSize(giver) - least)
        shown = []
        for place, (column, title) in enumerate(named):
            given = min(max(0, self._title_width(title) - header.sectionSize(column)), spare // (len(titles) - place))
            spare -= given
            header.resizeSection(column, header.sectionSize(column) + given)
            header.resizeSection(giver, header.sectionSize(giver) - given)
            room = header.sectionSize(column) - _AROUND_TITLE + 2
            shown.append(metrics.elidedText(title, Qt.TextElideMode.ElideMiddle, room))
        self.term_model.show_titles(tuple(shown))

    def copy_text(self) -> str:
        """The selected rows with headings, or all rows if at most one is selected; with all engines' numbers."""
        chosen = sorted({index.row() for index in self.selectionModel().selectedRows()})
        return self.term_model.copied(chosen if len(chosen) > 1 else range(self.term_model.rowCount()))

    def apply_theme(self, theme: Theme) -> None:
        self._bars.apply_theme(theme)
        self.term_model.apply_theme(theme)
        super().apply_theme(theme)

    @property
    def rows_in_room(self) -> int:
        """Number of rows that are visible without scrolling."""
        return max(1, self.viewport().height() // self.verticalHeader().defaultSectionSize())

    def follow_weight(self, row: int) -> None:
        """Follow the gradient of a row's weight."""
        weight = self.term_model.weight_of(self.term_model.row(row))
        if weight is not None:
            self.followed.emit(weight)

    def follow(self, row: int) -> None:
        source = self.term_model.row(row).row.source
        if source is not None:
            self.followed.emit(source)

    def event(self, event: QEvent) -> bool:
        """Handle Enter and Shift+Enter before the window's shortcuts."""
        if isinstance(event, QKeyEvent) and _goes_to_weight(event) and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return claims(event, _GO) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if is_plain(event, _GO):
            if self.currentIndex().isValid():
                self.follow(self.currentIndex().row())
        elif _goes_to_weight(event):
            if self.currentIndex().isValid():
                self.follow_weight(self.currentIndex().row())
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        index = self.indexAt(event.position().toPoint())
        if event.button() != Qt.MouseButton.LeftButton or not index.isValid():
            return
        if index.column() == 0:
            self.follow(index.row())
        elif self.term_model.is_weight(self.term_model.row(index.row()), index.column()):
            self.follow_weight(index.row())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ignore the second click, which would follow a link of the newly shown page."""
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        index = self.indexAt(event.position().toPoint())
        on_link = index.isValid() and (
            self.term_model.row(index.row()).row.source is not None
            if index.column() == 0
            else self.term_model.is_weight(self.term_model.row(index.row()), index.column())
        )
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if on_link else Qt.CursorShape.ArrowCursor)


def _goes_to_weight(event: QKeyEvent) -> bool:
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    return event.key() in _GO and modifiers == _WITH_SHIFT


class _Bars(QStyledItemDelegate):
    """Draws bars from the sum before a row to the sum after it, one below the other where engines differ."""

    def __init__(self, model: TermTableModel) -> None:
        super().__init__()
        self._model = model
        self._low, self._high = 0.0, 0.0
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colors: falling and growing as the lanes draw less and more than 0."""
        stops = theme.diverging
        self._falls, self._grows = QColor(stops[1]), QColor(stops[-2])
        self._whole, self._axis, self._text = theme.color("text"), theme.color("border"), theme.color("muted")
        self._ground = theme.color("base")

    def update_range(self) -> None:
        self._low, self._high = self._model.reach

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        styled: Any = option
        rect: QRect = styled.rect
        line: TermTableLine = self._model.row(index.row())
        row = line.row
        painter.save()
        painter.setClipRect(rect)
        zero = self._x(rect, 0.0)
        painter.setPen(self._axis)
        painter.drawLine(QLineF(zero, rect.top(), zero, rect.bottom() + 1))
        drawn = [(own.start, own.stop) for own in row.figures if own.stop is not None]
        if line.engine:
            # The sums and bars of both engines are in the row's first line.
            drawn = []
        spans = [span for span in drawn if all(abs(end) < float("inf") for end in span)]
        apart = len(spans) > 1 and any(
            abs(self._x(rect, one) - self._x(rect, two)) > 1.0 for one, two in zip(*spans[:2], strict=True)
        )
        shown = spans if apart else spans[:1]
        height = (rect.height() - 4.0) / max(len(shown), 1)
        for place, (start, stop) in enumerate(shown):
            self._paint_bar(painter, rect, row, start, stop, rect.top() + 2.0 + place * height, height, place)
        painter.restore()

    def _paint_bar(
        self,
        painter: QPainter,
        rect: QRect,
        row: TermRow,
        start: float,
        stop: float,
        top: float,
        height: float,
        place: int,
    ) -> None:
        if row.kind == "total":
            start = 0.0
        left, right = sorted((self._x(rect, start), self._x(rect, stop)))
        bar = QRectF(left, top + 0.5, max(right - left, _LEAST_BAR), height - 1.0)
        color = self._whole if row.kind == "total" else self._grows if stop >= start else self._falls
        painter.fillRect(bar, color)
        if place:
            # The candidate's mark: color alone must not distinguish the engines.
            painter.fillRect(bar, QBrush(self._ground, Qt.BrushStyle.BDiagPattern))
            painter.setPen(QPen(color, 1.0))
            painter.drawRect(bar)

    def _x(self, rect: QRect, value: float) -> float:
        span = self._high - self._low or 1.0
        return rect.left() + _PAD + (value - self._low) / span * (rect.width() - 2 * _PAD)


def format_distinct_briefly(one: float, other: float) -> tuple[str, str]:
    """Two values that differ in ten characters: "0.382…23" and "0.382…24"; else as `format_short`."""
    pair = format_distinct(one, other)
    if max(map(len, pair)) <= _BRIEF:
        return pair
    same = next((place for place, (a, b) in enumerate(zip(*pair, strict=False)) if a != b), 0)
    head = pair[0].find(".") + 1 + number_format.DECIMALS
    brief = f"{pair[0][:head]}…{pair[0][same - 1 :]}", f"{pair[1][:head]}…{pair[1][same - 1 :]}"
    if same <= head or max(map(len, brief)) > _BRIEF:
        return format_short(one), format_short(other)
    return brief
