"""The independently recurrent network: each unit sees its own past alone (Li et al., 2018)."""

from rnnviz.cells import Step, relu

title = "Independently recurrent network"
gates = {"h": "hidden"}
recurrent_gates = ""
parameters = {"h2h_scale": "H"}


def step(u, v, state, p, *, activation=relu):
    h = activation(u.h + p.h2h_scale * state.h)
    return Step(h=h)
