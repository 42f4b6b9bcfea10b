"""Results of single ONNX nodes, and refused ones."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.onnx import open_model

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
FEATURES, H = 3, 2


def weights(operator, directions=1, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    rows = GATES[operator] * H
    shapes = {"W": (directions, rows, FEATURES), "R": (directions, rows, H), "B": (directions, 2 * rows)}
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def tensors(arrays):
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def save(path, nodes, initializers=(), inputs=("x",), functions=(), opset=22):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
        list(initializers),
    )
    domains = ("", "com.microsoft", "local")
    opsets = [helper.make_opsetid(domain, opset if not domain else 1) for domain in domains]
    onnx.save(helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10), path)
    return path


def node(operator, *, inputs=("x", "W", "R", "B"), outputs=("Y",), **attributes):
    if operator == "GRU":
        attributes.setdefault("linear_before_reset", 1)
    return helper.make_node(operator, inputs, outputs, **{"hidden_size": H, **attributes})


def only(path):
    (entry,) = open_model(path).entries
    return entry


def test_gates_are_reordered_as_in_gluon(tmp_path):
    arrays = weights("LSTM", 2)
    path = save(tmp_path / "m.onnx", [node("LSTM", direction="bidirectional")], tensors(arrays))
    read = open_model(path).parameters("Y")
    for side, name in enumerate("lr"):
        i, o, f, c = np.split(arrays["W"][side], 4)
        np.testing.assert_array_equal(read[f"{name}0_i2h_weight"], np.concatenate([i, f, c, o]))
        i, o, f, c = np.split(arrays["B"][side][4 * H :], 4)
        np.testing.assert_array_equal(read[f"{name}0_h2h_bias"], np.concatenate([i, f, c, o]))


@pytest.mark.parametrize(
    ("operator", "attributes", "reason"),
    [
        ("LSTM", {"clip": -3.0}, "clip is -3"),
        ("LSTM", {"activations": ["Sigmoid", "Tanh"]}, "3 for each"),
        ("LSTM", {"direction": "sideways"}, "sideways"),
        ("LSTM", {"layout": 2}, "layout"),
        ("LSTM", {"wings": 2}, "wings"),
        ("LSTM", {"hidden_size": 3}, "W has the shape"),
        ("LSTM", {"direction": "bidirectional"}, "W has the shape"),
        ("LSTM", {"direction": 1}, "direction is of a wrong type"),
        ("GRU", {"activations": ["Sigmoid", "Swish"]}, "Swish"),
        ("RNN", {"activations": ["Affine"]}, "Affine lacks activation_alpha"),
        ("RNN", {"activations": ["ThresholdedRelu"]}, "ThresholdedRelu lacks activation_alpha"),
        ("LSTM", {"inputs": ("x", "x", "R", "B")}, "W is the input x of the model"),
        ("LSTM", {"inputs": ("x", "W", "nowhere", "B")}, "R is nowhere"),
        ("LSTM", {"inputs": ("x", "W")}, "no input R"),
    ],
)
def test_a_node_that_no_cell_computes_is_refused_by_name(operator, attributes, reason, tmp_path):
    constants = weights(operator) | {"P": np.ones((1, 3 * H), np.float32), "lengths": np.ones(1, np.int32)}
    entry = only(save(tmp_path / "m.onnx", [node(operator, **attributes)], tensors(constants)))
    assert not entry.supported
    assert reason in entry.reason
    assert (entry.name, entry.cell) == ("Y", {"RNN": "rnn_tanh"}.get(operator, operator.lower()))
    with pytest.raises(InputError, match="cannot be run"):
        open_model(tmp_path / "m.onnx").parameters("Y")


def test_directions_of_different_activations_are_refused(tmp_path):
    names = ["Sigmoid", "Tanh", "Sigmoid", "Relu"]
    both = node("GRU", direction="bidirectional", activations=names)
    assert "different activations" in only(save(tmp_path / "m.onnx", [both], tensors(weights("GRU", 2)))).reason


@pytest.mark.parametrize(
    ("data_type", "dtype"),
    [
        (TensorProto.FLOAT16, "float16"),
        (TensorProto.BFLOAT16, "bfloat16"),
        (TensorProto.FLOAT, "float32"),
        (TensorProto.DOUBLE, "float64"),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
def test_weights_are_widened_exactly(data_type, dtype, raw, tmp_path):
    exact = np.dtype(helper.tensor_dtype_to_np_dtype(data_type))
    arrays = {name: array.astype(exact) for name, array in weights("RNN").items()}
    stored = [
        helper.make_tensor(name, data_type, array.shape, array.tobytes() if raw else array.reshape(-1), raw=raw)
        for name, array in arrays.items()
    ]
    model = open_model(save(tmp_path / "m.onnx", [node("RNN")], stored))
    assert model.entries[0].dtype == dtype
    wide = np.float64 if dtype == "float64" else np.float32
    read = model.parameters("Y")["l0_i2h_weight"]
    np.testing.assert_array_equal(read, arrays["W"][0].astype(wide), strict=True)


def test_integer_weights_and_weights_of_two_types_are_refused(tmp_path):
    arrays = weights("RNN")
    whole = save(tmp_path / "m.onnx", [node("RNN")], tensors(arrays | {"W": np.ones((1, H, FEATURES), np.int8)}))
    assert "int8" in only(whole).reason
    mixed = save(tmp_path / "n.onnx", [node("RNN")], tensors(arrays | {"R": arrays["R"].astype(np.float64)}))
    assert "one type" in only(mixed).reason


def test_a_function_that_calls_itself_is_refused(tmp_path):
    call = helper.make_node("Again", ["a"], ["b"], domain="local")
    function = helper.make_function("local", "Again", ["a"], ["b"], [call], [helper.make_opsetid("local", 1)])
    nodes = [helper.make_node("Again", ["x"], ["Y"], domain="local")]
    with pytest.raises(InputError, match="deep"):
        open_model(save(tmp_path / "m.onnx", nodes, functions=[function]))


def test_functions_with_too_many_nodes_are_refused(tmp_path, monkeypatch):
    """Each calls the next twice: a small file of 2 to the 60 nodes."""
    monkeypatch.setattr("rnnviz.io.model_formats.onnx_graph._MOST_NODES", 10_000)
    functions = []
    for level in range(60):
        calls = [helper.make_node(f"F{level + 1}", ["a"], [out], domain="local") for out in ("b", "c")]
        functions.append(helper.make_function("local", f"F{level}", ["a"], ["b"], calls, []))
    nodes = [helper.make_node("F0", ["x"], ["Y"], domain="local")]
    with pytest.raises(InputError, match="more than 10,000 nodes"):
        open_model(save(tmp_path / "m.onnx", nodes, functions=functions))


@pytest.mark.parametrize(
    ("between", "joined"),
    [
        ([("Squeeze", ["axes"], {})], True),
        ([("Reshape", ["keep"], {})], True),
        ([("Transpose", [], {"perm": [1, 0, 2, 3]}), ("Reshape", ["drop"], {})], False),
        ([("Transpose", [], {"perm": [0, 2, 1, 3]}), ("Reshape", ["keep"], {})], True),
        ([("Squeeze", ["axes"], {}), ("Transpose", [], {"perm": [1, 0, 2]})], False),
        ([("Squeeze", ["axes"], {}), *[("Transpose", [], {"perm": [1, 0, 2]})] * 2], True),
        ([("Squeeze", ["axes"], {}), ("Relu", [], {})], False),
        ([("Squeeze", [], {})], True),
    ],
)
def test_layers_that_pass_on_their_whole_output_unchanged_are_a_stack(between, joined, tmp_path):
    first = weights("RNN")
    second = {"W2": np.ones((1, H, H), np.float32), "R2": first["R"]}
    # (T, 1, N, H) to (T, N, H)
    lists = {"axes": np.array([1]), "keep": np.array([0, -1, H]), "drop": np.array([1, 0, H])}
    nodes, name = [node("RNN", outputs=("Y0",))], "Y0"
    for number, (operator, more, attributes) in enumerate(between):
        nodes.append(helper.make_node(operator, [name, *more], [f"m{number}"], **attributes))
        name = f"m{number}"
    nodes.append(node("RNN", inputs=(name, "W2", "R2")))
    entries = open_model(save(tmp_path / "m.onnx", nodes, tensors(first | second | lists))).entries
    assert [entry.num_layers for entry in entries] == ([2, 1, 1] if joined else [1, 1])
