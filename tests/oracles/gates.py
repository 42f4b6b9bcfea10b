"""Gates and cell states in plain Python, one number at a time, from the hidden states that an engine left."""

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs

SYMBOLS = {
    "lstm": "ifgo",
    "lstm_peephole": "ifgo",
    "lstm_coupled": "igo",
    "gru": "rzn",
    "gru_reset_before": "rzn",
    "rnn_relu": "h",
    "rnn_tanh": "h",
}


def logistic(v: float) -> float:
    return 1.0 / (1.0 + math.exp(-v))


def gates_of(
    inputs: Inputs, hidden: NDArray[np.floating], cells: NDArray[np.floating] | None = None
) -> dict[str, NDArray[np.float64]]:
    """By name ("i", "pre_i", "c") an array (L, D, T, N, H): what each step gives after the vector before it.

    `cells` are the engine's own cell states, which its peepholes read, if it records them.
    """
    cell = inputs.network.cell
    symbols = SYMBOLS[cell]
    names = [*(symbols if symbols != "h" else ""), *("c" * cell.startswith("lstm")), *(f"pre_{s}" for s in symbols)]
    names += ["f"] if cell == "lstm_coupled" else []
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
                    gate: dict[tuple[str, int], float] = {}
                    for (number, symbol), unit in product(enumerate(symbols), range(size)):
                        at = (layer, direction, t, n, unit)
                        row = number * size + unit
                        read = h
                        if cell == "gru_reset_before" and symbol == "n":
                            read = [gate["r", k] * h[k] for k in range(size)]
                        a = sum(w * v for w, v in zip(w_x[row], x, strict=True)) + b_x[row]
                        b = sum(w * v for w, v in zip(w_h[row], read, strict=True)) + b_h[row]
                        total = a + gate["r", unit] * b if (cell, symbol) == ("gru", "n") else a + b
                        if cell == "lstm_peephole" and symbol != "g":
                            total += inputs.parameters[f"{letter}{layer}_c2{symbol}_weight"].tolist()[unit] * c[unit]
                        gate[symbol, unit] = math.tanh(total) if symbol in "gn" else logistic(total)
                        found[f"pre_{symbol}"][at] = total
                        if symbol != "h":
                            found[symbol][at] = gate[symbol, unit]
                        if symbol == "g":
                            i = gate["i", unit]
                            forget = 1.0 - i if cell == "lstm_coupled" else gate["f", unit]
                            c[unit] = forget * c[unit] + i * gate[symbol, unit]
                            found["c"][at], found["f"][at] = c[unit], forget
                    h = hidden[layer, direction, t, n].tolist()
                    if cells is not None:
                        c = cells[layer, direction, t, n].tolist()
    return found
