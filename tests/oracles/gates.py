"""Gates and cell states in plain Python, one number at a time, from the hidden states that an engine left."""

import math

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs

SYMBOLS = {"lstm": "ifgo", "gru": "rzn", "rnn_relu": "h", "rnn_tanh": "h"}


def logistic(v: float) -> float:
    return 1.0 / (1.0 + math.exp(-v))


def gates_of(inputs: Inputs, hidden: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """By name ("i", "pre_i", "c") an array (L, D, T, N, H): what each step gives after the vector before it."""
    cell = inputs.network.cell
    symbols = SYMBOLS[cell]
    names = [*(symbols if symbols != "h" else ""), *("c" * (cell == "lstm")), *(f"pre_{s}" for s in symbols)]
    found = {name: np.zeros(hidden.shape) for name in names}
    layers, directions, timesteps, samples, size = hidden.shape
    for layer in range(layers):
        for direction in range(directions):
            letter = "lr"[direction]
            w_x, w_h, b_x, b_h = (
                inputs.parameters[f"{letter}{layer}_{name}"].tolist()
                for name in ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
            )
            for n in range(samples):
                place = layer * directions + direction
                h = inputs.initial_state.h[place, n].tolist()
                c = inputs.initial_state.c[place, n].tolist() if inputs.initial_state.c is not None else []
                for t in range(timesteps - 1, -1, -1) if direction else range(timesteps):
                    x = inputs.sequence[t, n].tolist()
                    if layer:
                        x = [v for d in range(directions) for v in hidden[layer - 1, d, t, n].tolist()]
                    for unit in range(size):
                        at = (layer, direction, t, n, unit)
                        gate: dict[str, float] = {}
                        for number, symbol in enumerate(symbols):
                            row = number * size + unit
                            a = sum(w * v for w, v in zip(w_x[row], x, strict=True)) + b_x[row]
                            b = sum(w * v for w, v in zip(w_h[row], h, strict=True)) + b_h[row]
                            total = a + gate["r"] * b if symbol == "n" else a + b
                            gate[symbol] = math.tanh(total) if symbol in "gn" else logistic(total)
                            found[f"pre_{symbol}"][at] = total
                            if symbol != "h":
                                found[symbol][at] = gate[symbol]
                        if c:
                            c[unit] = gate["f"] * c[unit] + gate["i"] * gate["g"]
                            found["c"][at] = c[unit]
                    h = hidden[layer, direction, t, n].tolist()
    return found
