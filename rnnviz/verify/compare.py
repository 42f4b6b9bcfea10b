"""Comparison of two engines, array by array: |candidate - reference| <= atol + rtol · |reference| for every value."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import DERIVED, Trace
from rnnviz.core.trace_index import Location
from rnnviz.verify.displayed import Displayed
from rnnviz.verify.histogram import Histogram, HistogramAccumulator
from rnnviz.verify.metrics import BlockDifference, BlockDifferences, passing_atol, tolerance
from rnnviz.verify.per_timestep import OverTime, over_time
from rnnviz.verify.verdict import Verdict


@dataclass(frozen=True)
class Mismatch:
    """A place where two engines differ by more than the tolerance, and what each has there."""

    where: Location
    reference: float
    candidate: float


@dataclass(frozen=True, repr=False)
class Comparison(Displayed, OverTime):
    """One array of a candidate compared with the reference's: `name` says which.

    `max_abs_error`, `max_error_ratio`, `max_ulp` and `smallest_passing_atol` cover the pairs in which both
    numbers are finite. `nonfinite_apart` counts the pairs with a NaN or an infinity in one engine only, or with
    different ones. `smallest_passing_atol` is the smallest atol with which every finite pair would pass at this rtol.

    The arrays over time have the shape (L, D, T), over all samples and units: the largest absolute error, the
    largest error ratio (infinite where non-finite values differ), and how many values mismatch.
    `error_ratio_by_column` (L, D, N, H) is the largest error ratio of each unit of each sample over time.

    `elements` counts the pairs that were compared, `unrecorded` those of which a recording lacks a number. Where
    nothing was compared the error and the error ratio over time are NaN.

    `reverse` says that the only direction goes backward: the order of computation begins at T-1.

    `arrays` has, in the comparison of h, those of the other arrays that both engines give, by name. The verdict does
    not depend on them.

    `error_ratios` and `ulps` say how all values are spread; a pair of which one is NaN has an infinite distance.
    """

    NAMES: ClassVar = ("error_over_time", "error_ratio_over_time", "mismatched_over_time")

    reference: str
    candidate: str
    rtol: float
    atol: float
    elements: int
    mismatched: int
    max_abs_error: float
    max_abs_error_at: Location
    max_error_ratio: float
    max_ulp: int
    smallest_passing_atol: float
    first_mismatch: Mismatch | None
    nonfinite_reference: int
    nonfinite_candidate: int
    nonfinite_apart: int
    error_over_time: NDArray[np.float64]
    error_ratio_over_time: NDArray[np.float64]
    mismatched_over_time: NDArray[np.int64]
    error_ratio_by_column: NDArray[np.float64]
    error_ratios: Histogram
    ulps: Histogram
    stored: Path | None = None
    unrecorded: int = 0
    reverse: bool = False
    name: str = "h"
    arrays: "Mapping[str, Comparison]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let no one write to the arrays."""
        self.protect()

    def protect(self) -> None:
        """Let no one write to the arrays."""
        super().protect()
        self.error_ratio_by_column.flags.writeable = False

    @property
    def verdict(self) -> Verdict:
        """Disagree if any value exceeds the tolerance."""
        return Verdict.DISAGREE if self.mismatched else Verdict.AGREE

    def of(self, name: str) -> "Comparison":
        """The comparison of an array; of one that is not compared, the one of h."""
        return self.arrays.get(name, self)

    @property
    def coverage(self) -> float:
        """The fraction of the values that were compared, 0 to 1."""
        return self.elements / (self.elements + self.unrecorded)

    @cached_property
    def lane_mismatched(self) -> NDArray[np.int64]:
        """(L, D): how many values of each lane mismatch."""
        counts = np.asarray(self.mismatched_over_time.sum(axis=2))
        counts.flags.writeable = False
        return counts


_RATIOS, _ULPS = (-40, 39), (-1, 63)
"""The octaves of the histograms: error ratios from 1e-12 to 1e12, every distance in ulp."""


