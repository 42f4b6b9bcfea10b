"""The GRU as it was published, with the reset before the product."""

from rnnviz.cells.activations import Function
from rnnviz.cells.base import CellSpec, KerasLayer, OnnxOperator, Step, Values, recurrent
from rnnviz.cells.gru import ACTIVATIONS, GATES, KERAS_GATES, ONNX_GATES


def step(u: Values, v: Values, state: Values, p: Values, *, gate: Function, candidate: Function) -> Step:
    """The reset before the product: r scales what the product reads, not what it gives."""
    r = gate(u.r + v.r)
    z = gate(u.z + v.z)
    n = candidate(u.n + recurrent("n", r * state.h))
    h = (1 - z) * n + z * state.h
    return Step(r=r, z=z, n=n, h=h)


GRU_RESET_BEFORE = CellSpec(
    "gru_reset_before",
    "GRU with the reset before the product",
    step,
    gates=GATES,
    activations=ACTIVATIONS,
    source="Cho et al. 2014, as published",
    keras=KerasLayer("GRU", KERAS_GATES, (("reset_after", False),)),
    onnx=OnnxOperator("GRU", ONNX_GATES),
)
