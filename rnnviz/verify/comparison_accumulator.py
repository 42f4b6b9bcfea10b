"""The running figures of a comparison, gathered block by block."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import Location
from rnnviz.verify.comparison import Mismatch
from rnnviz.verify.histogram import HistogramAccumulator
from rnnviz.verify.metrics import BlockDifference, passing_atol, tolerance

_VIOLATIONS, _ULPS = (-40, 39), (-1, 63)
"""The octaves of the histograms: error ratios from 1e-12 to 1e12, every distance in ulp."""


class ComparisonAccumulator:
    """The figures of the blocks that were added, which come in the order of computation."""

    def __init__(
        self,
        shape: tuple[int, int, int, int, int],
        rtol: float,
        error_over_time: NDArray[np.float64],
        violation_over_time: NDArray[np.float64],
        mismatched_over_time: NDArray[np.int64],
        *,
        reverse: bool = False,
    ) -> None:
        """Begin with nothing; the arrays over time (L, D, T) hold zeros and are filled."""
        layers, directions, _, samples, units = shape
        self._rtol, self._reverse = rtol, reverse
        self._error_over_time = error_over_time
        self._violation_over_time = violation_over_time
        self._mismatched_over_time = mismatched_over_time
        self.violation_by_column = np.zeros((layers, directions, samples, units))
        self.max_abs_error, self.max_abs_error_at = -1.0, Location(reverse=reverse)
        self.max_error_ratio, self.max_ulp, self.passing_atol = 0.0, 0, 0.0
        self.mismatched = 0
        self.first: Mismatch | None = None
        self.nonfinite = [0, 0, 0]
        self.violations, self.ulps = (
            HistogramAccumulator(*octaves, reverse=reverse) for octaves in (_VIOLATIONS, _ULPS)
        )

    def add(
        self, layer: int, direction: int, start: int, r: FloatArray, c: FloatArray, difference: BlockDifference
    ) -> None:
        """Add a block of time steps (B, N, H) that begins at `start`."""
        error, violation, ulp = difference.error, difference.violation, difference.ulp
        times = slice(start, start + len(r))
        over_time = _over_time(violation)
        self._violation_over_time[layer, direction, times] = over_time
        columns = self.violation_by_column[layer, direction]
        np.maximum(columns, violation.max(axis=0) if len(r) > 1 else violation[0], out=columns)
        largest_ulp = int(ulp.max())
        self.violations.add(violation, layer, direction, start)
        self.ulps.add_distances(ulp, layer, direction, start, largest_ulp)
        # A violation is above one exactly where an error is above its limit.
        worst = float(over_time.max())
        if worst > 1.0:
            self._mismatches(layer, direction, start, violation > 1.0, r, c)
        finite = difference.finite
        if finite is not None:
            self.nonfinite[0] += int((~np.isfinite(r)).sum())
            self.nonfinite[1] += int((~np.isfinite(c)).sum())
            self.nonfinite[2] += int(np.isinf(error[~finite]).sum())
            # Pairs that are not finite are counted above; the figures below speak of the others.
            error, largest_ulp = np.where(finite, error, 0.0), int(ulp.max(initial=0, where=finite))
            worst = float(np.where(finite, violation, 0.0).max())
        error_over_time = _over_time(error)
        self._error_over_time[layer, direction, times] = error_over_time
        largest = float(error_over_time.max())
        if largest > self.max_abs_error:
            self._largest_error(layer, direction, start, error)
        self.max_error_ratio = max(self.max_error_ratio, worst)
        self.max_ulp = max(self.max_ulp, largest_ulp)
        if largest > self.passing_atol:
            self._pass(error, r)

    def skip(self, layer: int, direction: int, times: slice) -> None:
        """Mark time steps without compared values as NaN."""
        self._violation_over_time[layer, direction, times] = np.nan
        self._error_over_time[layer, direction, times] = np.nan

    def _largest_error(self, layer: int, direction: int, start: int, error: FloatArray) -> None:
        flat = int(error.argmax())
        self.max_abs_error = float(error.flat[flat])
        t, sample, unit = (int(i) for i in np.unravel_index(flat, error.shape))
        self.max_abs_error_at = Location(layer, direction, start + t, sample, unit, reverse=self._reverse)

    def _mismatches(
        self, layer: int, direction: int, start: int, mismatched: NDArray[np.bool_], r: FloatArray, c: FloatArray
    ) -> None:
        counts = mismatched.reshape(len(r), -1).sum(axis=1)
        self._mismatched_over_time[layer, direction, start : start + len(r)] = counts
        self.mismatched += int(counts.sum())
        if self.first is None:
            times = np.flatnonzero(counts)
            t = int(times[-1] if self._reverse or direction else times[0])
            sample, unit = (int(i) for i in np.argwhere(mismatched[t])[0])
            where = Location(layer, direction, start + t, sample, unit, reverse=self._reverse)
            self.first = Mismatch(where, float(r[t, sample, unit]), float(c[t, sample, unit]))

    def _pass(self, error: FloatArray, r: FloatArray) -> None:
        """Raise the atol until the block passes with it."""
        flat = int(error.argmax())
        # The pair with the largest error needs what its own rtol leaves, and rounding halves that at most: a pair
        # whose error is less needs no look.
        needed = (float(error.flat[flat]) - abs(float(r.flat[flat])) * self._rtol) / 2.0
        if needed == np.inf:
            self.passing_atol = needed
            return
        large = error > max(self.passing_atol, needed)
        # Not limit - atol, which is no longer what was added to atol.
        relative = tolerance(r[large], self._rtol, 0.0)
        self.passing_atol = passing_atol(error[large], relative, self.passing_atol)


def _over_time(values: NDArray[Any]) -> NDArray[np.float64]:
    """(B,): the maximum at each time step of (B, N, H)."""
    return np.asarray(values.reshape(len(values), -1).max(axis=1))
