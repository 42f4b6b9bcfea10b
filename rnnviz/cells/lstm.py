"""The LSTM, and the LSTM with peepholes, with a projection, and with coupled gates.

Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; the forget gate of Gers, Schmidhuber and Cummins,
"Learning to Forget", 2000; the peepholes of Gers, Schraudolph and Schmidhuber, "Learning Precise Timing with LSTM
Recurrent Networks", 2002; the projection of Sak, Senior and Beaufays, "Long Short-Term Memory Recurrent Neural Network
Architectures for Large Scale Acoustic Modeling", 2014; the coupled gates of Greff et al., "LSTM: A Search Space
Odyssey", 2017.
"""

from rnnviz.cells.activations import Function, sigmoid, tanh
from rnnviz.cells.base import CellSpec, Gate, ParameterSpec, StateSpec, Step, Values


def step(
    u: Values,
    v: Values,
    state: Values,
    p: Values,
    *,
    gate: Function = sigmoid,
    candidate: Function = tanh,
    output: Function = tanh,
) -> Step:
    """The LSTM: c forgets by f and takes in by i, and h is what o lets out of it."""
    i = gate(u.i + v.i)
    f = gate(u.f + v.f)
    g = candidate(u.g + v.g)
    o = gate(u.o + v.o)
    c = f * state.c + i * g
    h = o * output(c)
    return Step(i=i, f=f, g=g, o=o, c=c, h=h)


def peephole_step(
    u: Values,
    v: Values,
    state: Values,
    p: Values,
    *,
    gate: Function = sigmoid,
    candidate: Function = tanh,
    output: Function = tanh,
) -> Step:
    """Peepholes: i and f see the previous cell state as well, o the new one."""
    i = gate(u.i + v.i + p.c2i_weight * state.c)
    f = gate(u.f + v.f + p.c2f_weight * state.c)
    g = candidate(u.g + v.g)
    c = f * state.c + i * g
    o = gate(u.o + v.o + p.c2o_weight * c)
    h = o * output(c)
    return Step(i=i, f=f, g=g, o=o, c=c, h=h)


def peephole_of_old_state_step(
    u: Values,
    v: Values,
    state: Values,
    p: Values,
    *,
    gate: Function = sigmoid,
    candidate: Function = tanh,
    output: Function = tanh,
) -> Step:
    """A known bug: all peepholes see the previous cell state, o as well."""
    i = gate(u.i + v.i + p.c2i_weight * state.c)
    f = gate(u.f + v.f + p.c2f_weight * state.c)
    g = candidate(u.g + v.g)
    o = gate(u.o + v.o + p.c2o_weight * state.c)
    c = f * state.c + i * g
    h = o * output(c)
    return Step(i=i, f=f, g=g, o=o, c=c, h=h)


def projection_step(u: Values, v: Values, state: Values, p: Values, **activations: Function) -> Step:
    """A projection: h is a matrix times the h of the LSTM, and has its own size."""
    lstm = step(u, v, state, p, **activations)
    return lstm.with_values(h=p.h2r_weight @ lstm.h)


def coupled_step(
    u: Values,
    v: Values,
    state: Values,
    p: Values,
    *,
    gate: Function = sigmoid,
    candidate: Function = tanh,
    output: Function = tanh,
) -> Step:
    """Coupled gates: c forgets as much as it takes in."""
    i = gate(u.i + v.i)
    f = 1 - i
    g = candidate(u.g + v.g)
    o = gate(u.o + v.o)
    c = f * state.c + i * g
    h = o * output(c)
    return Step(i=i, f=f, g=g, o=o, c=c, h=h)


INPUT, FORGET, OUTPUT = Gate("i", "input gate"), Gate("f", "forget gate"), Gate("o", "output gate")
CANDIDATE = Gate("g", "candidate")
GATES = INPUT, FORGET, CANDIDATE, OUTPUT
STATES = StateSpec("h"), StateSpec("c")
GATE_ORDERS = (("onnx", ("i", "o", "f", "g")),)

LSTM = CellSpec("lstm", "LSTM", step, gates=GATES, states=STATES, gate_orders=GATE_ORDERS)

LSTM_PEEPHOLE = CellSpec(
    "lstm_peephole",
    "LSTM with peepholes",
    peephole_step,
    gates=GATES,
    states=STATES,
    # ONNX's order: its P holds the three one after the other.
    parameters=(ParameterSpec("c2i_weight"), ParameterSpec("c2o_weight"), ParameterSpec("c2f_weight")),
    gate_orders=GATE_ORDERS,
)

LSTM_PROJECTION = CellSpec(
    "lstm_projection",
    "LSTM with a projection",
    projection_step,
    gates=GATES,
    states=(StateSpec("h", "P"), StateSpec("c")),
    parameters=(ParameterSpec("h2r_weight", ("P", "H"), "weight"),),
    activations=LSTM.activations,
)

LSTM_COUPLED = CellSpec(
    "lstm_coupled",
    "LSTM with coupled gates",
    coupled_step,
    # The forget gate has no rows.
    gates=(INPUT, CANDIDATE, OUTPUT),
    states=STATES,
    gate_orders=GATE_ORDERS,
)
