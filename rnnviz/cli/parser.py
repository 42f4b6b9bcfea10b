"""A parser of arguments whose errors are one sentence, as all others are."""

from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeAlias

from rnnviz.core.errors import InputError


class Parser(ArgumentParser):
    """Raises an `InputError` where argparse would print its usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")


Commands: TypeAlias = "_SubParsersAction[Parser]"
"""What a command adds its parser to."""


def add_commands(parser: Parser, commands: Mapping[str, Callable[[Commands], None]]) -> dict[str, Parser]:
    """Let each command add its parser, and return these by name; one without a description has its help as that."""
    added = parser.add_subparsers(required=True, parser_class=Parser)
    for add_to in commands.values():
        add_to(added)
    parsers: dict[str, Parser] = dict(added.choices)
    for listed in added._choices_actions:
        command = parsers[listed.dest]
        command.description = command.description or _sentence(listed.help or "")
    return parsers


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
