"""Whole models as the libraries write them: their recurrent layers are found among all the others."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rnnviz.io.model_formats.load import entries_of
from rnnviz.io.model_formats.model_file import Entry
from tests.io.model_formats.sources import read_parameters
from tests.needs import needs

CHANNELS, HIDDEN, CLASSES = 6, 8, 5
"""Sizes that other layers have as well: a convolution of 4·8 channels must not pass for a gate."""


def described(entry: Entry) -> tuple[Any, ...]:
    return entry.cell, entry.input_size, entry.hidden_size, entry.num_layers, entry.bidirectional


FOUND = {
    "encoder": ("lstm", CHANNELS, HIDDEN, 2, True),
    "decoder": ("gru", 2 * HIDDEN, HIDDEN, 1, False),
}


def torch_model(torch: Any) -> Any:
    nn = torch.nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(20, CHANNELS)
            self.conv = nn.Conv1d(CHANNELS, 4 * HIDDEN, 3)
            self.norm = nn.BatchNorm1d(4 * HIDDEN)
            self.encoder = nn.LSTM(CHANNELS, HIDDEN, 2, bidirectional=True)
            self.attention = nn.MultiheadAttention(2 * HIDDEN, 2)
            self.transformer = nn.TransformerEncoderLayer(2 * HIDDEN, 2, 4 * HIDDEN)
            self.decoder = nn.GRU(2 * HIDDEN, HIDDEN)
            self.dense = nn.Linear(HIDDEN, 4 * HIDDEN)
            self.bilinear = nn.Bilinear(HIDDEN, HIDDEN, CLASSES)

    torch.manual_seed(3)
    return Model()


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors", pytest.param("checkpoint", marks=pytest.mark.slow)])
def test_a_model_of_pytorch(form: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model, path = torch_model(torch), tmp_path / "w.bin"
    state, prefix = model.state_dict(), ""
    if form == "safetensors":
        from safetensors.torch import save_file

        save_file(state, path)
    elif form == "checkpoint":
        # A checkpoint to resume from: the weights, and the optimizer's state of each of them.
        optimizer = torch.optim.Adam(model.parameters())
        sum(parameter.sum() for parameter in model.parameters()).backward()
        optimizer.step()
        state, prefix = model.state_dict(), "model."
        torch.save({"model": state, "optimizer": optimizer.state_dict(), "epoch": 3, "loss": torch.tensor(0.5)}, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    entries = {entry.name: entry for entry in entries_of(path)}
    assert {name: described(entry) for name, entry in entries.items()} == {
        f"{prefix}{name}": sizes for name, sizes in FOUND.items()
    }
    read = read_parameters(path, f"{prefix}encoder", entries[f"{prefix}encoder"].network())
    np.testing.assert_array_equal(read["r1_h2h_weight"], state["encoder.weight_hh_l1_reverse"].numpy())


def mxnet_model(mx: Any) -> Any:
    nn, rnn = mx.gluon.nn, mx.gluon.rnn

    class Model(mx.gluon.Block):
        def __init__(self) -> None:
            super().__init__()
            with self.name_scope():
                self.embedding = nn.Embedding(20, CHANNELS)
                self.conv = nn.Conv1D(4 * HIDDEN, 3, in_channels=CHANNELS)
                self.norm = nn.BatchNorm(in_channels=4 * HIDDEN)
                self.encoder = rnn.LSTM(HIDDEN, 2, bidirectional=True, input_size=CHANNELS)
                self.attention = nn.Dense(4 * HIDDEN, in_units=HIDDEN, prefix="attention_i2h_")
                self.decoder = rnn.GRU(HIDDEN, input_size=2 * HIDDEN)
                self.dense = nn.Dense(CLASSES, in_units=HIDDEN)

    made = Model()
    made.initialize(mx.init.Normal(0.5))
    return made


@needs("mxnet")
@pytest.mark.parametrize("form", ["structured", "prefixed", "checkpoint"])
def test_a_model_of_gluon(form: str, tmp_path: Path) -> None:
    from rnnviz.engines.gluon import mx

    model, path = mxnet_model(mx), tmp_path / "net-0000.params"
    parameters = model.collect_params()
    if form == "structured":
        model.save_parameters(str(path))
    elif form == "prefixed":
        parameters.save(str(path))
    else:
        # A block's own export of its arguments and of the running means, which are not arguments.
        running = {name for name in parameters if "running" in name}
        arrays = {name: parameter.data() for name, parameter in parameters.items()}
        arguments = {name: array for name, array in arrays.items() if name not in running}
        mx.model.save_checkpoint(
            *(str(tmp_path / "net"), 0, None, arguments, {name: arrays[name] for name in running}),
        )
    prefixes = {name: getattr(model, name).prefix.rstrip("_") for name in FOUND}
    names = {name: name if form == "structured" else prefixes[name] for name in FOUND}
    # A Dense layer named i2h is not a network, and is reported.
    entries = {entry.name: entry for entry in entries_of(path) if entry.supported}
    assert {name: described(entry) for name, entry in entries.items()} == {
        names[name]: sizes for name, sizes in FOUND.items()
    }
    read = read_parameters(path, names["encoder"], entries[names["encoder"]].network())
    expected = parameters[f"{model.encoder.prefix}r1_h2h_weight"].data().asnumpy()
    np.testing.assert_array_equal(read["r1_h2h_weight"], expected)


def test_a_model_of_onnx(tmp_path: Path) -> None:
    """Ids to vectors, a convolution over them, the encoder, attention over its outputs, the decoder and a softmax."""
    rng = np.random.default_rng(6)
    rows = {"E0": 4 * HIDDEN, "E1": 4 * HIDDEN, "D": 3 * HIDDEN}
    columns = {"E0": CHANNELS, "E1": 2 * HIDDEN, "D": 2 * HIDDEN}
    shapes: dict[str, tuple[int, ...]] = {"embedding": (20, CHANNELS), "kernel": (CHANNELS, CHANNELS, 3)}
    for name, count in rows.items():
        directions = 1 if name == "D" else 2
        shapes |= {f"{name}.W": (directions, count, columns[name]), f"{name}.R": (directions, count, HIDDEN)}
        shapes |= {f"{name}.B": (directions, 2 * count)}
    shapes |= {"query": (2 * HIDDEN, 2 * HIDDEN), "dense": (HIDDEN, CLASSES)}
    constants: dict[str, Any] = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    constants |= {"joined": np.array([0, 0, -1]), "one": np.array([1])}
    both = {"hidden_size": HIDDEN, "direction": "bidirectional"}
    make = helper.make_node
    nodes = [
        make("Gather", ["embedding", "ids"], ["v"]),  # (T, N, C)
        make("Transpose", ["v"], ["v1"], perm=[1, 2, 0]),
        make("Conv", ["v1", "kernel"], ["v2"], pads=[1, 1]),
        make("Transpose", ["v2"], ["x"], perm=[2, 0, 1]),
        make("LSTM", ["x", "E0.W", "E0.R", "E0.B"], ["y0"], name="e0", **both),
        make("Transpose", ["y0"], ["y1"], perm=[0, 2, 1, 3]),
        make("Reshape", ["y1", "joined"], ["y2"]),
        make("LSTM", ["y2", "E1.W", "E1.R", "E1.B"], ["y3"], name="e1", **both),
        make("Transpose", ["y3"], ["y4"], perm=[0, 2, 1, 3]),
        make("Reshape", ["y4", "joined"], ["k"]),
        make("MatMul", ["k", "query"], ["q"]),
        make("Transpose", ["q"], ["q1"], perm=[1, 0, 2]),
        make("Transpose", ["k"], ["k1"], perm=[1, 2, 0]),
        make("Transpose", ["k"], ["k2"], perm=[1, 0, 2]),
        make("MatMul", ["q1", "k1"], ["s"]),
        make("Softmax", ["s"], ["a"], axis=-1),
        make("MatMul", ["a", "k2"], ["c"]),
        make("Transpose", ["c"], ["c1"], perm=[1, 0, 2]),
        make("GRU", ["c1", "D.W", "D.R", "D.B"], ["d"], name="d", hidden_size=HIDDEN, linear_before_reset=1),
        make("Squeeze", ["d", "one"], ["d1"]),
        make("MatMul", ["d1", "dense"], ["logits"]),
        make("Softmax", ["logits"], ["p"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["T", "N"])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["T", "N", CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    entries = {entry.name: entry for entry in entries_of(path)}
    assert list(entries) == ["e0..e1", "e0", "e1", "d"]
    assert described(entries["e0..e1"]) == FOUND["encoder"]
    assert described(entries["d"]) == FOUND["decoder"]
    assert all(entry.supported and not entry.reason for entry in entries.values())
    i, o, f, c = np.split(constants["E1.R"][1], 4)
    read = read_parameters(path, "e0..e1", entries["e0..e1"].network())
    np.testing.assert_array_equal(read["r1_h2h_weight"], np.concatenate([i, f, c, o]))
