"""Engines under audit: the real ones, and one that computes rightly but for what a test does to it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.engines.base import Engine, LayerTask, Progress, run_stack
from rnnviz.engines.registry import load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.audit import Audit, audit
from tests.needs import need_engine
from tests.oracles.cell_loops import cell_values
from tests.oracles.computed import computed, empty_trace


def engine_or_skip(name: str) -> Engine:
    need_engine(name)
    return load_engine(name)


def inputs_of(sequence: dict[str, Any], parameters: dict[str, Any] | None = None, **network: Any) -> Inputs:
    """Random inputs of a network; weights are normal of the scale 0.3 unless `parameters` says otherwise."""
    return load_inputs(
        Config.from_mapping(
            {
                "network": {"input_size": 5, **network},
                "sequence": sequence,
                "parameters": {"initializer": "normal", "scale": 0.3, **(parameters or {})},
                "initial_state": {"source": "normal"},
            }
        )
    )


def with_parameters(inputs: Inputs, change: Callable[[str, FloatArray], FloatArray]) -> Inputs:
    arrays = {name: change(name, np.array(array)) for name, array in inputs.parameters.items()}
    return replace(inputs, parameters=Parameters(inputs.network, arrays))


def with_sequence(inputs: Inputs, sequence: FloatArray) -> Inputs:
    sequence = np.ascontiguousarray(sequence, inputs.network.dtype)
    sequence.flags.writeable = False
    return replace(inputs, sequence=sequence)


def audit_of(engine: Engine, inputs: Inputs) -> Audit:
    return audit(inputs, computed(engine, inputs)[0])


Touch = Callable[[int, int, int, FloatArray], None]
"""touch(layer, direction, t, h): what is done to a hidden state (N, H) before anything reads it."""


def touched_trace(inputs: Inputs, touch: Touch) -> Trace:
    """The trace of a correct float64 recurrence with hidden states changed while it runs."""
    trace = empty_trace(inputs, cell=True)
    lane = iter([(layer, d) for layer in range(inputs.network.num_layers) for d in range(inputs.network.directions)])

    def run_layer(task: LayerTask, progress: Progress) -> dict[str, FloatArray]:
        layer, direction = next(lane)
        state, hidden = {name: np.array(array, np.float64) for name, array in task.state.items()}, task.series["h"]
        for t in task.timesteps:
            values = cell_values(task.cell.name, vars(task.parameters), task.x[t : t + 1], state)
            hidden[t] = values["h"][0]
            touch(layer, direction, t, hidden[t])
            state = {name: values[name][0] for name in state} | {"h": hidden[t].astype(np.float64)}
            if "c" in state:
                task.series["c"][t] = state["c"]
        return state | {"h": hidden[task.timesteps[-1]]}

    run_stack(inputs, trace, run_layer, lambda done: None)
    return trace
