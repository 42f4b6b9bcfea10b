"""A whole sequence compared with its chunks: states that are carried, and planted reasons for which they are not."""

import numpy as np
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from rnnviz.captures.onnx_chunks import compare_chunks
from rnnviz.core.errors import EngineError, InputError
from rnnviz.results.model_calls import CallCause
from tests.captures.onnx_models import FEATURES, HIDDEN, files, layer, normal, save, weights

T, N, K = 10, 2, 4
X = {"x": ("T", "N", FEATURES)}
STATES = {"h0": (1, "N", HIDDEN), "c0": (1, "N", HIDDEN)}


@pytest.fixture
def compared(tmp_path):
    def compare(path, *, size=K, axes=None, x=None, **given):
        x = normal(T, N, FEATURES, seed=9) if x is None else x
        return compare_chunks(path, files(tmp_path, x=x, **given), axes or {}, size)

    return compare


def states(*names, seed=5):
    return {name: normal(1, N, HIDDEN, seed=seed + k) for k, name in enumerate(names)}


def differing(folder, path, **given):
    """The first time step at which the whole and chunks of y differ in a session, each chunk from the given states."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    x = given.pop("x")
    whole = session.run(["y"], {"x": x, **given})[0]
    parts = [session.run(["y"], {"x": x[start : start + K], **given})[0] for start in range(0, len(x), K)]
    error = np.abs(np.concatenate(parts) - whole)
    return int((error.reshape(len(error), -1).max(axis=1) > 1e-4).argmax()), float(error.max())


def test_a_state_without_an_input_begins_at_zeros_in_each_chunk(tmp_path, compared):
    path = save(tmp_path / "m.onnx", [layer("GRU", "x")], X, ["y"], weights("GRU"))
    found = compared(path)
    timestep, largest = differing(tmp_path, path, x=normal(T, N, FEATURES, seed=9))
    assert (found.verdict, found.chunks, found.axes) == ("differ", 3, {"x": "TN-"})
    assert (found.first.name, found.first.chunk, found.first.timestep) == ("gru", 1, timestep)
    assert timestep == K
    assert found.first.cause is CallCause.ZEROS
    assert [own.state for own in found.recurrent] == ["zeros"]
    (output,) = found.outputs
    assert (output.chunk, output.timestep) == (1, K)
    assert output.max_abs_difference == pytest.approx(largest, rel=1e-6)


@pytest.mark.parametrize("names", [("hn", "cn"), ("cn", "hn"), ("14", "15")])
def test_states_that_outputs_return_are_carried(tmp_path, compared, names):
    """The outputs may be in any order if their names are like the inputs'; else they are in the order of the inputs."""
    outputs = ("y", "hn", "cn") if "hn" in names else ("y", *names)
    node = layer("LSTM", "x", "", "h0", "c0", outputs=outputs)
    path = save(tmp_path / "m.onnx", [node], X | STATES, ["y", *names], weights("LSTM"))
    found = compared(path, **states("h0", "c0"))
    assert (found.verdict, found.first) == ("same", None)
    assert found.states == dict(zip(("h0", "c0"), outputs[1:], strict=True))
    assert [own.state for own in found.recurrent] == ["carried"]
    assert {own.name: own.mismatched for own in found.outputs} == dict.fromkeys(outputs, 0)


def test_states_without_names_are_paired_by_the_layers_that_they_come_from(tmp_path, compared):
    """The second input and the first output are h."""
    node = layer("LSTM", "x", "", "onnx::Slice_2", "onnx::Slice_1", outputs=("243", "244", "245"))
    given = dict(zip(("onnx::Slice_1", "onnx::Slice_2"), STATES.values(), strict=True))
    path = save(tmp_path / "m.onnx", [node], X | given, ["243", "244", "245"], weights("LSTM"))
    for name in given:
        np.save(tmp_path / f"{name[-1]}.npy", normal(1, N, HIDDEN, seed=int(name[-1])))
    np.save(tmp_path / "x.npy", normal(T, N, FEATURES))
    read = {"x": str(tmp_path / "x.npy")} | {name: str(tmp_path / f"{name[-1]}.npy") for name in given}
    found = compare_chunks(path, read, {}, K)
    assert found.states == {"onnx::Slice_2": "244", "onnx::Slice_1": "245"}
    assert found.verdict == "same"


