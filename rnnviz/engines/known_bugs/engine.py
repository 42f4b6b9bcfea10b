"""Engines with a known bug: the compiled program of a changed cell or of changed parameters, in a changed loop. A trace
is compared with a bug from its own layer inputs and previous hidden states: a bug is recognized from a few steps of
each lane, however large the network and however chaotic."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.numpy_program import NumpyProgram
from rnnviz.core.config import Network
from rnnviz.core.errors import EngineError
from rnnviz.core.gradients import gradient, gradient_names
from rnnviz.core.inputs import Inputs, part_of_state
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace, trace_in_memory
from rnnviz.core.trace_index import clear_padding, last_steps, reversed_within
from rnnviz.engines.base import (
    EngineReport,
    LayerTask,
    Progress,
    RunLayer,
    layer_output,
    run_in_parts,
    run_stack,
    with_head,
)
from rnnviz.engines.known_bugs import ORDERS, BugVariant
from rnnviz.engines.known_bugs.backward import BackwardPasses
from rnnviz.engines.known_bugs.registry import bug_of
from rnnviz.frozen import dataclass

_NO_SEAMS = np.zeros(0, np.int64)


class KnownBugEngine:
    """The engine `bug:NAME` or `unknown:DIGEST`. Only a bug of the backward pass has gradients."""

    version = f"numpy {np.__version__}"

    def __init__(self, name: str) -> None:
        bug = bug_of(name)
        assert bug is not None, "the registry refuses other names"
        self._bug = bug

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        reason = self._bug.missing_in(inputs)
        if reason is not None:
            raise EngineError(reason)
        run_fault(self._bug.faults(inputs.network)[0], inputs, trace, progress)
        return EngineReport()

    def states(self, network: Network) -> tuple[str, ...]:
        return network.kind.state_symbols

    def gradients(self, network: Network) -> tuple[str, ...]:
        return gradient_names(network) if self._bug.of_gradients else ()

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        fault, lanes = self._bug.faults(inputs.network)[0], 0
        for name, index, array in BackwardPasses(inputs, trace, inputs.network.dtype).gradients(fault):
            trace[name][index] = array
            lanes += name == gradient("h")
            progress(lanes / (inputs.network.num_layers * inputs.network.directions))
        return EngineReport()


def run_fault(fault: BugVariant, inputs: Inputs, trace: Trace, progress: Progress) -> None:
    """Fill the trace as a network with that fault does."""
    with np.errstate(all="ignore"):
        if fault.batch_as_time:
            _run_exchanged(fault, inputs, trace, progress)
        else:
            read = as_ordered(fault, inputs)
            # The layers themselves know the lengths, since a bug may read others.
            layer = faulty_layer(fault, read.lengths, read.seams)
            run_stack(replace(read, lengths=()), trace, layer, progress, partial(_joined, fault))
    if fault.state_order and inputs.lengths:
        for name in inputs.network.kind.state_symbols:
            state = trace[f"state.{name}"]
            state[:] = state[:, ORDERS[fault.state_order](inputs.lengths)]


def as_ordered(fault: BugVariant, inputs: Inputs) -> Inputs:
    """The inputs with the samples in the order of the results."""
    if not (fault.sample_order and inputs.lengths):
        return inputs
    return inputs.of_samples(ORDERS[fault.sample_order](inputs.lengths))


def faulty_trace(fault: BugVariant, inputs: Inputs) -> Trace:
    """The trace of a network with that fault, in no folder."""
    trace = _states_in_memory(inputs)
    run_fault(fault, inputs, trace, lambda _: None)
    return with_head(inputs, trace)


def faulty_layer(
    fault: BugVariant,
    lengths: Sequence[int] = (),
    seams: NDArray[np.int64] = _NO_SEAMS,
    carried: FloatArray | None = None,
) -> RunLayer:
    """A way to run one layer with the bug; see `engines.base.RunLayer`. `seams` are the time steps at which a new call
    begins. `carried` (T, N, H) are the hidden states that each step hands to the next one, from an engine that is
    compared step by step, since a chaotic network makes more of every rounding."""

    def run_computed(initial: Mapping[str, FloatArray], task: LayerTask, progress: Progress) -> dict[str, FloatArray]:
        p = fault.read(task.cell, task.parameters)
        program = NumpyProgram(fault.changed(task.cell), vars(p), task.x.shape[1])

        def handed(state: dict[str, FloatArray]) -> dict[str, FloatArray]:
            """The state from which a step starts that does not get that of the step before."""
            if fault.forgotten_is == "swapped":
                other = [state[name] for name in reversed(fault.forgotten)]
            elif fault.forgotten_is == "zeros":
                other = [np.zeros_like(task.state[name]) for name in fault.forgotten]
            else:
                other = [initial[name][task.samples] for name in fault.forgotten]
            return state | dict(zip(fault.forgotten, other, strict=True))

        timesteps, state = len(task.x), dict(task.state)
        begins = set() if task.backward else {t for t in (seams - task.start).tolist() if 0 <= t < timesteps}
        steps: Iterable[int] = range(1, timesteps)
        if carried is None:
            steps = sorted(begins - {0}) if fault.at_seams else steps if fault.forgotten else ()
        parts = list(pairwise((0, *steps, timesteps)))
        for begin, end in reversed(parts) if task.backward else parts:
            out = {name: array[begin:end] for name, array in task.series.items()}
            forgets = not fault.at_seams or begin in begins
            state = program.run(task.x[begin:end], handed(state) if forgets else state, out, backward=task.backward)
            if carried is not None:
                state["h"] = carried[begin]
        progress(1.0)
        return state

    def run_layer(task: LayerTask, progress: Progress) -> dict[str, FloatArray]:
        timesteps, samples, _ = task.x.shape
        given, series = lengths or (timesteps,) * samples, task.series
        read = fault.lengths_of(given, timesteps, task.backward)
        in_order = replace(task, backward=task.backward and fault.backward != "not_reversed")
        run = partial(run_computed, task.state)
        if fault.padding == "computed":
            run(in_order, progress)
        state = run_in_parts(read, run, in_order, progress) if lengths else run(in_order, progress)
        if lengths and fault.padding == "zeros":
            for array in series.values():
                clear_padding(given, array)
        if task.backward and fault.backward == "not_realigned":
            for array in series.values():
                array[:] = reversed_within(given, array)
        if fault.final_at_last_timestep:
            state |= {name: last_steps(array, given) for name, array in series.items()}
        if fault.final_at_batch_end == "all" or (fault.final_at_batch_end == "forward" and not task.backward):
            state |= {name: array[-1] for name, array in series.items()}
        return state

    return run_layer


def _joined(fault: BugVariant, hidden: FloatArray, out: FloatArray | None = None) -> FloatArray:
    return layer_output(hidden[::-1] if fault.concat_swapped else hidden, out)


def _states_in_memory(inputs: Inputs) -> Trace:
    return trace_in_memory("exchanged", inputs.network, inputs.places, inputs.network.kind.state_symbols)


def _run_exchanged(fault: BugVariant, inputs: Inputs, trace: Trace, progress: Progress) -> None:
    """Fill the trace with a recurrence over the samples; the states of the samples are dealt out to the time steps."""
    sequence = np.ascontiguousarray(inputs.sequence.swapaxes(0, 1))
    dealt = part_of_state(inputs.initial_state, np.s_[:, np.arange(inputs.timesteps) % inputs.batch_size])
    exchanged = Inputs(inputs.config, sequence, inputs.parameters, dealt)
    faulty = _states_in_memory(exchanged)
    run_stack(exchanged, faulty, faulty_layer(fault), progress, partial(_joined, fault))
    # The state has one row for each time step where one for each sample is wanted.
    rows = np.arange(inputs.batch_size) % inputs.timesteps
    for name, array in trace.items():
        array[:] = faulty[name][:, rows] if name.startswith("state.") else faulty[name].swapaxes(-3, -2)
    trace.clear_padding()


@dataclass(frozen=True)
class StepWindow:
    """The first steps of one lane in its order of computation: `steps` of them, for some of the samples."""

    layer: int
    direction: int
    steps: int
    samples: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ReadSteps:
    """The steps (S, N) of a window in the order of computation, as a fault reads them from a trace.

    `x` (S, N, I) are layer inputs, `state` (N, U) by name initial states, `computed` (S, N) says which steps a sample
    has: after its last one, that one is repeated. `seams` are the steps at which a call begins.
    """

    fault: BugVariant
    layer: int
    direction: int
    samples: NDArray[np.intp]
    stored: NDArray[np.intp]
    computed: NDArray[np.bool_]
    x: FloatArray
    state: Mapping[str, FloatArray]
    seams: NDArray[np.int64]

    def of(self, array: FloatArray) -> FloatArray:
        """These steps of an array (L, D, T, N, U): (S, N, U)."""
        lane = array[self.layer, self.direction]
        return np.asarray((lane.swapaxes(0, 1) if self.fault.batch_as_time else lane)[self.stored, self.samples])


def read_steps(fault: BugVariant, inputs: Inputs, trace: Trace, part: StepWindow) -> ReadSteps:
    """The steps of a window as the fault reads them, in the order of computation, from each sample's own first step.
    Axes that the bug exchanges are exchanged; then only time steps that no sample has as padding are looked at."""
    layer, direction, network = part.layer, part.direction, inputs.network
    k = layer * network.directions + direction
    # The directions of the layer below, as the fault joins them.
    x = [inputs.sequence] if layer == 0 else [*trace.hidden[layer - 1][:: -1 if fault.concat_swapped else 1]]
    timesteps = inputs.timesteps
    state = {name: array[k] for name, array in inputs.initial_state.items()}
    lengths, count = np.array(inputs.places.every_length), inputs.batch_size
    if fault.batch_as_time:
        x = [array.swapaxes(0, 1) for array in x]
        places = np.arange(inputs.timesteps) % inputs.batch_size
        state = {name: array[places] for name, array in state.items()}
        timesteps, lengths, count = inputs.batch_size, np.full(timesteps, inputs.batch_size), int(lengths.min())
    samples = np.array([sample for sample in part.samples if sample < count])
    last = lengths[samples] - 1
    steps = np.arange(min(part.steps, timesteps))[:, np.newaxis]
    computed = steps <= last
    steps = np.minimum(steps, last)
    backward = network.backward(direction) and fault.backward != "not_reversed"
    read = last - steps if backward else steps
    return ReadSteps(
        fault,
        layer,
        direction,
        samples,
        steps if fault.backward == "not_realigned" else read,
        computed,
        np.concatenate([array[read, samples] for array in x], axis=-1),
        {name: np.ascontiguousarray(array[samples]) for name, array in state.items()},
        _NO_SEAMS if network.backward(direction) or fault.batch_as_time else inputs.seams,
    )


def expected_and_found(
    fault: BugVariant, inputs: Inputs, trace: Trace, part: StepWindow
) -> tuple[FloatArray, FloatArray]:
    """Hidden states of a lane's first steps with the bug, and those in the trace, (S, N, H); equal in padding."""
    steps = read_steps(fault, inputs, trace, part)
    found = steps.of(trace.hidden)
    hidden = np.empty_like(found)
    task = LayerTask(
        cell=inputs.network.kind,
        parameters=inputs.parameters.layer(part.layer, part.direction),
        x=steps.x,
        state=steps.state,
        series={"h": hidden},
        backward=False,
    )
    with np.errstate(all="ignore"):
        faulty_layer(fault, seams=steps.seams, carried=found)(task, lambda _: None)
    return np.where(steps.computed[..., np.newaxis], hidden, found), found
