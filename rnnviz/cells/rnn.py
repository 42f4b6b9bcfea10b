"""The vanilla RNN.

Source: Elman, "Finding Structure in Time", 1990.
"""

from rnnviz.cells.activations import Function, relu, tanh
from rnnviz.cells.base import CellSpec, Gate, Step, Values


def step(u: Values, v: Values, state: Values, p: Values, *, activation: Function = tanh) -> Step:
    """h from the input part and the recurrent part of its only gate."""
    h = activation(u.h + v.h)
    return Step(h=h)


RNN_TANH = CellSpec("rnn_tanh", "RNN tanh", step, gates=(Gate("h", "hidden"),))
RNN_RELU = CellSpec("rnn_relu", "RNN relu", step, gates=(Gate("h", "hidden"),), activations=(("activation", relu),))
