"""What stands before the numbers of an `.npy` file, or of a member of an `.npz` file."""

from dataclasses import dataclass
from math import prod
from typing import IO, Any

import numpy as np


@dataclass(frozen=True)
class NpyHeader:
    """The shape, the order and the type of an array, and the byte at which its numbers begin."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    begin: int

    @property
    def numeric(self) -> bool:
        """Whether it holds real numbers, and not texts, records or what would have to be unpickled."""
        return self.dtype.kind in "biuf"

    @property
    def size(self) -> int:
        """How many bytes the file of an array of numbers must have."""
        return self.begin + prod(self.shape) * self.dtype.itemsize


def read_npy_header(file: IO[bytes], size: int) -> NpyHeader:
    """Read the header at the beginning of a file of `size` bytes; nothing is unpickled.

    Raises
    ------
    ValueError
        If it is none that numpy writes, or an array of numbers would not fill the file exactly.
    """
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"its format has the version {version}")
    shape, fortran, dtype = readers[version](file)  # type: ignore[no-untyped-call]
    header = NpyHeader(shape, fortran, dtype, file.tell())
    if header.numeric and (any(length < 0 for length in shape) or header.size != size):
        raise ValueError(f"an array of the shape {shape} would have {header.size} bytes and has {size}")
    return header
