"""Files of recorded outputs as arrays by name: archives, single arrays, tables of numbers, folders in which another
program left its arrays, and sessions with a recording. Headers are known before numbers are read."""

import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.bounded_read import LARGEST_TEXT, ZIP_DAMAGE, read_plain_text, reading
from rnnviz.core.csv_table import read_csv, rows
from rnnviz.core.engine_spec import RECORDING, RecordingName, display_name, recording_name
from rnnviz.core.errors import InputError, check_regular
from rnnviz.core.head import HEAD
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.npz import NpyHeader, NpzFile, check_numeric, open_npy
from rnnviz.core.schema import display_value, listed
from rnnviz.frozen import dataclass

_PIECE_VALUES, _PIECE_ROWS = 1 << 18, 1 << 14
SESSION = ".rnnviz"
_MOST_PADDING = 1000
"""Values of an array for each row of a table: padding has no rows."""
_PLACE = ("layer", "direction", "timestep", "sample", "unit")
_DIRECTIONS = {"forward": 0, "backward": 1}
_BY_NAME = ("state", "Y_h", HEAD)
"""Arrays of up to three axes that are known by the name of their file."""
_RECOMPUTED = "recomputed."
_PORT = "port.txt"
_SIZES = "sizes.txt"
_RECORDED_IN_SESSION = re.compile(rf'"{RECORDING}([^"#\\]+)(?:#([^"\\]*))?"')


class ArrayFile(Protocol):
    """Arrays by name, which are read piece by piece; see `NpzFile`."""

    path: Path
    headers: dict[str, NpyHeader]
    without_axes: bool
    """Whether the file has numbers (K,) alone, row-major, so that their count decides whether an array fits."""

    def pieces(self, name: str) -> Iterator[tuple[int, FloatArray]]:
        """Pieces (K,) in the order of the file."""

    def read(self, name: str) -> FloatArray:
        """The array of the header's shape."""

    def text(self, name: str) -> str:
        """The short text that an array without axes holds, else ""."""


class LoadedArrays:
    """Arrays in memory or mapped, of the file or folder `path`."""

    def __init__(self, path: Path, arrays: Mapping[str, NDArray[Any]], *, without_axes: bool = False) -> None:
        self.path, self._arrays, self.without_axes = path, arrays, without_axes
        self.headers = {
            name: NpyHeader(array.shape, not array.flags.c_contiguous, array.dtype, 0) for name, array in arrays.items()
        }

    def pieces(self, name: str) -> Iterator[tuple[int, FloatArray]]:
        """Pieces (K,); raises an InputError if they are not real numbers."""
        array = self.read(name)
        flat = (array.T if self.headers[name].fortran else array).reshape(-1)
        for place in range(0, flat.size, _PIECE_VALUES):
            yield place, flat[place : place + _PIECE_VALUES]

    def read(self, name: str) -> FloatArray:
        """The array itself; raises an InputError if it does not hold real numbers."""
        check_numeric(self.headers[name].dtype, f"{name} in {self.path}")
        return self._arrays[name]

    def text(self, name: str) -> str:
        """The text of an array without axes, else ""."""
        array = self._arrays[name]
        return str(array[()]) if array.dtype.kind == "U" and not array.shape else ""


def open_arrays(asked: RecordingName, dtype: str = "float32") -> tuple[ArrayFile, str]:
    """The arrays in the file or folder of a recording's name, and the engine whose arrays are meant, "" if the name
    does not say. `dtype` is that of numbers without a type. Raises an InputError if the file is damaged."""
    path = Path(asked.path)
    if os.path.isdir(path):
        return _folder(path, np.dtype(dtype)), asked.engine
    match path.suffix.lower():
        case ".npy":
            return LoadedArrays(path, {_name_of(path, array := open_npy(path)): array}), asked.engine
        case ".csv":
            return LoadedArrays(path, _table(path, np.dtype(dtype))), asked.engine
        case _ if path.suffix.lower() == SESSION:
            return _in_session(path, asked, dtype)
    return NpzFile(path), asked.engine


