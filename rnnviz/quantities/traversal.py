"""Order of computation of a network: values that each step reads, computes and passes on."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core.config import Network
from rnnviz.core.indexing import carried_to, read_after, state_row
from rnnviz.core.trace_index import Location
from rnnviz.core.words import join_words
from rnnviz.quantities.highlights import Region, input_regions, previous_regions, state_regions, vector_region
from rnnviz.quantities.output_layout import lane_label, lane_number

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
