"""Recurrent cells in plain Python, one number at a time: slow, and easy to believe.

They are written from the papers and from the definitions of ONNX's operators RNN, GRU and LSTM, and share nothing with
`rnnviz.cells`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.float64]]
Numbers = list[float]
Function = Callable[[float], float]


def logistic(v: float) -> float:
    return 1.0 / (1.0 + math.exp(-v)) if v >= 0.0 else math.exp(v) / (1.0 + math.exp(v))


def cut(v: float, low: float, high: float) -> float:
    return low if v < low else high if v > high else v


def function(name: str, alpha: float = 0.0, beta: float = 0.0, clip: float | None = None) -> Function:
    """An activation of ONNX or Keras by its definition, of its argument cut to [-clip, clip]."""
    definitions: dict[str, Function] = {
        "sigmoid": logistic,
        "tanh": math.tanh,
        "relu": lambda v: v if v > 0.0 else 0.0,
        "linear": lambda v: v,
        "affine": lambda v: alpha * v + beta,
        "leaky_relu": lambda v: v if v >= 0.0 else alpha * v,
        "thresholded_relu": lambda v: v if v >= alpha else 0.0,
        "scaled_tanh": lambda v: alpha * math.tanh(beta * v),
        "hard_sigmoid": lambda v: cut(alpha * v + beta, 0.0, 1.0),
        "elu": lambda v: v if v >= 0.0 else alpha * (math.exp(v) - 1.0),
        "selu": lambda v: 1.0507009873554805 * (v if v > 0.0 else 1.6732632423543772 * (math.exp(v) - 1.0)),
        "softsign": lambda v: v / (1.0 + abs(v)),
        "softplus": lambda v: math.log(1.0 + math.exp(v)),
        "gelu": lambda v: v * 0.5 * (1.0 + math.erf(v / math.sqrt(2.0))),
        "swish": lambda v: v * logistic(v),
        "exponential": math.exp,
        "hard_tanh": lambda v: cut(v, -1.0, 1.0),
    }
    chosen = definitions[name]
    return chosen if clip is None else lambda v: chosen(cut(v, -clip, clip))


class Layer:
    """The parameters of one layer as lists, and the sums that its gates are made of."""

    def __init__(self, parameters: Mapping[str, NDArray[np.floating]]) -> None:
        self.p = {name: np.asarray(array, np.float64).tolist() for name, array in parameters.items()}

    def from_x(self, gates: int, gate: int, x: Numbers) -> Numbers:
        """W x + b with the rows of a gate, which are those from gate · H on."""
        return self._sum("i2h", gates, gate, x)

    def from_h(self, gates: int, gate: int, h: Numbers) -> Numbers:
        """R h + b with the rows of a gate."""
        return self._sum("h2h", gates, gate, h)

    def _sum(self, kind: str, gates: int, gate: int, read: Numbers) -> Numbers:
        size = len(self.p[f"{kind}_bias"]) // gates
        sums = []
        for row in range(gate * size, (gate + 1) * size):
            total = self.p[f"{kind}_bias"][row]
            for weight, number in zip(self.p[f"{kind}_weight"][row], read, strict=True):
                total += weight * number
            sums.append(total)
        return sums


def added(*vectors: Numbers) -> Numbers:
    return [sum(numbers) for numbers in zip(*vectors, strict=True)]


def scaled(a: Numbers, b: Numbers) -> Numbers:
    return [x * y for x, y in zip(a, b, strict=True)]


def each(f: Function, v: Numbers) -> Numbers:
    return [f(number) for number in v]


Given = Mapping[str, Numbers]
Named = dict[str, Numbers]


def _of_gate(f: Mapping[str, Function], gate: str) -> Function:
    """The activation of a gate: its own, where it has one."""
    return f[gate] if gate in f else f["candidate" if gate in ("g", "n") else "gate"]


def rnn(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    return {"h": each(f["activation"], added(layer.from_x(1, 0, x), layer.from_h(1, 0, s["h"])))}


def lstm(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    i, forget, g, o = (added(layer.from_x(4, k, x), layer.from_h(4, k, s["h"])) for k in range(4))
    i, forget, g, o = (each(_of_gate(f, gate), v) for gate, v in zip("ifgo", (i, forget, g, o), strict=True))
    c = [i[k] * g[k] + forget[k] * s["c"][k] for k in range(len(i))]
    h = [o[k] * f["output"](c[k]) for k in range(len(i))]
    return {"i": i, "f": forget, "g": g, "o": o, "c": c, "h": h}


def lstm_peephole(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    """ONNX's LSTM with P: it = f(... + Pi (.) Ct-1), ft = f(... + Pf (.) Ct-1), ot = f(... + Po (.) Ct)."""
    sums = [added(layer.from_x(4, k, x), layer.from_h(4, k, s["h"])) for k in range(4)]
    i = each(_of_gate(f, "i"), added(sums[0], scaled(layer.p["c2i_weight"], s["c"])))
    forget = each(_of_gate(f, "f"), added(sums[1], scaled(layer.p["c2f_weight"], s["c"])))
    g = each(f["candidate"], sums[2])
    c = [forget[k] * s["c"][k] + i[k] * g[k] for k in range(len(i))]
    o = each(_of_gate(f, "o"), added(sums[3], scaled(layer.p["c2o_weight"], c)))
    h = [o[k] * f["output"](c[k]) for k in range(len(i))]
    return {"i": i, "f": forget, "g": g, "o": o, "c": c, "h": h}


