"""The textbook recurrence in numpy.

With a = W_i2h x_t + b_i2h and b = W_h2h h_{t-1} + b_h2h:

    RNN    h = act(a + b)
    LSTM   i, f, o = sigmoid(a + b);  g = tanh(a + b);  c = f · c' + i · g;  h = o · tanh(c)
    GRU    r, z = sigmoid(a + b);  n = tanh(a_n + r · b_n);  h = (1 - z) · n + z · h'

The product W_i2h x does not depend on the state, so it is taken for many timesteps at once; the rest is the
loop over t. Every step writes into buffers that already exist: a step allocates nothing.

Source: Elman 1990; Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; Cho et al. 2014
with the reset gate applied after the product, as in cuDNN, Gluon and PyTorch.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from rnnviz.engines.base import EngineReport, Progress
from rnnviz.engines.stack import run_stack
from rnnviz.model.arrays import FloatArray
from rnnviz.model.inputs import Inputs
from rnnviz.model.parameters import LayerParameters
from rnnviz.model.trace import Trace

Step: TypeAlias = Callable[[FloatArray, FloatArray, FloatArray | None, FloatArray, FloatArray | None], None]
"""step(a, h', c', h, c): read a (N, G·H) and the previous state, write the next one into h and c, each (N, H)."""

_BLOCK_BYTES = 4 << 20


def sigmoid(a: FloatArray) -> None:
    """sigmoid(a) = (1 + tanh(a / 2)) / 2, in place: it never overflows, and tanh is numpy's fastest exponential."""
    a *= 0.5
    np.tanh(a, out=a)
    a += 1.0
    a *= 0.5


def relu(a: FloatArray, out: FloatArray) -> None:
    """max(a, 0); a NaN stays a NaN."""
    np.maximum(a, 0.0, out=out)


def rnn_step(p: LayerParameters, batch_size: int, activation: Callable[..., object]) -> Step:
    """h = act(a + b)."""
    weight, s = np.ascontiguousarray(p.h2h_weight.T), np.empty((batch_size, len(p.h2h_bias)), p.h2h_weight.dtype)

    def step(a: FloatArray, h_previous: FloatArray, _: object, h: FloatArray, __: object) -> None:
        np.matmul(h_previous, weight, out=s)
        np.add(s, p.h2h_bias, out=s)
        np.add(s, a, out=s)
        activation(s, out=h)

    return step


def lstm_step(p: LayerParameters, batch_size: int) -> Step:
    """i, f, o = sigmoid(a + b); g = tanh(a + b); c = f · c' + i · g; h = o · tanh(c)."""
    weight, s = np.ascontiguousarray(p.h2h_weight.T), np.empty((batch_size, len(p.h2h_bias)), p.h2h_weight.dtype)
    i, f, g, o = np.split(s, 4, axis=1)
    i_f = s[:, : 2 * i.shape[1]]

    def step(
        a: FloatArray, h_previous: FloatArray, c_previous: FloatArray | None, h: FloatArray, c: FloatArray | None
    ) -> None:
        assert c_previous is not None
        assert c is not None
        np.matmul(h_previous, weight, out=s)
        np.add(s, p.h2h_bias, out=s)
        np.add(s, a, out=s)
        sigmoid(i_f)
        np.tanh(g, out=g)
        sigmoid(o)
        np.multiply(f, c_previous, out=c)
        np.multiply(i, g, out=g)
        np.add(c, g, out=c)
        np.tanh(c, out=h)
        np.multiply(o, h, out=h)

    return step


def gru_step(p: LayerParameters, batch_size: int) -> Step:
    """r, z = sigmoid(a + b); n = tanh(a_n + r · b_n); h = (1 - z) · n + z · h'."""
    weight, b = np.ascontiguousarray(p.h2h_weight.T), np.empty((batch_size, len(p.h2h_bias)), p.h2h_weight.dtype)
    r, z, n = np.split(b, 3, axis=1)
    r_z, width = b[:, : 2 * r.shape[1]], r.shape[1]

    def step(a: FloatArray, h_previous: FloatArray, _: object, h: FloatArray, __: object) -> None:
        np.matmul(h_previous, weight, out=b)
        np.add(b, p.h2h_bias, out=b)
        np.add(r_z, a[:, : 2 * width], out=r_z)
        sigmoid(r_z)
        np.multiply(r, n, out=n)
        np.add(n, a[:, 2 * width :], out=n)
        np.tanh(n, out=n)
        # (1 - z) n + z h' = n + z (h' - n), but only the first form is exact where n or h' is infinite.
        np.multiply(z, h_previous, out=h)
        np.subtract(1.0, z, out=z)
        np.multiply(z, n, out=n)
        np.add(h, n, out=h)

    return step


def make_step(cell: str, p: LayerParameters, batch_size: int) -> Step:
    """The step of `cell` with the parameters of one layer and direction."""
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
    step = make_step(cell, p, len(h0))
    h, c = h0, c0
    for block in _blocks(x, len(p.i2h_bias), backward):
        a = i2h_product(p, x[block])
        hidden_block = hidden[block]
        cells_block = cells[block] if cells is not None else None
        for t in reversed(range(len(a))) if backward else range(len(a)):
            h_next, c_next = hidden_block[t], cells_block[t] if cells_block is not None else None
            step(a[t], h, c, h_next, c_next)
            h, c = h_next, c_next
        progress((len(x) - block.start if backward else block.stop) / len(x))
    return h, c


def i2h_product(p: LayerParameters, x: FloatArray) -> FloatArray:
    """a = W_i2h x_t + b_i2h for every t at once: (T, N, I) gives (T, N, G·H)."""
    timesteps, batch_size, features = x.shape
    a = x.reshape(timesteps * batch_size, features) @ p.i2h_weight.T
    a += p.i2h_bias
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
