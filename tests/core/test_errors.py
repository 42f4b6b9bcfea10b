"""Sentences stay in their line and fit a screen; lists in them, and suggestions for unknown names."""

import os
import pickle
from pathlib import Path

import pytest

from rnnviz.core.errors import ConfigError, EngineError, InputError, check_regular, damaged, in_short, printable
from rnnviz.core.words import capital, join_words, plural, suggest, unreadable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe 語 🙂", "größe 語 🙂"),
        ("two\nlines\tund größer's 語\r", "two\\nlines\\tund größer's 語\\r"),
        ("\x1b[31mred\x00", "\\x1b[31mred\\x00"),
        ("\u202eturned\ud800", "\\u202eturned\\ud800"),
        ("", ""),
    ],
    ids=ascii,
)
def test_unprintable_characters_are_escaped_and_nothing_else(text, shown):
    assert printable(text) == shown
    assert str(InputError(text)) == str(EngineError(text)) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("make", [InputError, EngineError, lambda text: ConfigError("a.b", text)])
def test_a_very_long_sentence_keeps_its_start_and_end(make):
    most = "a" * 750 + "b" * 750
    assert str(make(most)) == most
    assert str(make("a" * 750 + "c" + "b" * 750)) == "a" * 750 + " … " + "b" * 750
    assert str(make("\n" * 800)) == "\\n" * 375 + " … " + "\\n" * 375


def test_a_library_message_is_cut_and_loses_full_stop_and_line_breaks():
    assert in_short("it\n  says\tso...") == "it says so"
    assert in_short("X" * 200 + ".") == "X" * 200
    assert in_short("x" * 201) == "x" * 200 + " …"
    assert in_short(" " * 799 + "yz") == "y"
    assert in_short("x y" * 10_000) == ("x y" * 67)[:200] + " …"
    assert str(damaged(Path("a b.npz"), ".npz", "bad.\n")) == "a b.npz is not a valid .npz file: bad."


def test_an_error_about_a_key_keeps_it_also_through_a_pipe():
    error = ConfigError("network.cell", "No\tcell.")
    for kept in (error, pickle.loads(pickle.dumps(error))):
        assert (kept.key, kept.sentence, str(kept)) == ("network.cell", "No\\tcell.", "No\\tcell.")
        assert type(kept) is ConfigError
        assert isinstance(kept, InputError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with a name")
def test_a_pipe_is_refused_and_a_file_is_not(tmp_path):
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.touch()
    check_regular(file)
    with pytest.raises(InputError):
        check_regular(pipe)


def test_words_are_joined_by_a_conjunction():
    joined = {"": "", "a": "a", "ab": "a and b", "abc": "a, b and c", "abcde": "a, b and 3 more"}
    assert {words: join_words(words, most=3) for words in joined} == joined
    assert join_words(["--cell lstm", "--cell gru"], "or") == "--cell lstm or --cell gru"


@pytest.mark.parametrize(
    ("name", "question"),
    [("rnn", ' Did you mean "run"?'), ("hiden_size", ' Did you mean "hidden_size"?'), ("xyz", ""), ("", "")],
)
def test_the_nearest_known_name_is_suggested(name, question):
    assert suggest(name, ["run", "sweep", "hidden_size"]) == question


def test_a_count_with_its_noun():
    assert [plural(count, "value") for count in (0, 1, 3200)] == ["0 values", "1 value", "3,200 values"]
    assert [plural(count, "entry", "entries") for count in (1, 2)] == ["1 entry", "2 entries"]
    assert capital("an engine") == "An engine"


def test_an_unreadable_file_is_named_with_the_reason_or_the_nearest_name(tmp_path):
    (tmp_path / "lstm.toml").touch()
    error = FileNotFoundError()
    assert str(unreadable(tmp_path / "lstn.toml", error)).endswith(
        f'does not exist in {tmp_path}. Did you mean "lstm.toml"?'
    )
    assert str(unreadable(tmp_path / "no" / "x", error)).endswith(f"there is no folder {tmp_path / 'no'}.")
    assert str(unreadable(tmp_path, error)) == f"{tmp_path} is a folder: name a file in it."
    denied = unreadable("a.npy", PermissionError(13, "Permission denied"))
    assert str(denied) == "a.npy cannot be read: Permission denied."
