"""The minimal gated unit: one gate that both resets and updates (Zhou et al., "Minimal Gated Unit", 2016)."""

from rnnviz.cells import Step, recurrent, sigmoid, tanh

title = "Minimal gated unit"
gates = {"f": "forget gate", "n": "candidate"}


def step(u, v, state, p):
    f = sigmoid(u.f + v.f)
    n = tanh(u.n + recurrent("n", f * state.h))
    h = (1 - f) * state.h + f * n
    return Step(f=f, n=n, h=h)
