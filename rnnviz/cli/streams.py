"""The standard streams of the program: closed, full or of a narrow encoding, they never change what a command does."""

import codecs
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from io import TextIOWrapper
from typing import TextIO

from rnnviz.cli.exit_codes import WRONG_INPUT
from rnnviz.core.errors import InputError

_ESCAPED = "rnnviz.escaped"


def prepare_streams() -> None:
    """Open a closed standard stream on the null device, and let the others escape characters their encoding lacks."""
    codecs.register_error(_ESCAPED, _escaped)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            _occupy(number)
            setattr(sys, name, _null())
        elif isinstance(stream, TextIOWrapper) and number > 0:
            stream.reconfigure(errors=_ESCAPED)


def print_answer(code: int, text: str) -> int:
    """Write the text of a command to standard output, and return the exit code.

    A reader that closes the pipe is not an error. Any other failure is one sentence and a separate exit code, unless
    the command has one already: a closed pipe or a full disk never turns a disagreement into agreement.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout)
    except OSError as error:
        _drop(sys.stdout)
        print_note(f"rnnviz: Standard output cannot be written: {error.strerror or error}.")
        return code or WRONG_INPUT
    return code


def all_written(writers: Iterable[Callable[[], object]]) -> bool:
    """Write each output file, and return whether all could be; one that cannot is a sentence, and the others follow."""
    complete = True
    for write in writers:
        try:
            write()
        except InputError as error:
            print_note(f"rnnviz: {error}")
            complete = False
    return complete


def print_note(text: str) -> None:
    """Write a line to standard error; where that cannot be written, the exit code alone has to do."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


@cache
def _null() -> TextIO:
    """The null device, open until the program ends."""
    return open(os.devnull, "r+", encoding="utf-8")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    r"""Characters as \uXXXX, which JSON and TOML read back."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)), error.end


def _occupy(number: int) -> None:
    """Keep a file that is opened later from getting the number of a closed standard stream."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null == number:
            os.set_inheritable(null, True)
        else:
            os.dup2(null, number)
            os.close(null)


def _drop(stream: TextIO) -> None:
    """Send to the null device what is left in the buffer, of which Python would complain once more at its end."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        stream.flush()
