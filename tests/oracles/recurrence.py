"""The recurrence in float64, one sample, one time step and one gate at a time: slow, and easy to believe."""

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs
from tests.oracles.computed import Answer

Vector = NDArray[np.float64]


def logistic(v: Vector) -> Vector:
    return 1.0 / (1.0 + np.exp(-v))


def next_state(
    cell: str,
    weights: tuple[Vector, Vector, Vector, Vector],
    x: Vector,
    h: Vector,
    c: Vector | None,
) -> tuple[Vector, Vector | None]:
    """One step of one sample: x (I,), h and c (H,)."""
    w_x, w_h, b_x, b_h = weights
    size = len(h)

    def from_input(gate: int) -> Vector:
        rows = range(gate * size, (gate + 1) * size)
        return np.array([w_x[row] @ x + b_x[row] for row in rows])

    def from_state(gate: int) -> Vector:
        rows = range(gate * size, (gate + 1) * size)
        return np.array([w_h[row] @ h + b_h[row] for row in rows])

    if cell == "lstm":
        assert c is not None
        input_gate = logistic(from_input(0) + from_state(0))
        forget_gate = logistic(from_input(1) + from_state(1))
        candidate = np.tanh(from_input(2) + from_state(2))
        output_gate = logistic(from_input(3) + from_state(3))
        c = forget_gate * c + input_gate * candidate
        return output_gate * np.tanh(c), c
    if cell == "gru":
        reset = logistic(from_input(0) + from_state(0))
        update = logistic(from_input(1) + from_state(1))
        candidate = np.tanh(from_input(2) + reset * from_state(2))
        return (1.0 - update) * candidate + update * h, None
    total = from_input(0) + from_state(0)
    return (np.tanh(total) if cell == "rnn_tanh" else np.where(total > 0, total, 0.0)), None


def recurrence(inputs: Inputs) -> Answer:
    """Every number of the network that `inputs` describes."""
    network = inputs.network
    timesteps, samples, directions, size = (
        inputs.timesteps,
        inputs.batch_size,
        network.directions,
        network.hidden_size,
    )
    hidden = np.zeros((network.num_layers, directions, timesteps, samples, size))
    cells = np.zeros_like(hidden)
    state_h = np.zeros((network.num_layers * directions, samples, size))
    state_c = np.zeros_like(state_h)
    below = inputs.sequence.astype(np.float64)
    for layer in range(network.num_layers):
        for direction, letter in enumerate("lr"[:directions]):
            names = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
            weights = tuple(inputs.parameters[f"{letter}{layer}_{name}"].astype(np.float64) for name in names)
            order = list(range(timesteps))
            if letter == "r":
                order.reverse()
            for n in range(samples):
                place = layer * directions + direction
                h = inputs.initial_state.h[place, n].astype(np.float64)
                c = None
                if network.cell == "lstm":
                    assert inputs.initial_state.c is not None
                    c = inputs.initial_state.c[place, n].astype(np.float64)
                for t in order:
                    h, c = next_state(network.cell, weights, below[t, n], h, c)
                    hidden[layer, direction, t, n] = h
                    if c is not None:
                        cells[layer, direction, t, n] = c
                state_h[place, n] = h
                if c is not None:
                    state_c[place, n] = c
        below = np.array(
            [
                [np.hstack([hidden[layer, d, t, n] for d in range(directions)]) for n in range(samples)]
                for t in range(timesteps)
            ]
        )
    if network.cell == "lstm":
        return Answer(hidden, below, state_h, state_c, cells)
    return Answer(hidden, below, state_h)
