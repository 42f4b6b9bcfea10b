"""By how much, and in which direction, one array is off from another."""

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray


def signed_difference(reference: FloatArray, candidate: FloatArray) -> NDArray[np.float64]:
    """candidate - reference in float64, for arrays of one shape.

    Two NaNs, or two infinities of one sign, in the same place do not differ: 0. A NaN on one side alone gives NaN, for
    it is off in no direction; an infinity gives the infinity that ordinary arithmetic does.
    """
    r, c = np.asarray(reference, np.float64), np.asarray(candidate, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.asarray(c - r)
    strange = np.isnan(difference)
    if strange.any():
        difference[strange & ((r == c) | (np.isnan(r) & np.isnan(c)))] = 0.0
    return difference
