"""The manual recurrence in numpy.

With u = W_i2h x_t + b_i2h and v = W_h2h h_{t-1} + b_h2h:

    RNN    h = act(u + v)
    LSTM   i, f, o = sigmoid(u + v);  g = tanh(u + v);  c = f · c[t-1] + i · g;  h = o · tanh(c)
    GRU    r, z = sigmoid(u + v);  n = tanh(u_n + r · v_n);  h = (1 - z) · n + z · h[t-1]

The product W_i2h x does not depend on the state, so it is taken for many time steps at once, with every bias that
can be added there; the rest is the loop over t. A step allocates nothing: it writes into buffers that already exist.
Each gate lies together in them.

sigmoid(a) = (1 + tanh(a / 2)) / 2 never overflows, and tanh is numpy's fastest exponential. So every gate is
scale · tanh(scale · a) + shift, with 1/2 and 1/2 for a sigmoid and 1 and 0 for a tanh. The inner scaling is made once,
in the rows of the weights and biases: halving a float is exact, so the sums are halved exactly, too.

Source: Elman 1990; Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; Cho et al. 2014
with the reset gate applied after the product, as in cuDNN, Gluon and PyTorch.
"""

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np
from numpy import add, dot, matmul, maximum, multiply, subtract, tanh

from rnnviz.core.cells import CELLS
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import LayerParameters
from rnnviz.core.trace import Trace
from rnnviz.engines.base import EngineReport, Progress
from rnnviz.engines.blas_threads import threads_for
from rnnviz.engines.layers import LayerTask, run_stack

Step: TypeAlias = Callable[[FloatArray, FloatArray, Any, FloatArray, Any], None]
"""step(a, h[t-1], c[t-1], h, c) writes the next h and c, each (N, H), from a (G, N, H) and the previous state."""

_BLOCK_BYTES = 4 << 20
_LONG_ROW = 128


def relu(a: FloatArray, out: FloatArray) -> None:
    """max(a, 0); a NaN stays a NaN."""
    maximum(a, 0.0, out=out)


def finish_gates(t: FloatArray, scale: FloatArray, shift: FloatArray) -> None:
    """scale · t + shift, in place: the gates (G, ...), once t is the tanh of their scaled arguments."""
    multiply(t, scale, out=t)
    add(t, shift, out=t)


def rnn_step(p: LayerParameters, activation: Callable[..., object]) -> Step:
    """h = act(u + v)."""
    weight = np.ascontiguousarray(p.h2h_weight.T)

    def step(a: FloatArray, h_previous: FloatArray, _c_previous: Any, h: FloatArray, _c: Any) -> None:
        dot(h_previous, weight, out=h)
        add(a[0], h, out=h)
        activation(h, out=h)

    return step


def lstm_step(p: LayerParameters, batch_size: int) -> Step:
    """i, f, o = sigmoid(u + v); g = tanh(u + v); c = f · c[t-1] + i · g; h = o · tanh(c)."""
    weight, product, b = gate_products(p.h2h_weight, 4, batch_size)
    gates = np.empty(b.shape, b.dtype)
    scale, shift = full(gate_scale("lstm", p), gates), full(gate_shift("lstm", p), gates)
    i, f, g, o = gates

    def step(a: FloatArray, h_previous: FloatArray, c_previous: Any, h: FloatArray, c: Any) -> None:
        matmul(h_previous, weight, out=product)
        add(a, b, out=gates)
        tanh(gates, out=gates)
        finish_gates(gates, scale, shift)
        multiply(f, c_previous, out=c)
        multiply(i, g, out=g)
        add(c, g, out=c)
        tanh(c, out=h)
        multiply(o, h, out=h)

    return step


