"""The program at a terminal: exit codes, standard streams, a progress bar, and signals.

Standard streams that are closed, full or of a narrow encoding never change what a command does. Signals that end the
program unwind it as Ctrl-C does, so that files and processes are cleaned up.
"""

import codecs
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import TextIO, TypeAlias

from rnnviz.core.errors import InputError

Answer: TypeAlias = tuple[int, str]
"""The exit code of a command, and its text for standard output, which is written last."""

AGREE, DISAGREE, WRONG_INPUT, ENGINE_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


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


def answer_json(content: object, path: str) -> str:
    """Write the content as JSON to a file, and return ""; for "-" return it for standard output."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if path == "-":
        return text
    from rnnviz.io.outputs import atomic_write

    with atomic_write(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return ""


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


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[object, float], None]]:
    """Show a bar on a terminal for work that takes longer than half a second; a stage is shown by its `str`."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, fraction: None
        return
    from tqdm import tqdm

    layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed} / {remaining} left"
    with tqdm(total=1.0, delay=0.5, leave=False, file=sys.stderr, bar_format=layout) as bar:

        def notify(stage: object, fraction: float) -> None:
            bar.set_description_str(str(stage), refresh=False)
            bar.update(fraction - bar.n)

        yield notify


_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_REPEATED_SECONDS = 2.0
"""Some senders, such as timeout, send a signal twice; the second one must not interrupt the cleaning up."""


class Ended(KeyboardInterrupt):
    """The program was asked to end by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code_of(interrupt: KeyboardInterrupt) -> int:
    """The exit code that shells report for a program ended by a signal."""
    return 128 + (interrupt.number if isinstance(interrupt, Ended) else signal.SIGINT)


@contextmanager
def signals_raised(ending: bool) -> Iterator[None]:
    """Raise `Ended` in the main thread meanwhile; a signal that is ignored, as under nohup, stays ignored.

    `ending` says that the program ends afterwards, and must not be interrupted in that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first: float | None = None

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal first
        if first is None or monotonic() - first > _REPEATED_SECONDS:
            first = monotonic()
            raise Ended(number)

    heard = [number for number in _ENDING if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if ending else handler)


def ignore_signals() -> None:
    """Let the end of the program, which removes its temporary files, not be interrupted."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
