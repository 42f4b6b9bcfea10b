"""Order of computation of a network: values that each step reads, computes and passes on, as regions to highlight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core.config import Network
from rnnviz.core.indexing import carried_to, read_after, state_row
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.core.words import join_words
from rnnviz.quantities.vectors import VectorKind, lane_label, lane_number

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


Order: TypeAlias = Literal["lane", "layers"]
"""One lane alone, or all of them: layer by layer from the bottom, in each forward before backward."""

Stage: TypeAlias = Literal["read", "compute", "carry"]
STAGES: tuple[Stage, ...] = ("read", "compute", "carry")


@dataclass(frozen=True)
class Traversal:
    """The steps of a network in the order in which they are computed, from 0 on; backward lanes begin at T-1."""

    layers: int
    directions: int
    timesteps: int
    order: Order
    reverse: bool = False

    def count(self) -> int:
        """How many steps there are."""
        return self.timesteps * (1 if self.order == "lane" else self.layers * self.directions)

    def index_of(self, where: Location) -> int:
        """Which step a place is."""
        step = self.timesteps - 1 - where.timestep if self._backward(where.direction) else where.timestep
        if self.order == "lane":
            return step
        return (where.layer * self.directions + where.direction) * self.timesteps + step

    def at(self, index: int, here: Location) -> Location:
        """The place of a step, the nearest one beyond the ends; `here` gives the sample, the unit and the one lane."""
        lane, step = divmod(min(max(index, 0), self.count() - 1), self.timesteps)
        if self.order == "lane":
            layer, direction = here.layer, here.direction
        else:
            layer, direction = divmod(lane, self.directions)
        timestep = self.timesteps - 1 - step if self._backward(direction) else step
        return here.moved(layer=layer, direction=direction, timestep=timestep)

    def _backward(self, direction: int) -> bool:
        return self.reverse or direction == 1


def stage_regions(network: Network, where: Location, timesteps: int, stage: Stage) -> tuple[Region, ...]:
    """Highlighted regions of a stage of a step: values read, values computed, or values passed on."""
    if stage == "carry":
        after = carried_to(network, where, timesteps)
        left = state_regions(network, where, "carried")
        return left if after is None else (*left, vector_region(network, where.moved(timestep=after), "next"))
    read = *input_regions(network, where, "read"), *previous_regions(network, where, timesteps, "read")
    return read if stage == "read" else (*read, *state_regions(network, where, "computed"))


def stage_text(network: Network, where: Location, timesteps: int, stage: Stage) -> str:
    """Description of the stage, with indices in time: "reads x[t=3] and h[t=2] of layer 0 →"."""
    lane, t = lane_label(network, where), where.timestep
    states = network.kind.state_symbols
    if stage == "read":
        before = read_after(network, where, timesteps)
        initial = join_words([f"{symbol}0" for symbol in states], "and")
        state = initial if before is None else ", ".join(f"{symbol}[t={before}]" for symbol in states)
        return f"reads {_read_below(network, where)} and {state} of {lane}"
    if stage == "compute":
        symbols = [gate.symbol for gate in network.kind.gates]
        left = join_words([f"{symbol}[t={t}]" for symbol in (*states[1:], states[0])], "and")
        if symbols == ["h"]:
            return f"computes {left} of {lane}: {equations_of_all_units(network.kind)[0]}"
        return f"computes the gates {' '.join(symbols)}, and from them {left} of {lane}"
    after = carried_to(network, where, timesteps)
    names, verb = join_words([f"{symbol}[t={t}]" for symbol in states], "and"), "are" if len(states) > 1 else "is"
    if after is not None:
        return f"{names} of {lane} {verb} passed on to t = {after}"
    row = state_row(network, where)
    state = join_words([f"state[{place}][{row}]" for place in range(len(states))], "and")
    return f"{names} of {lane} {verb} returned as {state}"


def _read_below(network: Network, where: Location) -> str:
    t = where.timestep
    if where.layer == 0:
        return f"x[t={t}]"
    below = " and ".join(lane_number(network, Location(where.layer - 1, d)) for d in range(network.directions))
    return f"h[t={t}] of layer {below}"
