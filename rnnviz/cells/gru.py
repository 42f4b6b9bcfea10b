"""The GRU: as cuDNN, Gluon and PyTorch compute it, and as it was published, with the reset before the product."""

from rnnviz.cells.activations import Function, sigmoid, tanh
from rnnviz.cells.base import CellSpec, Gate, KerasLayer, OnnxOperator, Step, Values, recurrent


def step(u: Values, v: Values, state: Values, p: Values, *, gate: Function, candidate: Function) -> Step:
    """The GRU: h keeps by z, and its candidate reads the past as far as r lets it."""
    r = gate(u.r + v.r)
    z = gate(u.z + v.z)
    n = candidate(u.n + r * v.n)
    h = (1 - z) * n + z * state.h
    return Step(r=r, z=z, n=n, h=h)


def reset_before_step(u: Values, v: Values, state: Values, p: Values, *, gate: Function, candidate: Function) -> Step:
    """The reset before the product: r scales what the product reads, not what it gives."""
    r = gate(u.r + v.r)
    z = gate(u.z + v.z)
    n = candidate(u.n + recurrent("n", r * state.h))
    h = (1 - z) * n + z * state.h
    return Step(r=r, z=z, n=n, h=h)


GATES = Gate("r", "reset gate"), Gate("z", "update gate"), Gate("n", "candidate")
ACTIVATIONS = ("gate", sigmoid), ("candidate", tanh)
KERAS_GATES = ONNX_GATES = "z", "r", "n"

GRU = CellSpec(
    "gru",
    "GRU",
    step,
    gates=GATES,
    activations=ACTIVATIONS,
    source="Cho et al. 2014, first preprint; cuDNN",
    gluon="GRU",
    torch="GRU",
    keras=KerasLayer("GRU", KERAS_GATES, (("reset_after", True),), biases=2),
    onnx=OnnxOperator("GRU", ONNX_GATES, (("linear_before_reset", 1),)),
)

GRU_RESET_BEFORE = CellSpec(
    "gru_reset_before",
    "GRU with the reset before the product",
    reset_before_step,
    gates=GATES,
    activations=ACTIVATIONS,
    source="Cho et al. 2014, as published",
    keras=KerasLayer("GRU", KERAS_GATES, (("reset_after", False),)),
    onnx=OnnxOperator("GRU", ONNX_GATES),
)
