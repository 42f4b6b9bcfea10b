"""Values of a lane by any quantity, and their mismatch marks: read, or computed in cached chunks."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import release_pages
from rnnviz.multiscale.chunk_cache import ChunkCache, Tile
from rnnviz.quantities.catalog import Quantity, gate_quantity, stored_array
from rnnviz.quantities.gate_cache import LaneGates
from rnnviz.quantities.level_of_detail import BoolArray
from rnnviz.verify.compare import compared
from rnnviz.verify.metrics import abs_error, error_ratio, signed_difference, tolerance
from rnnviz.verify.result import RunResult
from rnnviz.verify.step_inputs import followed

_OF_HIDDEN = ("norm",)
"""Quantities that depend on the hidden state only."""


class CellReader:
    """One sample of the lanes of one engine, by one quantity; a lane whose layer is None is the input."""

    def __init__(
        self,
        result: RunResult,
        engine: str,
        candidate: str | None,
        sample: int,
        quantity: Quantity,
        gates: LaneGates | None = None,
    ) -> None:
        self._result, self._engine, self._candidate = result, engine, candidate
        self._sample, self._quantity = sample, quantity
        self._gate = gate_quantity(quantity, result.config.network.kind)
        self._array = stored_array(quantity, result[engine])
        comparison = None if candidate is None else result.comparison(candidate)
        self.comparison = comparison if comparison is None or self._array is None else comparison.of(self._array)
        """That of the shown array, if it is compared, else that of h; its mismatches are marked."""
        self._gates = LaneGates(result) if gates is None else gates

    def shape(self, layer: int | None) -> tuple[int, int]:
        """(T, U): time steps of a lane, and its units, or 1 where there is one number for all of them."""
        _, _, timesteps, _, units = self._result.shape
        if layer is None:
            return timesteps, self._result.config.network.input_size
        return timesteps, units if self._gate is None or self._gate.per_unit else 1

    def computes(self, layer: int | None) -> bool:
        """Whether a lane's numbers are nowhere but have to be computed."""
        return layer is not None and self._array is None

    def effort(self, layer: int | None) -> float:
        """How much more work one number of a lane is than one that only has to be read."""
        if not self.computes(layer):
            return 1.0
        assert layer is not None
        return 1.0 + self._gates.effort(self._engine, layer, self._quantity)

    def read(self, layer: int | None, direction: int, times: slice, units: slice) -> Tile:
        """(units, times): some cells, and their marks; the slices have both ends and no step."""
        if layer is None:
            return Tile(copy_and_unmap(self._result.inputs.sequence[times, self._sample, units]).T, None)
        if self._array is not None:
            return self._stored(self._array, layer, direction, times, units)
        assert self._gate is not None
        values = self._gates.read(self._engine, layer, direction, self._sample, self._quantity, times, units)
        marks = None
        if self._candidate is not None:
            every = units if self._gate.per_unit else slice(0, self._result.shape[4])
            marks = self._marks(layer, direction, times, every)
            if marks is not None and not self._gate.per_unit:
                marks = marks.any(axis=1, keepdims=True)
        release_pages(self._result[self._engine].hidden[layer, direction, times])
        return Tile(np.ascontiguousarray(values.T), None if marks is None else marks.T)

    def recorded(self, layer: int | None, direction: int) -> range:
        """The time steps of a lane that have numbers; a recording may lack some."""
        if layer is None:
            return range(self._result.shape[2])
        trace = self._result[self._engine]
        if self._array is None and self._quantity not in _OF_HIDDEN:
            return followed(self._result.inputs, trace, layer, direction)
        if self._quantity in ("error_ratio", "difference"):
            assert self._candidate is not None
            return compared(self._result.reference, self._result[self._candidate], layer, direction)
        return trace.recorded(layer, direction)

    def _stored(self, name: str, layer: int, direction: int, times: slice, units: slice) -> Tile:
        index = layer, direction, times, self._sample, units
        marks = None if self._candidate is None else self._marks(layer, direction, times, units)
        if self._candidate is None or self._quantity not in ("error_ratio", "difference"):
            values = copy_and_unmap(self._result[self._engine][name][index])
        else:
            reference, candidate = self._result.reference[name][index], self._result[self._candidate][name][index]
            assert self.comparison is not None
            if self._quantity == "difference":
                values = signed_difference(reference, candidate)
            else:
                values = error_ratio(reference, candidate, self.comparison.rtol, self.comparison.atol)
            values[self._uncompared(layer, direction, times)] = np.nan
            release_pages(reference)
            release_pages(candidate)
        return Tile(values.T, None if marks is None else marks.T)

    def _uncompared(self, layer: int, direction: int, times: slice) -> BoolArray:
        """(times,): where a recording lacks the vectors of one of the two."""
        both = self.recorded(layer, direction)
        steps = np.arange(times.start, times.stop)
        return np.asarray((steps < both.start) | (steps >= both.stop))

    def _marks(self, layer: int, direction: int, times: slice, units: slice) -> BoolArray | None:
        """(times, units): which values mismatch; None if none does."""
        assert self._candidate is not None
        comparison = self.comparison
        assert comparison is not None
        # The comparison knows the time steps with mismatches: others need not be read.
        marked = np.flatnonzero(comparison.mismatched_over_time[layer, direction, times])
        if not len(marked):
            return None
        index = layer, direction, times, self._sample, units
        pair = self._result.reference, self._result[self._candidate]
        reference, candidate = (trace[comparison.name][index] for trace in pair)
        marks = np.zeros(reference.shape, np.bool_)
        r, c = reference[marked], candidate[marked]
        marks[marked] = ~(abs_error(r, c) <= tolerance(r, comparison.rtol, comparison.atol))
        release_pages(reference)
        release_pages(candidate)
        return marks


