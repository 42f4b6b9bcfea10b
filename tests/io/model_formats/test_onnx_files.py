"""ONNX files that are damaged, and weights in external files."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.onnx import open_model

FEATURES, H = 3, 2
ROWS = 4 * H
SIZES = {"W": (1, ROWS, FEATURES), "R": (1, ROWS, H), "B": (1, 2 * ROWS)}


def model_of(tensors):
    lstm = helper.make_node("LSTM", ["x", "W", "R", "B"], ["Y"], name="lstm", hidden_size=H)
    upper = helper.make_node("LSTM", ["z", "W2", "R"], ["Z"], name="upper", hidden_size=H)
    squeeze = helper.make_node("Squeeze", ["Y", "axes"], ["z"])
    graph = helper.make_graph(
        [lstm, squeeze, upper],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, None, FEATURES])],
        [helper.make_tensor_value_info("Z", TensorProto.FLOAT, None)],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def arrays():
    rng = np.random.default_rng(1)
    found = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SIZES.items()}
    return found | {"W2": rng.normal(size=(1, ROWS, H)).astype(np.float32), "axes": np.array([1])}


def external(name, array, **fields):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in fields.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def save_with_external(folder, **fields):
    """A model whose W is outside it."""
    values = arrays()
    tensors = [numpy_helper.from_array(array, name) for name, array in values.items() if name != "W"]
    folder.mkdir(exist_ok=True)
    path = folder / "m.onnx"
    path.write_bytes(model_of([*tensors, external("W", values["W"], **fields)]).SerializeToString())
    return path, values["W"]


def entry_of(path):
    return next(entry for entry in open_model(path).entries if entry.name == "lstm")


def test_external_weights_are_read_at_their_offset(tmp_path):
    path, w = save_with_external(tmp_path / "a", location="w.bin", offset=8, length=ROWS * FEATURES * 4)
    (path.parent / "w.bin").write_bytes(b"\0" * 8 + w.tobytes() + b"\0" * 8)
    i, _o, _f, _c = np.split(w[0], 4)
    np.testing.assert_array_equal(open_model(path).parameters("lstm")["l0_i2h_weight"][:H], i)


def test_external_weights_written_by_onnx_are_read(tmp_path):
    values = arrays()
    model = model_of([numpy_helper.from_array(array, name) for name, array in values.items()])
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    read = open_model(tmp_path / "m.onnx").parameters("lstm..upper")
    i, o, f, c = np.split(values["W2"][0], 4)
    np.testing.assert_array_equal(read["l1_i2h_weight"], np.concatenate([i, f, c, o]))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"location": "../w.bin"}, "within the folder"),
        ({"location": "sub/../../w.bin"}, "within the folder"),
        ({"location": "..\\w.bin"}, "within the folder"),
        ({"location": "{outside}"}, "within the folder"),
        ({"location": "C:\\w.bin"}, "within the folder"),
        ({"location": ""}, "within the folder"),
        ({"location": "link.bin"}, "leads out"),
        ({"location": "folder/w.bin"}, "leads out"),
        ({"location": "missing.bin"}, "not next to"),
        ({"location": "."}, "not a regular file"),
        ({"location": "pipe"}, "not a regular file"),
        ({"location": "short.bin"}, "which has 4"),
        ({"location": "full.bin", "offset": 1}, "at byte 1 of"),
        ({"location": "full.bin", "offset": -1}, "not a number of bytes"),
        ({"location": "full.bin", "offset": "9" * 400}, "not a number of bytes"),
        ({"location": "full.bin", "length": 7}, "7 are at"),
    ],
)
def test_weights_elsewhere_or_of_another_size_are_refused_before_anything_is_read(fields, reason, tmp_path):
    outside, inside = tmp_path / "w.bin", tmp_path / "model"
    outside.write_bytes(b"\0" * 1000)
    fields = {key: str(value).replace("{outside}", str(outside)) for key, value in fields.items()}
    path, w = save_with_external(inside, **fields)
    (inside / "link.bin").symlink_to(outside)
    (inside / "folder").symlink_to(tmp_path)
    (inside / "short.bin").write_bytes(b"1234")
    (inside / "full.bin").write_bytes(w.tobytes())
    os.mkfifo(inside / "pipe")
    entry = entry_of(path)
    assert not entry.supported
    assert reason in entry.reason


def test_the_size_of_a_tensor_is_checked_against_its_bytes(tmp_path):
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays().items()]
    tensors[0].dims[:] = [1, ROWS, 1 << 40]
    path = tmp_path / "m.onnx"
    path.write_bytes(model_of(tensors).SerializeToString())
    assert "needs" in entry_of(path).reason


def test_a_file_of_two_gigabytes_is_refused_unread(tmp_path):
    path = tmp_path / "m.onnx"
    with path.open("wb") as file:
        file.truncate(1 << 31)
    with pytest.raises(InputError, match="less than 2 GB"):
        open_model(path)


@pytest.mark.parametrize("content", [b"", b"nonsense, and more of it", b"\x08\x09", b"\0" * 100])
def test_a_file_that_is_not_a_model_is_refused_in_a_sentence(content, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"not a valid ONNX model: .*\.$"):
        open_model(path)


@pytest.mark.parametrize("name", [b"lstm", b"hidden_size"])
def test_names_that_are_not_utf8_are_reported(name, tmp_path):
    content = model_of([numpy_helper.from_array(array, key) for key, array in arrays().items()]).SerializeToString()
    path = tmp_path / "m.onnx"
    path.write_bytes(content.replace(name, b"\xff" + name[1:]))
    entry = open_model(path).entries[0]
    if name == b"lstm":
        assert entry.name.startswith("a node whose name is not UTF-8 text")
    else:
        assert not entry.supported
        assert entry.reason == "the name of an attribute is not UTF-8 text"


def field(number, content):
    """A message within another one, as protobuf writes it."""
    size, length = bytearray(), len(content)
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2]) + bytes(size) + bytes([length]) + content


def test_graphs_deep_in_each_other_are_refused(tmp_path):
    graph = b""
    for _ in range(500):
        # The node of a graph, its attribute, and the graph in that.
        graph = field(1, field(5, field(6, graph)))
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x08\x09" + field(8, field(2, b"") + b"\x10\x11") + field(7, graph))
    with pytest.raises(InputError, match="not a valid ONNX model"):
        open_model(path)
