"""Files of the installed Keras, of any version, compute its results."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rnnviz.core.config import Network
from rnnviz.io.model_formats.keras import open_model
from tests.io.model_formats.test_keras import CELLS, FOLDER, STACKS, entry_called, output_of


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    """The script next to the stored files."""
    pytest.importorskip("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("keras")
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module("write")
    finally:
        sys.path.remove(str(FOLDER))


@pytest.mark.parametrize(
    "cell", [pytest.param(cell, marks=() if cell == "gru" else pytest.mark.slow) for cell in CELLS]
)
def test_layers_and_stacks_in_every_kind_of_file_equal_keras(writer: ModuleType, tmp_path: Path, cell: str) -> None:
    writer.write(cell, tmp_path)
    expected = np.load(tmp_path / f"{cell}.npz")
    for ending in ("keras", "h5", "weights.h5"):
        model = open_model(tmp_path / f"{cell}.{ending}")
        for name in STACKS:
            both, count = name[:2] == "bi", int(name[-1])
            names = [f"{name}_{number}" for number in range(count)]
            if ending != "weights.h5" and count == 3:
                # Only a config has the connections.
                names = [f"{names[0]}..{names[-1]}"]
            x = expected["x"]
            for own in names:
                entry = entry_called(model, own)
                assert entry.network(cell).bidirectional == both
                x = output_of(entry.network(cell), model.parameters(own), x)
            np.testing.assert_allclose(x, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_layers_that_go_backwards_equal_keras_on_the_reversed_sequence(
    writer: ModuleType, tmp_path: Path, cell: str
) -> None:
    writer.write_backward(cell, tmp_path)
    model, stored = open_model(tmp_path / f"{cell}-backward.keras"), np.load(tmp_path / f"{cell}-backward.npz")
    assert [entry.name for entry in model.entries] == ["layer_0", "layer_1", "layer_2"]
    x = stored["x"]
    for number in range(3):
        entry = entry_called(model, f"layer_{number}")
        assert entry.network() == Network(cell, 3 if number else 2, 3, reverse=number != 1)
        # Keras returns the outputs of a layer that goes backwards in the order of computation.
        x = output_of(entry.network(), model.parameters(entry.name), x)
        x = x[:, ::-1] if entry.reverse else x
    np.testing.assert_allclose(x, stored["out"], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["keras", "h5", "weights.h5"])
def test_recurrent_layers_are_found_among_all_others(writer: ModuleType, tmp_path: Path, ending: str) -> None:
    keras, layers = writer.keras, writer.layers
    model = keras.Sequential(
        [
            keras.Input((7,)),
            layers.Embedding(20, 6),
            layers.Conv1D(8, 3, padding="same"),
            layers.LayerNormalization(),
            layers.Bidirectional(layers.LSTM(8, return_sequences=True), name="encoder"),
            layers.TimeDistributed(layers.Dense(16)),
            layers.GRU(8, name="decoder"),
            layers.Dense(32, activation="softmax"),
        ]
    )
    path = tmp_path / f"m.{ending}"
    model.save_weights(path) if ending == "weights.h5" else model.save(path)
    found = [(e.name, e.cell, e.input_size, e.hidden_size, e.bidirectional) for e in open_model(path).entries]
    # Weights alone do not say the activations, so that the user chooses the cell.
    gru, lstm = (None, None) if ending == "weights.h5" else ("gru", "lstm")
    assert sorted(found) == [("decoder", gru, 16, 8, False), ("encoder", lstm, 8, 8, True)]
