"""Cells as the code of a notebook: one step, and the Gluon layer that computes it."""

from rnnviz.cells import CellSpec
from rnnviz.cells.interpreters.symbols import code_lines


def layer_call(cell: CellSpec) -> str:
    """The beginning of the call that makes Gluon's fused layer of a cell."""
    activation = f"activation={cell.activations[0][1].text!r}, " if cell.gluon == "RNN" else ""
    return f"rnn.{cell.gluon}(H, L, {activation}"


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
