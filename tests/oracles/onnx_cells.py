"""One layer in one direction as a node of ONNX's operators, computed by onnxruntime in float32."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tests.oracles.cell_loops import in_test_of

OPSET, IR_VERSION = 21, 10


@dataclass(frozen=True)
class Node:
    """The operator of a cell, with the place of each of ONNX's gates among ours, and the parameters in its input P.

    A gate without a place has rows, and a part of P, which ONNX ignores.
    """

    operator: str
    gates: tuple[int | None, ...]
    peepholes: tuple[str | None, ...] = ()
    attributes: tuple[tuple[str, int], ...] = ()


_LSTM, _GRU = (0, 3, 1, 2), (1, 0, 2)
"""i, o, f, c among i, f, g, o, and z, r, h among r, z, n."""

NODES = {
    "rnn_relu": Node("RNN", (0,)),
    "rnn_tanh": Node("RNN", (0,)),
    "lstm": Node("LSTM", _LSTM),
    "lstm_peephole": Node("LSTM", _LSTM, ("c2i_weight", "c2o_weight", "c2f_weight")),
    "lstm_coupled": Node("LSTM", (0, 2, None, 1), attributes=(("input_forget", 1),)),
    "gru": Node("GRU", _GRU, attributes=(("linear_before_reset", 1),)),
    "gru_reset_before": Node("GRU", _GRU, attributes=(("linear_before_reset", 0),)),
}


def node_of(cell: str) -> Node:
    """The node of a cell; for one that is not here, `ONNX` in its test."""
    return NODES[cell] if cell in NODES else in_test_of(cell, "ONNX")


def values_of_onnxruntime(
    cell: str,
    parameters: Mapping[str, NDArray[np.floating]],
    x: NDArray[np.floating],
    state: Mapping[str, NDArray[np.floating]],
    *,
    activations: Sequence[tuple[str, float | None, float | None]] = (),
    clip: float | None = None,
) -> dict[str, NDArray[np.float32]]:
    """h (T, N, H) of every step, and the final states `final_h` and `final_c` (N, H).

    `activations` are ONNX's names with their alpha and beta, in the order of its roles.
    """
    described, single = node_of(cell), np.float32
    operator, order = described.operator, described.gates
    inputs: dict[str, NDArray[np.generic]] = {
        "X": x.astype(single),
        "W": _ordered(parameters["i2h_weight"], order)[np.newaxis],
        "R": _ordered(parameters["h2h_weight"], order)[np.newaxis],
        "B": np.concatenate([_ordered(parameters[f"{k}_bias"], order) for k in ("i2h", "h2h")])[np.newaxis],
        "initial_h": state["h"].astype(single)[np.newaxis],
    }
    names = ["X", "W", "R", "B", "", "initial_h"]
    if "c" in state:
        inputs["initial_c"] = state["c"].astype(single)[np.newaxis]
        names.append("initial_c")
    if described.peepholes:
        ignored = np.full(state["h"].shape[1], 3.0)
        parts = [ignored if name is None else parameters[name] for name in described.peepholes]
        inputs["P"] = np.concatenate(parts).astype(single)[np.newaxis]
        names.append("P")
    outputs = ["Y", "Y_h"] + (["Y_c"] if operator == "LSTM" else [])
    node = helper.make_node(operator, names, outputs, **_attributes(cell, state, activations, clip))
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = dict(zip(outputs, session.run(outputs, inputs), strict=True))
    finals = {"final_h": found["Y_h"][0]} | ({"final_c": found["Y_c"][0]} if "Y_c" in found else {})
    return {"h": found["Y"][:, 0], **finals}


def _attributes(
    cell: str,
    state: Mapping[str, NDArray[np.floating]],
    activations: Sequence[tuple[str, float | None, float | None]],
    clip: float | None,
) -> dict[str, Any]:
    attributes: dict[str, Any] = {"hidden_size": state["h"].shape[1], **dict(node_of(cell).attributes)}
    if clip is not None:
        attributes["clip"] = clip
    if cell == "rnn_relu" and not activations:
        activations = [("Relu", None, None)]
    if activations:
        attributes["activations"] = [name for name, _, _ in activations]
        attributes["activation_alpha"] = [alpha for _, alpha, _ in activations if alpha is not None]
        attributes["activation_beta"] = [beta for _, _, beta in activations if beta is not None]
    # The type of an empty list cannot be inferred.
    return {name: value for name, value in attributes.items() if value != []}


def _ordered(array: NDArray[np.floating], order: Sequence[int | None]) -> NDArray[np.float32]:
    """The rows in ONNX's order; where we have none, some that must not matter."""
    gates = np.split(array, len([place for place in order if place is not None]))
    chosen = [np.full_like(gates[0], 3.0) if place is None else gates[place] for place in order]
    return np.concatenate(chosen).astype(np.float32)
