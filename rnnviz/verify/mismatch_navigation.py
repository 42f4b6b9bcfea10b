"""From one mismatch to the next, in the order of computation."""

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.verify.compare import Comparison
from rnnviz.verify.metrics import abs_error, tolerance

_PIECE = 1 << 14
"""Number of time steps searched at a time: the next mismatch is near in most runs."""


def mismatching_at(comparison: Comparison, reference: Trace, candidate: Trace, where: Location) -> NDArray[np.bool_]:
    """(N, H): which values mismatch in the lane and time step of `where`."""
    index = where.layer, where.direction, where.timestep
    r, c = reference.hidden[index], candidate.hidden[index]
    return np.asarray(~(abs_error(r, c) <= tolerance(r, comparison.rtol, comparison.atol)))


def neighbor_mismatch(
    comparison: Comparison, reference: Trace, candidate: Trace, here: Location, *, forward: bool
) -> Location | None:
    """The mismatch after `here` in the order of computation (before it, if not `forward`), round the end.

    None if nothing mismatches. The order is by layer from the bottom, direction, step of that direction's
    recurrence, sample, unit.
    """
    if not comparison.mismatched:
        return None
    if comparison.mismatched_over_time[here.index[:3]]:
        found = _within_step(comparison, reference, candidate, here, forward)
        if found is not None:
            return found
    where = _next_step(comparison, here, forward)
    sample, unit = np.argwhere(mismatching_at(comparison, reference, candidate, where))[0 if forward else -1]
    return where.moved(sample=int(sample), unit=int(unit))


def _next_step(comparison: Comparison, here: Location, forward: bool) -> Location:
    """The next step in the order of computation at which anything mismatches, round the end; something must."""
    counts = comparison.mismatched_over_time
    lanes = list(np.ndindex(counts.shape[:2]))
    if not forward:
        lanes.reverse()
    own = lanes.index((here.layer, here.direction))
    # The cursor's lane comes first, from the cursor on, and last, up to it.
    for turn, (layer, direction) in enumerate((*lanes[own:], *lanes[: own + 1])):
        rising = forward != (comparison.reverse or direction == 1)
        times = range(counts.shape[2])
        if turn == 0:
            times = times[here.timestep + 1 :] if rising else times[: here.timestep]
        found = _first_time(counts[layer, direction], times, rising=rising)
        if found is not None:
            return Location(layer, direction, found, reverse=comparison.reverse)
    raise ValueError("There are no mismatches.")


def _first_time(counts: NDArray[np.int64], times: range, *, rising: bool) -> int | None:
    """The first of some time steps, or the last if not `rising`, whose count is not zero; read piece by piece."""
    starts = range(times.start, times.stop, _PIECE)
    for start in starts if rising else reversed(starts):
        found = np.flatnonzero(counts[start : min(start + _PIECE, times.stop)])
        if len(found):
            return start + int(found[0 if rising else -1])
    return None


def _within_step(
    comparison: Comparison, reference: Trace, candidate: Trace, here: Location, forward: bool
) -> Location | None:
    """The next mismatch among the samples and units of the same lane and time step."""
    mask = mismatching_at(comparison, reference, candidate, here)
    flat = np.flatnonzero(mask)
    at = here.sample * mask.shape[1] + here.unit
    others = flat[flat > at] if forward else flat[flat < at]
    if not len(others):
        return None
    sample, unit = divmod(int(others[0 if forward else -1]), mask.shape[1])
    return here.moved(sample=sample, unit=unit)
