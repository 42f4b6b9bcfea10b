"""Mismatches of a comparison: as rows, and the next one, in the order of computation."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location, Places
from rnnviz.frozen import dataclass
from rnnviz.verify.compare import LaneComparison
from rnnviz.verify.metrics import UlpArray, abs_error, error_ratio_of, mismatching, tolerance, ulp_distance

LARGEST = 20_000
"""Limit of the collected rows: more than users read, few enough to collect and sort within a frame."""

_FIRST_BLOCK, _BLOCK_VALUES = 1 << 15, 1 << 20
"""Values that are read at a time: few at first, as the rows may be full soon, then more."""


@dataclass(frozen=True)
class MismatchRows:
    """The first `LARGEST` mismatches; `total` says how many there are. `where` (K, 5) holds layer, direction, timestep,
    sample and unit; the other arrays, each (K,), the two values in the network's dtype, |candidate - reference|, the
    error ratio and the distance in floats."""

    total: int
    where: NDArray[np.int64]
    reference: FloatArray
    candidate: FloatArray
    error: NDArray[np.float64]
    error_ratio: NDArray[np.float64]
    ulp: UlpArray
    places: Places

    def __len__(self) -> int:
        return len(self.where)

    def location(self, row: int) -> Location:
        """The place of one row."""
        return self.places.location(*map(int, self.where[row]))

    def row_of(self, where: Location) -> int | None:
        """The row in which a place is, or None."""
        rows = np.flatnonzero(self.where[:, 2] == where.timestep)
        found = rows[(self.where[rows] == where.index).all(axis=1)]
        return int(found[0]) if len(found) else None


def mismatch_rows(
    comparison: LaneComparison,
    reference: Trace,
    candidate: Trace,
    lanes: Collection[tuple[int, int]] | None = None,
    largest: int = LARGEST,
) -> MismatchRows:
    """Collect the mismatches of a comparison in the order of the pass, of all lanes or of some."""
    lanes = [lane for lane in comparison.lanes if lanes is None or lane in lanes]
    found, left, block = [np.empty((0, 5), np.int64)], largest, _FIRST_BLOCK
    for lane in lanes:
        times = np.flatnonzero(comparison.mismatched_over_time[lane])
        if comparison.last_first(lane[1]):
            times = times[::-1]
        # A column that is never outside the limit need not be read. A quotient is above 1 wherever an error is above
        # its limit, however it is rounded.
        columns = np.nonzero(comparison.error_ratio_by_column[lane] > 1.0)
        while len(times) and left > 0:
            length = max(1, block // max(1, len(columns[0])))
            found.append(_places(comparison, reference, candidate, lane, times[:length], columns)[:left])
            left -= len(found[-1])
            times, block = times[length:], min(2 * block, _BLOCK_VALUES)
    where = np.concatenate(found)
    total = int(sum(comparison.lane_mismatched[lane] for lane in lanes))
    index = tuple(where.T)
    r, c = reference[comparison.name][index], candidate[comparison.name][index]
    error = abs_error(r, c)
    ratio = error_ratio_of(error, tolerance(r, comparison.rtol, comparison.atol))
    return MismatchRows(total, where, r, c, error, ratio, ulp_distance(r, c), comparison.places)


def _places(
    comparison: LaneComparison,
    reference: Trace,
    candidate: Trace,
    lane: tuple[int, int],
    times: NDArray[np.intp],
    columns: tuple[NDArray[np.intp], ...],
) -> NDArray[np.int64]:
    """(K, 5): the mismatches of some columns, samples and units, of a lane at some time steps, in their order."""
    samples, units = columns
    # All columns at once where most are wanted: one by one they take longer.
    most = 2 * len(units) > comparison.error_ratio_by_column[lane].size
    r, c = (
        trace[comparison.name][lane][times][:, samples, units]
        if most
        else trace[comparison.name][lane][times[:, np.newaxis], samples, units]
        for trace in (reference, candidate)
    )
    mismatched = mismatching(r, c, comparison.rtol, comparison.atol)
    if lengths := comparison.places.lengths:
        mismatched &= times[:, np.newaxis] < np.asarray(lengths)[samples]
    rows, at = np.nonzero(mismatched)
    lanes = np.broadcast_to(lane, (len(rows), 2))
    return np.column_stack([lanes, times[rows], samples[at], units[at]]).astype(np.int64)


def mismatching_at(
    comparison: LaneComparison, reference: Trace, candidate: Trace, where: Location
) -> NDArray[np.bool_]:
    """Mismatches of one step. Returns an array of bool of shape (N, H): true for each mismatch; padding has none."""
    index = where.layer, where.direction, where.timestep
    r, c = reference[comparison.name][index], candidate[comparison.name][index]
    mismatched = mismatching(r, c, comparison.rtol, comparison.atol)
    if lengths := comparison.places.lengths:
        mismatched[np.asarray(lengths) <= where.timestep] = False
    return mismatched


def neighbor_mismatch(
    comparison: LaneComparison, reference: Trace, candidate: Trace, here: Location, *, forward: bool
) -> Location | None:
    """The next or previous mismatch in the order of the pass, which continues at the other end."""
    if not comparison.mismatched:
        return None
    if comparison.mismatched_over_time[here.index[:3]]:
        mask = mismatching_at(comparison, reference, candidate, here)
        flat, at = np.flatnonzero(mask), here.sample * mask.shape[1] + here.unit
        others = flat[flat > at] if forward else flat[flat < at]
        if len(others):
            sample, unit = divmod(int(others[0 if forward else -1]), mask.shape[1])
            return here.moved(sample=sample, unit=unit)
    where = _next_step(comparison, here, forward)
    sample, unit = np.argwhere(mismatching_at(comparison, reference, candidate, where))[0 if forward else -1]
    return where.moved(sample=int(sample), unit=int(unit))


def _next_step(comparison: LaneComparison, here: Location, forward: bool) -> Location:
    """The next step in the order of the pass at which anything mismatches, round the end; something must."""
    lanes = comparison.lanes[:: 1 if forward else -1]
    own = lanes.index((here.layer, here.direction))
    # The selected lane is searched first, from the selection on, and last, up to it.
    for turn, lane in enumerate((*lanes[own:], *lanes[: own + 1])):
        rising = forward != comparison.last_first(lane[1])
        times = np.flatnonzero(comparison.mismatched_over_time[lane])
        if turn == 0:
            times = times[times > here.timestep] if rising else times[times < here.timestep]
        if len(times):
            return comparison.places.location(*lane, int(times[0 if rising else -1]))
    raise ValueError("There are no mismatches.")
