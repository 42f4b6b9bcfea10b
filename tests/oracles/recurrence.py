"""The recurrence in float64, one sample, one time step and one gate at a time: slow, and easy to believe."""

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CELLS
from rnnviz.core.config import Network
from rnnviz.core.inputs import Inputs
from tests.oracles.cell_loops import Function, cell_values, function
from tests.oracles.computed import Answer

FUSED_CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")
Vector = NDArray[np.float64]


def logistic(v: Vector) -> Vector:
    return 1.0 / (1.0 + np.exp(-v))


def _of_loops(inputs: Inputs) -> Answer:
    """The network of any cell, by `cell_loops`."""
    network = inputs.network
    symbols = network.kind.state_symbols
    states = dict(inputs.initial_state)
    series: dict[str, list[Vector]] = {name: [] for name in symbols}
    finals: dict[str, list[Vector]] = {name: [] for name in symbols}
    below = inputs.sequence.astype(np.float64)
    for layer in range(network.num_layers):
        sides = []
        for direction, letter in enumerate("lr"[: network.directions]):
            prefix, place = f"{letter}{layer}_", layer * network.directions + direction
            p = {k.removeprefix(prefix): v for k, v in inputs.parameters.items() if k.startswith(prefix)}
            state = {name: array[place] for name, array in states.items()}
            functions = None if network.activations is None and network.clip is None else _functions(network)
            backward = network.reverse or letter == "r"
            values = cell_values(network.kind.name, p, below, state, functions, backward=backward)
            for name in symbols:
                series[name].append(values[name])
                finals[name].append(values[name][0 if backward else -1])
            sides.append(values["h"])
        below = np.concatenate(sides, axis=-1)
    lanes = network.num_layers, network.directions
    whole = {name: np.stack(arrays).reshape(*lanes, *arrays[0].shape) for name, arrays in series.items()}
    last = {name: np.stack(arrays) for name, arrays in finals.items()}
    return Answer(whole["h"], below, last["h"], last.get("c"), whole.get("c"))


def _functions(network: Network) -> dict[str, Function]:
    """The activations of the roles, from the names in the config; a clip cuts all arguments but that of the output."""
    names = {"activation": "relu" if network.cell == "rnn_relu" else "tanh", "gate": "sigmoid", "candidate": "tanh"}
    names["output"] = "tanh"
    roles = [role for role, _ in network.kind.activations]
    if network.activations is not None:
        names |= dict(zip(roles, network.activations, strict=True))
    return {role: _function(names[role], None if role == "output" else network.clip) for role in roles}


def _function(text: str, clip: float | None) -> Function:
    name, _, constants = text.partition("(")
    alpha, beta = CONSTANTS.get(name, (0.0, 0.0))
    given = [float(part) for part in constants.rstrip(")").split(",")] if constants else []
    alpha, beta = (*given, *(alpha, beta)[len(given) :])
    return function({"keras_hard_sigmoid": "hard_sigmoid", "silu": "swish"}.get(name, name), alpha, beta, clip)


CONSTANTS = {
    "hard_sigmoid": (0.2, 0.5),
    "keras_hard_sigmoid": (1.0 / 6.0, 0.5),
    "scaled_tanh": (1.0, 1.0),
    "elu": (1.0, 0.0),
    "leaky_relu": (0.01, 0.0),
    "affine": (1.0, 0.0),
    "thresholded_relu": (1.0, 0.0),
}


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
    if network.cell not in FUSED_CELLS or network.kind != CELLS[network.cell]:
        return _of_loops(inputs)
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
            if letter == "r" or network.reverse:
                order.reverse()
            for n in range(samples):
                place = layer * directions + direction
                h = inputs.initial_state["h"][place, n].astype(np.float64)
                c = None
                if network.cell == "lstm":
                    assert inputs.initial_state.get("c") is not None
                    c = inputs.initial_state["c"][place, n].astype(np.float64)
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
