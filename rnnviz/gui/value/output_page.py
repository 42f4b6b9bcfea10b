"""Page of the value card with the place of the selected value in the output and in the final state."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from PySide6.QtCore import QEvent, QModelIndex, QObject, QSignalBlocker, Signal
from PySide6.QtWidgets import QLabel, QWidget

from rnnviz.core import number_format
from rnnviz.core.config import Network
from rnnviz.core.engine_spec import display_name
from rnnviz.core.masks import Mask, is_masked
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location, lane_text, state_row
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.naming import named
from rnnviz.gui.regions import Region, is_highlighted, lane_label, vector_region
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.value.rows import MARGIN, MASKED
from rnnviz.gui.views.base import across, down
from rnnviz.gui.views.labels import muted_palette
from rnnviz.results.columns import Column
from rnnviz.verify.result import RunResult


def out_columns(network: Network, direction: int) -> slice:
    """The features of `out` that are a direction of the top layer."""
    size = network.output_size
    return slice(direction * size, (direction + 1) * size)


def in_out(network: Network, where: Location) -> bool:
    """Whether a place is part of `out`: only the top layer is."""
    return where.layer == network.num_layers - 1


def out_index(network: Network, where: Location) -> str:
    """`out` at a sample and timestep, with every feature, as the network's layout has it: "out[0][7]"."""
    rows = (where.sample, where.timestep) if network.layout == "NTC" else (where.timestep, where.sample)
    return f"out[{rows[0]}][{rows[1]}]"


def out_text(network: Network, where: Location) -> str:
    """The part of `out` that is a top layer's vector: "out[0][7]", or of one of two directions "out[0][7][10:20]"."""
    if not network.bidirectional:
        return out_index(network, where)
    size = network.output_size
    features = f"{size}:{2 * size}" if where.direction else f":{size}"
    return f"{out_index(network, where)}[{features}]"


def state_text(network: Network, where: Location, *, cell: int = 0) -> str:
    """The part of `state` of a lane and sample: "state[0][3][0]"; `cell` is 1 for c, 2 for the next state."""
    return f"state[{int(cell)}][{state_row(network, where)}][{where.sample}]"


def input_text(network: Network, where: Location) -> str:
    """The input of a step of the first layer, indexed in the layout of `out`: "dat[0][7]"."""
    return out_index(network, where).replace("out", "dat")


def initial_text(network: Network, where: Location, *, cell: bool = False) -> str:
    """The part of the initial state that a lane of one sample begins with: "initial_state[0][3][0]"."""
    return f"initial_{state_text(network, where, cell=cell)}"


@dataclass(frozen=True)
class StoredVector:
    """H numbers of one of a trace's arrays; `where` is the step that they belong to.

    `array` is "h", "out", "state.h" or "state.c".
    """

    array: str
    where: Location
    text: str

    @property
    def symbol(self) -> Literal["h", "c"]:
        """The symbol of the values: "h" or "c"."""
        return "c" if self.array == "state.c" else "h"

    @property
    def first(self) -> bool:
        """Whether it is the first one of its lane, which has the lane's name."""
        return not self.array.startswith("state")


def lanes(network: Network, timesteps: int, sample: int) -> list[Location]:
    """Last computed step of each lane, from the top layer down, forward first."""
    return [
        Location(layer, direction, 0 if network.backward(direction) else timesteps - 1, sample, reverse=network.reverse)
        for layer in reversed(range(network.num_layers))
        for direction in range(network.directions)
    ]


def places(network: Network, last: Location) -> list[StoredVector]:
    """Arrays with the hidden state of a lane's last step: out or hidden, `state` and, for an LSTM, the cell state."""
    if in_out(network, last):
        source = StoredVector("out", last, out_text(network, last))
    else:
        source = StoredVector("h", last, f"hidden, t = {last.timestep:,}")
    found = [source, StoredVector("state.h", last, state_text(network, last))]
    if network.kind.has_cell_state:
        found.append(StoredVector("state.c", last, state_text(network, last, cell=True)))
    return found


def values_at(trace: Trace, network: Network, place: StoredVector) -> FloatArray | None:
    """Values of an engine in one place. Returns an array (H,), optional: none if the trace lacks them."""
    where = place.where
    known = trace.holds(*where.index[:3]) if place.array == "h" else place.array not in trace.missing
    if place.array not in trace or not known:
        return None
    index: tuple[int | slice, ...] = state_row(network, where), where.sample
    if place.array == "out":
        index = where.timestep, where.sample, out_columns(network, where.direction)
    elif place.array == "h":
        index = where.index[:-1]
    return np.asarray(trace[place.array][index])


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
            Column("lane", self._lane, self._lane_name),
            Column("place", lambda row: named(row.text), lambda row: row.text),
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
        rows: list[StoredVector] = []
        if result is not None:
            network, length = result.inputs.network, result.inputs.length(where.sample)
            rows = [place for last in lanes(network, length, where.sample) for place in places(network, last)]
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
        state = f"Not in the final state, which is the one of t = {last:,}."
        if where.timestep == last:
            state = f"In the final state: <span {code}>{named(state_text(network, where))}[{where.unit}]</span>"
        self.in_output.setText(output)
        self.in_state.setText(state)

    # Rows

    @property
    def _shown(self) -> RunResult:
        assert self._result is not None, "a row is of a result"
        return self._result

    def _lane(self, row: StoredVector) -> str:
        """The lane of its first row in little room: "layer 1 ←"."""
        return lane_label(self._shown.inputs.network, row.where) if row.first else ""

    def _lane_name(self, row: StoredVector) -> str:
        return lane_text(self._shown.inputs.network, row.where)

    def _texts(self, row: StoredVector, count: int | None = None) -> list[str]:
        values = values_at(self._shown[self.engine], self._shown.inputs.network, row)
        write = number_format.full if count is None else number_format.short
        return [
            MASKED if is_masked(self._masks, Place.at(row.symbol, row.where.moved(unit=unit))) else write(value)
            for unit, value in enumerate(() if values is None else values[:count])
        ]

    def _values_text(self, row: StoredVector) -> str:
        return number_format.true_minus(" ".join(self._texts(row, _SHOWN))) or NOT_AVAILABLE

    def _all_values(self, row: StoredVector) -> str:
        return "\t".join(self._texts(row)) or NOT_AVAILABLE

    def _tip(self, row: StoredVector) -> str:
        final = f"The final state is the one at t = {row.where.timestep:,}."
        return named(f"{self._lane_name(row).capitalize()}. {final} {_WHY[row.array]}\nClick to go there.")

    def _go(self, index: QModelIndex) -> None:
        """Request the location of a row."""
        where = self.model.row(index.row()).where
        self.location_requested.emit(
            self._location.moved(layer=where.layer, direction=where.direction, timestep=where.timestep)
        )

    # Highlights

    def _region(self, row: StoredVector) -> Region:
        return vector_region(self._shown.inputs.network, row.where, array=row.symbol)

    def _is_highlighted(self, row: StoredVector) -> bool:
        return is_highlighted(self._highlighted, row.where, row.symbol)

    def _point(self, index: QModelIndex) -> None:
        """Highlight the vector of a row in all views."""
        self._highlight((self._region(self.model.row(index.row())),) if index.isValid() else ())

    def _highlight(self, highlighted: tuple[Region, ...]) -> None:
        """Request highlights. Clears only highlights that this page requested."""
        if highlighted or self._asked:
            self._asked = highlighted
            self.highlight_requested.emit(highlighted)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Leave, QEvent.Type.FocusOut):
            self._highlight(())
        return super().eventFilter(watched, event)