def copy_and_unmap(stored: NDArray[Any]) -> NDArray[Any]:
    """A copy of a part of a mapped array, of which nothing stays mapped."""
    copy = stored.copy()
    release_pages(stored)
    return copy


_TIMES, _UNITS = 64, 128

Wanted: TypeAlias = Callable[[], bool]
"""Returns False to cancel the computation."""


class CancelledError(Exception):
    """The computation was canceled."""


def always() -> bool:
    """True: for computations that are never canceled."""
    return True


class ChunkedCompute:
    """The cells of a source by pieces; `name` distinguishes them from other sources' in the cache."""

    def __init__(self, source: CellReader, cache: ChunkCache, name: Hashable) -> None:
        self._source, self._cache, self._name = source, cache, name

    def read(self, layer: int | None, direction: int, times: slice, units: slice, wanted: Wanted) -> Tile:
        """(units, times): some cells.

        Raises
        ------
        UnwantedError
            If they are not `wanted` any more before they are computed.
        """
        lines = []
        across = range(times.start // _TIMES, -(-times.stop // _TIMES))
        for down in range(units.start // _UNITS, -(-units.stop // _UNITS)):
            line: dict[int, Tile] = {}
            # In the order of computation, in which a cell state is carried from one to the next.
            for place in reversed(across) if direction else across:
                if not wanted():
                    raise CancelledError
                line[place] = self._piece(layer, direction, place, down)
            lines.append(concat_tiles([line[place] for place in across], 1))
        whole = concat_tiles(lines, 0)
        left, top = times.start - across.start * _TIMES, units.start % _UNITS
        part = slice(top, top + units.stop - units.start), slice(left, left + times.stop - times.start)
        return Tile(whole.values[part], None if whole.marks is None else whole.marks[part])

    def _piece(self, layer: int | None, direction: int, across: int, down: int) -> Tile:
        key = self._name, layer, direction, across, down
        piece = self._cache.get(key)
        if piece is None:
            timesteps, units = self._source.shape(layer)
            times = slice(across * _TIMES, min((across + 1) * _TIMES, timesteps))
            piece = self._source.read(layer, direction, times, slice(down * _UNITS, min((down + 1) * _UNITS, units)))
            self._cache.put(key, piece)
        return piece


def concat_tiles(patches: Sequence[Tile], axis: int) -> Tile:
    """Patches in a row along an axis, as one."""
    if len(patches) == 1:
        return patches[0]
    marks = None
    if any(patch.marks is not None for patch in patches):
        found = [np.zeros(p.values.shape, np.bool_) if p.marks is None else p.marks for p in patches]
        marks = np.concatenate(found, axis=axis)
    return Tile(np.concatenate([patch.values for patch in patches], axis=axis), marks)