def gru_step(p: LayerParameters, batch_size: int) -> Step:
    """r, z = sigmoid(u + v); n = tanh(u_n + r · v_n); h = (1 - z) · n + z · h[t-1] = n + z · (h[t-1] - n)."""
    weight, product, b = gate_products(p.h2h_weight, 3, batch_size)
    gates = np.empty(b.shape, b.dtype)
    r_and_z, (r, z, n) = gates[:2], gates
    scale, shift = full(gate_scale("gru", p)[:2], r_and_z), full(gate_shift("gru", p)[:2], r_and_z)
    b_r_and_z, b_n = b[:2], b[2]
    n_bias = full(p.h2h_bias[2 * len(p.h2h_bias) // 3 :], n)

    def step(a: FloatArray, h_previous: FloatArray, _c_previous: Any, h: FloatArray, _c: Any) -> None:
        matmul(h_previous, weight, out=product)
        add(a[:2], b_r_and_z, out=r_and_z)
        tanh(r_and_z, out=r_and_z)
        finish_gates(r_and_z, scale, shift)
        add(b_n, n_bias, out=n)
        multiply(r, n, out=n)
        add(a[2], n, out=n)
        tanh(n, out=n)
        subtract(h_previous, n, out=h)
        multiply(z, h, out=h)
        add(n, h, out=h)

    return step


def gate_products(weight: FloatArray, gates: int, rows: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(w, product, by_gate): after matmul(x, w, out=product), by_gate (G, rows, H) holds W x.

    `weight` is W (G·H, I) and x (rows, I). One product for all gates is the quickest, but leaves their rows among
    each other; where these are short, walking through them costs more than a product for each gate.
    """
    size, features = len(weight) // gates, weight.shape[1]
    if size < _LONG_ROW:
        product = np.empty((gates, rows, size), weight.dtype)
        return np.ascontiguousarray(weight.reshape(gates, size, features).swapaxes(1, 2)), product, product
    product = np.empty((rows, gates * size), weight.dtype)
    return np.ascontiguousarray(weight.T), product, product.reshape(rows, gates, size).swapaxes(0, 1)


def gate_scale(cell: str, p: LayerParameters) -> FloatArray:
    """(G, 1, 1): 1/2 for each gate that is a sigmoid and 1 for the others."""
    scale = [0.5 if gate.activation == "sigmoid" else 1.0 for gate in CELLS[cell].gates]
    return np.array(scale, p.h2h_weight.dtype).reshape(-1, 1, 1)


def gate_shift(cell: str, p: LayerParameters) -> FloatArray:
    """(G, 1, 1): 1/2 for each gate that is a sigmoid and 0 for the others."""
    return 1.0 - gate_scale(cell, p)


def full(array: FloatArray, like: FloatArray) -> FloatArray:
    """The array repeated to the shape of another: numpy takes half as long where nothing has to be repeated."""
    return np.ascontiguousarray(np.broadcast_to(array, like.shape))


def scale_gates(cell: str, p: LayerParameters) -> LayerParameters:
    """The parameters with half of every row whose gate is a sigmoid."""
    rows = np.repeat(gate_scale(cell, p).reshape(-1), p.h2h_weight.shape[1])
    return LayerParameters(
        p.i2h_weight * rows[:, np.newaxis], p.h2h_weight * rows[:, np.newaxis], p.i2h_bias * rows, p.h2h_bias * rows
    )


def make_step(cell: str, p: LayerParameters, batch_size: int) -> Step:
    """The step of `cell`; `p` are one layer's and direction's parameters with their gates scaled."""
    if cell == "lstm":
        return lstm_step(p, batch_size)
    if cell == "gru":
        return gru_step(p, batch_size)
    return rnn_step(p, relu if cell == "rnn_relu" else tanh)


def run_layer(task: LayerTask, progress: Progress) -> tuple[FloatArray, FloatArray | None]:
    """Compute one layer in one direction and return its final (h, c); see `engines.stack.RunLayer`."""
    p = scale_gates(task.cell, task.parameters)
    step, h, c = make_step(task.cell, p, len(task.h0)), task.h0, task.c0
    with threads_for(len(h) * p.h2h_weight.size):
        for times, a in i2h_products(task, p):
            order = slice(None, None, -1 if task.backward else 1)
            cells = repeat(None) if task.cells is None else task.cells[times][order]
            for a_t, h_next, c_next in zip(a[order], task.hidden[times][order], cells, strict=False):
                step(a_t, h, c, h_next, c_next)
                h, c = h_next, c_next
            progress((len(task.x) - times.start if task.backward else times.stop) / len(task.x))
    return h, c


def hoisted_bias(cell: str, p: LayerParameters) -> FloatArray:
    """b_i2h + b_h2h, but for a GRU's n, whose b_h2h is inside the reset gate."""
    bias = p.i2h_bias + p.h2h_bias
    if cell == "gru":
        n = slice(2 * len(bias) // 3, None)
        bias[n] = p.i2h_bias[n]
    return bias


def i2h_products(task: LayerTask, p: LayerParameters) -> Iterator[tuple[slice, FloatArray]]:
    """W_i2h x_t + bias for many t at once: slices of time B in the order of computation, each with its (B, G, N, H).

    A block stays in the processor's cache, and its memory is used again for the next one.
    """
    gates, (timesteps, samples, features) = CELLS[task.cell].gate_count, task.x.shape
    bias = hoisted_bias(task.cell, p).reshape(gates, 1, -1)
    length = min(timesteps, max(1, _BLOCK_BYTES // (samples * bias.nbytes)))
    weight, product, rows = gate_products(p.i2h_weight, gates, length * samples)
    buffer = rows if rows is product else np.empty(rows.shape, bias.dtype)
    starts = range(0, timesteps, length)
    for start in reversed(starts) if task.backward else starts:
        times = slice(start, min(start + length, timesteps))
        x = task.x[times].reshape(-1, features)
        matmul(x, weight, out=product[..., : len(x), :])
        a = add(rows[:, : len(x)], bias, out=buffer[:, : len(x)])
        yield times, a.reshape(gates, -1, samples, a.shape[-1]).swapaxes(0, 1)


class ManualEngine:
    """The recurrence above over every layer and direction."""

    provides_cell_state = True
    version = f"numpy {np.__version__}"

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`."""
        # Infinities and NaNs are results to be shown, not accidents to be warned of.
        with np.errstate(all="ignore"):
            run_stack(inputs, trace, run_layer, progress)
        return EngineReport()
