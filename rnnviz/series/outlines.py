"""Numbers over time made ready to be drawn: gaps, ranges, logarithms with a zero, outlines."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil, floor, log2, log10
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.frozen import dataclass
from rnnviz.reading.level_of_detail import reduce_blocks

_PADDING = 0.06
_FLAT = 1e-6
"""Share of the largest number: curves that differ by less are a line, as engines differ in rounding."""


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


def finite_range(series: Sequence[FloatArray]) -> tuple[float, float]:
    """The least and the largest finite number with a little room round them; never empty."""
    finite = [values[np.isfinite(values)] for values in series]
    lows = [float(values.min()) for values in finite if values.size]
    highs = [float(values.max()) for values in finite if values.size]
    low, high = min(lows, default=-1.0), max(highs, default=1.0)
    size = max(abs(low), abs(high))
    room = _PADDING * (high - low) if high - low > _FLAT * size else max(size, 1.0) * 0.5
    return low - room, high + room


@dataclass(frozen=True)
class LogScale:
    """Positions on an axis from 10^`lowest` to 10^`highest`, with places for 0 below and for infinity above."""

    lowest: int
    highest: int
    infinite: bool = False
    zeros: bool = True

    @property
    def bottom(self) -> float:
        """The lowest position of a number."""
        return self.zero if self.zeros else float(self.lowest)

    @property
    def zero(self) -> float:
        """Where exact zeros are, a decade below the least number."""
        return self.lowest - 1.0

    @property
    def infinity(self) -> float:
        """Where infinities are, a decade above the largest number."""
        return self.highest + 1.0

    def positions(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """log10 of each number, with zeros and infinities in their own places; NaN of zeros that are not drawn."""
        with np.errstate(divide="ignore"):
            found: NDArray[np.float64] = np.log10(values)
        found[values == 0.0] = self.zero if self.zeros else np.nan
        found[np.isposinf(values)] = self.infinity
        return found

    def text(self, position: float) -> str:
        """Label of a tick: "0", "1e-7", "1", "infinity"; empty between the decades."""
        if position == self.zero:
            return "0" if self.zeros else ""
        if position == self.infinity:
            return "infinity"
        exponent = round(position)
        if exponent != position or not self.lowest <= exponent <= self.highest:
            return ""
        return decade_text(exponent)


def decade_text(exponent: int) -> str:
    """A power of ten: "0.01", "1,000", "1e4"."""
    return f"{10.0**exponent:,g}" if -2 <= exponent <= 3 else f"1e{exponent}"


def log_scale(series: Iterable[NDArray[np.float64]], *also: float, zeros: bool = True) -> LogScale:
    """The decades of the finite positive numbers of series, looked at one by one, and of `also`."""
    bounds = [value for value in also if value > 0.0 and np.isfinite(value)]
    infinite = False
    for values in series:
        positive = (values > 0.0) & (values < np.inf)
        low = float(values.min(where=positive, initial=np.inf))
        if low < np.inf:
            bounds += [low, float(values.max(where=positive, initial=0.0))]
        infinite = infinite or bool(np.isposinf(values).any())
    if not bounds:
        return LogScale(-1, 1, infinite, zeros)
    lowest, highest = floor(log10(min(bounds))), ceil(log10(max(bounds)))
    return LogScale(lowest, max(highest, lowest + 1), infinite, zeros)


Values: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Outline:
    """The least and the largest value (P,) of each block of `block` time steps, from time step `first` on."""

    first: int
    block: int
    low: Values
    high: Values
    timesteps: int

    @property
    def times(self) -> NDArray[np.float64]:
        """(P,): the middle of each block."""
        starts = self.first + self.block * np.arange(len(self.low))
        return np.asarray((starts + np.minimum(starts + self.block, self.timesteps) - 1) / 2.0)

    def points(self) -> tuple[NDArray[np.float64], Values]:
        """Points of the line, one for each time step or two for each block; every other block goes down."""
        if self.block == 1:
            return self.times, self.low
        ends = np.stack([self.low, self.high], axis=1)
        ends[1::2] = ends[1::2, ::-1]
        return np.repeat(self.times, 2), ends.ravel()


def block_for(seen: range, pixels: int) -> int:
    """The number of time steps of a block: a power of two, about a pixel: twice as many take twice as long to draw."""
    return 1 << max(0, round(log2(max(len(seen), 1) / max(pixels, 1))))


def outline_of(values: Values, seen: range, pixels: int) -> Outline:
    """The part in sight of a series (T,) in memory; a NaN leaves a gap only where no number is next to it."""
    timesteps, block = len(values), block_for(seen, pixels)
    # The whole blocks in sight, with one beyond each end: a line runs on to the edge of the plot.
    first = max(0, seen.start // block - 1) * block
    part = values[first : max(first, min(timesteps, (-(-seen.stop // block) + 1) * block))]
    return Outline(first, block, reduce_blocks(np.fmin, part, block), reduce_blocks(np.fmax, part, block), timesteps)


def largest_of(outlines: Sequence[Outline]) -> Outline:
    high = np.fmax.reduce([outline.high for outline in outlines], axis=0)
    return replace(outlines[0], low=high, high=high)
