"""Arrays as this program hands them around: floating, contiguous and read-only."""

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
