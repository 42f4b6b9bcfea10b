"""Initial states and assumptions of a model file: what a config takes from an entry, and what its inputs repeat."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from rnnviz.core.config import Config, InitialStateSource, ParameterSource
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.inputs import load_inputs
from rnnviz.io.model_formats import formats
from rnnviz.io.model_formats.load import config_of, entries_of, lengths_of
from rnnviz.io.model_formats.model_file import Entry, ModelFile, StoredLayer
from tests.io.model_formats.sources import network, random_arrays, weights_of

NETWORK = network("lstm", 2, True)
CLAUSE = "the model skips padding, and rnnviz computes every time step"


def state(samples: int) -> dict[str, FloatArray]:
    return dict(random_arrays(dict.fromkeys(("h", "c"), (4, samples, 4)), seed=7))


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Makes a file that opens as a model with these fields of its entry, and its entry as it is listed."""

    def opened(samples=0, **fields):
        path = tmp_path / "m.safetensors"
        path.write_bytes((2).to_bytes(8, "little") + b"{}")
        entry = Entry("net", "lstm", 3, 4, 2, True, "float32", **fields)
        layer = StoredLayer(entry, lambda: weights_of(NETWORK), lambda: state(samples) if samples else {})
        reader = SimpleNamespace(open_model=lambda path: ModelFile(path, [layer]))
        monkeypatch.setattr(formats, "reader_of", lambda known, path: reader)
        (listed,) = entries_of(path)
        return path, listed

    return opened


@pytest.mark.parametrize("samples", [1, 5])
def test_a_stored_initial_state_is_used_by_the_config(opened, samples):
    path, entry = opened(samples, initial_state="stored")
    config = config_of(path, entry)
    assert config.initial_state == InitialStateSource("file", path=str(path))
    assert (entry.batch_size, samples) in ((None, 1), (config.sequence.batch_size, 5))
    inputs = load_inputs(Config.from_mapping(config.to_mapping()))
    for name, array in state(samples).items():
        read = inputs.initial_state[name]
        assert read.shape == (4, config.sequence.batch_size, 4)
        np.testing.assert_array_equal(read, np.broadcast_to(array, read.shape))
    assert inputs.assumptions == ()


def test_lengths_in_the_file_decide_the_samples_and_the_time_steps_of_the_config(opened):
    path, entry = opened(masking="those after its length", lengths=(4, 2))
    config = config_of(path, entry)
    assert (config.sequence.batch_size, config.sequence.timesteps) == (2, 4)
    assert lengths_of(entry, config) == (4, 2)


def test_a_state_stored_for_other_samples_names_their_number(opened):
    path, entry = opened(5, initial_state="stored")
    config = config_of(path, entry)
    with pytest.raises(InputError, match=r"sequence\.batch_size must be 5"):
        load_inputs(replace(config, sequence=replace(config.sequence, batch_size=3)))


def test_a_model_file_is_not_an_initial_state_of_other_weights(opened):
    path, entry = opened(1, initial_state="stored")
    config = replace(config_of(path, entry), parameters=ParameterSource())
    with pytest.raises(InputError, match=r"parameters\.path must name the same file"):
        load_inputs(config)


def test_another_initial_state_than_the_stored_one_is_an_assumption(opened):
    path, entry = opened(1, initial_state="stored", assumptions=(CLAUSE,))
    config = config_of(path, entry, initial_state="zeros")
    first, second = load_inputs(config).assumptions
    assert first == CLAUSE
    assert "starts from zeros instead" in second
    assert not load_inputs(config).initial_state["h"].any()


@pytest.mark.parametrize("kind", ["input", "computed"])
def test_an_open_initial_state_must_be_chosen_and_the_choice_is_an_assumption(opened, kind):
    path, entry = opened(initial_state=kind)
    with pytest.raises(InputError, match="without an initial state"):
        config_of(path, entry)
    where, choice = load_inputs(config_of(path, entry, initial_state="normal")).assumptions
    assert "its initial state" in where
    assert "random numbers" in choice
