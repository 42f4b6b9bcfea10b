"""Table of the values that differ by more than the tolerance, sorted and filtered, and tolerances that would pass."""

from collections.abc import Callable, Sequence

import numpy as np
from PySide6.QtCore import QModelIndex
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.masks import Mask, is_masked
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.core.words import plural
from rnnviz.explain.value_sources import quantity_place
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import AGREES, NO_NOTE, ArrayCombo, Note, ResultView, across, down, pages
from rnnviz.gui.views.labels import ElidedLabel, hint
from rnnviz.results.columns import Column
from rnnviz.text.verdict_details import arrays
from rnnviz.verify.compare import ArrayComparison, Comparison
from rnnviz.verify.mismatches import MismatchRows, mismatch_rows
from rnnviz.verify.result import RunResult


class DifferentValues(ResultView):
    """Selecting a row moves the selection to its value."""

    title, group = "Different values", "Problems"
    help_page = "verdicts#mismatches"

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self._rows: MismatchRows | None = None
        self._masked: Sequence[Mask] = ()
        self._empty, self.description = hint(), ElidedLabel()
        self.copy_button = QPushButton("Copy tolerance")
        self.copy_button.clicked.connect(self._copy_tolerance)
        self.layers = ComboBox(None, "Only this layer", "Lists the mismatches of one layer or of all.")
        self.directions = ComboBox(None, "Only this direction", "Lists the mismatches of one direction or of both.")
        self.layers.currentIndexChanged.connect(self._gather)
        self.directions.currentIndexChanged.connect(self._gather)
        self.array: ArrayCombo = ArrayCombo()
        self.array.currentIndexChanged.connect(self._gather)
        self.model = TableModel()
        self.table = Table(self.model, "Different values")
        self.table.sort_by_headings()
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.table.activated.connect(self._on_activated)
        self._following = False
        filters = across(self.array, self.layers, self.directions)
        self._filters = QWidget()
        self._filters.setLayout(filters)
        self._bar = QWidget()
        self._bar.setLayout(across((self.description, 1), self._filters, self.copy_button, margins=(12, 4, 8, 4)))
        content = QWidget()
        self._pages = pages(content, self._empty, self.table)
        self.setLayout(down(self._bar, (content, 1), spacing=0))
        self.muted = self._empty, self.description
        self.themed = (self.table,)
        self._refresh()

    @classmethod
    def tab_note(cls, result: RunResult, candidate: str | None, array: str) -> Note:
        if candidate is None:
            return NO_NOTE
        found = result.comparison(candidate).mismatching(array)
        if not found.mismatched:
            return AGREES
        array = "" if found.name == "h" else f"{found.name} "
        return Note(f"{array}{number_format.count(found.mismatched)}", "wrong")

    def location(self, row: int) -> Location:
        """Location of the mismatch in a row of the table."""
        assert self._rows is not None, "an empty table has no rows"
        return self._rows.location(self.model.row(row))

    def copy_text(self) -> str:
        return self.table.copy_text() if self._rows is not None and len(self._rows) else ""

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        self._result, self._candidate = result, candidate
        layers, directions, *_ = (0, 0) if result is None else result.shape
        for box, texts in (
            (self.layers, ("every layer", *(f"layer {layer}" for layer in range(layers)))),
            (self.directions, ("both directions", *(DIRECTIONS if directions == 2 else ()))),
        ):
            kept = max(box.currentIndex(), 0)
            box.show_entries(((text, place) for place, text in enumerate(texts)), kept if kept < len(texts) else 0)
        self.directions.setVisible(directions == 2)
        self.array.offer(self._of_hidden, mismatching=True)
        self._gather()

    def show_masked(self, masked: Sequence[Mask]) -> None:
        self._masked = masked
        self._refresh()

    def show_location(self, location: Location) -> None:
        number = None if self._rows is None else self._rows.row_of(location)
        self._following = True
        try:
            if number is None:
                self.table.clearSelection()
                self.table.setCurrentIndex(QModelIndex())
            else:
                self.table.choose(self.model.place_of(number))
        finally:
            self._following = False

    @property
    def _of_hidden(self) -> Comparison | None:
        return None if self._result is None or self._candidate is None else self._result.comparison(self._candidate)

    def _gather(self) -> None:
        self._rows = None
        comparison = self.array.of(self._of_hidden)
        if self._result is not None and self._candidate is not None and comparison is not None:
            layers, directions, *_ = self._result.shape
            layer, direction = self.layers.currentIndex() - 1, self.directions.currentIndex() - 1
            lanes = [
                (k, d) for k in range(layers) for d in range(directions) if layer in (-1, k) and direction in (-1, d)
            ]
            self._rows = mismatch_rows(comparison, self._result.reference, self._result[self._candidate], lanes)
        self._refresh()

    def _refresh(self) -> None:
        result, rows, comparison = self._result, self._rows, self._of_hidden
        self._bar.setVisible(result is not None and comparison is not None)
        self._filters.setVisible(bool(self._total()) or self.array.count() > 1)
        self._pages.setCurrentIndex(1 if rows is not None and len(rows) else 0)
        if result is None or rows is None or comparison is None:
            self._empty.setText("A run (F5) lists the values that differ by more than the tolerance.")
            self.model.show_rows(())
            return
        shown, own = self.array.currentText(), self.array.of(comparison)
        assert own is not None, "it is of the comparison"
        self._empty.setText(
            f"No value of {shown} in {display_name(comparison.candidate)} differs by more than the tolerance."
        )
        self.model.show_rows(
            range(len(rows)), _columns(rows, result.reference.engine, comparison.candidate, self._is_masked)
        )
        # The rows are of one array; the others have a line each.
        others = arrays([*comparison.arrays.values(), *comparison.gradients_over_time.values()]) if shown == "h" else ()
        self.description.setText(number_format.true_minus_in("  ".join((_described(rows, own), *others))))
        tolerance = _tolerance(own)
        self.copy_button.setToolTip(wrapped(f"Copies {tolerance}: the smallest atol that passes with this rtol."))
        self.copy_button.setAccessibleDescription(self.copy_button.toolTip())
        self.table.fit()

    def _is_masked(self, row: int) -> bool:
        assert self._rows is not None, "an empty table has no rows"
        return is_masked(self._masked, quantity_place(self._rows.location(row), self.array.currentText()))

    def _total(self) -> int:
        comparison = self.array.of(self._of_hidden)
        return 0 if comparison is None else comparison.mismatched

    def _copy_tolerance(self) -> None:
        comparison = self.array.of(self._of_hidden)
        if comparison is not None:
            QApplication.clipboard().setText(_tolerance(comparison))

    def _on_activated(self, index: QModelIndex) -> None:
        self.explanation_requested.emit(quantity_place(self.location(index.row()), self.array.currentText()))

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid() and not self._following:
            self.location_requested.emit(self.location(current.row()))


