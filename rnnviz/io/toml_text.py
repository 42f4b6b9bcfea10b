"""TOML text whose parsing is bounded.

Python's parser takes time that grows with the square of a dotted key's length, and a level of recursion for each
bracket. No config needs either, so both are refused before it begins.
"""

import re
import tomllib
from typing import Any

from rnnviz.core.errors import InputError, in_short

_MOST_DOTS = 16
_DEEPEST = 64
_MOST_VALUES = 200_000
"""Values, lines, dots and escaped characters together."""

# Strings and comments as a whole, so that what is in them does not count; one without an end takes the rest.
_TOKEN = re.compile(
    r"""\#[^\n]*+
    | \"{3} (?:[^"\\]++ | \\. | "(?!""))*+ (?:"{3,5})?+
    | '{3} (?:[^']++ | '(?!''))*+ (?:'{3,5})?+
    | " (?:[^"\\\n]++ | \\.)*+ "?+
    | ' [^'\n]*+ '?+
    | [\w-]{1000}
    | \n++
    | [][{}=,.]""",
    re.DOTALL | re.VERBOSE,
)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """The tables of a TOML text; sentences call it `name`.

    Raises
    ------
    InputError
        If it is not TOML, or larger in any way than a config may be.
    """
    _check_size(text, name)
    try:
        return tomllib.loads(text)
    except ValueError as error:  # a TOMLDecodeError, or a number of more digits than Python reads
        raise InputError(f"{name} is not a valid TOML file: {in_short(str(error))}.") from error


def _check_size(text: str, name: str) -> None:
    depth = dots = values = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        first = token[0]
        dots = dots + 1 if first == "." else 0 if first in "[]{}=,\n" else dots
        depth += (first in "[{") - (first in "]}")
        values += len(token) if first in "=,.\n" else token.count("\\") if first == '"' else 0
        if dots > _MOST_DOTS:
            raise _excess(name, match, f"a key of more than {_MOST_DOTS} dots")
        if first.isalnum() or first in "_-":
            raise _excess(name, match, "a key or a number of 1,000 characters or more")
        if values > _MOST_VALUES:
            raise _excess(name, match, f"more than {_MOST_VALUES:,} values")
        if depth > _DEEPEST:
            raise InputError(f"{name} is not a valid TOML file: its brackets are nested too deep.")


def _excess(name: str, match: re.Match[str], excess: str) -> InputError:
    line = match.string.count("\n", 0, match.start()) + 1
    return InputError(f"{name} is not a valid TOML file: line {line} has {excess}.")
