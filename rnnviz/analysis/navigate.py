"""From one mismatch to the next, in the order of computation."""

import numpy as np
from numpy.typing import NDArray

from rnnviz.analysis.compare import Comparison
from rnnviz.analysis.elementwise import abs_error, tolerance
from rnnviz.model.location import Location
from rnnviz.model.trace import Trace


def mismatching_at(comparison: Comparison, reference: Trace, candidate: Trace, where: Location) -> NDArray[np.bool_]:
    """(N, H): which values mismatch in the lane and timestep of `where`."""
    index = where.layer, where.direction, where.timestep
    r, c = reference.hidden[index], candidate.hidden[index]
    return np.asarray(~(abs_error(r, c) <= tolerance(r, comparison.rtol, comparison.atol)))


def neighbour_mismatch(
    comparison: Comparison, reference: Trace, candidate: Trace, here: Location, *, forward: bool
) -> Location | None:
    """The mismatch after `here` in the order of computation (before it, if not `forward`), round the end.

    None if nothing mismatches. The order is by layer from the bottom, direction, step of that direction's
    recurrence, sample, unit.
    """
    if not comparison.mismatched:
        return None
    counts = comparison.mismatched_over_time
    steps = np.flatnonzero(_in_order(counts))
    at = _step_of(here, counts.shape)
    place = int(np.searchsorted(steps, at))
    if place < len(steps) and steps[place] == at:
        found = _within_step(comparison, reference, candidate, here, forward)
        if found is not None:
            return found
        place += 1 if forward else -1
    elif not forward:
        place -= 1
    where = _location_of(int(steps[place % len(steps)]), counts.shape)
    sample, unit = np.argwhere(mismatching_at(comparison, reference, candidate, where))[0 if forward else -1]
    return where.moved(sample=int(sample), unit=int(unit))


def _within_step(
    comparison: Comparison, reference: Trace, candidate: Trace, here: Location, forward: bool
) -> Location | None:
    """The next mismatch among the samples and units of the same lane and timestep."""
    mask = mismatching_at(comparison, reference, candidate, here)
    flat = np.flatnonzero(mask)
    at = here.sample * mask.shape[1] + here.unit
    others = flat[flat > at] if forward else flat[flat < at]
    if not len(others):
        return None
    sample, unit = divmod(int(others[0 if forward else -1]), mask.shape[1])
    return here.moved(sample=sample, unit=unit)


def _in_order(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(L, D, T) flattened in the order of computation: backward lanes run from T-1 to 0."""
    ordered = counts.copy()
    if counts.shape[1] == 2:
        ordered[:, 1] = counts[:, 1, ::-1]
    return ordered.reshape(-1)


def _step_of(where: Location, shape: tuple[int, ...]) -> int:
    _, directions, timesteps = shape
    step = timesteps - 1 - where.timestep if where.direction else where.timestep
    return (where.layer * directions + where.direction) * timesteps + step


def _location_of(step: int, shape: tuple[int, ...]) -> Location:
    _, directions, timesteps = shape
    lane, step = divmod(step, timesteps)
    layer, direction = divmod(lane, directions)
    return Location(layer, direction, timesteps - 1 - step if direction else step)
