"""Gradients of the parameters and the initial states: a table of the arrays, and one of the entries of an array."""

from collections.abc import Callable
from functools import partial

import numpy as np
from PySide6.QtCore import QModelIndex, Signal
from PySide6.QtGui import QHideEvent, QShowEvent

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place, entry_place
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.kit.tasks import LatestTask
from rnnviz.gui.views.base import ResultView, ViewHost, across, down, pages
from rnnviz.gui.views.labels import ElidedLabel, hint
from rnnviz.reading.parameter_gradients import LISTED, ArrayRow, Entries, array_rows, entries_of
from rnnviz.results.columns import PLAIN, Column, Look
from rnnviz.verify.result import RunResult

_AGREES, _DIFFERS, _ALONE = Look("right", icon="check"), Look("wrong", bold=True, icon="cross"), Look("muted")
_WRONG = Look("wrong", bold=True)
_AT_ONCE = 1 << 18
"""Maximum number of entries that are sorted within a frame."""


def _verdict(row: ArrayRow) -> tuple[str, Look]:
    if row.comparison is None:
        return "not compared", _ALONE
    differ = row.comparison.mismatched
    return (f"{number_format.count(differ)} differ", _DIFFERS) if differ else ("agrees", _AGREES)


def _index(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]"


_ARRAYS = (
    Column("gradient of", lambda row: row.title, shrinks=True, why="Name of the parameter, as in Gluon."),
    Column("shape", lambda row: _index(row.shape)),
    Column("comparison", lambda row: _verdict(row)[0], look=lambda row: _verdict(row)[1]),
    Column(
        "max |Δ|",
        lambda row: "" if row.comparison is None else number_format.error(row.comparison.max_abs_error),
        lambda row: "" if row.comparison is None else number_format.full(row.comparison.max_abs_error),
        number=True,
        heading="max abs difference",
    ),
    Column(
        "error ratio",
        lambda row: "" if row.comparison is None else number_format.error(row.comparison.max_error_ratio),
        lambda row: "" if row.comparison is None else number_format.full(row.comparison.max_error_ratio),
        number=True,
        why="Largest difference ÷ tolerance; above 1 the engines differ.",
    ),
    Column(
        "largest",
        lambda row: number_format.error(row.largest),
        lambda row: number_format.full(row.largest),
        number=True,
        why="Largest magnitude of the gradient.",
        grows=True,
    ),
)


