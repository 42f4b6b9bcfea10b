"""rnnviz convert: weights into other programs' files, and what it refuses, with nothing left behind."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.parameters import Parameters
from rnnviz.io.config_toml import load_config
from rnnviz.io.inputs import load_inputs
from rnnviz.io.model_formats import named_arrays
from tests.cli.calls import write
from tests.io.model_formats.sources import in_torch_names, network, read_parameters, weights_of


def written(folder: Path, dtype: str = "float32") -> Path:
    network = {"num_layers": 2, "bidirectional": True, "dtype": dtype}
    return write(folder, "c.toml", network=network, parameters={"initializer": "normal", "scale": 0.5})


@pytest.fixture
def config(tmp_path):
    return written(tmp_path)


@pytest.fixture
def model(tmp_path):
    """An LSTM, and an RNN of unknown activation."""
    path = tmp_path / "m.npz"
    lstm, rnn = weights_of(network("lstm", 2, True)), weights_of(network("rnn_relu", 1, False), seed=1)
    np.savez(path, **in_torch_names(lstm, "encoder.lstm."), **in_torch_names(rnn, "rnn."))
    return path


@pytest.mark.slow
def test_a_config_s_drawn_weights_are_written(config, tmp_path, rnnviz):
    target = tmp_path / "w.onnx"
    said = rnnviz("convert", config, target).out
    assert said.startswith(f"Wrote {target} (736 weights). Verified: bit-exact round trip, runs with NumPy and ")
    assert said.endswith(".\n")
    assert "onnxruntime" in said
    asked = load_config(config)
    read = read_parameters(target, "layer0..layer1", asked.network)
    for name, array in load_inputs(asked).parameters.items():
        np.testing.assert_array_equal(read[name], array)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.toml", "w.onnx"]


@pytest.mark.slow
def test_an_entry_of_a_model_file_replaces_an_older_file(model, tmp_path, rnnviz):
    target = tmp_path / "w.npz"
    target.write_text("older")
    answer = rnnviz("convert", model, target, "--entry", "rnn", "--cell", "rnn_tanh")
    assert answer.code == 0
    assert 'does not contain the activation: give cell = "rnn_tanh" when you read the file.' in answer.out
    with np.load(target) as arrays:
        for name, array in weights_of(network("rnn_tanh", 1, False), seed=1).items():
            np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.usefixtures("no_subprocess")
def test_a_failed_check_exits_with_3_and_leaves_the_older_file(config, tmp_path, rnnviz, monkeypatch):
    right = named_arrays.write_weights

    def wrong(net, parameters, path):
        right(net, Parameters(net, {name: np.array(array) * 2 for name, array in parameters.items()}), path)

    monkeypatch.setattr(named_arrays, "write_weights", wrong)
    target = tmp_path / "w.npz"
    target.write_text("older")
    error = rnnviz.refused("convert", config, target, code=3)
    assert "w.npz was not written, because its check failed: l0_i2h_weight[0, 0] is " in error
    assert target.read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.toml", "w.npz"]


def test_an_unwritable_target_is_refused_before_anything_is_read(config, tmp_path, rnnviz):
    assert 'its ending is ".pt", and must be one of .params' in rnnviz.refused("convert", config, "w.pt")
    assert "does not exist" in rnnviz.refused("convert", config, tmp_path / "gone" / "w.npz")
    (tmp_path / "folder.npz").mkdir()
    assert "it is a folder" in rnnviz.refused("convert", config, tmp_path / "folder.npz")
    written(tmp_path, "float64")
    assert 'network.dtype is "float64"' in rnnviz.refused("convert", config, tmp_path / "w.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.toml", "folder.npz"]


def test_the_file_that_is_read_is_not_written_over(model, rnnviz):
    before = model.read_bytes()
    assert "as OUT: it is read as IN" in rnnviz.refused("convert", model, model, "--entry", "encoder.lstm")
    assert model.read_bytes() == before


def test_options_of_model_files_are_refused_with_a_config(config, tmp_path, rnnviz):
    error = rnnviz.refused("convert", config, tmp_path / "w.npz", "--entry", "x")
    assert f"--entry needs a model file, but {config} is a config." in error
    assert "--cell needs a model file" in rnnviz.refused("convert", config, tmp_path / "w.npz", "--cell", "gru")
