"""The manual page, generated from the command line parsers, so that it lists exactly their options."""

from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Iterator, Mapping
from datetime import date
from textwrap import wrap

from rnnviz import __version__
from rnnviz.cli import command_parsers, terminal, window_parser
from rnnviz.core.words import capital
from rnnviz.engines.registry import ENGINES, FAMILIES

EXIT_STATUS = {
    terminal.AGREE: "The engines agree, or they drift and --strict was not given.",
    terminal.DISAGREE: "They do not agree.",
    terminal.WRONG_INPUT: "The config, a file or the command is wrong; standard error names the cause.",
    terminal.ENGINE_FAILED: "An engine is missing, failed or died, or Qt cannot start.",
    terminal.INTERRUPTED: "The command was stopped by Ctrl-C; by another signal, 128 and its number.",
}

_ENVIRONMENT = {
    "RNNVIZ_DEBUG": "If it is 1, errors print a traceback.",
    "QT_QPA_PLATFORM": "The Qt platform of the window, such as xcb, wayland or offscreen.",
}

_EXAMPLES = {
    "rnnviz config lstm > lstm.toml && rnnviz run lstm.toml --csv values.csv --picture picture.png": (
        "Run the config of a lesson, compare its engines, and write the results."
    ),
    "rnnviz explain lstm.toml --layer 0 --timestep 1 --unit 3": "Print the arithmetic of one hidden value.",
    "rnnviz inspect model.onnx": "List the recurrent networks in a model file.",
    "rnnviz config --from model.safetensors --cell gru > gru.toml": "Make a config that runs a model file.",
}


def manual_page(day: date) -> str:
    """The page as roff with man macros, dated `day`."""
    window, commands = window_parser(), command_parsers()
    lines = [
        f'.TH RNNVIZ 1 "{day.isoformat()}" "rnnviz {__version__}" "User Commands"',
        ".SH NAME",
        r"rnnviz \- inspect and compare every value inside a recurrent network",
        ".SH SYNOPSIS",
        *_usage("rnnviz", window),
        ".br",
        r".B rnnviz",
        r".I command",
        r"[\fIoption\fR ...]",
        ".SH DESCRIPTION",
        *_text(
            "rnnviz computes a recurrent network with several engines, such as MXNet Gluon, PyTorch, ONNX Runtime and "
            "NumPy. It shows every hidden value of every layer, direction, time step and sample, and compares the "
            "engines value by value. Without a command it opens its window."
        ),
        *_arguments(window),
        ".SH COMMANDS",
    ]
    for name, parser in commands.items():
        lines += [f".SS rnnviz {_escaped(name)}", *_usage(f"rnnviz {name}", parser), ".PP"]
        lines += [*_text(parser.description or ""), *_arguments(parser)]
    lines += [
        ".SH ENGINES",
        *_terms({name: entry.about for name, entry in ENGINES.items()} | {f.form: f.about for f in FAMILIES}),
    ]
    lines += [".SH EXIT STATUS", *_terms({str(code): meaning for code, meaning in EXIT_STATUS.items()})]
    lines += [".SH ENVIRONMENT", *_terms(_ENVIRONMENT)]
    lines += [".SH EXAMPLES", *_terms(_EXAMPLES)]
    return "\n".join(lines) + "\n"


def options(parser: ArgumentParser) -> list[Action]:
    """The options and arguments of a parser, except --help."""
    return [action for action in parser._actions if action.help != SUPPRESS and action.dest != "help"]


def takes_value(action: Action) -> bool:
    """Whether an option or argument takes a value."""
    return action.nargs != 0


def _usage(command: str, parser: ArgumentParser) -> Iterator[str]:
    yield f".B {_escaped(command)}"
    for action in sorted(options(parser), key=lambda action: not action.option_strings):
        form = rf"\fB{_escaped(action.option_strings[-1])}\fR" if action.option_strings else ""
        value = rf"\fI{_escaped(_value(action))}\fR" if takes_value(action) else ""
        whole = " ".join(filter(None, (form, value)))
        yield whole if action.required else f"[{whole}]"


def _arguments(parser: ArgumentParser) -> Iterator[str]:
    for action in options(parser):
        names = [rf"\fB{_escaped(name)}\fR" for name in action.option_strings]
        value = rf"\fI{_escaped(_value(action))}\fR" if takes_value(action) else ""
        yield ".TP"
        yield " ".join(filter(None, (", ".join(names), value)))
        yield from _text(_help(action))


def _value(action: Action) -> str:
    if action.choices is not None and action.metavar is None:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest)


def _help(action: Action) -> str:
    text = action.help or ""
    if action.dest == "version":
        text = "print the version and exit"
    if isinstance(action.default, str) and action.choices is not None:
        text = f"{text}; {action.default} by default"
    return f"{capital(text)}."


def _terms(terms: Mapping[str, str]) -> Iterator[str]:
    for term, meaning in terms.items():
        yield ".TP"
        yield rf"\fB{_escaped(term)}\fR"
        yield from _text(meaning)


def _text(text: str) -> Iterator[str]:
    for line in wrap(" ".join(text.split()), 72, break_long_words=False, break_on_hyphens=False):
        yield _line(line)


def _line(text: str) -> str:
    """A line of text, escaped where roff would read a request: a dot or an apostrophe at its start."""
    escaped = _escaped(text)
    return rf"\&{escaped}" if escaped[:1] in (".", "'") else escaped


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
