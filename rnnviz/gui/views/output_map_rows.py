"""Rows of the map from final states to `out`: a time axis for each lane, then the vectors of its final state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, Qt, Signal

from rnnviz.core import number_format as numbers
from rnnviz.core.indexing import lane_text
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.gui.naming import named
from rnnviz.gui.views.table import AnyIndex
from rnnviz.quantities.steps import Region, is_highlighted, lane_region, vector_region
from rnnviz.verify.compare import tolerances
from rnnviz.verify.invariants import Agreement, Place, agreement, lanes, places, values_at
from rnnviz.verify.result import RunResult

_ROOT = QModelIndex()
_IN_TOOLTIP = 8

NOT_AVAILABLE = "not available"
"""Text for an engine without numbers."""

_WHY = {
    "out": "The slice of the output with this hidden state.",
    "h": "The last hidden state of this layer. The output contains only the top layer.",
    "state.h": "The final hidden state: state[0].",
    "state.c": "The final cell state of an LSTM: state[1].",
}


@dataclass(frozen=True)
class LaneRow:
    """A lane's title and time axis. `last` is its last computed step."""

    last: Location
    title: str


@dataclass(frozen=True)
class PlaceRow:
    """A final state in `out` or `state`. `tie` is "first" or "second" of two that must be equal, else empty."""

    place: Place
    tie: str


Row = LaneRow | PlaceRow


class OutputMapRows(QAbstractListModel):
    """Reads the numbers of a row when it is drawn, so that a deep network costs no more than its visible rows."""

    mark_changed = Signal(int)
    """The selection mark of a row changed. `dataChanged` would measure every row again."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self.location = Location()
        self._result: RunResult | None = None
        self._trace: Trace | None = None
        self._shown: tuple[Any, ...] | None = None
        self._agreements: dict[Location, Agreement] = {}
        self._highlighted: Sequence[Region] = ()

    @property
    def timesteps(self) -> int:
        """T."""
        return 0 if self._result is None else self._result.shape[2]

    def show_rows(self, result: RunResult | None, engine: str, location: Location) -> None:
        """Show the final states of one engine for the location's sample."""
        shown = (result, engine, location.sample)
        if shown == self._shown:
            self._move(location)
            return
        self.location = location
        self.beginResetModel()
        self._shown, self._result = shown, result
        self._trace = None if result is None else result[engine]
        self._agreements.clear()
        self.rows = [] if result is None else _rows(result, location.sample)
        self.endResetModel()

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            if isinstance(row, LaneRow):
                return f"{row.title}, final state and {self._other(row)}: {self.agreement(row)}"
            here = ", selected" if self.is_selected(row) else ""
            return f"{named(row.place.text)} = {self.numbers(row, _IN_TOOLTIP)}{here}"
        if role == Qt.ItemDataRole.ToolTipRole:
            if isinstance(row, LaneRow):
                found, final = self.agreement(row), f"The final state is the one at t = {row.last.timestep}."
                worst = f"\nThe two {found}, the most in unit {found.unit}." if found.verdict == "different" else ""
                return f"{row.title}. {final}{worst}\nClick the axis to go to a time step."
            values = self.values(row)
            shown = [] if values is None else [numbers.full(value) for value in values[:_IN_TOOLTIP]]
            more = "" if values is None or len(values) <= _IN_TOOLTIP else ", …"
            return named(f"{_WHY[row.place.array]}\n{row.place.text} = {', '.join(shown)}{more}\nClick to go there.")
        return None

    def _move(self, location: Location) -> None:
        """Follow the selection, and report the rows whose mark changes."""
        before = [self.is_selected(row) for row in self.rows]
        moved = location.timestep != self.location.timestep
        self.location = location
        for place, (row, was) in enumerate(zip(self.rows, before, strict=True)):
            now = self.is_selected(row)
            if was != now or (now and moved and isinstance(row, LaneRow)):
                self.mark_changed.emit(place)

    def values(self, row: PlaceRow) -> FloatArray | None:
        """Values of a row, of shape (H,)."""
        if self._trace is None or self._result is None:
            return None
        return values_at(self._trace, self._result.inputs.network, row.place)

    def numbers(self, row: PlaceRow, count: int) -> str:
        """The first `count` values as text."""
        values = self.values(row)
        if values is None:
            return NOT_AVAILABLE
        shown = " ".join(numbers.short(value) for value in values[:count])
        return f"{shown} …" if len(values) > count else shown

    def agreement(self, row: LaneRow) -> Agreement:
        """Whether all copies of a lane's final state are equal."""
        if row.last not in self._agreements:
            assert self._trace is not None, "rows are there for a trace only"
            assert self._result is not None, "rows are there for a result only"
            rtol, atol = tolerances(self._result.config, self._trace)
            network = self._result.inputs.network
            self._agreements[row.last] = agreement(self._trace, network, row.last, rtol, atol)
        return self._agreements[row.last]

    def is_selected(self, row: Row) -> bool:
        """Whether the selection is in a row's lane, and for a vector also at its time step."""
        here = self.location
        where = row.last if isinstance(row, LaneRow) else row.place.where
        same_lane = (where.layer, where.direction) == (here.layer, here.direction)
        return same_lane and (isinstance(row, LaneRow) or where.timestep == here.timestep)

    def region(self, row: Row, timestep: int | None = None) -> Region | None:
        """Region of a row: a vector, one time step of a lane's axis, or the whole lane."""
        if self._result is None:
            return None
        network = self._result.inputs.network
        if isinstance(row, PlaceRow):
            return vector_region(network, row.place.where, array="c" if row.place.array == "state.c" else "h")
        if timestep is None:
            return lane_region(network, row.last.layer, row.last.direction, self.timesteps)
        return vector_region(network, row.last.moved(timestep=timestep))

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        before = [self.highlighted_times(row) for row in self.rows]
        self._highlighted = highlighted
        for place, row in enumerate(self.rows):
            if self.highlighted_times(row) != before[place]:
                self.mark_changed.emit(place)

    def highlighted_times(self, row: Row) -> list[range]:
        """Highlighted time steps of a lane's row, or of a vector's row its own if highlighted."""
        if isinstance(row, PlaceRow):
            where = row.place.where
            highlighted = is_highlighted(self._highlighted, where, "c" if row.place.array == "state.c" else "h")
            return [range(where.timestep, where.timestep + 1)] if highlighted else []
        return [
            range(max(region.times.start, 0), min(region.times.stop, self.timesteps))
            for region in self._highlighted
            if (region.lane.layer, region.lane.direction) == (row.last.layer, row.last.direction)
            and region.times.stop > 0
            and region.times.start < self.timesteps
        ]

    def text(self) -> str:
        """Every row with all its numbers, for copying."""
        lines = []
        for row in self.rows:
            if isinstance(row, PlaceRow):
                values = self.values(row)
                lines.append(
                    "\t".join([row.place.text, *(numbers.full(v) for v in (() if values is None else values))])
                )
        return "".join(f"{line}\n" for line in lines)

    def _other(self, row: LaneRow) -> str:
        assert self._result is not None, "rows are there for a result only"
        return places(self._result.inputs.network, row.last)[0].text


def _rows(result: RunResult, sample: int) -> list[Row]:
    network = result.inputs.network
    rows: list[Row] = []
    for last in lanes(network, result.shape[2], sample):
        rows.append(LaneRow(last, lane_text(network, last).capitalize()))
        rows += [
            PlaceRow(place, tie) for place, tie in zip(places(network, last), ("first", "second", ""), strict=False)
        ]
    return rows
