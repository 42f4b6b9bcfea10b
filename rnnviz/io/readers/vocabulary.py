"""Vocabularies: which index each token of a text has."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.schema import LARGEST_SIZE, display_value
from rnnviz.io.readers.plain_text import read_plain_text


@dataclass(frozen=True)
class Vocabulary:
    """The index of each token; no two tokens share one."""

    path: Path
    places: Mapping[str, int]

    @property
    def size(self) -> int:
        """One more than the largest index."""
        return max(self.places.values()) + 1

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens by index, empty where an index has none."""
        tokens = [""] * self.size
        for token, place in self.places.items():
            tokens[place] = token
        return tuple(tokens)

    def indices(self, symbols: Sequence[str], unknown: str | None) -> NDArray[np.intp]:
        """(T,): the index of each symbol of a text, or that of the token `unknown` where it has none.

        Raises
        ------
        ConfigError
            If `unknown` is not a token, or it is None and a symbol is none.
        """
        if unknown is not None and unknown not in self.places:
            raise ConfigError(
                "sequence.unknown",
                f"sequence.unknown = {display_value(unknown)} is not allowed: {self.path} does not hold it.",
            )
        found = np.empty(len(symbols), np.intp)
        for timestep, symbol in enumerate(symbols):
            place = self.places.get(symbol if unknown is None or symbol in self.places else unknown)
            if place is None:
                raise ConfigError(
                    "sequence.text",
                    f"sequence.text has {display_value(symbol)} at t = {timestep}, which {self.path} lacks: "
                    f"set sequence.unknown to a token that replaces it.",
                )
            found[timestep] = place
        return found


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary in a `.json` file of {token: index}, or in a text file with a token in each line, from index 0.

    White space belongs to a token, but for the end of its line.

    Raises
    ------
    InputError
        If the file cannot be read, is not UTF-8 text or no such JSON, is empty, or gives a token or an index twice.
    """
    text = read_plain_text(path)
    places = _from_json(text, path) if path.suffix.lower() == ".json" else _from_lines(text, path)
    if not places:
        raise InputError(f"{path} contains no token: a vocabulary needs at least one.")
    return Vocabulary(path, places)


def _from_lines(text: str, path: Path) -> dict[str, int]:
    places: dict[str, int] = {}
    # Not splitlines, which breaks at characters that a token may be.
    lines = text.removesuffix("\n").split("\n") if text else []
    for place, token in enumerate(lines):
        if not token:
            raise InputError(f"{path}, line {place + 1} is empty: each line must hold a token.")
        if token in places:
            raise InputError(
                f"{path} holds {display_value(token)} twice, in lines {places[token] + 1} and {place + 1}."
            )
        places[token] = place
    return places


def _from_json(text: str, path: Path) -> dict[str, int]:
    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name, value in pairs:
            if name in members:
                raise InputError(f"{path} holds {display_value(name)} twice.")
            members[name] = value
        return members

    try:
        places = json.loads(text, object_pairs_hook=distinct)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a valid JSON file: {str(error).rstrip('.')}.") from error
    if not isinstance(places, dict):
        raise InputError(f"{path} is not a vocabulary: it must hold {{token: index}}.")
    owners: dict[int, str] = {}
    for token, place in places.items():
        if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place <= LARGEST_SIZE:
            raise InputError(
                f"{path} gives {display_value(token)} the index {display_value(place)}: it must be a whole "
                "number of at least 0."
            )
        if place in owners:
            raise InputError(
                f"{path} gives {display_value(owners[place])} and {display_value(token)} the same index, {place}."
            )
        owners[place] = token
    return places
