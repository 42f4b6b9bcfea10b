"""ONNX models are valid and run in ONNX Runtime, for any number of time steps and samples, as the recurrence does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from rnnviz.core.config import SequenceSource
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs, draw_initial_state
from rnnviz.core.sequence import draw_sequence
from rnnviz.io.model_formats import onnx as writing
from tests.io.model_formats.writing.saved_models import HIDDEN, INPUT, NETWORKS, assert_reproduces, made, write


def run(path: Path, inputs: Inputs) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feeds = {"input": inputs.sequence}
    feeds |= {f"{name}_0": array for name, array in zip("hc", inputs.initial_state.values(), strict=False)}
    return session.run(None, feeds)


@pytest.mark.parametrize(("cell", "layers", "both"), NETWORKS)
def test_onnx_runtime_computes_the_same(tmp_path: Path, cell: str, layers: int, both: bool) -> None:
    inputs = made(cell, layers, both)
    out, *states = run(write(inputs, tmp_path / "w.onnx"), inputs)
    assert_reproduces(inputs, out, states)


@pytest.mark.parametrize(("cell", "layers", "both"), NETWORKS)
def test_the_model_is_valid_and_has_a_node_for_each_layer(tmp_path: Path, cell: str, layers: int, both: bool) -> None:
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
def test_a_model_runs_on_sequences_of_any_size(tmp_path: Path, timesteps: int, samples: int) -> None:
    inputs = made("lstm", 3, True)
    path = write(inputs, tmp_path / "w.onnx")
    source = SequenceSource(batch_size=samples, timesteps=timesteps)
    other = replace(
        inputs,
        sequence=draw_sequence(source, inputs.network.input_size, inputs.network.dtype),
        initial_state=draw_initial_state(inputs.network, inputs.config.initial_state, samples),
    )
    out, *states = run(path, other)
    assert_reproduces(other, out, states)


def test_weights_larger_than_a_message_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_LARGEST_WEIGHTS", 400)
    with pytest.raises(InputError, match=r"The weights have 432 bytes: an ONNX file may hold 400\."):
        write(made("gru"), tmp_path / "w.onnx")
    assert not (tmp_path / "w.onnx").exists()
