"""Parameters as a faulty reader takes them: biases left out, gates in another framework's order."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rnnviz.core.cells import CELLS
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import LayerParameters
from rnnviz.engines.faults.spec import ParameterChange


def without_i2h_bias(_: str, p: LayerParameters) -> LayerParameters:
    """b_i2h = 0."""
    return replace(p, i2h_bias=np.zeros_like(p.i2h_bias))


def without_h2h_bias(_: str, p: LayerParameters) -> LayerParameters:
    """b_h2h = 0."""
    return replace(p, h2h_bias=np.zeros_like(p.h2h_bias))


def h2h_transposed(cell: str, p: LayerParameters) -> LayerParameters:
    """Each gate's (H, H) block of W_h2h transposed."""
    blocks = np.split(p.h2h_weight, CELLS[cell].gate_count)
    return replace(p, h2h_weight=np.concatenate([block.T for block in blocks]))


def read_in_order(order: tuple[str, ...]) -> ParameterChange:
    """The rows of the weights and biases taken as though the gates was in `order`."""

    def change(cell: str, p: LayerParameters) -> LayerParameters:
        places = [order.index(gate.symbol) for gate in CELLS[cell].gates]

        def reorder(array: FloatArray) -> FloatArray:
            blocks = np.split(array, len(places))
            return np.concatenate([blocks[place] for place in places])

        return _every_array(p, reorder)

    return change


def forget_bias_one(cell: str, p: LayerParameters) -> LayerParameters:
    """One added to the forget gate's bias."""
    bias = p.h2h_bias.copy()
    gate(cell, "f", bias)[...] += 1.0
    return replace(p, h2h_bias=bias)


def n_bias_outside_reset(cell: str, p: LayerParameters) -> LayerParameters:
    """n = tanh(u_n + b_hn + r · W_hn h[t-1]): the bias moves to the side that the reset gate does not touch."""
    i2h_bias, h2h_bias = p.i2h_bias.copy(), p.h2h_bias.copy()
    gate(cell, "n", i2h_bias)[...] += gate(cell, "n", h2h_bias)
    gate(cell, "n", h2h_bias)[...] = 0.0
    return replace(p, i2h_bias=i2h_bias, h2h_bias=h2h_bias)


def update_gate_inverted(cell: str, p: LayerParameters) -> LayerParameters:
    """h = z · n + (1 - z) · h[t-1], since 1 - sigmoid(a) = sigmoid(-a)."""

    def invert(array: FloatArray) -> FloatArray:
        inverted = array.copy()
        gate(cell, "z", inverted)[...] *= -1.0
        return inverted

    return _every_array(p, invert)


def gate(cell: str, symbol: str, array: FloatArray) -> FloatArray:
    """The rows of one gate, a view."""
    symbols = [g.symbol for g in CELLS[cell].gates]
    rows: FloatArray = np.split(array, len(symbols))[symbols.index(symbol)]
    return rows


def _every_array(p: LayerParameters, change: Callable[[FloatArray], FloatArray]) -> LayerParameters:
    return LayerParameters(change(p.i2h_weight), change(p.h2h_weight), change(p.i2h_bias), change(p.h2h_bias))
