"""Users' files: right recurrences in other code than the program's, and the known bugs planted in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RNN = """
import numpy as np

FIRST = {}


def step(x, state, p):
    h = np.array(state[0], np.float64)
    new = np.empty_like(h)
    for n in range(len(x)):
        for j in range(h.shape[1]):
            total = p.i2h_bias[j] + p.h2h_bias[j]
            for k, value in enumerate(x[n]):
                total += float(p.i2h_weight[j, k]) * float(value)
            total += float(p.h2h_weight[j] @ h[n])
            new[n, j] = ACTIVATION
    return [new]
"""

LSTM = """
import numpy as np

FIRST = {}


def logistic(v):
    return 1 / (1 + np.exp(-v))


def step(x, state, p):
    h, c = (np.asarray(s, dtype="f8") for s in state)
    size = h.shape[1]
    w, u = p.i2h_weight.reshape(4, size, -1), p.h2h_weight.reshape(4, size, size)
    pre = np.einsum("gji,ni->gnj", w.astype("f8"), x) + p.i2h_bias.reshape(4, 1, size)
    pre = pre + np.einsum("gjk,nk->gnj", u.astype("f8"), h) + p.h2h_bias.reshape(4, 1, size)
    i, f, g, o = pre
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c
"""

GRU = """
import numpy as np

FIRST = {}


def logistic(v):
    return 1 / (1 + np.exp(-v))


def turned(weight):
    return np.vstack([block.T for block in np.split(weight, 3)])


def gate(number, weight, bias, vector):
    size = len(bias) // 3
    rows = slice(number * size, (number + 1) * size)
    return vector @ np.transpose(weight[rows]).astype(float) + bias[rows]


def step(x, state, p):
    (h,) = state
    h = h.astype(float)
    R, Z, N = 0, 1, 2
    r = logistic(gate(R, p.i2h_weight, p.i2h_bias, x) + gate(R, p.h2h_weight, p.h2h_bias, h))
    z = logistic(gate(Z, p.i2h_weight, p.i2h_bias, x) + gate(Z, p.h2h_weight, p.h2h_bias, h))
    n = np.tanh(gate(N, p.i2h_weight, p.i2h_bias, x) + r * gate(N, p.h2h_weight, p.h2h_bias, h))
    return (n + z * (h - n),)
"""

RIGHT = {
    "rnn_relu": RNN.replace("ACTIVATION", "total if total > 0 else 0.0"),
    "rnn_tanh": RNN.replace("ACTIVATION", "np.tanh(total)"),
    "lstm": LSTM,
    "gru": GRU,
}


@dataclass(frozen=True)
class Planted:
    """A user's file that makes a known bug in one way."""

    cell: str
    bug: str
    way: int
    code: str

    def __str__(self) -> str:
        return f"{self.cell}-{self.bug}-{self.way}"

    def written(self, folder: Path) -> Path:
        """The file, under a neutral name."""
        path = folder / "mine.py"
        path.write_text(self.code, encoding="utf-8")
        return path


_REMEMBERED = "FIRST.setdefault(p.h2h_weight.tobytes(), {})"

_RNN_CHANGES: dict[str, list[tuple[str, str]]] = {
    "no-i2h-bias": [("p.i2h_bias[j] + p.h2h_bias[j]", "p.h2h_bias[j]")],
    "no-h2h-bias": [("p.i2h_bias[j] + p.h2h_bias[j]", "p.i2h_bias[j]")],
    "h2h-transposed": [("p.h2h_weight[j] @ h[n]", "p.h2h_weight[:, j] @ h[n]")],
    "state-not-carried": [
        ("np.array(state[0], np.float64)", "np.zeros(state[0].shape)"),
        ("np.array(state[0], np.float64)", f"{_REMEMBERED}.setdefault('h', state[0].astype(float))"),
    ],
}

_OTHER_ACTIVATIONS = {
    "tanh": "np.tanh(total)",
    "relu": "max(total, 0.0)",
    "sigmoid": "1 / (1 + np.exp(-total))",
    "identity": "total",
}

