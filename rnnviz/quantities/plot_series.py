"""Numbers over time, made ready to be drawn: where there are gaps, how far they reach, and logarithms with a zero."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location

_PADDING = 0.06


def unit_over_time(trace: Trace, where: Location, unit: int, times: range) -> FloatArray:
    """One unit of the lane and sample of `where` at some time steps, read from the trace into memory."""
    return np.ascontiguousarray(trace.lane(where.layer, where.direction, where.sample)[times.start : times.stop, unit])


def runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(K, 2): first and last index of each run of True."""
    padded = np.zeros(len(mask) + 2, np.int8)
    padded[1:-1] = mask
    edges = np.diff(padded)
    return np.array([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1], np.int64).T


def pixel_bands(
    bands: NDArray[np.int64], left: float, right: float, width: int, narrowest: int = 2
) -> NDArray[np.int64]:
    """(K, 2): the pixels [start, stop) that cover runs of time steps, where `left` to `right` fill `width` pixels.

    No lane is narrower than `narrowest`, so that none vanishes, and those that touch are one: there are never more
    of them than pixels.
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


def pixel_maxima(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(width,): the largest of the values (T,) that share a pixel, or of the one that covers it; nothing vanishes."""
    steps = len(values)
    if width >= steps:
        return np.asarray(values[np.arange(width) * steps // width])
    return np.asarray(np.maximum.reduceat(values, np.arange(width) * steps // width))


def finite_range(series: Sequence[FloatArray]) -> tuple[float, float]:
    """The least and the largest finite number with a little room round them; never empty."""
    finite = [values[np.isfinite(values)] for values in series]
    lows = [float(values.min()) for values in finite if values.size]
    highs = [float(values.max()) for values in finite if values.size]
    low, high = min(lows, default=-1.0), max(highs, default=1.0)
    room = _PADDING * (high - low) if high > low else max(abs(high), 1.0) * 0.5
    return low - room, high + room


@dataclass(frozen=True)
class LogScale:
    """Positions on a logarithmic axis of decades that also has a place for zero below and for infinity above.

    `lowest` and `highest` are whole exponents of ten: every finite positive number lies between them. `infinite` says
    whether there is any infinity.
    """

    lowest: int
    highest: int
    infinite: bool = False

    @property
    def zero(self) -> float:
        """Where exact zeros are, a decade below the least number."""
        return self.lowest - 1.0

    @property
    def infinity(self) -> float:
        """Where infinities are, a decade above the largest number."""
        return self.highest + 1.0

    def positions(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """log10 of each number, with zeros and infinities in their own places."""
        with np.errstate(divide="ignore"):
            found: NDArray[np.float64] = np.log10(values)
        found[values == 0.0] = self.zero
        found[np.isposinf(values)] = self.infinity
        return found

    def text(self, position: float) -> str:
        """Label of a tick: "0", "1e-7", "1", "infinity"; empty between the decades."""
        if position == self.zero:
            return "0"
        if position == self.infinity:
            return "infinity"
        exponent = round(position)
        if exponent != position or not self.lowest <= exponent <= self.highest:
            return ""
        return f"{10.0**exponent:,g}" if -2 <= exponent <= 3 else f"1e{exponent}"


def log_scale(series: Iterable[NDArray[np.float64]], *also: float) -> LogScale:
    """The decades that hold every finite positive number of the series, which are not negative, and those of `also`.

    The series are looked at one by one, so that no more is held than one of them.
    """
    bounds = [value for value in also if value > 0.0 and np.isfinite(value)]
    infinite = False
    for values in series:
        positive = (values > 0.0) & (values < np.inf)
        low = float(values.min(where=positive, initial=np.inf))
        if low < np.inf:
            bounds += [low, float(values.max(where=positive, initial=0.0))]
        infinite = infinite or bool(np.isposinf(values).any())
    if not bounds:
        return LogScale(-1, 1, infinite)
    lowest, highest = floor(log10(min(bounds))), ceil(log10(max(bounds)))
    return LogScale(lowest, max(highest, lowest + 1), infinite)
