"""Arithmetics of random networks, and the equations once more in plain Python."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, fsum, tanh
from typing import Any

import numpy as np
from hypothesis import strategies as st

from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.explain.explanation import Explanation, explain
from rnnviz.explain.forward import value_breakdown
from rnnviz.explain.lines import Breakdown, Line, Part
from rnnviz.explain.terms import TermTable, term_table
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.oracles.computed import computed
from tests.strategies import configs

GATES = {"rnn_relu": "h", "rnn_tanh": "h", "lstm": "ifgo", "gru": "rzn"}


@st.composite
def explained(draw: st.DrawFn) -> tuple[Inputs, Trace, Location]:
    """A random network as the manual recurrence computes it, and a place in it; some traces know no cell states."""
    inputs = load_inputs(draw(configs()))
    trace = computed(ManualEngine(), inputs)[0]
    if draw(st.booleans()):
        trace = trace.with_arrays({"c": None})
    where = Location(*(draw(st.integers(0, size - 1)) for size in trace.shape))
    return inputs, trace, where


def breakdown_at(inputs: Inputs, trace: Trace, where: Location, *args: Any) -> Breakdown:
    return value_breakdown(inputs, trace, Place.at("h", where), *args)


def explain_at(result: RunResult, where: Location, *args: Any, **options: Any) -> Explanation:
    return explain(result, Place.at("h", where), *args, **options)


def table_of(each: Sequence[Breakdown], name: str, *args: Any, **options: Any) -> TermTable:
    """The term table of a line of some engines."""
    return term_table([breakdown.by_name[name] for breakdown in each], *args, **options)


def changed(own: Breakdown, name: str, stored: float | None = None, **fields: Any) -> Breakdown:
    """The breakdown with another value, argument or parts of one line, and another value of the engine."""

    def of(line: Line) -> Line:
        line = replace(line, **fields)
        if line.own is None:
            return line
        value = line.own.stored if stored is None else stored
        return replace(line, own=replace(line.own, stored=value, computed=line.value))

    return replace(own, lines=tuple(of(line) if line.name == name else line for line in own.lines))


def values_of(own: Breakdown) -> dict[str, float]:
    """The values of the lines by name, and those of the previous states: "c[t-1]"."""
    before = {f"{state.symbol}[t-1]": state.value for state in own.previous}
    return before | {line.name: line.value for line in own.lines}


def stored_of(own: Breakdown, name: str = "h") -> float:
    """The engine's own value of a line."""
    line = own.by_name[name]
    assert line.own is not None
    return line.own.stored


def half(gate: Line, way: str) -> Part:
    """The input part "i2h" or the recurrent part "h2h" of a gate."""
    return next(part for part in gate.parts if part.way == way)


def logistic(v: float) -> float:
    return 1.0 / (1.0 + exp(-v))


def activated(gate: Line, argument: float) -> float:
    assert gate.point is not None
    activation = gate.point[0].text
    if activation == "relu":
        return max(argument, 0.0)
    return tanh(argument) if activation == "tanh" else logistic(argument)


def argument_of(gate: Line, reset: float | None) -> float:
    """The argument of the activation from the terms and biases alone; `reset` scales the recurrent part of n."""
    a, b = (
        fsum([*(factor * value for factor, value in zip(part.factors, part.values, strict=True)), part.bias.value])
        for part in (half(gate, "i2h"), half(gate, "h2h"))
        if part.bias is not None
    )
    return a + b if reset is None else a + reset * b


def stored_value(inputs: Inputs, trace: Trace, place: Place) -> float:
    """The number at a source, read from where the source says that it is."""
    match place.kind:
        case "input":
            return float(inputs.sequence[place.index])
        case "initial":
            return float(inputs.initial_state[place.array[:-1]][place.index])
    return float(trace[place.array][place.index])


def near(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=1e-12, atol=1e-13))


def tidy(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers that are easy to add up and exact in any type: eighths from -1 to 9/8, none of them 0."""
    eighths = (np.arange(np.prod(shape, dtype=int)) * 7 + seed * 5) % 17 - 8
    return np.where(eighths == 0, 9, eighths).reshape(shape) / 8.0


def tidy_result(engines: tuple[str, ...] = ("gluon", "manual"), **network: object) -> RunResult:
    """A result whose inputs, parameters and hidden values are all eighths: no engine computed it."""
    made = make_result(engines, dtype="float64", timesteps=4, **network)
    inputs = made.inputs
    lstm = inputs.network.kind.has_cell_state
    shapes = {name: array.shape for name, array in inputs.parameters.items()}
    parameters = Parameters(inputs.network, {name: tidy(shape, k) for k, (name, shape) in enumerate(shapes.items())})
    state = inputs.initial_state["h"].shape
    inputs = replace(
        inputs,
        sequence=tidy(inputs.sequence.shape, 1),
        parameters=parameters,
        initial_state={s: tidy(state, k) for k, s in enumerate(inputs.network.kind.state_symbols, 2)},
    )
    hidden, cell = tidy(inputs.hidden_shape, 4), tidy(inputs.hidden_shape, 6) if lstm else None
    traces = {name: trace.with_arrays({"h": hidden.copy(), "c": cell}) for name, trace in made.traces.items()}
    return replace(made, inputs=inputs, traces=traces)
