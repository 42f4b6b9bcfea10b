"""Header of an `.npy` file or of a member of an `.npz` file."""

import tokenize
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import IO, Any

import numpy as np

from rnnviz.core.errors import InputError
from rnnviz.core.zip_errors import ZIP_DAMAGE

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
    header = NpyHeader(shape, fortran, dtype, np.lib.format.MAGIC_LEN + len(text))
    if header.numeric and (any(length < 0 for length in shape) or header.size != size):
        raise ValueError(f"an array of the shape {shape} would have {header.size} bytes and has {size}")
    return header


def check_numeric(dtype: np.dtype[Any], name: str) -> None:
    """Raises an InputError if `dtype` is not one of real numbers; `name` is the array's in the sentence."""
    if dtype.hasobject:
        raise InputError(f"{name} holds Python objects, which are never unpickled: it must hold numbers.")
    if dtype.kind not in "fiub":
        raise InputError(f"{name} holds values of the type {dtype}: they must be real numbers.")
