"""The LSTM with peepholes and coupled gates."""

from rnnviz.cells.activations import Function
from rnnviz.cells.base import CellSpec, OnnxOperator, ParameterSpec, Step, Values
from rnnviz.cells.lstm import ACTIVATIONS, CANDIDATE, INPUT, ONNX_GATES, OUTPUT, STATES


def step(
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


LSTM_COUPLED_PEEPHOLE = CellSpec(
    "lstm_coupled_peephole",
    "LSTM with peepholes and coupled gates",
    step,
    # The forget gate has neither rows nor a peephole.
    gates=(INPUT, CANDIDATE, OUTPUT),
    states=STATES,
    parameters=(ParameterSpec("c2i_weight"), ParameterSpec("c2o_weight")),
    activations=ACTIVATIONS,
    source="Greff et al. 2017",
    onnx=OnnxOperator("LSTM", ONNX_GATES, (("input_forget", 1),), ("c2i_weight", "c2o_weight", None)),
)
