"""Parameters: a list of the arrays, the weights and gradients of one as a matrix, and its largest errors."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np
from PySide6.QtCore import QModelIndex, Signal
from PySide6.QtGui import QHideEvent, QShowEvent

from rnnviz.core import number_format
from rnnviz.core.config import Network
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import GRADIENT
from rnnviz.core.masks import SHAPE, Mask, is_masked, masks_any
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import PARAMETERS, Place, entry_place
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.matrix import MatrixView
from rnnviz.gui.kit.segments import Segments
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.kit.tasks import LatestTask
from rnnviz.gui.naming import named
from rnnviz.gui.views.base import ResultView, ViewHost, across, down, pages
from rnnviz.gui.views.labels import ElidedLabel, hint
from rnnviz.reading.parameter_gradients import LISTED, ArrayRow, Entries, array_rows, entries_of
from rnnviz.results.columns import PLAIN, Column, Look
from rnnviz.verify.metrics import largest_magnitude
from rnnviz.verify.parameter_relations import ParameterDifference, Tolerance, parameter_differences
from rnnviz.verify.result import RunResult

_AGREES, _DIFFERS, _ALONE = Look("right", icon="check"), Look("wrong", bold=True, icon="cross"), Look("muted")
_WRONG = Look("wrong", bold=True)
_AT_ONCE = 1 << 18
"""Maximum number of entries that are read within a frame."""
WEIGHTS, GRADIENTS, ERRORS = "Weights", "Gradients", "Largest errors"
_PAGES = {
    WEIGHTS: "The numbers of the array.",
    GRADIENTS: "Gradients of the loss with respect to these numbers.",
    ERRORS: "Gradients in the order of their error ratio, or of their magnitude.",
}


@dataclass(frozen=True, eq=False)
class ParameterRow:
    """One array: its `name` such as "l0_i2h_weight" or "h0", its weights, its gradient, and its difference from that of
    a candidate with other weights, as far as there are any."""

    name: str
    shape: tuple[int, ...]
    weights: FloatArray | None
    gradient: ArrayRow | None = None
    difference: ParameterDifference | None = None

    @property
    def title(self) -> str:
        return named(self.name)


Shown: TypeAlias = tuple[ParameterRow, float, float, Entries | None]
"""A row with the largest magnitudes of its weights and of its gradients, and its largest errors."""


def parameter_rows(result: RunResult, candidate: str | None) -> list[ParameterRow]:
    """The parameters in their order; with gradients by their error ratio, with those of initial states."""
    gradients = array_rows(result, candidate)
    weights = dict(result.inputs.parameters)
    if not gradients:
        return [ParameterRow(name, array.shape, array) for name, array in weights.items()]
    names = [row.name.removeprefix(GRADIENT).removeprefix(PARAMETERS) for row in gradients]
    return [ParameterRow(name, row.shape, weights.get(name), row) for name, row in zip(names, gradients, strict=True)]


def _index(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]"


def _verdict(row: ParameterRow) -> tuple[str, Look]:
    own = None if row.gradient is None else row.gradient.comparison
    if own is None:
        return "not compared", _ALONE
    return (f"{number_format.count(own.mismatched)} differ", _DIFFERS) if own.mismatched else ("agrees", _AGREES)


def _of_weights(row: ParameterRow, write: Callable[[float], str]) -> str:
    own = None if row.difference is None else row.difference.max_abs_difference
    return "" if own is None else write(own)


def _compared(title: str, name: str, heading: str = "", why: str = "", optional: bool = False) -> Column:
    """A column of a figure of the comparison; empty without one."""

    def read(row: ParameterRow, write: Callable[[float], str]) -> str:
        own = None if row.gradient is None else row.gradient.comparison
        return "" if own is None else write(getattr(own, name))

    return Column(
        title,
        lambda row: read(row, number_format.error),
        lambda row: read(row, number_format.full),
        number=True,
        heading=heading,
        why=why,
        optional=optional,
    )


_NAMES = (
    Column("parameter", lambda row: row.title, shrinks=True, grows=True),
    Column("shape", lambda row: " × ".join(map(str, row.shape)), right=True),
)
_WEIGHTS = (
    Column(
        "weights |Δ|",
        lambda row: _of_weights(row, number_format.error),
        lambda row: _of_weights(row, number_format.full),
        number=True,
        look=lambda row: _WRONG if row.difference is not None and row.difference.differs else PLAIN,
        heading="max abs difference of the weights",
        why="Largest difference of the candidate's weights from the reference's.",
    ),
    Column(
        "relation",
        lambda row: "" if row.difference is None else row.difference.relation or "",
        why="How the candidate's array (B) follows from the reference's (A).",
        shrinks=True,
        grows=True,
    ),
)
_FIGURES = (
    Column("gradients", lambda row: _verdict(row)[0], look=lambda row: _verdict(row)[1]),
    _compared("max |Δ|", "max_abs_error", "max abs difference", optional=True),
    _compared("error ratio", "max_error_ratio", why="Largest difference ÷ tolerance; above 1 the engines differ."),
    Column(
        "largest",
        lambda row: "" if row.gradient is None else number_format.error(row.gradient.largest),
        lambda row: "" if row.gradient is None else number_format.full(row.gradient.largest),
        number=True,
        why="Largest magnitude of the gradient.",
        optional=True,
    ),
)


class ParametersView(ResultView):
    """Arrays at the left; weights, gradients or largest errors of the selected one at the right."""

    title = group = "Parameters"
    help_page = "gradients"
    parameter_selected = Signal(object)
    """The `Place` of the selected number, if its gradient is known."""

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._candidate = ""
        self._row: ParameterRow | None = None
        self._masked: Sequence[Mask] = ()
        self.entries: Entries | None = None
        self.model, self.entry_model = TableModel(_NAMES), TableModel()
        self.table = Table(self.model, "Parameters and initial states")
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.entry_table = Table(self.entry_model, "Largest errors of the gradient")
        self.entry_table.activated.connect(lambda index: self._explain(self._entry_at(index)))
        self.entry_table.selectionModel().currentRowChanged.connect(lambda index: self._select(self._entry_at(index)))
        self.matrix = MatrixView("Numbers of the array")
        self.matrix.matrix.describe = lambda row, column: self._name(row, column)
        self.matrix.matrix.hidden = lambda row, column: bool(self._masked) and self._is_masked(row, column)
        self.matrix.activated.connect(lambda index: self._explain(self._place(index.row(), index.column())))
        self.matrix.selectionModel().currentChanged.connect(
            lambda index: self._select(self._place(index.row(), index.column()) if index.isValid() else None)
        )
        self.heading, self.choice = ElidedLabel(bold=True), Segments("Numbers", _PAGES.items())
        self.choice.chosen.connect(self._show_page)
        self._shown: Shown | None = None
        self._task = LatestTask("parameters", self)
        self._task.done.connect(self._take)
        self._comparing = LatestTask("weights", self)
        self._comparing.done.connect(self._take_differences)
        empty = hint("A run (F5) shows the parameters, and with a backward pass (Shift+G) their gradients.")
        self._numbers = pages(None, self.matrix, self.entry_table)
        bar = across((self.heading, 1), self.choice, margins=(8, 4, 8, 4))
        panes = across((self.table, 3), (down(bar, (self._numbers, 1), spacing=0), 4), spacing=0)
        self._pages = pages(self, empty, down((panes, 1)))
        self.muted = (empty,)
        self.themed = self.table, self.entry_table, self.matrix

    def bind(self, window: ViewHost) -> None:
        self.parameter_selected.connect(window.session.set_parameter)

    @property
    def page(self) -> str:
        """The choice of weights, gradients or largest errors."""
        return self.choice.current

    def copy_text(self) -> str:
        table = next((table for table in (self.entry_table, self.matrix) if table.hasFocus()), self.table)
        return table.copy_text() if self.model.rows else ""

    def show_masked(self, masked: Sequence[Mask]) -> None:
        self._masked = masked
        self._show_shapes()
        self.matrix.viewport().update()

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        rows = [] if result is None else parameter_rows(result, candidate)
        kept = None if self._row is None else self._row.name
        self._result, self._candidate, self._row = result, candidate or "", None
        self._pages.setCurrentIndex(1 if rows else 0)
        self._show(None)
        has_gradients = any(row.gradient is not None for row in rows)
        self.choice.setVisible(has_gradients)
        if not has_gradients:
            self.choice.choose(WEIGHTS)
        differs = result is not None and candidate in result.inputs.weights
        self.model.show_rows(rows, (*_NAMES, *(_WEIGHTS if differs else ()), *(_FIGURES if has_gradients else ())))
        self._ask_differences()
        self._show_shapes()
        if rows:
            self.table.choose(next((place for place, row in enumerate(rows) if row.name == kept), 0))

    def finish_pending(self) -> None:
        """Read and compare at once."""
        if self._comparing.busy and self._result is not None:
            self._comparing.cancel()
            self._take_differences(_differences(self._result, self._candidate, lambda: None))
        if self._task.busy and self._result is not None and self._row is not None:
            self._task.cancel()
            self._show(_read(self._result, self._row, lambda: None))

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop reading. A closing window hides its views."""
        self._task.stop()
        self._comparing.stop()
        super().hideEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Read what was left."""
        super().showEvent(event)
        if self._shown is None and self._row is not None:
            self._ask(self._row)
        self._ask_differences()

    def _show_shapes(self) -> None:
        """Show the column of shapes, unless a question asks for them."""
        self.table.fit()
        self.table.setColumnHidden(1, masks_any(self._masked, SHAPE))

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self._ask(self.model.row(current.row()))

    def _ask(self, row: ParameterRow) -> None:
        """Read an array, if it is large on a thread."""
        result, self._row = self._result, row
        if result is None:
            return
        self._task.cancel()
        if int(np.prod(row.shape)) <= _AT_ONCE:
            self._show(_read(result, row, lambda: None))
        else:
            self._show(None)
            self._task.ask(partial(_read, result, row))

    def _ask_differences(self) -> None:
        """Compare the weights of the candidate, if it has others, on a thread."""
        self._comparing.cancel()
        result, candidate = self._result, self._candidate
        if result is not None and candidate in result.inputs.weights and self.model.rows[0].difference is None:
            self._comparing.ask(partial(_differences, result, candidate))

    def _take_differences(self, found: dict[str, ParameterDifference]) -> None:
        """Show the differences, and select the first array that differs, unless another one is selected."""
        rows = [replace(row, difference=found.get(row.name)) for row in self.model.rows]
        self.model.show_rows(rows, keep=True)
        self.table.fit()
        first = next((k for k, row in enumerate(rows) if row.difference and row.difference.differs), 0)
        if self._row is not None and self._row.name == rows[0].name:
            self.table.choose(self.model.place_of(first))

    def _take(self, found: Shown) -> None:
        if found[0] is self._row:
            self._show(found)

    def _show(self, shown: Shown | None) -> None:
        self._shown, self.entries = shown, None if shown is None else shown[3]
        if self.entries is not None:
            self.entry_model.show_rows(range(len(self.entries)), _entry_columns(self.entries))
            self.entry_table.fit()
        else:
            self.entry_model.show_rows(())
        if shown is not None:
            row = shown[0]
            # Initial states are no parameters: of them only gradients are shown.
            self.choice.offer(WEIGHTS, offered=row.weights is not None)
            if row.weights is None and self.page == WEIGHTS:
                self.choice.choose(GRADIENTS)
        self._show_page()

    def _show_page(self) -> None:
        row = self._row
        self.heading.setText("" if row is None else f"{row.title}: {self._described(row)}")
        self._numbers.setCurrentIndex(1 if self.page == ERRORS else 0)
        if self._shown is None or self._result is None or self.page == ERRORS:
            self.matrix.show_values(None, (), (), 0.0)
            return
        row, weights, gradients, _ = self._shown
        values = self._array(row)
        if values is not None:
            flat = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values.reshape(-1, 1)
            rows, columns = _headings(self._result.config.network, row.name, *flat.shape)
            self.matrix.show_values(flat, rows, columns, weights if self.page == WEIGHTS else gradients)

    def _described(self, row: ParameterRow) -> str:
        if self._shown is None:
            return "reading …"
        if self.page == WEIGHTS or row.gradient is None:
            return "weights" if row.name.endswith("weight") else "values"
        if self.page == GRADIENTS or self.entries is None:
            return f"gradients of {display_name(row.gradient.engine)}, summed over time steps and samples"
        total, by = int(np.prod(row.shape)), "magnitude" if self.entries.candidate is None else "error ratio"
        most = f"the {number_format.count(LISTED)} largest of {number_format.count(total)}"
        return f"{most if total > LISTED else 'all'} by {by}"

    def _array(self, row: ParameterRow) -> FloatArray | None:
        if self.page == WEIGHTS or row.gradient is None or self._result is None:
            return row.weights
        return self._result[row.gradient.engine][row.gradient.name]

    # Numbers

    def _place(self, row: int, column: int) -> Place:
        """The number in a cell of the matrix, or its gradient."""
        own, result = self._row, self._result
        assert own is not None, "an empty matrix has no cells"
        assert result is not None
        flat = row if len(own.shape) == 1 else row * own.shape[-1] + column
        prefix = "" if own.weights is None else PARAMETERS
        name = f"{GRADIENT if self.page != WEIGHTS else ''}{prefix}{own.name}"
        index = [int(at) for at in np.unravel_index(flat, own.shape)]
        return entry_place(result.config.network, name, index)

    def _is_masked(self, row: int, column: int) -> bool:
        return is_masked(self._masked, self._place(row, column))

    def _name(self, row: int, column: int) -> str:
        place = self._place(row, column)
        name = named(place.array.replace(PARAMETERS, ""))
        return f"{name}{_index(place.index)}"

    def _entry_at(self, index: QModelIndex) -> Place | None:
        """The gradient in a row of the largest errors."""
        if self.entries is None or self._result is None or not index.isValid():
            return None
        where = self.entries.index[self.entry_model.row(index.row())].tolist()
        return entry_place(self._result.config.network, self.entries.row.name, where)

    def _select(self, place: Place | None) -> None:
        if place is not None and place.kind == "parameter" and self.entries is not None:
            self.parameter_selected.emit(place.of)

    def _explain(self, place: Place | None) -> None:
        """Request the explanation of a gradient: its terms over time."""
        if place is not None and self.entries is not None:
            self.explanation_requested.emit(place if place.is_gradient else place.gradient)


def _differences(result: RunResult, candidate: str, check: Callable[[], None]) -> dict[str, ParameterDifference]:
    own, tolerance = result.inputs.weights[candidate], result.comparison(candidate)
    found = parameter_differences(
        result.config.network.kind, result.inputs.parameters, own, Tolerance(tolerance.rtol, tolerance.atol), check
    )
    return {difference.name: difference for difference in found}


def _read(result: RunResult, row: ParameterRow, check: Callable[[], None]) -> Shown:
    weights = 0.0 if row.weights is None else largest_magnitude(row.weights)
    check()
    if row.gradient is None:
        return row, weights, 0.0, None
    return row, weights, row.gradient.largest, entries_of(result, row.gradient, check)


def _headings(network: Network, name: str, height: int, width: int) -> tuple[list[str], list[str]]:
    """Names of rows and columns: rows of a parameter with gates are units of each gate."""
    rows, columns = [str(row) for row in range(height)], [str(column) for column in range(width)]
    kind, array = network.kind, name.partition("_")[2]
    gates = {"i2h": kind.gate_symbols, "h2h": kind.recurrent_gates}.get(array.partition("_")[0], ())
    if gates and height % len(gates) == 0:
        units = height // len(gates)
        rows = [f"{gate} {unit}" for gate in gates for unit in range(units)]
    return rows, ["bias"] if array.endswith("bias") else columns


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