class ParameterGradients(ResultView):
    """Arrays at the left, the one with the largest error first; entries of the selected one at the right."""

    title = group = "Parameters"
    help_page = "gradients"
    figure_width = 1000
    stacked_width = 640

    parameter_selected = Signal(object)
    """The `Place` of the selected entry."""

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self._row: ArrayRow | None = None
        self.entries: Entries | None = None
        empty = hint("Gradients of the parameters need a backward pass: Run > Compute gradients (Shift+G).")
        intro = ElidedLabel("Sums over all time steps and samples. The largest error ratio comes first.")
        self.heading = ElidedLabel(bold=True)
        self.model, self.entry_model = TableModel(_ARRAYS), TableModel()
        self.table = Table(self.model, "Gradients of the parameters and initial states")
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.entry_table = Table(self.entry_model, "Entries of the selected gradient")
        self.entry_table.activated.connect(self._on_activated)
        self.entry_table.selectionModel().currentRowChanged.connect(self._on_entry)
        self._task = LatestTask("parameters", self)
        self._task.done.connect(self._take)
        left = down(intro, (self.table, 1), spacing=4)
        right = down(self.heading, (self.entry_table, 1), spacing=4)
        self.panes = across((left, 3), (right, 2), spacing=12)
        self._pages = pages(self, empty, down((self.panes, 1), margins=(8, 4, 8, 4)))
        self.muted = empty, intro
        self.themed = self.table, self.entry_table

    def bind(self, window: ViewHost) -> None:
        self.parameter_selected.connect(window.session.set_parameter)

    def copy_text(self) -> str:
        table = self.entry_table if self.entry_table.hasFocus() else self.table
        return table.copy_text() if self.model.rows else ""

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        self._result, self._candidate = result, candidate
        rows = [] if result is None else array_rows(result, candidate)
        kept = None if self._row is None else self._row.name
        self._pages.setCurrentIndex(1 if rows else 0)
        self._row = None
        self._show_entries(None)
        self.model.show_rows(rows)
        self.table.fit()
        if rows:
            self.table.choose(next((place for place, row in enumerate(rows) if row.name == kept), 0))

    def finish_pending(self) -> None:
        """Sort at once."""
        if self._task.busy and self._result is not None and self._row is not None:
            self._task.cancel()
            self._show_entries(entries_of(self._result, self._row, lambda: None))

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop sorting. A closing window hides its views."""
        self._task.stop()
        super().hideEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Sort what was left."""
        super().showEvent(event)
        if self.entries is None and self._row is not None:
            self._sort(self._row)

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self._sort(self.model.row(current.row()))

    def _on_activated(self, index: QModelIndex) -> None:
        """Request the explanation of an entry: its terms over time."""
        place = self._place_at(index)
        if place is not None:
            self.explanation_requested.emit(place)

    def _on_entry(self, current: QModelIndex, _previous: QModelIndex) -> None:
        place = self._place_at(current)
        if place is not None and place.kind == "parameter":
            self.parameter_selected.emit(place.of)

    def _place_at(self, index: QModelIndex) -> Place | None:
        """The gradient in a row of the entries."""
        if self.entries is None or self._result is None or not index.isValid():
            return None
        where = self.entries.index[self.entry_model.row(index.row())].tolist()
        return entry_place(self._result.config.network, self.entries.row.name, where)

    def _sort(self, row: ArrayRow) -> None:
        """Find the entries with the largest errors, of a large array on a thread."""
        result = self._result
        self._row = row
        if result is None:
            return
        self._task.cancel()
        if int(np.prod(row.shape)) <= _AT_ONCE:
            self._show_entries(entries_of(result, row, lambda: None))
        else:
            self._show_entries(None)
            self._task.ask(partial(entries_of, result, row))

    def _take(self, found: Entries) -> None:
        if found.row == self._row:
            self._show_entries(found)

    def _show_entries(self, entries: Entries | None) -> None:
        self.entries = entries
        row = self._row
        self.heading.setText("" if row is None else f"{row.title}: sorting …")
        if entries is None or row is None:
            self.entry_model.show_rows(())
            return
        total = int(np.prod(row.shape))
        kind = "magnitude" if entries.candidate is None else "error ratio"
        listed = (
            f"the {number_format.count(LISTED)} largest of {number_format.count(total)}" if total > LISTED else "all"
        )
        self.heading.setText(f"{row.title}: {listed} by {kind}")
        self.entry_model.show_rows(range(len(entries)), _entry_columns(entries))
        self.entry_table.fit()


def _entry_columns(entries: Entries) -> tuple[Column, ...]:
    """Columns of entries, whose rows are their places in `entries`."""
    comparison, ratio = entries.row.comparison, entries.error_ratio

    def look(place: int) -> Look:
        return _WRONG if ratio is not None and not ratio[place] <= 1.0 else PLAIN

    def number(title: str, values: FloatArray, text: Callable[[float], str], marked: bool = False) -> Column:
        return Column(
            title,
            lambda place: text(values[place]),
            lambda place: number_format.full(values[place]),
            number=True,
            look=look if marked else lambda _: PLAIN,
            widest=max(title, "-0.0e-00", key=len) + "0",
            grows=True,
        )

    last = _index(tuple(size - 1 for size in entries.row.shape))
    columns = [
        Column("index", lambda place: _index(tuple(entries.index[place].tolist())), widest=f"{last}0", grows=True),
        number(display_name(entries.row.engine), entries.reference, number_format.short),
    ]
    if comparison is not None and entries.candidate is not None and entries.error is not None and ratio is not None:
        columns += [
            number(display_name(comparison.candidate), entries.candidate, number_format.short, marked=True),
            number("|Δ|", entries.error, number_format.error, marked=True),
            number("error ratio", ratio, number_format.error, marked=True),
        ]
    return tuple(columns)
