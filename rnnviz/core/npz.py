"""Arrays of an `.npy` or `.npz` file: known from their headers, read one by one, never unpickled."""

import tokenize
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from rnnviz.core.bounded_read import ZIP_DAMAGE, reading
from rnnviz.core.errors import InputError, check_regular
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.progress import advance
from rnnviz.frozen import dataclass

DAMAGE = (*ZIP_DAMAGE, TypeError, KeyError, SyntaxError, tokenize.TokenError)
"""Exceptions of NumPy and zipfile for invalid content."""

_NUMERIC = "biuf"
_LONGEST = 10_000
"""Bytes of a header that numpy reads, too; it would hold all of a longer one before it refuses it."""


@dataclass(frozen=True)
class NpyHeader:
    """The shape, the order and the type of an array, and the byte at which its numbers begin."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    begin: int

    @property
    def size(self) -> int:
        """Number of bytes that the file of an array must have."""
        return self.begin + prod(self.shape) * self.dtype.itemsize


def read_npy_header(file: IO[bytes], size: int, *, whole: bool = True) -> NpyHeader:
    """The header of an `.npy` file of `size` bytes, which the array must fill or, if not `whole`, fit."""
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    readers = {(1, 0): (2, np.lib.format.read_array_header_1_0), (2, 0): (4, np.lib.format.read_array_header_2_0)}
    if version not in readers:
        raise ValueError(f"its format has the version {version}")
    width, read = readers[version]
    length = file.read(width)
    count = int.from_bytes(length, "little")
    if count > _LONGEST:
        raise ValueError(f"an array has a header of {count} bytes")
    text = length + file.read(count)
    shape, fortran, dtype = read(BytesIO(text))  # type: ignore[no-untyped-call]
    header = NpyHeader(shape, fortran, dtype, np.lib.format.MAGIC_LEN + len(text))
    fits = header.size == size or (header.size < size and not whole)
    if dtype.kind in _NUMERIC and (any(length < 0 for length in shape) or not fits):
        raise ValueError(f"an array of the shape {shape} would have {header.size} bytes and has {size}")
    return header


def check_numeric(dtype: np.dtype[Any], name: str) -> None:
    """Raises an InputError about `name` if a type is not one of real numbers."""
    if dtype.hasobject:
        raise InputError(f"{name} holds Python objects, which are never unpickled: it must hold numbers.")
    if dtype.kind not in _NUMERIC:
        raise InputError(f"{name} holds values of the type {dtype}: they must be real numbers.")


_ENDING, _ZIP = ".npy", b"PK\x03\x04"
_PIECE_BYTES = 1 << 20
_WORD_BYTES = 256


def open_npy(path: Path) -> FloatArray:
    """The real numbers of an `.npy` file of the file's shape and type, mapped; bytes after them are ignored."""
    check_regular(path)
    with reading(path, ".npy", DAMAGE), path.open("rb") as file:
        if file.read(len(_ZIP)) == _ZIP:
            raise ValueError("it is an archive of several arrays")
        file.seek(0)
        header = read_npy_header(file, path.stat().st_size, whole=False)
        check_numeric(header.dtype, str(path))
    order: Any = "F" if header.fortran else "C"
    return np.memmap(path, header.dtype, "r", header.begin, header.shape, order)


