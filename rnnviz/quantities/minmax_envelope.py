"""Long series as a plot of this many pixels shows them: the smallest and the largest value of each column of pixels.

A spike of one time step survives at every zoom. The number of values read is proportional to the number of
pixels: a long trace has pyramids of its smallest and largest values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.multiscale import NO_PYRAMID, Level
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.quantities.level_of_detail import reduce_blocks
from rnnviz.quantities.plot_series import runs

Values: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Outline:
    """The smallest (`low`) and the largest (`high`) value of each block of `block` timesteps, each (P,).

    Block p begins at time step `first` + p · block; the last one ends at T at the latest. Both are the value itself
    where a block is one time step.
    """

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
        """Points of the line: one for each time step, or two for each block of several."""
        if self.block == 1:
            return self.times, self.low
        return np.repeat(self.times, 2), np.stack([self.low, self.high], axis=1).ravel()

    def steps(self, blocks: NDArray[np.bool_]) -> NDArray[np.int64]:
        """(K, 2): first and last time step of each run of the blocks (P,) that are chosen."""
        found = runs(blocks) * self.block + self.first
        found[:, 1] += self.block - 1
        return np.minimum(found, self.timesteps - 1)


def block_for(seen: range, pixels: int) -> int:
    """How many time steps a block has if those in sight are on this many pixels: a power of two, at most a pixel."""
    return 1 << (max(1, len(seen) // max(pixels, 1)).bit_length() - 1)


def outline_of(values: Values, seen: range, pixels: int) -> Outline:
    """The part in sight of a series (T,) in memory; a NaN leaves a gap only where no number is beside it."""
    timesteps, block = len(values), block_for(seen, pixels)
    first, stop = _whole_blocks(seen, block, timesteps)
    part = values[first:stop]
    return Outline(first, block, reduce_blocks(np.fmin, part, block), reduce_blocks(np.fmax, part, block), timesteps)


def unit_outline(trace: Trace, where: Location, unit: int, seen: range, pixels: int) -> Outline:
    """The part in sight of one unit of the lane and sample of `where`; a block that holds a NaN has no number."""
    timesteps, block = trace.shape[2], block_for(seen, pixels)
    first, stop = _whole_blocks(seen, block, timesteps)
    ends = [trace.pyramids.get(f"h.{end}", NO_PYRAMID) for end in ("low", "high")]
    kept = [level.times for level in ends[0] if level.units == 1 and level.times <= block and level in ends[1]]
    place = where.layer, where.direction, slice(first, stop), where.sample, unit
    if not kept:
        column = np.ascontiguousarray(trace.hidden[place])
        return Outline(
            first, block, reduce_blocks(np.minimum, column, block), reduce_blocks(np.maximum, column, block), timesteps
        )
    times = max(kept)
    place = where.layer, where.direction, slice(first // times, -(-stop // times)), where.sample, unit
    low, high = (np.ascontiguousarray(levels[Level(times, 1)][place]) for levels in ends)
    share = block // times
    return Outline(
        first, block, reduce_blocks(np.minimum, low, share), reduce_blocks(np.maximum, high, share), timesteps
    )


def largest_of(outlines: Sequence[Outline]) -> Outline:
    """The largest of several series at each block; NaN only where all are."""
    high = np.fmax.reduce([outline.high for outline in outlines], axis=0)
    return replace(outlines[0], low=high, high=high)


def drop_collinear(x: NDArray[np.float64], y: Values) -> tuple[NDArray[np.float64], Values]:
    """The points (P,) of a line without those between two of the same height, which change nothing of it."""
    if len(y) < 3:
        return x, y
    kept = np.ones(len(y), np.bool_)
    kept[1:-1] = (y[1:-1] != y[:-2]) | (y[1:-1] != y[2:])
    return x[kept], y[kept]


def _whole_blocks(seen: range, block: int, timesteps: int) -> tuple[int, int]:
    """The time steps of the blocks in sight, with one beyond each end: a line runs on to the edge of the plot."""
    first = max(0, seen.start // block - 1) * block
    stop = min(timesteps, (-(-seen.stop // block) + 1) * block)
    return first, max(first, stop)