@pytest.mark.parametrize("size", [1, 3, 9])
def test_every_size_of_a_chunk_is_compared(tmp_path, compared, size):
    node = layer("GRU", "x", "", "h0", outputs=("13", "12"))
    path = save(tmp_path / "m.onnx", [node], X | {"h0": (1, "N", HIDDEN)}, ["13", "12"], weights("GRU"))
    found = compared(path, size=size, **states("h0"))
    assert (found.verdict, found.states, found.chunks) == ("same", {"h0": "12"}, -(-T // size))


def test_a_state_that_no_output_returns_is_named_with_its_input(tmp_path, compared):
    path = save(tmp_path / "m.onnx", [layer("LSTM", "x", "", "h0", "c0")], X | STATES, ["y"], weights("LSTM"))
    found = compared(path, **states("h0", "c0"))
    assert (found.first.cause, found.first.chunk) == (CallCause.NOT_RETURNED, 1)
    assert [own.state for own in found.recurrent] == ["constant"]
    assert "h0 and c0" in found.first.sentence or "c0 and h0" in found.first.sentence


def test_an_output_that_is_not_the_final_state_is_named(tmp_path, compared):
    nodes = [
        layer("GRU", "x", "", "h0", outputs=("y", "own")),
        helper.make_node("Mul", ["own", "half"], ["hn"]),
    ]
    constants = weights("GRU") | {"half": np.float32(0.5)}
    path = save(tmp_path / "m.onnx", nodes, X | {"h0": (1, "N", HIDDEN)}, ["y", "hn"], constants)
    found = compared(path, **states("h0"))
    assert (found.first.cause, found.states) == (CallCause.NOT_FINAL, {"h0": "hn"})


def test_exchanged_states_are_named(tmp_path, compared):
    node = layer("LSTM", "x", "", "h0", "c0", outputs=("y", "c_n", "h_n"))
    path = save(tmp_path / "m.onnx", [node], X | STATES, ["y", "h_n", "c_n"], weights("LSTM"))
    found = compared(path, **states("h0", "c0"))
    assert (found.first.cause, found.first.name) == (CallCause.SWAPPED, "lstm")


@pytest.mark.parametrize("upper", [False, True])
def test_rounding_errors_that_grow_are_drift_unless_a_state_is_lost(tmp_path, compared, upper):
    """Large recurrent weights let a difference grow that is as small as a rounding error: 4e-8 for each time step."""
    units, features = 64, 40
    stored = {"W": normal(1, units, features), "R": normal(1, units, units)}
    stored = {name: array / np.sqrt(array.shape[-1]).astype(np.float32) for name, array in stored.items()}
    nodes = [
        helper.make_node("Size", ["x"], ["size"]),
        helper.make_node("Gather", ["small", "size"], ["shift"]),
        helper.make_node("Add", ["x", "shift"], ["rows"]),
        helper.make_node("RNN", ["rows", "W", "R", "", "", "h0"], ["first", "hn"], hidden_size=units, name="lower"),
        helper.make_node("Squeeze", ["first", "one"], ["y"]),
    ]
    if upper:
        nodes[-1].output[0] = "between"
        stored |= {"V": normal(1, units, units, seed=7) / 8}
        nodes.append(helper.make_node("RNN", ["between", "V", "V"], ["y"], hidden_size=units, name="upper"))
    stored |= {"R": 4 * stored["R"], "one": np.array([1]), "small": np.arange(4001, dtype=np.float32) * 1e-9}
    path = save(tmp_path / "m.onnx", nodes, {"x": ("T", 1, features), "h0": (1, 1, units)}, ["y", "hn"], stored)
    found = compared(path, size=1, x=normal(100, 1, features), h0=np.zeros((1, 1, units), np.float32))
    if upper:
        assert (found.verdict, found.first.name, found.first.cause) == ("differ", "upper", CallCause.ZEROS)
    else:
        assert (found.verdict, found.first.name, found.first.cause) == ("drift", "lower", CallCause.ROUNDING)


def test_a_constant_initial_state_begins_again(tmp_path, compared):
    node = layer("GRU", "x", "", "start")
    path = save(tmp_path / "m.onnx", [node], X, ["y"], weights("GRU") | {"start": normal(1, N, HIDDEN, seed=8)})
    assert compared(path).first.cause is CallCause.CONSTANT


@pytest.mark.parametrize("direction", ["bidirectional", "reverse"])
def test_a_backward_direction_needs_the_whole(tmp_path, compared, direction):
    directions = 1 + (direction == "bidirectional")
    node = layer("RNN", "x", "", "h0", outputs=("y", "hn"), direction=direction)
    path = save(
        tmp_path / "m.onnx", [node], X | {"h0": (directions, "N", HIDDEN)}, ["y", "hn"], weights("RNN", directions)
    )
    found = compared(path, h0=np.zeros((directions, N, HIDDEN), np.float32))
    assert (found.first.cause, found.first.name) == (CallCause.BACKWARD, "rnn")


def test_the_second_of_two_layers_is_named_where_only_its_state_is_lost(tmp_path, compared):
    nodes = [
        layer("GRU", "x", "", "h0", outputs=("first", "hn"), name="lower"),
        helper.make_node("Squeeze", ["first", "one"], ["between"]),
        layer("GRU", "between", name="upper"),
    ]
    constants = weights("GRU", name="lower") | weights("GRU", features=HIDDEN, name="upper", seed=30)
    constants["one"] = np.array([1])
    path = save(tmp_path / "m.onnx", nodes, X | {"h0": (1, "N", HIDDEN)}, ["y", "hn"], constants)
    found = compared(path, **states("h0"))
    assert (found.first.name, found.first.cause, found.first.timestep) == ("upper", CallCause.ZEROS, K)
    assert {own.name: own.state for own in found.recurrent} == {"lower": "carried", "upper": "zeros"}


def test_a_convolution_in_front_is_named_before_the_state(tmp_path, compared):
    nodes = [
        helper.make_node("Transpose", ["x"], ["channels"], perm=[1, 2, 0]),
        helper.make_node("Conv", ["channels", "kernel"], ["filtered"], name="conv", pads=[1, 1]),
        helper.make_node("Transpose", ["filtered"], ["rows"], perm=[2, 0, 1]),
        layer("GRU", "rows"),
    ]
    constants = weights("GRU") | {"kernel": normal(FEATURES, FEATURES, 3, seed=4)}
    found = compared(save(tmp_path / "m.onnx", nodes, X, ["y"], constants))
    assert (found.first.name, found.first.operator, found.first.cause) == ("conv", "Conv", CallCause.NEIGHBORS)
    # The last frame of the first chunk reads a padding in place of the next frame.
    assert (found.first.chunk, found.first.timestep) == (0, K - 1)
    assert [own.state for own in found.recurrent] == ["zeros"]


def test_a_mean_over_time_is_named(tmp_path, compared):
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], name="mean", axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["centered"]),
        layer("GRU", "centered", "", "h0", outputs=("y", "hn")),
    ]
    path = save(tmp_path / "m.onnx", nodes, X | {"h0": (1, "N", HIDDEN)}, ["y", "hn"], weights("GRU"))
    found = compared(path, **states("h0"))
    assert (found.first.name, found.first.cause, found.first.chunk) == ("mean", CallCause.ALL_STEPS, None)


