"""Nodes of an ONNX model computed by ONNX Runtime, and what is read of them by the manual recurrence."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.model_formats.model_file import ModelFile
from rnnviz.io.model_formats.onnx import open_model
from tests.oracles.computed import assert_near, computed

T, N, FEATURES, H = 5, 2, 3, 4
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
Arrays = dict[str, NDArray[np.floating]]


def normal(*shape: int, seed: int) -> NDArray[np.floating]:
    return np.random.default_rng(seed).normal(0.0, 0.5, shape).astype(np.float32)


def weights_of(operator: str, directions: int, features: int = FEATURES, seed: int = 0) -> Arrays:
    rows = GATES[operator] * H
    return {
        "W": normal(directions, rows, features, seed=seed + 1),
        "R": normal(directions, rows, H, seed=seed + 2),
        "B": normal(directions, 2 * rows, seed=seed + 3),
    }


def node_of(operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> NodeProto:
    if operator == "GRU":
        attributes.setdefault("linear_before_reset", 1)
    return helper.make_node(operator, inputs, outputs, hidden_size=H, **attributes)


def save(path: Path, nodes: list[NodeProto], constants: Arrays, inputs: list[str], outputs: list[str]) -> ModelFile:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path)
    return open_model(path)


def theirs(path: Path, given: Arrays) -> list[NDArray[np.floating]]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(None, given))


def ours(model: ModelFile, name: str, x: NDArray[np.floating], states: list[NDArray[np.floating]]) -> Trace:
    network = next(entry for entry in model.entries if entry.name == name).network()
    parameters = Parameters(network, dict(model.parameters(name)))
    return computed(
        ManualEngine(),
        Inputs(Config(network), x, parameters, dict(zip(network.kind.state_symbols, states, strict=True))),
    )[0]


def concatenated(y: NDArray[np.floating]) -> NDArray[np.floating]:
    """(T, D, N, H) as (T, N, D·H)."""
    return y.transpose(0, 2, 1, 3).reshape(len(y), N, -1)


@pytest.mark.parametrize("given", ["all", "no bias", "no states", "neither"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("operator", GATES)
def test_a_node_computes_the_parsed_network(operator: str, direction: str, given: str, tmp_path: Path) -> None:
    directions = 1 + (direction == "bidirectional")
    constants, x = weights_of(operator, directions), normal(T, N, FEATURES, seed=9)
    fed: Arrays = {"x": x}
    states = [np.zeros((directions, N, H), np.float32)] * (1 + (operator == "LSTM"))
    if given in ("all", "no bias"):
        states = [normal(directions, N, H, seed=10 + k) for k in range(len(states))]
        fed |= dict(zip(("h", "c"), states, strict=False))
    bias = "B" if given in ("all", "no states") else ""
    path = tmp_path / "m.onnx"
    inputs = ["x", "W", "R", bias, "", *[name for name in fed if name != "x"]]
    node = node_of(operator, inputs, ["Y", "Y_h"], direction=direction, name="n")
    model = save(path, [node], {k: v for k, v in constants.items() if k != "B" or bias}, list(fed), ["Y", "Y_h"])
    y, final = theirs(path, fed)
    (entry,) = model.entries
    assert entry.reverse == (direction == "reverse")
    trace = ours(model, "n", x, states)
    assert_near(trace.output, concatenated(y), 1e-5)
    assert_near(trace.state_h, final, 1e-5)


def test_layers_in_loops_and_scans_are_found_with_weights_from_anywhere(tmp_path: Path) -> None:
    """Of the outer graph, of the subgraph, and of Constant nodes; inputs from outside are reported."""
    own, around = weights_of("GRU", 1, seed=30), weights_of("GRU", 1)
    flag = helper.make_tensor_value_info("go_on", TensorProto.BOOL, [])
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    carried = helper.make_tensor_value_info("carried", TensorProto.FLOAT, None)
    loop = helper.make_graph(
        [
            helper.make_node("Constant", [], ["R_own"], value=numpy_helper.from_array(own["R"], "R_own")),
            helper.make_node("Identity", ["go_on"], ["goes_on"]),
            node_of("GRU", ["x", "W_own", "R_own", "B"], ["inside"], name="in_loop"),
            node_of("GRU", ["x", "carried", "R", "B"], ["other"], name="carried_weights"),
        ],
        "body",
        [turn, flag, carried],
        [helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []), carried],
        [numpy_helper.from_array(own["W"], "W_own")],
    )
    row = helper.make_tensor_value_info("row", TensorProto.FLOAT, [1, FEATURES])
    scanned = helper.make_graph(
        [
            helper.make_node("Unsqueeze", ["row", "axes"], ["step"]),
            node_of("GRU", ["step", "W", "R", "B"], ["Y", "last"], name="in_scan"),
        ],
        "step",
        [row],
        [helper.make_tensor_value_info("last", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("Loop", ["turns", "", "W"], ["looped"], body=loop),
        helper.make_node("Scan", ["x"], ["S"], body=scanned, num_scan_inputs=1),
    ]
    constants = around | {"turns": np.array(2), "axes": np.array([0])}
    path, x = tmp_path / "m.onnx", normal(T, 1, FEATURES, seed=9)
    model = save(path, nodes, constants, ["x"], ["looped", "S"])
    found = {entry.name: entry for entry in model.entries}
    assert list(found) == ["in_loop", "carried_weights", "in_scan"]
    assert "W is carried, which changes in each iteration of a graph" in found["carried_weights"].reason
    z, r, h = np.split(own["W"][0], 3)
    np.testing.assert_array_equal(model.parameters("in_loop")["l0_i2h_weight"], np.concatenate([r, z, h]))
    z, r, h = np.split(around["R"][0], 3)
    np.testing.assert_array_equal(model.parameters("in_scan")["l0_h2h_weight"], np.concatenate([r, z, h]))
    # Every row is a sequence of one time step.
    _, steps = theirs(path, {"x": x})
    for row_number in range(T):
        trace = ours(model, "in_scan", x[row_number : row_number + 1], [np.zeros((1, 1, H), np.float32)])
        assert_near(trace.state_h, steps[row_number], 1e-5)
