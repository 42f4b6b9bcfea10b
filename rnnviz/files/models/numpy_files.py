"""`.npz` files and folders of `.npy` files; nothing is unpickled, and no number is read before it is asked for."""

import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from rnnviz.files.models.entry import ModelFile
from rnnviz.files.models.named_arrays import NamedArrays
from rnnviz.files.models.tensors import Tensor, TensorFile, damaged
from rnnviz.files.models.weights import widened
from rnnviz.files.pieces import read_pieces
from rnnviz.model.arrays import FloatArray
from rnnviz.model.errors import InputError
from rnnviz.model.npy_header import DAMAGE, NpyHeader, read_npy_header

_ARCHIVED = "parameters."
"""What a run's own archive puts before the names of its weights."""


def open_model(path: Path) -> ModelFile:
    """Open an `.npz` file or a folder of `.npy` files; raises an InputError if one is damaged."""
    return NamedArrays(open_tensors(path))


def open_tensors(path: Path) -> TensorFile:
    """All arrays of an `.npz` file or a folder of `.npy` files; raises an InputError if one is damaged."""
    return NpyFiles(path)


class NpyFiles:
    """The arrays of an archive or a folder by name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._headers: dict[str, NpyHeader] = {}
        self._members: dict[str, str] = {}
        try:
            if path.is_dir():
                for file in sorted(path.glob("*.npy")):
                    with file.open("rb") as opened:
                        self._add(file.name, read_npy_header(opened, file.stat().st_size))
            else:
                with zipfile.ZipFile(path) as archive:
                    for info in archive.infolist():
                        if info.filename.endswith(".npy"):
                            with archive.open(info) as member:
                                self._add(info.filename, read_npy_header(member, info.file_size))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
        except DAMAGE as error:
            raise _damaged(path, error) from error
        self.tensors = {name: Tensor(header.shape, header.dtype.name) for name, header in self._headers.items()}

    def read(self, name: str) -> FloatArray:
        """The numbers of one array; as `tensors.TensorFile` says."""
        header, member = self._headers[name], self._members[name]
        try:
            if self._path.is_dir():
                with (self._path / member).open("rb") as file:
                    return _numbers(header, file)
            with zipfile.ZipFile(self._path) as archive, archive.open(member) as file:
                return _numbers(header, file)
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {error.strerror or error}.") from error
        except DAMAGE as error:
            raise _damaged(self._path, error) from error

    def _add(self, member: str, header: NpyHeader) -> None:
        name = member.removesuffix(".npy").removeprefix(_ARCHIVED)
        # Texts, and what is pickled, are passed over.
        if header.numeric:
            self._headers[name], self._members[name] = header, member


def _numbers(header: NpyHeader, file: IO[bytes]) -> FloatArray:
    file.read(header.begin)
    content = read_pieces(file, header.size - header.begin)
    # The checksum is looked at where a file ends.
    if len(content) != header.size - header.begin or file.read(1):
        raise ValueError("an array is longer or shorter than it says")
    array = np.frombuffer(content, header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
    return widened(array, header.dtype.name)


def _damaged(path: Path, error: Exception) -> InputError:
    return damaged(path, "numpy", str(error) or type(error).__name__)
