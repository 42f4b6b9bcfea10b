"""Many cells on one pixel without losing any: the extreme value and every mark survive.

Arrays come time first, `(T, U)`, as a trace holds them, and leave as a picture holds them: `(units, times)`.
The extreme of some numbers is the one of largest magnitude, of two equal ones the positive; an infinity is
more extreme than every number, and NaN more than an infinity.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray

BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]

_GATHERED = 4


@dataclass(frozen=True, eq=False)
class Bins:
    """Which cells each pixel shows: pixel j the cells from `starts[j]` to the next start, the last up to `stop`.

    `starts` never falls; where it repeats, neighboring pixels show the same cell. It holds at least one pixel.
    """

    starts: IntArray
    stop: int

    @property
    def first(self) -> int:
        """The first cell that is shown."""
        return int(self.starts[0])

    @property
    def block(self) -> int:
        """The largest power of two of cells that lie in every pixel but the last, which the end may cut off."""
        widths = np.diff(self.starts)
        narrowest = int(widths.min()) if len(widths) else self.stop - self.first
        return 1 << max(0, narrowest.bit_length() - 1)

    @property
    def widest(self) -> int:
        """How many cells lie in the pixel that shows most of them, at least one."""
        widths = np.diff(self.starts)
        return max(1, self.stop - int(self.starts[-1]), int(widths.max()) if len(widths) else 1)

    def in_blocks(self, size: int) -> "Bins":
        """The same pixels counted in blocks of `size` cells, which must be at most `block`.

        A block that two pixels share is shown by the later one.
        """
        return Bins(self.starts // size, -(-self.stop // size))

    def after(self, origin: int) -> "Bins":
        """The same pixels on an array that begins at cell `origin`."""
        return Bins(self.starts - origin, self.stop - origin)


def every_cell(first: int, stop: int) -> Bins:
    """One pixel for each cell."""
    return Bins(np.arange(first, stop, dtype=np.int64), stop)


def block_extremes(low: FloatArray, high: FloatArray, times: int, units: int) -> FloatArray:
    """(ceil(U / units), ceil(T / times)): the extreme of each block of numbers that lie from `low` to `high` (T, U).

    Both are the same array where each number is known by itself.
    """
    single = low is high
    low = _block_ends(np.minimum, low, times, units)
    high = low if single and times == units == 1 else _block_ends(np.maximum, high, times, units)
    return low if low is high else _extreme(high, low)


def _block_ends(ufunc: np.ufunc, values: NDArray[Any], times: int, units: int) -> NDArray[Any]:
    return reduce_blocks(ufunc, np.ascontiguousarray(reduce_blocks(ufunc, values, times).T), units)


def reduce_blocks(ufunc: np.ufunc, values: NDArray[Any], size: int) -> NDArray[Any]:
    """Each block of `size` rows reduced to one; the last may be cut off."""
    missing = -len(values) % size
    if missing:
        # A repeated value changes no extreme and no mark.
        values = np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])
    return values if size == 1 else np.asarray(ufunc.reduce(values.reshape(-1, size, *values.shape[1:]), axis=1))


def block_marks(marks: BoolArray, times: int, units: int) -> BoolArray:
    """(ceil(U / units), ceil(T / times)): whether any of each block of marks (T, U) is set."""
    return _block_ends(np.logical_or, marks, times, units)


def bin_extremes(picture: FloatArray, times: Bins, units: Bins) -> FloatArray:
    """(pixels of units, pixels of times): the extreme of each pixel of a picture (units, times)."""
    for axis, bins in ((1, times), (0, units)):
        if bins.widest == 1:
            picture = np.take(picture, bins.starts, axis=axis)
        else:
            largest = _reduced(np.maximum, picture, bins, axis)
            picture = _extreme(largest, _reduced(np.minimum, picture, bins, axis))
    return picture


def bin_marks(picture: BoolArray, times: Bins, units: Bins) -> BoolArray:
    """(pixels of units, pixels of times): whether any mark lies on each pixel of a picture (units, times)."""
    for axis, bins in ((1, times), (0, units)):
        picture = _reduced(np.logical_or, picture, bins, axis)
    return picture


def _extreme(largest: FloatArray, smallest: FloatArray) -> FloatArray:
    # A NaN on either side fails the comparison, and both sides hold it.
    with np.errstate(invalid="ignore"):
        return np.where(largest >= -smallest, largest, smallest)


def _reduced(ufunc: np.ufunc, picture: NDArray[Any], bins: Bins, axis: int) -> NDArray[Any]:
    """Reduce the cells of each pixel. A few gathers are several times faster than one `reduceat`."""
    widest = bins.widest
    if widest > _GATHERED:
        cut = picture[:, : bins.stop] if axis else picture[: bins.stop]
        return np.asarray(ufunc.reduceat(cut, bins.starts, axis=axis))
    last = np.maximum(np.append(bins.starts[1:], bins.stop) - 1, bins.starts)
    result = np.take(picture, bins.starts, axis=axis)
    for step in range(1, widest):
        ufunc(result, np.take(picture, np.minimum(bins.starts + step, last), axis=axis), out=result)
    return np.asarray(result)
