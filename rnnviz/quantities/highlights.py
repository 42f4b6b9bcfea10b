"""Highlighted regions of the unrolled network, which are the same in every view."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rnnviz.core.config import Network
from rnnviz.core.indexing import read_after
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.quantities.vectors import VectorKind

Part: TypeAlias = Literal["same", "read", "computed", "carried", "next"]
"""Reason of a highlight: the region is under the pointer, or a step reads, computes or passes on its values, or reads
them next."""


@dataclass(frozen=True)
class Region:
    """Some units of a lane over some time steps, as ranges without steps.

    The initial state is before the lane's first step: at -1, or backward at T. `array` is "h", which the lanes
    show by their values, or "c", the cell state of an LSTM.
    """

    lane: Lane
    times: range
    units: range
    part: Part = "same"
    array: Literal["h", "c"] = "h"


def vector_region(network: Network, where: Location, part: Part = "same", array: Literal["h", "c"] = "h") -> Region:
    """The whole hidden state, or cell state, of a step."""
    return Region(
        Lane(where.layer, where.direction),
        range(where.timestep, where.timestep + 1),
        range(network.hidden_size if array == "c" else network.output_size),
        part,
        array,
    )


def lane_region(network: Network, layer: int, direction: int, timesteps: int) -> Region:
    """All of a lane."""
    return Region(Lane(layer, direction), range(timesteps), range(network.output_size))


def input_regions(network: Network, where: Location, part: Part = "same") -> tuple[Region, ...]:
    """The layer input of a step: x, or the hidden states of the layer below at its time step."""
    if where.layer == 0:
        return (Region(INPUT, range(where.timestep, where.timestep + 1), range(network.input_size), part),)
    below = [where.moved(layer=where.layer - 1, direction=direction) for direction in range(network.directions)]
    return tuple(vector_region(network, place, part) for place in below)


def previous_regions(network: Network, where: Location, timesteps: int, part: Part = "same") -> tuple[Region, ...]:
    """The state that a step reads, h and for an LSTM c: that of the step before, or the initial one."""
    before = read_after(network, where, timesteps)
    if before is None:
        before = timesteps if network.backward(where.direction) else -1
    return state_regions(network, where.moved(timestep=before), part)


def state_regions(network: Network, where: Location, part: Part = "same") -> tuple[Region, ...]:
    """The state that a step leaves: h, and for an LSTM c."""
    arrays: tuple[Literal["h", "c"], ...] = ("h", "c") if network.kind.has_cell_state else ("h",)
    return tuple(vector_region(network, where, part, array) for array in arrays)


def highlighted_rows(
    lit: Sequence[Region], network: Network, timesteps: int, where: Location, kind: VectorKind
) -> list[range]:
    """Which components of a vector at a place are highlighted, of the vectors that `vector_at` gives."""
    at, lanes = where.timestep, {Lane(where.layer, where.direction): 0}
    array = "c" if kind in ("cell", "c0") else "h"
    if kind == "input":
        size = network.output_size
        below = {Lane(where.layer - 1, direction): direction * size for direction in range(network.directions)}
        lanes = {INPUT: 0} if where.layer == 0 else below
    if kind in ("h0", "c0"):
        at = timesteps if network.backward(where.direction) else -1
    return [
        range(region.units.start + lanes[region.lane], region.units.stop + lanes[region.lane])
        for region in lit
        if region.lane in lanes and region.array == array and at in region.times
    ]


def is_highlighted(lit: Sequence[Region], where: Location, array: str = "h") -> bool:
    """Whether any unit of a vector, h or c, is in one of the regions."""
    lane = Lane(where.layer, where.direction)
    return any(
        region.lane == lane and region.array == array and where.timestep in region.times and len(region.units) > 0
        for region in lit
    )
