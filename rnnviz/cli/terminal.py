"""The program at a terminal: exit codes, standard streams, a progress bar, signals, and the parser of arguments.

Closed or full standard streams never change what a command does. Signals that end the program unwind it as Ctrl-C does.
"""

import codecs
import json
import os
import signal
import sys
import threading
from argparse import Action, ArgumentError, ArgumentParser, Namespace, _ArgumentGroup
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TextIO, TypeAlias, TypeVar

from rnnviz.core.config import Config, Network
from rnnviz.core.engine_spec import listed_engines
from rnnviz.core.errors import InputError, printable, undisguised
from rnnviz.core.schema import declarations, display_value
from rnnviz.core.words import capital, suggest
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    from rnnviz.core.inputs import Load
    from rnnviz.execution.events import AuditMode

Outcome = TypeVar("Outcome")
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

    A reader that closes the pipe is not an error; any other failure is a sentence and an exit code.
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
    from rnnviz.io.outputs import write_text

    write_text(Path(path), text)
    return ""


def in_lines(lines: Iterable[str], options: Namespace) -> str:
    return "" if options.quiet else "".join(f"{line}\n" for line in lines)


def print_note(text: str) -> None:
    """Write a line to standard error; where that cannot be written, the exit code alone has to do."""
    try:
        print(undisguised(text), file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


@cache
def _null() -> TextIO:
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


def call_with_bar(
    function: Callable[..., Outcome], *arguments: object, stage: str, what: str, quiet: bool, seconds: float = 120.0
) -> Outcome:
    """Call a function in a subprocess, as `call_in_subprocess` does, with a progress bar for the `stage`."""
    from rnnviz.execution.child_process import call_in_subprocess

    with progress_bar(quiet) as notify:
        return call_in_subprocess(
            function, *arguments, what=what, seconds=seconds, notify=lambda done: notify(stage, done)
        )


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
def signals_raised(*, ending: bool = False, note_first: bool = False) -> Iterator[list[int]]:
    """Raise `Ended` in the main thread for the signals that end the program; `note_first` only notes the first one.

    Yields the noted signals. One that is ignored, as under nohup, stays so. At the `ending` all are ignored afterwards.
    """
    noted, last = list[int](), -_REPEATED_SECONDS
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal last
        if monotonic() - last <= _REPEATED_SECONDS:
            return
        last = monotonic()
        if not note_first or noted:
            raise Ended(number)
        noted.append(number)

    known = {number: signal.getsignal(number) for number in _ENDING}
    before = {number: handler for number, handler in known.items() if handler not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handle)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if ending else handler)


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


class Command(NamedTuple):
    """A command: its help, and functions that add its options to a parser and answer a call."""

    help: str
    add_options: Callable[[Parser], None]
    answer: Callable[[Namespace], Answer]


def add_commands(parser: Parser, commands: Mapping[str, Command]) -> dict[str, Parser]:
    added = parser.add_subparsers(required=True, parser_class=Parser)
    for name, command in commands.items():
        own = added.add_parser(name, help=command.help, description=f"{capital(command.help)}.")
        command.add_options(own)
        own.set_defaults(answer=command.answer)
    return dict(added.choices)


def _name(action: Action) -> str:
    return action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest).upper()


_TYPES: dict[type, tuple[str, ...]] = {
    Path: ("PATH", "MODEL", "IN", "OUT"),
    int: ("N", "K", "T", "U", "DPI"),
    float: ("X", "FLOAT"),
}

_SHARED: dict[str, tuple[str, dict[str, Any]]] = {
    "config": ("a TOML config, or a session or capture (.rnnviz)", {"type": Path}),
    "--engines ENGINE,...": ("engines to run; the first is the reference", {}),
    "--cell CELL": ("cell to run instead, by its name or the .py file of a custom cell", {}),
    "--input FILE": ("input sequence to read instead: an .npy, .npz, .csv, .wav or .txt file, or FILE.npz#ARRAY", {}),
}
"""Options of several commands that run a config."""


