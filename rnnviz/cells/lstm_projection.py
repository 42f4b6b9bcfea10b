"""The LSTM with a projection: the cell `lstm` of a config with `projection_size`."""

from rnnviz.cells import lstm
from rnnviz.cells.activations import Function
from rnnviz.cells.base import CellSpec, ParameterSpec, StateSpec, Step, Values


def step(u: Values, v: Values, state: Values, p: Values, **activations: Function) -> Step:
    """A projection: h is a matrix times the h of the LSTM, and has its own size."""
    named = lstm.step(u, v, state, p, **activations)
    return named.with_values(h=p.h2r_weight @ named.h)


LSTM_PROJECTION = CellSpec(
    "lstm_projection",
    "LSTM with a projection",
    step,
    gates=lstm.GATES,
    states=(StateSpec("h", "P"), StateSpec("c")),
    parameters=(ParameterSpec("h2r_weight", ("P", "H"), "weight"),),
    activations=lstm.ACTIVATIONS,
    source="Sak et al. 2014",
    gluon="LSTMPCell",
    torch="LSTM",
    projection_of="lstm",
)
