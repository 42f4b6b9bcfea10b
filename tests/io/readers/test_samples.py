"""Samples of different lengths from texts and files: the sequence, its lengths and names, and what does not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs, open_inputs, save_inputs
from rnnviz.core.places import Place
from rnnviz.engines.registry import load_engine
from rnnviz.explain.value_sources import origin
from rnnviz.io.config_toml import dump_config, files_read, load_config, parse_config
from rnnviz.io.inputs import load_inputs
from tests.cases import cases
from tests.io.readers.test_wav import wav
from tests.oracles.computed import computed
from tests.refusals import refused_key, written

WORDS = ("hello", "to", "world")
LETTERS = "dehlortw"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def config(inputs: int = 2, **sequence: Any) -> Config:
    given = not {"text", "texts"} & set(sequence) and not str(sequence.get("path")).endswith(".txt")
    network = {"cell": "lstm", "hidden_size": 3, **({"input_size": inputs} if given else {})}
    return Config.from_mapping({"network": network, "sequence": sequence})


def loaded(**sequence: Any) -> Inputs:
    return load_inputs(config(**sequence))


def assert_reads_the_words(inputs: Inputs) -> None:
    assert inputs.sequence.shape == (5, 3, len(LETTERS))
    assert inputs.lengths == (5, 2, 5)
    for sample, word in enumerate(WORDS):
        x = inputs.sequence[:, sample]
        assert "".join(LETTERS[place] for place in x[: len(word)].argmax(axis=1)) == word
        assert x.sum() == len(word)
        assert inputs.names.of_sample(sample).timesteps == word
    assert inputs.names.features == LETTERS


def test_texts_are_samples_with_one_alphabet_and_their_own_labels():
    inputs = loaded(texts=list(WORDS))
    assert_reads_the_words(inputs)
    source = inputs.config.sequence
    assert (source.source, source.batch_size, source.timesteps, source.lengths) == ("text", 3, 5, None)
    save_inputs(Path("run"), inputs)
    again = open_inputs(Path("run"))
    assert (again.lengths, again.names.of_sample(1).timestep(0)) == ((5, 2, 5), "t")
    assert loaded(texts=list(WORDS), lengths=[5, 2, 5]).lengths == (5, 2, 5)
    assert loaded(texts=["ab", "ba"]).lengths == ()
    assert loaded(texts=["ab"]).names.timesteps == "ab"


def test_a_text_file_has_one_sample_a_line():
    inputs = loaded(path=str(written("words.txt", "\n".join(WORDS) + "\n")))
    assert_reads_the_words(inputs)
    assert inputs.network.input_size == len(LETTERS)
    place = Place("input", (1, 1, LETTERS.index("o")))
    assert origin(inputs, place).sentences[1].endswith('feature 4 stands for "o": so it is 1.')
    assert "It is padding" in origin(inputs, Place("input", (2, 1, 0))).sentences[1]
    assert "input_size" not in dump_config(inputs.config)


def test_each_file_of_several_is_one_sample():
    written("a.csv", "open,close\n1,2\n3,4\n")
    written("b.csv", "5,6\n")
    inputs = loaded(paths=["a.csv", "b.csv"])
    np.testing.assert_array_equal(inputs.sequence.swapaxes(0, 1), [[[1, 2], [3, 4]], [[5, 6], [0, 0]]])
    assert inputs.lengths == (2, 1)
    assert inputs.names.features == ("open", "close")
    assert "read from the file b.csv" in origin(inputs, Place("input", (0, 1, 0))).sentences[1]
    Path("a.wav").write_bytes(wav(np.arange(6, dtype="<i2").tobytes(), 16))
    Path("b.wav").write_bytes(wav(np.arange(2, dtype="<i2").tobytes(), 16))
    assert loaded(paths=["a.wav", "b.wav"], frame=2).lengths == (3, 1)


def test_paths_are_relative_to_the_config():
    Path("data").mkdir()
    written("data/a.csv", "1,2\n")
    text = '[network]\ncell = "gru"\ninput_size = 2\nhidden_size = 2\n[sequence]\npaths = ["a.csv", "a.csv"]\n'
    written("data/config.toml", text)
    config = load_config("data/config.toml")
    folder = Path.cwd() / "data"
    assert config.sequence.paths == (str(folder / "a.csv"),) * 2
    assert set(files_read(config).values()) == {str(folder / "a.csv")}
    assert parse_config(dump_config(config, folder), folder) == config
    assert load_inputs(config).lengths == ()


def test_an_archive_brings_lengths_unless_the_config_gives_some():
    x = np.random.default_rng(1).normal(size=(3, 4, 2))
    x[1, 2:] = np.nan
    np.savez("x.npz", x=x, lengths=np.array([4, 2, 3]))
    inputs = loaded(path="x.npz")
    assert inputs.lengths == (4, 2, 3)
    assert loaded(path="x.npz", lengths=[1, 2, 1]).lengths == (1, 2, 1)
    trace, _ = computed(load_engine("manual"), inputs)
    assert np.isfinite(trace.hidden).all()
    assert np.isfinite(trace.state_h).all()


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([0, 1], "lengths in x.npz has the length 0 for sample 0: a length must be from 1 to"),
        ([5, 1], "has the length 5 for sample 0: a length must be from 1 to the number of time steps, 4"),
        ([1], "has 1 length, but there are 2 samples"),
        ([1.0, 2.0], "lengths in x.npz holds float64 of the shape (2,): lengths must be integers"),
    ],
)
def test_lengths_of_an_archive_that_do_not_fit_are_refused(lengths, words):
    np.savez("x.npz", x=np.zeros((2, 4, 2)), lengths=np.array(lengths))
    error = refused_key(loaded, path="x.npz")
    assert error.key == "sequence.path"
    assert words in error.sentence


@pytest.mark.parametrize(("keys", "key", "words"), cases(__file__)["refused-samples"])
def test_input_that_does_not_fit_is_refused(keys, key, words):
    written("a.csv", "1,2\n")
    written("c.csv", "1\n")
    written("gap.txt", "a\n\nb\n")
    written("zero.txt", "1\n0\n" + "1\n" * 14)
    written("half.txt", "1\n1.5\n")
    np.save("nan.npy", np.array([1.0, np.nan]))
    error = refused_key(loaded, **keys)
    assert error.key == key
    assert words in error.sentence
