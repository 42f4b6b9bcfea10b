"""The command line.

Exit codes: 0 agree (or drift, without --strict); 1 disagree; 2 the input or the command is wrong; 3 an engine
is missing, failed or died. An error is one sentence on standard error; RNNVIZ_DEBUG=1 adds the traceback.
A signal that ends the program, such as Ctrl-C, gives 128 plus its number.
"""

import os
import sys
import traceback
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence

from rnnviz import __version__
from rnnviz.cli import capture, figure, generate, lesson, models, run, sweep, train
from rnnviz.cli.terminal import (
    AGREE,
    ENGINE_FAILED,
    WRONG_INPUT,
    Answer,
    Commands,
    Parser,
    add_commands,
    exit_code_of,
    prepare_streams,
    print_answer,
    print_note,
    signals_raised,
)
from rnnviz.core.errors import EngineError, InputError, check_regular
from rnnviz.core.extras import extra_of, not_installed
from rnnviz.core.schema import display_value
from rnnviz.core.words import suggest, unreadable


def _add_doctor_to(commands: Commands) -> None:
    doctor = commands.add_parser("doctor", help="try each engine, and print versions and platform for a bug report")
    doctor.set_defaults(answer=_doctor)


def _doctor(_options: Namespace) -> Answer:
    from rnnviz.engines.registry import ENGINES
    from rnnviz.execution.engine_check import AVAILABLE, engine_states
    from rnnviz.execution.log import bug_report
    from rnnviz.io.inputs import load_inputs

    states = engine_states(load_inputs)
    failed = any(states[name] != entry.unavailable and states[name] != AVAILABLE for name, entry in ENGINES.items())
    return ENGINE_FAILED if failed else AGREE, bug_report(states)


_COMMANDS: dict[str, Callable[[Commands], None]] = {
    "run": run.add_run_to,
    "sweep": sweep.add_to,
    "train": train.add_to,
    "explain": run.add_explain_to,
    "figure": figure.add_to,
    "config": models.add_config_to,
    "inspect": models.add_inspect_to,
    "convert": models.add_convert_to,
    "capture": capture.add_to,
    "lesson": lesson.add_to,
    "generate": generate.add_to,
    "doctor": _add_doctor_to,
}


def main(arguments: Sequence[str] | None = None) -> int:
    prepare_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _check_folder()
        return _dispatch(words, ending=arguments is None)
    except SystemExit:
        # The parser has printed its help, or the version.
        raise SystemExit(print_answer(AGREE, "")) from None
    except InputError as error:
        return _fail(error, WRONG_INPUT)
    except EngineError as error:
        return _fail(error, ENGINE_FAILED)
    except MemoryError as error:
        return _fail(error, WRONG_INPUT, "There is not enough memory: reduce a size.")
    except KeyboardInterrupt as interrupt:
        return exit_code_of(interrupt)
    except Exception as error:  # noqa: BLE001 - any error is one sentence
        package = (getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ImportError) else ""
        if extra_of(package) is not None:
            return _fail(error, ENGINE_FAILED, f"This command {not_installed(package)}.")
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return _fail(
            error, ENGINE_FAILED, f"Internal error: {reason}. Set RNNVIZ_DEBUG=1 for a traceback, and report it."
        )


def _check_folder() -> None:
    """Refuse a deleted working directory: relative paths and child processes need it."""
    try:
        os.getcwd()
    except OSError as error:
        raise InputError(f"The working directory cannot be used ({error.strerror}): change to another one.") from error


def _dispatch(words: list[str], ending: bool) -> int:
    if words and words[0] in _COMMANDS:
        parser = Parser(prog="rnnviz")
        add_commands(parser, {words[0]: _COMMANDS[words[0]]})
        options = parser.parse_args(words)
        with signals_raised(ending):
            return print_answer(*options.answer(options))
    _check_command(words)
    return open_window(window_parser().parse_args(words).file)


def open_window(file: str | None) -> int:
    """Open the window, on a file if one is given, and return its exit code when it is closed."""
    if file is not None and not os.path.isfile(file):
        check_regular(file)
        raise unreadable(file, FileNotFoundError())
    from rnnviz.gui.app import main as open_app

    code: int = open_app(file)
    return code


def _check_command(words: list[str]) -> None:
    """Refuse a first word that is neither a command nor, with its dot or slash, the path of a file."""
    if not words or words[0].startswith("-") or os.path.exists(words[0]):
        return
    looks_like_a_path = "." in words[0] or os.sep in words[0]
    if len(words) > 1 or not looks_like_a_path:
        question = suggest(words[0], _COMMANDS)
        raise InputError(f"Unknown command {display_value(words[0])}.{question} See rnnviz --help.")


def command_parsers() -> dict[str, Parser]:
    """The parser of each command, from which the manual page and the completion are made."""
    return add_commands(Parser(prog="rnnviz"), _COMMANDS)


class _WindowParser(Parser):
    """Lists the commands below its help, the only use of all their parsers."""

    def format_help(self) -> str:
        width = max(map(len, _COMMANDS))
        lines = [f"  {name:{width}}  {parser.description}" for name, parser in command_parsers().items()]
        self.epilog = "\n".join(["commands:", *lines, "", "See 'rnnviz COMMAND --help'."])
        return super().format_help()


def window_parser() -> Parser:
    parser = _WindowParser(
        prog="rnnviz",
        description="Inspect and compare every value inside RNNs, LSTMs and GRUs.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", help="a config, a model file or a session to open in the window")
    parser.add_argument("--version", action="version", version=f"rnnviz {__version__}")
    return parser


def _fail(error: BaseException, code: int, sentence: str | None = None) -> int:
    if os.environ.get("RNNVIZ_DEBUG") == "1":
        print_note("".join(traceback.format_exception(error)).rstrip())
    print_note(f"rnnviz: {sentence or error}")
    return code