_LSTM_CHANGES: dict[str, list[tuple[str, str]]] = {
    "no-i2h-bias": [(" + p.i2h_bias.reshape(4, 1, size)", "")],
    "no-h2h-bias": [(" + p.h2h_bias.reshape(4, 1, size)", "")],
    "h2h-transposed": [("gjk,nk->gnj", "gkj,nk->gnj")],
    "state-not-carried": [
        ("for s in state)", "for s in np.zeros_like(state))"),
        ("for s in state)", f"for s in {_REMEMBERED}.setdefault('s', state))"),
        ("size = h.shape[1]", "size = h.shape[1]; h = h * 0"),
        ("size = h.shape[1]", f"size = h.shape[1]; h = {_REMEMBERED}.setdefault('h', h)"),
        ("size = h.shape[1]", "size = h.shape[1]; c = c * 0"),
        ("size = h.shape[1]", f"size = h.shape[1]; c = {_REMEMBERED}.setdefault('c', c)"),
    ],
    "wrong-activation": [
        ("np.tanh(g)", "np.clip(g, 0, None)"),
        ("np.tanh(g)", "logistic(g)"),
        ("np.tanh(g)", "g"),
        ("1 / (1 + np.exp(-v))", "np.minimum(1, np.maximum(0, v / 5 + 0.5))"),
        ("1 / (1 + np.exp(-v))", "np.minimum(1, np.maximum(0, (v + 3) / 6))"),
        ("1 / (1 + np.exp(-v))", "np.tanh(v)"),
    ],
    "gates-i-f-o-g": [("i, f, g, o = pre", "i, f, o, g = pre")],
    "gates-i-o-f-g": [("i, f, g, o = pre", "i, o, f, g = pre")],
    "gates-i-g-f-o": [("i, f, g, o = pre", "i, g, f, o = pre")],
    "forget-bias-one": [("logistic(f) * c", "logistic(f + 1.0) * c")],
    "cell-not-squashed": [("logistic(o) * np.tanh(c)", "logistic(o) * c")],
}

_GRU_CHANGES: dict[str, list[tuple[str, str]]] = {
    "no-i2h-bias": [("p.i2h_bias", "0 * p.i2h_bias")],
    "no-h2h-bias": [("p.h2h_bias", "0 * p.h2h_bias")],
    "h2h-transposed": [("p.h2h_weight", "turned(p.h2h_weight)")],
    "state-not-carried": [
        ("h = h.astype(float)", "h = np.zeros(h.shape)"),
        ("h = h.astype(float)", f"h = {_REMEMBERED}.setdefault('h', h.astype(float))"),
    ],
    "wrong-activation": [
        ("np.tanh(gate(N", "np.maximum(0, gate(N"),
        ("np.tanh(gate(N", "logistic(gate(N"),
        ("np.tanh(gate(N", "(gate(N"),
        ("1 / (1 + np.exp(-v))", "np.minimum(1, np.maximum(0, v / 5 + 0.5))"),
        ("1 / (1 + np.exp(-v))", "np.minimum(1, np.maximum(0, (v + 3) / 6))"),
        ("1 / (1 + np.exp(-v))", "np.tanh(v)"),
    ],
    "gates-z-r-n": [("R, Z, N = 0, 1, 2", "Z, R, N = 0, 1, 2")],
    "reset-before-matmul": [("r * gate(N, p.h2h_weight, p.h2h_bias, h)", "gate(N, p.h2h_weight, p.h2h_bias, r * h)")],
    "h2h-bias-outside-reset": [
        (
            "r * gate(N, p.h2h_weight, p.h2h_bias, h)",
            "r * gate(N, p.h2h_weight, 0 * p.h2h_bias, h) + p.h2h_bias[-h.shape[1]:]",
        )
    ],
    "update-gate-inverted": [("n + z * (h - n)", "h + z * (n - h)")],
}


def planted() -> Iterator[Planted]:
    """Every known bug that a step can make, for every cell that can have it, in every variant."""
    for cell, changes in (
        ("rnn_relu", {**_RNN_CHANGES, "wrong-activation": _rnn_activations("relu")}),
        ("rnn_tanh", {**_RNN_CHANGES, "wrong-activation": _rnn_activations("tanh")}),
        ("lstm", _LSTM_CHANGES),
        ("gru", _GRU_CHANGES),
    ):
        for bug, ways in changes.items():
            for way, (old, new) in enumerate(ways):
                assert old in RIGHT[cell], (cell, bug, old)
                yield Planted(cell, bug, way, RIGHT[cell].replace(old, new))


def _rnn_activations(own: str) -> list[tuple[str, str]]:
    old = "total if total > 0 else 0.0" if own == "relu" else "np.tanh(total)"
    return [(old, code) for name, code in _OTHER_ACTIVATIONS.items() if name != own]
