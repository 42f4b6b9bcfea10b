"""The update gate RNN: a vanilla RNN with one gate (Collins et al., "Capacity and Trainability in RNNs", 2017)."""

from rnnviz.cells import Step, sigmoid, tanh

title = "Update gate RNN"
gates = {"g": "update gate", "n": "candidate"}


def step(u, v, state, p):
    g = sigmoid(u.g + v.g)
    n = tanh(u.n + v.n)
    h = g * state.h + (1 - g) * n
    return Step(g=g, n=n, h=h)
