"""Recurrent nodes of ONNX models, recorded while ONNX Runtime runs them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from rnnviz.captures.onnx_model import Recording, record
from rnnviz.core.config import Config
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines import onnx_layer
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.recorded_outputs import RecordedEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.io.model_formats.load import settings_in_float32
from rnnviz.io.model_formats.onnx import write_weights
from rnnviz.io.session import read_session
from rnnviz.verify.audit import audit
from tests.io.model_formats.corpus.onnx_graphs import FEATURES, GATES, H, N, T, normal
from tests.oracles.computed import assert_near, computed
from tests.profiles import examples
from tests.strategies import every_cell_configs

Arrays = dict[str, NDArray[Any]]


def weights(operator: str, directions: int = 1, features: int = FEATURES, seed: int = 0) -> Arrays:
    rows = GATES[operator] * H
    return {
        "W": normal(directions, rows, features, seed=seed + 1),
        "R": normal(directions, rows, H, seed=seed + 2),
        "B": normal(directions, 2 * rows, seed=seed + 3),
    }


def layer(operator: str, x: str, *more: str, outputs: Sequence[str] = ("Y",), **attributes: Any) -> NodeProto:
    if operator == "GRU":
        attributes.setdefault("linear_before_reset", 1)
    attributes.setdefault("name", operator.lower())
    return helper.make_node(operator, [x, *"WRB", *more], list(outputs), hidden_size=H, **attributes)


def value(name: str, shape: Sequence[Any] | None = None, kind: int = TensorProto.FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def body(nodes: Sequence[NodeProto], inputs: Sequence[Any], outputs: Sequence[Any], **constants: Any) -> GraphProto:
    given = [value(name) if isinstance(name, str) else name for name in inputs]
    taken = [value(name) if isinstance(name, str) else name for name in outputs]
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    return helper.make_graph(nodes, "g", given, taken, stored)


ITERATION = (value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL))
X = value("x", ["T", "N", FEATURES])
STATE = value("h0", [1, "N", H])


class Model:
    """A model file, and the files of its inputs."""

    def __init__(self, folder: Path, nodes: Sequence[NodeProto], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.path, self.folder, self.graph = folder / "model.onnx", folder, body(nodes, inputs, outputs)

    def save(self, constants: Mapping[str, Any], opset: int = 17) -> "Model":
        stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
        self.graph.initializer.extend(stored)
        opsets = [helper.make_opsetid("", opset)]
        onnx.save(helper.make_model(self.graph, opset_imports=opsets, ir_version=8), self.path)
        return self

    def record(self, entry: str | None = None, single: bool = False, **given: Any) -> Recording:
        files = {}
        for name, array in given.items():
            np.save(self.folder / f"{name}.npy", array)
            files[name] = str(self.folder / f"{name}.npy")
        return record(self.path, files, entry, self.folder, single)

    def theirs(self, *names: str, **given: Any) -> list[NDArray[Any]]:
        """The values that the unchanged model gives."""
        session = onnxruntime.InferenceSession(str(self.path), providers=["CPUExecutionProvider"])
        return list(session.run(names, given))


def recorded_in(config: Config, inputs: Inputs) -> Trace:
    """The recording, with the types in which it was computed and stored; nothing of h is missing in it."""
    trace, report = computed(RecordedEngine(config.compare.reference), inputs)
    assert report.missing == frozenset()
    return replace(trace, precision=report.precision, computed_in=report.computed_in)


def checked(path: Path, tolerance: float = 2e-6) -> tuple[Inputs, Trace]:
    """The inputs and the recording of a session, whose every step passes the audit, and which `manual` computes."""
    config = read_session(path, lambda: path.parent).config
    inputs = load_inputs(config)
    recorded = recorded_in(config, inputs)
    assert audit(inputs, recorded, full=True).first_wrong is None
    trace, _ = computed(ManualEngine(), inputs)
    for name in ("hidden", "output", "state_h"):
        assert_near(getattr(recorded, name), getattr(trace, name), tolerance, name)
    if recorded.state_c is not None and trace.state_c is not None:
        assert_near(recorded.state_c, trace.state_c, tolerance)
    return inputs, recorded


def the_only(recording: Recording, model: Model) -> tuple[Inputs, Trace]:
    assert recording.skipped == {}
    (file,) = recording.files
    return checked(model.folder / file[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operator", "direction", "given"),
    [
        (operator, direction, ("all", "no states", "no Y")[(row + column) % 3])
        for row, operator in enumerate(GATES)
        for column, direction in enumerate(("forward", "reverse", "bidirectional"))
    ],
)
def test_a_node_is_recorded(operator, direction, given, tmp_path):
    directions = 1 + (direction == "bidirectional")
    fed: Arrays = {"x": normal(T, N, FEATURES, seed=9)}
    more: list[str] = []
    if given == "all":
        fed |= {"len": np.array([3, 4], np.int32), "h0": normal(directions, N, H, seed=8)}
        more = ["len", "h0"]
        if operator == "LSTM":
            fed["c0"], more = normal(directions, N, H, seed=7), [*more, "c0"]
    outputs = ["", "last"] if given == "no Y" else ["Y", "last"]
    inputs = [value(name, kind=helper.np_dtype_to_tensor_dtype(array.dtype)) for name, array in fed.items()]
    node = layer(operator, "x", *more, outputs=outputs, direction=direction)
    model = Model(tmp_path, [node], inputs, outputs[-1:] if given == "no Y" else outputs)
    model.save(weights(operator, directions))
    ours, trace = the_only(model.record(**fed), model)
    *_, last = model.theirs(*filter(None, outputs), **fed)
    np.testing.assert_array_equal(trace.state_h, last)
    if given != "no Y":
        steps = max(ours.lengths, default=T)
        np.testing.assert_array_equal(trace.hidden[0].swapaxes(0, 1), model.theirs("Y", **fed)[0][:steps])
    assert ours.lengths == ((3, 4) if given == "all" else ())
    assert ours.network.reverse == (direction == "reverse")


def stack(tmp_path: Path) -> tuple[Model, Arrays]:
    """Indices through an embedding, two layers of both directions with lengths, and a GRU from the end."""
    nodes, x = [helper.make_node("Gather", ["E", "ids"], ["x0"])], "x0"
    constants: Arrays = {"E": normal(9, FEATURES, seed=5), "shape": np.array([0, 0, -1])}
    for number, features in enumerate((FEATURES, 2 * H)):
        own = [f"{name}{number}" for name in "WRB"]
        constants |= dict(zip(own, weights("LSTM", 2, features, 10 * number).values(), strict=True))
        y, name = f"Y{number}", f"lstm{number}"
        nodes += [
            helper.make_node("LSTM", [x, *own, "len"], [y], name=name, hidden_size=H, direction="bidirectional"),
            helper.make_node("Transpose", [y], [f"t{number}"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [f"t{number}", "shape"], [f"x{number + 1}"]),
        ]
        x = f"x{number + 1}"
    constants |= weights("GRU", features=2 * H)
    nodes.append(layer("GRU", x, outputs=["", "last"], direction="reverse"))
    inputs = [value("ids", ["T", "N"], TensorProto.INT64), value("len", ["N"], TensorProto.INT32)]
    model = Model(tmp_path, nodes, inputs, ["Y0", "Y1", "last"]).save(constants)
    return model, {"ids": np.random.default_rng(0).integers(0, 9, (T, N)), "len": np.array([2, T], np.int32)}


def test_every_layer_of_a_stack_is_recorded_and_one_session_for_each_network(tmp_path):
    model, fed = stack(tmp_path)
    recording = model.record(**fed)
    assert [name for name, _ in recording.files] == ["model-lstm0..lstm1.rnnviz", "model-gru.rnnviz"]
    inputs, trace = checked(tmp_path / recording.files[0][0])
    expected = model.theirs("Y0", "Y1", **fed)
    np.testing.assert_array_equal(trace.hidden, np.stack([y.swapaxes(0, 1) for y in expected]))
    np.testing.assert_array_equal(inputs.sequence[:, 1], normal(9, FEATURES, seed=5)[fed["ids"][:, 1]])
    assert inputs.lengths == (2, T)
    checked(tmp_path / recording.files[1][0])
    (one,) = model.record("lstm1", single=True, **fed).files
    assert checked(tmp_path / one[0])[0].network.num_layers == 1
    with pytest.raises(InputError, match=r'"lstm0\.\.lstm1", "gru"'):
        model.record(single=True, **fed)
    with pytest.raises(InputError, match="no recurrent network"):
        model.record("other", **fed)


def test_computed_weights_are_those_that_enter_the_node(tmp_path):
    found = weights("LSTM")
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale"], ["w"]),
        helper.make_node("Unsqueeze", ["w", "axis"], ["W"]),
        helper.make_node("Mul", ["r", "z"], ["R"]),
        layer("LSTM", "x"),
        helper.make_node("LSTM", ["Y3", "W2", "R"], ["Y2"], hidden_size=H, name="shared"),
        helper.make_node("Neg", ["x4"], ["Y3"]),
        helper.make_node("Squeeze", ["Y", "one"], ["x4"]),
    ]
    # R is computed from an input of the model, so that the file has no numbers for it.
    nodes = [*nodes[:4], nodes[6], nodes[5], nodes[4]]
    quantized = np.round(found["W"][0] * 50).astype(np.int8)
    constants = {"q": quantized, "scale": np.float32(0.02), "axis": np.array([0]), "r": found["R"], "B": found["B"]}
    model = Model(tmp_path, nodes, [X, value("z", [1])], ["Y", "Y2"])
    model.save({**constants, "one": np.array([1]), "W2": normal(1, 4 * H, H)})
    fed: Arrays = {"x": normal(T, N, FEATURES), "z": np.array([0.5], np.float32)}
    recording = model.record(**fed)
    assert [text.split(":")[0] for _, text in recording.files] == ["lstm", "shared"]
    inputs, trace = checked(tmp_path / recording.files[0][0])
    rows = inputs.parameters.layer(0, 0).i2h_weight
    np.testing.assert_array_equal(np.sort(rows.reshape(-1)), np.sort((quantized * np.float32(0.02)).reshape(-1)))
    np.testing.assert_array_equal(trace.hidden[0, 0], model.theirs("Y", **fed)[0][:, 0])
    checked(tmp_path / recording.files[1][0])


def test_half_precision_is_audited_as_computed_in_float32(tmp_path):
    half = {name: array.astype(np.float16) for name, array in weights("LSTM").items()}
    nodes = [helper.make_node("MatMul", ["x", "A"], ["mixed"]), layer("LSTM", "mixed")]
    kind = TensorProto.FLOAT16
    model = Model(tmp_path, nodes, [value("x", ["T", "N", FEATURES], kind)], [value("Y", None, kind)])
    model.save({**half, "A": normal(FEATURES, FEATURES).astype(np.float16)})
    # float64 numbers that float16 holds exactly
    x = normal(T, N, FEATURES, seed=3).astype(np.float16).astype(np.float64)
    (file,) = model.record(x=x).files
    config = read_session(tmp_path / file[0], lambda: tmp_path).config
    recorded = recorded_in(config, load_inputs(config))
    assert (recorded.precision, recorded.computed_in) == ("float16", "float32")
    checked(tmp_path / file[0], 1e-3)
    with pytest.raises(InputError, match="not exact in float16"):
        model.record(x=x + 1e-9)


STEP = (
    helper.make_node("Unsqueeze", ["xt", "axis"], ["x1"]),
    layer("GRU", "x1", "", "h", outputs=["", "after"]),
    helper.make_node("Identity", ["after"], ["each"]),
)


def scanned(step: Sequence[NodeProto] = STEP) -> NodeProto:
    """A Scan over x that carries h, whose weights are outside."""
    graph = body(step, [value("h", [1, "N", H]), value("xt", ["N", FEATURES])], ["after", "each"], axis=[0])
    return helper.make_node("Scan", ["h0", "x"], ["last", "all"], body=graph, num_scan_inputs=1, scan_output_axes=[0])


def test_iterations_of_a_scan_are_one_sequence_with_seams(tmp_path):
    model = Model(tmp_path, [scanned()], [X, STATE], ["last", "all"]).save(weights("GRU"))
    fed = {"x": normal(T, N, FEATURES), "h0": normal(1, N, H, seed=4)}
    recording = model.record(**fed)
    assert recording.from_zeros == {}
    inputs, trace = the_only(recording, model)
    np.testing.assert_array_equal(trace.hidden[0, 0], model.theirs("all", **fed)[0][:, 0])
    assert inputs.config.sequence.seams == (1, 2, 3, 4)
    np.testing.assert_array_equal(inputs.sequence, fed["x"])
    np.testing.assert_array_equal(inputs.initial_state["h"], fed["h0"])


def test_a_loop_that_forgets_to_carry_the_state_differs(tmp_path):
    forgetful = (STEP[0], layer("GRU", "x1", "", "h0", outputs=["", "after"]), STEP[2])
    model = Model(tmp_path, [scanned(forgetful)], [X, STATE], ["last"]).save(weights("GRU"))
    recording = model.record(x=normal(T, N, FEATURES), h0=normal(1, N, H, seed=4))
    assert "state not carried" in recording.files[0][1]
    config = read_session(tmp_path / recording.files[0][0], lambda: tmp_path).config
    inputs = load_inputs(config)
    wrong = audit(inputs, recorded_in(config, inputs), full=True).first_wrong
    assert wrong is not None
    assert wrong.where.location.timestep == 1


def test_chunks_that_begin_at_zeros_are_counted(tmp_path):
    graph = body([layer("GRU", "chunk", outputs=["y"])], [value("chunk", [2, N, FEATURES])], ["y"])
    nodes = [helper.make_node("Scan", ["x"], ["all"], body=graph, num_scan_inputs=1)]
    model = Model(tmp_path, nodes, [value("x", [3, 2, N, FEATURES])], ["all"]).save(weights("GRU"))
    recording = model.record(x=normal(3, 2, N, FEATURES))
    assert (len(recording.files), recording.from_zeros) == (3, {"gru": 3})
    config = read_session(tmp_path / recording.files[0][0], lambda: tmp_path).config
    assert any("begin at zeros" in clause for clause in load_inputs(config).assumptions)


def test_loops_within_loops_and_weights_in_a_body_are_recorded(tmp_path):
    found = weights("GRU")
    own = [helper.make_node("Identity", ["r"], ["R"]), scanned(STEP)]
    outer = body(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["h"], ["h0"]), *own],
        [*ITERATION, value("h", [1, "N", H])],
        [value("on", [], TensorProto.BOOL), "last"],
        r=found["R"],
    )
    nodes = [helper.make_node("Loop", ["count", "", "start"], ["end"], body=outer)]
    model = Model(tmp_path, nodes, [X, value("start", [1, "N", H])], ["end"])
    model.save({"W": found["W"], "B": found["B"], "count": np.array(3)})
    inputs, trace = the_only(model.record(x=normal(T, N, FEATURES), start=normal(1, N, H)), model)
    assert inputs.sequence.shape == (3 * T, N, FEATURES)
    expected = model.theirs("end", x=normal(T, N, FEATURES), start=normal(1, N, H))[0]
    np.testing.assert_array_equal(trace.state_h, expected)


@pytest.mark.parametrize("opset", [13, 14])
def test_sequences_of_another_length_in_each_iteration_are_recorded_where_lists_are(opset, tmp_path, monkeypatch):
    grown = body(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            layer("GRU", "x1", name="inner"),
            helper.make_node("Concat", ["x1", "row"], ["x2"], axis=0),
        ],
        [*ITERATION, value("x1", ["k", 1, FEATURES])],
        [value("on", [], TensorProto.BOOL), value("x2", ["m", 1, FEATURES])],
    )
    nodes = [helper.make_node("Loop", ["count", "", "x"], ["long"], body=grown), layer("GRU", "long", name="outer")]
    model = Model(tmp_path, nodes, [value("x", [1, 1, FEATURES]), value("count", [], TensorProto.INT64)], ["Y"])
    model.save({**weights("GRU"), "row": normal(1, 1, FEATURES)}, opset)
    recording = model.record(x=normal(1, 1, FEATURES), count=3)
    found = [checked(tmp_path / name)[0] for name, _ in recording.files]
    if opset == 13:
        assert [inputs.timesteps for inputs in found] == [4]
        assert list(recording.skipped) == ["inner"]
    else:
        assert [inputs.timesteps for inputs in found] == [1, 2, 3, 4]
        assert recording.skipped == {}
    monkeypatch.setattr("rnnviz.captures.onnx_model._MOST_SEQUENCES", 2)
    if opset == 14:
        assert model.record(x=normal(1, 1, FEATURES), count=3).skipped == {"inner": "1 sequence after the first 2"}
    # A loop without an iteration.
    assert model.record(x=normal(1, 1, FEATURES), count=0).skipped == {"inner": "it was not called"}


def test_a_branch_that_some_iterations_take_is_recorded(tmp_path):
    found = weights("GRU")
    then = body([layer("GRU", "x", "", "h", outputs=["", "then"])], [], ["then"])
    other = body([helper.make_node("Neg", ["h"], ["else"])], [], ["else"])
    nodes = [
        helper.make_node("Identity", ["go"], ["on"]),
        helper.make_node("Mod", ["i", "two"], ["odd"]),
        helper.make_node("Cast", ["odd"], ["c"], to=TensorProto.BOOL),
        helper.make_node("If", ["c"], ["after"], then_branch=then, else_branch=other),
        helper.make_node("Identity", ["after"], ["each"]),
    ]
    taken = [value("on", [], TensorProto.BOOL), value("after", [1, "N", H]), value("each", [1, "N", H])]
    loop = body(nodes, [*ITERATION, value("h", [1, "N", H])], taken, two=2)
    node = helper.make_node("Loop", ["count", "", "h0"], ["last", "all"], body=loop)
    model = Model(tmp_path, [node], [X, STATE], ["last", "all"]).save({**found, "count": 4})
    fed = {"x": normal(T, N, FEATURES), "h0": normal(1, N, H, seed=4)}
    recording = model.record(**fed)
    assert recording.skipped == {}
    # The other branch changes the state between the calls.
    each = model.theirs("all", **fed)[0]
    finals = [checked(tmp_path / name)[1].state_h for name, _ in recording.files]
    np.testing.assert_array_equal(finals, each[1::2])


def test_nodes_that_cannot_be_recorded_have_a_reason(tmp_path):
    then = body([layer("GRU", "x1", name="inner", outputs=["", "a"])], [], ["a"])
    other = body([helper.make_node("Identity", ["h"], ["b"])], [], ["b"])
    step = (STEP[0], helper.make_node("If", ["c"], ["after"], then_branch=then, else_branch=other), STEP[2])
    nodes = [scanned(step), layer("GRU", "x", "len", name="empty", outputs=["", "d"])]
    inputs = [X, STATE, value("c", [], TensorProto.BOOL), value("len", ["N"], TensorProto.INT32)]
    model = Model(tmp_path, nodes, inputs, ["last", "d"]).save(weights("GRU"))
    fed = {"x": normal(T, N, FEATURES), "h0": normal(1, N, H), "c": True}
    recording = model.record(**fed, len=[1, 2])
    assert list(recording.skipped) == ["inner"]
    assert "branch" in recording.skipped["inner"]
    with pytest.raises(InputError, match=r"without time steps.*rnnviz\.capture"):
        model.record("empty", **fed, len=[0, 2])
    with pytest.raises(InputError, match="inner: it is in a branch"):
        model.record("inner", **fed, len=[1, 2])


def test_nodes_in_functions_have_the_names_of_inspect(tmp_path):
    node = layer("LSTM", "a", outputs=["y"], name="encoder")
    function = helper.make_function("own", "Encoder", ["a", *"WRB"], ["y"], [node], [helper.make_opsetid("", 17)])
    calls = [helper.make_node("Encoder", [x, *"WRB"], [y], domain="own") for x, y in (("x", "Y"), ("x2", "Z"))]
    graph = body([calls[0], helper.make_node("Neg", ["x"], ["x2"]), calls[1]], [X], ["Y", "Z"], **weights("LSTM"))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=8), path)
    np.save(tmp_path / "x.npy", normal(T, N, FEATURES))
    recording = record(path, {"x": str(tmp_path / "x.npy")}, None, tmp_path, False)
    assert [text.split(":")[0] for _, text in recording.files] == ["encoder", "encoder#2"]
    inputs, _ = checked(tmp_path / recording.files[1][0])
    np.testing.assert_array_equal(inputs.sequence, -normal(T, N, FEATURES))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "layers", "dynamo"), [("rnn_tanh", 2, True), ("lstm", 2, True), ("gru", 2, False), ("rnn_relu", 1, False)]
)
def test_exports_of_pytorch_are_recorded(cell, layers, dynamo, tmp_path):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
    from tests.io.model_formats.corpus.torch_exports import Module, export

    torch.manual_seed(0)
    module, x = Module(cell, layers, bidirectional=layers == 2, batch_first=True).eval(), torch.randn(N, T, FEATURES)
    path = tmp_path / "model.onnx"
    export(module, path, x, dynamo=dynamo, input_names=["x"])
    np.save(tmp_path / "x.npy", x.numpy())
    recording = record(path, {"x": str(tmp_path / "x.npy")}, None, tmp_path, True)
    inputs, trace = checked(tmp_path / recording.files[0][0])
    assert inputs.network.num_layers == layers
    # An unrolled RNN of the other exporter is recorded step by step.
    with torch.no_grad():
        assert_near(trace.output, module(x).numpy().swapaxes(0, 1), 2e-6)


def test_inputs_that_do_not_fit_are_refused(tmp_path):
    model = Model(tmp_path, [layer("GRU", "x")], [X], ["Y"]).save(weights("GRU"))
    for files, said in (
        ({}, "--input x=FILE"),
        ({"xx": normal(T, N, FEATURES)}, 'Did you mean "x"'),
        ({"x": normal(T, N, FEATURES + 1)}, r"\[T, N, 3\]"),
        ({"x": normal(T, FEATURES)}, "shape"),
        ({"x": normal(T, N, FEATURES).astype(np.float64) / 3}, "not exact in float32"),
        ({"x": np.array("text")}, "real numbers"),
    ):
        with pytest.raises(InputError, match=said):
            model.record(**files)
    archive = tmp_path / "two.npz"
    np.savez(archive, a=normal(T, N, FEATURES), b=np.zeros(2))
    with pytest.raises(InputError, match='"a" or "b"'):
        record(model.path, {"x": str(archive)}, None, tmp_path, True)
    assert record(model.path, {"x": f"{archive}#a"}, None, tmp_path, True).files
    with pytest.raises(InputError, match=r"npy or \.npz"):
        record(model.path, {"x": str(model.path)}, None, tmp_path, True)
    with pytest.raises(InputError, match="is not an ONNX model"):
        record(archive, {}, None, tmp_path, True)


def test_hostile_models_are_refused(tmp_path):
    model = Model(tmp_path, [layer("GRU", "x")], [X], ["Y"]).save(weights("GRU"))
    x = normal(T, N, FEATURES)
    content = onnx.load(model.path)
    onnx.save(content, model.path, save_as_external_data=True, location="beside.bin", size_threshold=0)
    assert model.record(x=x).files
    (tmp_path / "beside.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"beside\.bin"):
        model.record(x=x)
    # Names that are not text, of an operator of another domain and of a size.
    nodes = [helper.make_node("Negate", ["x"], ["z"], domain="own"), layer("GRU", "x")]
    content = (
        Model(tmp_path, nodes, [value("x", ["Time", "N", FEATURES])], ["Y"]).save(weights("GRU")).path.read_bytes()
    )
    for name in (b"Negate", b"Time"):
        model.path.write_bytes(content.replace(name, name[:-1] + b"\xa3"))
        with pytest.raises((InputError, EngineError)):
            model.record(x=x[0])
    found = weights("GRU")
    del found["R"]
    with pytest.raises(EngineError, match="could not be run"):
        Model(tmp_path, [layer("GRU", "x")], [X], ["Y"]).save(found).record(x=x)
    with pytest.raises(InputError, match="no recurrent layer"):
        Model(tmp_path, [helper.make_node("Neg", ["x"], ["y"])], [X], ["y"]).save({}).record(x=x)


@given(every_cell_configs(dtype="float32"))
@settings(max_examples=examples(24))
def test_written_networks_of_every_cell_are_recorded(config):
    network = replace(config.network, layout="TNC")
    assume(onnx_layer.has_cell(network))
    inputs = load_inputs(replace(config, network=network, sequence=replace(config.sequence, lengths=None)))
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        write_weights(network, inputs.parameters, path)
        fed = {f"{name}_0": array for name, array in inputs.initial_state.items()}
        np.savez(Path(folder, "fed.npz"), input=inputs.sequence, **fed)
        recording = record(path, dict.fromkeys(("input", *fed), f"{folder}/fed.npz"), None, Path(folder), True)
        ours, _ = checked(Path(folder, recording.files[0][0]), 1e-4)
    for name, array in inputs.parameters.items():
        np.testing.assert_array_equal(ours.parameters[name], array)
    assert settings_in_float32(ours.network) == settings_in_float32(network)
    np.testing.assert_array_equal(ours.sequence, inputs.sequence)
    np.testing.assert_array_equal(ours.initial_state["h"], inputs.initial_state["h"])
