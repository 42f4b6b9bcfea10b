"""The argument parser, whose errors are one sentence."""

from argparse import Action, ArgumentError, ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from rnnviz.core.errors import InputError
from rnnviz.core.schema import display_value
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
