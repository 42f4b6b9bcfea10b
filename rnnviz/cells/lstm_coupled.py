"""The LSTM with coupled gates."""

from rnnviz.cells.activations import Function
from rnnviz.cells.base import CellSpec, OnnxOperator, Step, Values
from rnnviz.cells.lstm import ACTIVATIONS, CANDIDATE, INPUT, ONNX_GATES, OUTPUT, STATES


def step(
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


LSTM_COUPLED = CellSpec(
    "lstm_coupled",
    "LSTM with coupled gates",
    step,
    # The forget gate has no rows.
    gates=(INPUT, CANDIDATE, OUTPUT),
    states=STATES,
    activations=ACTIVATIONS,
    source="Greff et al. 2017",
    onnx=OnnxOperator("LSTM", ONNX_GATES, (("input_forget", 1),)),
)