def lstm_projection(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    """PyTorch's LSTM with proj_size: h_t = W_hr h_t."""
    named = lstm(layer, x, s, f)
    h = [sum(w * v for w, v in zip(row, named["h"], strict=True)) for row in layer.p["h2r_weight"]]
    return {**named, "m": named["h"], "h": h}


def lstm_coupled(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    """ONNX's LSTM with input_forget=1: the forget gate is 1 - i."""
    i, g, o = (added(layer.from_x(3, k, x), layer.from_h(3, k, s["h"])) for k in range(3))
    i, g, o = each(f["gate"], i), each(f["candidate"], g), each(f["gate"], o)
    forget = [1.0 - number for number in i]
    c = [forget[k] * s["c"][k] + i[k] * g[k] for k in range(len(i))]
    h = [o[k] * f["output"](c[k]) for k in range(len(i))]
    return {"i": i, "f": forget, "g": g, "o": o, "c": c, "h": h}


def gru(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    """PyTorch's GRU, and ONNX's with linear_before_reset=1."""
    r = each(_of_gate(f, "r"), added(layer.from_x(3, 0, x), layer.from_h(3, 0, s["h"])))
    z = each(_of_gate(f, "z"), added(layer.from_x(3, 1, x), layer.from_h(3, 1, s["h"])))
    n = each(f["candidate"], added(layer.from_x(3, 2, x), scaled(r, layer.from_h(3, 2, s["h"]))))
    return {"r": r, "z": z, "n": n, "h": _mixed(z, n, s["h"])}


def gru_reset_before(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    """ONNX's GRU with linear_before_reset=0: ht = g(Xt*(Wh^T) + (rt (.) Ht-1)*(Rh^T) + Rbh + Wbh)."""
    r = each(_of_gate(f, "r"), added(layer.from_x(3, 0, x), layer.from_h(3, 0, s["h"])))
    z = each(_of_gate(f, "z"), added(layer.from_x(3, 1, x), layer.from_h(3, 1, s["h"])))
    n = each(f["candidate"], added(layer.from_x(3, 2, x), layer.from_h(3, 2, scaled(r, s["h"]))))
    return {"r": r, "z": z, "n": n, "h": _mixed(z, n, s["h"])}


def _mixed(z: Numbers, n: Numbers, h: Numbers) -> Numbers:
    """Ht = (1 - zt) (.) ht + zt (.) Ht-1."""
    return [(1.0 - z[k]) * n[k] + z[k] * h[k] for k in range(len(h))]


def mgu(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    """Zhou et al. 2016, equations 6 to 8."""
    forget = each(logistic, added(layer.from_x(2, 0, x), layer.from_h(2, 0, s["h"])))
    n = each(math.tanh, added(layer.from_x(2, 1, x), layer.from_h(2, 1, scaled(forget, s["h"]))))
    return {"f": forget, "n": n, "h": _mixed(forget, s["h"], n)}


def ugrnn(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    """Collins et al. 2017, equations 5 to 7."""
    g = each(logistic, added(layer.from_x(2, 0, x), layer.from_h(2, 0, s["h"])))
    n = each(math.tanh, added(layer.from_x(2, 1, x), layer.from_h(2, 1, s["h"])))
    return {"g": g, "n": n, "h": _mixed(g, n, s["h"])}


def sru(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    """Lei et al. 2018, equations 1 to 4."""
    n, skip = layer.from_x(4, 0, x), layer.from_x(4, 3, x)
    forget = each(logistic, added(layer.from_x(4, 1, x), scaled(layer.p["c2f_weight"], s["c"])))
    r = each(logistic, added(layer.from_x(4, 2, x), scaled(layer.p["c2r_weight"], s["c"])))
    c = _mixed(forget, n, s["c"])
    return {"f": forget, "r": r, "c": c, "h": _mixed(r, skip, c)}


def indrnn(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    """Li et al. 2018, equation 2."""
    return {"h": each(f["activation"], added(layer.from_x(1, 0, x), scaled(layer.p["h2h_scale"], s["h"])))}


def mingru(layer: Layer, x: Numbers, s: Given, f: Mapping[str, Function]) -> Named:
    """Feng et al. 2024, section 3.1.3."""
    z = each(logistic, layer.from_x(2, 0, x))
    return {"z": z, "h": _mixed(z, s["h"], layer.from_x(2, 1, x))}


Loop = Callable[[Layer, Numbers, Given, Mapping[str, Function]], Named]

STEPS: dict[str, Loop] = {
    "rnn_tanh": rnn,
    "rnn_relu": rnn,
    "lstm": lstm,
    "lstm_peephole": lstm_peephole,
    "lstm_projection": lstm_projection,
    "lstm_coupled": lstm_coupled,
    "gru": gru,
    "gru_reset_before": gru_reset_before,
    "mgu": mgu,
    "ugrnn": ugrnn,
    "sru": sru,
    "indrnn": indrnn,
    "mingru": mingru,
}
"""One step of one sample, by the name of the cell."""


def in_test_of(cell: str, name: str) -> Any:
    """A name in `tests/cells/test_CELL.py`: the loop of a cell that is not here, its ONNX node, its known bugs."""
    return getattr(import_module(f"tests.cells.test_{cell}"), name)


def loop_of(cell: str) -> Loop:
    """One step of one sample; for a cell that is not here, the function of its name in its test."""
    return STEPS[cell] if cell in STEPS else in_test_of(cell, cell)


def defaults_of(cell: str) -> dict[str, Function]:
    """The activations by role, as far as the cell has the roles."""
    activation = function("relu") if cell in ("rnn_relu", "indrnn") else math.tanh
    return {"activation": activation, "gate": logistic, "candidate": math.tanh, "output": math.tanh}


def cell_values(
    cell: str,
    parameters: Mapping[str, NDArray[np.floating]],
    x: NDArray[np.floating],
    state: Mapping[str, NDArray[np.floating]],
    activations: Mapping[str, Function] | None = None,
    *,
    backward: bool = False,
    loop: Loop | None = None,
) -> Arrays:
    """Every named value of a layer in one direction, (T, N, H) or (T, N, P), from x (T, N, I) and the state (N, H);
    `loop` are other lines than the cell's."""
    layer, step = Layer(parameters), loop or loop_of(cell)
    functions = defaults_of(cell) if activations is None else activations
    timesteps, samples, _ = x.shape
    found: dict[str, list[list[Numbers]]] = {}
    for n in range(samples):
        s = {name: np.asarray(array, np.float64)[n].tolist() for name, array in state.items()}
        for t in _order(timesteps, backward=backward):
            named = step(layer, np.asarray(x[t, n], np.float64).tolist(), s, functions)
            for name, numbers in named.items():
                found.setdefault(name, [[[] for _ in range(samples)] for _ in range(timesteps)])[t][n] = numbers
            s = {name: named[name] for name in s}
    return {name: np.array(numbers) for name, numbers in found.items()}


def _order(timesteps: int, *, backward: bool) -> Sequence[int]:
    return range(timesteps - 1, -1, -1) if backward else range(timesteps)