def test_samples_first_and_a_linear_layer_over_rows_are_followed(tmp_path, compared):
    """A linear layer on (N · T, H): its rows are not in the order of time."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["times"], perm=[1, 0, 2]),
        layer("GRU", "times", "", "h0", outputs=("all", "hn")),
        helper.make_node("Squeeze", ["all", "one"], ["squeezed"]),
        helper.make_node("Transpose", ["squeezed"], ["samples"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["samples", "rows"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["y"]),
    ]
    constants = weights("GRU") | {"one": np.array([1]), "rows": np.array([-1, HIDDEN]), "dense": normal(HIDDEN, 2)}
    path = save(
        tmp_path / "m.onnx", nodes, {"x": (None, None, FEATURES), "h0": (1, None, HIDDEN)}, ["y", "hn"], constants
    )
    found = compared(path, x=normal(N, T, FEATURES, seed=9), **states("h0"))
    assert (found.axes["x"], found.axes["h0"]) == ("NT-", "-N-")
    assert found.verdict == "same"


def test_a_model_of_a_fixed_chunk_says_how_its_states_begin(tmp_path, compared):
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["four"]), layer("GRU", "four")]
    path = save(
        tmp_path / "m.onnx", nodes, {"x": (K, 2, FEATURES)}, ["y"], weights("GRU") | {"shape": np.array([4, 2, 3])}
    )
    with pytest.raises(EngineError, match="gru begins at zeros"):
        compared(path, x=normal(2 * K, 2, FEATURES), axes={"x": "TNI"})
    with pytest.raises(EngineError, match="an input of 8 time steps, a multiple of 4"):
        compared(path, x=normal(2 * K + 1, 2, FEATURES), axes={"x": "TNI"})


def test_lengths_become_those_of_a_chunk(tmp_path, compared):
    node = layer("GRU", "x", "len", "h0", outputs=("y", "hn"))
    path = save(
        tmp_path / "m.onnx",
        [node],
        X | {"len": ("N",), "h0": (1, "N", HIDDEN)},
        ["y", "hn"],
        weights("GRU"),
        {"len": 6},
    )
    assert compared(path, len=np.full(N, T, np.int32), **states("h0")).verdict == "same"


def test_what_cannot_be_compared_is_refused(tmp_path, compared):
    path = save(tmp_path / "m.onnx", [layer("GRU", "x")], X, ["y"], weights("GRU"))
    with pytest.raises(InputError, match="less than the 10 time steps"):
        compared(path, size=T)
    with pytest.raises(InputError, match="one letter for each of the 3 axes"):
        compared(path, axes={"x": "TN"})
    with pytest.raises(InputError, match="not one of the given inputs"):
        compared(path, axes={"z": "TNI"})
    alone = save(tmp_path / "n.onnx", [helper.make_node("Relu", ["x"], ["y"])], {"x": (None, 2, FEATURES)}, ["y"], {})
    with pytest.raises(InputError, match="--axes"):
        compared(alone)
    assert compared(alone, axes={"x": "TNI"}).verdict == "same"


@pytest.mark.parametrize("rate", [8, 16])
def test_a_network_in_a_branch_that_an_integer_chooses_is_followed(tmp_path, compared, rate):
    """As a model for two sample rates: each branch has its own weights, and one of them loses its state."""

    def branch(name, *state):
        kept = ["h0"] if state else []
        node = layer("GRU", "x", *(["", *kept] if kept else []), outputs=(f"{name}y", f"{name}h"), name=name)
        stored = [
            numpy_helper.from_array(array, key) for key, array in weights("GRU", name=name, seed=len(name)).items()
        ]
        outputs = [helper.make_tensor_value_info(f"{name}{own}", 1, None) for own in "yh"]
        return helper.make_graph([node], name, [], outputs, stored)

    nodes = [
        helper.make_node("Equal", ["rate", "sixteen"], ["fast"]),
        helper.make_node("If", ["fast"], ["y", "hn"], then_branch=branch("carried", "h0"), else_branch=branch("lost")),
    ]
    inputs = X | {"h0": (1, "N", HIDDEN), "rate": ()}
    path = save(tmp_path / "m.onnx", nodes, inputs, ["y", "hn"], {"sixteen": np.array(16)}, {"rate": 7})
    found = compared(path, rate=np.array(rate), **states("h0"))
    if rate == 16:
        assert (found.verdict, found.states, found.recurrent[0].name) == ("same", {"h0": "hn"}, "carried")
    else:
        assert (found.first.name, found.first.cause) == ("lost", CallCause.ZEROS)
