"""The round trip fails if one number, the order of gates or a joint of layers differs."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto

from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.inputs import Inputs
from rnnviz.execution.export_weights import RoundtripCheck, check_roundtrip
from rnnviz.io.model_formats.load import (
    GLUON_PARAMS,
    ONNX_MODEL,
    TORCH_SAFETENSORS,
    WEIGHT_FORMATS,
    WeightFormat,
)
from tests.io.model_formats.writing.saved_models import made
from tests.needs import need_engine

KINDS = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
RUN_BY_A_LIBRARY = [form for form in WEIGHT_FORMATS if form.library is not None]


def named(value: object) -> str:
    return value.ending if isinstance(value, WeightFormat) else value[0] if isinstance(value, tuple) else str(value)


def checked(inputs: Inputs, form: WeightFormat, path: Path) -> RoundtripCheck:
    return check_roundtrip(inputs.network, inputs.parameters, path, form.read(inputs.network, path), form.library)


def checked_by_library(inputs: Inputs, form: WeightFormat, path: Path) -> RoundtripCheck:
    """Pretend that the program's own reader found all numbers."""
    return check_roundtrip(inputs.network, inputs.parameters, path, inputs.parameters, form.library)


def written(inputs: Inputs, form: WeightFormat, folder: Path) -> Path:
    path = folder / f"w{form.ending}"
    form.write(inputs.network, inputs.parameters, path)
    return path


def needs_library(form: WeightFormat) -> None:
    if form.library is not None:
        need_engine(form.library)


def change(path: Path, old: np.floating, new: np.floating) -> None:
    """Change one number in a file at any offset."""
    if path.suffix == ".npz":
        with np.load(path) as archive:
            arrays = {name: np.where(archive[name] == old, new, archive[name]) for name in archive.files}
        np.savez(path, **arrays)
        return
    content = path.read_bytes()
    assert content.count(old.tobytes()) == 1
    path.write_bytes(content.replace(old.tobytes(), new.tobytes()))


NETWORKS = [("lstm", 2, True), ("gru", 3, False), ("rnn_relu", 1, True)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "network"),
    [(form, network) for k, form in enumerate(WEIGHT_FORMATS) for network in (NETWORKS[k % 3], NETWORKS[(k + 1) % 3])],
    ids=named,
)
def test_a_correct_file_is_verified_by_its_framework(tmp_path, form, network):
    needs_library(form)
    inputs = made(*network)
    found = checked(inputs, form, written(inputs, form, tmp_path))
    name = {"gluon": "mxnet", "torch": "torch", "onnx": "onnxruntime", None: ""}[form.library]
    assert found.numbers == sum(array.size for array in inputs.parameters.values())
    assert found.library.startswith(name)
    assert bool(found.library) == bool(name)
    assert found.reason == ""
    assert found.sentences.endswith(f"NumPy and {found.library}." if found.library else "runs with NumPy.")


@pytest.mark.parametrize(("form", "kind"), list(zip(WEIGHT_FORMATS, KINDS, strict=True)), ids=named)
def test_the_last_bit_of_one_number_is_enough_to_refuse_a_file(tmp_path, form, kind):
    inputs = made("lstm", 2, True)
    path, name = written(inputs, form, tmp_path), f"r1_{kind}"
    place = tuple(size - 2 for size in inputs.parameters[name].shape)
    right = inputs.parameters[name][place]
    wrong = np.nextafter(right, np.float32(9.0))
    change(path, right, wrong)
    with pytest.raises(EngineError) as caught:
        checked(inputs, form, path)
    assert str(caught.value) == f"{name}{list(place)} is {wrong}, expected {right}."


@pytest.mark.parametrize(
    ("form", "kind"), [(form, kind) for k, form in enumerate(RUN_BY_A_LIBRARY) for kind in KINDS[k : k + 2]], ids=named
)
def test_a_file_that_the_framework_computes_differently_is_refused(tmp_path, form, kind):
    needs_library(form)
    inputs = made("gru", 2, True)
    path, array = written(inputs, form, tmp_path), inputs.parameters[f"r1_{kind}"]
    right = array[tuple(size - 1 for size in array.shape)]
    change(path, right, right + np.float32(1e-3))
    with pytest.raises(EngineError, match=r"computes \S+ from it at layer 1, backward, .*, expected \S+\.$"):
        checked_by_library(inputs, form, path)


