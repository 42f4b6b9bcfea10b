"""A layer of a network as a node of ONNX, by the definitions of its operators: gates i, o, f, c of an LSTM and z, r, h
of a GRU, both biases in one tensor, [Wb, Rb], and peepholes in another, P."""

from typing import Any

import numpy as np

from rnnviz.cells import CellSpec
from rnnviz.cells.activations import Function, affine, without_clip
from rnnviz.cells.base import OnnxOperator
from rnnviz.cells.interpreters.arrays import reordered_rows
from rnnviz.core.config import Network
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters

_NAMED_ALIKE = (
    *("sigmoid", "tanh", "relu", "linear", "affine", "leaky_relu", "thresholded_relu", "scaled_tanh", "hard_sigmoid"),
    *("elu", "softsign", "softplus"),
)
ONNX_NAMES = {name: name.title().replace("_", "") for name in _NAMED_ALIKE} | {"linear": "Affine"}
"""ONNX's name of each activation that it has."""


def onnx_activation(function: Function) -> tuple[str, tuple[float, ...]] | None:
    """The name and the constants that ONNX's operators have for an activation, without its cut; None if it has none."""
    activation = without_clip(function)
    if activation.name not in ONNX_NAMES:
        return None
    if activation.name == "linear":
        activation = affine
    constants = (activation.alpha, activation.beta)[: activation.constants]
    return ONNX_NAMES[activation.name], constants


def has_cell(network: Network) -> bool:
    """Whether ONNX has the network's cell, with its activations."""
    named = all(onnx_activation(function) is not None for _, function in network.kind.activations)
    return named and network.kind.onnx is not None


def operator(cell: CellSpec) -> OnnxOperator:
    assert cell.onnx is not None, cell.name
    return cell.onnx


def attributes(network: Network) -> dict[str, Any]:
    node = operator(network.kind)
    found: dict[str, Any] = {
        "hidden_size": network.hidden_size,
        "direction": "bidirectional" if network.bidirectional else "reverse" if network.reverse else "forward",
    }
    # ONNX's own activations are those of every other cell.
    if network.activations is not None or node.name == "RNN":
        chosen = [named for _, function in network.kind.activations if (named := onnx_activation(function)) is not None]
        found["activations"] = [name for name, _ in chosen] * network.directions
        for place, key in enumerate(("activation_alpha", "activation_beta")):
            constants = [constants[place] for _, constants in chosen if len(constants) > place]
            found |= {key: constants * network.directions} if constants else {}
    if network.clip is not None:
        found["clip"] = network.clip
    return found | dict(node.attributes)


def weights(network: Network, parameters: Parameters, layer: int) -> dict[str, FloatArray]:
    """The weights of a layer in ONNX's order of gates: W (D, G·H, I), R (D, G·H, H), B (D, 2·G·H), and P (D, 3·H)."""
    node, gates = operator(network.kind), network.kind.gate_symbols
    sides = [parameters.layer(layer, side) for side in range(network.directions)]

    def stacked(kind: str) -> FloatArray:
        # ONNX asks for rows of a coupled forget gate, and reads none of them.
        return np.stack([reordered_rows(getattr(p, kind), gates, node.gates) for p in sides])

    found = {
        "W": stacked("i2h_weight"),
        "R": stacked("h2h_weight"),
        "B": np.concatenate([stacked("i2h_bias"), stacked("h2h_bias")], axis=1),
    }
    if node.peepholes:
        # Nor does ONNX read a peephole of a coupled forget gate.
        zeros = np.zeros(network.hidden_size, network.dtype)
        parts = [[zeros if name is None else getattr(p, name) for name in node.peepholes] for p in sides]
        found["P"] = np.stack([np.concatenate(part) for part in parts])
    return found
