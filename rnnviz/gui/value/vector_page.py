"""Page of the value card with all units: the values of every engine, and the inputs of the time step."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QModelIndex, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from rnnviz.cells import CellSpec
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.masks import DIFFERENCE, Mask, is_masked, masks_any
from rnnviz.core.places import INPUT_VALUES, Place, entry_place
from rnnviz.core.sequence import shortened, visible
from rnnviz.core.trace_index import Location, state_row
from rnnviz.explain.value_sources import quantity_place
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.regions import Difference, Region, Vector, VectorKind, highlighted_rows, kinds_at, vector_at
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.icons import IconButton
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.value.output_page import initial_text, input_text
from rnnviz.gui.value.rows import MARGIN, MASKED
from rnnviz.gui.views.base import across, choice, down
from rnnviz.reading.arrays import ArrayReader, UnitVector
from rnnviz.reading.quantities import (
    GRADIENTS,
    RECOMPUTED,
    GateQuantity,
    Quantity,
    choices_of,
    gradients_of,
    is_recomputed,
)
from rnnviz.results.columns import PLAIN, Column, Look, Looks, plain
from rnnviz.verify.result import RunResult

_KINDS: dict[VectorKind, tuple[str, str]] = {
    "hidden": ("hidden state h", "The hidden state h of this step."),
    "cell": ("cell state c", "The cell state c of this step, if the engine returns it."),
    "gradient": ("gradient grad.h", "The gradient of the loss with respect to the hidden state of this step."),
    "input": ("input of the step", "Input of this step: x, or the output of the layer below."),
    "h0": ("initial state h0", "The initial hidden state, read only by a lane's first step."),
    "c0": ("initial state c0", "The initial cell state, read only by a lane's first step."),
}

_SHORT_NAME = 12
"""Characters of a component's name that fit into its column."""
_NUMBER = "-0.000"
_MUTED, _MISMATCH = Look("muted"), Look("wrong", bold=True)
_MISMATCHED_UNIT = Look("wrong", bold=True, icon="cross", note="mismatch")

COLUMN_SETTING = "vector-columns"
"""Key of the stored columns."""


