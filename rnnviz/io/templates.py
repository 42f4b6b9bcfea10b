"""Templates of user code: a custom step, from the cell's lines as NumPy source, and a custom cell."""

from pathlib import Path

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.interpreters.symbols import code_lines, equations_of_all_units, helper_lines
from rnnviz.io.atomic import atomic_write

_TEMPLATE = '''\
"""{equations}

with the input part u = W_i2h x + b_i2h and the recurrent part v = W_h2h h[t-1] + b_h2h{gates}.

rnnviz calls step once per time step of every layer and direction, and compares the results with the reference.
It runs again each time you save this file.

x      (N, I)  input of this layer at this time step: the sequence, or the output of the layer below
state  {tuple:6}  the previous state, each (N, H)
p              p.i2h_weight ({rows}, I), p.h2h_weight ({rows}, H), p.i2h_bias ({rows},), p.h2h_bias ({rows},)

Return the new state as a tuple: {tuple}.
"""

import numpy as np


{helpers}def step(x, state, p):
    {tuple} = state
{lines}
    return {tuple}
'''


CELL_STARTER = '''\
"""A custom cell: what it declares, and the equations of one time step.

rnnviz runs the network again each time you save this file. The engines manual, gluon and torch compute the cell.

gates            their symbols and names; each has H rows in i2h_weight and i2h_bias
recurrent_gates  the gates with rows in h2h_weight and h2h_bias, such as "f"; left out: all of them
states           "h", "h c" or more; h is the output; {"h": "P", "c": "H"} gives their sizes, too
parameters       further parameters with their shapes: "H" for a vector, "P H" for a matrix
title            the cell's name in the window and in reports
"""

from rnnviz.cells import Step, sigmoid, tanh

title = "My cell"
gates = {"f": "forget gate", "n": "candidate"}
states = "h"
parameters = {"h2f_weight": "H"}


def step(u, v, state, p):
    # u.f: input part W_i2h x + b_i2h of gate f; v.f: its recurrent part W_h2h h[t-1] + b_h2h; state.h: h[t-1].
    # Operations: + - *, activations such as sigmoid, recurrent("n", x), and p.weight @ x for a matrix.
    f = sigmoid(u.f + v.f + p.h2f_weight * state.h)
    n = tanh(u.n + v.n)
    h = f * state.h + (1 - f) * n
    # The new states, and the gates that the lanes can show.
    return Step(f=f, n=n, h=h)
'''
"""The text of a file that declares a custom cell."""


def starter(cell: str | CellSpec) -> str:
    """The text of a file that computes a cell and says what step gets and returns."""
    kind = CELLS[cell] if isinstance(cell, str) else cell
    lines, gates, states = code_lines(kind, "p."), kind.gate_symbols, kind.state_symbols
    helpers = helper_lines(lines)
    return _TEMPLATE.format(
        equations="\n".join(equations_of_all_units(kind)),
        gates=f"; gate rows {', '.join(gates)}" if len(gates) > 1 else "",
        tuple=f"({', '.join(states)})" if len(states) > 1 else f"({states[0]},)",
        rows="H" if len(gates) == 1 else f"{len(gates)}·H",
        helpers="\n".join([*helpers, "", "", ""]) if helpers else "",
        lines="\n".join(f"    {line}" for line in lines),
    )


def write_starter(cell: str | CellSpec, path: Path) -> None:
    """Write the starter for a cell."""
    _write(starter(cell), path)


def write_cell_starter(path: Path) -> None:
    """Write `CELL_STARTER`."""
    _write(CELL_STARTER, path)


def _write(text: str, path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
