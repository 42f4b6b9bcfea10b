"""Sentences stay in their line, do nothing to a terminal and fit a screen, whatever they name."""

import os
import pickle
from pathlib import Path

import pytest

from rnnviz.core.errors import ConfigError, EngineError, InputError, check_regular, damaged, in_short, printable


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
def test_unprintable_characters_are_escaped_and_nothing_else(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert str(InputError(text)) == str(EngineError(text)) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("make", [InputError, EngineError, lambda text: ConfigError("a.b", text)])
def test_a_very_long_sentence_keeps_its_start_and_end(make: type[Exception]) -> None:
    most = "a" * 750 + "b" * 750
    assert str(make(most)) == most
    assert str(make("a" * 750 + "c" + "b" * 750)) == "a" * 750 + " … " + "b" * 750
    assert str(make("\n" * 800)) == "\\n" * 375 + " … " + "\\n" * 375


def test_a_library_message_is_cut_and_loses_full_stop_and_line_breaks() -> None:
    assert in_short("it\n  says\tso...") == "it says so"
    assert in_short("X" * 200 + ".") == "X" * 200
    assert in_short("x" * 201) == "x" * 200 + " …"
    assert in_short(" " * 799 + "yz") == "y"
    assert in_short("x y" * 10_000) == ("x y" * 67)[:200] + " …"
    assert str(damaged(Path("a b.npz"), ".npz", "bad.\n")) == "a b.npz is not a valid .npz file: bad."


def test_an_error_about_a_key_keeps_it_also_through_a_pipe() -> None:
    error = ConfigError("network.cell", "No\tcell.")
    for kept in (error, pickle.loads(pickle.dumps(error))):
        assert (kept.key, kept.sentence, str(kept)) == ("network.cell", "No\\tcell.", "No\\tcell.")
        assert type(kept) is ConfigError
        assert isinstance(kept, InputError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with a name")
def test_a_pipe_is_refused_and_a_file_is_not(tmp_path: Path) -> None:
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.touch()
    check_regular(file)
    with pytest.raises(InputError):
        check_regular(pipe)
