"""Cells as the code of a notebook: one step, and the Gluon layer that computes it."""

from rnnviz.cells import CellSpec
from rnnviz.cells.interpreters.symbols import code_lines

GLUON_LAYERS = {
    "rnn_relu": "rnn.RNN(H, L, activation='relu', ",
    "rnn_tanh": "rnn.RNN(H, L, activation='tanh', ",
    "lstm": "rnn.LSTM(H, L, ",
    "gru": "rnn.GRU(H, L, ",
}
"""How the call that makes the layer begins."""


def state_variables(cell: CellSpec) -> str:
    """ "h", or "h, c" of an LSTM."""
    return ", ".join(cell.state_symbols)


def step_function(cell: CellSpec) -> list[str]:
    """The definition of step(x, h, ...)."""
    states, parameters = state_variables(cell), ", ".join(cell.initializers())
    return [
        f"def step(x, {states}, {parameters}):",
        f'    """The next {states}, from a layer\'s input and its previous {states}."""',
        *(f"    {line}" for line in code_lines(cell)),
        f"    return {states}",
    ]
