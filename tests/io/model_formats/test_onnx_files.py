"""ONNX files that are damaged, and weights in external files."""

import os

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.onnx import open_model
from tests.cases import cases
from tests.io.model_formats.corpus.onnx_graphs import FEATURES, Graph, H, normal

ROWS = 4 * H
SIZES = {"W": (1, ROWS, FEATURES), "R": (1, ROWS, H), "B": (1, 2 * ROWS), "W2": (1, ROWS, H)}


def model_of(tensors):
    """Two layers that feed each other, with the second one's W as W2."""
    graph = Graph(outputs=["upper_y"])
    graph.recurrent("LSTM", graph.input("x", None, None, FEATURES), "lstm")
    graph.node("Squeeze", ["lstm_y", "axes"], "z")
    graph.recurrent("LSTM", "z", "upper")
    graph.nodes[0].input[1:4], graph.nodes[2].input[1:4] = "WRB", ["W2", "R", "B"]
    graph.constants.clear()
    model = graph.proto()
    model.graph.initializer.extend(tensors)
    return model


def tensors():
    numbers = {name: normal(*shape, seed=place) for place, (name, shape) in enumerate(SIZES.items())}
    return [numpy_helper.from_array(array, name) for name, array in (numbers | {"axes": np.array([1])}).items()]


def save_with_external(folder, **fields):
    """A model whose W is outside it."""
    stored = tensors()
    w = numpy_helper.to_array(stored[0])
    stored[0] = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=w.shape, data_location=TensorProto.EXTERNAL)
    for key, value in fields.items():
        stored[0].external_data.add(key=key, value=str(value))
    folder.mkdir(exist_ok=True)
    path = folder / "m.onnx"
    path.write_bytes(model_of(stored).SerializeToString())
    return path, w


def entry_of(path):
    return next(entry for entry in open_model(path).entries if entry.name == "lstm")


def test_external_weights_are_read_at_their_offset(tmp_path):
    path, w = save_with_external(tmp_path / "a", location="w.bin", offset=8, length=ROWS * FEATURES * 4)
    (path.parent / "w.bin").write_bytes(b"\0" * 8 + w.tobytes() + b"\0" * 8)
    i, _o, _f, _c = np.split(w[0], 4)
    np.testing.assert_array_equal(open_model(path).parameters("lstm")["l0_i2h_weight"][:H], i)


@pytest.mark.parametrize(("fields", "reason"), cases(__file__)["refused-weights"])
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
    stored = tensors()
    stored[0].dims[:] = [1, ROWS, 1 << 40]
    path = tmp_path / "m.onnx"
    path.write_bytes(model_of(stored).SerializeToString())
    assert "needs" in entry_of(path).reason


def test_a_file_of_two_gigabytes_is_refused_unread(tmp_path):
    path = tmp_path / "m.onnx"
    with path.open("wb") as file:
        file.truncate(1 << 31)
    with pytest.raises(InputError, match="less than 2 GB"):
        open_model(path)


@pytest.mark.parametrize("name", [b"lstm", b"hidden_size"])
def test_names_that_are_not_utf8_are_reported(name, tmp_path):
    content = model_of(tensors()).SerializeToString()
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