class ComparisonAccumulator:
    """The figures of the blocks that were added, which come in the order of computation."""

    def __init__(
        self,
        shape: tuple[int, ...],
        rtol: float,
        error_over_time: NDArray[np.float64],
        error_ratio_over_time: NDArray[np.float64],
        mismatched_over_time: NDArray[np.int64],
        *,
        reverse: bool = False,
    ) -> None:
        """Begin with nothing; the arrays over time (L, D, T) hold zeros and are filled."""
        layers, directions, _, samples, units = shape
        self._rtol, self._reverse = rtol, reverse
        self._error_over_time = error_over_time
        self._error_ratio_over_time = error_ratio_over_time
        self._mismatched_over_time = mismatched_over_time
        self.error_ratio_by_column = np.zeros((layers, directions, samples, units))
        self.max_abs_error, self.max_abs_error_at = -1.0, Location(reverse=reverse)
        self.max_error_ratio, self.max_ulp, self.passing_atol = 0.0, 0, 0.0
        self.mismatched = 0
        self.first: Mismatch | None = None
        self.nonfinite = [0, 0, 0]
        self.error_ratios, self.ulps = (HistogramAccumulator(*octaves, reverse=reverse) for octaves in (_RATIOS, _ULPS))

    def add(
        self, layer: int, direction: int, start: int, r: FloatArray, c: FloatArray, difference: BlockDifference
    ) -> None:
        """Add a block of time steps.

        Parameters
        ----------
        layer, direction, start : int
            The lane, and the first time step.
        r, c : ndarray of shape (B, N, H)
            Values of the reference and the candidate.
        difference : BlockDifference
            Their errors.
        """
        error, error_ratio, ulp = difference.error, difference.error_ratio, difference.ulp
        times = slice(start, start + len(r))
        over_time = _over_time(error_ratio)
        self._error_ratio_over_time[layer, direction, times] = over_time
        columns = self.error_ratio_by_column[layer, direction]
        np.maximum(columns, error_ratio.max(axis=0) if len(r) > 1 else error_ratio[0], out=columns)
        largest_ulp = int(ulp.max())
        self.error_ratios.add(error_ratio, layer, direction, start)
        self.ulps.add_distances(ulp, layer, direction, start, largest_ulp)
        # An error ratio is above 1 exactly where the error is above the tolerance.
        worst = float(over_time.max())
        if worst > 1.0:
            self._mismatches(layer, direction, start, error_ratio > 1.0, r, c)
        finite = difference.finite
        if finite is not None:
            self.nonfinite[0] += int((~np.isfinite(r)).sum())
            self.nonfinite[1] += int((~np.isfinite(c)).sum())
            self.nonfinite[2] += int(np.isinf(error[~finite]).sum())
            # Pairs that are not finite are counted above; the figures below speak of the others.
            error, largest_ulp = np.where(finite, error, 0.0), int(ulp.max(initial=0, where=finite))
            worst = float(np.where(finite, error_ratio, 0.0).max())
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
        """Mark time steps without compared values as NaN.

        Parameters
        ----------
        layer, direction : int
            The lane.
        times : slice
            The time steps.
        """
        self._error_ratio_over_time[layer, direction, times] = np.nan
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


_BLOCK_VALUES = 1 << 17
"""Number of values in a block: large enough to amortize the calls, small enough that the float64 temporaries
stay in the last-level cache."""

Watch: TypeAlias = Callable[[int, int, int, FloatArray, FloatArray, BlockDifference | None], None]
"""Called with layer, direction, first time step, the reference's and the candidate's values (B, N, H) from it on, and
their difference, whose memory is used again; None where they are not compared."""


def shared_arrays(reference: Trace, candidate: Trace) -> list[str]:
    """The names of the arrays over time that are compared, h first.

    Gates and cell states that an engine does not give are derived from its h, so that comparing them would say no more
    than comparing h. Out and the final states are compared with h by the consistency checks.
    """
    if reference.partial or candidate.partial:
        return ["h"]
    names = (name for name in reference.over_time() if name != "h" and not name.startswith(DERIVED))
    return ["h", *(name for name in names if name in candidate)]