class VectorPage(QWidget):
    """A choice of a vector of the selected step, and this vector as a table."""

    location_requested = Signal(object)
    explanation_requested = Signal(object)

    def __init__(self, settings: Settings | None = None) -> None:
        """`settings` store the added columns."""
        super().__init__()
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self._location = Location()
        self.kind: VectorKind = "hidden"
        self.kinds: tuple[VectorKind, ...] = ()
        self._following = False
        self._followed = "h"
        self._gates: ArrayReader | None = None
        self._vector: Vector | None = None
        self._added: tuple[GateQuantity, ...] = ()
        self._longest, self._marks = _NUMBER, False
        self._highlighted: Sequence[Region] = ()
        self._masks: Sequence[Mask] = ()

        self.choice = choice("Vector", ())
        self.choice.setToolTip("Vector whose units are listed.")
        self.choice.currentIndexChanged.connect(self._on_kind)
        self.model = TableModel(tip=self._row_tip)
        self.table = Table(self.model, "Units of the vector")
        self.table.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideNone)
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.table.activated.connect(self._on_activated)
        self.table.stepped.connect(self._on_stepped)
        self.columns = ColumnMenuButton(settings)
        self.columns.changed.connect(self._refresh)
        for part in (self.table, self.table.horizontalHeader()):
            part.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
            part.customContextMenuRequested.connect(
                lambda place, part=part: self.columns.menu().popup(part.mapToGlobal(place))
            )
        margins = (MARGIN, 0, MARGIN, MARGIN)
        self.setLayout(down(across(self.choice, None, self.columns), (self.table, 1), margins=margins, spacing=6))

    def choose(self, kind: VectorKind) -> None:
        self.choice.setCurrentIndex(self.kinds.index(kind))

    def follow_array(self, name: str) -> bool:
        """Select the gradient while the lanes show one, until another vector is selected. Returns whether it is new."""
        before, self._followed = self._followed, name
        if (name == "h") != (before == "h") and self.kind == ("gradient" if name == "h" else "hidden"):
            self.kind = "hidden" if name == "h" else "gradient"
            return True
        return False

    def show_masked(self, masks: Sequence[Mask]) -> None:
        self._masks = masks
        self._refresh()

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is not self._result:
            self._gates = None if result is None else ArrayReader(result.inputs, result.reference)
            # It only grows, so that no column moves with the selection.
            self._longest, self._marks = _NUMBER, False
        self._result, self._candidate = result, candidate
        if result is not None:
            self._location = self._location.within(result.shape)
            cell = result.config.network.kind
            self.columns.show_cell(cell, gradients_of(result.traces.values(), cell))
        self._refresh()

    def show_location(self, location: Location) -> None:
        # Another result or candidate has shown it already.
        if location != self._location:
            self._location = location
            self._refresh()

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        self._highlighted = highlighted
        self._frame()

    def apply_theme(self, theme: Theme) -> None:
        self.table.apply_theme(theme)

    def place(self, row: int, quantity: Quantity = "value") -> Place:
        """The place of a row, or of one of its gates or gradients."""
        where = self._location
        match self.kind:
            case "hidden" | "gradient":
                return quantity_place(where.moved(unit=row), quantity)
            case "cell":
                return Place.at("c", where.moved(unit=row))
            case "h0" | "c0":
                assert self._result is not None, "a row is of a result"
                network = self._result.inputs.network
                return entry_place(network, self.kind, (state_row(network, where), where.sample, row))
        assert self._result is not None, "a row is of a result"
        if where.layer == 0:
            names = self._result.inputs.names.of_sample(where.sample)
            return Place(INPUT_VALUES, (where.timestep, where.sample, row), names=names)
        direction, unit = divmod(row, self._result.inputs.network.output_size)
        return Place.at("h", where.moved(layer=where.layer - 1, direction=direction, unit=unit))

    def _refresh(self) -> None:
        result = self._result
        if result is None:
            self.model.show_rows(())
            return
        where = self._location
        self._show_kinds(result, kinds_at(result, where))
        reads_x = self.kind == "input" and where.layer == 0
        vector = self._vector = vector_at(result, self._candidate, where, self.kind)
        beside = self.kind in ("hidden", "gradient") and self._gates is not None
        self._added = self.columns.chosen if beside else ()
        reference = result.reference.engine
        gates = UnitVector(self._gates, where) if self._added and self._gates is not None else None
        added = [] if gates is None else [self._gate_column(each, gates, reference) for each in self._added]
        self._longest = max(self._longest, _longest_number(vector), key=len)
        difference = None if masks_any(self._masks, DIFFERENCE) else vector.difference
        if difference is not None and not self._marks:
            mismatched = self._candidate is not None and result.comparison(self._candidate).mismatched > 0
            self._marks = mismatched or bool(difference.mismatched.any())
        features = result.inputs.names.features if reads_x else ()
        columns = [self._unit_column("feature" if reads_x else "unit", features, len(vector), difference)]
        for place, (engine, values) in enumerate(vector.columns):
            # Only the candidate's value is marked: values of the reference and of other engines are not compared.
            look = _marked(difference, _MISMATCH if place == 1 else PLAIN)
            why = f"Values of {engine}."
            column = _value_column(display_name(engine), engine, why, values.__getitem__, self._longest, look)
            columns.append(self._hiding(column))
        if difference is not None and self._marks:
            columns += _difference_columns(difference, reference, self._candidate or "")
        self._following = True
        self.model.show_rows(range(len(vector)), [*columns, *added], keep=True)
        self.columns.setEnabled(beside)
        self.table.fit()
        self._choose_row()
        self._following = False
        self._frame()

    def _hiding(self, column: Column, quantity: Quantity | None = None) -> Column:
        """The column with "?" in place of the numbers that a question asks for."""
        if not self._masks:
            return column
        of = quantity or ("grad.h" if self.kind == "gradient" else "value")

        def places(row: int) -> tuple[Place, ...]:
            # A pre-activation has the arithmetic of its gate.
            own = () if quantity is None else (Place.at(quantity, self._location.moved(unit=row)),)
            return self.place(row, of), *own

        def hiding(text: Callable[[int], str]) -> Callable[[int], str]:
            return lambda row: MASKED if any(is_masked(self._masks, place) for place in places(row)) else text(row)

        return replace(column, text=hiding(column.text), full=hiding(column.exact))

    def _frame(self) -> None:
        result, where = self._result, self._location
        rows: Sequence[range] = []
        if result is not None:
            network, length = result.inputs.network, result.inputs.length(where.sample)
            rows = highlighted_rows(self._highlighted, network, length, where, self.kind)
        self.table.show_highlight(rows)

    def _show_kinds(self, result: RunResult, kinds: tuple[VectorKind, ...]) -> None:
        """List the vectors of this step, with the places of those that code reads in the tooltips."""
        if self.kind not in kinds:
            self.kind = "hidden"
        network, where = result.inputs.network, self._location
        code: dict[VectorKind, str] = {
            "h0": initial_text(network, where),
            "c0": initial_text(network, where, cell=True),
        }
        if where.layer == 0:
            code["input"] = input_text(network, where)
        with QSignalBlocker(self.choice):
            if kinds != self.kinds:
                self.kinds = kinds
                self.choice.clear()
                for kind in kinds:
                    self.choice.addItem(_KINDS[kind][0], kind)
            for at, kind in enumerate(kinds):
                why = " ".join(filter(None, (_KINDS[kind][1], f"In code: {code[kind]}." if kind in code else "")))
                self.choice.setItemData(at, why, Qt.ItemDataRole.ToolTipRole)
            self.choice.setCurrentIndex(kinds.index(self.kind))

    def _choose_row(self) -> None:
        """Select the row of the selected unit. Rows selected for copying stay while the unit stays."""
        selection = self.table.selectionModel()
        if not self._rows_are_units:
            selection.clear()
            return
        if self.table.currentIndex().row() == self._location.unit and selection.hasSelection():
            return
        self.table.choose(self._location.unit)

    @property
    def _rows_are_units(self) -> bool:
        """Whether the rows are units of h, not features of the input or other units of the cell state."""
        if self._result is None or self.kind in ("hidden", "gradient", "h0"):
            return True
        network = self._result.config.network
        return self.kind != "input" and network.output_size == network.hidden_size

    def _unit_column(self, unit: str, names: Sequence[str], count: int, difference: Difference | None) -> Column:
        """The indices, with the names of the features of a sequence."""

        def named(row: int, most: int | None = None) -> str:
            name = visible(names[row]) if row < len(names) else ""
            return f"{row} {name if most is None else shortened(name, most)}".rstrip()

        # The mark takes the room of two digits and a half. A long name is cut short where it must be, never a number.
        widest = f"{'000' * self._marks}{count - 1} " + "0" * min(max(map(len, names), default=0), _SHORT_NAME)
        return Column(
            unit,
            lambda row: named(row, _SHORT_NAME),
            named,
            right=True,
            look=_marked(difference, _MISMATCHED_UNIT, _MUTED),
            why=f"Index of the {unit}, from 0.",
            widest=max(unit, widest.rstrip(), key=len),
        )

    def _gate_column(self, added: GateQuantity, gates: UnitVector, reference: str) -> Column:
        assert self._result is not None, "a column is of a result"
        cell = self._result.config.network.kind
        recomputed = is_recomputed(added.name, self._result.reference, cell)
        how = "by" if added.group == GRADIENTS else "recomputed from h of" if recomputed else "from the values of"
        why = f"{added.menu_title.capitalize()}, {how} {reference}."
        # In two lines where the heading is narrow.
        name = f"{added.name} {RECOMPUTED}" if recomputed else added.name
        widest = max(_NUMBER, *name.split(), key=len)
        column = _value_column(name, "", why, lambda row: gates.value(added.name, row), widest)
        return self._hiding(column, added.name)

    def _on_kind(self, index: int) -> None:
        self.kind, self._longest = self.kinds[index], _NUMBER
        self._refresh()

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if not self._following and self._rows_are_units and current.isValid():
            self.location_requested.emit(self._location.moved(unit=current.row()))

    def _on_activated(self, index: QModelIndex) -> None:
        """Request the explanation of a value; for a feature of an upper layer, of its source below."""
        if self._result is None:
            return
        place = self.place(index.row(), self._quantity_of(index.column()))
        if self.kind == "input" and place.location is not None:
            self.location_requested.emit(place.location)
        self.explanation_requested.emit(place)

    def _quantity_of(self, column: int) -> Quantity:
        """Quantity of a column: a gate's or a gradient's name, or "value"."""
        at = column - (self.model.columnCount() - len(self._added))
        if at >= 0:
            return self._added[at].name
        return "grad.h" if self.kind == "gradient" else "value"

    def _row_tip(self, row: int) -> str:
        """Tooltip of a row with all numbers in full precision."""
        difference = None if self._vector is None else self._vector.difference
        if difference is None or self._masks:
            return self.model.described(row)
        state = "mismatch" if difference.mismatched[row] else "within the tolerance"
        return f"{self.model.described(row)}\nerror ratio: {number_format.error(difference.error_ratio[row])} ({state})"

    def _on_stepped(self, by: int) -> None:
        if self._result is not None:
            there = self._location.moved(timestep=self._location.timestep + by)
            self.location_requested.emit(there.within(self._result.shape))


