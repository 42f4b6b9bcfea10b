"""View of the selected vector: the values of every engine, and the inputs of the time step."""

from collections.abc import Sequence

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QSignalBlocker, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QTabBar, QVBoxLayout, QWidget

from rnnviz.core.axis_labels import timestep_in_words
from rnnviz.core.indexing import initial_text, input_text, lane_text, passage_text
from rnnviz.core.trace_index import Location
from rnnviz.explain.provenance import CellPlace, InitialPlace, InputPlace, Place, quantity_place
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.column_menu import ColumnMenuButton
from rnnviz.gui.views.elided_label import ElidedLabel
from rnnviz.gui.views.highlight_table import HighlightTable
from rnnviz.gui.views.vector_model import VectorModel
from rnnviz.quantities.gate_lanes import GateVectors
from rnnviz.quantities.traversal import Region, highlighted_rows
from rnnviz.quantities.vectors import VectorKind, kinds_at, vector_at
from rnnviz.verify.result import RunResult

_TABS: dict[VectorKind, tuple[str, str]] = {
    "hidden": ("Hidden", "The hidden state h of this step."),
    "cell": ("Cell", "The cell state c of this step, if the engine returns it."),
    "input": ("Input", "Input of this step: x, or the output of the layer below."),
    "h0": ("h0", "The initial hidden state, read only by a lane's first step."),
    "c0": ("c0", "The initial cell state, read only by a lane's first step."),
}

_TAB = "tab "
"""Prefix of a vector's name in the saved state."""

_MARGIN = 6
_SHORT_NAME = 14
"""Characters of a time step's label that leave room for the rest of the heading."""


