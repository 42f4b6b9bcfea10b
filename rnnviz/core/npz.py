"""Arrays of an `.npy` or `.npz` file: known from their headers, read one by one, never unpickled."""

import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np

from rnnviz.core.errors import InputError, check_regular, damaged
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.progress import advance
from rnnviz.core.words import unreadable
from rnnviz.frozen import dataclass

ZIP_DAMAGE = (BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OverflowError, RuntimeError, ValueError)
"""Besides an OSError. A member that is encrypted, or packed in an unknown way, is a RuntimeError."""


DAMAGE = (*ZIP_DAMAGE, TypeError, KeyError, SyntaxError, tokenize.TokenError)
"""Exceptions of NumPy and zipfile for invalid content."""

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
    def numeric(self) -> bool:
        """Whether the values are real numbers, not texts, records or pickled objects."""
        return self.dtype.kind in "biuf"

    @property
    def size(self) -> int:
        """Number of bytes that the file of an array must have."""
        return self.begin + prod(self.shape) * self.dtype.itemsize


def read_npy_header(file: IO[bytes], size: int) -> NpyHeader:
    """The header of an `.npy` file, or a ValueError if NumPy does not write it or the array does not fill the file."""
    header = _parse_npy_header(file)
    if header.numeric and (any(length < 0 for length in header.shape) or header.size != size):
        raise ValueError(f"an array of the shape {header.shape} would have {header.size} bytes and has {size}")
    return header


def _parse_npy_header(file: IO[bytes]) -> NpyHeader:
    """The header at the beginning of an `.npy` file, whatever follows it; a ValueError if NumPy does not write it."""
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
    return NpyHeader(shape, fortran, dtype, np.lib.format.MAGIC_LEN + len(text))


def check_npy_size(file: IO[bytes], size: int) -> None:
    """Raises ValueError if an `.npy` array would have more bytes than the file; NumPy judges everything else."""
    try:
        needed = _parse_npy_header(file).size
    except ValueError:
        return
    if needed > size:
        raise ValueError(f"an array would have {needed} bytes and has {size}")


def check_numeric(dtype: np.dtype[Any], name: str) -> None:
    """Refuse a dtype other than real numbers. Raises InputError if the type is not one of real numbers."""
    if dtype.hasobject:
        raise InputError(f"{name} holds Python objects, which are never unpickled: it must hold numbers.")
    if dtype.kind not in "fiub":
        raise InputError(f"{name} holds values of the type {dtype}: they must be real numbers.")


_ENDING = ".npy"
_NPY = b"\x93NUMPY"
_PIECE_BYTES = 1 << 20
_WORD_BYTES = 256


class NpzFile:
    """An `.npz` file. Opening it reads the header of each array, which must be as long as it says, and no number."""

    def __init__(self, path: Path) -> None:
        """Raises an InputError if the file is missing, no `.npz` file, or damaged."""
        check_regular(path)
        self.path = path
        self.headers: dict[str, NpyHeader] = {}
        with self._opened() as archive:
            for info in archive.infolist():
                if info.filename.endswith(_ENDING):
                    with archive.open(info) as member:
                        header = read_npy_header(member, info.file_size)
                    self.headers[info.filename.removesuffix(_ENDING)] = header

    def pieces(self, name: str) -> Iterator[tuple[int, FloatArray]]:
        """Pieces (K,) in the order of the file. Raises InputError if not real numbers, or the checksum differs."""
        header = self._of_numbers(name)
        with self._opened() as archive, archive.open(f"{name}{_ENDING}") as file:
            if read_npy_header(file, archive.getinfo(f"{name}{_ENDING}").file_size) != header:
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
        header = self._of_numbers(name)
        with self._explained_errors():
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
        with self._opened() as archive, archive.open(f"{name}{_ENDING}") as file:
            content = file.read(header.begin + header.dtype.itemsize)[header.begin :]
            # numpy raises a SystemError for four bytes that are not a valid character.
            return content.decode("utf-32-be" if header.dtype.str[0] == ">" else "utf-32-le", "replace").rstrip("\0")

    def _of_numbers(self, name: str) -> NpyHeader:
        header = self.headers[name]
        check_numeric(header.dtype, f"{name} in {self.path}")
        return header

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        with self._explained_errors(), zipfile.ZipFile(self.path) as archive:
            yield archive

    @contextmanager
    def _explained_errors(self) -> Iterator[None]:
        """Raise errors of reading as an InputError with one sentence."""
        try:
            yield
        except InputError:
            raise
        except OSError as error:
            raise unreadable(self.path, error) from error
        except MemoryError as error:
            raise InputError(f"{self.path} needs more memory than is available: it is too large or corrupt.") from error
        except DAMAGE as error:
            if _is_single(self.path):
                raise InputError(f"{self.path} is not a valid .npz file: it holds a single array.") from error
            raise damaged(self.path, ".npz", str(error) or type(error).__name__) from error


def read_npz(
    path: Path, prefix: str = "", check: Callable[[Mapping[str, tuple[int, ...]]], None] = lambda shapes: None
) -> dict[str, FloatArray]:
    """Read the arrays of an `.npz` file.

    Returns dict of str to ndarray: arrays of the file's shapes, floating; integers as float64. Raises InputError if the
    file is missing, does not end with `.npz`, is damaged, or an array is not numeric.
    """
    if path.suffix.lower() != ".npz":
        raise InputError(f'{path} has the ending "{path.suffix}": it must be an .npz file.')
    file = NpzFile(path)
    stored = {name.removeprefix(prefix): name for name in _under(prefix, file.headers)}
    check({name: file.headers[whole].shape for name, whole in stored.items()})
    arrays = {name: file.read(whole) for name, whole in stored.items()}
    return {name: array if array.dtype.kind == "f" else array.astype(np.float64) for name, array in arrays.items()}


def _under(prefix: str, names: Iterable[str]) -> list[str]:
    """The names that begin with `prefix`, or all if none does."""
    every = list(names)
    return [name for name in every if name.startswith(prefix)] or every


def _is_single(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_NPY)) == _NPY
    except OSError:
        return False
