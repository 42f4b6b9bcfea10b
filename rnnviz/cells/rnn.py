"""The vanilla RNN, with either activation."""

from rnnviz.cells.activations import Function, relu, tanh
from rnnviz.cells.base import CellSpec, Gate, KerasLayer, OnnxOperator, Step, Values


def step(u: Values, v: Values, state: Values, p: Values, *, activation: Function) -> Step:
    """h from the input part and the recurrent part of its only gate."""
    h = activation(u.h + v.h)
    return Step(h=h)


RNN_TANH, RNN_RELU = (
    CellSpec(
        f"rnn_{activation.name}",
        f"RNN {activation.name}",
        step,
        gates=(Gate("h", "hidden"),),
        activations=(("activation", activation),),
        source=source,
        gluon="RNN",
        torch="RNN",
        keras=KerasLayer("SimpleRNN", ("h",)),
        onnx=OnnxOperator("RNN", ("h",)),
    )
    for activation, source in ((tanh, "Elman 1990"), (relu, "Le et al. 2015"))
)
