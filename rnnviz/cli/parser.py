"""The argument parser, whose errors are one sentence; the config and the engines that options name."""

from argparse import Action, ArgumentError, ArgumentParser, Namespace, _ArgumentGroup, _SubParsersAction
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from rnnviz.cli.terminal import print_note
from rnnviz.core.config import Config, Network
from rnnviz.core.errors import InputError
from rnnviz.core.schema import declarations, display_value
from rnnviz.core.words import suggest


class Parser(ArgumentParser):
    """Raises an `InputError` where argparse would print its usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")

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
        command.description = command.description or _sentence(listed.help or "")
    return parsers


def _name(action: Action) -> str:
    return action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest).upper()


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def load(path: Path, engines: str | None = None) -> Config:
    """Read a config.

    If neither it nor `engines` names a reference, take one that can run here, and report it on standard error. Raises
    an InputError if the file cannot be read, or a key is not valid.
    """
    from rnnviz.io.config_toml import load_config, unchanged

    return load_config(path, complete if engines is None else unchanged)


def add_cell_to(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Add the option that names a cell, which is also the permission to run its file."""
    parser.add_argument(
        "--cell",
        metavar="CELL",
        help="cell to run instead, by its name or the .py file of a custom cell",
    )


def with_cell(config: Config, cell: str | None) -> Config:
    """The config with the cell of --cell.

    Raises a ConfigError if it is neither a cell nor a file; the sentence names the option.
    """
    if cell is None:
        return config
    checked = declarations(Network)["cell"].check("--cell", cell)
    return replace(config, network=replace(config.network, cell=checked))


def complete(config: Config) -> Config:
    """Give a config a reference that can run here, and report on standard error if it is not the default one."""
    from rnnviz.engines.registry import with_fallback_reference

    config, note = with_fallback_reference(config)
    if note:
        print_note(f"rnnviz: {note}")
    return config


def engine_names(engines: str | None, reference: str | None = None, at_least: int = 2) -> tuple[str, ...] | None:
    """The engines of --engines, checked, with those of --reference; None without --engines.

    Raises an InputError if a name is unknown or given twice, or too few engines are named; the sentence names the
    option.
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
    if len({*names, *([] if reference is None else [reference])}) < at_least:
        raise InputError("--engines needs at least two engines, a reference and a candidate, such as gluon,manual.")
    return names
