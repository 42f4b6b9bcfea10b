"""The arrays of an `.npz` file: found by its directory alone, and copied piece by piece; nothing is unpickled."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from rnnviz.model.arrays import FloatArray
from rnnviz.model.errors import InputError
from rnnviz.model.npy_header import DAMAGE, NpyHeader, read_npy_header

_PIECE_BYTES = 1 << 20
_ENDING = ".npy"
_LONGEST_REASON = 200
"""What a library says may hold as much of the file as it took for a name."""


class Archive:
    """An `.npz` file. Opening it reads its directory; a number is read when it is asked for.

    Every method raises an InputError if the file cannot be read or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as archive:
            self.names = tuple(n.removesuffix(_ENDING) for n in archive.namelist() if n.endswith(_ENDING))

    def header(self, name: str) -> NpyHeader:
        """The shape and the type of one array."""
        with self._member(name) as (_, header):
            return header

    def pieces(self, name: str) -> Iterator[tuple[int, FloatArray]]:
        """An array of numbers, flat, in the order of the file: the place of each piece's first number, and the piece.

        The file's checksum has been looked at once the last piece is taken.
        """
        with self._member(name) as (file, header):
            place, rest = 0, header.size - header.begin
            while rest:
                content = file.read(min(rest, _PIECE_BYTES))
                if len(content) < min(rest, _PIECE_BYTES):
                    raise EOFError(f"{name} is shorter than it says")
                rest -= len(content)
                piece = np.frombuffer(content, header.dtype)
                if not rest and file.read(1):
                    raise ValueError(f"{name} is longer than it says")
                yield place, piece
                place += piece.size

    @contextmanager
    def _member(self, name: str) -> Iterator[tuple[IO[bytes], NpyHeader]]:
        """One array's file, read to where its numbers begin."""
        with self._opened() as archive, archive.open(f"{name}{_ENDING}") as file:
            yield file, read_npy_header(file, archive.getinfo(f"{name}{_ENDING}").file_size)

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        except MemoryError as error:
            raise InputError(f"{self.path} asks for more memory than there is: it is too large, or damaged.") from error
        except DAMAGE as error:
            why = " ".join(str(error)[:_LONGEST_REASON].split()).rstrip(".") or type(error).__name__
            raise InputError(f"{self.path} is no .npz file, or a damaged one: {why}.") from error
