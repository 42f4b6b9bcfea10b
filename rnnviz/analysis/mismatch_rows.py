"""The mismatches of a comparison as rows, in the order of computation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnviz.analysis.compare import Comparison
from rnnviz.analysis.elementwise import UlpArray, abs_error, tolerance, ulp_distance, violation_of
from rnnviz.model.arrays import FloatArray
from rnnviz.model.location import Location
from rnnviz.model.trace import Trace

LARGEST = 100_000
"""How many rows are gathered: more than anybody reads, and few enough to be sorted at once."""

_BLOCK_VALUES = 1 << 20


@dataclass(frozen=True)
class MismatchRows:
    """The first `LARGEST` mismatches; `total` says how many there are.

    `where` (K, 5) holds layer, direction, timestep, sample and unit; the other arrays, each (K,), the two values
    in the network's dtype, |candidate - reference|, the violation and the distance in floats.
    """

    total: int
    where: NDArray[np.int64]
    reference: FloatArray
    candidate: FloatArray
    error: NDArray[np.float64]
    violation: NDArray[np.float64]
    ulp: UlpArray

    def __len__(self) -> int:
        return len(self.where)

    def location(self, row: int) -> Location:
        """The place of one row."""
        return Location(*(int(index) for index in self.where[row]))


def mismatch_rows(
    comparison: Comparison,
    reference: Trace,
    candidate: Trace,
    lanes: list[tuple[int, int]] | None = None,
    largest: int = LARGEST,
) -> MismatchRows:
    """Gather the mismatches of the given (layer, direction) lanes, or of all, in the order of computation."""
    layers, directions, _, samples, units = reference.shape
    if lanes is None:
        lanes = [(layer, direction) for layer in range(layers) for direction in range(directions)]
    found: list[NDArray[np.int64]] = []
    left = largest
    for layer, direction in sorted(lanes):
        times = np.flatnonzero(comparison.mismatched_over_time[layer, direction])
        if direction:
            times = times[::-1]
        length = max(1, _BLOCK_VALUES // (samples * units))
        for start in range(0, len(times), length):
            if left <= 0:
                break
            block = _places(comparison, reference, candidate, (layer, direction), times[start : start + length])[:left]
            found.append(block)
            left -= len(block)
    where = np.concatenate(found) if found else np.empty((0, 5), np.int64)
    total = int(sum(comparison.lane_mismatched[lane] for lane in lanes))
    index = tuple(where.T)
    r, c = reference.hidden[index], candidate.hidden[index]
    error = abs_error(r, c)
    limit = tolerance(r, comparison.rtol, comparison.atol)
    return MismatchRows(total, where, r, c, error, violation_of(error, limit), ulp_distance(r, c))


def _places(
    comparison: Comparison, reference: Trace, candidate: Trace, lane: tuple[int, int], times: NDArray[np.intp]
) -> NDArray[np.int64]:
    """(K, 5): the mismatches of one lane at the given timesteps, in their order."""
    r, c = reference.hidden[lane][times], candidate.hidden[lane][times]
    outside = np.argwhere(~(abs_error(r, c) <= tolerance(r, comparison.rtol, comparison.atol)))
    where = np.empty((len(outside), 5), np.int64)
    where[:, :2] = lane
    where[:, 2] = times[outside[:, 0]]
    where[:, 3:] = outside[:, 1:]
    return where
