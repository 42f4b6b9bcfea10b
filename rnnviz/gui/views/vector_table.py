"""View of the selected hidden state: the values of every engine, and the inputs of the time step."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from PySide6.QtCore import QModelIndex, QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QMenu, QTabBar, QToolButton

from rnnviz.cells import CellSpec
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.places import INPUT_VALUES, Place, entry_place
from rnnviz.core.sequence import shortened, timestep_in_words, visible
from rnnviz.core.trace_index import Location, lane_text, state_row
from rnnviz.explain.value_sources import quantity_place
from rnnviz.gui.index_texts import initial_text, input_text, passage_text
from rnnviz.gui.regions import Difference, Region, Vector, VectorKind, highlighted_rows, kinds_at, vector_at
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.icons import IconButton
from rnnviz.gui.views.base import ResultView, across, down
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.gui.views.table import NumberTable
from rnnviz.gui.views.table_model import TableModel
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

_TABS: dict[VectorKind, tuple[str, str]] = {
    "hidden": ("Hidden", "The hidden state h of this step."),
    "cell": ("Cell", "The cell state c of this step, if the engine returns it."),
    "gradient": ("Gradient", "The gradient grad.h of the loss with respect to the hidden state of this step."),
    "input": ("Input", "Input of this step: x, or the output of the layer below."),
    "h0": ("h0", "The initial hidden state, read only by a lane's first step."),
    "c0": ("c0", "The initial cell state, read only by a lane's first step."),
}

_TAB = "tab "
"""Prefix of a vector's name in the saved state."""

_MARGIN = 4
_SHORT_LABEL = 14
"""Characters of a time step's label that leave room for the rest of the heading."""
_SHORT_NAME = 12
"""Characters of a component's name that fit into its column."""
_NUMBER = "-0.000"
_MUTED, _MISMATCH = Look("muted"), Look("wrong", bold=True)
_MISMATCHED_UNIT = Look("wrong", bold=True, icon="cross", note="mismatch")

COLUMN_SETTING = "vector-columns"
"""Key of the stored columns."""


