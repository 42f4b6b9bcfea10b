"""The lanes of the unrolled network, read at the resolution at which they are shown.

This is the one place where a picture reads a trace. A lane is never loaded as a whole: what is needed is reduced
chunk by chunk, from the coarsest copy of a long trace that will do, and the reduced chunks are kept within a fixed
budget.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.analysis.chunk_cache import ChunkCache, Patch
from rnnviz.analysis.difference import signed_difference
from rnnviz.analysis.elementwise import abs_error, tolerance, violation
from rnnviz.analysis.level_of_detail import Bins, BoolArray, bin_extremes, bin_marks, block_extremes, block_marks
from rnnviz.analysis.result import RunResult
from rnnviz.model.arrays import release_pages
from rnnviz.model.pyramid import NO_PYRAMID, Level, LevelArray, Pyramid

Quantity: TypeAlias = Literal["value", "violation", "difference"]

_CHUNK_VALUES = 1 << 16
"""How many values are reduced at a time: few enough for the processor's cache, many enough to be worth the call."""
_EVERY_CELL = Level(1, 1)

_ENDS = {
    "value": ("low", "high"),
    "violation": ("violation", "violation"),
    "difference": ("difference-low", "difference-high"),
}
"""The pyramids that hold the least and the largest numbers of a block."""


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


class LaneSource(Protocol):
    """Where a picture of the lanes comes from."""

    def read(self, lane: Lane, times: Bins, units: Bins) -> Patch:
        """The extreme value of each pixel and whether any mark lies on it."""


class TraceLanes:
    """The lanes of one sample of one engine's trace, which any thread may read.

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
            patch, first = self._blocks(lane, times, Level(k, m))
            times, units = times.in_blocks(k), units.in_blocks(m)
            origin = first, 0
        times, units = times.after(origin[0]), units.after(origin[1])
        marks = None if patch.marks is None else bin_marks(patch.marks, times, units)
        return Patch(bin_extremes(patch.values, times, units), marks)

    def level_read(self, lane: Lane, times: int, units: int) -> Level:
        """What is read to show blocks of so many cells, powers of two: the coarsest level that makes them up."""
        if times == units == 1:
            return _EVERY_CELL
        low, high, marks = self._pyramids(lane)
        levels = set(low.levels) & set(high.levels)
        if self._marked(lane):
            levels &= set(marks.levels)
        fitting = [level for level in levels if level.times <= times and level.units <= units]
        return max(fitting, key=lambda level: level.times * level.units, default=_EVERY_CELL)

    def _blocks(self, lane: Lane, times: Bins, block: Level) -> tuple[Patch, int]:
        """The chunks that cover `times`, in such blocks, and the first block's index."""
        level = self.level_read(lane, *block)
        size = self._chunk_size(lane, level, block)
        first, last = times.first // size, (times.stop - 1) // size
        chunks = [self._chunk(lane, index, size, level, block) for index in range(first, last + 1)]
        values = np.concatenate([chunk.values for chunk in chunks], axis=1) if len(chunks) > 1 else chunks[0].values
        marks = None
        if any(chunk.marks is not None for chunk in chunks):
            marks = np.concatenate([_marks(chunk) for chunk in chunks], axis=1)
        return Patch(values, marks), first * size // block.times

    def _chunk_size(self, lane: Lane, level: Level, block: Level) -> int:
        """Timesteps in a chunk: a power of two, and so a multiple of the block's."""
        fitting = max(1, _CHUNK_VALUES // -(-self.shape(lane)[1] // level.units))
        return max(block.times, level.times << (fitting.bit_length() - 1))

    def _chunk(self, lane: Lane, index: int, size: int, level: Level, block: Level) -> Patch:
        key = self._engine, self._candidate, self._sample, self._quantity, lane, index, size, block
        chunk = self._cache.get(key)
        if chunk is None:
            timesteps, units = self.shape(lane)
            times = slice(index * size, min((index + 1) * size, timesteps))
            if level == _EVERY_CELL:
                cells = self._cells(lane, times, slice(0, units))
                low = high = cells.values.T
                marks = None if cells.marks is None else cells.marks.T
            else:
                low, high, marks = self._level(
                    lane, slice(times.start // level.times, -(-times.stop // level.times)), level
                )
            share = block.times // level.times, block.units // level.units
            chunk = Patch(block_extremes(low, high, *share), None if marks is None else block_marks(marks, *share))
            self._cache.put(key, chunk)
        return chunk

    def _level(self, lane: Lane, blocks: slice, level: Level) -> tuple[LevelArray, LevelArray, BoolArray | None]:
        """The least and the largest values and the marks of some blocks of a level, each (blocks of time, of units)."""
        index = lane.layer or 0, lane.direction, blocks, self._sample
        low_of, high_of, marks_of = self._pyramids(lane)
        low = _taken(low_of.levels[level][index])
        high = low if high_of is low_of else _taken(high_of.levels[level][index])
        marks = _taken(marks_of.levels[level][index]) if self._marked(lane) else None
        return low, high, marks if marks is not None and marks.any() else None

    def _pyramids(self, lane: Lane) -> tuple[Pyramid, Pyramid, Pyramid]:
        """Those of the least and of the largest values, and of the marks, of a lane's array."""
        stored: Mapping[str, Pyramid]
        low, high = _ENDS[self._quantity]
        of_candidate = {} if self._candidate is None else self._result[self._candidate].pyramids
        if lane.layer is None:
            (low, high), stored = _ENDS["value"], self._result.inputs.pyramids
        else:
            stored = self._result[self._engine].pyramids if self._quantity == "value" else of_candidate
        return stored.get(low, NO_PYRAMID), stored.get(high, NO_PYRAMID), of_candidate.get("marks", NO_PYRAMID)

    def _marked(self, lane: Lane) -> bool:
        """Whether there may be marks on a lane at all."""
        return lane.layer is not None and self._candidate is not None

    def _cells(self, lane: Lane, times: slice, units: slice) -> Patch:
        """Some cells as they are, (units, times)."""
        if lane.layer is None:
            return Patch(_taken(self._result.inputs.sequence[times, self._sample, units]).T, None)
        index = lane.layer, lane.direction, times, self._sample, units
        if self._candidate is None:
            return Patch(_taken(self._result[self._engine].hidden[index]).T, None)
        comparison = self._result.comparison(self._candidate)
        reference, candidate = self._result.reference.hidden[index], self._result[self._candidate].hidden[index]
        # The comparison knows the timesteps at which anything mismatches: the others need not be read.
        marked = np.flatnonzero(comparison.mismatched_over_time[lane.layer, lane.direction, times])
        marks = None
        if len(marked):
            marks = np.zeros(reference.shape, np.bool_)
            r, c = reference[marked], candidate[marked]
            marks[marked] = ~(abs_error(r, c) <= tolerance(r, comparison.rtol, comparison.atol))
        if self._quantity == "violation":
            values = violation(reference, candidate, comparison.rtol, comparison.atol)
        elif self._quantity == "difference":
            values = signed_difference(reference, candidate)
        else:
            values = _taken(self._result[self._engine].hidden[index])
        release_pages(reference)
        release_pages(candidate)
        return Patch(values.T, None if marks is None else marks.T)


def _taken(stored: NDArray[Any]) -> NDArray[Any]:
    """A copy of a part of a mapped array, of which nothing stays mapped."""
    copy = stored.copy()
    release_pages(stored)
    return copy


def _marks(patch: Patch) -> BoolArray:
    return np.zeros(patch.values.shape, np.bool_) if patch.marks is None else patch.marks
