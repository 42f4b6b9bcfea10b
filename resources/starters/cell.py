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
