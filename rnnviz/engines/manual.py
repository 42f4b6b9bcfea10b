"""The textbook recurrence in numpy.

With a = W_i2h x_t + b_i2h and b = W_h2h h_{t-1} + b_h2h:

    RNN    h = act(a + b)
    LSTM   i, f, o = sigmoid(a + b);  g = tanh(a + b);  c = f · c' + i · g;  h = o · tanh(c)
    GRU    r, z = sigmoid(a + b);  n = tanh(a_n + r · b_n);  h = (1 - z) · n + z · h'

The product W_i2h x does not depend on the state, so it is taken for many timesteps at once, with every bias that
can be added there; the rest is the loop over t. A step allocates nothing: it writes into buffers that already exist,
in which each gate lies together.

sigmoid(a) = (1 + tanh(a / 2)) / 2 never overflows, and tanh is numpy's fastest exponential. The inner halving is
made once, in the rows of the weights and biases: halving a float is exact, so the sums are halved exactly, too.

Source: Elman 1990; Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; Cho et al. 2014
with the reset gate applied after the product, as in cuDNN, Gluon and PyTorch.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from rnnviz.engines.base import EngineReport, Progress
from rnnviz.engines.stack import run_stack
from rnnviz.model.arrays import FloatArray
from rnnviz.model.cells import CELLS
from rnnviz.model.inputs import Inputs
from rnnviz.model.parameters import LayerParameters
from rnnviz.model.trace import Trace

Step: TypeAlias = Callable[[FloatArray, FloatArray, Any, FloatArray, Any], None]
"""step(a, h', c', h, c): from a (G, N, H) and the previous state, write the next one into h and c, each (N, H)."""

_BLOCK_BYTES = 4 << 20


def relu(a: FloatArray, out: FloatArray) -> None:
    """max(a, 0); a NaN stays a NaN."""
    np.maximum(a, 0.0, out=out)


def finish_sigmoid(t: FloatArray) -> None:
    """(1 + t) / 2, in place: a sigmoid, once t is the tanh of half its argument."""
    t *= 0.5
    t += 0.5


def rnn_step(p: LayerParameters, batch_size: int, activation: Callable[..., object]) -> Step:
    """h = act(a + b)."""
    product, (b,), _ = _buffers(p, batch_size, gates=1)

    def step(a: FloatArray, h_previous: FloatArray, _c_previous: Any, h: FloatArray, _c: Any) -> None:
        product(h_previous)
        np.add(a[0], b, out=h)
        activation(h, out=h)

    return step


def lstm_step(p: LayerParameters, batch_size: int) -> Step:
    """i, f, o = sigmoid(a + b); g = tanh(a + b); c = f · c' + i · g; h = o · tanh(c)."""
    product, b, gates = _buffers(p, batch_size, gates=4)
    i, f, g, o = gates
    i_and_f = gates[:2]

    def step(a: FloatArray, h_previous: FloatArray, c_previous: Any, h: FloatArray, c: Any) -> None:
        product(h_previous)
        np.add(a, b, out=gates)
        np.tanh(gates, out=gates)
        finish_sigmoid(i_and_f)
        finish_sigmoid(o)
        np.multiply(f, c_previous, out=c)
        np.multiply(i, g, out=g)
        np.add(c, g, out=c)
        np.tanh(c, out=h)
        np.multiply(o, h, out=h)

    return step


