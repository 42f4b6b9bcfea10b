"""Each framework loads the written files, and computes from them what the recurrence does."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from rnnviz.core.config import SequenceSource
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs, draw_initial_state
from rnnviz.core.sequence import draw_sequence
from rnnviz.io.model_formats import onnx as writing
from rnnviz.io.model_formats import torch_files
from tests.io.model_formats.writing.saved_models import HIDDEN, INPUT, NETWORKS, assert_reproduces, made, write
from tests.needs import need

Outputs = tuple[NDArray[np.floating], Sequence[NDArray[np.floating]]]


def gluon(inputs: Inputs, path: Path) -> Outputs:
    need("mxnet")
    from rnnviz.engines.gluon import mx

    network, rnn = inputs.network, mx.gluon.rnn
    options = {"bidirectional": network.bidirectional, "input_size": INPUT, "dtype": network.dtype}
    kind, _, activation = network.cell.partition("_")
    options |= {"activation": activation} if activation else {}
    block = getattr(rnn, kind.upper())(HIDDEN, network.num_layers, **options)
    block.load_parameters(str(path))
    np.testing.assert_array_equal(block.l0_h2h_weight.data().asnumpy(), inputs.parameters["l0_h2h_weight"])
    states = [mx.nd.array(array, dtype=network.dtype) for array in inputs.initial_state.values()]
    out, final = block(mx.nd.array(inputs.sequence, dtype=network.dtype), states)
    return out.asnumpy(), [state.asnumpy() for state in final]


def pytorch(inputs: Inputs, path: Path) -> Outputs:
    torch = pytest.importorskip("torch")
    from safetensors import safe_open
    from safetensors.torch import load_file

    network, dtype = inputs.network, getattr(torch, inputs.network.dtype)
    options: dict[str, Any] = {"bidirectional": network.bidirectional, "dtype": dtype}
    kind, _, nonlinearity = network.cell.partition("_")
    options |= {"nonlinearity": nonlinearity} if nonlinearity else {}
    module = getattr(torch.nn, kind.upper())(INPUT, HIDDEN, network.num_layers, **options)
    loaded = load_file(path)
    assert {tensor.dtype for tensor in loaded.values()} == {dtype}
    with safe_open(path, framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
    module.load_state_dict(loaded)
    states = tuple(torch.from_numpy(np.array(array)) for array in inputs.initial_state.values())
    with torch.no_grad():
        out, final = module(torch.from_numpy(np.array(inputs.sequence)), states if len(states) == 2 else states[0])
    return out.numpy(), [state.numpy() for state in (final if len(states) == 2 else (final,))]


def onnx_runtime(inputs: Inputs, path: Path) -> Outputs:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feeds = {"input": inputs.sequence}
    feeds |= {f"{name}_0": array for name, array in zip("hc", inputs.initial_state.values(), strict=False)}
    out, *states = session.run(None, feeds)
    return out, states


RUNS = {"w.params": gluon, "w.safetensors": pytorch, "w.onnx": onnx_runtime}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"),
    [("w.params", "float32"), ("w.safetensors", "float32"), ("w.safetensors", "float64"), ("w.onnx", "float32")],
)
@pytest.mark.parametrize(("cell", "layers", "both"), NETWORKS)
def test_the_framework_computes_the_same_from_the_file(tmp_path, cell, layers, both, name, dtype):
    inputs = made(cell, layers, both, dtype)
    assert_reproduces(inputs, *RUNS[name](inputs, write(inputs, tmp_path / name)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_file_is_identical_to_that_of_mxnet(tmp_path, dtype):
    need("mxnet")
    from rnnviz.engines.gluon import mx

    inputs = made("gru", 2, True, dtype)
    arrays = {name: mx.nd.array(array, dtype=dtype) for name, array in inputs.parameters.items()}
    mx.nd.save(str(tmp_path / "theirs.params"), arrays)
    assert write(inputs, tmp_path / "ours.params").read_bytes() == (tmp_path / "theirs.params").read_bytes()


@pytest.mark.parametrize(("cell", "layers", "both"), [("lstm", 3, True), ("rnn_relu", 1, False), ("gru", 1, True)])
def test_the_onnx_model_is_valid_and_has_a_node_for_each_layer(tmp_path, cell, layers, both):
    model = onnx.load(write(made(cell, layers, both), tmp_path / "w.onnx"))
    onnx.checker.check_model(model, full_check=True)
    recurrent = [node.op_type for node in model.graph.node if node.op_type in ("RNN", "LSTM", "GRU")]
    assert recurrent == [cell.partition("_")[0].upper()] * layers
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }
    lanes, width = layers * (1 + both), HIDDEN * (1 + both)
    states = "hc" if cell == "lstm" else "h"
    assert shapes == {
        "input": ["timesteps", "samples", INPUT],
        "output": ["timesteps", "samples", width],
        **{f"{name}_{end}": [lanes, "samples", HIDDEN] for name in states for end in "0n"},
    }


@pytest.mark.parametrize(("timesteps", "samples"), [(1, 1), (7, 3)])
def test_an_onnx_model_runs_on_sequences_of_any_size(tmp_path, timesteps, samples):
    inputs = made("lstm", 3, True)
    path = write(inputs, tmp_path / "w.onnx")
    source = SequenceSource(batch_size=samples, timesteps=timesteps)
    other = replace(
        inputs,
        sequence=draw_sequence(source, inputs.network.input_size, inputs.network.dtype),
        initial_state=draw_initial_state(inputs.network, inputs.config.initial_state, samples),
    )
    assert_reproduces(other, *onnx_runtime(other, path))


def test_weights_larger_than_a_message_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_LARGEST_WEIGHTS", 400)
    with pytest.raises(InputError, match=r"The weights have 432 bytes: an ONNX file may hold 400\."):
        write(made("gru"), tmp_path / "w.onnx")
    assert not (tmp_path / "w.onnx").exists()


def test_a_write_error_of_the_library_is_a_sentence(tmp_path):
    inputs = made("gru")
    with pytest.raises(InputError, match=r"w\.safetensors cannot be written: .*[^.]\.$"):
        torch_files.write_weights(inputs.network, inputs.parameters, tmp_path / "gone" / "w.safetensors")
