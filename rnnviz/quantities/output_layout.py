"""Layout of `out` and `state`: each part with its lane and time step."""

from collections.abc import Sequence
from dataclasses import dataclass

from rnnviz.core.config import Network
from rnnviz.core.indexing import out_columns, out_index, out_text, state_text
from rnnviz.core.trace_index import ARROWS, Location
from rnnviz.verify.invariants import lanes


@dataclass(frozen=True)
class MapPart:
    """A vector in an array: its location, label, and features in the array."""

    where: Location
    text: str
    label: str
    array: str = "h"


@dataclass(frozen=True)
class MapRow:
    """One array of one sample: `out` at a time step, or the final states h or c of all lanes, in the array's order."""

    name: str
    why: str
    parts: tuple[MapPart, ...]


def map_rows(network: Network, here: Location, timesteps: int) -> tuple[MapRow, ...]:
    """`out` at the time step and sample of `here`, state[0], and of an LSTM state[1]."""
    top = network.num_layers - 1
    out = tuple(
        MapPart(where, out_text(network, where), _features(network, direction))
        for direction in range(network.directions)
        for where in (Location(top, direction, here.timestep, here.sample, reverse=network.reverse),)
    )
    rows = [MapRow(out_index(network, here), "Output of the network at the selected time step: the top layer.", out)]
    for cell, array in enumerate(network.kind.state_symbols):
        parts = tuple(
            MapPart(last, state_text(network, last, cell=cell), str(index), array)
            for index, last in enumerate(sorted(lanes(network, timesteps, here.sample)))
        )
        what = {"h": "hidden states", "c": "cell states"}.get(array, f"states {array}")
        why = f"The final {what}, one of each layer and direction."
        rows.append(MapRow(f"state[{cell}]", why, parts))
    return tuple(rows)


def nearest_part(rows: Sequence[MapRow], part: MapPart) -> MapPart | None:
    """The part that is where one was before the arrays changed; None if there are no arrays any more."""
    parts = [other for row in rows for other in row.parts]
    same = [other for other in parts if other.text == part.text]
    lane = [other for other in parts if (other.label, other.array) == (part.label, part.array)]
    return next(iter(same or lane or parts), None)


def lane_label(network: Network, where: Location) -> str:
    """A lane in little room: "layer 1 ←"."""
    return f"layer {lane_number(network, where)}"


def lane_number(network: Network, where: Location) -> str:
    """A lane under a heading that says layer: "1 ←"."""
    several = network.bidirectional or network.reverse
    return f"{where.layer} {ARROWS[network.backward(where.direction)]}" if several else f"{where.layer}"


def _features(network: Network, direction: int) -> str:
    columns = out_columns(network, direction)
    return f"[{columns.start or ''}:{columns.stop}]" if network.bidirectional else f"[:{columns.stop}]"
