"""minGRU: a GRU whose gate and candidate read the input alone (Feng et al., "Were RNNs All We Needed?", 2024)."""

from rnnviz.cells import Step, sigmoid

title = "minGRU"
gates = {"z": "update gate", "n": "candidate"}
recurrent_gates = ""


def step(u, v, state, p):
    z = sigmoid(u.z)
    h = (1 - z) * state.h + z * u.n
    return Step(z=z, h=h)
