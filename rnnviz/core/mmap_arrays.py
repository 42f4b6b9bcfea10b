"""Arrays as this program hands them around: floating, contiguous and read-only, and mapped where they are large."""

import mmap
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO, RawIOBase
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
_NEIGHBOURS = 1 << 16

_WRITTEN_BYTES = 1 << 30
"""Up to this size a file is written before it is mapped. Pages that are first met in a map are made one by one, each
with an entry in the file system's journal, which takes three times as long as writing them together."""
_POPULATED_BYTES = 1 << 22
"""Up to this size all pages are mapped at once: at the first write to each, an engine would wait for it."""
_MADV_POPULATE_WRITE = 23
"""Linux 5.14 and later."""
_ZEROS = bytes(1 << 20)
_IN_MEMORY_BYTES = 1 << 26


def read_only(array: NDArray[Any], dtype: str) -> FloatArray:
    """A contiguous, read-only array of the same shape: a view of the given one if possible, else a copy."""
    with np.errstate(over="ignore"):  # a float64 beyond float32's range becomes the infinity that is shown
        result = np.ascontiguousarray(array, dtype=dtype)
    if result is array:
        result = result.view()
    result.flags.writeable = False
    return result


class ReadOnlyArrays:
    """A frozen dataclass whose arrays are read-only, also after a pipe, through which goes where `stored` ones lie, not
    what they hold: arrays of a long run would fill it, and then the memory of any user who shows the result."""

    stored: Mapping[str, Path] = MappingProxyType({})

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self.stored}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the arrays that lie in files; OSError or ValueError if a file is gone."""
        self.__dict__.update(state)
        self.__dict__.update({name: open_mapped(path) for name, path in self.stored.items()})
        self.__post_init__()


def create_mapped(path: Path, dtype: str | np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """A writable map of zeros of the given shape in a new `.npy` file. Raises OSError if the disk is full."""
    header = _header(dtype, shape)
    size = len(header) + prod(shape) * np.dtype(dtype).itemsize
    with path.open("xb+", buffering=0) as file:
        file.write(header)
        _make_room(file, size)
        mapped = mmap.mmap(file.fileno(), size)
    if sys.platform == "linux" and size <= _POPULATED_BYTES:
        with suppress(OSError):
            mapped.madvise(_MADV_POPULATE_WRITE)
    return np.ndarray(shape, dtype, mapped, len(header))


def allocate_array(dtype: str, shape: tuple[int, ...]) -> FloatArray:
    """An array of the given shape, not initialized; a large one in an unnamed file. OSError if the disk is full."""
    size = prod(shape) * np.dtype(dtype).itemsize
    if size <= _IN_MEMORY_BYTES:
        return np.empty(shape, dtype)
    with TemporaryFile(buffering=0) as file:
        _make_room(file, size)
        return np.ndarray(shape, dtype, mmap.mmap(file.fileno(), size))


def store_mapped(path: Path, array: FloatArray) -> FloatArray:
    """A read-only map of the same shape of a new `.npy` file. Raises OSError if it exists or the disk is full."""
    header = _header(array.dtype.str, array.shape)
    with path.open("xb+", buffering=0) as file:
        file.write(header)
        rest = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        while rest:
            rest = rest[file.write(rest) :]
        mapped = mmap.mmap(file.fileno(), len(header) + array.nbytes, access=mmap.ACCESS_READ)
    return np.ndarray(array.shape, array.dtype.str, mapped, len(header))


def open_mapped(path: Path, *, writable: bool = False) -> Any:
    """The mapped array of a `.npy` file, of the file's shape. Raises OSError or ValueError if it is none."""
    mapped = np.load(path, mmap_mode="r+" if writable else "r", allow_pickle=False)
    # An ordinary array is quicker to slice, and keeps the map open.
    return np.asarray(mapped.view(np.ndarray))


def _header(dtype: str | np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The header of a `.npy` file. Its length is a multiple of 64, which aligns the array."""
    header = BytesIO()
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))  # type: ignore[no-untyped-call]
    np.lib.format.write_array_header_1_0(  # type: ignore[no-untyped-call]
        header, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return header.getvalue()


def _make_room(file: RawIOBase, size: int) -> None:
    """Let the file reach to `size`. A full disk, met while a page is written, would end the process."""
    if size > _WRITTEN_BYTES and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    rest = size - file.tell()
    while rest:
        rest -= file.write(memoryview(_ZEROS)[:rest]) or 0


def release_pages(array: NDArray[Any]) -> None:
    """Release the pages of a mapped array or a part of one: after a long read the process would hold all of it."""
    mapped: Any = array
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    # Only a map has it, and not on every system.
    if array.size == 0 or not hasattr(mapped, "madvise"):
        return
    address = int(array.__array_interface__["data"][0])
    begin = address - int(np.frombuffer(mapped, np.uint8).__array_interface__["data"][0])
    span = sum((size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True)) + array.itemsize
    # The system brings in the neighbors of a page as well.
    begin, stop = begin - begin % _NEIGHBOURS, min(begin + span + _NEIGHBOURS, len(mapped))
    mapped.madvise(mmap.MADV_DONTNEED, begin, stop - begin)
