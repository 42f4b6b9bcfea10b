"""Engines that compute with a fault."""

import numpy as np

from rnnviz.core.errors import EngineError
from rnnviz.core.initial_state import State
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.base import EngineReport, Progress
from rnnviz.engines.faults.faulty_cell import faulty_layer
from rnnviz.engines.faults.registry import KNOWN_BUGS, PREFIX
from rnnviz.engines.faults.spec import Fault
from rnnviz.engines.layers import layer_output, run_stack


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
        run_fault(self._bug.variants[inputs.network.cell][0], inputs, trace, progress)
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


def _backward_first(hidden: FloatArray, out: FloatArray | None = None) -> FloatArray:
    return layer_output(hidden[::-1], out)


def _exchange(inputs: Inputs) -> Inputs:
    """The sequence with its samples as time steps; the states of the samples are dealt out again to the time steps."""
    sequence = np.ascontiguousarray(inputs.sequence.swapaxes(0, 1))
    places = np.arange(inputs.timesteps) % inputs.batch_size
    state = State(*(array[:, places] for array in inputs.initial_state.arrays))
    return Inputs(inputs.config, sequence, inputs.parameters, state)


def trace_in_memory(inputs: Inputs) -> Trace:
    """A writable trace that is in no folder, for parts of a run."""
    network, timesteps, samples = inputs.network, inputs.timesteps, inputs.batch_size
    hidden = np.empty(network.hidden_shape(timesteps, samples), network.dtype)
    output = np.empty((timesteps, samples, network.directions * network.hidden_size), network.dtype)
    state = [np.empty(network.state_shape(samples), network.dtype) for _ in network.kind.state_names]
    cell = np.empty_like(hidden) if network.kind.has_cell_state else None
    return Trace(
        "exchanged", hidden, output, state[0], state[1] if len(state) == 2 else None, cell, reverse=network.reverse
    )


def _put_back(faulty: Trace, trace: Trace) -> None:
    trace.hidden[:] = faulty.hidden.swapaxes(2, 3)
    trace.output[:] = faulty.output.swapaxes(0, 1)
    if trace.cell is not None and faulty.cell is not None:
        trace.cell[:] = faulty.cell.swapaxes(2, 3)
    # The state has one row for each timestep where one for each sample is wanted.
    places = np.arange(trace.state_h.shape[1]) % faulty.state_h.shape[1]
    trace.state_h[:] = faulty.state_h[:, places]
    if trace.state_c is not None and faulty.state_c is not None:
        trace.state_c[:] = faulty.state_c[:, places]
