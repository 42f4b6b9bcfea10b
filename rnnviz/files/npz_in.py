"""The arrays of an `.npz` file: known from their headers, and read one by one; nothing is ever unpickled."""

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rnnviz.files.pieces import read_pieces
from rnnviz.model.arrays import FloatArray
from rnnviz.model.errors import InputError
from rnnviz.model.npy_header import DAMAGE, NpyHeader, read_npy_header

_ENDING = ".npy"
_NPY = b"\x93NUMPY"


class NpzFile:
    """An `.npz` file. Opening it reads the header of each array, which must be as long as it says, and no number."""

    def __init__(self, path: Path) -> None:
        """Raises an InputError if the file is missing, no `.npz` file, or damaged."""
        self._path = path
        self.headers: dict[str, NpyHeader] = {}
        with self._opened() as archive:
            for info in archive.infolist():
                if info.filename.endswith(_ENDING):
                    with archive.open(info) as member:
                        header = read_npy_header(member, info.file_size)
                    self.headers[info.filename.removesuffix(_ENDING)] = header

    def read(self, name: str) -> FloatArray:
        """The numbers of one of the arrays; whole numbers as float64.

        Raises
        ------
        InputError
            If the array holds no real numbers, or does not hold what its checksum says.
        """
        header = self.headers[name]
        check_numeric(header.dtype, f"{name} in {self._path}")
        with self._opened() as archive, archive.open(f"{name}{_ENDING}") as file:
            file.read(header.begin)
            content = read_pieces(file, header.size - header.begin)
            # The checksum is looked at where a file ends.
            if len(content) != header.size - header.begin or file.read(1):
                raise ValueError(f"{name} is longer or shorter than it says")
            array = np.frombuffer(content, header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
            return array if header.dtype.kind == "f" else array.astype(np.float64)

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self._path) as archive:
                yield archive
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {error.strerror or error}.") from error
        except MemoryError as error:
            raise InputError(
                f"{self._path} asks for more memory than there is: it is too large, or damaged."
            ) from error
        except DAMAGE as error:
            if _is_single(self._path):
                raise InputError(f"{self._path} is no .npz file: it holds a single array.") from error
            raise InputError(
                f"{self._path} is no .npz file, or a damaged one: its content is not what numpy writes."
            ) from error


def read_npz(
    path: Path, prefix: str = "", check: Callable[[Mapping[str, tuple[int, ...]]], None] = lambda shapes: None
) -> dict[str, FloatArray]:
    """The arrays of an `.npz` file by name.

    In a file that holds names under `prefix`, as a run's own archive does, only those are read, without it.
    `check` gets their shapes before any number is read, and raises an InputError where they do not fit.

    Raises
    ------
    InputError
        If the file is missing or no `.npz` file, or an array in it is not numeric.
    """
    check_ending(path)
    file = NpzFile(path)
    stored = {name.removeprefix(prefix): name for name in under(prefix, file.headers)}
    check({name: file.headers[whole].shape for name, whole in stored.items()})
    return {name: file.read(whole) for name, whole in stored.items()}


def under(prefix: str, names: Iterable[str]) -> list[str]:
    """The names that begin with `prefix`, or all if none does."""
    every = list(names)
    return [name for name in every if name.startswith(prefix)] or every


def check_ending(path: Path) -> None:
    """Raises an InputError if the file is called anything but `.npz`."""
    if path.suffix.lower() != ".npz":
        raise InputError(f'{path} has the ending "{path.suffix}": it must be an .npz file.')


def check_numeric(dtype: "np.dtype[np.generic]", name: str) -> None:
    """Raises an InputError if `dtype` is not one of real numbers; `name` is the array's in the sentence."""
    if dtype.hasobject:
        raise InputError(f"{name} holds Python objects, which are never unpickled: it must hold numbers.")
    if dtype.kind not in "fiub":
        raise InputError(f"{name} holds values of the type {dtype}: they must be real numbers.")


def _is_single(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_NPY)) == _NPY
    except OSError:
        return False
