"""Readers of the input sequence: arrays, tables, sound, and texts with a vocabulary and an embedding.

The shape of a sequence is known before any number is read, so that one without room is not read."""

import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.bounded_read import read_at, read_plain_text, reading
from rnnviz.core.config import Config
from rnnviz.core.csv_table import read_csv
from rnnviz.core.errors import ConfigError, InputError, check_regular, key_errors
from rnnviz.core.memory_budget import available_memory, readable
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.npz import NpzFile, check_numeric, open_npy
from rnnviz.core.schema import LARGEST_SIZE, display_value, listed
from rnnviz.core.sequence import SequenceSource, alphabet, indices, one_hot
from rnnviz.core.words import plural
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats.formats import open_tensors
from rnnviz.io.model_formats.load import room_for_file, within
from rnnviz.io.model_formats.model_file import DTYPES
from rnnviz.io.model_formats.torch_files import read_characters

ENDINGS = (".npy", ".npz", ".csv", ".wav", ".txt")
_OF_SAMPLES = (".csv", ".wav")
"""The endings of files that can be samples of one batch."""
_RUNS_INPUT = "input"
"""The name of the sequence in the archive of a run, where it is time first."""
LENGTHS = "lengths"
"""The name of the lengths in an archive."""

Reader = Callable[[], NDArray[np.generic]]
"""Reads the numbers of an opened file; raises an InputError on damage."""


@dataclass(frozen=True)
class OpenSequence:
    """A sequence (T, N, I), not read yet: its lengths, and the names of features and of each sample's time steps."""

    shape: tuple[int, int, int]
    read: Reader
    lengths: tuple[int, ...] = ()
    features: Sequence[str] = ()
    symbols: tuple[Sequence[str], ...] = ()


def open_sequence(source: SequenceSource, features: int) -> OpenSequence:
    """The sequence in a source's file, for a network with `features` inputs; each of several files is a sample."""
    if source.paths is not None:
        return _samples(source, source.paths, features)
    path = Path(source.path or "")
    match path.suffix.lower():
        case ".npy":
            array = open_npy(path)
            return _arranged(array.shape, lambda: array, source.axes, str(path))
        case ".npz":
            return _archived(path, source)
        case ".csv":
            table, names = read_csv(path)
            return OpenSequence((len(table), 1, table.shape[1]), lambda: table[:, np.newaxis], features=names)
        case ".wav":
            return _sound(path, source.frame, features)
    raise InputError(
        f'{path} has the ending "{path.suffix}": a sequence must be an {", ".join(ENDINGS[:-1])} or {ENDINGS[-1]} file.'
    )


def _samples(source: SequenceSource, paths: Sequence[str], features: int) -> OpenSequence:
    """One sample from each file, padded with zeros."""
    opened: list[OpenSequence] = []
    for path in paths:
        if Path(path).suffix.lower() not in _OF_SAMPLES:
            raise InputError(
                f'{path} has the ending "{Path(path).suffix}": the files of sequence.paths must be '
                f"{' or '.join(_OF_SAMPLES)} files."
            )
        opened.append(open_sequence(replace(source, path=path, paths=None), features))
        found, first = opened[-1].shape[2], opened[0].shape[2]
        if found != first:
            raise InputError(
                f"{path} has {plural(found, 'feature')}, but {paths[0]} has {first}: all files of sequence.paths need "
                "the same number."
            )
    lengths = tuple(one.shape[0] for one in opened)
    shape = max(lengths), len(paths), opened[0].shape[2]
    return OpenSequence(
        shape, lambda: _padded((one.read()[:, 0] for one in opened), shape), lengths, opened[0].features
    )


def _padded(samples: Iterable[NDArray[np.generic]], shape: tuple[int, int, int]) -> FloatArray:
    """Samples, each (length, I), as (T, N, I) with zeros in the padding."""
    x = np.zeros(shape)
    for sample, values in enumerate(samples):
        x[: len(values), sample] = values
    return x


