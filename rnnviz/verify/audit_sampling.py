"""Selection of audited values.

Up to `FULL` values everything is audited. Above, an audit follows columns through time: a column is one unit of
one sample in one lane, from its first step to its last, since the cell state of an LSTM can only be known by
following it. The columns are all those of every sample in which the accumulated comparison comes near its limit
anywhere, and a grid spread evenly over samples and units. Of every other column the audit sees the ends: the step
that is computed first, and, but for an LSTM, the one that is computed last.
"""

from collections.abc import Iterator, Sequence
from math import prod, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.trace_index import Location
from rnnviz.frozen import dataclass

IndexArray: TypeAlias = NDArray[np.intp]

FULL = 5_000_000
"""How many values are audited without sampling."""

NEAR = 0.5
"""The error ratio from which a column is looked at in any case."""


@dataclass(frozen=True)
class SampleUnitBlock:
    """The product of some samples and some units of one lane, followed through all time steps."""

    samples: IndexArray
    units: IndexArray

    @property
    def count(self) -> int:
        """How many columns these are."""
        return len(self.samples) * len(self.units)

    def parts(self, samples: int) -> Iterator["SampleUnitBlock"]:
        """The same columns, at most this many samples at a time."""
        for start in range(0, len(self.samples), samples):
            yield SampleUnitBlock(self.samples[start : start + samples], self.units)


@dataclass(frozen=True)
class AuditedBlock:
    """Some time steps of some columns of one lane."""

    layer: int
    direction: int
    times: slice
    columns: SampleUnitBlock
    reverse: bool = False

    @property
    def at(self) -> tuple[int, int, slice]:
        """The index of the lane and its time steps."""
        return self.layer, self.direction, self.times

    def location(self, index: Sequence[Any]) -> Location:
        """The place of a value of the block (B, S, U)."""
        t, sample, unit = (int(i) for i in index)
        sample, unit = int(self.columns.samples[sample]), int(self.columns.units[unit])
        return Location(self.layer, self.direction, self.times.start + t, sample, unit, reverse=self.reverse)


def all_columns(samples: int, units: int) -> SampleUnitBlock:
    """Every column of a lane."""
    return SampleUnitBlock(np.arange(samples), np.arange(units))


def some_columns(samples: int, units: int, most_units: int) -> SampleUnitBlock:
    """Every sample's columns of some units, spread evenly."""
    return SampleUnitBlock(np.arange(samples), _spread(units, min(units, most_units)))


def follows_all(shape: tuple[int, ...], *, full: bool) -> bool:
    """Whether an audit follows every column of a trace of the shape (L, D, T, N, H)."""
    return full or prod(shape) <= FULL


def plan_lane(
    shape: tuple[int, int, int, int, int],
    error_ratio: NDArray[np.floating[Any]] | None,
    *,
    full: bool,
    whole: bool = False,
) -> list[SampleUnitBlock]:
    """The columns of one lane that an audit follows.

    `shape` is (L, D, T, N, H); `error_ratio` (N, H) is the largest error ratio in each column of this lane, over time
    and over all comparisons that the engine takes part in, or None if it takes part in none. `whole` is of cells that
    compute a unit from others: the columns of a sample then are all its units.
    """
    layers, directions, timesteps, samples, units = shape
    if follows_all(shape, full=full):
        return [all_columns(samples, units)]
    budget = max(1, FULL // (2 * layers * directions * timesteps))
    fraction = sqrt(budget / (samples * units))
    kept_units = units if whole else min(units, max(1, round(units * fraction)))
    kept_samples = min(samples, max(1, budget // kept_units))
    kept_units = units if whole else min(units, max(1, budget // kept_samples))
    kept_samples = min(samples, max(1, budget // kept_units))
    grid = SampleUnitBlock(_spread(samples, kept_samples), _spread(units, kept_units))
    return [grid] if error_ratio is None else _with_near(grid, error_ratio)


def _spread(count: int, kept: int) -> IndexArray:
    """`kept` indices spread evenly over `count`, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, kept).round().astype(np.intp))


def _with_near(grid: SampleUnitBlock, error_ratio: NDArray[np.floating[Any]]) -> list[SampleUnitBlock]:
    """All columns of the samples that come near the limit, and the grid's columns of the others.

    The recurrence spreads what is wrong in one unit of a sample to its other units with the next step.
    """
    near = ~(error_ratio <= NEAR).all(axis=1)
    others = grid.samples[~near[grid.samples]]
    plan = [SampleUnitBlock(np.flatnonzero(near), np.arange(error_ratio.shape[1])), SampleUnitBlock(others, grid.units)]
    return [columns for columns in plan if columns.count]
