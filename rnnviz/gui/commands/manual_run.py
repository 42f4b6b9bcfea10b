"""The values of a network by the manual engine alone. Needs no Qt, as child processes import it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.naming import file_names
from rnnviz.core.trace import Trace, trace_in_memory
from rnnviz.engines.registry import load_engine
from rnnviz.io.inputs import load_inputs


def run_manual(config: Config, progress: Callable[[float], None]) -> tuple[Inputs, Trace]:
    """Compute the states of a config, in memory."""
    inputs = load_inputs(config)
    trace = trace_in_memory("manual", inputs.network, inputs.places, inputs.network.kind.state_symbols)
    load_engine("manual").run(inputs, trace, progress)
    return inputs, trace


def record_states(config: Config, path: Path) -> None:
    """Write the states of a config as recorded outputs (`.npz`)."""
    inputs, trace = run_manual(config, lambda _fraction: None)
    names = file_names(inputs.network.kind)
    np.savez(path, **{names[symbol]: trace[symbol] for symbol in inputs.network.kind.state_symbols})
