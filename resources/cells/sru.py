"""The simple recurrent unit: no recurrent matrix, so that only c waits for the step before (Lei et al., 2018).

The skip connection reads its own input part s, as in the paper where x and h differ in size.
"""

from rnnviz.cells import Step, sigmoid

title = "Simple recurrent unit"
gates = {"n": "candidate", "f": "forget gate", "r": "reset gate", "s": "skip connection"}
recurrent_gates = ""
states = "h c"
parameters = {"c2f_weight": "H", "c2r_weight": "H"}


def step(u, v, state, p):
    f = sigmoid(u.f + p.c2f_weight * state.c)
    r = sigmoid(u.r + p.c2r_weight * state.c)
    c = f * state.c + (1 - f) * u.n
    h = r * c + (1 - r) * u.s
    return Step(f=f, r=r, c=c, h=h)
