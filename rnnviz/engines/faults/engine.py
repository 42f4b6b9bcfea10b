"""Engines with a known bug: the compiled program of a changed cell or of changed parameters, in a changed loop.

A trace is compared with a bug from its own layer inputs and previous hidden states. That keeps lanes and steps apart:
a known bug is recognized from a few steps of each lane, however large the network and however chaotic.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from rnnviz.cells.interpreters.numpy_program import NumpyProgram
from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import Inputs
from rnnviz.core.lengths import clear_padding
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace, array_shapes
from rnnviz.engines.base import EngineReport, Progress
from rnnviz.engines.faults.changes import Fault
from rnnviz.engines.faults.registry import KNOWN_BUGS, PREFIX
from rnnviz.engines.layers import LayerTask, RunLayer, layer_output, run_stack


class KnownBugEngine:
    """The engine `bug:NAME`."""

    provides_cell_state = True
    version = f"numpy {np.__version__}"

    def __init__(self, name: str) -> None:
        self._bug = KNOWN_BUGS[name.removeprefix(PREFIX)]

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`."""
        unsupported_reason = self._bug.unsupported_reason(inputs.network)
        if unsupported_reason is not None:
            raise EngineError(unsupported_reason)
        run_fault(self._bug.faults(inputs.network)[0], inputs, trace, progress)
        return EngineReport()


def run_fault(fault: Fault, inputs: Inputs, trace: Trace, progress: Progress) -> None:
    """Fill the trace as a network with that fault does."""
    join = _backward_first if fault.concat_swapped else layer_output
    with np.errstate(all="ignore"):
        if fault.batch_as_time:
            exchanged = _exchange(inputs)
            faulty = trace_in_memory(exchanged)
            run_stack(exchanged, faulty, faulty_layer(fault), progress, join)
            _put_back(faulty, trace)
        else:
            run_stack(inputs, trace, faulty_layer(fault), progress, join)


def faulty_trace(fault: Fault, inputs: Inputs) -> Trace:
    """The trace of a network with that fault, in no folder."""
    trace = trace_in_memory(inputs)
    run_fault(fault, inputs, trace, lambda _: None)
    return trace


def faulty_layer(fault: Fault, carried: FloatArray | None = None) -> RunLayer:
    """A way to run one layer with the bug; see `engines.layers.RunLayer`.

    `carried` (T, N, H) holds the hidden states that each step hands to the next one in its own place: those of
    an engine that is compared with the bug step by step, since a chaotic network makes more of every rounding.
    """

    def run_layer(task: LayerTask, progress: Progress) -> dict[str, FloatArray]:
        p = reduce(lambda q, change: change(task.cell, q), fault.parameters, task.parameters)
        program = NumpyProgram(fault.changed(task.cell), vars(p), task.x.shape[1])
        backward = task.backward and fault.backward != "not_reversed"
        again = {
            name: np.zeros_like(task.state[name]) if fault.forgotten_is == "zeros" else task.state[name]
            for name in fault.forgotten
        }
        timesteps, state = len(task.x), dict(task.state)
        whole = carried is None and not fault.forgotten
        parts = [slice(timesteps)] if whole else [slice(t, t + 1) for t in range(timesteps)][:: -1 if backward else 1]
        for times in parts:
            out = {name: array[times] for name, array in task.series.items()}
            state = program.run(task.x[times], state | again, out, backward=backward)
            if carried is not None:
                state["h"] = carried[times][0]
        if task.backward and fault.backward == "not_realigned":
            for array in task.series.values():
                array[:] = array[::-1].copy()
        if fault.final_at_last_timestep:
            state |= {name: array[-1] for name, array in task.series.items()}
        progress(1.0)
        return state

    return run_layer


def _backward_first(hidden: FloatArray, out: FloatArray | None = None) -> FloatArray:
    return layer_output(hidden[::-1], out)


def _exchange(inputs: Inputs) -> Inputs:
    """The sequence with its samples as time steps; the states of the samples are dealt out again to the time steps."""
    sequence = np.ascontiguousarray(inputs.sequence.swapaxes(0, 1))
    places = np.arange(inputs.timesteps) % inputs.batch_size
    return Inputs(inputs.config, sequence, inputs.parameters, inputs.initial_state.at(np.s_[:, places]))


def trace_in_memory(inputs: Inputs) -> Trace:
    """A writable trace that is in no folder, for parts of a run."""
    network = inputs.network
    shapes = array_shapes(network, inputs.timesteps, inputs.batch_size, network.kind.state_symbols)
    # Padding stays 0.
    make = np.zeros if inputs.lengths else np.empty
    arrays = {name: make(shape, network.dtype) for name, shape in shapes.items()}
    return Trace("exchanged", arrays, reverse=network.reverse, lengths=inputs.lengths)


def _put_back(faulty: Trace, trace: Trace) -> None:
    # The state has one row for each time step where one for each sample is wanted.
    places = np.arange(trace.shape[3]) % trace.shape[2]
    for name, array in trace.items():
        if name.startswith("state."):
            array[:] = faulty[name][:, places]
        else:
            array[:] = faulty[name].swapaxes(-3, -2)
            if trace.lengths:
                clear_padding(trace.lengths, np.moveaxis(array, (-3, -2), (0, 1)))


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
