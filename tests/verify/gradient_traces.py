"""Traces with gradients, and inputs with a loss."""

from typing import Any

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.base import Engine
from rnnviz.io.inputs import load_inputs
from tests.oracles.computed import empty_trace


def backward_inputs(
    *, backward: dict[str, Any] | None = None, sequence: dict[str, Any] | None = None, **network: Any
) -> Inputs:
    """Random inputs of a small network with a normal loss gradient; weights are normal of the scale 0.4."""
    return load_inputs(
        Config.from_mapping(
            {
                "network": {"cell": "lstm", "input_size": 3, "hidden_size": 6, **network},
                "sequence": {"timesteps": 9, "batch_size": 3, **(sequence or {})},
                "parameters": {"initializer": "normal", "bias": "uniform", "scale": 0.4},
                "initial_state": {"source": "normal"},
                "backward": {"enabled": True, "loss": "normal", "final_state": "normal", **(backward or {})},
            }
        )
    )


def traced(engine: Engine, inputs: Inputs, name: str = "engine") -> Trace:
    """The writable trace of both passes."""
    cell = "c" in engine.states(inputs.network)
    trace = empty_trace(inputs, cell=cell, engine=name, gradients=engine.gradients(inputs.network))
    engine.run(inputs, trace, lambda done: None)
    engine.run_backward(inputs, trace, lambda done: None)
    trace.clear_padding()
    return trace
