"""The sample model: written by the script that is named after it, and read like any PyTorch file."""

import numpy as np
import pytest
import sample_model
from safetensors.numpy import load_file

from rnnviz.core.resources import resource_path
from rnnviz.io.model_formats.formats import open_model

SAMPLE = "models", "sample-lstm.safetensors"


def test_the_script_creates_the_file_that_is_shipped():
    made = sample_model.lstm_weights("", sample_model.INPUT_SIZE, sample_model.HIDDEN_SIZE, sample_model.LAYERS)
    shipped = load_file(str(resource_path(*SAMPLE)))
    assert set(made) == set(shipped)
    for name, values in made.items():
        assert np.array_equal(values, shipped[name]), name
        assert np.all(values != 0.0), name


def test_pytorch_loads_it_and_the_program_finds_one_lstm():
    [entry] = open_model(resource_path(*SAMPLE)).entries
    assert (entry.cell, entry.input_size, entry.hidden_size, entry.num_layers) == ("lstm", 8, 6, 2)
    torch = pytest.importorskip("torch")
    weights = {name: torch.from_numpy(array) for name, array in load_file(str(resource_path(*SAMPLE))).items()}
    torch.nn.LSTM(8, 6, 2).load_state_dict(weights)
