"""Cells that have to be computed, in pieces that are computed once: where every cell is shown, a step further in any
direction is there already.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias

import numpy as np

from rnnviz.multiscale.chunk_cache import ChunkCache, Tile
from rnnviz.multiscale.raw_reader import CellReader

_TIMES, _UNITS = 64, 128

Wanted: TypeAlias = Callable[[], bool]
"""Whether what is being read is still wanted."""


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