class NpzFile:
    """An `.npz` file. Opening it reads the header of each array, which must be as long as it says, and no number.
    `copy` is its name in the session `path` that has an uncompressed copy of it; "" for a file itself."""

    without_axes = False
    """Arrays have their shapes; see `recording_files.ArrayFile`."""

    def __init__(self, path: Path, copy: str = "") -> None:
        """Raises an InputError if the file is missing, no `.npz` file, or damaged."""
        check_regular(path)
        self.path = path
        self._copy = copy
        self.headers: dict[str, NpyHeader] = {}
        with self._reading(), self._opened() as file:
            if file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX:
                raise ValueError("it holds a single array")
            with zipfile.ZipFile(file) as archive:
                for info in archive.infolist():
                    if info.filename.endswith(_ENDING):
                        with archive.open(info) as member:
                            header = read_npy_header(member, info.file_size)
                        self.headers[info.filename.removesuffix(_ENDING)] = header

    def pieces(self, name: str) -> Iterator[tuple[int, FloatArray]]:
        """Pieces (K,) in the order of the file. Raises InputError if not real numbers, or the checksum differs."""
        header = self.headers[name]
        check_numeric(header.dtype, f"{name} in {self.path}")
        with self._member(name) as (file, size):
            if read_npy_header(file, size) != header:
                raise InputError(f"{self.path} changed while it was read: open it again.")
            place, rest = 0, header.size - header.begin
            while rest:
                content = file.read(min(rest, _PIECE_BYTES))
                if len(content) < min(rest, _PIECE_BYTES):
                    raise EOFError(f"{name} is shorter than it says")
                rest -= len(content)
                piece = np.frombuffer(content, header.dtype)
                yield place, piece
                place += piece.size
            # The checksum is looked at where a file ends.
            if file.read(1):
                raise ValueError(f"{name} is longer than it says")

    def read(self, name: str) -> FloatArray:
        """The array of the header's shape in its own type; it reports `progress`, and raises InputError as `pieces`."""
        header = self.headers[name]
        check_numeric(header.dtype, f"{name} in {self.path}")
        with self._reading():
            numbers = np.empty(prod(header.shape), header.dtype)
        for place, piece in self.pieces(name):
            numbers[place : place + piece.size] = piece
            advance(piece.nbytes)
        return numbers.reshape(header.shape, order="F" if header.fortran else "C")

    def text(self, name: str) -> str:
        """The short text that an array without axes holds, else "". Raises InputError if the file is damaged."""
        header = self.headers[name]
        if header.dtype.kind != "U" or header.shape or header.dtype.itemsize > _WORD_BYTES:
            return ""
        with self._member(name) as (file, _):
            content = file.read(header.begin + header.dtype.itemsize)[header.begin :]
            # numpy raises a SystemError for four bytes that are not a valid character.
            return content.decode("utf-32-be" if header.dtype.str[0] == ">" else "utf-32-le", "replace").rstrip("\0")

    def _reading(self) -> AbstractContextManager[None]:
        return reading(self.path, ".npz", DAMAGE)

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        with self.path.open("rb") as file:
            if not self._copy:
                yield file
                return
            with zipfile.ZipFile(file) as session, session.open(self._copy) as copy:
                yield copy

    @contextmanager
    def _member(self, name: str) -> Iterator[tuple[IO[bytes], int]]:
        with self._reading(), self._opened() as opened, zipfile.ZipFile(opened) as archive:
            info = archive.getinfo(f"{name}{_ENDING}")
            with archive.open(info) as file:
                yield file, info.file_size


def read_npz(
    path: Path, prefix: str = "", check: Callable[[Mapping[str, tuple[int, ...]]], None] = lambda shapes: None
) -> dict[str, FloatArray]:
    """The arrays (of the file's shapes) whose names begin with `prefix`, without it, or all; integers as float64.

    `check` gets the shapes before a number is read. Raises InputError if the file is damaged or holds no numbers.
    """
    if path.suffix.lower() != ".npz":
        raise InputError(f'{path} has the ending "{path.suffix}": it must be an .npz file.')
    file = NpzFile(path)
    names = [name for name in file.headers if name.startswith(prefix)] or list(file.headers)
    stored = {name.removeprefix(prefix): name for name in names}
    check({name: file.headers[whole].shape for name, whole in stored.items()})
    arrays = {name: file.read(whole) for name, whole in stored.items()}
    return {name: array if array.dtype.kind == "f" else array.astype(np.float64) for name, array in arrays.items()}