def _marked(difference: Difference | None, look: Look, otherwise: Look = PLAIN) -> Looks:
    return lambda row: look if difference is not None and difference.mismatched[row] else otherwise


def _value_column(
    title: str, heading: str, why: str, value: Callable[[int], number_format.Number], widest: str, look: Looks = plain
) -> Column:
    return Column(
        title,
        lambda row: number_format.short(value(row)),
        lambda row: number_format.full(value(row)),
        number=True,
        look=look,
        heading=heading,
        why=why,
        widest=widest,
        grows=True,
    )


def _difference_columns(difference: Difference, reference: str, candidate: str) -> tuple[Column, Column]:
    def exact_ulp(row: int) -> str:
        distance = int(difference.ulp[row])
        return number_format.ulp(distance) if distance == number_format.UNDEFINED_ULP else str(distance)

    look = _marked(difference, _MISMATCH)
    return (
        Column(
            "Δ",
            lambda row: number_format.error(difference.signed[row]),
            lambda row: number_format.full(difference.signed[row]),
            number=True,
            look=look,
            heading="difference",
            why=f"{candidate} - {reference}",
            widest="-0.0e-00",
            grows=True,
        ),
        Column(
            "ulp",
            lambda row: number_format.ulp(int(difference.ulp[row])),
            exact_ulp,
            number=True,
            look=look,
            why=f"Number of floats between {reference} and {candidate}.",
            widest="0.0e+0",
            grows=True,
            optional=True,
        ),
    )


