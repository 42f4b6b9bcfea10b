"""The accumulated comparison: |candidate - reference| <= atol + rtol · |reference|, for every hidden value."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.analysis.block_difference import BlockDifference, BlockDifferences
from rnnviz.analysis.elementwise import passing_atol, tolerance
from rnnviz.analysis.histogram import Histogram, HistogramTally
from rnnviz.model.arrays import FloatArray
from rnnviz.model.location import Location
from rnnviz.model.trace import Trace

_BLOCK_VALUES = 1 << 15
"""How many values are compared at a time: their float64 temporaries stay in the processor's cache."""

Watch: TypeAlias = Callable[[int, int, int, FloatArray, FloatArray], None]
"""Called with layer, direction, first timestep, and the reference's and the candidate's values (B, N, H) from it on."""

_VIOLATIONS, _ULPS = (-40, 39), (-1, 63)
"""The octaves of the histograms: violations from 1e-12 to 1e12, every distance in floats."""


@dataclass(frozen=True)
class Mismatch:
    """A place where two engines differ by more than the tolerance, and what each has there."""

    where: Location
    reference: float
    candidate: float


@dataclass(frozen=True)
class Comparison:
    """A candidate held against the reference.

    `max_abs_error`, `max_violation`, `max_ulp` and `smallest_passing_atol` speak of the pairs in which both
    numbers are finite; `nonfinite_apart` counts the places where a NaN or an infinity stands on one side only
    or differs. `smallest_passing_atol` is the smallest atol with which every finite pair would pass at this rtol.

    The arrays have the shape (L, D, T), over all samples and units: the largest absolute error, the
    largest violation (infinite where numbers that are not finite stand apart), and how many values mismatch.
    `violation_by_column` (L, D, N, H) is the largest violation of each unit of each sample over time.

    `violations` and `ulps` say how all values are spread; a pair of which one is NaN has an infinite distance.
    """

    reference: str
    candidate: str
    rtol: float
    atol: float
    elements: int
    mismatched: int
    max_abs_error: float
    max_abs_error_at: Location
    max_violation: float
    max_ulp: int
    smallest_passing_atol: float
    first_mismatch: Mismatch | None
    nonfinite_reference: int
    nonfinite_candidate: int
    nonfinite_apart: int
    error_over_time: NDArray[np.float64]
    violation_over_time: NDArray[np.float64]
    mismatched_over_time: NDArray[np.int64]
    violation_by_column: NDArray[np.float64]
    violations: Histogram
    ulps: Histogram

    def __post_init__(self) -> None:
        """Let nobody write to the arrays."""
        for array in (
            self.error_over_time,
            self.violation_over_time,
            self.mismatched_over_time,
            self.violation_by_column,
        ):
            array.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Protect the arrays again after a pipe, which forgets that they were."""
        self.__dict__.update(state)
        self.__post_init__()

    @property
    def verdict(self) -> str:
        """ "agree", or "mismatch" if any value is outside the tolerance."""
        return "mismatch" if self.mismatched else "agree"

    @property
    def lane_mismatched(self) -> NDArray[np.int64]:
        """(L, D): how many values of each lane mismatch."""
        return np.asarray(self.mismatched_over_time.sum(axis=2))


class _Tally:
    """The running figures of one comparison."""

    def __init__(self, shape: tuple[int, int, int, int, int], rtol: float) -> None:
        self._rtol = rtol
        layers, directions, _, samples, units = shape
        self.violation_by_column = np.zeros((layers, directions, samples, units))
        self.error_over_time = np.zeros(shape[:3])
        self.violation_over_time = np.zeros(shape[:3])
        self.mismatched_over_time = np.zeros(shape[:3], np.int64)
        self.max_abs_error, self.max_abs_error_at = -1.0, Location()
        self.max_violation, self.max_ulp, self.passing_atol = 0.0, 0, 0.0
        self.first: tuple[tuple[int, int, int], Mismatch] | None = None
        self.nonfinite = [0, 0, 0]
        self.violations, self.ulps = HistogramTally(*_VIOLATIONS), HistogramTally(*_ULPS)

    def add(
        self, layer: int, direction: int, start: int, r: FloatArray, c: FloatArray, difference: BlockDifference
    ) -> None:
        """Count a block of timesteps (B, N, H) that begins at `start`."""
        error, violation, ulp = difference.error, difference.violation, difference.ulp
        times = slice(start, start + len(r))
        over_time = _over_time(violation)
        self.violation_over_time[layer, direction, times] = over_time
        columns = self.violation_by_column[layer, direction]
        np.maximum(columns, violation.max(axis=0), out=columns)
        self.violations.add(violation, layer, direction, start)
        self.ulps.add_distances(ulp, layer, direction, start)
        # A violation is above one exactly where an error is above its limit.
        worst = float(over_time.max())
        if worst > 1.0:
            mismatched = violation > 1.0
            self.mismatched_over_time[layer, direction, times] = mismatched.sum(axis=(1, 2))
            self._first_mismatch(layer, direction, start, mismatched, r, c)
        finite = difference.finite
        if finite is not None:
            self.nonfinite[0] += int((~np.isfinite(r)).sum())
            self.nonfinite[1] += int((~np.isfinite(c)).sum())
            self.nonfinite[2] += int(np.isinf(error[~finite]).sum())
            # Pairs that are not finite are counted above; the figures below speak of the others.
            error, ulp = np.where(finite, error, 0.0), np.where(finite, ulp, 0)
            worst = float(np.where(finite, violation, 0.0).max())
        error_over_time = _over_time(error)
        self.error_over_time[layer, direction, times] = error_over_time
        largest = float(error_over_time.max())
        if largest > self.max_abs_error:
            self._largest_error(layer, direction, start, error)
        self.max_violation = max(self.max_violation, worst)
        self.max_ulp = max(self.max_ulp, int(ulp.max()))
        if largest > self.passing_atol:
            # Not limit - atol, which is no longer what was added to atol.
            relative = tolerance(r, self._rtol, 0.0)
            self.passing_atol = passing_atol(error.ravel(), relative.ravel(), self.passing_atol)

    def _largest_error(self, layer: int, direction: int, start: int, error: FloatArray) -> None:
        flat = int(error.argmax())
        self.max_abs_error = float(error.flat[flat])
        t, sample, unit = (int(i) for i in np.unravel_index(flat, error.shape))
        self.max_abs_error_at = Location(layer, direction, start + t, sample, unit)

    def _first_mismatch(
        self, layer: int, direction: int, start: int, mismatched: NDArray[np.bool_], r: FloatArray, c: FloatArray
    ) -> None:
        times = np.flatnonzero(mismatched.any(axis=(1, 2)))
        t = int(times[-1] if direction else times[0])
        order = (layer, direction, -(start + t) if direction else start + t)
        if self.first is None or order < self.first[0]:
            sample, unit = (int(i) for i in np.argwhere(mismatched[t])[0])
            where = Location(layer, direction, start + t, sample, unit)
            self.first = order, Mismatch(where, float(r[t, sample, unit]), float(c[t, sample, unit]))


def compare(
    reference: Trace,
    candidate: Trace,
    rtol: float,
    atol: float,
    progress: Callable[[float], None] = lambda _: None,
    watch: Watch = lambda *_: None,
) -> Comparison:
    """Compare every hidden value of two traces of one network, block by block, each of which `watch` sees as well."""
    layers, directions, timesteps, _samples, _units = reference.shape
    tally, differences = _Tally(reference.shape, rtol), BlockDifferences(rtol, atol)
    for layer, direction, times in _blocks(reference):
        r = np.asarray(reference.hidden[layer, direction, times])
        c = np.asarray(candidate.hidden[layer, direction, times])
        tally.add(layer, direction, times.start, r, c, differences.of(r, c))
        watch(layer, direction, times.start, r, c)
        done = (timesteps - times.start if direction else times.stop) / timesteps
        progress((layer * directions + direction + done) / (layers * directions))
    return Comparison(
        reference=reference.engine,
        candidate=candidate.engine,
        rtol=rtol,
        atol=atol,
        elements=reference.hidden.size,
        mismatched=int(tally.mismatched_over_time.sum()),
        max_abs_error=max(tally.max_abs_error, 0.0),
        max_abs_error_at=tally.max_abs_error_at,
        max_violation=tally.max_violation,
        max_ulp=tally.max_ulp,
        smallest_passing_atol=tally.passing_atol,
        first_mismatch=None if tally.first is None else tally.first[1],
        nonfinite_reference=tally.nonfinite[0],
        nonfinite_candidate=tally.nonfinite[1],
        nonfinite_apart=tally.nonfinite[2],
        error_over_time=tally.error_over_time,
        violation_over_time=tally.violation_over_time,
        mismatched_over_time=tally.mismatched_over_time,
        violation_by_column=tally.violation_by_column,
        violations=tally.violations.histogram(),
        ulps=tally.ulps.histogram(),
    )


def _over_time(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B,): the largest of each timestep of (B, N, H)."""
    return np.asarray(values.reshape(len(values), -1).max(axis=1))


def _blocks(trace: Trace) -> Iterator[tuple[int, int, slice]]:
    """Every lane in slices of time, in the order of computation."""
    layers, directions, timesteps, samples, units = trace.shape
    length = max(1, _BLOCK_VALUES // (samples * units))
    starts = range(0, timesteps, length)
    for layer in range(layers):
        for direction in range(directions):
            for start in reversed(starts) if direction else starts:
                yield layer, direction, slice(start, min(start + length, timesteps))
