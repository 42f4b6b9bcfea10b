"""A parser of arguments whose errors are one sentence, as all others are."""

from argparse import ArgumentParser, _SubParsersAction
from typing import NoReturn, TypeAlias

from rnnviz.model.errors import InputError


class Parser(ArgumentParser):
    """Raises an `InputError` where argparse would print its usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")


Commands: TypeAlias = "_SubParsersAction[Parser]"
"""What a command adds its parser to."""
