"""The bash completion, generated from the command line parsers, so that it knows exactly their options."""

import shlex
from argparse import Action
from pathlib import Path

from manual_page import options, takes_value

from rnnviz.cli import command_parsers, window_parser
from rnnviz.core.model_formats import ENDINGS
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.engines.registry import ENGINES
from rnnviz.io.model_formats.load import WEIGHT_FORMATS
from rnnviz.lessons.index import lessons

_CONFIGS, _SESSIONS = (".toml",), (".rnnviz",)
_FILES = {
    ("", "file"): (*_CONFIGS, *_SESSIONS, *ENDINGS),
    ("run", "config"): _CONFIGS,
    ("explain", "config"): _CONFIGS,
    ("sweep", "sweep"): _CONFIGS,
    ("train", "task"): _CONFIGS,
    ("train", "weights"): tuple(form.ending for form in WEIGHT_FORMATS),
    ("sweep", "journal"): (".jsonl",),
    ("config", "file"): ENDINGS,
    ("config", "initial_state"): (".npz",),
    ("inspect", "file"): ENDINGS,
    ("convert", "source"): (*_CONFIGS, *ENDINGS),
    ("capture", "model"): (".onnx",),
    ("capture", "output"): _SESSIONS,
    ("generate", "model"): (".safetensors",),
    ("convert", "target"): tuple(form.ending for form in WEIGHT_FORMATS),
}
"""The endings of the files that an argument reads; output files may have any name."""

_TEMPLATE = Path(__file__).with_name("completion.bash")


def completion() -> str:
    """The script for bash."""
    parsers = {"": window_parser(), **command_parsers()}
    parts = {
        "@COMMANDS@": " ".join(name for name in parsers if name),
        "@ENGINES@": " ".join([*ENGINES, *(bug.engine for bug in KNOWN_BUGS.values()), "recording:", "model:"]),
        "    # @OPTIONS@\n": "".join(_options(name, options(parser)) for name, parser in parsers.items()),
        "    # @VALUES@\n": "".join(_places(name, options(parser)) for name, parser in parsers.items()),
    }
    text = _TEMPLATE.read_text(encoding="utf-8")
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text


def _options(command: str, actions: list[Action]) -> str:
    words = [word for action in actions for word in action.option_strings]
    valued = [word for action in actions if takes_value(action) for word in action.option_strings]
    return (
        f"    {shlex.quote(command)})\n"
        f"        options={shlex.quote(' '.join([*words, '-h', '--help']))}\n"
        f"        valued={shlex.quote(' '.join(valued))}\n"
        f"        ;;\n"
    )


def _places(command: str, actions: list[Action]) -> str:
    """The completions after each option with a value, and of the first argument, the second and so on."""
    named = [(word, action) for action in actions if takes_value(action) for word in action.option_strings]
    placed = enumerate(action for action in actions if not action.option_strings)
    lines = [f"    {command}:{place}) {_values(command, action)} ;;\n" for place, action in (*named, *placed)]
    return "".join(lines)


def _values(command: str, action: Action) -> str:
    if action.choices is not None:
        return f"_rnnviz_words {shlex.quote(' '.join(map(str, action.choices)))}"
    if action.dest == "engines":
        return "_rnnviz_engines"
    if action.dest == "reference":
        return "_rnnviz_engine"
    if action.dest == "lesson":
        return f"_rnnviz_words {shlex.quote(' '.join(lesson.name for lesson in lessons()))}"
    endings = _FILES.get((command, action.dest), ())
    if endings or action.type is Path or action.dest == "json":
        return " ".join(["_rnnviz_files", *(ending.removeprefix(".") for ending in endings)])
    return ":"
