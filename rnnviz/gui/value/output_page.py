"""Page of the value card with the place of the selected value in the output and in the final state."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QModelIndex, QObject, QSignalBlocker, Signal
from PySide6.QtWidgets import QLabel, QWidget

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.masks import Mask, is_masked
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.naming import named
from rnnviz.gui.regions import Region, is_highlighted, lane_label, vector_region
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.value.returned import (
    StoredVector,
    in_out,
    lanes,
    out_columns,
    out_index,
    places,
    state_text,
    values_at,
)
from rnnviz.gui.value.rows import MARGIN, MASKED
from rnnviz.gui.views.base import across, down
from rnnviz.gui.views.labels import muted_palette
from rnnviz.results.columns import Column
from rnnviz.verify.result import RunResult

_SHOWN = 8
"""Number of values in a row."""
NOT_AVAILABLE = "not available"
"""Text for an engine without numbers."""

_WHY = {
    "out": "The slice of the output with this hidden state.",
    "h": "The last hidden state of this layer. The output contains only the top layer.",
    "state.h": "The final hidden state: state[0].",
    "state.c": "The final cell state of an LSTM: state[1].",
}


@dataclass(frozen=True)
class StateRow:
    """A vector of a lane's final state. The `first` one of a lane has the lane's name."""

    place: StoredVector
    lane: str
    first: bool


class OutputPage(QWidget):
    """Where code finds the selected value, and a table of the final states of all lanes."""

    location_requested = Signal(object)
    highlight_requested = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._location = Location()
        self._asked: tuple[Region, ...] = ()
        self._highlighted: Sequence[Region] = ()
        self._masks: Sequence[Mask] = ()
        self.in_output, self.in_state = QLabel(), QLabel()
        heading = QLabel("<b>Final states</b>")
        self.engine_box = ElidedComboBox("Final states of", "Engine whose final states are listed.", 12)
        self.engine_box.currentIndexChanged.connect(self._refresh)
        columns = (
            Column("lane", self._lane, lambda row: row.lane),
            Column("place", lambda row: named(row.place.text), lambda row: row.place.text),
            Column("values", self._values_text, self._all_values, grows=True, number=False, widest="-0.000 -0.000"),
        )
        self.model = TableModel(columns, tip=self._tip)
        self.table = Table(self.model, "Final states")
        self.table.viewport().installEventFilter(self)
        self.table.clicked.connect(self._go)
        self.table.activated.connect(self._go)
        self.table.entered.connect(self._point)
        self.table.selectionModel().currentRowChanged.connect(lambda current, _: self._point(current))
        for label in (self.in_output, self.in_state):
            label.setWordWrap(True)
        parts = self.in_output, self.in_state, 6, across(heading, None, self.engine_box), (self.table, 1)
        self.setLayout(down(*parts, margins=(MARGIN, 0, MARGIN, MARGIN), spacing=6))

    @property
    def summary(self) -> str:
        """The places of the selected value, or why it has none."""
        return "\n".join(label.text() for label in (self.in_output, self.in_state))

    @property
    def engine(self) -> str:
        return self.engine_box.currentData() or ""

    def show_masked(self, masks: Sequence[Mask]) -> None:
        self._masks = masks
        self.model.refresh()

    def show_result(self, result: RunResult | None) -> None:
        self._result = result
        names = [] if result is None else list(result.traces)
        if names != [self.engine_box.itemData(place) for place in range(self.engine_box.count())]:
            with QSignalBlocker(self.engine_box):
                self.engine_box.clear()
                for name in names:
                    self.engine_box.addItem(display_name(name), name)
        self.engine_box.setVisible(len(names) > 1)
        if result is not None:
            self._location = self._location.within(result.shape)
        self._refresh()

    def show_location(self, location: Location) -> None:
        if location != self._location:
            other_sample = location.sample != self._location.sample
            self._location = location
            if other_sample:
                self._refresh()
            else:
                self._show_places()

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        self._highlighted = highlighted
        if highlighted != self._asked:
            self._asked = ()
        rows = [range(at, at + 1) for at, row in enumerate(self.model.rows) if self._is_highlighted(row)]
        self.table.show_highlight(rows)

    def apply_theme(self, theme: Theme) -> None:
        self.table.apply_theme(theme)
        for label in (self.in_output, self.in_state):
            label.setPalette(muted_palette(theme))
        # Other names of arrays come with the theme, too.
        self._refresh()

    def _refresh(self) -> None:
        result, where = self._result, self._location
        rows: list[StateRow] = []
        if result is not None:
            network = result.inputs.network
            for last in lanes(network, result.inputs.length(where.sample), where.sample):
                found = places(network, last)
                lane = lane_text(network, last)
                rows += [StateRow(place, lane, first=place is found[0]) for place in found]
        self.model.show_rows(rows, keep=True)
        self.table.fit()
        self._show_places()

    def _show_places(self) -> None:
        """Say where code finds the selected value."""
        result, where = self._result, self._location
        if result is None:
            return
        network = result.inputs.network
        code = f"style='font-family:\"{code_font().families()[0]}\"'"
        first = out_columns(network, where.direction).start
        output = "Not in the output, which has only the top layer."
        if in_out(network, where):
            output = f"In the output: <span {code}>{named(out_index(network, where))}[{first + where.unit}]</span>"
        last = result.inputs.places.last_steps(where.direction)[0][where.sample]
        state = f"Not in the final state, which is the one of t = {last}."
        if where.timestep == last:
            state = f"In the final state: <span {code}>{named(state_text(network, where))}[{where.unit}]</span>"
        self.in_output.setText(output)
        self.in_state.setText(state)

    # Rows

    def _lane(self, row: StateRow) -> str:
        """The lane of its first row in little room: "layer 1 ←"."""
        if not row.first or self._result is None:
            return ""
        return lane_label(self._result.inputs.network, row.place.where)

    def _values(self, row: StateRow) -> FloatArray | None:
        if self._result is None:
            return None
        return values_at(self._result[self.engine], self._result.inputs.network, row.place)

    def _texts(self, row: StateRow, count: int | None = None) -> list[str]:
        values = self._values(row)
        if values is None:
            return []
        write = number_format.full if count is None else number_format.short
        array, where = row.place.array.removeprefix("state."), row.place.where
        array = "h" if array == "out" else array
        return [
            MASKED if is_masked(self._masks, Place.at(array, where.moved(unit=unit))) else write(value)
            for unit, value in enumerate(values[:count])
        ]

    def _values_text(self, row: StateRow) -> str:
        return number_format.true_minus(" ".join(self._texts(row, _SHOWN))) or NOT_AVAILABLE

    def _all_values(self, row: StateRow) -> str:
        return "\t".join(self._texts(row)) or NOT_AVAILABLE

    def _tip(self, row: StateRow) -> str:
        final = f"The final state is the one at t = {row.place.where.timestep}."
        return named(f"{row.lane.capitalize()}. {final} {_WHY[row.place.array]}\nClick to go there.")

    def _go(self, index: QModelIndex) -> None:
        """Request the location of a row."""
        where = self.model.row(index.row()).place.where
        self.location_requested.emit(
            self._location.moved(layer=where.layer, direction=where.direction, timestep=where.timestep)
        )

    # Highlights

    def _region(self, row: StateRow) -> Region | None:
        if self._result is None:
            return None
        array = row.place.array == "state.c"
        return vector_region(self._result.inputs.network, row.place.where, array="c" if array else "h")

    def _is_highlighted(self, row: StateRow) -> bool:
        return is_highlighted(self._highlighted, row.place.where, "c" if row.place.array == "state.c" else "h")

    def _point(self, index: QModelIndex) -> None:
        """Highlight the vector of a row in all views."""
        region = self._region(self.model.row(index.row())) if index.isValid() else None
        self._highlight(() if region is None else (region,))

    def _highlight(self, highlighted: tuple[Region, ...]) -> None:
        """Request highlights. Clears only highlights that this page requested."""
        if highlighted or self._asked:
            self._asked = highlighted
            self.highlight_requested.emit(highlighted)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Leave, QEvent.Type.FocusOut):
            self._highlight(())
        return super().eventFilter(watched, event)
