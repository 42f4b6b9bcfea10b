"""The range that a color scale must cover."""

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray

_BLOCK_VALUES = 1 << 18


def largest_magnitude(array: FloatArray) -> float:
    """The largest finite |value|, read block by block along the first axis; 0 if there is none."""
    largest = 0.0
    length = max(1, _BLOCK_VALUES // max(1, array[0].size))
    for start in range(0, len(array), length):
        block = np.asarray(array[start : start + length])
        # A NaN on the way makes both of them NaN.
        most = max(float(block.max()), -float(block.min()))
        if not most < np.inf:
            most = float(np.abs(block[np.isfinite(block)]).max(initial=0.0))
        largest = max(largest, most)
    return largest