def option(parser: ArgumentParser | _ArgumentGroup, words: str, text: str = "", **settings: Any) -> None:
    """Add an option or an argument by its names and its value, which decides its type: "-o --output PATH"."""
    names, value = list[str](), ""
    for word in words.split(" "):
        if word.startswith("-") or not names:
            names.append(word)
        else:
            value = word
    if not text:
        text, settings = _SHARED[words]
    if value:
        kind = next((kind for kind, values in _TYPES.items() if value in values), str)
        settings = {"metavar": value, "type": kind, **settings}
    elif names[0].startswith("-") and "choices" not in settings:
        settings["action"] = "store_true"
    parser.add_argument(*names, help=text, **settings)


def load(path: Path) -> Config:
    """Read a config or a session; raises an InputError if the file cannot be read, or a key is not valid."""
    from rnnviz.execution.folders import storage
    from rnnviz.io.session import read_config

    return read_config(path, lambda: storage().folder)


def config_of(options: Namespace) -> Config:
    """The config that a command runs, with --cell and --input, and with --engines where it has no --reference."""
    config = with_input(with_cell(load(options.config), options.cell), options.input)
    named = None if hasattr(options, "reference") else engine_names(options.engines)
    return config.with_engines(named) if named else config


def with_input(config: Config, file: str | None) -> Config:
    """The config with the input sequence of --input."""
    if file == "":
        raise InputError("--input is empty: give the path of a file.")
    if file is None:
        return config
    path, _, array = file.rpartition("#") if ".npz#" in file.lower() else (file, "", "")
    sequence = config.sequence.of_file(os.path.abspath(path))
    return replace(config, sequence=replace(sequence, array=array) if array else sequence).checked()


def with_cell(config: Config, cell: str | None) -> Config:
    """The config with the cell of --cell; raises a ConfigError that names the option if there is none."""
    if cell is None:
        return config
    checked = declarations(Network)["cell"].check("--cell", cell)
    return replace(config, network=replace(config.network, cell=checked))


def with_definition(config: Config, cell: str | None, source: Path) -> Config:
    """The config with the definition of its custom cell: that in a session, or of the file of code that --cell names.

    Raises an InputError if --cell does not name it. `source` is the file of the config.
    """
    if cell is None and config.network.custom is not None:
        return config
    from rnnviz.engines.custom_code.parent import custom_cell

    config = with_cell(config, cell)
    if config.network.cell != cell:
        raise InputError(
            f'{source} names the cell "{config.network.cell}", which is Python code: it runs only if --cell names it.'
        )
    return config.with_custom_cell(custom_cell(cell))


def engine_names(engines: str | None, reference: str | None = None) -> tuple[str, ...] | None:
    """The engines of --engines and --reference, checked; None without --engines."""
    from rnnviz.engines.registry import find_engine

    if reference is not None:
        find_engine(reference, "--reference")
    if engines is None:
        return None
    names = listed_engines(engines)
    for name in names:
        find_engine(name, "--engines")
        if names.count(name) > 1:
            raise InputError(f"--engines names {name} twice: name each engine once.")
    return names


def run_config(
    config: Config, options: Namespace, load: "Load | None" = None, audit: "AuditMode" = "auto"
) -> RunResult:
    """Run a config; code of the user runs only if --engines, --reference or --cell names it, not a config."""
    from rnnviz.execution.supervisor import run
    from rnnviz.io.inputs import load_inputs

    named = [*listed_engines(options.engines or ""), getattr(options, "reference", None) or "", options.cell or ""]
    with progress_bar(options.quiet) as notify:
        return run(config, load or load_inputs, notify, audit, frozenset(name.strip() for name in named))


def check_files(config: Config, options: Namespace, outputs: Mapping[str, str | Path | None], drawn: str = "") -> None:
    """Check before a long run that its results can be written, and that Qt can draw for the option `drawn`."""
    from rnnviz.io.config_toml import files_read
    from rnnviz.io.outputs import check_outputs

    check_outputs(outputs, {"the config": options.config, **files_read(config)})
    if drawn:
        from rnnviz.gui.app import PlatformError, check_platform

        try:
            check_platform({"QT_QPA_PLATFORM": "offscreen"})
        except PlatformError as error:
            raise InputError(f"{drawn} draws a picture. {error}") from error
