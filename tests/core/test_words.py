"""Lists in sentences and suggestions for unknown names."""

from pathlib import Path

import pytest

from rnnviz.core.words import join_words, plural, suggest, unreadable, wrapped


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (list("abcde"), "a, b and 3 more"),
    ],
)
def test_words_are_joined(words: list[str], joined: str) -> None:
    assert join_words(words, most=3) == joined


def test_the_last_word_follows_a_given_conjunction() -> None:
    assert join_words(["--cell lstm", "--cell gru"], "or") == "--cell lstm or --cell gru"


@pytest.mark.parametrize(
    ("name", "question"),
    [("rnn", ' Did you mean "run"?'), ("hiden_size", ' Did you mean "hidden_size"?'), ("xyz", ""), ("", "")],
)
def test_the_nearest_known_name_is_suggested(name: str, question: str) -> None:
    assert suggest(name, ["run", "sweep", "hidden_size"]) == question


def test_a_count_with_its_noun() -> None:
    assert [plural(count, "value") for count in (0, 1, 3200)] == ["0 values", "1 value", "3,200 values"]
    assert [plural(count, "entry", "entries") for count in (1, 2)] == ["1 entry", "2 entries"]


def test_long_lines_are_wrapped_at_spaces() -> None:
    text = f"{'ab ' * 30}end\nkeeps-its-hyphen {'x' * 80} y"
    assert wrapped(text).split("\n") == [" ".join(["ab"] * 23), "ab " * 7 + "end", "keeps-its-hyphen", "x" * 80, "y"]
    assert wrapped("a b c\nd") == "a b c\nd"


def test_a_missing_file_is_named_with_its_folder_and_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "lstm.toml").touch()
    error = FileNotFoundError()
    assert str(unreadable(tmp_path / "lstn.toml", error)).endswith(
        f'does not exist in {tmp_path}. Did you mean "lstm.toml"?'
    )
    assert str(unreadable(tmp_path / "no" / "x", error)).endswith(f"there is no folder {tmp_path / 'no'}.")
