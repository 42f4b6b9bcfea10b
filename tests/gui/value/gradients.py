"""Results with gradients."""

from dataclasses import replace

from rnnviz.core.trace import trace_in_memory
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.result import RunResult
from tests.factories import make_result, result_of

AT = Location(0, 0, 1, 1, 2)


def with_gradients(cell: str = "lstm", **edits: float) -> RunResult:
    """A result of two engines with the gradients of `manual`; `edits` change one gradient of the second."""
    config = make_result(("torch", "manual"), cell=cell, num_layers=2, timesteps=3).config
    inputs = load_inputs(replace(config, backward=replace(config.backward, enabled=True, loss="normal")))
    engine = ManualEngine()
    names = (*inputs.network.kind.state_symbols, *engine.gradients(inputs.network))
    traces = {}
    for name in ("torch", "manual"):
        trace = trace_in_memory(name, inputs.network, inputs.places, names)
        engine.run(inputs, trace, lambda _: None)
        engine.run_backward(inputs, trace, lambda _: None)
        traces[name] = trace
    for symbol, value in edits.items():
        traces["manual"][f"grad.{symbol}"][AT.index] = value
    return result_of(inputs, traces)
