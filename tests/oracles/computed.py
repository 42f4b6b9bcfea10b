"""The outputs of an oracle for a network, and of an engine for the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace, trace_in_memory
from rnnviz.engines.base import Engine, EngineReport


@dataclass(frozen=True)
class Answer:
    """hidden, and cell of an LSTM where known, (L, D, T, N, H); output (T, N, D·H); states (L·D, N, H)."""

    hidden: NDArray[np.floating]
    output: NDArray[np.floating]
    state_h: NDArray[np.floating]
    state_c: NDArray[np.floating] | None = None
    cell: NDArray[np.floating] | None = None


def empty_trace(inputs: Inputs, *, cell: bool, engine: str = "engine", gradients: Sequence[str] = ()) -> Trace:
    """A writable trace in memory, full of NaN: what an engine leaves out stays visible. Padding is 0, as on disk."""
    names = (*(s for s in inputs.network.kind.state_symbols if cell or s != "c"), *gradients)
    trace = trace_in_memory(engine, inputs.network, inputs.places, names)
    for array in trace.values():
        array.fill(np.nan)
    trace.clear_padding()
    return trace


def computed(engine: Engine, inputs: Inputs) -> tuple[Trace, EngineReport]:
    trace = empty_trace(inputs, cell="c" in engine.states(inputs.network))
    report = engine.run(inputs, trace, lambda done: None)
    return trace, report


def assert_near(actual: NDArray[np.floating], expected: NDArray[np.floating], tolerance: float, name: str = "") -> None:
    """Every number is within `tolerance`, relative to the array's largest magnitude where that is above 1."""
    assert actual.shape == expected.shape, name
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(actual, expected, rtol=0.0, atol=tolerance * scale, equal_nan=False, err_msg=name)


def assert_agrees(trace: Trace, answer: Answer, tolerance: float) -> None:
    """The engine's trace holds what the oracle says, in every array that both know."""
    for name in ("hidden", "output", "state_h", "state_c", "cell"):
        actual, expected = getattr(trace, name), getattr(answer, name)
        if name.endswith("_c"):
            assert (actual is None) == (expected is None), name
        if actual is not None and expected is not None:
            assert_near(actual, expected, tolerance, name)
