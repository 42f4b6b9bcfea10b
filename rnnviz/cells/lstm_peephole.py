"""The LSTM with peepholes."""

from rnnviz.cells.activations import Function
from rnnviz.cells.base import CellSpec, OnnxOperator, ParameterSpec, Step, Values
from rnnviz.cells.lstm import ACTIVATIONS, GATES, ONNX_GATES, STATES


def step(
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


PEEPHOLES = "c2i_weight", "c2o_weight", "c2f_weight"

LSTM_PEEPHOLE = CellSpec(
    "lstm_peephole",
    "LSTM with peepholes",
    step,
    gates=GATES,
    states=STATES,
    parameters=tuple(map(ParameterSpec, PEEPHOLES)),
    activations=ACTIVATIONS,
    source="Gers et al. 2002",
    onnx=OnnxOperator("LSTM", ONNX_GATES, peepholes=PEEPHOLES),
)
