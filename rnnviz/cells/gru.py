"""The GRU, with the reset gate after the recurrent product or before it.

Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
2014, which resets before the product, as ONNX does with linear_before_reset=0 and Keras with reset_after=False. After
the product is how cuDNN, Gluon and PyTorch compute it.
"""

from rnnviz.cells.activations import Function, sigmoid, tanh
from rnnviz.cells.base import CellSpec, Gate, Step, Values, recurrent


def step(
    u: Values, v: Values, state: Values, p: Values, *, gate: Function = sigmoid, candidate: Function = tanh
) -> Step:
    """The GRU: h keeps by z, and its candidate reads the past as far as r lets it."""
    r = gate(u.r + v.r)
    z = gate(u.z + v.z)
    n = candidate(u.n + r * v.n)
    h = (1 - z) * n + z * state.h
    return Step(r=r, z=z, n=n, h=h)


def reset_before_step(
    u: Values, v: Values, state: Values, p: Values, *, gate: Function = sigmoid, candidate: Function = tanh
) -> Step:
    """The reset before the product: r scales what the product reads, not what it gives."""
    r = gate(u.r + v.r)
    z = gate(u.z + v.z)
    n = candidate(u.n + recurrent("n", r * state.h))
    h = (1 - z) * n + z * state.h
    return Step(r=r, z=z, n=n, h=h)


GATES = Gate("r", "reset gate"), Gate("z", "update gate"), Gate("n", "candidate")

GATE_ORDERS = tuple((framework, ("z", "r", "n")) for framework in ("onnx", "keras"))

GRU = CellSpec("gru", "GRU", step, gates=GATES, gate_orders=GATE_ORDERS)
GRU_RESET_BEFORE = CellSpec(
    "gru_reset_before",
    "GRU with the reset before the product",
    reset_before_step,
    gates=GATES,
    gate_orders=GATE_ORDERS,
)