class VectorTable(ResultView):
    """A heading with the selection, tabs for its vectors, and one vector as a table."""

    title = "Selected hidden state"
    help_page = "window#selected-hidden-state"

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
        self._fitted: list[str] = []
        self._gates: ArrayReader | None = None
        self._vector: Vector | None = None
        self._added: tuple[GateQuantity, ...] = ()
        self._longest, self._marks = _NUMBER, False
        self._highlighted: Sequence[Region] = ()

        self.heading = ElidedLabel("No hidden state yet", bold=True, selectable=True)
        self.passage = ElidedLabel(selectable=True)
        self.empty = QLabel("A run (F5) shows the selected hidden state of every engine.")
        self.empty.setWordWrap(True)
        self._tabs = QTabBar()
        self._tabs.setAccessibleName("Vector")
        self._tabs.setToolTip("Selects which vector of this step the table lists.")
        self._tabs.setDrawBase(False)
        self._tabs.setExpanding(False)
        # Six vectors with gradients are wider than the narrowest side views.
        self._tabs.setUsesScrollButtons(True)
        self._tabs.currentChanged.connect(self._on_tab)
        self.model = TableModel(tip=self._row_tip)
        self.table = NumberTable(self.model, self.title)
        self.table.breaks_titles = True
        self.table.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideNone)
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.table.activated.connect(self._on_activated)
        self.table.stepped.connect(self._on_stepped)
        self.columns = ColumnMenuButton(settings)
        self.columns.changed.connect(self._on_columns)
        self.columns.changed.connect(self.state_changed)
        for part in (self.table, self.table.horizontalHeader()):
            part.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
            part.customContextMenuRequested.connect(
                lambda place, part=part: self.columns.pop_up(part.mapToGlobal(place))
            )

        above = across(self._tabs, None, self.columns, spacing=0)
        texts = self.heading, self.passage, self.empty
        self.setLayout(down(*texts, 4, above, (self.table, 1), None, margins=(_MARGIN,) * 4, spacing=2))
        self.muted = self.passage, self.empty
        self.themed = (self.table,)
        self.show_result(None, None)

    def choose(self, kind: VectorKind) -> None:
        self._tabs.setCurrentIndex(self.kinds.index(kind))

    def follow_array(self, name: str) -> bool:
        """Select the gradient while the lanes show one, until another vector is selected."""
        before, self._followed = self._followed, name
        if (name == "h") != (before == "h") and self.kind == ("gradient" if name == "h" else "hidden"):
            self.kind = "hidden" if name == "h" else "gradient"
            return True
        return False

    def copy_text(self) -> str:
        return self.table.copy_text() if self._result is not None else ""

    def save_state(self) -> tuple[str, ...]:
        return (_TAB + self.kind, *(choice.name for choice in self.columns.chosen))

    def restore_state(self, choices: Sequence[str]) -> None:
        self.columns.choose_these([word for word in choices if not word.startswith(_TAB)])
        for kind in self.kinds:
            if _TAB + kind in choices:
                self.choose(kind)

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is not self._result:
            self._gates = None if result is None else ArrayReader(result.inputs, result.reference)
            # It only grows, so that no column moves with the selection.
            self._longest, self._marks = _NUMBER, False
        self._result, self._candidate = result, candidate
        for widget in (self.passage, self._tabs, self.table, self.columns):
            widget.setVisible(result is not None)
        self.empty.setVisible(result is None)
        if result is not None:
            self._location = self._location.within(result.shape)
            cell = result.config.network.kind
            self.columns.show_cell(cell, gradients_of(result.traces.values(), cell))
        self._refresh()
        self._fit_columns()

    def show_location(self, location: Location) -> None:
        if location == self._location:
            # Another result or candidate has shown it already.
            return
        self._location, before = location, self.model.columnCount()
        self._refresh()
        # A recording that lacks this vector has no column of it.
        if self.model.columnCount() != before:
            self._fit_columns()

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        self._highlighted = highlighted
        self._frame()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._result is not None:
            self._show_passage(self._result)

    def _refresh(self) -> None:
        result = self._result
        if result is None:
            self.heading.setText("No hidden state yet")
            self.model.show_rows(())
            return
        network, where = result.inputs.network, self._location
        self._show_kinds(kinds_at(result, where))
        lane = lane_text(network, where).capitalize()
        names = result.inputs.names.of_sample(where.sample)
        self.heading.setText(f"{lane}, {timestep_in_words(names, where.timestep, _SHORT_LABEL)}, sample {where.sample}")
        self._show_passage(result)
        reads_x = self.kind == "input" and where.layer == 0
        component = "feature" if reads_x else "unit"
        vector = self._vector = vector_at(result, self._candidate, where, self.kind)
        beside = self.kind in ("hidden", "gradient") and self._gates is not None
        self._added = self.columns.chosen if beside else ()
        reference = result.reference.engine
        gates = UnitVector(self._gates, where) if self._added and self._gates is not None else None
        added = [] if gates is None else [self._gate_column(choice, gates, reference) for choice in self._added]
        self._longest = max(self._longest, _longest_number(vector), key=len)
        if vector.difference is not None and not self._marks:
            mismatched = self._candidate is not None and result.comparison(self._candidate).mismatched > 0
            self._marks = mismatched or bool(vector.difference.mismatched.any())
        features = result.inputs.names.features if reads_x else ()
        compared = reference, self._candidate or ""
        self._following = True
        self.model.show_rows(
            range(len(vector)),
            _columns(vector, component, compared, features, added, self._longest, marks=self._marks),
            keep=True,
        )
        self.columns.setEnabled(beside)
        if self.model.widest() != self._fitted:
            self._fit_columns()
        self._choose_row()
        self._following = False
        self._frame()

    def _show_passage(self, result: RunResult) -> None:
        text = self._passage_text(result, brief=False)
        self.passage.explain(text)
        if self.passage.fontMetrics().horizontalAdvance(text) > self.width() - 2 * _MARGIN:
            text = self._passage_text(result, brief=True)
        self.passage.setText(text)

    def _passage_text(self, result: RunResult, *, brief: bool) -> str:
        network, where = result.inputs.network, self._location
        if self.kind in ("h0", "c0"):
            return f"{initial_text(network, where, cell=self.kind == 'c0')}, read by this step"
        if self.kind == "input" and where.layer == 0:
            return f"the input x = {input_text(network, where)}, read by layer 0"
        if self.kind == "input":
            both = "forward, then backward direction, " if network.bidirectional else ""
            return f"the output of layer {where.layer - 1} at t = {where.timestep}, {both}read by layer {where.layer}"
        return passage_text(network, where, result.inputs.length(where.sample), brief=brief)

    def _frame(self) -> None:
        result = self._result
        length = 0 if result is None else result.inputs.length(self._location.sample)
        rows = (
            highlighted_rows(self._highlighted, result.inputs.network, length, self._location, self.kind)
            if result
            else []
        )
        self.table.show_highlight(rows)

    def _show_kinds(self, kinds: tuple[VectorKind, ...]) -> None:
        if self.kind not in kinds:
            self.kind = "hidden"
        if kinds == self.kinds and self._tabs.currentIndex() == kinds.index(self.kind):
            return
        self.kinds = kinds
        with QSignalBlocker(self._tabs):
            while self._tabs.count():
                self._tabs.removeTab(0)
            for kind in kinds:
                text, why = _TABS[kind]
                self._tabs.setTabToolTip(self._tabs.addTab(text), why)
            self._tabs.setCurrentIndex(kinds.index(self.kind))

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

    def _gate_column(self, choice: GateQuantity, gates: UnitVector, reference: str) -> Column:
        assert self._result is not None
        cell = self._result.config.network.kind
        recomputed = is_recomputed(choice.name, self._result.reference, cell)
        how = "by" if choice.group == GRADIENTS else "recomputed from h of" if recomputed else "from the values of"
        why = f"{choice.menu_title.capitalize()}, {how} {reference}."
        # In two lines where the heading is narrow.
        name = f"{choice.name} {RECOMPUTED}" if recomputed else choice.name
        widest = max(_NUMBER, *name.split(), key=len)
        return _value_column(name, "", why, lambda row: gates.value(choice.name, row), widest)

    def _on_tab(self, index: int) -> None:
        self.kind, self._longest = self.kinds[index], _NUMBER
        self._refresh()
        self._fit_columns()

    def _on_columns(self) -> None:
        self._refresh()
        self._fit_columns()

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if not self._following and self._rows_are_units and current.isValid():
            self.location_requested.emit(self._location.moved(unit=current.row()))

    def _on_activated(self, index: QModelIndex) -> None:
        """Request the explanation of a value; for a feature of an upper layer, of its source below."""
        if self._result is None:
            return
        where, row = self._location, index.row()
        match self.kind:
            case "hidden" | "gradient":
                place = quantity_place(where.moved(unit=row), self._quantity_of(index.column()))
            case "cell":
                place = Place.at("c", where.moved(unit=row))
            case "h0" | "c0":
                network = self._result.inputs.network
                place = entry_place(network, self.kind, (state_row(network, where), where.sample, row))
            case "input":
                names = self._result.inputs.names.of_sample(where.sample)
                place = Place(INPUT_VALUES, (where.timestep, where.sample, row), names=names)
                if where.layer > 0:
                    direction, unit = divmod(row, self._result.inputs.network.output_size)
                    below = where.moved(layer=where.layer - 1, direction=direction, unit=unit)
                    self.location_requested.emit(below)
                    place = Place.at("h", below)
        self.explanation_requested.emit(place)

    def _quantity_of(self, column: int) -> Quantity:
        """Quantity of a column: a gate's or a gradient's name, or "value"."""
        place = column - (self.model.columnCount() - len(self._added))
        if place >= 0:
            return self._added[place].name
        return "grad.h" if self.kind == "gradient" else "value"

    def _row_tip(self, row: int) -> str:
        """Tooltip of a row with all numbers in full precision."""
        difference = None if self._vector is None else self._vector.difference
        if difference is None:
            return self.model.described(row)
        state = "mismatch" if difference.mismatched[row] else "within the tolerance"
        return f"{self.model.described(row)}\nerror ratio: {number_format.error(difference.error_ratio[row])} ({state})"

    def _on_stepped(self, by: int) -> None:
        if self._result is not None:
            self.location_requested.emit(
                self._location.moved(timestep=self._location.timestep + by).within(self._result.shape)
            )

    def _fit_columns(self) -> None:
        self._fitted = self.model.widest()
        self.table.fit()