def _name_of(path: Path, array: NDArray[Any]) -> str:
    """The name of the only array of a file, by its axes, or for a state by the name of the file."""
    by_axes = {5: "hidden", 4: "Y"}.get(array.ndim, "output")
    return path.stem if by_axes == "output" and path.stem in _BY_NAME else by_axes


def _table(path: Path, dtype: np.dtype[Any]) -> dict[str, NDArray[Any]]:
    """The arrays of a table that a run exported; or the time steps of one sample (T, D·H), as output."""
    _, header, _ = next(rows(path), (0, [], ""))
    if tuple(header[: len(_PLACE)]) != _PLACE:
        table, _ = read_csv(path)
        return {path.stem if path.stem in _BY_NAME else "output": table.astype(dtype)}
    further = header.index("abs_error") if "abs_error" in header else len(header)
    engines = header[len(_PLACE) : further]
    columns = {name: place for place, name in enumerate(header) if place >= len(_PLACE) and _is_recorded(name, engines)}
    indices, values = _numbers(path, len(header), [*columns.values()])
    shape = [int(axis.max(initial=-1)) + 1 for axis in indices]
    found = {}
    for name, numbers in zip(columns, values, strict=True):
        # A row is missing in padding alone, or its value is NaN.
        array = np.full(shape, np.nan, dtype)
        lengths = np.zeros(shape[3], np.intp)
        np.maximum.at(lengths, indices[3], indices[2] + 1)
        array[:, :, np.arange(shape[2])[:, None] >= lengths] = 0.0
        array[tuple(indices)] = numbers
        found[f"{name}.hidden" if name in engines else name] = array
    return found


def _is_recorded(name: str, engines: list[str]) -> bool:
    """Whether a column has values that an engine returned, and not those that were recomputed."""
    owner = next((engine for engine in engines if name.startswith(f"{engine}.")), "")
    return name in engines or (owner != "" and not name.removeprefix(f"{owner}.").startswith(_RECOMPUTED))


def _numbers(path: Path, width: int, columns: list[int]) -> tuple[NDArray[np.intp], FloatArray]:
    """(5, R) indices (layer, direction, t, sample, unit) and (C, R) values of the rows of a table."""
    indices: list[NDArray[np.intp]] = [np.empty((len(_PLACE), 0), np.intp)]
    values: list[FloatArray] = [np.empty((len(columns), 0))]
    table = islice(rows(path), 1, None)
    while block := list(islice(table, _PIECE_ROWS)):
        for line, row, _ in block:
            if len(row) != width:
                raise InputError(f"{path}, line {line} has {len(row)} values, expected {width} as in the first row.")
        try:
            cells = list(zip(*(row for _, row, _ in block), strict=True))
            direction = [_DIRECTIONS[cell] for cell in cells[1]]
            place = [cells[0], direction, *cells[2 : len(_PLACE)]]
            indices.append(np.array([np.array(axis, dtype=np.intp) for axis in place]))
            values.append(np.array([[float(cell or "nan") for cell in cells[column]] for column in columns]))
        except (ValueError, KeyError, OverflowError):
            first, last = block[0][0], block[-1][0]
            raise InputError(
                f"{path}, lines {first} to {last}: a cell is not a number, or a direction is neither forward nor "
                "backward: export the table again with rnnviz run --csv."
            ) from None
    found, numbers = np.concatenate(indices, axis=1), np.concatenate(values, axis=1)
    size = prod(int(axis.max(initial=-1)) + 1 for axis in found)
    if found.min(initial=0) < 0 or size > max(_MOST_PADDING * found.shape[1], _PIECE_VALUES):
        raise InputError(f"{path} has indices that no run has: export the table again with rnnviz run --csv.")
    return found, numbers


