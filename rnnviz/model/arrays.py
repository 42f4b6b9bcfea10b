"""Arrays as this program hands them around: floating, contiguous and read-only, and mapped where they are large."""

import mmap
import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
_NEIGHBOURS = 1 << 16


def read_only(array: FloatArray, dtype: str) -> FloatArray:
    """A contiguous view or copy of `array` in `dtype` that nobody can write to."""
    with np.errstate(over="ignore"):  # a float64 beyond float32's range becomes the infinity that is shown
        result = np.ascontiguousarray(array, dtype=dtype)
    if result is array or result.base is not None:
        result = result.view()
    result.flags.writeable = False
    return result


def create_mapped(path: Path, dtype: str, shape: tuple[int, ...]) -> FloatArray:
    """A writable array in a new `.npy` file, whose pages reach the disk as they are written.

    Raises
    ------
    OSError
        If the file cannot be made or the disk is full.
    """
    mapped = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)  # type: ignore[no-untyped-call]
    if hasattr(os, "posix_fallocate"):
        # A full disk must be an error here: met while a page is written, it ends the process.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return _plain(mapped)


def open_mapped(path: Path, *, writable: bool = False) -> FloatArray:
    """The array in a `.npy` file, mapped: opening it reads no numbers.

    Raises
    ------
    OSError, ValueError
        If the file is missing or holds no array of numbers.
    """
    return _plain(np.load(path, mmap_mode="r+" if writable else "r", allow_pickle=False))


def _plain(mapped: FloatArray) -> FloatArray:
    """The map as an ordinary array, which is quicker to slice and keeps the map open."""
    return mapped.view(np.ndarray)


def release_pages(array: NDArray[Any]) -> None:
    """Let go of the memory in which a mapped array, or a part of one, stands: what is read again comes from the file.

    Nothing happens to an array in memory of its own. A process that reads all of a long file would else hold all of it.
    """
    mapped: Any = array
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    if array.size == 0 or not isinstance(mapped, mmap.mmap) or not hasattr(mapped, "madvise"):
        return
    address = int(array.__array_interface__["data"][0])
    begin = address - int(np.frombuffer(mapped, np.uint8).__array_interface__["data"][0])
    span = sum((size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True)) + array.itemsize
    # The system brings in the neighbours of a page as well.
    begin, stop = begin - begin % _NEIGHBOURS, min(begin + span + _NEIGHBOURS, len(mapped))
    mapped.madvise(mmap.MADV_DONTNEED, begin, stop - begin)
