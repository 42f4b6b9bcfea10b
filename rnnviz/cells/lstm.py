"""The LSTM, and the one with a projection, which is the cell `lstm` of a config with `projection_size`."""

from rnnviz.cells.activations import Function, sigmoid, tanh
from rnnviz.cells.base import CellSpec, Gate, KerasLayer, OnnxOperator, ParameterSpec, StateSpec, Step, Values


def step(
    u: Values, v: Values, state: Values, p: Values, *, gate: Function, candidate: Function, output: Function
) -> Step:
    """LSTM step: c = f · c[t-1] + i · g, h = o · tanh(c)."""
    i = gate(u.i + v.i)
    f = gate(u.f + v.f)
    g = candidate(u.g + v.g)
    o = gate(u.o + v.o)
    c = f * state.c + i * g
    h = o * output(c)
    return Step(i=i, f=f, g=g, o=o, c=c, h=h)


def projection_step(u: Values, v: Values, state: Values, p: Values, **activations: Function) -> Step:
    """A projection: h is a matrix times m, the h of an LSTM without one, and has its own size."""
    lstm = step(u, v, state, p, **activations)
    m = lstm.h
    h = p.h2r_weight @ m
    return Step(**{**lstm, "m": m, "h": h})


INPUT, FORGET, OUTPUT = Gate("i", "input gate"), Gate("f", "forget gate"), Gate("o", "output gate")
CANDIDATE = Gate("g", "candidate")
GATES = INPUT, FORGET, CANDIDATE, OUTPUT
STATES = StateSpec("h"), StateSpec("c")
ACTIVATIONS = ("gate", sigmoid), ("candidate", tanh), ("output", tanh)
ONNX_GATES = "i", "o", "f", "g"

LSTM = CellSpec(
    "lstm",
    "LSTM",
    step,
    gates=GATES,
    states=STATES,
    activations=ACTIVATIONS,
    source="Hochreiter and Schmidhuber 1997, Gers et al. 2000",
    gluon="LSTM",
    torch="LSTM",
    keras=KerasLayer("LSTM", ("i", "f", "g", "o")),
    onnx=OnnxOperator("LSTM", ONNX_GATES),
)

LSTM_PROJECTION = CellSpec(
    "lstm_projection",
    "LSTM with a projection",
    projection_step,
    gates=GATES,
    states=(StateSpec("h", "P"), StateSpec("c")),
    parameters=(ParameterSpec("h2r_weight", ("P", "H"), "weight"),),
    activations=ACTIVATIONS,
    source="Sak et al. 2014",
    gluon="LSTMPCell",
    torch="LSTM",
    projection_of="lstm",
)
