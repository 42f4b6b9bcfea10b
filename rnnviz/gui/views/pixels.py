"""Points, intervals and bars over time on few pixels."""

import numpy as np
from numpy.typing import NDArray

from rnnviz.series.outlines import runs


def pixel_bands(
    bands: NDArray[np.int64], left: float, right: float, width: int, narrowest: int = 2
) -> NDArray[np.int64]:
    """(K, 2): the pixels [start, stop) that cover runs of time steps, where `left` to `right` fill `width` pixels.

    None is narrower than `narrowest`, and those that touch are one: there are never more of them than pixels.
    """
    scale = width / (right - left)
    start = np.floor((bands[:, 0] - 0.5 - left) * scale).astype(np.int64)
    stop = np.maximum(np.ceil((bands[:, 1] + 0.5 - left) * scale).astype(np.int64), start + narrowest)
    seen = (stop > 0) & (start < width)
    covered = np.zeros(width + 1, np.int64)
    np.add.at(covered, np.maximum(start[seen], 0), 1)
    np.add.at(covered, np.minimum(stop[seen], width), -1)
    merged = runs(np.cumsum(covered[:width]) > 0)
    merged[:, 1] += 1
    return merged
