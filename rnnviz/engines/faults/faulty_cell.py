"""The recurrence with a fault in it, plainly written: it is run to be recognized, not to be fast."""

from collections.abc import Callable, Iterator
from functools import reduce

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import LayerParameters
from rnnviz.engines.base import Progress
from rnnviz.engines.faults.spec import Fault
from rnnviz.engines.layers import LayerTask, RunLayer

_BLOCK_VALUES = 1 << 20

_ACTIVATIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "sigmoid": lambda a: 0.5 * (1.0 + np.tanh(0.5 * a)),
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0.0),
    "identity": lambda a: a,
    # ONNX's default and old Keras's: 0.2 a + 0.5, cut to [0, 1].
    "hard_sigmoid": lambda a: np.clip(0.2 * a + 0.5, 0.0, 1.0),
    # Keras 3's and PyTorch's: a / 6 + 0.5, cut to [0, 1].
    "keras_hard_sigmoid": lambda a: np.clip(a / 6.0 + 0.5, 0.0, 1.0),
}


def faulty_layer(fault: Fault, carried: FloatArray | None = None) -> RunLayer:
    """A way to run one layer with the fault; see `engines.stack.RunLayer`.

    `carried` (T, N, H) holds the hidden states that each step hands to the next one in its own place: those of
    an engine that is compared with the fault step by step, since a chaotic network makes more of every rounding.
    """

    def run_layer(task: LayerTask, progress: Progress) -> tuple[FloatArray, FloatArray | None]:
        cell, x, hidden, cells = task.cell, task.x, task.hidden, task.cells
        p = reduce(lambda q, change: change(cell, q), fault.parameters, task.parameters)
        h, c = task.h0, task.c0
        for t, a in _i2h(x, p, backward=task.backward and fault.backward != "not_reversed"):
            before = _carried(fault, (h, c), (task.h0, task.c0))
            h, c = _step(cell, p, fault, a, *before)
            hidden[t] = h
            if cells is not None and c is not None:
                cells[t] = c
            if carried is not None:
                h = carried[t]
        if task.backward and fault.backward == "not_realigned":
            for lane in (hidden, cells):
                if lane is not None:
                    lane[:] = lane[::-1].copy()
        if fault.final_at_last_timestep:
            h, c = hidden[-1], cells[-1] if cells is not None else c
        progress(1.0)
        return h, c

    return run_layer


def _i2h(x: FloatArray, p: LayerParameters, *, backward: bool) -> Iterator[tuple[int, FloatArray]]:
    """Every t in the order of computation with u = W_i2h x_t + b_i2h, taken for some time steps at once."""
    length = max(1, _BLOCK_VALUES // (x.shape[1] * len(p.i2h_bias)))
    starts = range(0, len(x), length)
    for start in reversed(starts) if backward else starts:
        u = x[start : start + length] @ p.i2h_weight.T + p.i2h_bias
        times = range(len(u))
        for t in reversed(times) if backward else times:
            yield start + t, u[t]


def _carried(
    fault: Fault, state: tuple[FloatArray, FloatArray | None], initial: tuple[FloatArray, FloatArray | None]
) -> tuple[FloatArray, FloatArray | None]:
    """The previous state that a step reads, each (N, H)."""

    def one(name: str, own: FloatArray, first: FloatArray) -> FloatArray:
        if name not in fault.forgotten:
            return own
        return np.zeros_like(own) if fault.forgotten_is == "zeros" else first

    (h, c), (h0, c0) = state, initial
    return one("h", h, h0), None if c is None or c0 is None else one("c", c, c0)


def _step(
    cell: str, p: LayerParameters, fault: Fault, u: FloatArray, h: FloatArray, c: FloatArray | None
) -> tuple[FloatArray, FloatArray | None]:
    """The next (h, c) from u = W_i2h x + b_i2h and the state before."""
    own = "relu" if cell == "rnn_relu" else "tanh"
    activation = _ACTIVATIONS[fault.activation or own]
    sigmoid = _ACTIVATIONS[fault.gate_activation or "sigmoid"]
    v = h @ p.h2h_weight.T + p.h2h_bias
    if cell == "lstm":
        assert c is not None
        i, f, g, o = np.split(u + v, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * activation(g)
        return sigmoid(o) * (np.tanh(c) if fault.squash_cell else c), c
    if cell == "gru":
        (u_r, u_z, u_n), (v_r, v_z, v_n) = np.split(u, 3, axis=-1), np.split(v, 3, axis=-1)
        r, z = sigmoid(u_r + v_r), sigmoid(u_z + v_z)
        if fault.reset_before_matmul:
            size = h.shape[-1]
            n = activation(u_n + (r * h) @ p.h2h_weight[2 * size :].T + p.h2h_bias[2 * size :])
        else:
            n = activation(u_n + r * v_n)
        return (1.0 - z) * n + z * h, None
    return activation(u + v), None
