"""ONNX Runtime: every layer as an RNN, LSTM or GRU node that is fed our parameters.

ONNX orders the gates otherwise, i, o, f, c for an LSTM and z, r, h for a GRU, and keeps the biases as [Wb, Rb] in
one tensor. Its GRU is Gluon's with linear_before_reset=1, and has the reset before the product without it.
"""

import os
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from rnnviz.cells.activations import onnx_activation
from rnnviz.cells.arrays import gate_rows
from rnnviz.core.config import Network
from rnnviz.core.errors import EngineError, last_line
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.base import EngineReport, Progress
from rnnviz.engines.layerwise import fill_layer, initial_states
from rnnviz.engines.onnx_runtime import onnxruntime

_STATES = ("initial_h", "initial_c")
_OPSET = 17
_IR_VERSION = 9


class OnnxEngine:
    """A chain of single-layer ONNX graphs in ONNX Runtime on the CPU."""

    provides_cell_state = False
    version = f"onnxruntime {onnxruntime.__version__}"

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`."""
        network = inputs.network
        session = open_session(_model(network))
        x = np.ascontiguousarray(inputs.sequence)
        for layer in range(network.num_layers):
            states = initial_states(inputs.initial_state, layer, network.directions)
            feeds = {"X": x, **_weights(inputs, layer), **dict(zip(_STATES, states, strict=False))}
            try:
                y, *finals = session.run(None, feeds)
            except Exception as error:
                raise EngineError(f"ONNX Runtime failed: {last_line(error)}") from error
            # Y is (T, D, N, H).
            x = np.concatenate([y[:, direction] for direction in range(network.directions)], axis=-1)
            fill_layer(trace, layer, x, finals)
            progress((layer + 1) / network.num_layers)
        return EngineReport()


def _model(network: Network) -> onnx.ModelProto:
    """A layer as an ONNX model: X (T, N, I), W, R, B, initial_h, initial_c (D, N, H) to Y (T, D, N, H), Y_h, Y_c.

    The weights are inputs, not constants of the graph, which may not hold more than 2 GB.
    """
    cell = network.kind
    states = list(_STATES[: len(cell.state_symbols)])
    outputs = ["Y", "Y_h", "Y_c"][: 1 + len(states)]
    ranks = {"X": 3, "W": 3, "R": 3, "B": 2, **dict.fromkeys(states, 3)}
    attributes: dict[str, Any] = {
        "hidden_size": network.hidden_size,
        "direction": "bidirectional" if network.bidirectional else "reverse" if network.reverse else "forward",
    }
    chosen = [named for _, function in cell.activations if (named := onnx_activation(function)) is not None]
    attributes["activations"] = [name for name, _ in chosen] * network.directions
    for place, key in enumerate(("activation_alpha", "activation_beta")):
        constants = [constants[place] for _, constants in chosen if len(constants) > place]
        if constants:
            attributes[key] = constants * network.directions
    if network.clip is not None:
        attributes["clip"] = network.clip
    if cell.name == "gru":
        attributes["linear_before_reset"] = 1
    if cell.name == "lstm_coupled":
        attributes["input_forget"] = 1
    operator = cell.name.partition("_")[0].upper()
    read = ["X", "W", "R", "B", "", *states]
    if cell.name == "lstm_peephole":
        read.append("P")
        ranks["P"] = 2
    node = helper.make_node(operator, read, outputs, **attributes)
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in ranks.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)


def _weights(inputs: Inputs, layer: int) -> dict[str, FloatArray]:
    """W (D, G·H, I), R (D, G·H, H) and B (D, 2·G·H) in ONNX's gate order, and P (D, 3·H) of peepholes."""
    network = inputs.network
    sides = [inputs.parameters.layer(layer, direction) for direction in range(network.directions)]
    cell = network.kind

    def reordered(array: FloatArray) -> FloatArray:
        rows = gate_rows(array, cell.gate_symbols)
        # A coupled forget gate has no rows; ONNX reads none of those that it asks for.
        nothing = np.zeros_like(next(iter(rows.values())))
        return np.concatenate([rows.get(gate, nothing) for gate in cell.gate_order("onnx")])

    weights = {
        "W": np.stack([reordered(p.i2h_weight) for p in sides]),
        "R": np.stack([reordered(p.h2h_weight) for p in sides]),
        "B": np.stack([np.concatenate([reordered(p.i2h_bias), reordered(p.h2h_bias)]) for p in sides]),
    }
    if cell.parameters:
        # The peepholes have ONNX's order.
        own = [[getattr(p, spec.name) for spec in cell.parameters] for p in sides]
        weights["P"] = np.stack([np.concatenate(arrays) for arrays in own])
    return weights


def open_session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the CPU with a model; raises an EngineError if it refuses it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # ONNX Runtime has its own threads, and does not ask how many others are to use.
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise EngineError(f"ONNX Runtime refused the network: {last_line(error)}") from error