def _archived(path: Path, source: SequenceSource) -> OpenSequence:
    file, axes, name = NpzFile(path), source.axes, source.array
    of_a_run = file.headers.keys() >= {_RUNS_INPUT, "config"}
    if not file.headers:
        raise ConfigError("sequence.array", f"{path} contains no array.")
    if name is None and of_a_run:
        name = _RUNS_INPUT
    if name is None and len(arrays := [each for each in file.headers if each != LENGTHS]) == 1:
        name = arrays[0]
    with key_errors("sequence.array"):
        name = _chosen(name, file.headers, "sequence.array", path, len(file.headers))
    if of_a_run and name == _RUNS_INPUT:
        if axes == "NTI":
            raise ConfigError(
                "sequence.axes",
                f'sequence.axes = "NTI" is wrong for {path}: a run exports its input as (T, N, I), '
                f'so it must be "TNI", or left out.',
            )
        axes = "TNI"
    header = file.headers[name]
    check_numeric(header.dtype, f"{name} in {path}")
    opened = _arranged(header.shape, lambda: file.read(name), axes, f"{name} in {path}")
    if LENGTHS not in file.headers or name == LENGTHS:
        return opened
    return replace(opened, lengths=_as_lengths(file.read(LENGTHS), f"{LENGTHS} in {path}"))


def _chosen(name: str | None, known: Iterable[str], key: str, path: Path, count: int) -> str:
    """The name of one of the `known` arrays of a file that holds `count`; without a name the only one."""
    names = list(known)
    if name is None and count == 1:
        return names[0]
    if name is None:
        raise InputError(f"{path} holds {count} arrays, and {key} must name one of them: {listed(names)}.")
    if name not in names:
        raise InputError(f"{path} contains no array {display_value(name)}: {key} must be one of {listed(names)}.")
    return name


def _arranged(shape: tuple[int, ...], read: Reader, axes: str | None, name: str) -> OpenSequence:
    """An array of (T, I), or of three axes in the given order, as (T, N, I)."""
    if len(shape) not in (2, 3):
        first = "(T, N, I)" if axes == "TNI" else "(N, T, I)"
        raise InputError(f"{name} has the shape {shape}: a sequence must have the shape (T, I) or {first}.")
    if 0 in shape:
        raise InputError(f"{name} has the shape {shape}: every size must be at least 1.")
    if len(shape) == 2:
        return OpenSequence((shape[0], 1, shape[1]), lambda: read()[:, np.newaxis, :])
    if axes == "TNI":
        return OpenSequence((shape[0], shape[1], shape[2]), read)
    return OpenSequence((shape[1], shape[0], shape[2]), lambda: read().swapaxes(0, 1))


def _text_lines(path: Path) -> list[str]:
    """The lines of a text file. Not splitlines, which breaks at characters that a label or a token may hold."""
    text = read_plain_text(path)
    return text.removesuffix("\n").split("\n") if text else []


def read_labels(path: Path, timesteps: int, of: str = "the sequence") -> tuple[str, ...]:
    """Names of the time steps of a sequence that errors call `of`: a line for each, empty where there is none."""
    lines = _text_lines(path)
    if len(lines) != timesteps:
        has, needs = plural(len(lines), "line"), plural(timesteps, "time step")
        raise InputError(f"{path} has {has}, but {of} has {needs}: it needs one line for each.")
    return tuple(line.strip() for line in lines)


def read_lengths(path: Path) -> tuple[int, ...]:
    """The lengths of the samples from a .npy file of integers (N,), or from a text file with one a line."""
    if path.suffix.lower() == ".npy":
        return _as_lengths(open_npy(path), str(path))
    lines = read_plain_text(path).split()
    for line in lines:
        if not (line.isascii() and line.isdecimal() and len(line) < 19):
            raise InputError(f"{path} holds {display_value(line)}: lengths must be integers, one a line.")
    return tuple(map(int, lines))


def _as_lengths(array: NDArray[np.generic], name: str) -> tuple[int, ...]:
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(
            f"{name} holds {array.dtype} of the shape {array.shape}: lengths must be integers of the shape (N,)."
        )
    return tuple(map(int, array))


