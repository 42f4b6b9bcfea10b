"""The recurrence in float64, one sample, one time step and one gate at a time: slow, and easy to believe."""

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Network
from rnnviz.core.inputs import Inputs
from tests.oracles.cell_loops import Function, cell_values, function
from tests.oracles.computed import Answer

Vector = NDArray[np.float64]


def recurrence(inputs: Inputs) -> Answer:
    """Every number of the network that `inputs` describes, by `cell_loops`."""
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
