"""The LSTM: as Gluon and PyTorch compute it, with peepholes, with coupled gates, and with a projection.

The one with a projection is the cell `lstm` of a config with `projection_size`.
"""

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


def peephole_step(
    u: Values, v: Values, state: Values, p: Values, *, gate: Function, candidate: Function, output: Function
) -> Step:
    """Peepholes: i and f see the previous cell state as well, o the new one."""
    i = gate(u.i + v.i + p.c2i_weight * state.c)
    f = gate(u.f + v.f + p.c2f_weight * state.c)
    g = candidate(u.g + v.g)
    c = f * state.c + i * g
    o = gate(u.o + v.o + p.c2o_weight * c)
    h = o * output(c)
    return Step(i=i, f=f, g=g, o=o, c=c, h=h)


def coupled_step(
    u: Values, v: Values, state: Values, p: Values, *, gate: Function, candidate: Function, output: Function
) -> Step:
    """Coupled gates: c forgets as much as it takes in."""
    i = gate(u.i + v.i)
    f = 1 - i
    g = candidate(u.g + v.g)
    o = gate(u.o + v.o)
    c = f * state.c + i * g
    h = o * output(c)
    return Step(i=i, f=f, g=g, o=o, c=c, h=h)


def coupled_peephole_step(
    u: Values, v: Values, state: Values, p: Values, *, gate: Function, candidate: Function, output: Function
) -> Step:
    """Peepholes and coupled gates: c forgets as much as it takes in, i sees the previous cell state, o the new one."""
    i = gate(u.i + v.i + p.c2i_weight * state.c)
    f = 1 - i
    g = candidate(u.g + v.g)
    c = f * state.c + i * g
    o = gate(u.o + v.o + p.c2o_weight * c)
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
# With coupled gates, the forget gate has neither rows nor a peephole.
COUPLED_GATES = INPUT, CANDIDATE, OUTPUT
STATES = StateSpec("h"), StateSpec("c")
ACTIVATIONS = ("gate", sigmoid), ("candidate", tanh), ("output", tanh)
ONNX_GATES = "i", "o", "f", "g"
COUPLED = (("input_forget", 1),)
PEEPHOLES = "c2i_weight", "c2o_weight", "c2f_weight"

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

LSTM_PEEPHOLE = CellSpec(
    "lstm_peephole",
    "LSTM with peepholes",
    peephole_step,
    gates=GATES,
    states=STATES,
    parameters=tuple(map(ParameterSpec, PEEPHOLES)),
    activations=ACTIVATIONS,
    source="Gers et al. 2002",
    onnx=OnnxOperator("LSTM", ONNX_GATES, peepholes=PEEPHOLES),
)

LSTM_COUPLED = CellSpec(
    "lstm_coupled",
    "LSTM with coupled gates",
    coupled_step,
    gates=COUPLED_GATES,
    states=STATES,
    activations=ACTIVATIONS,
    source="Greff et al. 2017",
    onnx=OnnxOperator("LSTM", ONNX_GATES, COUPLED),
)

LSTM_COUPLED_PEEPHOLE = CellSpec(
    "lstm_coupled_peephole",
    "LSTM with peepholes and coupled gates",
    coupled_peephole_step,
    gates=COUPLED_GATES,
    states=STATES,
    parameters=(ParameterSpec("c2i_weight"), ParameterSpec("c2o_weight")),
    activations=ACTIVATIONS,
    source="Greff et al. 2017",
    onnx=OnnxOperator("LSTM", ONNX_GATES, COUPLED, ("c2i_weight", "c2o_weight", None)),
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