def _columns(
    vector: Vector,
    unit: str,
    compared: tuple[str, str],
    names: Sequence[str],
    gates: Sequence[Column],
    longest: str,
    *,
    marks: bool,
) -> list[Column]:
    """Columns of a vector, whose rows are its indices: name, value of each engine, difference, `gates`.

    `unit` names the components, and `names` optionally each of them. `compared` is the reference and the candidate.
    `longest` is as wide as any value. `marks`: whether any vector of the run has a mark.
    """
    reference, candidate = compared
    difference = vector.difference

    def named(row: int, most: int | None = None) -> str:
        name = visible(names[row]) if row < len(names) else ""
        return f"{row} {name if most is None else shortened(name, most)}".rstrip()

    def marked(look: Look, otherwise: Look = PLAIN) -> Looks:
        return lambda row: look if difference is not None and difference.mismatched[row] else otherwise

    # The mark takes the room of two digits and a half. A long name is cut short where it must be, never a number.
    widest_row = f"{'000' * marks}{len(vector) - 1} " + "0" * min(max(map(len, names), default=0), _SHORT_NAME)
    columns = [
        Column(
            unit,
            lambda row: named(row, _SHORT_NAME),
            named,
            right=True,
            look=marked(_MISMATCHED_UNIT, _MUTED),
            why=f"Index of the {unit}, from 0.",
            widest=max(unit, widest_row.rstrip(), key=len),
        )
    ]
    for place, (engine, values) in enumerate(vector.columns):
        # Only the candidate's value is marked: the reference's and those of other engines are not compared.
        look = marked(_MISMATCH if place == 1 else PLAIN)
        title, why = display_name(engine), f"Values of {engine}."
        columns.append(_value_column(title, engine, why, values.__getitem__, longest, look))
    if difference is not None:
        columns += _difference_columns(difference, reference, candidate, marked(_MISMATCH))
    return [*columns, *gates]


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


def _difference_columns(difference: Difference, reference: str, candidate: str, look: Looks) -> tuple[Column, Column]:
    def exact_ulp(row: int) -> str:
        distance = int(difference.ulp[row])
        return number_format.ulp(distance) if distance == number_format.UNDEFINED_ULP else str(distance)

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
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        self.setMenu(self._menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)

    @property
    def chosen(self) -> tuple[GateQuantity, ...]:
        """The selected columns that the current cell has."""
        return tuple(choice for choice in self._offered if choice.name in self._chosen)

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

    def pop_up(self, place: QPoint) -> None:
        self._menu.popup(place)

    def _fill(self) -> None:
        self._menu.clear()
        group = ""
        for choice in self._offered:
            if choice.group != group:
                group = choice.group
                self._menu.addSection(group)
            action = self._menu.addAction(choice.text)
            action.setCheckable(True)
            action.setChecked(choice.name in self._chosen)
            action.setToolTip(f"{choice.menu_title.capitalize()}, next to each unit's h.")
            action.triggered.connect(lambda wanted, name=choice.name: self.choose(name, wanted=wanted))
