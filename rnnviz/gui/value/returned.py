"""The places of hidden states in the output, in the final and in the initial state, as code indexes them."""

import numpy as np

from rnnviz.core.config import Network
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location, state_row
from rnnviz.frozen import dataclass


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
        source = StoredVector("h", last, f"hidden, t = {last.timestep}")
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
