"""The command line.

Exit codes: 0 agree (or drift, without --strict, or nothing was to be checked); 1 disagree; 2 the input or the command
is wrong; 3 an engine is missing, failed or died; 128 and the number of a signal that ended the program, such as Ctrl-C.
An error is one sentence on standard error; RNNVIZ_DEBUG=1 adds the traceback.
"""

import os
import sys
import traceback
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence

from rnnviz import __version__
from rnnviz.cli import compare, explain, lesson, models, port, run, sweep, terminal, train, vectors
from rnnviz.cli.terminal import AGREE, ENGINE_FAILED, WRONG_INPUT, Answer, Command, Parser
from rnnviz.core.errors import EngineError, InputError, check_regular
from rnnviz.core.extras import extra_of, not_installed
from rnnviz.core.schema import display_value
from rnnviz.core.words import suggest, unreadable


def doctor(_options: Namespace) -> Answer:
    """Try each engine on a small network in a worker process; the report has the error of one that fails."""
    from rnnviz.core.config import Config
    from rnnviz.engines.registry import ENGINES
    from rnnviz.execution.events import Failed, RunRequest
    from rnnviz.execution.log import bug_report
    from rnnviz.execution.supervisor import Supervisor
    from rnnviz.io.inputs import load_inputs

    states, code = {}, AGREE
    supervisor = Supervisor(warm=())
    try:
        for name, entry in ENGINES.items():
            states[name] = entry.unavailable or "available"
            if entry.unavailable is None:
                network = {"cell": "gru", "input_size": 2, "hidden_size": 2}
                compare = {"reference": name, "candidates": ["bug:no-h2h-bias"]}
                config = Config.from_mapping({"network": network, "compare": compare})
                *_, last = supervisor.events(RunRequest(config, load_inputs, "off"))
                if isinstance(last, Failed):
                    states[name], code = last.sentence, ENGINE_FAILED
    finally:
        supervisor.close()
    return code, bug_report(states)


COMMANDS = {
    "run": Command("run a config or a session and compare its engines", run.add_run_options, run.run),
    "sweep": Command("run a grid of configs; rerun it to resume", sweep.add_options, sweep.sweep),
    "train": Command(
        "train a network on a small task, and compare a library's training", train.add_train_options, train.train
    ),
    "explain": Command(
        "print the arithmetic of one hidden value, or of a gradient", explain.add_options, explain.explain
    ),
    "figure": Command("write a figure of a run for a paper, as PDF, SVG or PNG", run.add_figure_options, run.figure),
    "port": Command(
        "check a program of yours step by step, and find its smallest failure", port.add_port_options, port.port
    ),
    "vectors": Command(
        "write test cases that every wrong port fails, or grade a suite", vectors.add_vectors_options, vectors.vectors
    ),
    "config": Command("print the config of a lesson or for a model file", models.add_config_options, models.config),
    "inspect": Command("list the recurrent networks in a model file", models.add_inspect_options, models.inspect),
    "convert": Command(
        "write the weights of a network to a model file, and verify it", models.add_convert_options, models.convert
    ),
    "compare": Command(
        "compare the networks in two files: their parameters and the values that they compute",
        compare.add_compare_options,
        compare.compare,
    ),
    "capture": Command(
        "record the recurrent layers of an ONNX model while it runs", models.add_capture_options, models.capture
    ),
    "lesson": Command("list the lessons, or write a handout of one", lesson.add_options, lesson.lesson),
    "generate": Command("generate text with a character model", train.add_generate_options, train.generate),
    "doctor": Command("try each engine, and print versions and platform for a bug report", lambda parser: None, doctor),
}


def main(arguments: Sequence[str] | None = None) -> int:
    terminal.prepare_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _check_folder()
        return _dispatch(words, ending=arguments is None)
    except SystemExit:
        # The parser has printed its help, or the version.
        raise SystemExit(terminal.print_answer(AGREE, "")) from None
    except InputError as error:
        return _fail(error, WRONG_INPUT)
    except EngineError as error:
        return _fail(error, ENGINE_FAILED)
    except MemoryError as error:
        return _fail(error, WRONG_INPUT, "There is not enough memory: reduce a size.")
    except KeyboardInterrupt as interrupt:
        return terminal.exit_code_of(interrupt)
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
    if words and words[0] in COMMANDS:
        parser = Parser(prog="rnnviz")
        terminal.add_commands(parser, {words[0]: COMMANDS[words[0]]})
        options = parser.parse_args(words)
        with terminal.signals_raised(ending=ending):
            return terminal.print_answer(*options.answer(options))
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
        question = suggest(words[0], COMMANDS)
        raise InputError(f"Unknown command {display_value(words[0])}.{question} See rnnviz --help.")


def command_parsers() -> dict[str, Parser]:
    """The parser of each command, from which the manual page and the completion are made."""
    return terminal.add_commands(Parser(prog="rnnviz"), COMMANDS)


class _WindowParser(Parser):
    """Lists the commands below its help, the only use of all their parsers."""

    def format_help(self) -> str:
        width = max(map(len, COMMANDS))
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
        terminal.print_note("".join(traceback.format_exception(error)).rstrip())
    terminal.print_note(f"rnnviz: {sentence or error}")
    return code
