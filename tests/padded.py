"""Results with padding, and the same results of each sample alone."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from rnnviz.core.inputs import Inputs, part_of_state
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Places
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.result import RunResult
from tests.factories import result_of
from tests.oracles.computed import computed
from tests.strategies import every_cell_configs

ENGINES = "manual", "other"


@st.composite
def padded_inputs(draw: st.DrawFn) -> Inputs:
    config = draw(every_cell_configs())
    sequence = config.sequence
    lengths = draw(st.lists(st.integers(1, sequence.timesteps), min_size=1, max_size=4).map(tuple))
    config = replace(config, sequence=replace(sequence, batch_size=len(lengths), lengths=lengths))
    reverse = not config.network.bidirectional and draw(st.booleans())
    return load_inputs(replace(config, network=replace(config.network, reverse=reverse)).checked())


def alone(inputs: Inputs, sample: int) -> Inputs:
    x = np.ascontiguousarray(inputs.sequence[: inputs.length(sample), sample : sample + 1])
    state = part_of_state(inputs.initial_state, np.s_[:, sample : sample + 1])
    return replace(inputs, sequence=x, initial_state=state, lengths=(), folder=None)


@st.composite
def padded_results(draw: st.DrawFn) -> RunResult:
    """The values of `manual`, and of another engine without cell states that differs at one computed step."""
    inputs = draw(padded_inputs())
    compare = replace(inputs.config.compare, reference=ENGINES[0], candidates=ENGINES[1:], rtol=1e-4, atol=1e-4)
    inputs = replace(inputs, config=replace(inputs.config, compare=compare))
    trace = replace(computed(ManualEngine(), inputs)[0], engine=ENGINES[0])
    hidden = np.array(trace.hidden)
    layer, direction, _, sample, unit = (draw(st.integers(0, size - 1)) for size in trace.shape)
    hidden[layer, direction, draw(st.integers(0, inputs.length(sample) - 1)), sample, unit] += 0.5
    other = replace(trace.with_arrays({"h": hidden, "c": None}), engine=ENGINES[1])
    return result_of(inputs, {own.engine: own for own in (trace, other)})


def trace_alone(trace: Trace, inputs: Inputs, sample: int) -> Trace:
    """The same values of one sample, cut to its length."""
    one, times = slice(sample, sample + 1), slice(inputs.length(sample))
    arrays = {
        name: array[:, :, times, one] if array.ndim == 5 else array[times, one] if name == "out" else array[:, one]
        for name, array in trace.arrays.items()
    }
    return replace(
        trace,
        arrays=arrays,
        places=Places(*trace.shape[:2], len(range(trace.shape[2])[times]), 1, trace.places.reverse),
    )


def result_alone(result: RunResult, sample: int) -> RunResult:
    """The same values of one sample, cut to its length."""
    traces = {name: trace_alone(trace, result.inputs, sample) for name, trace in result.traces.items()}
    return result_of(alone(result.inputs, sample), traces)
