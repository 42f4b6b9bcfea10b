"""Memory allocation of the worker process."""

import ctypes
import sys

import numpy as np

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 << 20
_LARGEST_MMAP_THRESHOLD = 32 << 20
_PRODUCTS_BYTES = 48 << 20
"""More than OpenBLAS takes at its first product, which is 32 MB and a little."""


def disable_malloc_trim() -> None:
    """Let glibc keep some freed memory in place of handing it back; elsewhere nothing happens.

    numpy's temporaries are a few megabytes large. By default each one is mapped again and cleared page by page by the
    system, which takes as long as the arithmetic on it.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)


def preallocate_blas_buffers() -> None:
    """Have numpy's OpenBLAS take the room that it keeps for all later products, while there is some.

    Where there is none it asks again and again, for ever.

    Raises
    ------
    MemoryError
        If there is none.
    """
    # Asked for and given back: numpy says what OpenBLAS does not.
    np.empty(_PRODUCTS_BYTES, np.uint8)
    # Small products need no room.
    square = np.ones((256, 256), np.float32)
    np.matmul(square, square)


def malloc_trim() -> None:
    """Let glibc release free memory, which grows with runs of different sizes. No effect on other systems."""
    if sys.platform != "linux":
        return
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
