"""One step of every cell with running error bounds: the equations of `engines.manual`, once more, as a judge's copy.

It is written apart from the engine that it judges, and takes all time steps at once: an audit reads every
previous state from the trace, so no step waits for another, but for the cell state of an LSTM.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import LayerParameters
from rnnviz.verify.running_error import ALLOWED, BoundedArray, pre_activation, storage_bound, stored

Limits: TypeAlias = Mapping[int, tuple[FloatArray, FloatArray]]
"""The least and the largest cell state after some steps, by their place in a block."""

_NARROWED = 17
"""After every how many time steps a carried cell state is narrowed; a prime, since sequences repeat themselves."""


@dataclass(frozen=True)
class AuditedLayer:
    """The parameters of one layer and direction as an audit needs them, for some of its units.

    `i2h` (I, G·U) and `h2h` (H, G·U) are the chosen rows of the weights, transposed, in float64; their magnitudes are
    in the engine's precision, since a bound needs no more digits, and 0 where a weight is not finite. `eps` and
    `largest` are the engine's precision. `stored_as` is the type to which hidden values were rounded when they were
    stored, and `x_stored_as` that of the layer input; "" if they were not.
    """

    cell: str
    i2h: FloatArray
    h2h: FloatArray
    i2h_magnitude: FloatArray
    h2h_magnitude: FloatArray
    i2h_bias: FloatArray
    h2h_bias: FloatArray
    gates: int
    eps: float
    largest: float
    stored_as: str = ""
    x_stored_as: str = ""


def audited_layer(
    cell: str,
    gates: int,
    p: LayerParameters,
    units: NDArray[np.intp],
    eps: float = 0.0,
    stored_as: str = "",
    x_stored_as: str = "",
) -> AuditedLayer:
    """Prepare one layer; `units` are those that are audited, `eps` the engine's precision if less than the weights'."""
    size = len(p.h2h_bias) // gates
    rows = np.concatenate([gate * size + units for gate in range(gates)])
    i2h, h2h = p.i2h_weight[rows].T.astype(np.float64), p.h2h_weight[rows].T.astype(np.float64)
    limits = np.finfo(p.h2h_weight.dtype)
    return AuditedLayer(
        cell,
        np.ascontiguousarray(i2h),
        np.ascontiguousarray(h2h),
        _magnitude(i2h, limits.dtype),
        _magnitude(h2h, limits.dtype),
        p.i2h_bias[rows].astype(np.float64),
        p.h2h_bias[rows].astype(np.float64),
        gates,
        max(eps, float(limits.eps)),
        float(limits.max),
        stored_as,
        x_stored_as,
    )


def next_hidden(layer: AuditedLayer, x: FloatArray, h_previous: FloatArray, own_previous: FloatArray) -> BoundedArray:
    """h for an RNN or a GRU.

    `x` (M, I) and `h_previous` (M, H) are what the engine itself had, `own_previous` (M, U) the audited units
    of `h_previous`; the result is (M, U).
    """
    if layer.cell == "gru":
        a, b = _products(layer, x, h_previous)
        (a_r, a_z, a_n), (b_r, b_z, b_n) = _gates(layer, a), _gates(layer, b)
        r, z = _joined(a_r, b_r).sigmoid(), _joined(a_z, b_z).sigmoid()
        n = (a_n + r * b_n).tanh()
        return z.complement() * n + z * stored(own_previous, layer.stored_as, layer.eps)
    s = _joined(*_products(layer, x, h_previous))
    return s.relu() if layer.cell == "rnn_relu" else s.tanh()


def lstm_gates(
    layer: AuditedLayer, x: FloatArray, h_previous: FloatArray
) -> tuple[BoundedArray, BoundedArray, BoundedArray]:
    """f, i · g and o of an LSTM, each (M, U)."""
    i, f, g, o = _gates(layer, _joined(*_products(layer, x, h_previous)))
    return f.sigmoid(), i.sigmoid() * g.tanh(), o.sigmoid()


def lstm_cell(f: BoundedArray, i_g: BoundedArray, c_previous: BoundedArray) -> BoundedArray:
    """c = f · c[t-1] + i · g."""
    return f * c_previous + i_g


def lstm_cells(
    f: BoundedArray, i_g: BoundedArray, c: BoundedArray, *, backward: bool, known: Limits | None = None
) -> tuple[BoundedArray, BoundedArray]:
    """c of every step of a block, and the one that is passed on.

    `f` and `i_g` are (B, ...), `c` is the state before the block's first computed step, which is its last time step
    if `backward`. `known` holds limits of the engine's own c after some steps, by their place in the block: what is
    passed on from there is narrowed to them. It is not what the step itself is judged by.
    """
    cells = BoundedArray(np.empty_like(f.value), np.empty_like(f.bound), f.eps)
    for t in reversed(range(len(f.value))) if backward else range(len(f.value)):
        c = lstm_cell(_at(f, t), _at(i_g, t), c)
        cells.value[t], cells.bound[t] = c.value, c.bound
        if known and t in known:
            c = c.narrowed(*known[t])
    return cells, c


def lstm_cell_limits(
    layer: AuditedLayer, o: BoundedArray, h: FloatArray, own_cells: FloatArray | None, first: int
) -> Limits:
    """Between which two numbers the engine's own c was, in eight bounds, after every few steps of a block (B, S, U).

    They follow from its hidden values h = o · tanh(c), and are infinite where these say nothing of c: where the output
    gate is closed, or tanh is flat. Its own cell states, if there are any, narrow them further. `first` is the block's
    first time step, so that the places are the same whatever the blocks.
    """
    places = range(_NARROWED - 1 - first % _NARROWED, len(h), _NARROWED)
    if not places:
        return {}
    gate, bound, h = o.value[places], o.bound[places], h[places].astype(np.float64)
    magnitude = np.abs(h)
    off = bound * np.fmin(magnitude / gate, 1.0) + o.eps * (gate + magnitude) + storage_bound(h, layer.stored_as)
    off *= ALLOWED / np.fmax(gate - ALLOWED * bound, 0.0)
    middle = h / gate
    low, high = np.arctanh(np.fmax(middle - off, -1.0)), np.arctanh(np.fmin(middle + off, 1.0))
    if own_cells is not None:
        own = own_cells[places].astype(np.float64)
        reach = ALLOWED * (np.abs(own) * layer.eps + storage_bound(own, layer.stored_as))
        low, high = np.fmax(low, own - reach), np.fmin(high, own + reach)
    return {place: (low[row], high[row]) for row, place in enumerate(places)}


def lstm_hidden(o: BoundedArray, c: BoundedArray) -> BoundedArray:
    """h = o · tanh(c)."""
    return o * c.tanh()


def _products(layer: AuditedLayer, x: FloatArray, h: FloatArray) -> tuple[BoundedArray, BoundedArray]:
    """u = W_i2h x + b_i2h and v = W_h2h h[t-1] + b_h2h, each (M, G·U), with their bounds."""
    return (
        _affine(layer, x, layer.i2h, layer.i2h_magnitude, layer.i2h_bias, layer.x_stored_as),
        _affine(layer, h, layer.h2h, layer.h2h_magnitude, layer.h2h_bias, layer.stored_as),
    )


def _affine(
    layer: AuditedLayer,
    v: FloatArray,
    weight: FloatArray,
    magnitude: FloatArray,
    bias: FloatArray,
    stored_as: str,
) -> BoundedArray:
    value = v.astype(np.float64) @ weight
    value += bias
    terms = _magnitude(v, magnitude.dtype) @ magnitude
    terms += _magnitude(bias, magnitude.dtype)
    # An engine may go on summing from a to b, so that both are part of one sum.
    result = pre_activation(value, terms, len(layer.i2h) + len(layer.h2h), layer.largest, layer.eps)
    if stored_as:
        np.add(result.bound, storage_bound(v, stored_as) @ magnitude, out=result.bound)
    return result


def _magnitude(v: FloatArray, dtype: Any) -> FloatArray:
    """|v|, and 0 for what is not finite: terms that are not decide a sum without leaving any precision's range."""
    magnitude = np.abs(v)
    if not np.isfinite(magnitude).all():
        magnitude[~np.isfinite(magnitude)] = 0.0
    result: FloatArray = magnitude.astype(dtype, copy=False)
    return result


def _joined(a: BoundedArray, b: BoundedArray) -> BoundedArray:
    """a + b as one sum of terms: the two bounds already cover every partial sum. It takes the place of a."""
    np.add(a.value, b.value, out=a.value)
    np.add(a.bound, b.bound, out=a.bound)
    return a


def _gates(layer: AuditedLayer, s: BoundedArray) -> list[BoundedArray]:
    values, bounds = (np.split(array, layer.gates, axis=-1) for array in (s.value, s.bound))
    return [BoundedArray(value, bound, s.eps) for value, bound in zip(values, bounds, strict=True)]


def _at(running: BoundedArray, t: int) -> BoundedArray:
    return BoundedArray(running.value[t], running.bound[t], running.eps)
