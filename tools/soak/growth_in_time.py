"""Whether something grew while the program was used: a straight line through readings, with its confidence interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

BLOCKS = 12
"""Readings that follow each other are alike, which would make a line look surer than it is; their blocks are not."""

_FEWEST_BLOCKS = 4

# Student's t at 97.5 % by degrees of freedom.
_T = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)


@dataclass(frozen=True)
class Slope:
    """The growth of a quantity in a minute, and its limits with 95 % confidence."""

    per_minute: float
    low: float
    high: float

    def grew(self, allowed: float) -> bool:
        """Whether it grows by more than what is allowed in a minute, for sure."""
        return self.low > allowed


def slope(
    minutes: Sequence[float], values: Sequence[float], lives: Sequence[int] | None = None, blocks: int = BLOCKS
) -> Slope:
    """Fit a line through the medians of consecutive blocks of readings.

    `lives` says which readings are of one process: each starts at its own level, and only its growth
    counts. Too few readings for a line give limits that are infinite.
    """
    x, y = np.asarray(minutes, float), np.asarray(values, float)
    life = np.zeros(len(x), int) if lives is None else np.unique(np.asarray(lives), return_inverse=True)[1]
    parts = [np.flatnonzero(life == number) for number in range(int(life.max()) + 1)] if len(x) else []
    parts = [part for part in parts if len(part) > 1]
    wanted = max(_FEWEST_BLOCKS, blocks // max(1, len(parts)))
    xs, ys, freedom = [], [], -1
    for part in parts:
        split = np.array_split(part, min(wanted, len(part)))
        times = np.array([np.median(x[block]) for block in split])
        levels = np.array([np.median(y[block]) for block in split])
        xs.append(times - times.mean())
        ys.append(levels - levels.mean())
        freedom += len(split) - 1
    if freedom < 1:
        return Slope(0.0, -inf, inf)
    dx, dy = np.concatenate(xs), np.concatenate(ys)
    spread = float(dx @ dx)
    per_minute = float(dx @ dy) / spread
    rest = dy - per_minute * dx
    half = (_T[freedom - 1] if freedom <= len(_T) else 2.0) * sqrt(float(rest @ rest) / freedom / spread)
    return Slope(per_minute, per_minute - half, per_minute + half)
