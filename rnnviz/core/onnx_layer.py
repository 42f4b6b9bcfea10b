"""A layer of a network as a node of ONNX: its operator, attributes and weights.

ONNX orders the gates otherwise, i, o, f, c for an LSTM and z, r, h for a GRU, and keeps the biases in one tensor,
[Wb, Rb], and the peepholes in another, P. Source: the operators' definitions in ONNX.
"""

from typing import Any

import numpy as np

from rnnviz.cells import CELLS
from rnnviz.cells.activations import onnx_activation
from rnnviz.cells.interpreters.arrays import reordered_rows
from rnnviz.core.config import Network
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters


def has_cell(network: Network) -> bool:
    """Whether ONNX has the network's cell, with its activations."""
    named = all(onnx_activation(function) is not None for _, function in network.kind.activations)
    return named and network.kind.name in CELLS and not network.kind.projects


def operator(network: Network) -> str:
    """The name of the operator: "RNN", "LSTM" or "GRU"."""
    return network.kind.name.partition("_")[0].upper()


def attributes(network: Network) -> dict[str, Any]:
    """The attributes of each node, by name."""
    found: dict[str, Any] = {
        "hidden_size": network.hidden_size,
        "direction": "bidirectional" if network.bidirectional else "reverse" if network.reverse else "forward",
    }
    # ONNX's own activations are those of every other cell.
    if network.activations is not None or operator(network) == "RNN":
        chosen = [named for _, function in network.kind.activations if (named := onnx_activation(function)) is not None]
        found["activations"] = [name for name, _ in chosen] * network.directions
        for place, key in enumerate(("activation_alpha", "activation_beta")):
            constants = [constants[place] for _, constants in chosen if len(constants) > place]
            found |= {key: constants * network.directions} if constants else {}
    if network.clip is not None:
        found["clip"] = network.clip
    match network.cell:
        case "gru":
            found["linear_before_reset"] = 1
        case "lstm_coupled":
            found["input_forget"] = 1
    return found


def weights(network: Network, parameters: Parameters, layer: int) -> dict[str, FloatArray]:
    """The weights of a layer in ONNX's order of gates.

    Parameters
    ----------
    network : Network
        The network.
    parameters : Parameters
        Its parameters.
    layer : int
        Index of the layer.

    Returns
    -------
    dict of str to array
        W (D, G·H, I), R (D, G·H, H) and B (D, 2·G·H), and P (D, 3·H) of peepholes.
    """
    cell, sides = network.kind, [parameters.layer(layer, side) for side in range(network.directions)]

    def stacked(kind: str) -> FloatArray:
        # ONNX asks for rows of a coupled forget gate, and reads none of them.
        return np.stack([reordered_rows(getattr(p, kind), cell.gate_symbols, cell.gate_order("onnx")) for p in sides])

    found = {
        "W": stacked("i2h_weight"),
        "R": stacked("h2h_weight"),
        "B": np.concatenate([stacked("i2h_bias"), stacked("h2h_bias")], axis=1),
    }
    if cell.parameters:
        # They are in ONNX's order.
        found["P"] = np.stack([np.concatenate([getattr(p, own.name) for own in cell.parameters]) for p in sides])
    return found