def _sound(path: Path, frame: int | None, features: int) -> OpenSequence:
    """Frames of this number of audio samples: feature s·C + c is sample s of channel c. Zeros fill the last one."""
    sound = open_wav(path)
    channels = sound.channels
    if frame is None and features % channels:
        raise ConfigError(
            "sequence.frame",
            f"{path} has {channels} channels, but network.input_size = {features} is not a multiple of {channels}: "
            f"it must be sequence.frame times {channels}.",
        )
    length = frame or features // channels
    timesteps = -(-sound.count // length)

    def read() -> NDArray[np.generic]:
        x = np.zeros((timesteps * length, channels), np.float64)
        x[: sound.count] = sound.read()
        return x.reshape(timesteps, 1, length * channels)

    return OpenSequence((timesteps, 1, length * channels), read)


_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_ENCODINGS = {(_PCM, bits) for bits in (8, 16, 24, 32)} | {(_FLOAT, bits) for bits in (32, 64)}
_FORMAT = struct.Struct("<HHIIHH")
# The rest of the identifier whose first two bytes are the format.
_GUID_REST = bytes.fromhex("000000001000800000aa00389b71")


@dataclass(frozen=True)
class Sound:
    """`count` samples of each of `channels`, all of which the file holds from byte `begin` on."""

    path: Path
    channels: int
    count: int
    encoding: int
    bits: int
    begin: int

    def read(self) -> FloatArray:
        """(S, C): integers scaled to [-1, 1), so that the most negative one is -1; floats as they are."""
        size = self.count * self.channels * self.bits // 8
        content = read_at(self.path, self.begin, size, ".wav", "its samples")
        if self.encoding == _FLOAT:
            numbers: FloatArray = np.frombuffer(content, f"<f{self.bits // 8}")
        elif self.bits == 8:
            # The only ones without a sign: silence is 128.
            numbers = (np.frombuffer(content, np.uint8) - 128.0) / 128.0
        elif self.bits == 24:
            wide = np.zeros((len(content) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
            numbers = wide.view("<i4")[:, 0] / 2.0**31
        else:
            numbers = np.frombuffer(content, f"<i{self.bits // 8}") / 2.0 ** (self.bits - 1)
        return numbers.reshape(self.count, self.channels)


def open_wav(path: Path) -> Sound:
    """The sound in a `.wav` file, from its headers alone: each part begins with four letters and its length."""
    check_regular(path)
    with reading(path, ".wav", (ValueError,)), path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(0)
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise ValueError("it has no RIFF header")
        described: tuple[int, int, int] | None = None
        while len(header := file.read(8)) == 8:
            name, size = header[:4], int.from_bytes(header[4:], "little")
            begin = file.tell()
            if begin + size > end:
                letters, left = ascii(name.decode("latin-1")), end - begin
                raise ValueError(f"its {letters} should have {size:,} bytes, and {left:,} are left")
            if name == b"fmt ":
                described = _described(file.read(min(size, 1 << 10)), path)
            elif name == b"data":
                if described is None:
                    raise ValueError("its samples come before their description")
                channels, encoding, bits = described
                samples, rest = divmod(size, channels * bits // 8)
                if rest:
                    raise ValueError(f"its samples end within one of them, {rest} bytes after the last whole one")
                if not samples:
                    raise InputError(f"{path} contains no samples: a sequence needs at least one.")
                return Sound(path, channels, samples, encoding, bits, begin)
            # Each begins at an even place.
            file.seek(begin + size + size % 2)
        raise ValueError("it has no samples")


def _described(content: bytes, path: Path) -> tuple[int, int, int]:
    if len(content) < _FORMAT.size:
        raise ValueError("the description of its samples is too short")
    encoding, channels, _, _, block, bits = _FORMAT.unpack_from(content)
    identifier = content[24:40]
    if encoding == _EXTENSIBLE and identifier[2:] == _GUID_REST:
        encoding = int.from_bytes(identifier[:2], "little")
    if (encoding, bits) not in _ENCODINGS:
        raise InputError(
            f"{path} holds samples of {bits} bits in the encoding {encoding:#06x}: they must be integers "
            f"of 8, 16, 24 or 32 bits, or floats of 32 or 64."
        )
    if channels < 1 or block != channels * bits // 8:
        raise ValueError(f"{channels} channels of {bits} bits do not make {block} bytes")
    return channels, encoding, bits


_COPIES = 3
"""The copies of a matrix in memory while it is read: bytes, numbers, and widened numbers."""


@dataclass(frozen=True)
class Embedding:
    """The matrix `name` of `shape` (V, I)."""

    name: str
    shape: tuple[int, int]
    read: Reader


def open_embedding(path: Path, name: str | None) -> Embedding:
    """The matrix `name` in an `.npz` or a model file, or the only array in one or in an `.npy` file."""
    if path.suffix.lower() == ".npy":
        array = open_npy(path)
        return Embedding(path.name, _matrix_shape(array.shape, array.dtype.name, str(path)), lambda: array)
    room = room_for_file(path)
    with within(path, room):
        file = open_tensors(path)
    matrices = [each for each, tensor in file.tensors.items() if len(tensor.shape) == 2 and tensor.dtype in DTYPES]
    known = file.tensors if name in file.tensors or (name is None and len(file.tensors) == 1) else matrices
    if not known:
        raise InputError(f"{path} contains no matrix of floats, which an embedding is.")
    chosen = _chosen(name, known, "sequence.embedding", path, len(file.tensors))
    tensor = file.tensors[chosen]
    shape = _matrix_shape(tensor.shape, tensor.dtype, f"{chosen} in {path}")

    def read() -> NDArray[np.generic]:
        with within(path, room + _COPIES * 8 * prod(shape)):
            return file.read(chosen)

    return Embedding(chosen, shape, read)


def open_array(path: Path, name: str, key: str) -> tuple[tuple[int, ...], Reader]:
    """The shape and the reader of an array of floats by name, in an `.npz` or a model file; errors name the `key`."""
    room = room_for_file(path)
    with within(path, room):
        file = open_tensors(path)
    tensor = file.tensors[_chosen(name, file.tensors, key, path, len(file.tensors))]
    if tensor.dtype not in DTYPES:
        raise InputError(f"{name} in {path} holds values of the type {tensor.dtype}: it must be {listed(DTYPES)}.")

    def read() -> NDArray[np.generic]:
        with within(path, room + _COPIES * 8 * prod(tensor.shape)):
            return file.read(name)

    return tensor.shape, read


def _matrix_shape(shape: tuple[int, ...], dtype: str, name: str) -> tuple[int, int]:
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
        return max(self.places.values()) + 1

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens by index, empty where an index has none."""
        tokens = [""] * self.size
        for token, place in self.places.items():
            tokens[place] = token
        return tuple(tokens)

    def indices(self, symbols: Sequence[str], unknown: str | None, key: str, text: str) -> NDArray[np.intp]:
        """(T,): the index of each symbol, or of the token `unknown`; `text` names the text in an error about `key`."""
        if unknown is not None and unknown not in self.places:
            raise ConfigError(
                "sequence.unknown",
                f"sequence.unknown = {display_value(unknown)} is not allowed: {self.path} does not hold it.",
            )
        other = None if unknown is None else self.places[unknown]
        found = [self.places.get(symbol, other) for symbol in symbols]
        if None in found:
            timestep = found.index(None)
            raise ConfigError(
                key,
                f"{text} has {display_value(symbols[timestep])} at t = {timestep}, which {self.path} lacks: "
                f"set sequence.unknown to a token that replaces it.",
            )
        return np.array(found, np.intp)


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary in JSON of {token: index}, a text with a token in each line, or a character model's metadata.

    White space belongs to a token, but for the end of its line.
    """
    ending = path.suffix.lower()
    if ending == ".safetensors":
        return Vocabulary(path, {token: place for place, token in enumerate(read_characters(path))})
    places = _tokens_in_json(path) if ending == ".json" else _tokens_in_lines(path)
    if not places:
        raise InputError(f"{path} contains no token: a vocabulary needs at least one.")
    return Vocabulary(path, places)


def _tokens_in_lines(path: Path) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, token in enumerate(_text_lines(path)):
        if not token:
            raise InputError(f"{path}, line {place + 1} is empty: each line must hold a token.")
        if token in places:
            raise InputError(
                f"{path} holds {display_value(token)} twice, in lines {places[token] + 1} and {place + 1}."
            )
        places[token] = place
    return places


def _tokens_in_json(path: Path) -> dict[str, int]:
    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        for name, _ in pairs if len(members) < len(pairs) else ():
            if [own for own, _ in pairs].count(name) > 1:
                raise InputError(f"{path} holds {display_value(name)} twice.")
        return members

    try:
        places = json.loads(read_plain_text(path), object_pairs_hook=distinct)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a valid JSON file: {str(error).rstrip('.')}.") from error
    if not isinstance(places, dict):
        raise InputError(f"{path} is not a vocabulary: it must hold {{token: index}}.")
    owners: dict[int, str] = {}
    for token, place in places.items():
        if type(place) is not int or not 0 <= place <= LARGEST_SIZE:
            raise InputError(
                f"{path} gives {display_value(token)} the index {display_value(place)}: it must be a whole "
                "number of at least 0."
            )
        if owners.setdefault(place, token) != token:
            raise InputError(
                f"{path} gives {display_value(owners[place])} and {display_value(token)} the same index, {place}."
            )
    return places


def open_text(config: Config) -> OpenSequence:
    """The texts of a file or a config: a single one in each row, or rows of the embedding; shorter ones are padded."""
    source, key = config.sequence, "sequence.text" if config.sequence.texts is None else "sequence.texts"
    symbols, named = source.symbols, key
    if source.is_text_file:
        key = "sequence.path"
        named = str(source.path)
        with key_errors(key):
            symbols = source.symbols_of(_text_lines(Path(named)) or [""])
            if not all(symbols):
                line = next(line for line, own in enumerate(symbols, 1) if not own)
                raise InputError(f"{named}, line {line} is empty: each line must hold a text.")
    lengths = tuple(map(len, symbols)) if source.brings_lengths else ()
    if source.vocabulary is None:
        features: Sequence[str] = alphabet(symbols)
        size, places = len(features), [indices(own, features) for own in symbols]
    else:
        with key_errors("sequence.vocabulary"):
            vocabulary = read_vocabulary(Path(source.vocabulary))
        each = [f"sample {sample} of {named}" if source.brings_lengths else named for sample in range(len(symbols))]
        places = [vocabulary.indices(own, source.unknown, key, text) for own, text in zip(symbols, each, strict=True)]
        if source.embedded:
            return replace(_embedded(places, vocabulary, config), lengths=lengths, symbols=symbols)
        features, size = vocabulary.tokens, vocabulary.size
        if size != len(vocabulary.places):
            raise ConfigError(
                "sequence.vocabulary",
                f"{vocabulary.path} has {len(vocabulary.places):,} tokens and the index {size - 1:,}: without an "
                "embedding each index up to the largest must have its token.",
            )
    shape = max(map(len, symbols)), len(symbols), size
    return OpenSequence(shape, lambda: one_hot(places, size, config.network.dtype), lengths, features, symbols)


def _embedded(places: Sequence[NDArray[np.intp]], vocabulary: Vocabulary, config: Config) -> OpenSequence:
    source = config.sequence
    key = "sequence.embedding" if source.embedding_path is None else "sequence.embedding_path"
    with key_errors(key):
        embedding = open_embedding(Path(source.embedding_path or config.parameters.path or ""), source.embedding)
    rows, features = embedding.shape
    if vocabulary.size > rows:
        raise ConfigError(
            "sequence.vocabulary",
            f"{vocabulary.path} has the index {vocabulary.size - 1:,}, but {embedding.name} has the shape "
            f"{embedding.shape}: it must have a row for each index.",
        )
    shape = max(map(len, places)), len(places), features

    def read() -> NDArray[np.generic]:
        with key_errors(key):
            matrix = embedding.read()
        return _padded((matrix[own] for own in places), shape)

    return OpenSequence(shape, read)
