"""An ONNX file whose large tensors stay in it until they are asked for."""

import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from rnnviz.core.progress import expect, watched
from rnnviz.io.model_formats import onnx_graph
from rnnviz.io.model_formats.model_file import UnreadableError
from rnnviz.io.model_formats.onnx import open_model
from rnnviz.io.model_formats.onnx_graph import PLACE, outline
from tests.io.model_formats.damage import KINDS, damaged, networks_in, outcome_of

FEATURES, H = 3, 2
SIZES = {"W": (1, 4 * H, FEATURES), "R": (1, 4 * H, H), "B": (1, 8 * H)}


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "_LARGE_BYTES", 8)


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SIZES.items()}


def model() -> ModelProto:
    """Tensors among the initializers, in a Constant node, in a branch, and in a function."""
    lstm = {"hidden_size": H}
    inner = helper.make_graph(
        [helper.make_node("LSTM", ["x", "V", "R", "B"], ["inner"], name="branch", **lstm)],
        "then",
        [],
        [helper.make_tensor_value_info("inner", 1, None)],
        [numpy_helper.from_array(arrays(1)["W"], "V")],
    )
    body = [
        helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(arrays(2)["W"], "w")),
        helper.make_node("LSTM", ["a", "w", "r"], ["b"], name="called", **lstm),
    ]
    function = helper.make_function("local", "Recurrent", ["a", "r"], ["b"], body, [helper.make_opsetid("", 17)])
    nodes = [
        helper.make_node("Constant", [], ["C"], value=numpy_helper.from_array(arrays(3)["R"], "C")),
        helper.make_node("LSTM", ["x", "W", "C", "B"], ["Y"], name="plain", **lstm),
        helper.make_node("If", ["c"], ["Z"], then_branch=inner, else_branch=inner),
        helper.make_node("Recurrent", ["x", "R"], ["U"], domain="local"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in arrays().items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=9)


def tensors_of(found: ModelProto) -> list[TensorProto]:
    constants = [node.attribute[0].t for node in (*found.graph.node, *found.functions[0].node) if not node.input]
    branch = found.graph.node[2].attribute[0].g
    return [*found.graph.initializer, *constants, *branch.initializer]


@pytest.mark.usefixtures("small_is_large")
def test_numbers_are_left_where_they_are_and_nothing_else_is_changed(tmp_path: Path) -> None:
    content = model().SerializeToString()
    left = ModelProto.FromString(outline(memoryview(content)))
    assert len(tensors_of(left)) == 6
    for tensor, whole in zip(tensors_of(left), tensors_of(model()), strict=True):
        ((key, place),) = [(entry.key, entry.value) for entry in tensor.external_data]
        begin, size = map(int, place.split())
        assert (key, tensor.HasField("raw_data")) == (PLACE, False)
        assert content[begin : begin + size] == whole.raw_data
        del tensor.external_data[:]
        tensor.raw_data = whole.raw_data
    left.graph.node[2].attribute[1].CopyFrom(model().graph.node[2].attribute[1])
    assert left == model()


@pytest.mark.parametrize("large", [False, True])
def test_the_same_weights_are_read_from_their_places(
    tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(model(), path)
    if large:
        monkeypatch.setattr(onnx_graph, "_LARGE_BYTES", 8)
    opened = open_model(path)
    told: list[float] = []
    for name, seed in {"plain": 0, "branch": 1, "called": 2}.items():
        with watched(told.append):
            expect(1)
            i, o, f, c = np.split(arrays(seed)["W"][0], 4)
            np.testing.assert_array_equal(opened.parameters(name)["l0_i2h_weight"], np.concatenate([i, f, c, o]))
    assert bool(told) == large


def test_zeros_in_place_of_fields_are_refused_at_the_first_of_them() -> None:
    content = model().SerializeToString()
    for begin in (0, len(content)):
        with pytest.raises(UnreadableError, match=f"byte {begin:,} "):
            outline(memoryview(content[:begin] + bytes(1 << 20)))


def test_a_message_of_countless_fields_is_left_to_the_library() -> None:
    with pytest.raises(ValueError, match="fields"):
        outline(memoryview(b"\x08\x07" * (onnx_graph._MOST_FIELDS + 1)))


@pytest.mark.usefixtures("small_is_large")
def test_a_damaged_file_is_refused_in_a_sentence_or_read_as_stored(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(model(), path)
    content, whole = path.read_bytes(), networks_in(path)
    outcomes = set()
    for seed, kind in enumerate(KINDS * 8):
        path.write_bytes(damaged(content, random.Random(seed), kind))
        outcomes.add(outcome_of(path, whole))
    assert outcomes >= {"refused", "same"}


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("0 9999999999", "end at byte 9,999,999,999"),
        ("99999999999 96", "end at byte 100,000,000,095"),
        ("-1 96", 'the place "-1"'),
        ("0 95", "needs 96 bytes, and the file holds 95"),
        ("", "needs 96 bytes, and the file holds 0"),
    ],
)
def test_an_external_offset_is_checked_against_the_file_size(tmp_path: Path, place: str, reason: str) -> None:
    told, path = model(), tmp_path / "m.onnx"
    tensor = told.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.external_data.add(key=PLACE, value=place)
    path.write_bytes(told.SerializeToString())
    entry = next(entry for entry in open_model(path).entries if entry.name == "plain")
    assert reason in entry.reason
