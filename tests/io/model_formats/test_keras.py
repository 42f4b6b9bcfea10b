"""Models that Keras wrote, run by the recurrence here to what Keras computed."""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from rnnviz.core.config import Config, Network
from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.model_formats.keras import open_model
from tests.oracles.computed import assert_near, computed

FOLDER = Path(__file__).parent / "written_by_keras"
CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")
STACKS = ("uni1", "uni3", "bi1", "bi3")


def output_of(network, arrays, x):
    """(N, T, D·H), from x (N, T, I) and a state of zeros."""
    zeros = np.zeros(network.state_shape(len(x)), network.dtype)
    state = dict.fromkeys(network.kind.state_symbols, zeros)
    inputs = Inputs(Config(network), x.swapaxes(0, 1), Parameters(network, arrays), state)
    return computed(ManualEngine(), inputs)[0].output.swapaxes(0, 1)


def entry_called(model, name):
    return next(entry for entry in model.entries if entry.name == name)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_layers_and_stacks_equal_keras(cell, ending):
    model = open_model(FOLDER / f"{cell}.{ending}")
    expected = np.load(FOLDER / f"{cell}.npz")
    assert all(entry.supported and not entry.reason and entry.biases for entry in model.entries)
    for name in STACKS:
        both, count = name[:2] == "bi", int(name[-1])
        entry = entry_called(model, f"{name}_0..{name}_2" if count == 3 else f"{name}_0")
        assert entry.network() == Network(cell, 2, 3, count, both)
        output = output_of(entry.network(), model.parameters(entry.name), expected["x"])
        assert_near(output, expected[name], 1e-5, name)


@pytest.mark.parametrize("cell", CELLS)
def test_weights_without_a_config_are_read_layer_by_layer(cell, tmp_path):
    with zipfile.ZipFile(FOLDER / f"{cell}.keras") as archive:
        # The same that Keras saves as weights alone.
        model = open_model(Path(archive.extract("model.weights.h5", tmp_path)))
    expected = np.load(FOLDER / f"{cell}.npz")
    assert all(entry.supported and entry.num_layers == 1 for entry in model.entries)
    for name in STACKS:
        x = expected["x"]
        for number in range(int(name[-1])):
            entry = entry_called(model, f"{name}_{number}")
            assert cell in entry.cells
            assert entry.initial_state == "unknown"
            assert entry.assumptions
            x = output_of(entry.network(cell), model.parameters(entry.name), x)
        assert_near(x, expected[name], 1e-5, name)


def test_gates_are_reordered_as_in_gluon_and_kernels_transposed():
    with h5py.File(FOLDER / "gru.h5") as file:
        found = {}
        file["model_weights/uni1_0"].visititems(
            lambda name, member: found.update({name.rpartition("/")[2]: member}) if hasattr(member, "shape") else None
        )
        kernel, bias = found["kernel"][()], found["bias"][()]
    arrays = open_model(FOLDER / "gru.h5").parameters("uni1_0")
    z, r, h = np.split(kernel, 3, axis=1)
    np.testing.assert_array_equal(arrays["l0_i2h_weight"], np.concatenate([r.T, z.T, h.T]))
    for row, name in enumerate(("l0_i2h_bias", "l0_h2h_bias")):
        z, r, h = np.split(bias[row], 3)
        np.testing.assert_array_equal(arrays[name], np.concatenate([r, z, h]))


def with_config(cell, path, change, *, compression=zipfile.ZIP_STORED):
    """The model of Keras with its config changed by `change`, which gets the layers by name."""
    with zipfile.ZipFile(FOLDER / f"{cell}.keras") as source, zipfile.ZipFile(path, "w", compression) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "config.json":
                config = json.loads(data)
                change({layer["config"]["name"]: layer for layer in config["config"]["layers"]})
                data = json.dumps(config).encode()
            target.writestr(name, data)
    return open_model(path)


@pytest.mark.parametrize(
    ("settings", "activations"),
    [
        ({"activation": "relu"}, ("sigmoid", "relu", "relu")),
        ({"activation": None}, ("sigmoid", "linear", "linear")),
        ({"recurrent_activation": "hard_sigmoid"}, ("keras_hard_sigmoid", "tanh", "tanh")),
        ({"activation": "leaky_relu"}, ("sigmoid", "leaky_relu(0.2)", "leaky_relu(0.2)")),
        ({"activation": "tanh"}, None),
    ],
)
def test_activations_are_those_of_the_roles(settings, activations, tmp_path):
    model = with_config("lstm", tmp_path / "m.keras", lambda layers: layers["uni1_0"]["config"].update(settings))
    assert entry_called(model, "uni1_0").network().activations == activations


def test_the_hard_sigmoid_of_keras_2_is_steeper(tmp_path):
    def change(layers):
        del layers["uni1_0"]["config"]["seed"]
        layers["uni1_0"]["config"]["time_major"] = False
        layers["uni1_0"]["config"]["recurrent_activation"] = "hard_sigmoid"

    model = with_config("lstm", tmp_path / "m.keras", change)
    assert entry_called(model, "uni1_0").activations == ("hard_sigmoid", "tanh", "tanh")


def test_weights_that_do_not_match_the_config_are_refused(tmp_path):
    def change(layers):
        layers["uni1_0"]["config"]["name"] = "other"

    entry = entry_called(with_config("lstm", tmp_path / "m.keras", change), "other")
    assert "uni1_0" in entry.reason


def test_a_compressed_archive_is_read_like_any_other(tmp_path):
    packed = with_config("lstm", tmp_path / "m.keras", lambda _: None, compression=zipfile.ZIP_DEFLATED)
    plain = open_model(FOLDER / "lstm.keras")
    assert packed.entries == plain.entries
    for name, array in packed.parameters("bi3_0..bi3_2").items():
        np.testing.assert_array_equal(array, plain.parameters("bi3_0..bi3_2")[name])
