"""Vocabularies: each token's index as the file gives it, or a sentence that names the token or the line."""

from pathlib import Path

import pytest

from rnnviz.io.readers import Vocabulary, read_vocabulary
from tests.io.readers.refusals import refused, refused_key, written


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a\nb\nc", ["a", "b", "c"]),
        ("\ufeffa\r\nb\r\nc\r\n", ["a", "b", "c"]),
        (" \n a\nä\u2028\n", [" ", " a", "ä\u2028"]),
        ("<unk>\nthe\n##ing\n", ["<unk>", "the", "##ing"]),
    ],
)
def test_each_line_is_a_token_with_the_white_space_in_it(tmp_path: Path, text: str, tokens: list[str]) -> None:
    vocabulary = read_vocabulary(written(tmp_path / "v.txt", text))
    assert vocabulary.places == {token: place for place, token in enumerate(tokens)}
    assert vocabulary.tokens == tuple(tokens)


def test_json_maps_each_token_to_its_index(tmp_path: Path) -> None:
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
def test_a_file_that_is_not_a_vocabulary_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    assert words in refused(read_vocabulary, written(tmp_path / name, text))


def test_a_symbol_outside_of_the_vocabulary_is_named_or_replaced() -> None:
    vocabulary = Vocabulary(Path("v.txt"), {"a": 3, "<unk>": 0, "b": 1})
    assert vocabulary.indices("abba", None, "sequence.texts", "sample 1").tolist() == [3, 1, 1, 3]
    assert vocabulary.indices(("a", "c", "<unk>"), "<unk>", "sequence.texts", "sample 1").tolist() == [3, 0, 0]
    error = refused_key(vocabulary.indices, "abc", None, "sequence.texts", "sample 1")
    assert error.key == "sequence.texts"
    assert 'sample 1 has "c" at t = 2, which v.txt lacks' in error.sentence
    error = refused_key(vocabulary.indices, "ab", "?", "sequence.texts", "sample 1")
    assert error.key == "sequence.unknown"
    assert 'sequence.unknown = "?" is not allowed: v.txt does not hold it' in error.sentence