def _longest_number(vector: Vector) -> str:
    """A text as wide as the longest number of a vector, or as a typical number if that is wider."""
    texts = [_NUMBER]
    for _, values in vector.columns:
        finite = np.isfinite(values)
        if finite.any():
            texts += [number_format.short(values[finite].min()), number_format.short(values[finite].max())]
        texts += [number_format.short(value) for value in np.unique(values[~finite])]
    return max(texts, key=len)


class ColumnMenuButton(IconButton):
    """Opens the menu. The selected columns stay for other cells, as far as these have them."""

    changed = Signal()

    def __init__(self, settings: Settings | None = None) -> None:
        """`settings` store the selected columns."""
        why = (
            "Add columns for gates, states and gradients of the reference. "
            "A right click on the headings opens the same menu."
        )
        super().__init__("plus", "Columns of gates", why)
        self._settings = settings
        self._chosen: set[str] = set() if settings is None else set(settings.columns(COLUMN_SETTING))
        self._offered: tuple[GateQuantity, ...] = ()
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self.setMenu(menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)

    @property
    def chosen(self) -> tuple[GateQuantity, ...]:
        """The selected columns that the current cell has."""
        return tuple(each for each in self._offered if each.name in self._chosen)

    def show_cell(self, cell: CellSpec, gradients: Collection[str] = ()) -> None:
        """Offer the columns of a cell and the given gradients."""
        offered = choices_of(cell, gradients, per_unit=True)
        if offered != self._offered:
            self._offered = offered
            self._fill()

    def choose(self, quantity: Quantity, *, wanted: bool) -> None:
        (self._chosen.add if wanted else self._chosen.discard)(quantity)
        if self._settings is not None:
            self._settings.set_columns(COLUMN_SETTING, tuple(sorted(self._chosen)))
        self._fill()
        self.changed.emit()

    def choose_these(self, names: Sequence[str]) -> None:
        """Show these columns without saving them."""
        self._chosen = set(names)
        self._fill()
        self.changed.emit()

    def _fill(self) -> None:
        menu = self.menu()
        menu.clear()
        group = ""
        for each in self._offered:
            if each.group != group:
                group = each.group
                menu.addSection(group)
            action = menu.addAction(each.text)
            action.setCheckable(True)
            action.setChecked(each.name in self._chosen)
            action.setToolTip(f"{each.menu_title.capitalize()}, next to each unit's h.")
            action.triggered.connect(lambda wanted, name=each.name: self.choose(name, wanted=wanted))
