"""The values of a network by the manual engine alone. Needs no Qt, as child processes import it."""

from collections.abc import Callable

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace, trace_in_memory
from rnnviz.engines.registry import load_engine
from rnnviz.io.inputs import load_inputs


def run_manual(config: Config, progress: Callable[[float], None]) -> tuple[Inputs, Trace]:
    """Compute the states of a config, in memory."""
    inputs = load_inputs(config)
    trace = trace_in_memory("manual", inputs.network, inputs.places, inputs.network.kind.state_symbols)
    load_engine("manual").run(inputs, trace, progress)
    return inputs, trace
