"""The lanes of the unrolled network, read at the resolution at which they are shown.

This is the one place where a picture reads a trace. A lane is never loaded as a whole: the visible part is reduced
chunk by chunk, from the coarsest copy of a long trace that will do, and the reduced chunks are kept within a fixed
budget.
"""

from collections.abc import Mapping
from typing import Protocol

from rnnviz.core.multiscale import NO_PYRAMID, Level, LevelArray, Pyramid
from rnnviz.core.trace_index import Lane
from rnnviz.multiscale.chunk_cache import ChunkCache, Tile
from rnnviz.multiscale.raw_reader import (
    CancelledError,
    CellReader,
    ChunkedCompute,
    Wanted,
    always,
    concat_tiles,
    copy_and_unmap,
)
from rnnviz.quantities.catalog import Quantity, stored_array
from rnnviz.quantities.gate_cache import LaneGates
from rnnviz.quantities.level_of_detail import Bins, BoolArray, bin_extremes, bin_marks, block_extremes, block_marks
from rnnviz.quantities.unit_order import LaneOrders, UnitOrder
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult

_CHUNK_VALUES = 1 << 16
"""Number of values that are reduced at a time: they fit the processor's cache and amortize the call."""
_EVERY_CELL = Level(1, 1)
_COMPUTED_TIMES = 512
"""At least this many time steps are computed together: a product with a large weight matrix for fewer costs as much."""
_FINER = 4
"""Maximum ratio between a cached fine chunk and a coarser one that is made from it without reading again."""

_ENDS = {
    "error_ratio": ("error_ratio", "error_ratio"),
    "difference": ("difference-low", "difference-high"),
}
"""The pyramids of a comparison that hold the least and the largest numbers of a block; of values "low" and "high"."""


class LaneSource(Protocol):
    """Where a picture of the lanes comes from."""

    def read(self, lane: Lane, times: Bins, units: Bins, wanted: Wanted = always) -> Tile:
        """The extreme value of each pixel and whether any mark lies on it.

        Raises
        ------
        UnwantedError
            If it takes long, and is not `wanted` any more before it is done.
        """

    def effort(self, lane: Lane) -> float:
        """How much more work one number of a lane is than one that only has to be read."""

    def recorded(self, lane: Lane) -> range:
        """The time steps of a lane that have numbers: of a recording perhaps not all."""


