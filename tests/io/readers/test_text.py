"""Texts by a vocabulary and an embedding: what the network reads, what it is called, and what does not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.places import Place
from rnnviz.core.sequence import Names
from rnnviz.engines.registry import load_engine
from rnnviz.explain.value_sources import origin
from rnnviz.io.inputs import load_inputs
from rnnviz.io.readers import Vocabulary, read_vocabulary
from tests.oracles.computed import assert_near, computed
from tests.refusals import refused, refused_key, written


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a\nb\nc", ["a", "b", "c"]),
        ("\ufeffa\r\nb\r\nc\r\n", ["a", "b", "c"]),
        (" \n a\nä\u2028\n", [" ", " a", "ä\u2028"]),
        ("<unk>\nthe\n##ing\n", ["<unk>", "the", "##ing"]),
    ],
)
def test_each_line_is_a_token_with_the_white_space_in_it(tmp_path, text, tokens):
    vocabulary = read_vocabulary(written(tmp_path / "v.txt", text))
    assert vocabulary.places == {token: place for place, token in enumerate(tokens)}
    assert vocabulary.tokens == tuple(tokens)


def test_json_maps_each_token_to_its_index(tmp_path):
    vocabulary = read_vocabulary(written(tmp_path / "v.JSON", '{"\\n": 2, "b": 0, "": 4}'))
    assert vocabulary.places == {"\n": 2, "b": 0, "": 4}
    assert vocabulary.size == 5
    assert vocabulary.tokens == ("b", "", "\n", "", "")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("v.txt", "", "contains no token"),
        ("v.txt", "a\n\nb\n", "line 2 is empty"),
        ("v.txt", "a\nb\na\n", 'holds "a" twice, in lines 1 and 3'),
        ("v.json", "{}", "contains no token"),
        ("v.json", "", "is not a valid JSON file: Expecting value"),
        ("v.json", '{"a": 0', "is not a valid JSON file"),
        ("v.json", "[" * 100_000, "is not a valid JSON file"),
        ("v.json", '["a", "b"]', "must hold {token: index}"),
        ("v.json", '{"a": 0, "a": 1}', 'holds "a" twice'),
        ("v.json", '{"a": 0, "b": 0}', 'gives "a" and "b" the same index, 0'),
        ("v.json", '{"a": -1}', 'gives "a" the index -1'),
        ("v.json", '{"a": 1.0}', 'gives "a" the index 1.0'),
        ("v.json", '{"a": true}', 'gives "a" the index true'),
        ("v.json", '{"a": "0"}', 'gives "a" the index "0"'),
        ("v.json", '{"a": 10000000000}', 'gives "a" the index 10000000000'),
        ("v.json", '{"model": {"vocab": {"a": 0}}}', 'gives "model" the index'),
    ],
)
def test_a_file_that_is_not_a_vocabulary_is_refused(tmp_path, name, text, words):
    assert words in refused(read_vocabulary, written(tmp_path / name, text))


def test_a_symbol_outside_of_the_vocabulary_is_named_or_replaced():
    vocabulary = Vocabulary(Path("v.txt"), {"a": 3, "<unk>": 0, "b": 1})
    assert vocabulary.indices("abba", None, "sequence.texts", "sample 1").tolist() == [3, 1, 1, 3]
    assert vocabulary.indices(("a", "c", "<unk>"), "<unk>", "sequence.texts", "sample 1").tolist() == [3, 0, 0]
    error = refused_key(vocabulary.indices, "abc", None, "sequence.texts", "sample 1")
    assert error.key == "sequence.texts"
    assert 'sample 1 has "c" at t = 2, which v.txt lacks' in error.sentence
    error = refused_key(vocabulary.indices, "ab", "?", "sequence.texts", "sample 1")
    assert error.key == "sequence.unknown"
    assert 'sequence.unknown = "?" is not allowed: v.txt does not hold it' in error.sentence


WORDS = ("<unk>", "the", "cat", "sat")


def config(parameters: dict[str, Any] | None = None, **sequence: Any) -> Config:
    tables: dict[str, Any] = {"network": {"cell": "lstm", "hidden_size": 3}, "sequence": sequence}
    return Config.from_mapping({**tables, **({} if parameters is None else {"parameters": parameters})})


def loaded(**sequence: Any) -> Inputs:
    return load_inputs(config(**sequence))


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\n".join(WORDS), encoding="utf-8")
    return str(path)


@pytest.fixture
def matrix():
    return np.random.default_rng(5).normal(size=(4, 6)).astype(np.float32)


def test_words_are_read_by_their_own_alphabet():
    inputs = loaded(text=" to be  or\nnot to be", tokens="words")
    words = ("to", "be", "or", "not", "to", "be")
    assert inputs.names == Names(words, ("be", "not", "or", "to"))
    assert inputs.network.input_size == 4
    read = [inputs.names.feature(int(place)) for place in inputs.sequence[:, 0].argmax(axis=1)]
    assert tuple(read) == words


def test_a_vocabulary_decides_which_feature_a_token_is_and_how_many_there_are(vocabulary):
    inputs = loaded(text="the cat sat the", tokens="words", vocabulary=vocabulary)
    assert inputs.sequence.shape == (4, 1, 4)
    assert inputs.network.input_size == inputs.parameters["l0_i2h_weight"].shape[1] == 4
    np.testing.assert_array_equal(inputs.sequence[:, 0], np.eye(4)[[1, 2, 3, 1]])
    assert inputs.names == Names(("the", "cat", "sat", "the"), WORDS)


def test_an_unknown_token_is_refused_or_read_as_the_one_that_is_named(vocabulary):
    keys = {"text": "the dog sat", "tokens": "words", "vocabulary": vocabulary}
    error = refused_key(loaded, **keys)
    assert error.key == "sequence.text"
    assert 'has "dog" at t = 1' in error.sentence
    inputs = loaded(**keys, unknown="<unk>")
    np.testing.assert_array_equal(inputs.sequence[:, 0], np.eye(4)[[1, 0, 3]])
    assert inputs.names.timesteps == ("the", "dog", "sat")
    assert refused_key(loaded, **keys, unknown="<UNK>").key == "sequence.unknown"


def test_an_index_without_a_token_is_refused_unless_it_is_a_row(tmp_path, matrix):
    path = tmp_path / "letters.json"
    path.write_text('{"a": 0, "b": 3}', encoding="utf-8")
    error = refused_key(loaded, text="ab", vocabulary=str(path))
    assert error.key == "sequence.vocabulary"
    assert "has 2 tokens and the index 3" in error.sentence
    np.save(tmp_path / "e.npy", matrix)
    inputs = loaded(text="ab", vocabulary=str(path), embedding_path=str(tmp_path / "e.npy"))
    np.testing.assert_array_equal(inputs.sequence[:, 0], matrix[[0, 3]])


def test_each_token_is_read_as_its_row_of_the_embedding(tmp_path, vocabulary, matrix):
    np.savez(tmp_path / "e.npz", table=matrix, other=np.zeros((9, 9)))
    keys = {"text": "sat the", "tokens": "words", "vocabulary": vocabulary}
    inputs = loaded(**keys, embedding="table", embedding_path=str(tmp_path / "e.npz"))
    np.testing.assert_array_equal(inputs.sequence[:, 0], matrix[[3, 1]])
    assert inputs.network.input_size == 6
    assert inputs.names == Names(("sat", "the"), ())
    error = refused_key(loaded, **keys, embedding_path=str(tmp_path / "e.npz"))
    assert error.key == "sequence.embedding_path"
    assert 'sequence.embedding must name one of them: "table", "other"' in error.sentence


def test_a_matrix_with_too_few_rows_is_refused_even_if_the_text_needs_no_more(tmp_path, vocabulary):
    np.save(tmp_path / "e.npy", np.ones((3, 2)))
    error = refused_key(
        loaded, text="the", tokens="words", vocabulary=vocabulary, embedding_path=str(tmp_path / "e.npy")
    )
    assert error.key == "sequence.vocabulary"
    assert "has the index 3, but e.npy has the shape (3, 2)" in error.sentence


def test_one_hot_rows_beyond_the_memory_are_refused_before_they_are_created(vocabulary, monkeypatch):
    monkeypatch.setattr("rnnviz.core.memory_budget.available_memory", lambda: 1000)
    monkeypatch.setattr("rnnviz.io.readers.one_hot", lambda *_: pytest.fail("they were made"))
    assert "of memory" in refused_key(loaded, text="the", tokens="words", vocabulary=vocabulary).sentence


def test_a_model_reads_a_text_as_pytorch_does(tmp_path, vocabulary):
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    model = torch.nn.ModuleDict({"embed": torch.nn.Embedding(5, 6), "rnn": torch.nn.LSTM(6, 3, 2, bidirectional=True)})
    torch.save(model.state_dict(), tmp_path / "model.pt")
    tables = {
        "network": {"cell": "lstm", "hidden_size": 3, "num_layers": 2, "bidirectional": True},
        "sequence": {"text": "the cat sat there", "tokens": "words", "vocabulary": vocabulary, "unknown": "<unk>"},
        "parameters": {"path": str(tmp_path / "model.pt"), "entry": "rnn"},
    }
    tables["sequence"]["embedding"] = "embed.weight"
    inputs = load_inputs(Config.from_mapping(tables))
    trace, _ = computed(load_engine("manual"), inputs)
    with torch.no_grad():
        out, _ = model["rnn"](model["embed"](torch.tensor([[1], [2], [3], [0]])))
    assert_near(trace.output, out.numpy(), 1e-5)


def test_an_input_is_explained_by_its_token(tmp_path, vocabulary, matrix):
    keys = {"text": "the dog", "tokens": "words", "vocabulary": vocabulary, "unknown": "<unk>"}
    inputs = loaded(**keys)
    assert origin(inputs, Place("input", (0, 0, 1), names=inputs.names)).sentences[-1] == (
        'At t = 0 the text has "the", and feature 1 stands for "the": so it is 1.'
    )
    assert origin(inputs, Place("input", (1, 0, 1), names=inputs.names)).sentences[-1] == (
        'At t = 1 the text has "dog", read as "<unk>", and feature 1 stands for "the": so it is 0.'
    )
    np.save(tmp_path / "e.npy", matrix)
    inputs = loaded(**keys, embedding_path=str(tmp_path / "e.npy"))
    found = origin(inputs, Place("input", (0, 0, 5), names=inputs.names))
    assert found.value == matrix[1, 5]
    assert found.sentences[-1].endswith(
        'this is element 5 of its row, or that of "<unk>" if the vocabulary lacks it, in e.npy.'
    )