def _described(rows: MismatchRows, own: ArrayComparison) -> str:
    """How many values differ by more than the tolerance, and what the smallest atol is that would pass."""
    count, listed = number_format.count, len(rows)
    differ = f"{plural(rows.total, 'value differs', 'values differ')} by more than"
    first = f"The first {count(listed)} of {count(rows.total)} values that differ by more than"
    limits = f"rtol {number_format.full(own.rtol)}, atol {number_format.full(own.atol)}"
    return f"{first if listed < rows.total else differ} {limits}; {_passing(own)}."


def _passing(own: ArrayComparison) -> str:
    """The smallest atol with which all finite values pass, rounded up; else the values that no tolerance accepts."""
    if own.nonfinite_apart:
        return f"{plural(own.nonfinite_apart, 'value')} NaN or infinite in one engine only: no atol passes"
    return f"atol {number_format.format_ceil(own.smallest_passing_atol)} would pass"


def _tolerance(own: ArrayComparison) -> str:
    return f"rtol={own.rtol!r}, atol={own.smallest_passing_atol!r}"


def _columns(
    rows: MismatchRows, reference: str, candidate: str, is_masked: Callable[[int], bool]
) -> tuple[Column, ...]:
    """Columns of mismatches, whose rows are their indices in `rows`. Masked values are not shown."""

    def whole(title: str, axis: int) -> Column:
        where = rows.where[:, axis]
        widest = _padded(title, str(int(where.max(initial=0))))
        return Column(title, lambda row: str(int(where[row])), number=True, keys=lambda: where, widest=widest)

    def number(title: str, values: FloatArray, text: Callable[[float], str], sample: str) -> Column:
        return Column(
            title,
            lambda row: "?" if is_masked(row) else text(values[row]),
            lambda row: "?" if is_masked(row) else number_format.full(values[row]),
            number=True,
            keys=lambda: np.where(np.isnan(values), np.inf, values),
            widest=f"{sample}00",
            grows=True,
        )

    def direction(row: int) -> str:
        return DIRECTIONS[rows.location(row).backward]

    return (
        whole("layer", 0),
        Column("direction", direction, keys=lambda: rows.where[:, 1], widest=_padded("direction", "")),
        whole("t", 2),
        whole("sample", 3),
        whole("unit", 4),
        number(display_name(reference), rows.reference, number_format.short, "-0.000"),
        number(display_name(candidate), rows.candidate, number_format.short, "-0.000"),
        number("difference", rows.error, number_format.error, "1.2e-10"),
        number("error ratio", rows.error_ratio, number_format.error, "1.2e-10"),
        Column(
            "ulp",
            lambda row: number_format.ulp(int(rows.ulp[row])),
            lambda row: str(int(rows.ulp[row])),
            number=True,
            keys=lambda: rows.ulp,
            widest=_padded("ulp", "100,000"),
            grows=True,
            optional=True,
        ),
    )


def _padded(title: str, sample: str) -> str:
    return max(title, sample, key=len) + "00"