class MultiscaleReader(LaneSource):
    """The lanes of one sample of one engine's trace, which any thread may read.

    The marks are the values at which `candidate` mismatches the reference (none, if `candidate` is None).
    `quantity` "error ratio" reads the error ratio of the tolerance in place of the values of hidden lanes, "difference"
    the candidate's value less the reference's; both need a candidate. Another quantity is an array of the trace, or is
    computed from the engine's values by `gates`. The input is always read by value. With `orders` the rows of hidden
    lanes, which the units of a `read` count, are in another order than the units.
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
        gates: LaneGates | None = None,
        orders: LaneOrders | None = None,
    ) -> None:
        self._result, self._engine, self._candidate = result, engine, candidate
        self._sample, self._quantity = sample, quantity
        self._cache = ChunkCache() if cache is None else cache
        self._orders = orders
        self._source = CellReader(result, engine, candidate, sample, quantity, gates)
        self._pieces = ChunkedCompute(self._source, self._cache, (engine, candidate, sample, quantity))

    @property
    def comparison(self) -> Comparison | None:
        """The comparison whose mismatches are marked: of the shown array, or of h if that is not compared."""
        return self._source.comparison

    def shape(self, lane: Lane) -> tuple[int, int]:
        """(T, U): time steps of a lane, and its units, or 1 where there is one number for all of them."""
        return self._source.shape(lane.layer)

    def effort(self, lane: Lane) -> float:
        return self._source.effort(lane.layer)

    def recorded(self, lane: Lane) -> range:
        return self._source.recorded(lane.layer, lane.direction)

    def read(self, lane: Lane, times: Bins, units: Bins, wanted: Wanted = always) -> Tile:
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
        if times == units == 1 or self._computes(lane):
            return _EVERY_CELL
        low, high, marks = self._pyramids(lane)
        levels = set(low) & set(high)
        if self._marked(lane):
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
        patch = (
            self._pieces.read(lane.layer, lane.direction, times, units, wanted)
            if self._computes(lane)
            else self._cells(lane, times, units)
        )
        if order is None:
            return patch
        chosen = order.units[rows]
        return Tile(patch.values[chosen], None if patch.marks is None else patch.marks[chosen])

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
        found: dict[int, Tile] = {}
        # In the order of computation, in which a cell state is carried from one to the next.
        for index in reversed(indices) if lane.direction else indices:
            if self._computes(lane) and not wanted():
                raise CancelledError
            found[index] = self._chunk(lane, index, size, level, block)
        chunks = [found[index] for index in indices]
        return concat_tiles(chunks, 1), indices.start * size // block.times

    def _chunk_size(self, lane: Lane, level: Level, block: Level) -> int:
        """Number of time steps in a chunk: a power of two, and so a multiple of the block's."""
        fitting = max(1, _CHUNK_VALUES // -(-self.shape(lane)[1] // level.units))
        if self._computes(lane):
            fitting = max(fitting, _COMPUTED_TIMES)
        return max(block.times, level.times << (fitting.bit_length() - 1))

    def _chunk(self, lane: Lane, index: int, size: int, level: Level, block: Level) -> Tile:
        order = self._order(lane)
        ordered = None if order is None or self._orders is None else self._orders.key
        key = self._engine, self._candidate, self._sample, self._quantity, ordered, lane, index, size, block
        chunk = self._cache.get(key)
        if chunk is None and self._computes(lane):
            chunk = self._of_finer(key[:-1], block)
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
            if order is not None:
                same = low is high
                low = low[:, order.units]
                high = low if same else high[:, order.units]
                marks = None if marks is None else marks[:, order.units]
            share = block.times // level.times, block.units // level.units
            chunk = Tile(block_extremes(low, high, *share), None if marks is None else block_marks(marks, *share))
            self._cache.put(key, chunk)
        return chunk

    def _of_finer(self, key: tuple[object, ...], block: Level) -> Tile | None:
        """A chunk made of the same chunk in smaller blocks, if there is one."""
        for times, units in ((t, u) for t in range(_FINER) for u in range(_FINER) if t or u):
            finer = Level(block.times >> times, block.units >> units)
            if min(finer) < 1:
                continue
            found = self._cache.get((*key, finer))
            if found is not None:
                values = block_extremes(found.values.T, found.values.T, 1 << times, 1 << units)
                marks = None if found.marks is None else block_marks(found.marks.T, 1 << times, 1 << units)
                return Tile(values, marks)
        return None

    def _level(self, lane: Lane, blocks: slice, level: Level) -> tuple[LevelArray, LevelArray, BoolArray | None]:
        """The least and the largest values and the marks of some blocks of a level, each (blocks of time, of units)."""
        index = lane.layer or 0, lane.direction, blocks, self._sample
        low_of, high_of, marks_of = self._pyramids(lane)
        low = copy_and_unmap(low_of[level][index])
        high = low if high_of is low_of else copy_and_unmap(high_of[level][index])
        marks = copy_and_unmap(marks_of[level][index]) if self._marked(lane) else None
        return low, high, marks if marks is not None and marks.any() else None

    def _pyramids(self, lane: Lane) -> tuple[Pyramid, Pyramid, Pyramid]:
        """Those of the least and of the largest values, and of the marks, of a lane's array."""
        name = stored_array(self._quantity, self._result[self._engine])
        of_candidate: Mapping[str, Pyramid] = {} if self._candidate is None else self._result[self._candidate].pyramids
        low, high = ("low", "high") if lane.layer is None else _ENDS.get(self._quantity, ("low", "high"))
        stored = of_candidate if (low, high) != ("low", "high") else self._result[self._engine].pyramids
        if lane.layer is None:
            name, stored = "x", self._result.inputs.pyramids
        comparison = self._source.comparison
        marks = "" if comparison is None else f"{comparison.name}.marks"
        found = (stored.get(f"{name}.{low}"), stored.get(f"{name}.{high}"), of_candidate.get(marks))
        low_of, high_of, marks_of = (NO_PYRAMID if pyramid is None else pyramid for pyramid in found)
        return low_of, high_of, marks_of

    def _computes(self, lane: Lane) -> bool:
        return self._source.computes(lane.layer)

    def _cells(self, lane: Lane, times: slice, units: slice) -> Tile:
        return self._source.read(lane.layer, lane.direction, times, units)

    def _marked(self, lane: Lane) -> bool:
        """Whether there may be marks on a lane at all."""
        return lane.layer is not None and self._candidate is not None
