"""The lanes of the unrolled network, read at the resolution at which they are shown.

This is the one place where a picture reads a trace. A lane is never loaded as a whole: what is needed is
reduced chunk by chunk, and the reduced copies are kept within a fixed budget.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np

from rnnviz.analysis.difference import signed_difference
from rnnviz.analysis.elementwise import abs_error, tolerance, violation
from rnnviz.analysis.level_of_detail import (
    Bins,
    BoolArray,
    bin_extremes,
    bin_marks,
    block_extremes,
    block_marks,
)
from rnnviz.analysis.result import RunResult
from rnnviz.model.arrays import FloatArray

Quantity: TypeAlias = Literal["value", "violation", "difference"]

_CHUNK_VALUES = 1 << 16
"""How many values are reduced at a time: few, so that a frame that needs new ones is not late."""
_CACHE_BYTES = 96 << 20


@dataclass(frozen=True)
class Lane:
    """One layer in one direction (0 forward, 1 backward), or with `layer` None the input sequence."""

    layer: int | None
    direction: int = 0


INPUT = Lane(None)


def lanes_of(layers: int, directions: int) -> tuple[Lane, ...]:
    """Every lane from the top of the picture down: the last layer first, backward above forward, the input last."""
    hidden = [Lane(k, d) for k in reversed(range(layers)) for d in reversed(range(directions))]
    return (*hidden, INPUT)


@dataclass(frozen=True, eq=False)
class Patch:
    """What some pixels show, (pixels of units, pixels of times): extremes, and where marks lie (None: nowhere)."""

    values: FloatArray
    marks: BoolArray | None


class LaneSource(Protocol):
    """Where a picture of the lanes comes from."""

    def read(self, lane: Lane, times: Bins, units: Bins) -> Patch:
        """The extreme value of each pixel and whether any mark lies on it."""


class ChunkCache:
    """Reduced chunks of lanes; the least recently used go when the budget of bytes is spent."""

    def __init__(self, budget: int = _CACHE_BYTES) -> None:
        self._budget, self._used = budget, 0
        self._patches: OrderedDict[Hashable, Patch] = OrderedDict()

    def get(self, key: Hashable) -> Patch | None:
        """The chunk of that key, if it is still there."""
        patch = self._patches.get(key)
        if patch is not None:
            self._patches.move_to_end(key)
        return patch

    def put(self, key: Hashable, patch: Patch) -> None:
        """Keep a chunk that is not there yet."""
        self._patches[key] = patch
        self._used += _size(patch)
        while self._used > self._budget and len(self._patches) > 1:
            self._used -= _size(self._patches.popitem(last=False)[1])

    def clear(self) -> None:
        """Forget everything."""
        self._patches.clear()
        self._used = 0


class TraceLanes:
    """The lanes of one sample of one engine's trace.

    The marks are the values at which `candidate` mismatches the reference (none, if `candidate` is None).
    `quantity` "violation" reads the violation of the tolerance in place of the values of hidden lanes, "difference"
    the candidate's value less the reference's; both need a candidate. The input is always read by value.
    Reading gives the extremes of whole blocks of cells where a pixel shows several, so that a value may be shown
    one pixel late, never not at all.
    """

    def __init__(
        self,
        result: RunResult,
        engine: str,
        candidate: str | None,
        sample: int,
        quantity: Quantity = "value",
        cache: ChunkCache | None = None,
    ) -> None:
        self._result, self._engine, self._candidate = result, engine, candidate
        self._sample, self._quantity = sample, quantity
        self._cache = ChunkCache() if cache is None else cache

    def shape(self, lane: Lane) -> tuple[int, int]:
        """(T, U): timesteps and units of a lane."""
        _, _, timesteps, _, units = self._result.shape
        return timesteps, units if lane.layer is not None else self._result.config.network.input_size

    def read(self, lane: Lane, times: Bins, units: Bins) -> Patch:
        """The extreme value of each pixel and whether any mark lies on it."""
        k, m = times.block, units.block
        if k == m == 1:
            origin = times.first, units.first
            patch = self._cells(lane, slice(times.first, times.stop), slice(units.first, units.stop))
        else:
            patch, first = self._blocks(lane, times, k, m)
            times, units = times.in_blocks(k), units.in_blocks(m)
            origin = first, 0
        times, units = times.after(origin[0]), units.after(origin[1])
        marks = None if patch.marks is None else bin_marks(patch.marks, times, units)
        return Patch(bin_extremes(patch.values, times, units), marks)

    def _blocks(self, lane: Lane, times: Bins, k: int, m: int) -> tuple[Patch, int]:
        """The chunks that cover `times`, in blocks of k timesteps and m units, and the first block's index."""
        size = self._chunk_size(lane, k)
        first, last = times.first // size, (times.stop - 1) // size
        chunks = [self._chunk(lane, index, size, k, m) for index in range(first, last + 1)]
        values = np.concatenate([chunk.values for chunk in chunks], axis=1) if len(chunks) > 1 else chunks[0].values
        marks = None
        if any(chunk.marks is not None for chunk in chunks):
            marks = np.concatenate([_marks(chunk) for chunk in chunks], axis=1)
        return Patch(values, marks), first * size // k

    def _chunk_size(self, lane: Lane, k: int) -> int:
        """Timesteps in a chunk: a power of two, and so a multiple of k."""
        fitting = max(1, _CHUNK_VALUES // self.shape(lane)[1])
        return max(k, 1 << (fitting.bit_length() - 1))

    def _chunk(self, lane: Lane, index: int, size: int, k: int, m: int) -> Patch:
        key = self._engine, self._candidate, self._sample, self._quantity, lane, index, size, k, m
        chunk = self._cache.get(key)
        if chunk is None:
            timesteps, units = self.shape(lane)
            times = slice(index * size, min((index + 1) * size, timesteps))
            cells = self._cells(lane, times, slice(0, units))
            marks = None if cells.marks is None else block_marks(cells.marks.T, k, m)
            chunk = Patch(block_extremes(cells.values.T, k, m), marks)
            self._cache.put(key, chunk)
        return chunk

    def _cells(self, lane: Lane, times: slice, units: slice) -> Patch:
        """Some cells as they are, (units, times)."""
        if lane.layer is None:
            return Patch(np.asarray(self._result.inputs.sequence[times, self._sample, units]).T, None)
        index = lane.layer, lane.direction, times, self._sample, units
        values = np.asarray(self._result[self._engine].hidden[index])
        marks = None
        if self._candidate is not None:
            comparison = self._result.comparison(self._candidate)
            r, c = self._result.reference.hidden[index], self._result[self._candidate].hidden[index]
            # The comparison knows the timesteps at which anything mismatches: the others need not be read.
            marked = np.flatnonzero(comparison.mismatched_over_time[lane.layer, lane.direction, times])
            if len(marked):
                marks = np.zeros(values.shape, np.bool_)
                limit = tolerance(r[marked], comparison.rtol, comparison.atol)
                marks[marked] = ~(abs_error(r[marked], c[marked]) <= limit)
            if self._quantity == "violation":
                values = violation(np.asarray(r), np.asarray(c), comparison.rtol, comparison.atol)
            elif self._quantity == "difference":
                values = signed_difference(r, c)
        return Patch(values.T, None if marks is None else marks.T)


def _marks(patch: Patch) -> BoolArray:
    return np.zeros(patch.values.shape, np.bool_) if patch.marks is None else patch.marks


def _size(patch: Patch) -> int:
    return patch.values.nbytes + (0 if patch.marks is None else patch.marks.nbytes)
