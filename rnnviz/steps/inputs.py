"""Inputs of an engine's step: its own layer input and previous hidden states, which a recording may lack."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer
from rnnviz.cells.interpreters.running_error import BoundedArray, storage_bound
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace

Samples: TypeAlias = slice | NDArray[np.intp]
"""Which samples are read: a slice, or their indices."""


def layer_input(inputs: Inputs, trace: Trace, layer: int, times: slice, samples: Samples) -> FloatArray:
    """(B, S, I): the sequence, or what the engine itself computed in the layer below."""
    if layer == 0:
        return inputs.sequence[times][:, samples]
    below = [np.asarray(lane[times])[:, samples] for lane in trace.hidden[layer - 1]]
    return np.concatenate(below, axis=-1)


def followed(inputs: Inputs, trace: Trace, layer: int, direction: int) -> range:
    """The time steps of a lane whose step can be followed: a recording has what it reads and gives. One that lacks
    vectors of a lane has no two that follow each other; a cell state needs every step before."""
    timesteps = inputs.timesteps
    start, stop = 0, timesteps
    lanes = [(layer, direction), *((layer - 1, below) for below in range(inputs.network.directions) if layer)]
    for place, lane in enumerate(lanes):
        recorded = trace.recorded(*lane)
        if len(recorded) < timesteps and (place == 0 or inputs.network.kind.has_cell_state):
            return range(0)
        start, stop = max(start, recorded.start), min(stop, recorded.stop)
    return range(start, max(start, stop))


def previous_hidden(
    inputs: Inputs, trace: Trace, layer: int, direction: int, times: slice, samples: Samples
) -> FloatArray:
    """(B, S, H): the engine's own hidden state before each step; before the first one, the initial state."""
    return previous_state(inputs, trace, "h", layer, direction, times, samples)


def previous_state(
    inputs: Inputs, trace: Trace, symbol: str, layer: int, direction: int, times: slice, samples: Samples
) -> FloatArray:
    """(B, S, H): a stored state before each step; before the first one, the initial state."""
    lane = trace[trace.stored(symbol) or symbol][layer, direction]
    initial = inputs.initial_state[symbol]
    h0 = initial[layer * inputs.network.directions + direction][samples][np.newaxis]
    if inputs.network.backward(direction):
        after = np.asarray(lane[times.start + 1 : times.stop + 1])[:, samples]
        before = np.concatenate([after, h0]) if times.stop == len(lane) else after
        if inputs.lengths:
            # Each sample starts at its own length - 1.
            starts = np.asarray(inputs.lengths)[samples] - 1 - times.start
            (here,) = np.nonzero((starts >= 0) & (starts < len(before)))
            before = np.array(before)
            before[starts[here], here] = h0[0, here]
        return before
    if times.start == 0:
        return np.concatenate([h0, np.asarray(lane[: times.stop - 1])[:, samples]])
    return np.asarray(lane[times.start - 1 : times.stop - 1])[:, samples]


def recorded(trace: Trace, value: FloatArray, eps: float) -> BoundedArray:
    """Values that an engine computed and stored, with both roundings."""
    value = np.asarray(value, np.float64)
    return BoundedArray(value, eps * np.abs(value) + storage_bound(value, trace.stored_as), eps)


def read_states(block: BoundedBlock, trace: Trace, states: Mapping[str, FloatArray], eps: float) -> None:
    """Let the steps of a block read states (B, S, U) that an engine computed and stored."""
    for node in block.graph.nodes:
        if node.op == "state" and node.name in states:
            block.known[node] = recorded(trace, states[node.name], eps)


def rounded_once(trace: Trace, d: BoundedArray) -> BoundedArray:
    """A gradient of an output with the rounding of a recording in another type than that of the loss gradient."""
    if not (trace.precision or trace.computed_in):
        return d
    return BoundedArray(d.value, d.bound + d.eps * np.abs(d.value), d.eps)


def bounded_layer(
    inputs: Inputs, trace: Trace, layer: int, direction: int, units: NDArray[np.intp] | None
) -> BoundedLayer:
    """The parameters of some units of a lane, or of all, in the precision in which the engine computes and stores."""
    p = inputs.of_engine(trace.engine).parameters.layer(layer, direction)
    x_stored_as = trace.stored_as if layer else ""
    return BoundedLayer(inputs.network.kind, vars(p), units, trace.eps, trace.stored_as, x_stored_as, trace.half)
