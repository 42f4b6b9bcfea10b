"""MXNet's `.params`: a list of NDArrays and their names, as `src/ndarray/ndarray.cc` of MXNet 1.9 saves it.

All integers are little-endian. The file is an 8-byte magic number, 8 reserved bytes, a count and the arrays, a count
and the names; a count and the length of a name have 8 bytes. An array is its own magic number, its storage type, shape,
device, type and numbers; a sparse one has the shape of its stored numbers before, and arrays of their places behind. It
is listed and not read. Every length is compared with the rest of the file before anything of that length is read.
"""

import struct
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rnnviz.core.errors import InputError, damaged
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.model_formats.fused_params import UnpackedVectors
from rnnviz.io.model_formats.named_arrays import NamedArrays
from rnnviz.io.model_formats.rnn_entry import ModelFile
from rnnviz.io.model_formats.tensors import Tensor, TensorFile
from rnnviz.io.model_formats.unfused_gates import JoinedGates
from rnnviz.io.model_formats.weights import widened
from rnnviz.io.readers.chunked_read import read_pieces

_KIND = "MXNet parameter"
_LIST = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_SPARSE = {1: ("row_sparse", 1), 2: ("csr", 2)}
"""By the number of a sparse storage type its name, and how many arrays of places it has. 0 is a dense array."""
_LARGEST_RANK = 32
_TYPES = (
    *("float32", "float64", "float16", "uint8", "int32", "int8", "int64"),
    *("bool", "int16", "uint16", "uint32", "uint64", "bfloat16"),
)


def open_model(path: Path) -> ModelFile:
    """Open a `.params` file; raises an InputError if it is damaged or has unsupported content."""
    unpacked = UnpackedVectors(open_tensors(path), path)
    return NamedArrays(JoinedGates(unpacked), unpacked.reasons)


def open_tensors(path: Path) -> TensorFile:
    """All arrays of a `.params` file; raises an InputError if it is damaged or has unsupported content."""
    return NDArrays(path)


class NDArrays:
    """The arrays of a `.params` file by name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(0)
                self._arrays = _Reader(path, file, size).arrays()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
        self.tensors = {name: tensor for name, (tensor, _) in self._arrays.items()}

    def read(self, name: str) -> FloatArray:
        """The numbers of one array; as `tensors.TensorFile` says."""
        tensor, offset = self._arrays[name]
        stored = np.dtype("uint16" if tensor.dtype == "bfloat16" else tensor.dtype).newbyteorder("<")
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                content = read_pieces(file, prod(tensor.shape) * stored.itemsize)
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {error.strerror or error}.") from error
        if len(content) != prod(tensor.shape) * stored.itemsize:
            raise damaged(self._path, _KIND, f"it ends within {name}")
        return widened(np.frombuffer(content, stored).reshape(tensor.shape), tensor.dtype)


class _Reader:
    """Reads a file from its beginning to its end, and passes over the numbers."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path, self._file, self._size = path, file, size

    def arrays(self) -> dict[str, tuple[Tensor, int]]:
        """Each array's shape and type, and where in the file its numbers begin, by name."""
        magic, _, count = self._unpack("QQQ")
        if magic != _LIST:
            raise self._damaged(f"it begins with {magic:#x} and not with {_LIST:#x}")
        self._check(count, 4, "arrays")
        arrays = [self._array(number) for number in range(count)]
        (named,) = self._unpack("Q")
        self._check(named, 8, "names")
        names = [self._name() for _ in range(named)]
        if self._file.tell() != self._size:
            raise self._damaged(f"{self._size - self._file.tell()} bytes are left at its end")
        if count and not names:
            raise InputError(f"{self._path} holds {count} arrays without names: weights are found by their names.")
        if len(names) != count or len(set(names)) != count:
            raise self._damaged(f"it has {count} arrays, but {len(set(names))} distinct names")
        return {name: array for name, array in zip(names, arrays, strict=True) if array is not None}

    def _array(self, number: int) -> tuple[Tensor, int] | None:
        """The next array, or None for one that was never given a shape."""
        (magic,) = self._unpack("I")
        sparse, kinds = "", 0
        if magic in (_V2, _V3):
            (storage,) = self._unpack("i")
            if storage in _SPARSE:
                sparse, kinds = _SPARSE[storage]
                self._shape(number, self._unpack("i")[0])
            elif storage != 0:
                raise self._damaged(f"array {number} has the storage type {storage}, which MXNet does not know")
            (rank,) = self._unpack("i")
        elif magic == _V1:
            (rank,) = self._unpack("i")
        else:
            rank = magic  # files from before MXNet 0.11 have no magic number, and sizes of 4 bytes
        if rank < 0 or (rank == 0 and magic != _V3):
            return None
        shape = self._shape(number, rank, "q" if magic in (_V1, _V2, _V3) else "I")
        self._unpack("ii")
        dtype, itemsize = self._type(number)
        sizes = [(itemsize, prod(shape))]
        if sparse:
            places = [(self._type(number)[1], prod(self._shape(number, self._unpack("i")[0]))) for _ in range(kinds)]
            # Places are those of rows, or of single numbers; the shape of the stored numbers is not always written.
            count = places[-1][1]
            sizes = [(itemsize, count * prod(shape[1:]) if sparse == "row_sparse" else count), *places]
        offset = self._file.tell()
        for size, count in sizes:
            self._check(count, size, f"numbers in array {number}")
            self._file.seek(count * size, 1)
        return Tensor(shape, sparse or dtype), offset

    def _shape(self, number: int, rank: int, layout: str = "q") -> tuple[int, ...]:
        if not 0 <= rank <= _LARGEST_RANK:
            raise self._damaged(f"array {number} has {rank} sizes")
        shape = self._unpack(f"{rank}{layout}")
        if any(size < 0 for size in shape):
            raise self._damaged(f"array {number} has the shape {shape}")
        return shape

    def _type(self, number: int) -> tuple[str, int]:
        """The type that comes next, and its bytes."""
        (flag,) = self._unpack("i")
        if not 0 <= flag < len(_TYPES):
            raise self._damaged(f"array {number} has the type {flag}, which MXNet does not know")
        return _TYPES[flag], 2 if _TYPES[flag] == "bfloat16" else np.dtype(_TYPES[flag]).itemsize

    def _name(self) -> str:
        (length,) = self._unpack("Q")
        self._check(length, 1, "letters in a name")
        try:
            return self._file.read(length).decode()
        except UnicodeDecodeError as error:
            raise self._damaged("a name is not UTF-8 text") from error

    def _unpack(self, layout: str) -> tuple[int, ...]:
        layout = f"<{layout}"
        read = self._file.read(struct.calcsize(layout))
        if len(read) < struct.calcsize(layout):
            raise self._damaged("it ends too early")
        return struct.unpack(layout, read)

    def _check(self, count: int, itemsize: int, what: str) -> None:
        rest = self._size - self._file.tell()
        if count * itemsize > rest:
            raise self._damaged(f"it declares {count} {what}, but {rest} bytes are left")

    def _damaged(self, why: str) -> InputError:
        return damaged(self._path, _KIND, why)
