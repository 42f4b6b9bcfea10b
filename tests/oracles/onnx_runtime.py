"""The network as ONNX nodes, computed by onnxruntime in float32: one node a layer, so that every layer is seen."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from rnnviz.core.config import Network
from rnnviz.core.inputs import Inputs
from tests.oracles.computed import Answer

# Index of each of ONNX's gates among Gluon's: i, o, f, c among i, f, g, o and z, r, h among r, z, n.
GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
OPERATORS = {"rnn_relu": "RNN", "rnn_tanh": "RNN", "lstm": "LSTM", "gru": "GRU"}
OPSET, IR_VERSION = 21, 10


def in_onnx_order(array: NDArray[np.floating], cell: str) -> NDArray[np.floating]:
    """Gluon's G·H rows in the order of ONNX's gates."""
    order = GATES.get(cell, (0,))
    gates = np.split(array, len(order))
    return np.concatenate([gates[place] for place in order])


def answer_of_onnxruntime(inputs: Inputs) -> Answer:
    """Every number that ONNX's operators return; the cell states inside an LSTM are not among them."""
    network = inputs.network
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model(inputs).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {"x": inputs.sequence}), strict=True))
    layers = range(network.num_layers)
    return Answer(
        hidden=np.stack([outputs[f"Y{layer}"].swapaxes(0, 1) for layer in layers]),
        output=outputs[f"x{network.num_layers}"],
        state_h=np.concatenate([outputs[f"Y_h{layer}"] for layer in layers]),
        state_c=np.concatenate([outputs[f"Y_c{layer}"] for layer in layers]) if network.kind.has_cell_state else None,
    )


def model(inputs: Inputs) -> ModelProto:
    """x (T, N, I) through one node a layer; x{k+1} (T, N, D·H) is what layer k passes on."""
    network, timesteps, samples = inputs.network, inputs.timesteps, inputs.batch_size
    directions, size = network.directions, network.hidden_size
    nodes: list[NodeProto] = []
    constants: dict[str, NDArray[np.generic]] = {
        "concatenated": np.array([timesteps, samples, directions * size], np.int64)
    }
    outputs: dict[str, tuple[int, ...]] = {}
    for layer in range(network.num_layers):
        x = "x" if layer == 0 else f"x{layer}"
        constants |= _layer_constants(inputs, layer)
        nodes += [
            _node(network, layer, x),
            helper.make_node("Transpose", [f"Y{layer}"], [f"aligned{layer}"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [f"aligned{layer}", "concatenated"], [f"x{layer + 1}"]),
        ]
        outputs[f"Y{layer}"] = (timesteps, directions, samples, size)
        for name in network.kind.state_symbols:
            outputs[f"Y_{name}{layer}"] = (directions, samples, size)
    outputs[f"x{network.num_layers}"] = (timesteps, samples, directions * size)
    return helper.make_model(
        _graph(nodes, inputs.sequence.shape, outputs, constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )


def _graph(
    nodes: list[NodeProto],
    x_shape: tuple[int, ...],
    outputs: dict[str, tuple[int, ...]],
    constants: dict[str, NDArray[np.generic]],
) -> GraphProto:
    return helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )


def _layer_constants(inputs: Inputs, layer: int) -> dict[str, NDArray[np.generic]]:
    network = inputs.network
    sides = [inputs.parameters.layer(layer, direction) for direction in range(network.directions)]
    rows = slice(layer * network.directions, (layer + 1) * network.directions)
    states = dict(inputs.initial_state)
    return {
        f"W{layer}": np.stack([in_onnx_order(side.i2h_weight, network.cell) for side in sides]),
        f"R{layer}": np.stack([in_onnx_order(side.h2h_weight, network.cell) for side in sides]),
        f"B{layer}": np.stack(
            [
                np.concatenate([in_onnx_order(side.i2h_bias, network.cell), in_onnx_order(side.h2h_bias, network.cell)])
                for side in sides
            ]
        ),
        **{f"initial_{name}{layer}": array[rows] for name, array in states.items()},
    }


def _node(network: Network, layer: int, x: str) -> NodeProto:
    attributes: dict[str, object] = {
        "hidden_size": network.hidden_size,
        "direction": "bidirectional" if network.bidirectional else "forward",
    }
    if network.cell == "gru":
        attributes["linear_before_reset"] = 1
    if network.cell.startswith("rnn"):
        activation = "Relu" if network.cell == "rnn_relu" else "Tanh"
        attributes["activations"] = [activation] * network.directions
    states = network.kind.state_symbols
    return helper.make_node(
        OPERATORS[network.cell],
        [x, f"W{layer}", f"R{layer}", f"B{layer}", "", *(f"initial_{name}{layer}" for name in states)],
        [f"Y{layer}", *(f"Y_{name}{layer}" for name in states)],
        **attributes,
    )
