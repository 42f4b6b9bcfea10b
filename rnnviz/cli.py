"""The command line.

Exit codes: 0 agree (or drift, without --strict); 1 mismatch; 2 the input or the command is wrong; 3 an engine
is missing, failed or died. An error is one plain sentence on standard error, and RNNVIZ_DEBUG=1 adds where it
came from.
"""

import os
import sys
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from rnnviz import __version__
from rnnviz.analysis.result import RunResult
from rnnviz.model.config import Compare, Config
from rnnviz.model.errors import EngineError, InputError
from rnnviz.model.fields import declarations

AGREE, MISMATCH, WRONG_INPUT, ENGINE_FAILED, INTERRUPTED = 0, 1, 2, 3, 130

_COMMANDS = ("run", "config", "doctor")


class _Parser(ArgumentParser):
    """A parser whose errors are one sentence, as all others are."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments ask for, and return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except InputError as error:
        return _fail(error, WRONG_INPUT)
    except EngineError as error:
        return _fail(error, ENGINE_FAILED)
    except MemoryError as error:
        return _fail(error, WRONG_INPUT, "There is not enough memory for this: make a size smaller.")
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has had enough; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return AGREE
    except Exception as error:  # noqa: BLE001 - whatever went wrong, a person reads one sentence
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return _fail(error, ENGINE_FAILED, f"This should not have happened: {what}. RNNVIZ_DEBUG=1 shows where.")


def _dispatch(words: list[str]) -> int:
    if words and words[0] in _COMMANDS:
        options = _command_parser().parse_args(words)
        answer: int = options.answer(options)
        return answer
    options = _window_parser().parse_args(words)
    return _open_window(options.file)


def _fail(error: BaseException, code: int, sentence: str | None = None) -> int:
    if os.environ.get("RNNVIZ_DEBUG") == "1":
        traceback.print_exception(error)
    print(f"rnnviz: {sentence or error}", file=sys.stderr)
    return code


def _window_parser() -> ArgumentParser:
    parser = _Parser(
        prog="rnnviz",
        description="See every number of a recurrent network, and prove every number.",
        epilog=f"Commands: {', '.join(_COMMANDS)}; rnnviz COMMAND --help tells more.",
    )
    parser.add_argument("file", nargs="?", help="a config to open the window on")
    parser.add_argument("--version", action="version", version=f"rnnviz {__version__}")
    return parser


def _command_parser() -> ArgumentParser:
    parser = _Parser(prog="rnnviz")
    commands = parser.add_subparsers(required=True)

    run = commands.add_parser("run", help="run a config and compare its engines")
    run.add_argument("config", type=Path, help="a TOML config")
    run.add_argument("--csv", type=Path, metavar="P", help="write every hidden value as a row")
    run.add_argument("--npz", type=Path, metavar="P", help="write every array")
    run.add_argument("--png", type=Path, metavar="P", help="draw the unrolled network")
    run.add_argument("--json", metavar="P|-", help="write what was found; - writes it to standard output")
    run.add_argument("--engines", metavar="A,B,...", help="the engines to run; the first is the reference")
    run.add_argument("--reference", metavar="A", help="the engine that the others are held against")
    run.add_argument("--rtol", type=float, metavar="X", help="relative tolerance")
    run.add_argument("--atol", type=float, metavar="X", help="absolute tolerance")
    run.add_argument("--audit", choices=("off", "auto", "full"), default="auto", help="which steps are audited")
    run.add_argument("--strict", action="store_true", help="exit with 1 on drift, too")
    run.add_argument("--quiet", action="store_true", help="no progress bar and no verdict in words")
    run.set_defaults(answer=_run)

    config = commands.add_parser("config", help="print a lesson's config")
    config.add_argument("lesson", nargs="?", help="the lesson; without it, the lessons are listed")
    config.set_defaults(answer=_config)

    doctor = commands.add_parser("doctor", help="what a bug report needs: versions, engines, Qt's platform")
    doctor.set_defaults(answer=_doctor)
    return parser


def _open_window(file: str | None) -> int:
    if file is not None and not Path(file).is_file():
        raise InputError(f"{file} cannot be opened: there is no such file.")
    from rnnviz.gui.app import main as open_window

    code: int = open_window(file)
    return code


def _run(options: Namespace) -> int:
    from rnnviz.files.config_toml import load_config
    from rnnviz.files.inputs import load_inputs
    from rnnviz.runs.supervisor import run

    config = _with_options(load_config(options.config), options)
    _check_outputs(options)
    with _progress_bar(options.quiet) as tell:
        result = run(config, load_inputs, tell, options.audit, _asked_for(options))
    _write_outputs(result, options)
    if not options.quiet and options.json != "-":
        from rnnviz.analysis.naming import shown_name
        from rnnviz.analysis.wording import report

        print(report(result))
        for engine, text in result.printed.items():
            print(f"\n{shown_name(engine)} printed:\n{text.rstrip()}")
    failed = result.verdict == "mismatch" or (options.strict and result.verdict != "agree")
    return MISMATCH if failed else AGREE


def _with_options(config: Config, options: Namespace) -> Config:
    """The config with what the command line says otherwise, checked by the same rules as the file."""
    compare = config.compare
    if options.engines is not None or options.reference is not None:
        engines = compare.engines
        if options.engines is not None:
            engines = tuple(name.strip() for name in options.engines.split(","))
        compare = config.with_engines(engines, options.reference).compare
    limits = declarations(Compare)
    for name in ("rtol", "atol"):
        value = getattr(options, name)
        if value is not None:
            compare = replace(compare, **{name: limits[name].check(f"--{name}", value)})
    return replace(config, compare=compare)


def _asked_for(options: Namespace) -> frozenset[str]:
    """The engines that the user named here, as opposed to those that a config names: their own code may run."""
    named = [] if options.engines is None else options.engines.split(",")
    return frozenset(name.strip() for name in [*named, options.reference or ""])


def _check_outputs(options: Namespace) -> None:
    """Find out before a long run, not after it, that its result could not be written."""
    for path in (options.csv, options.npz, options.png, None if options.json == "-" else options.json):
        if path is not None and not Path(path).absolute().parent.is_dir():
            raise InputError(f"{path} cannot be written: the folder {Path(path).absolute().parent} does not exist.")
        if path is not None and Path(path).is_dir():
            raise InputError(f"{path} cannot be written: it is a folder.")


def _write_outputs(result: RunResult, options: Namespace) -> None:
    if options.csv is not None:
        from rnnviz.files.table import write_csv

        with _progress_bar(options.quiet) as tell:
            write_csv(result, options.csv, lambda done: tell(f"writing {options.csv}", done))
    if options.npz is not None:
        from rnnviz.files.archive import write_npz

        write_npz(result, options.npz)
    if options.png is not None:
        from rnnviz.gui.snapshot import save_png

        save_png(result, options.png)
    if options.json is not None:
        from rnnviz.files.summary import json_text, write_json

        if options.json == "-":
            sys.stdout.write(json_text(result))
        else:
            write_json(result, Path(options.json))


@contextmanager
def _progress_bar(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar on a terminal for what takes longer than half a second."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, fraction: None
        return
    from tqdm import tqdm

    layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed} / {remaining} left"
    with tqdm(total=1.0, delay=0.5, leave=False, file=sys.stderr, bar_format=layout) as bar:

        def tell(stage: str, fraction: float) -> None:
            bar.set_description_str(stage, refresh=False)
            bar.update(fraction - bar.n)

        yield tell


def _config(options: Namespace) -> int:
    from rnnviz.files.lessons import find_lesson, lessons

    if options.lesson is None:
        width = max(len(lesson.name) for lesson in lessons())
        for lesson in lessons():
            print(f"{lesson.name:{width}}  {lesson.title}")
    else:
        sys.stdout.write(find_lesson(options.lesson).path.read_text(encoding="utf-8"))
    return AGREE


def _doctor(options: Namespace) -> int:
    from rnnviz.runs.doctor import report

    sys.stdout.write(report())
    return AGREE
