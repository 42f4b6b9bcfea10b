"""The lanes of the unrolled network at the resolution at which they are shown, reduced chunk by chunk and cached."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.byte_cache import ByteCache
from rnnviz.core.gradients import OF_INPUT
from rnnviz.core.mmap_arrays import FloatArray, release_pages
from rnnviz.core.multiscale import NO_PYRAMID, Level, LevelArray, Pyramid
from rnnviz.core.trace_index import Lane
from rnnviz.frozen import dataclass
from rnnviz.reading.arrays import ResultReader
from rnnviz.reading.level_of_detail import Bins, bin_extremes, bin_marks, block_ends, block_extremes
from rnnviz.reading.quantities import Quantity, gate_quantity, is_gradient, stored_array
from rnnviz.reading.units import LaneOrders, UnitOrder
from rnnviz.steps.inputs import followed
from rnnviz.verify.compare import LaneComparison
from rnnviz.verify.metrics import BoolArray, compared_steps, error_ratio, mismatching, signed_difference
from rnnviz.verify.result import RunResult


@dataclass(frozen=True, eq=False)
class Tile:
    """Extremes of the values behind some pixels, (unit pixels, time pixels), and their marks (None: none)."""

    values: FloatArray
    marks: BoolArray | None

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + (0 if self.marks is None else self.marks.nbytes)

    def part(self, rows: Any, columns: Any = slice(None)) -> "Tile":
        return Tile(self.values[rows, columns], None if self.marks is None else self.marks[rows, columns])


def concat_tiles(patches: Sequence[Tile], axis: int) -> Tile:
    if len(patches) == 1:
        return patches[0]
    marks = None
    if any(patch.marks is not None for patch in patches):
        found = [np.zeros(p.values.shape, np.bool_) if p.marks is None else p.marks for p in patches]
        marks = np.concatenate(found, axis=axis)
    return Tile(np.concatenate([patch.values for patch in patches], axis=axis), marks)


Wanted: TypeAlias = Callable[[], bool]
"""Returns False to cancel the computation."""


class CancelledError(Exception):
    """The computation was canceled."""


_TIMES, _UNITS = 64, 128
"""Sizes of a piece of computed cells that are shown one by one."""
_CHUNK_VALUES = 1 << 16
"""Number of values that are reduced at a time: they fit the processor's cache and amortize the call."""
_EVERY_CELL = Level(1, 1)
_COMPUTED_TIMES = 512
"""At least this many time steps are computed together: a product with a large weight matrix for fewer costs as much."""
_FINER = 4
"""Maximum ratio between a cached fine chunk and a coarser one that is made from it without reading again."""
_COMPARED = {"error_ratio": ("error_ratio", "error_ratio"), "difference": ("difference-low", "difference-high")}
"""The pyramids of a comparison that hold the least and the largest numbers of a block; of values "low" and "high"."""