class VectorTable(ResultView):
    """A heading with the selection, tabs for its vectors, and one vector as a table."""

    title = "Selected vector"

    def __init__(self, settings: Settings | None = None, parent: QWidget | None = None) -> None:
        """`settings` store the added columns."""
        super().__init__(parent)
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self._location = Location()
        self._kind: VectorKind = "hidden"
        self._kinds: tuple[VectorKind, ...] = ()
        self._following = False
        self._fitted: list[str] = []
        self._gates: GateVectors | None = None
        self._highlighted: Sequence[Region] = ()

        self._heading = ElidedLabel("No hidden state yet", bold=True, selectable=True)
        self._passage = ElidedLabel(selectable=True)
        self._empty = QLabel("A run (F5) shows the selected hidden state of every engine.")
        self._empty.setWordWrap(True)
        self._tabs = QTabBar()
        self._tabs.setAccessibleName("Which vector")
        self._tabs.setToolTip("Selects which vector of this step the table lists.")
        self._tabs.setDrawBase(False)
        self._tabs.setExpanding(False)
        self._tabs.setUsesScrollButtons(False)
        self._tabs.currentChanged.connect(self._on_tab)
        self.model = VectorModel()
        self.table = HighlightTable()
        self.table.setModel(self.model)
        self.table.setAccessibleName(self.title)
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.table.activated.connect(self._on_activated)
        self.table.stepped.connect(self._on_stepped)
        self.columns = ColumnMenuButton(settings)
        self.columns.changed.connect(self._on_columns)
        for part in (self.table, self.table.horizontalHeader()):
            part.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
            part.customContextMenuRequested.connect(
                lambda place, part=part: self.columns.pop_up(part.mapToGlobal(place))
            )

        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        layout.setSpacing(2)
        layout.addWidget(self._heading)
        layout.addWidget(self._passage)
        layout.addWidget(self._empty)
        layout.addSpacing(4)
        above = QHBoxLayout()
        above.setContentsMargins(0, 0, 0, 0)
        above.setSpacing(0)
        above.addWidget(self._tabs)
        above.addStretch()
        above.addWidget(self.columns)
        layout.addLayout(above)
        layout.addWidget(self.table, 1)
        layout.addStretch()
        self.show_result(None, None)

    @property
    def heading(self) -> str:
        """Description of the shown vector."""
        return self._heading.text()

    @property
    def passage(self) -> str:
        """Sentence on the inputs and readers of the vector, or how to get a result."""
        return (self._empty if self._result is None else self._passage).text()

    @property
    def kinds(self) -> tuple[VectorKind, ...]:
        """The vectors of the selection, in the order of the tabs."""
        return self._kinds

    def choose(self, kind: VectorKind) -> None:
        """Show another vector of the selection."""
        self._tabs.setCurrentIndex(self._kinds.index(kind))

    def copy_text(self) -> str:
        """The selected rows, or all rows, in full precision."""
        return self.table.copy_text() if self._result is not None else ""

    def save_state(self) -> tuple[str, ...]:
        return (_TAB + self._kind, *(choice.name for choice in self.columns.chosen))

    def restore_state(self, choices: Sequence[str]) -> None:
        self.columns.choose_these([word for word in choices if not word.startswith(_TAB)])
        for kind in self._kinds:
            if _TAB + kind in choices:
                self.choose(kind)

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is not self._result:
            self._gates = None if result is None else GateVectors(result)
        self._result, self._candidate = result, candidate
        for widget in (self._passage, self._tabs, self.table, self.columns):
            widget.setVisible(result is not None)
        self._empty.setVisible(result is None)
        if result is not None:
            self._location = self._location.within(result.shape)
            self.columns.show_cell(result.config.network.kind)
        self._refresh()
        self._fit_columns()

    def show_location(self, location: Location) -> None:
        self._location, before = location, self.model.columnCount()
        self._refresh()
        # A recording that lacks this vector has no column of it.
        if self.model.columnCount() != before:
            self._fit_columns()

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        self._highlighted = highlighted
        self._frame()

    def apply_theme(self, theme: Theme) -> None:
        palette = theme.palette()
        palette.setColor(palette.ColorRole.WindowText, theme.color("muted"))
        for label in (self._passage, self._empty):
            label.setPalette(palette)
        self.table.apply_theme(theme)
        self.model.apply_theme(theme)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._result is not None:
            self._show_passage(self._result)

    def _refresh(self) -> None:
        result = self._result
        if result is None:
            self._heading.setText("No hidden state yet")
            self.model.show_vector(None, "unit", ("", ""))
            return
        network, where = result.inputs.network, self._location
        self._show_kinds(kinds_at(result, where))
        lane = lane_text(network, where).capitalize()
        names = result.inputs.names
        self._heading.setText(f"{lane}, {timestep_in_words(names, where.timestep, _SHORT_NAME)}, sample {where.sample}")
        self._show_passage(result)
        reads_x = self._kind == "input" and where.layer == 0
        component = "feature" if reads_x else "unit"
        vector = vector_at(result, self._candidate, where, self._kind)
        self._following = True
        self.model.show_vector(
            vector, component, (result.reference.engine, self._candidate or ""), names.features if reads_x else ()
        )
        beside = self._kind == "hidden" and self._gates is not None
        added = self.columns.chosen if beside else ()
        self.model.show_gates(self._gates.at(where) if added and self._gates is not None else None, added)
        self.columns.setEnabled(beside)
        if self.model.widest() != self._fitted:
            self._fit_columns()
        self._choose_row()
        self._following = False
        self._frame()

    def _show_passage(self, result: RunResult) -> None:
        """Show the passage, in a shorter form if it does not fit."""
        text = self._passage_text(result, brief=False)
        self._passage.explain(text)
        if self._passage.fontMetrics().horizontalAdvance(text) > self.width() - 2 * _MARGIN:
            text = self._passage_text(result, brief=True)
        self._passage.setText(text)

    def _passage_text(self, result: RunResult, *, brief: bool) -> str:
        network, where = result.inputs.network, self._location
        if self._kind in ("h0", "c0"):
            return f"{initial_text(network, where, cell=self._kind == 'c0')}, read by this step"
        if self._kind == "input" and where.layer == 0:
            return f"the input x = {input_text(network, where)}, read by layer 0"
        if self._kind == "input":
            both = "forward, then backward direction, " if network.bidirectional else ""
            return f"the output of layer {where.layer - 1} at t = {where.timestep}, {both}read by layer {where.layer}"
        return passage_text(network, where, result.shape[2], brief=brief)

    def _frame(self) -> None:
        result = self._result
        rows = (
            highlighted_rows(self._highlighted, result.inputs.network, result.shape[2], self._location, self._kind)
            if result
            else []
        )
        self.table.show_highlight(rows)

    def _show_kinds(self, kinds: tuple[VectorKind, ...]) -> None:
        if kinds == self._kinds:
            return
        self._kinds = kinds
        if self._kind not in kinds:
            self._kind = "hidden"
        with QSignalBlocker(self._tabs):
            while self._tabs.count():
                self._tabs.removeTab(0)
            for kind in kinds:
                text, why = _TABS[kind]
                self._tabs.setTabToolTip(self._tabs.addTab(text), why)
            self._tabs.setCurrentIndex(kinds.index(self._kind))

    def _choose_row(self) -> None:
        """Select the row of the selected unit. Rows selected for copying stay while the unit stays."""
        selection = self.table.selectionModel()
        if self._kind == "input":
            selection.clear()
            return
        if self.table.currentIndex().row() == self._location.unit and selection.hasSelection():
            return
        index = self.model.index(self._location.unit, 0)
        flags = QItemSelectionModel.SelectionFlag
        selection.setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
        self.table.scrollTo(index)

    def _on_tab(self, index: int) -> None:
        self._kind = self._kinds[index]
        self._refresh()
        self._fit_columns()

    def _on_columns(self) -> None:
        self._refresh()
        self._fit_columns()

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if not self._following and self._kind != "input" and current.isValid():
            self.location_requested.emit(self._location.moved(unit=current.row()))

    def _on_activated(self, index: QModelIndex) -> None:
        """Request the explanation of a value; for a feature of an upper layer, of its source below."""
        if self._result is None:
            return
        where, row = self._location, index.row()
        match self._kind:
            case "hidden":
                place: Place = quantity_place(where.moved(unit=row), self.model.quantity_of(index.column()))
            case "cell":
                place = CellPlace(where.moved(unit=row))
            case "h0" | "c0":
                place = InitialPlace(
                    self._kind[0], where.layer, where.direction, where.sample, row, reverse=where.reverse
                )
            case "input":
                place = InputPlace(where.timestep, where.sample, row, self._result.inputs.names)
                if where.layer > 0:
                    direction, unit = divmod(row, self._result.inputs.network.output_size)
                    place = where.moved(layer=where.layer - 1, direction=direction, unit=unit)
                    self.location_requested.emit(place)
        self.explanation_requested.emit(place)

    def _on_stepped(self, by: int) -> None:
        if self._result is not None:
            self.location_requested.emit(
                self._location.moved(timestep=self._location.timestep + by).within(self._result.shape)
            )

    def _fit_columns(self) -> None:
        self._fitted = self.model.widest()
        self.table.fit_columns(self._fitted, tuple(range(1, self.model.columnCount())))
