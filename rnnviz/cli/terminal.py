"""The program at a terminal: exit codes, standard streams, a progress bar, signals, and the parser of arguments.

Standard streams that are closed, full or of a narrow encoding never change what a command does. Signals that end the
program unwind it as Ctrl-C does, so that files and processes are cleaned up. An error in the arguments is one sentence.
"""

import codecs
import json
import os
import signal
import sys
import threading
from argparse import Action, ArgumentError, ArgumentParser, Namespace, _ArgumentGroup, _SubParsersAction
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any, NoReturn, TextIO, TypeAlias

from rnnviz.core.config import Config, Network
from rnnviz.core.errors import InputError, printable, undisguised
from rnnviz.core.schema import declarations, display_value
from rnnviz.core.words import capital, suggest

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

    Names of files in it may have control characters, which JSON, TOML and Python read back from their escapes.
    A reader that closes the pipe is not an error. Any other failure is one sentence and a separate exit code, unless
    the command has one already: a closed pipe or a full disk never turns a disagreement into agreement.
    """
    try:
        sys.stdout.write(undisguised(text))
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
        print(undisguised(text), file=sys.stderr, flush=True)
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
            bar.set_description_str(printable(str(stage)), refresh=False)
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


@contextmanager
def signals_noted() -> Iterator[list[int]]:
    """Only note the first signal that would raise `Ended`, for work whose results must be kept; a later one raises.

    Yields the list of those that came.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = {number: signal.getsignal(number) for number in _ENDING}
    raising = {number: handler for number, handler in before.items() if callable(handler)}
    first = 0.0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not noted:
            noted.append(number)
            first = monotonic()
        elif monotonic() - first > _REPEATED_SECONDS:
            raising[number](number, frame)

    for number in raising:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in raising.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Let the end of the program, which removes its temporary files, not be interrupted."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


class Parser(ArgumentParser):
    """Raises an `InputError` where argparse would print its usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{capital(message)}; see {self.prog} --help.")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        """Parse the arguments, and refuse the first one that this command does not know."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word = unknown[0]
            kind = "option" if word.startswith("-") else "argument"
            question = suggest(word.split("=")[0], self._option_string_actions) if kind == "option" else ""
            raise InputError(f"Unknown {kind} {display_value(word)}.{question} See {self.prog} --help.")
        return parsed, unknown

    def _check_value(self, action: Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            raise InputError(
                f"{_name(action)} must be one of {', '.join(choices)} (got {display_value(value)})."
                f"{suggest(str(value), choices)}"
            )

    def _get_value(self, action: Action, arg_string: str) -> Any:
        if action.type is Path and not arg_string:
            # A path would be the working directory.
            raise InputError(f"{_name(action)} is empty: give the path of a file.")
        try:
            return super()._get_value(action, arg_string)
        except ArgumentError:
            allowed = "a whole number" if action.type is int else "a number"
            raise InputError(f"{_name(action)} must be {allowed} (got {display_value(arg_string)}).") from None


Commands: TypeAlias = "_SubParsersAction[Parser]"
"""The object that a command adds its parser to."""


def add_commands(parser: Parser, commands: Mapping[str, Callable[[Commands], None]]) -> dict[str, Parser]:
    """Let each command add its parser, and return the parsers by name; the help text is the default description."""
    added = parser.add_subparsers(required=True, parser_class=Parser)
    for add_to in commands.values():
        add_to(added)
    parsers: dict[str, Parser] = dict(added.choices)
    for listed in added._choices_actions:
        command = parsers[listed.dest]
        text = listed.help or ""
        command.description = command.description or f"{capital(text)}."
    return parsers


def _name(action: Action) -> str:
    return action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest).upper()


def load(path: Path) -> Config:
    """Read a config or a session; raises an InputError if the file cannot be read, or a key is not valid."""
    from rnnviz.execution.folders import storage
    from rnnviz.io.session import read_config

    return read_config(path, lambda: storage().folder)


def add_cell_to(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Add the option that names a cell, which is also the permission to run its file."""
    parser.add_argument(
        "--cell", metavar="CELL", help="cell to run instead, by its name or the .py file of a custom cell"
    )


def with_cell(config: Config, cell: str | None) -> Config:
    """The config with the cell of --cell.

    Raises a ConfigError if it is neither a cell nor a file; the sentence names the option.
    """
    if cell is None:
        return config
    checked = declarations(Network)["cell"].check("--cell", cell)
    return replace(config, network=replace(config.network, cell=checked))


def add_input_to(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Add the option that names a file of the sequence."""
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="input sequence to read instead: an .npy, .npz, .csv, .wav or .txt file, or FILE.npz#ARRAY",
    )


def with_input(config: Config, file: str | None) -> Config:
    """The config with the sequence of --input.

    Raises an InputError if the path is empty, or the config has keys that contradict it.
    """
    if file is None:
        return config
    if not file:
        raise InputError("--input is empty: give the path of a file.")
    path, _, array = file.rpartition("#") if ".npz#" in file.lower() else (file, "", "")
    sequence = config.sequence.of_file(os.path.abspath(path))
    if array:
        sequence = replace(sequence, array=array)
    return replace(config, sequence=sequence).checked()


def engine_names(engines: str | None, reference: str | None = None) -> tuple[str, ...] | None:
    """The engines of --engines, checked, with those of --reference; None without --engines.

    Raises an InputError if a name is unknown or given twice; the sentence names the option.
    """
    from rnnviz.engines.registry import find_engine

    if reference is not None:
        find_engine(reference, "--reference")
    if engines is None:
        return None
    names = tuple(name.strip() for name in engines.split(","))
    for name in names:
        find_engine(name, "--engines")
        if names.count(name) > 1:
            raise InputError(f"--engines names {name} twice: name each engine once.")
    return names