class LaneReader:
    """The lanes of one sample of one engine, and the input, read by any thread; its mismatches of the reference marked.

    `quantity` is "value", "error_ratio" or "difference", which need a candidate, or another one of the cell; the input
    is read by value, or by its gradient. With `orders` rows of hidden lanes are in another order than units. A pixel
    shows the extremes of whole blocks of cells, so a value may be shown one pixel late, never not at all.
    """

    def __init__(
        self,
        result: RunResult,
        engine: str,
        candidate: str | None,
        sample: int,
        quantity: Quantity = "value",
        arrays: ResultReader | None = None,
        orders: LaneOrders | None = None,
    ) -> None:
        """`arrays` keeps what other readers of the result may use, too."""
        self._result, self._engine, self._candidate = result, engine, candidate
        self._sample, self._quantity, self._orders = sample, quantity, orders
        self._arrays = ResultReader(result) if arrays is None else arrays
        self._chunks: ByteCache[Hashable, Tile] = self._arrays.chunks
        self._gate = gate_quantity(quantity, result.config.network.kind)
        self._array = stored_array(quantity, result[engine])
        comparison = None if candidate is None else result.comparison(candidate)
        self.comparison: LaneComparison | None = comparison
        self.input_comparison: LaneComparison | None = None
        """Comparisons of the shown array and of the input's gradient, whose mismatches are marked.

        That of h of an array that is not compared; None of a gradient that is not compared, and of the input.
        """
        self._input = result.inputs.sequence
        if is_gradient(quantity):
            self._input = result[engine].get(OF_INPUT, self._input)
            gradients = {} if comparison is None else comparison.gradients_over_time
            self.comparison, self.input_comparison = gradients.get(quantity), gradients.get(OF_INPUT)
        elif comparison is not None and self._array is not None:
            self.comparison = comparison.of(self._array)

    # What there is

    @property
    def length(self) -> int:
        """The number of time steps of the sample; the others are padding."""
        return self._result.inputs.length(self._sample)

    def shape(self, lane: Lane) -> tuple[int, int]:
        """(T, U): time steps of a lane, and its units, or 1 where there is one number for all of them."""
        _, _, timesteps, _, units = self._result.shape
        if lane.layer is None:
            return timesteps, self._result.config.network.input_size
        return timesteps, units if self._gate is None or self._gate.per_unit else 1

    def computes(self, lane: Lane) -> bool:
        return lane.layer is not None and self._array is None

    def effort(self, lane: Lane) -> float:
        """How much more work one number of a lane is than one that only has to be read."""
        if lane.layer is None or self._array is not None:
            return 1.0
        return 1.0 + self._arrays.effort(self._engine, lane.layer, self._quantity)

    def recorded(self, lane: Lane) -> range:
        """The time steps of a lane that have numbers; a recording may lack some."""
        layer, direction = lane.layer, lane.direction
        if layer is None:
            return range(self._result.shape[2])
        trace = self._result[self._engine]
        if is_gradient(self._quantity):
            return range(0 if self._array is None else trace.shape[2])
        if self._array is None and self._quantity != "norm":
            return followed(self._result.inputs, trace, layer, direction)
        if self._quantity in _COMPARED:
            assert self._candidate is not None
            return compared_steps(self._result.reference, self._result[self._candidate], layer, direction)
        return trace.recorded(layer, direction)

    # Cells

    def cells(self, lane: Lane, times: slice, units: slice) -> Tile:
        """(units, times): some cells, and their marks; the slices have both ends and no step."""
        layer, direction = lane.layer or 0, lane.direction
        if lane.layer is None:
            values = copy_and_unmap(self._input[times, self._sample, units])
        elif self._candidate is not None and self._quantity in _COMPARED:
            values = self._differences(layer, direction, times, units)
        else:
            values = self._arrays.read(self._engine, layer, direction, self._sample, self._quantity, times, units)
        marks = self._marks(lane, times, units)
        return Tile(values.T, None if marks is None else marks.T)

    def _differences(self, layer: int, direction: int, times: slice, units: slice) -> FloatArray:
        """(times, units): differences of the candidate from the reference, or their error ratios."""
        assert self.comparison is not None
        # Not copied: it would take a third longer.
        with self._pair("h", (layer, direction, times, self._sample, units)) as (r, c):
            if self._quantity == "difference":
                values = signed_difference(r, c)
            else:
                values = error_ratio(r, c, self.comparison.rtol, self.comparison.atol)
        # Where a recording lacks the vectors of one of the two.
        both, steps = self.recorded(Lane(layer, direction)), np.arange(times.start, times.stop)
        values[(steps < both.start) | (steps >= both.stop)] = np.nan
        values[max(0, self.length - times.start) :] = 0
        return values

    def _marks(self, lane: Lane, times: slice, units: slice) -> BoolArray | None:
        """(times, units): which values of a compared array mismatch; None if none does, or nothing is compared."""
        comparison = self._compared(lane)
        if comparison is None:
            return None
        layer, direction = lane.layer or 0, lane.direction
        # The comparison knows the time steps with mismatches: others need not be read.
        marked = np.flatnonzero(comparison.mismatched_over_time[layer, direction, times])
        if not len(marked):
            return None
        per_unit = lane.layer is None or self._gate is None or self._gate.per_unit
        index = layer, direction, times, self._sample, units if per_unit else slice(None)
        with self._pair(comparison.name, index) as (r, c):
            marks = np.zeros(r.shape, np.bool_)
            marks[marked] = mismatching(r[marked], c[marked], comparison.rtol, comparison.atol)
        marks[max(0, self.length - times.start) :] = False
        return marks if per_unit else marks.any(axis=1, keepdims=True)

    @contextmanager
    def _pair(self, name: str, index: Any) -> Iterator[tuple[FloatArray, FloatArray]]:
        """A part of an array of the reference and of the candidate, mapped for a while."""
        assert self._candidate is not None
        r, c = (trace.in_lanes(name)[index] for trace in (self._result.reference, self._result[self._candidate]))
        yield r, c
        release_pages(r)
        release_pages(c)

    # Pictures

    def read(self, lane: Lane, times: Bins, units: Bins, wanted: Wanted = lambda: True) -> Tile:
        """The extreme value and mark of each pixel, `units` in rows; CancelledError if no longer `wanted`."""
        k, m = times.block, units.block
        if k == m == 1:
            origin = times.first, units.first
            cells = slice(times.first, times.stop), slice(units.first, units.stop)
            patch = self._rows(lane, *cells, wanted)
        else:
            patch, first = self._blocks(lane, times, Level(k, m), wanted)
            times, units = times.in_blocks(k), units.in_blocks(m)
            origin = first, 0
        times, units = times.after(origin[0]), units.after(origin[1])
        marks = None if patch.marks is None else bin_marks(patch.marks, times, units)
        return Tile(bin_extremes(patch.values, times, units), marks)

    def level_read(self, lane: Lane, times: int, units: int) -> Level:
        """The coarsest level whose blocks divide blocks of `times` by `units` cells, powers of two."""
        if times == units == 1 or self.computes(lane):
            return _EVERY_CELL
        low, high, marks = self._pyramids(lane)
        levels = set(low) & set(high)
        if self._compared(lane) is not None:
            levels &= set(marks)
        if self._order(lane) is not None:
            # Levels that merge units do not fit another order of the rows.
            levels = {level for level in levels if level.units == 1}
        fitting = [level for level in levels if level.times <= times and level.units <= units]
        return max(fitting, key=lambda level: level.times * level.units, default=_EVERY_CELL)

    def _rows(self, lane: Lane, times: slice, rows: slice, wanted: Wanted) -> Tile:
        """Some cells as they are, (rows, times)."""
        order = self._order(lane)
        units = rows if order is None else slice(0, len(order.units))
        patch = self._computed(lane, times, units, wanted) if self.computes(lane) else self.cells(lane, times, units)
        return patch if order is None else patch.part(order.units[rows])

    def _computed(self, lane: Lane, times: slice, units: slice, wanted: Wanted) -> Tile:
        """(units, times): some cells from pieces, which are kept."""
        across = range(times.start // _TIMES, -(-times.stop // _TIMES))
        lines = []
        for down in range(units.start // _UNITS, -(-units.stop // _UNITS)):
            line = {place: self._piece(lane, place, down) for place in self._in_order(lane, across, wanted)}
            lines.append(concat_tiles([line[place] for place in across], 1))
        left, top = times.start - across.start * _TIMES, units.start % _UNITS
        return concat_tiles(lines, 0).part(
            slice(top, top + units.stop - units.start), slice(left, left + times.stop - times.start)
        )

    def _piece(self, lane: Lane, across: int, down: int) -> Tile:
        key = *self._key, lane, across, down
        piece = self._chunks.get(key)
        if piece is None:
            timesteps, units = self.shape(lane)
            times = slice(across * _TIMES, min((across + 1) * _TIMES, timesteps))
            piece = self.cells(lane, times, slice(down * _UNITS, min((down + 1) * _UNITS, units)))
            self._chunks.put(key, piece, piece.nbytes)
        return piece

    def _in_order(self, lane: Lane, places: range, wanted: Wanted) -> Iterable[int]:
        """Places in time in the order of computation; CancelledError if what is computed is not `wanted`."""
        for place in reversed(places) if self._result.config.network.backward(lane.direction) else places:
            if self.computes(lane) and not wanted():
                raise CancelledError
            yield place

    @property
    def _key(self) -> tuple[Hashable, ...]:
        """The part of a key that distinguishes the values from other readers' values of the result."""
        return self._engine, self._candidate, self._sample, self._quantity

    def _order(self, lane: Lane) -> UnitOrder | None:
        """The order of a lane's rows, if it is not that of its units."""
        if self._orders is None or self.shape(lane)[1] == 1:
            return None
        return self._orders.of(lane.layer, lane.direction)

    def _blocks(self, lane: Lane, times: Bins, block: Level, wanted: Wanted) -> tuple[Tile, int]:
        """The chunks that cover `times`, in such blocks, and the first block's index."""
        level = self.level_read(lane, *block)
        size = self._chunk_size(lane, level, block)
        indices = range(times.first // size, (times.stop - 1) // size + 1)
        found = {index: self._chunk(lane, index, size, level, block) for index in self._in_order(lane, indices, wanted)}
        return concat_tiles([found[index] for index in indices], 1), indices.start * size // block.times

    def _chunk_size(self, lane: Lane, level: Level, block: Level) -> int:
        """Number of time steps in a chunk: a power of two, and so a multiple of the block's."""
        fitting = max(1, _CHUNK_VALUES // -(-self.shape(lane)[1] // level.units))
        if self.computes(lane):
            fitting = max(fitting, _COMPUTED_TIMES)
        return max(block.times, level.times << (fitting.bit_length() - 1))

    def _chunk(self, lane: Lane, index: int, size: int, level: Level, block: Level) -> Tile:
        order = self._order(lane)
        ordered = None if order is None or self._orders is None else self._orders.key
        key = *self._key, ordered, lane, index, size
        chunk = self._chunks.get((*key, block))
        if chunk is None and self.computes(lane):
            chunk = self._of_finer(key, block)
        if chunk is None:
            timesteps, units = self.shape(lane)
            times = slice(index * size, min((index + 1) * size, timesteps))
            if level == _EVERY_CELL:
                cells = self.cells(lane, times, slice(0, units))
                low = high = cells.values.T
                marks = None if cells.marks is None else cells.marks.T
            else:
                low, high, marks = self._level(
                    lane, slice(times.start // level.times, -(-times.stop // level.times)), level
                )
            if order is not None:
                same = low is high
                low = low[:, order.units]
                high = low if same else high[:, order.units]
                marks = None if marks is None else marks[:, order.units]
            chunk = _in_blocks(low, high, marks, block.times // level.times, block.units // level.units)
            self._chunks.put((*key, block), chunk, chunk.nbytes)
        return chunk

    def _of_finer(self, key: tuple[Hashable, ...], block: Level) -> Tile | None:
        for times, units in ((t, u) for t in range(_FINER) for u in range(_FINER) if t or u):
            finer = Level(block.times >> times, block.units >> units)
            found = self._chunks.get((*key, finer)) if min(finer) else None
            if found is not None:
                values, marks = found.values.T, None if found.marks is None else found.marks.T
                return _in_blocks(values, values, marks, 1 << times, 1 << units)
        return None

    def _level(self, lane: Lane, blocks: slice, level: Level) -> tuple[LevelArray, LevelArray, BoolArray | None]:
        """The least and the largest values and the marks of some blocks of a level, each (blocks of time, of units)."""
        index = lane.layer or 0, lane.direction, blocks, self._sample
        low_of, high_of, marks_of = self._pyramids(lane)
        low = copy_and_unmap(low_of[level][index])
        high = low if high_of is low_of else copy_and_unmap(high_of[level][index])
        marks = copy_and_unmap(marks_of[level][index]) if self._compared(lane) is not None else None
        return low, high, marks if marks is not None and marks.any() else None

    def _pyramids(self, lane: Lane) -> tuple[Pyramid, Pyramid, Pyramid]:
        """Those of the least and of the largest values, and of the marks, of a lane's array."""
        of_candidate: Mapping[str, Pyramid] = {} if self._candidate is None else self._result[self._candidate].pyramids
        name, stored, ends = self._array, self._result[self._engine].pyramids, ("low", "high")
        if lane.layer is None:
            given = self._input is not self._result.inputs.sequence
            name, stored = (OF_INPUT, stored) if given else ("x", self._result.inputs.pyramids)
        elif self._quantity in _COMPARED:
            stored, ends = of_candidate, _COMPARED[self._quantity]
        comparison = None if name == "x" else self._compared(lane)
        marks = "" if comparison is None else f"{comparison.name}.marks"
        low, high = (stored.get(f"{name}.{end}", NO_PYRAMID) for end in ends)
        return low, high, of_candidate.get(marks, NO_PYRAMID)

    def _compared(self, lane: Lane) -> LaneComparison | None:
        """The comparison whose mismatches are marked in a lane."""
        return self.input_comparison if lane.layer is None else self.comparison


def _in_blocks(low: FloatArray, high: FloatArray, marks: BoolArray | None, times: int, units: int) -> Tile:
    extremes = block_extremes(low, high, times, units)
    return Tile(extremes, None if marks is None else block_ends(np.logical_or, marks, times, units))


def copy_and_unmap(stored: NDArray[Any]) -> NDArray[Any]:
    """A copy of a part of a mapped array, of which nothing stays mapped."""
    copy = stored.copy()
    release_pages(stored)
    return copy
