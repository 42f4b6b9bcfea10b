"""An ONNX model that runs: one RNN, LSTM or GRU node for each layer, and the nodes between them.

The model reads `input` (T, N, I) and the initial states `h_0`, and `c_0` of an LSTM, each (L·D, N, H), and gives
`output` (T, N, D·H) and the final states `h_n` and `c_n`; T and N are free.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

import rnnviz
from rnnviz.core import onnx_layer
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.parameters import Parameters

_OPSET, _IR_VERSION = 17, 8
"""Of 2022, which runtimes of today read, old ones too; later versions of the operators compute the same."""
_LARGEST_BYTES = (1 << 31) - (1 << 20)
"""The largest size of the weights in a protobuf message, in bytes."""


def write_weights(network: Network, parameters: Parameters, path: Path) -> None:
    """Write a model of the network.

    Raises
    ------
    InputError
        If the weights are more than one ONNX file may hold.
    OSError
        If the disk is full.
    """
    # ONNX has rows of a coupled forget gate, too.
    blocks = len(onnx_layer.operator(network.kind).gates)
    size = sum(array.nbytes for array in parameters.values()) * blocks // network.kind.gate_count
    if size > _LARGEST_BYTES:
        raise InputError(f"The weights have {size:,} bytes: an ONNX file may hold {_LARGEST_BYTES:,}.")
    model = helper.make_model(
        _graph(network, parameters),
        producer_name="rnnviz",
        producer_version=rnnviz.__version__,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    path.write_bytes(model.SerializeToString())


def _graph(network: Network, parameters: Parameters) -> GraphProto:
    nodes: list[NodeProto] = []
    constants: dict[str, Any] = {"one": np.array([1], np.int64), "joined": np.array([0, 0, -1], np.int64)}
    if network.num_layers > 1:
        constants["states_per_layer"] = np.full(network.num_layers, network.directions, np.int64)
        nodes += [
            helper.make_node("Split", [f"{name}_0", "states_per_layer"], _of_layers(network, f"{name}_0"), axis=0)
            for name in network.kind.state_symbols
        ]
    for layer in range(network.num_layers):
        weights = onnx_layer.weights(network, parameters, layer)
        constants |= {f"layer{layer}.{name}": array for name, array in weights.items()}
        nodes += _layer(network, layer)
    if network.num_layers > 1:
        nodes += [
            helper.make_node("Concat", _of_layers(network, f"{name}_n"), [f"{name}_n"], axis=0)
            for name in network.kind.state_symbols
        ]
    used = {name for node in nodes for name in node.input}
    return helper.make_graph(
        nodes,
        network.cell,
        list(_values(network, "input", network.input_size, "0")),
        list(_values(network, "output", network.directions * network.hidden_size, "n")),
        [numpy_helper.from_array(array, name) for name, array in constants.items() if name in used],
    )


def _values(network: Network, sequence: str, features: int, end: str) -> Iterator[ValueInfoProto]:
    """The sequence and the states that are the model's inputs or outputs."""
    shapes: dict[str, list[Any]] = {sequence: ["timesteps", "samples", features]}
    lanes = network.num_layers * network.directions
    shapes |= {f"{name}_{end}": [lanes, "samples", network.hidden_size] for name in network.kind.state_symbols}
    for name, shape in shapes.items():
        yield helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _layer(network: Network, layer: int) -> list[NodeProto]:
    """The layer's node, and nodes that reshape its Y (T, D, N, H) to (T, N, D·H)."""
    first, last = layer == 0, layer == network.num_layers - 1
    states = network.kind.state_symbols
    before = [_of_layers(network, f"{name}_0")[layer] for name in states]
    after = [_of_layers(network, f"{name}_n")[layer] for name in states]
    x, out = "input" if first else f"layer{layer - 1}.output", "output" if last else f"layer{layer}.output"
    y, no_lengths = f"layer{layer}.Y", ""
    inputs = [x, *(f"layer{layer}.{name}" for name in "WRB"), no_lengths, *before]
    inputs += [f"layer{layer}.P"] * bool(network.kind.parameters)
    operator, attributes = onnx_layer.operator(network.kind).name, onnx_layer.attributes(network)
    nodes = [helper.make_node(operator, inputs, [y, *after], name=f"layer{layer}", **attributes)]
    if network.directions == 1:
        return [*nodes, helper.make_node("Squeeze", [y, "one"], [out])]
    turned = f"layer{layer}.turned"
    nodes.append(helper.make_node("Transpose", [y], [turned], perm=[0, 2, 1, 3]))
    return [*nodes, helper.make_node("Reshape", [turned, "joined"], [out])]


def _of_layers(network: Network, state: str) -> list[str]:
    """The names of the slices of a state (L·D, N, H), one for each layer (D, N, H)."""
    if network.num_layers == 1:
        return [state]
    return [f"layer{layer}.{state}" for layer in range(network.num_layers)]
