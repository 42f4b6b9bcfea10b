"""Gluon, PyTorch and ONNX Runtime on parameters of ours, and on files that are theirs."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from rnnviz.core.config import Config, Network
from rnnviz.core.errors import EngineError, first_line, last_line
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import read_only
from rnnviz.core.parameters import Parameters
from rnnviz.engines import registry
from rnnviz.engines.base import Engine, EngineReport
from rnnviz.engines.registry import ENGINES, load_engine, load_file_engine
from rnnviz.io.inputs import load_inputs
from tests.cells.layers import EXAMPLES
from tests.io.model_formats.writing.saved_models import made, write
from tests.needs import need, need_engine
from tests.oracles.computed import assert_agrees, empty_trace
from tests.oracles.recurrence import recurrence
from tests.verify.audit_helpers import inputs_of

ENDINGS = {"gluon": ".params", "torch": ".safetensors", "onnx": ".onnx"}
NETWORKS = [("rnn_relu", 2, True), ("rnn_tanh", 11, False), ("lstm", 3, True), ("gru", 2, True)]


@pytest.fixture(params=ENDINGS)
def name(request):
    need_engine(request.param)
    return str(request.param)


def assert_computes(engine: Engine, asked: Inputs, given: Inputs) -> tuple[list[float], EngineReport]:
    """Check that the engine computes `given` as `asked`; returns the progress that it reported, and its report."""
    trace = empty_trace(asked, cell="c" in engine.states(asked.network))
    told: list[float] = []
    report = engine.run(given, trace, told.append)
    assert_agrees(trace, recurrence(asked), 1e-5)
    for equality in report.equalities:
        assert equality.left is not equality.right
        np.testing.assert_allclose(equality.left, equality.right, rtol=0, atol=1e-6, err_msg=equality.name)
    return told, report


@pytest.mark.parametrize(("cell", "layers", "both"), NETWORKS)
def test_a_framework_computes_every_layer_from_our_parameters(name, cell, layers, both):
    for layout in ("NTC", "TNC"):
        asked = made(cell, layers, both)
        asked = replace(asked, config=replace(asked.config, network=replace(asked.network, layout=layout)))
        steps = layers + (name == "gluon")
        told, report = assert_computes(load_engine(name), asked, asked)
        assert list(report.seconds) == (["gluon.fused"] if name == "gluon" else [])
        assert all(0.0 < seconds < 60.0 for seconds in report.seconds.values())
        final = ["final h", "final c"][: 1 + (cell == "lstm")]
        assert [equality.name for equality in report.equalities] == (
            [f"the fused stack's {what} is the chain's" for what in ("out", *final)] if name == "gluon" else []
        )
        np.testing.assert_allclose(told, np.arange(1, steps + 1) / steps)


@pytest.mark.parametrize(("cell", "layers", "both"), NETWORKS)
def test_a_framework_takes_every_weight_from_its_own_file(name, cell, layers, both, tmp_path):
    asked = made(cell, layers, both)
    engine = load_file_engine(name, write(asked, tmp_path / f"w{ENDINGS[name]}"))
    zeros = {key: np.zeros_like(array) for key, array in asked.parameters.items()}
    told, _ = assert_computes(engine, asked, replace(asked, parameters=Parameters(asked.network, zeros)))
    assert told[-1] == 1.0
    assert engine.states(asked.network) == ("h",)
    assert engine.version == load_engine(name).version


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["mgu", "sru"])
def test_the_lines_of_a_custom_cell_are_computed_on_the_arrays_of_a_framework(name, cell, dtype):
    network = {"cell": f"./{cell}.py", "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True}
    drawn = {"parameters": {"initializer": "normal"}, "initial_state": {"source": "normal"}}
    sequence = {"timesteps": 3, "batch_size": 2}
    config = Config.from_mapping({"network": {**network, "dtype": dtype}, "sequence": sequence, **drawn})
    asked = load_inputs(config.with_custom_cell(EXAMPLES[cell]))
    if ENGINES[name].unsupported_reason(asked.network) is not None:
        pytest.skip(f"no case: {name} has no custom cells")
    trace = empty_trace(asked, cell=False)
    told: list[float] = []
    load_engine(name).run(asked, trace, told.append)
    assert_agrees(trace, recurrence(asked), 1e-5 if dtype == "float32" else 1e-12)
    np.testing.assert_allclose(told, np.arange(1, 13) / 12)


def test_a_projected_lstm_is_gluons_own_cell(monkeypatch):
    need("mxnet")
    from rnnviz.engines import gluon

    sizes: list[tuple[int, ...]] = []
    own = gluon.contrib.rnn.LSTMPCell
    monkeypatch.setattr(gluon.contrib.rnn, "LSTMPCell", lambda *args, **keys: sizes.append(args) or own(*args, **keys))
    asked = inputs_of({"timesteps": 2}, cell="lstm", hidden_size=4, projection_size=3, num_layers=2)
    for inputs in (asked, inputs_of({"timesteps": 2}, cell="gru_reset_before", hidden_size=4)):
        trace = empty_trace(inputs, cell=False)
        load_engine("gluon").run(inputs, trace, lambda done: None)
        assert_agrees(trace, recurrence(inputs), 1e-5)
    assert sizes == [(4, 3), (4, 3)]


REFUSED = {
    ("gluon", "another network"): "Gluon refused the file: ",
    ("torch", "another network"): (
        "PyTorch refused the file: Error(s) in loading state_dict for LSTM: Unexpected key(s) in state_dict: "
    ),
    ("onnx", "another network"): "{path} has 2 recurrent layers, expected 1.",
    ("gluon", "no file of its own"): "Gluon refused the file: ",
    ("torch", "no file of its own"): "PyTorch refused the file: Error while deserializing header",
    ("onnx", "no file of its own"): "ONNX refused the model: ",
}


@pytest.mark.parametrize("what", ["another network", "no file of its own"])
def test_a_file_is_refused_in_one_line(name, what, tmp_path):
    path = write(made("lstm", 2, True), tmp_path / f"w{ENDINGS[name]}")
    if what == "no file of its own":
        path.write_bytes(b"\x07" * 40)
    asked = made("lstm", 1, True)
    with pytest.raises(EngineError) as caught:
        load_file_engine(name, path).run(asked, empty_trace(asked, cell=False), lambda done: None)
    said = str(caught.value)
    assert said.startswith(REFUSED[name, what].format(path=path))
    assert "\n" not in said
    assert "None" not in said


def test_a_damaged_model_is_refused_with_the_first_line_of_onnx(tmp_path):
    path = write(made("gru"), tmp_path / "w.onnx")
    model = onnx.load(path)
    model.graph.node[0].op_type = "NoSuchOperator"
    path.write_bytes(model.SerializeToString())
    asked = made("gru")
    with pytest.raises(EngineError, match=r"^ONNX refused the model: No Op registered for NoSuchOperator"):
        load_file_engine("onnx", path).run(asked, empty_trace(asked, cell=False), lambda done: None)


def test_a_rejected_initial_state_is_reported_by_onnxruntime(tmp_path):
    asked = made("gru")
    engine = load_file_engine("onnx", write(asked, tmp_path / "w.onnx"))
    wide = replace(asked, sequence=read_only(np.ones((5, 2, 9)), "float32"))
    for each in (engine, load_engine("onnx")):
        with pytest.raises(EngineError, match=r"^ONNX Runtime failed: .*[Ii]nput[^\n]*$"):
            each.run(wide, empty_trace(asked, cell=False), lambda done: None)


def test_an_error_of_mxnet_becomes_a_sentence(monkeypatch):
    need("mxnet")
    from rnnviz.engines import gluon

    def fail(inputs):
        raise gluon.mx.base.MXNetError("Stack trace:\n  the file\n  out of memory\n")

    asked, engine = made("gru"), load_engine("gluon")
    for name, run in (("_run_stack", engine.run), ("FusedLayer", engine.run_backward)):
        monkeypatch.setattr(gluon, name, fail)
        with pytest.raises(EngineError) as caught:
            run(asked, empty_trace(asked, cell=False), lambda done: None)
        assert str(caught.value).startswith("Gluon failed: out of memory. ")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("one", "one", "one"),
        ("\n  one\ntwo\n\n three \n \n", "one", "three"),
        ("", "ValueError", "ValueError"),
        (" \n", "ValueError", "ValueError"),
    ],
    ids=repr,
)
def test_one_line_of_a_library_error_is_used_or_else_its_type(text, first, last):
    assert (first_line(ValueError(text)), last_line(ValueError(text))) == (first, last)


def test_the_reason_why_an_engine_cannot_check_a_file_is_stated(monkeypatch):
    single, double = Network("gru", 3, 4), Network("gru", 3, 4, dtype="float64")
    relu, single_relu = Network("rnn_relu", 3, 4, dtype="float64"), Network("rnn_relu", 3, 4)
    monkeypatch.setattr(registry, "find_spec", lambda name: object())
    monkeypatch.setattr(registry, "_why_mxnet_cannot_be_loaded", lambda: None)
    cases = {
        ("gluon", single): None,
        ("gluon", double): None,
        ("gluon", single_relu): None,
        ("gluon", relu): "MXNet 1.9.1 rounds what an rnn_relu of float64 computes to float32",
        ("torch", relu): None,
        ("onnx", single): None,
        ("onnx", double): "ONNX Runtime computes in float32 only",
    }
    assert {(name, network): ENGINES[name].unjudged_reason(network) for name, network in cases} == cases
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    assert ENGINES["torch"].unjudged_reason(single) == "PyTorch is not installed"
