"""The input sequence from a text, a vocabulary and, if there is one, an embedding."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.memory_budget import available_memory, readable
from rnnviz.core.schema import LARGEST_SIZE, display_value, listed
from rnnviz.core.sequence import one_hot
from rnnviz.io.model_formats.formats import format_of
from rnnviz.io.model_formats.load import room_for_file, within
from rnnviz.io.model_formats.rnn_entry import DTYPES, TensorFile
from rnnviz.io.readers.arrays import open_npy
from rnnviz.io.readers.plain_text import read_plain_text
from rnnviz.io.readers.sequence import OpenSequence

_COPIES = 3
"""The copies of a matrix in memory while it is read: bytes, numbers, and widened numbers."""


@dataclass(frozen=True)
class Embedding:
    """The matrix `name` of `shape` (V, I); `read` gives it, and raises an InputError on damage."""

    name: str
    shape: tuple[int, int]
    read: Callable[[], NDArray[np.generic]]


def open_embedding(path: Path, name: str | None) -> Embedding:
    """The matrix `name` in an `.npz` or a model file, or the only array in one or in an `.npy` file."""
    if path.suffix.lower() == ".npy":
        array = open_npy(path)
        shape = _checked(array.shape, array.dtype.name, str(path))
        return Embedding(path.name, shape, lambda: array)
    room = room_for_file(path)
    with within(path, room):
        file = format_of(path).open_tensors(path)
    chosen = _choose(file, name, path)
    tensor = file.tensors[chosen]
    shape = _checked(tensor.shape, tensor.dtype, f"{chosen} in {path}")

    def read() -> NDArray[np.generic]:
        with within(path, room + _COPIES * 8 * prod(shape)):
            return file.read(chosen)

    return Embedding(chosen, shape, read)


def _choose(file: TensorFile, name: str | None, path: Path) -> str:
    if name is None and len(file.tensors) == 1:
        return next(iter(file.tensors))
    if name is not None and name in file.tensors:
        return name
    matrices = [each for each, tensor in file.tensors.items() if len(tensor.shape) == 2 and tensor.dtype in DTYPES]
    if not matrices:
        raise InputError(f"{path} contains no matrix of floats, which an embedding is.")
    if name is None:
        raise InputError(
            f"{path} holds {len(file.tensors)} arrays, and sequence.embedding must name one of them: "
            f"{listed(matrices)}."
        )
    raise InputError(
        f"{path} contains no array {display_value(name)}: sequence.embedding must be one of {listed(matrices)}."
    )


def _checked(shape: tuple[int, ...], dtype: str, name: str) -> tuple[int, int]:
    if len(shape) != 2 or 0 in shape:
        raise InputError(
            f"{name} has the shape {shape}: an embedding must have the shape (V, I), a row for each token."
        )
    if dtype not in DTYPES:
        raise InputError(f"{name} holds values of the type {dtype}: an embedding must be one of {', '.join(DTYPES)}.")
    needed, there_is = _COPIES * 8 * prod(shape), available_memory()
    if there_is is not None and needed > there_is:
        raise InputError(
            f"{name} of the shape {shape} takes {readable(needed)} to read, but there are {readable(there_is)}."
        )
    return shape[0], shape[1]


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
        """(T,): the index of each symbol of a text, or that of the token `unknown` where it has none."""
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


@dataclass(frozen=True)
class OpenText(OpenSequence):
    """A text as a sequence, one symbol a time step; `features` are the tokens, if the input is one-hot."""

    features: Sequence[str]


def open_text(config: Config) -> OpenText:
    """The text of a config that names a vocabulary: a single one in each row, or rows of the embedding."""
    source = config.sequence
    path = Path(source.vocabulary or "")
    with key_errors("sequence.vocabulary"):
        vocabulary = read_vocabulary(path)
    indices = vocabulary.indices(source.symbols, source.unknown)
    if source.embedded:
        return _rows(indices, vocabulary, config)
    size = vocabulary.size
    if size != len(vocabulary.places):
        raise ConfigError(
            "sequence.vocabulary",
            f"{path} has {len(vocabulary.places):,} tokens and the index {size - 1:,}: without an embedding "
            f"each index up to the largest must have its token.",
        )
    return OpenText((len(indices), 1, size), lambda: one_hot(indices, size, config.network.dtype), vocabulary.tokens)


def _rows(indices: NDArray[np.intp], vocabulary: Vocabulary, config: Config) -> OpenText:
    source = config.sequence
    key = "sequence.embedding" if source.embedding_path is None else "sequence.embedding_path"
    path = Path(source.embedding_path or config.parameters.path or "")
    with key_errors(key):
        embedding = open_embedding(path, source.embedding)
    rows, features = embedding.shape
    if vocabulary.size > rows:
        raise ConfigError(
            "sequence.vocabulary",
            f"{vocabulary.path} has the index {vocabulary.size - 1:,}, but {embedding.name} has the shape "
            f"{embedding.shape}: it must have a row for each index.",
        )

    def read() -> NDArray[np.generic]:
        with key_errors(key):
            return embedding.read()[indices][:, np.newaxis]

    return OpenText((len(indices), 1, features), read, ())


@contextmanager
def key_errors(key: str, path: Path | None = None) -> Iterator[None]:
    """Raise an InputError as the ConfigError of a key, with the file's path in the sentence."""
    try:
        yield
    except ConfigError:
        raise
    except InputError as error:
        named = path is None or str(path) in str(error)
        raise ConfigError(key, str(error) if named else f"{path}: {error}") from error