def gru_step(p: LayerParameters, batch_size: int) -> Step:
    """r, z = sigmoid(a + b); n = tanh(a_n + r · b_n); h = (1 - z) · n + z · h' = n + z · (h' - n)."""
    product, b, gates = _buffers(p, batch_size, gates=3)
    r, z, n = gates
    r_and_z, n_bias = gates[:2], p.h2h_bias[2 * len(p.h2h_bias) // 3 :]

    def step(a: FloatArray, h_previous: FloatArray, _c_previous: Any, h: FloatArray, _c: Any) -> None:
        product(h_previous)
        np.add(a[:2], b[:2], out=r_and_z)
        np.tanh(r_and_z, out=r_and_z)
        finish_sigmoid(r_and_z)
        np.add(b[2], n_bias, out=n)
        np.multiply(r, n, out=n)
        np.add(a[2], n, out=n)
        np.tanh(n, out=n)
        np.subtract(h_previous, n, out=h)
        np.multiply(z, h, out=h)
        np.add(n, h, out=h)

    return step


def _buffers(
    p: LayerParameters, batch_size: int, gates: int
) -> tuple[Callable[[FloatArray], None], FloatArray, FloatArray]:
    """product(h') = W_h2h h', where it is found as (G, N, H), and a second buffer in which each gate lies together."""
    weight = np.ascontiguousarray(p.h2h_weight.T)
    size = len(weight)
    result = np.empty((batch_size, gates * size), weight.dtype)

    def product(h_previous: FloatArray) -> None:
        np.matmul(h_previous, weight, out=result)

    return product, _by_gate(result, gates), np.empty((gates, batch_size, size), weight.dtype)


def _by_gate(rows: FloatArray, gates: int) -> FloatArray:
    """(..., N, G·H) seen as (..., G, N, H)."""
    return np.moveaxis(rows.reshape(*rows.shape[:-1], gates, -1), -2, -3)


def halve_sigmoids(cell: str, p: LayerParameters) -> LayerParameters:
    """The parameters with half of every row whose gate is a sigmoid."""
    size = len(p.h2h_bias) // CELLS[cell].gate_count
    scale = [0.5 if gate.activation == "sigmoid" else 1.0 for gate in CELLS[cell].gates]
    rows = np.repeat(np.array(scale, p.h2h_bias.dtype), size)
    return LayerParameters(
        p.i2h_weight * rows[:, np.newaxis], p.h2h_weight * rows[:, np.newaxis], p.i2h_bias * rows, p.h2h_bias * rows
    )


def make_step(cell: str, p: LayerParameters, batch_size: int) -> Step:
    """The step of `cell`; `p` are one layer's and direction's parameters with their sigmoids halved."""
    if cell == "lstm":
        return lstm_step(p, batch_size)
    if cell == "gru":
        return gru_step(p, batch_size)
    return rnn_step(p, batch_size, relu if cell == "rnn_relu" else np.tanh)


def run_layer(
    cell: str,
    p: LayerParameters,
    x: FloatArray,
    h0: FloatArray,
    c0: FloatArray | None,
    hidden: FloatArray,
    cells: FloatArray | None,
    *,
    backward: bool,
    progress: Progress,
) -> tuple[FloatArray, FloatArray | None]:
    """Compute one layer in one direction and return its final (h, c), each (N, H).

    `x` is the layer's input (T, N, I); `hidden`, and `cells` of an LSTM, are (T, N, H) and are filled. A
    backward layer starts at t = T-1, so its final state is the one at t = 0.
    """
    p = halve_sigmoids(cell, p)
    step, bias = make_step(cell, p, len(h0)), hoisted_bias(cell, p)
    h, c = h0, c0
    for block in _blocks(x, len(p.i2h_bias), backward):
        a = _by_gate(i2h_product(p.i2h_weight, bias, x[block]), CELLS[cell].gate_count)
        hidden_block = hidden[block]
        cells_block = cells[block] if cells is not None else None
        for t in reversed(range(len(a))) if backward else range(len(a)):
            h_next, c_next = hidden_block[t], cells_block[t] if cells_block is not None else None
            step(a[t], h, c, h_next, c_next)
            h, c = h_next, c_next
        progress((len(x) - block.start if backward else block.stop) / len(x))
    return h, c


def hoisted_bias(cell: str, p: LayerParameters) -> FloatArray:
    """b_i2h + b_h2h, but for a GRU's n, whose b_h2h stands inside the reset gate."""
    bias = p.i2h_bias + p.h2h_bias
    if cell == "gru":
        n = slice(2 * len(bias) // 3, None)
        bias[n] = p.i2h_bias[n]
    return bias


def i2h_product(weight: FloatArray, bias: FloatArray, x: FloatArray) -> FloatArray:
    """W_i2h x_t + bias for every t at once: (T, N, I) gives (T, N, G·H)."""
    timesteps, batch_size, features = x.shape
    a = x.reshape(timesteps * batch_size, features) @ weight.T
    a += bias
    return a.reshape(timesteps, batch_size, -1)


def _blocks(x: FloatArray, gate_rows: int, backward: bool) -> Iterator[slice]:
    """Slices of time, in the order of computation, whose i2h product stays in the processor's cache."""
    timesteps, batch_size, _ = x.shape
    length = max(1, _BLOCK_BYTES // (batch_size * gate_rows * x.itemsize))
    starts = range(0, timesteps, length)
    for start in reversed(starts) if backward else starts:
        yield slice(start, min(start + length, timesteps))


class ManualEngine:
    """The recurrence above over every layer and direction."""

    knows_cell = True
    version = f"numpy {np.__version__}"

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`."""
        # Infinities and NaNs are results to be shown, not accidents to be warned of.
        with np.errstate(all="ignore"):
            run_stack(inputs, trace, run_layer, progress)
        return EngineReport()