def nodes(model: ModelProto, operator: str) -> list[NodeProto]:
    return [node for node in model.graph.node if node.op_type == operator]


def exchange_joined_states(model: ModelProto, name: str) -> None:
    (node,) = (node for node in nodes(model, "Concat") if node.output[0] == name)
    node.input[:] = list(node.input)[::-1]


def reset_before_the_product(model: ModelProto) -> None:
    for node in nodes(model, "GRU"):
        node.attribute.remove(next(a for a in node.attribute if a.name == "linear_before_reset"))


def exchange_gates(model: ModelProto) -> None:
    (weight,) = (tensor for tensor in model.graph.initializer if tensor.name == "layer0.R")
    rows = onnx.numpy_helper.to_array(weight)
    weight.CopyFrom(onnx.numpy_helper.from_array(np.roll(rows, 4, axis=1), weight.name))


def exchange_directions(model: ModelProto) -> None:
    nodes(model, "Transpose")[0].attribute[0].ints[:] = [0, 2, 3, 1]


def drop_initial_state(model: ModelProto) -> None:
    nodes(model, "GRU")[1].input[5] = ""


@pytest.mark.parametrize(
    ("cell", "tamper", "reason"),
    [
        ("gru", reset_before_the_product, "layer 0, forward, t = 0, .* expected "),
        ("gru", drop_initial_state, "layer 1, forward, t = 0, .* expected "),
        ("lstm", exchange_gates, "layer 0, forward, t = 0, .* expected "),
        ("lstm", exchange_directions, "layer 1, forward, t = 0, .* expected "),
        ("gru", lambda model: exchange_joined_states(model, "h_n"), "inconsistent results from it: the check .* fails"),
        ("lstm", lambda model: exchange_joined_states(model, "c_n"), r"the check state\[1\] follows .* fails"),
    ],
)
def test_a_model_that_means_something_else_is_refused(tmp_path, cell, tamper, reason):
    inputs = made(cell, 3, True)
    path = written(inputs, ONNX_MODEL, tmp_path)
    model = onnx.load(path)
    tamper(model)
    onnx.save(model, path)
    with pytest.raises(EngineError, match=reason):
        checked_by_library(inputs, ONNX_MODEL, path)


def test_a_model_that_is_not_valid_or_lacks_a_layer_is_refused(tmp_path):
    inputs = made("lstm", 2)
    path = written(made("lstm"), ONNX_MODEL, tmp_path)
    with pytest.raises(EngineError, match="has 1 recurrent layer, expected 2"):
        checked_by_library(inputs, ONNX_MODEL, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(EngineError, match="ONNX refused the model"):
        checked_by_library(inputs, ONNX_MODEL, path)


@pytest.mark.parametrize("form", [GLUON_PARAMS, TORCH_SAFETENSORS], ids=lambda form: form.ending)
def test_a_file_that_its_framework_refuses_is_refused(tmp_path, form):
    needs_library(form)
    path = written(made("lstm"), form, tmp_path)
    with pytest.raises(EngineError, match=r"refused the file: .*"):
        checked_by_library(made("lstm", 2), form, path)
    with pytest.raises(InputError):
        checked(made("lstm", 2), form, path)


@pytest.mark.parametrize("form", [GLUON_PARAMS, TORCH_SAFETENSORS], ids=lambda form: form.ending)
def test_without_the_framework_the_check_says_that_it_was_not_run(tmp_path, form, monkeypatch):
    monkeypatch.setattr("rnnviz.engines.registry.find_spec", lambda name: None)
    inputs = made("lstm")
    found = checked(inputs, form, written(inputs, form, tmp_path))
    assert found.library == ""
    assert found.sentences.endswith(f"Not run by its framework: {found.reason}.")
    assert found.reason.endswith("is not installed")


def test_rounding_of_mxnet_is_not_a_reason_to_refuse_a_file(tmp_path):
    needs_library(GLUON_PARAMS)
    inputs = made("rnn_relu", dtype="float64")
    assert "rounds what an rnn_relu" in checked(inputs, GLUON_PARAMS, written(inputs, GLUON_PARAMS, tmp_path)).reason
    other = made("rnn_tanh", dtype="float64")
    assert checked(other, GLUON_PARAMS, written(other, GLUON_PARAMS, tmp_path)).library.startswith("mxnet")