def compare(
    reference: Trace,
    candidate: Trace,
    rtol: float,
    atol: float,
    progress: Callable[[float], None] = lambda _: None,
    watch: Watch = lambda *_: None,
    *,
    name: str = "h",
    folder: Path | None = None,
) -> Comparison:
    """Compare every value of an array of two traces of one network, block by block.

    Values that a recording lacks are not compared.

    Parameters
    ----------
    reference, candidate : Trace
        Two traces of one network and sequence.
    rtol, atol : float
        Relative and absolute tolerance.
    progress : callable
        Gets the fraction that is done.
    watch : callable
        Gets every block and its errors; see `Watch`.
    name : str
        Name of the array (L, D, T, N, U).
    folder : Path, optional
        Stores large arrays over time (L, D, T) as files.

    Returns
    -------
    Comparison
        Errors, mismatches and histograms.

    Raises
    ------
    OSError
        If the disk is full.
    """
    ours, theirs = reference[name], candidate[name]
    layers, directions, timesteps, *_ = ours.shape
    dtypes = dict(zip(Comparison.NAMES, ("float64", "float64", "int64"), strict=True))
    arrays, stored = over_time(folder, f"comparison.{name}", dtypes, ours.shape[:3])
    tally = ComparisonAccumulator(ours.shape, rtol, **arrays, reverse=reference.reverse)
    differences = BlockDifferences(rtol, atol)
    elements = 0
    for layer, direction, times in _blocks(reference, candidate, ours.shape):
        r = np.asarray(ours[layer, direction, times])
        c = np.asarray(theirs[layer, direction, times])
        difference = None
        if times.start in compared(reference, candidate, layer, direction):
            difference = differences.of(r, c)
            tally.add(layer, direction, times.start, r, c, difference)
            elements += r.size
        else:
            tally.skip(layer, direction, times)
        watch(layer, direction, times.start, r, c, difference)
        done = (timesteps - times.start if reference.backward(direction) else times.stop) / timesteps
        progress((layer * directions + direction + done) / (layers * directions))
    return Comparison(
        reference=reference.engine,
        candidate=candidate.engine,
        rtol=rtol,
        atol=atol,
        elements=elements,
        mismatched=tally.mismatched,
        max_abs_error=max(tally.max_abs_error, 0.0),
        max_abs_error_at=tally.max_abs_error_at,
        max_error_ratio=tally.max_error_ratio,
        max_ulp=tally.max_ulp,
        smallest_passing_atol=tally.passing_atol,
        first_mismatch=tally.first,
        nonfinite_reference=tally.nonfinite[0],
        nonfinite_candidate=tally.nonfinite[1],
        nonfinite_apart=tally.nonfinite[2],
        **arrays,  # type: ignore[arg-type]
        error_ratio_by_column=tally.error_ratio_by_column,
        error_ratios=tally.error_ratios.histogram(),
        ulps=tally.ulps.histogram(),
        stored=stored,
        reverse=reference.reverse,
        unrecorded=ours.size - elements,
        name=name,
    )


def compared(reference: Trace, candidate: Trace, layer: int, direction: int) -> range:
    """Time steps of a lane at which both traces have hidden states.

    Parameters
    ----------
    reference, candidate : Trace
        Two traces of one network.
    layer, direction : int
        The lane.

    Returns
    -------
    range
        Time steps, empty if there are none.
    """
    recorded = [trace.recorded(layer, direction) for trace in (reference, candidate)]
    start = max(part.start for part in recorded)
    return range(start, max(start, min(part.stop for part in recorded)))


def _blocks(reference: Trace, candidate: Trace, shape: tuple[int, ...]) -> Iterator[tuple[int, int, slice]]:
    """Slices of time of every lane, in the order of computation. A slice is compared or missing as a whole."""
    layers, directions, timesteps, samples, units = shape
    length = max(1, _BLOCK_VALUES // (samples * units))
    for layer in range(layers):
        for direction in range(directions):
            both = compared(reference, candidate, layer, direction)
            parts = range(both.start), both, range(both.stop, timesteps)
            starts = [(start, part.stop) for part in parts for start in range(part.start, part.stop, length)]
            for start, stop in reversed(starts) if reference.backward(direction) else starts:
                yield layer, direction, slice(start, min(start + length, stop))
