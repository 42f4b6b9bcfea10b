"""Errors that users can act on: one sentence with the thing, its value and the allowed values.

Paths and keys in it may come from an untrusted file: they are escaped and shortened.
"""

import os
import re
import signal
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

_LONGEST_REASON = 200
_LONGEST_SENTENCE = 1_500


def printable(text: str) -> str:
    """The text with escaped control characters, for one line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


_DISGUISING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def undisguised(text: str) -> str:
    r"""A text of several lines, with control characters and those that turn the direction of text as \uXXXX."""
    return _DISGUISING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class InputError(ValueError):
    """Invalid input of the user, in one plain sentence; `settings` are values of dotted keys that correct it."""

    def __init__(self, sentence: str, settings: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(_sentence(sentence))
        self.settings = dict(settings)


class ConfigError(InputError):
    """One key of a config is wrong: `key` is dotted, so that a window can show the sentence at the field."""

    def __init__(self, key: str, sentence: str, settings: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(sentence, settings)
        self.key = key
        self.sentence = str(self)

    @classmethod
    def of(cls, key: str, rest: str) -> "ConfigError":
        """The error of a key whose sentence begins with it."""
        return cls(key, f"{key} {rest}")

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[str, str, dict[str, Any]]]:
        return type(self), (self.key, self.sentence, self.settings)


@contextmanager
def key_errors(key: str, path: Path | None = None) -> Iterator[None]:
    """Raise an InputError as the ConfigError of a key, with the file's path in the sentence."""
    try:
        yield
    except ConfigError:
        raise
    except InputError as error:
        named = path is None or str(path) in str(error)
        raise ConfigError(key, str(error) if named else f"{path}: {error}", error.settings) from error


@contextmanager
def file_errors(path: Path, what: str) -> Iterator[None]:
    """Raise an OSError as the InputError that the path cannot be `what`, such as written."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be {what}: {error.strerror or error}.") from error


def damaged(path: Path, kind: str, why: str) -> InputError:
    """The error of a damaged file; see `in_short` for `why`."""
    return InputError(f"{path} is not a valid {kind} file: {in_short(why)}.")


def in_short(why: str) -> str:
    """The message of a library, shortened and without a full stop. It may quote a file at any length."""
    text = " ".join(why[: 4 * _LONGEST_REASON].split()).rstrip(".")
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} …"


class EngineError(RuntimeError):
    """An engine is missing, failed or died; a plain sentence. `engine` is the name of one that failed in a run."""

    def __init__(self, sentence: str, engine: str | None = None) -> None:
        super().__init__(_sentence(sentence))
        self.engine = engine


def _sentence(text: str) -> str:
    """The text in one line; of a very long one, such as about a path of thousands of signs, how it begins and ends."""
    text = printable(text)
    if len(text) <= _LONGEST_SENTENCE:
        return text
    half = _LONGEST_SENTENCE // 2
    return f"{text[:half]} … {text[-half:]}"


def first_line(error: Exception) -> str:
    """The first line that is not empty, or the error's type if it says nothing."""
    return _lines(error)[0]


def last_line(error: Exception) -> str:
    """The last line that is not empty, which has the cause in a long message; else the error's type."""
    return _lines(error)[-1]


def failed(library: str, error: Exception) -> str:
    """Sentence about a library that failed, with its last line and what to do."""
    return f"{library} failed: {last_line(error).rstrip('.')}. Run without it, or report it with rnnviz doctor."


def _lines(error: Exception) -> list[str]:
    lines = [line.strip() for line in str(error).splitlines()]
    return list(filter(None, lines)) or [type(error).__name__]


def describe_exit(exitcode: int | None) -> str:
    if exitcode is None:
        return "for an unknown reason"
    if exitcode < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-exitcode).name}"
    return f"exit code {exitcode}"


_OTHERS = {stat.S_IFIFO: "pipe", stat.S_IFCHR: "device", stat.S_IFBLK: "device", stat.S_IFSOCK: "socket"}


def check_regular(path: str | os.PathLike[str]) -> None:
    """Raises InputError for a pipe, a device or a socket; the reader refuses missing files and folders."""
    try:
        kind = _OTHERS.get(stat.S_IFMT(os.stat(path).st_mode))
    except (OSError, ValueError):
        return
    if kind is not None:
        raise InputError(
            f"{os.fspath(path)} cannot be read: it is a {kind}, and must be a regular file: save its content to a file."
        )
