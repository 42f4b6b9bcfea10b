"""Arrays as this program hands them around: floating, contiguous and read-only, and mapped where they are large."""

import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]


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
