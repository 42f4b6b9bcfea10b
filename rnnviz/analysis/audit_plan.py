"""Which values an audit looks at.

Up to `FULL` values everything is audited. Above, an audit follows columns through time: a column is one unit of
one sample in one lane, from its first step to its last, since the cell state of an LSTM can only be known by
following it. The columns are a grid spread evenly over samples and units, and those in which the accumulated
comparison comes near its limit, the worst first.
"""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

IndexArray: TypeAlias = NDArray[np.intp]

FULL = 5_000_000
"""How many values are audited without sampling."""

NEAR = 0.5
"""The violation from which a column is looked at in any case."""


@dataclass(frozen=True)
class Columns:
    """The product of some samples and some units of one lane, followed through all timesteps."""

    samples: IndexArray
    units: IndexArray

    @property
    def count(self) -> int:
        """How many columns these are."""
        return len(self.samples) * len(self.units)


def plan_lane(
    shape: tuple[int, int, int, int, int], violation: NDArray[np.floating[Any]] | None, *, full: bool
) -> list[Columns]:
    """The columns of one lane that an audit follows.

    `shape` is (L, D, T, N, H); `violation` (N, H) is the largest violation in each column of this lane, over time
    and over all comparisons that the engine takes part in, or None if it takes part in none.
    """
    layers, directions, timesteps, samples, units = shape
    everything = Columns(np.arange(samples), np.arange(units))
    size = layers * directions * timesteps * samples * units
    if full or size <= FULL:
        return [everything]
    budget = max(1, FULL // (layers * directions * timesteps))
    fraction = sqrt(budget / 2 / (samples * units))
    kept_samples = min(samples, max(1, ceil(samples * fraction)))
    kept_units = min(units, max(1, budget // 2 // kept_samples))
    columns = [Columns(_spread(samples, kept_samples), _spread(units, kept_units))]
    if violation is not None:
        columns += _near(violation, columns[0], max(1, budget // 2))
    return columns


def _spread(count: int, kept: int) -> IndexArray:
    """`kept` indices spread evenly over `count`, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, kept).round().astype(np.intp))


def _near(violation: NDArray[np.floating[Any]], grid: Columns, budget: int) -> list[Columns]:
    """The worst columns above `NEAR` that the grid does not hold, at most `budget`, gathered by sample."""
    wanted = violation.astype(np.float64)
    wanted[np.ix_(grid.samples, grid.units)] = 0.0
    flat = np.flatnonzero(~(wanted <= NEAR))
    worst = flat[np.argsort(-wanted.reshape(-1)[flat], kind="stable")][:budget]
    by_sample: dict[int, list[int]] = {}
    for index in worst:
        sample, unit = divmod(int(index), violation.shape[1])
        by_sample.setdefault(sample, []).append(unit)
    return [Columns(np.array([sample]), np.sort(np.array(held))) for sample, held in sorted(by_sample.items())]