def _folder(path: Path, dtype: np.dtype[Any]) -> LoadedArrays:
    """Arrays (K,) of `NAME.bin`, little-endian numbers of the given type, and of `NAME.txt`, numbers between blanks;
    `port.txt` has a key and a value in each line, such as computed_in float32."""
    found: dict[str, NDArray[Any]] = {}
    with reading(path):
        names = sorted(os.listdir(path))
    readers: dict[str, Callable[[Path, np.dtype[Any]], NDArray[Any]]] = {".bin": _binary, ".txt": _text_numbers}
    for name in names:
        file = path / name
        reader = readers.get(file.suffix)
        if reader is None or name in (_PORT, _SIZES) or name.startswith("."):
            continue
        if file.stem in found:
            raise InputError(f"{path} holds {file.stem} twice, as .bin and .txt: remove one of them.")
        found[file.stem] = reader(file, dtype)
    if _PORT in names:
        pairs = (line.split(maxsplit=1) for line in read_plain_text(path / _PORT).splitlines())
        found |= {pair[0]: np.array(pair[1].strip()) for pair in pairs if len(pair) == 2 and pair[0] == "computed_in"}
    return LoadedArrays(path, found, without_axes=True)


def _binary(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    check_regular(path)
    with reading(path):
        size = path.stat().st_size
        if size % dtype.itemsize:
            raise InputError(f"{path} has {size:,} bytes, expected numbers of {dtype.itemsize} bytes, as {dtype}.")
        return np.memmap(path, dtype.newbyteorder("<"), "r") if size else np.empty(0, dtype)


def _text_numbers(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    words = read_plain_text(path).split()
    try:
        return np.array(list(map(float, words))).astype(dtype)
    except ValueError:
        wrong = next(word for word in words if not _is_number(word))
        raise InputError(f"{path} holds {display_value(wrong)}, expected numbers between blanks.") from None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class _SessionRecording:
    """A recording that the config of a session names, by the path there, and its engine, "" for the only one."""

    path: str
    engine: str

    @property
    def name(self) -> str:
        """The name by which it is chosen."""
        return display_name(str(RecordingName(self.path, self.engine)))


def recordings_in_session(path: Path) -> tuple[str, ...]:
    """The recordings of a session, by the names after # that choose one of several; () of another file. Raises an
    InputError if a session holds none."""
    found = _session_recordings(path)[0] if path.suffix.lower() == SESSION else []
    return tuple(one.name for one in found) if len(found) > 1 else ()


def _session_recordings(path: Path) -> tuple[list[_SessionRecording], frozenset[str]]:
    """The recordings that the config in a session names, and the names of the copies in it."""
    check_regular(path)
    with reading(path, "session", (*ZIP_DAMAGE, KeyError)), zipfile.ZipFile(path) as archive:
        copies = frozenset(i.filename for i in archive.infolist() if i.compress_type == zipfile.ZIP_STORED)
        with archive.open("config.toml") as file:
            text = file.read(LARGEST_TEXT).decode("utf-8")
    found = [_SessionRecording(*match) for match in dict.fromkeys(_RECORDED_IN_SESSION.findall(text))]
    if not found:
        raise InputError(
            f"{path} holds no recorded outputs: a capture does, and a session in which they were compared. Export the "
            "arrays of its run with rnnviz run --npz."
        )
    return found, copies


def _in_session(path: Path, asked: RecordingName, dtype: str) -> tuple[ArrayFile, str]:
    found, copies = _session_recordings(path)
    chosen = [one for one in found if asked.engine == one.name] or (found if len(found) == 1 else [])
    if not chosen:
        raise InputError(
            f"{path} holds {len(found)} recordings: name one of them after #, {listed([one.name for one in found])}."
        )
    (one,) = chosen
    engine = one.engine if asked.engine in ("", one.name) else asked.engine
    if one.path in copies and one.path.lower().endswith(".npz"):
        return NpzFile(path, one.path), engine
    outside = path.parent / one.path
    if one.path in copies or not outside.exists() or outside.suffix.lower() == path.suffix.lower():
        raise InputError(f"{path} names the recording {one.path}, which cannot be read from it: name its own file.")
    return open_arrays(recording_name(f"{RECORDING}{outside}")._replace(engine=engine), dtype)
