"""Messages of the process of a custom step or a custom cell: one JSON object a line on its standard output."""

import json
from dataclasses import asdict, fields
from typing import TypeAlias

from rnnviz.frozen import dataclass

STEP_SECONDS = 10.0
"""How long loading the file, or a single step, may take before it counts as endless."""

BACKWARD = "backward"
"""The argument of the process that asks for gradients, and the function that gives them."""

PRINTED_LIMIT = 20_000
"""Limit of the characters that the user's code prints."""


@dataclass(frozen=True)
class Printed:
    """The user's code printed something."""

    text: str


@dataclass(frozen=True)
class Advanced:
    """The fraction of the work that is done."""

    fraction: float


@dataclass(frozen=True)
class Alive:
    """Heartbeat: the host works outside the user's code."""


@dataclass(frozen=True)
class Failed:
    """The user's code cannot be run to its end; one sentence with the line of their file."""

    sentence: str


@dataclass(frozen=True)
class Declared:
    """The cell that the file declares, as text of `core.cell_json`.

    `program` has the NumPy calls that compute it next to the lines of the file.
    """

    cell: str
    program: str


@dataclass(frozen=True)
class Done:
    """The trace is filled."""


Message: TypeAlias = Printed | Advanced | Alive | Failed | Declared | Done

_KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in (Printed, Advanced, Alive, Failed, Declared, Done)}


def encode(message: Message) -> bytes:
    """The message as a line."""
    return (json.dumps([type(message).__name__, asdict(message)]) + "\n").encode()


def decode(line: bytes) -> Message:
    """The message of a line.

    Raises ValueError or KeyError or TypeError or AttributeError or RecursionError if the line is none, as when code
    below Python writes to standard output.
    """
    name, content = json.loads(line)
    kind = _KINDS[name]
    if {key: type(value) for key, value in content.items()} != {field.name: field.type for field in fields(kind)}:
        raise TypeError(f"{name} of other fields")
    return kind(**content)
