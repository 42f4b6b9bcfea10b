"""Floating-point types by name, also bfloat16, whose numbers are stored as float32, since NumPy lacks it.

In half precision, processors accumulate sums in float32 and round what they store.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BFLOAT16 = "bfloat16"
HALF_TYPES = ("float16", BFLOAT16)
_BFLOAT16_BITS = 16
"""Bits of a float32 that bfloat16 does not have."""


def spacing(kind: str) -> float:
    """The spacing of numbers at 1."""
    return 2.0**-7 if kind == BFLOAT16 else float(np.finfo(kind).eps)


def smallest_normal(kind: str) -> float:
    """The smallest number with all its digits."""
    return 2.0**-126 if kind == BFLOAT16 else float(np.finfo(kind).smallest_normal)


def rounded_when_read(values: NDArray[Any], kind: str) -> NDArray[np.bool_]:
    """Where numbers are none of a type of half precision, so that code that computes in it rounds them first."""
    if kind == BFLOAT16:
        single = values.astype(np.float32)
        low = single.view(np.uint32) & np.uint32((1 << _BFLOAT16_BITS) - 1)
        return np.asarray((low != 0) | (single != values))
    with np.errstate(over="ignore"):
        return np.asarray(values.astype(kind) != values)
