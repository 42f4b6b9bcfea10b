"""Recomputation of one lane with a known bug, from the engine's own layer input and previous hidden states.

Taking the layer's input and every previous hidden state from the engine's own trace keeps lanes and steps apart: a
known bug is recognized from a few steps of each lane, however large the network and however chaotic.
"""

from dataclasses import dataclass

import numpy as np

from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.faults.engine import faulty_layer
from rnnviz.engines.faults.spec import Fault
from rnnviz.engines.layers import LayerTask


@dataclass(frozen=True)
class StepWindow:
    """The first steps of one lane in its order of computation: `steps` of them, for some of the samples."""

    layer: int
    direction: int
    steps: int
    samples: tuple[int, ...]


def expected_and_found(fault: Fault, inputs: Inputs, trace: Trace, part: StepWindow) -> tuple[FloatArray, FloatArray]:
    """Hidden states of the lane's first steps with the bug, and those in the trace, both (S, N, H)."""
    layer, direction = part.layer, part.direction
    network = inputs.network
    k = layer * network.directions + direction
    x, found = _layer_input(fault, inputs, trace, layer), trace.hidden[layer, direction]
    initial = zip(network.kind.state_symbols, inputs.initial_state.arrays, strict=True)
    state = {name: array[k] for name, array in initial}
    if fault.batch_as_time:
        x, found = x.swapaxes(0, 1), found.swapaxes(0, 1)
        places = np.arange(inputs.timesteps) % inputs.batch_size
        state = {name: array[places] for name, array in state.items()}
    samples = [sample for sample in part.samples if sample < x.shape[1]]
    read, stored = _first_steps(fault, len(x), part.steps, backward=network.backward(direction))
    x, found = np.asarray(x[read][:, samples]), np.asarray(found[stored][:, samples])
    hidden = np.empty_like(found)
    carried = found[::-1] if network.backward(direction) and fault.backward == "not_realigned" else found
    task = LayerTask(
        cell=network.kind,
        parameters=inputs.parameters.layer(layer, direction),
        x=np.ascontiguousarray(x),
        state={name: np.ascontiguousarray(array[samples]) for name, array in state.items()},
        series={"h": hidden},
        backward=network.backward(direction),
    )
    with np.errstate(all="ignore"):
        faulty_layer(fault, carried)(task, lambda _: None)
    return hidden, found


def _layer_input(fault: Fault, inputs: Inputs, trace: Trace, layer: int) -> FloatArray:
    """(T, N, I): the sequence, or the layer below as the fault joins it."""
    if layer == 0:
        return inputs.sequence
    below = trace.hidden[layer - 1]
    if len(below) == 1:
        only: FloatArray = below[0]
        return only
    return np.concatenate(below[::-1] if fault.concat_swapped else below, axis=-1)


def _first_steps(fault: Fault, length: int, steps: int, *, backward: bool) -> tuple[slice, slice]:
    """Which time steps the first steps read, and where they are stored."""
    steps = min(steps, length)
    start, end = slice(steps), slice(length - steps, length)
    if not backward or fault.backward == "not_reversed":
        return start, start
    return end, start if fault.backward == "not_realigned" else end
