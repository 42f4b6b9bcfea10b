"""`.npz` files and folders of `.npy` files; nothing is unpickled, and no number is read before it is asked for."""

import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from rnnviz.files.models.entry import ModelFile
from rnnviz.files.models.named_arrays import NamedArrays
from rnnviz.files.models.tensors import Tensor, damaged
from rnnviz.files.models.weights import widened
from rnnviz.model.arrays import FloatArray
from rnnviz.model.errors import InputError

_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, TypeError, KeyError, SyntaxError, OverflowError),
)
_ARCHIVED = "parameters."
"""What a run's own archive puts before the names of its weights."""


def open_model(path: Path) -> ModelFile:
    """Open an `.npz` file or a folder of `.npy` files; raises an InputError if one is damaged."""
    return NamedArrays(NpyFiles(path))


class NpyFiles:
    """The arrays of an archive or a folder by name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._headers: dict[str, _Header] = {}
        self._members: dict[str, str] = {}
        try:
            if path.is_dir():
                for file in sorted(path.glob("*.npy")):
                    with file.open("rb") as opened:
                        self._add(file.name, _read_header(opened, file.stat().st_size))
            else:
                with zipfile.ZipFile(path) as archive:
                    for info in archive.infolist():
                        if info.filename.endswith(".npy"):
                            with archive.open(info) as member:
                                self._add(info.filename, _read_header(member, info.file_size))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
        except _DAMAGE as error:
            raise _damaged(path, error) from error
        self.tensors = {name: header.tensor for name, header in self._headers.items()}

    def read(self, name: str) -> FloatArray:
        """The numbers of one array; as `tensors.TensorFile` says."""
        header, member = self._headers[name], self._members[name]
        try:
            if self._path.is_dir():
                with (self._path / member).open("rb") as file:
                    return header.numbers(file)
            with zipfile.ZipFile(self._path) as archive, archive.open(member) as file:
                return header.numbers(file)
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {error.strerror or error}.") from error
        except _DAMAGE as error:
            raise _damaged(self._path, error) from error

    def _add(self, member: str, header: "_Header | None") -> None:
        name = member.removesuffix(".npy").removeprefix(_ARCHIVED)
        if header is not None:
            self._headers[name], self._members[name] = header, member


class _Header:
    """What stands before the numbers of an `.npy` file."""

    def __init__(self, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[np.generic], begin: int) -> None:
        self._shape, self._fortran, self._dtype, self._begin = shape, fortran, dtype, begin

    @property
    def tensor(self) -> Tensor:
        return Tensor(self._shape, self._dtype.name)

    @property
    def size(self) -> int:
        """How many bytes the file must have."""
        return self._begin + prod(self._shape) * self._dtype.itemsize

    def numbers(self, file: IO[bytes]) -> FloatArray:
        file.read(self._begin)
        content = file.read(self.size - self._begin)
        # The checksum is looked at where a file ends.
        if len(content) != self.size - self._begin or file.read(1):
            raise ValueError("an array is longer or shorter than it says")
        array = np.frombuffer(content, self._dtype).reshape(self._shape, order="F" if self._fortran else "C")
        return widened(array, self._dtype.name)


def _read_header(file: IO[bytes], size: int) -> _Header | None:
    """The header of an array, or None if it holds no numbers, such as texts and what is pickled."""
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"its format has the version {version}")
    shape, fortran, dtype = readers[version](file)  # type: ignore[no-untyped-call]
    if dtype.kind not in "biuf":
        return None
    header = _Header(shape, fortran, dtype, file.tell())
    if any(length < 0 for length in shape) or header.size != size:
        raise ValueError(f"an array of the shape {shape} would have {header.size} bytes and has {size}")
    return header


def _damaged(path: Path, error: Exception) -> InputError:
    return damaged(path, "numpy", str(error) or type(error).__name__)
