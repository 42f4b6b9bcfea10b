"""Recurrent cells, each a few lines of algebra, and the interpreters that compute, bound, explain and derive them."""

from rnnviz.cells.activations import (
    ACTIVATIONS,
    Activation,
    affine,
    clip,
    clipped,
    elu,
    exponential,
    gelu,
    hard_sigmoid,
    hard_tanh,
    keras_hard_sigmoid,
    leaky_relu,
    linear,
    relu,
    scaled_tanh,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    swish,
    tanh,
    thresholded_relu,
)
from rnnviz.cells.base import CellError, CellSpec, Gate, ParameterSpec, Sizes, StateSpec, Step, Values, recurrent
from rnnviz.cells.gru import GRU, GRU_RESET_BEFORE
from rnnviz.cells.lstm import LSTM, LSTM_COUPLED, LSTM_PEEPHOLE, LSTM_PROJECTION
from rnnviz.cells.rnn import RNN_RELU, RNN_TANH

CELLS: dict[str, CellSpec] = {
    cell.name: cell
    for cell in (
        RNN_RELU,
        RNN_TANH,
        LSTM,
        GRU,
        LSTM_PEEPHOLE,
        LSTM_PROJECTION,
        LSTM_COUPLED,
        GRU_RESET_BEFORE,
    )
}
"""The cells that the program has, by the names that a config gives to them."""

__all__ = [
    "ACTIVATIONS",
    "CELLS",
    "GRU",
    "GRU_RESET_BEFORE",
    "LSTM",
    "LSTM_COUPLED",
    "LSTM_PEEPHOLE",
    "LSTM_PROJECTION",
    "RNN_RELU",
    "RNN_TANH",
    "Activation",
    "CellError",
    "CellSpec",
    "Gate",
    "ParameterSpec",
    "Sizes",
    "StateSpec",
    "Step",
    "Values",
    "affine",
    "clip",
    "clipped",
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "hard_tanh",
    "keras_hard_sigmoid",
    "leaky_relu",
    "linear",
    "recurrent",
    "relu",
    "scaled_tanh",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "swish",
    "tanh",
    "thresholded_relu",
]
