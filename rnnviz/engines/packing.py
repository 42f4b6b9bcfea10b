"""Samples of different lengths in the rows of a batch, so that few calls compute little padding.

A row holds one sample after the other, each in its order of computation: one of a backward direction begins at its own
length - 1. Where a sample begins, its row gets the initial state of that sample. A call computes some time steps of all
its rows, and costs as much as many of them; so a row whose sample has ended may be padding for a while, before a call
begins with its next one, or without it. Such padding is 0 in the layer input, and its values are thrown away.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import time_blocks
from rnnviz.engines.base import Progress
from rnnviz.engines.layers import PART_VALUES, LayerTask, RunLayer
from rnnviz.frozen import dataclass

_STEP = 4
"""Number of rows that cost as much as a time step of no rows."""

_COPY = 1 << 17
"""Multiplications that cost as much as copying a sample to its row and back."""


@dataclass(frozen=True)
class RowPart:
    """The steps of a row that a sample has, from `start` to `stop`."""

    row: int
    sample: int
    start: int
    stop: int

    def within(self, block: slice) -> tuple[slice, slice]:
        """Its steps in a block of the row: as steps of the block, and as steps of the sample."""
        start, stop = max(self.start, block.start), min(self.stop, block.stop)
        return slice(start - block.start, stop - block.start), slice(start - self.start, stop - self.start)


@dataclass(frozen=True)
class Packing:
    """The places of samples in rows; the longest row is first.

    Attributes
    ----------
    places:
        The place of each sample.
    parts:
        The steps that are computed with the rows that have not ended before them, and the number of these.
    cost:
        The cost of all calls, in time steps of one row.
    """

    places: Sequence[RowPart]
    parts: Sequence[tuple[range, int]]
    cost: float


@lru_cache(maxsize=64)
def packing(lengths: tuple[int, ...], call: float, copy: float, begin: float | None = None) -> Packing:
    """The cheapest of some ways: one sample in each row, or as many as fit below the longest sample.

    These begin at any step, or at few steps only, so that many of them begin in the same call.
    """
    samples = sorted(range(len(lengths)), key=lambda sample: -lengths[sample])
    longest = lengths[samples[0]]
    ways = [[RowPart(row, sample, 0, lengths[sample]) for row, sample in enumerate(samples)]]
    ways += [_filled_rows(samples, lengths, multiple) for multiple in {1, -(-longest // 32), -(-longest // 8)}]
    return min((_packing(places, call, copy, begin) for places in ways), key=lambda way: way.cost)


def _filled_rows(samples: Sequence[int], lengths: Sequence[int], multiple: int) -> list[RowPart]:
    """The samples, the longest first, each in the row with the least room that it fits in."""
    rows: list[list[RowPart]] = []
    longest = lengths[samples[0]]
    room: list[tuple[int, int]] = []
    for sample in samples:
        length = lengths[sample]
        place = bisect_left(room, (length, 0))
        if place == len(room):
            room.append((longest, len(rows)))
            rows.append([])
        left, row = room.pop(place)
        start = longest - left
        rows[row].append(RowPart(row, sample, start, start + length))
        insort(room, (left - -(-length // multiple) * multiple, row))
    rows.sort(key=lambda places: -places[-1].stop)
    return [replace(place, row=row) for row, places in enumerate(rows) for place in places]


def _packing(places: Sequence[RowPart], call: float, copy: float, begin: float | None) -> Packing:
    """The places with the parts that cost least."""
    ends = np.array(list({place.row: place.stop for place in places}.values()))
    cuts = np.unique([0, *ends])
    active = len(ends) - np.searchsorted(ends[::-1], cuts, side="right")
    # The least cost from each cut on, and the cut at which its part ends.
    least, until = np.zeros(len(cuts)), np.zeros(len(cuts), int)
    for k in reversed(range(len(cuts) - 1)):
        costs = (cuts[k + 1 :] - cuts[k]) * (active[k] + _STEP) + least[k + 1 :]
        until[k], least[k] = k + 1 + costs.argmin(), costs.min() + call + active[k] * copy
    parts, k = [], 0
    while k < len(cuts) - 1:
        parts.append((range(cuts[k], cuts[until[k]]), int(active[k])))
        k = until[k]
    begun = {place.start for place in places if place.start}
    beginnings = (call if begin is None else begin) * len(begun) + copy * sum(1 for place in places if place.start)
    return Packing(places, parts, least[0] + beginnings)


def run_packed(
    call: Callable[[int], int],
    lengths: Sequence[int],
    run_layer: RunLayer,
    task: LayerTask,
    progress: Progress,
) -> dict[str, FloatArray]:
    """Run a layer on samples of different lengths, packed into rows; see `engines.layers.run_in_parts`.

    Padding of the layer input is not read, and no padding is written. The final state of a sample is taken from the
    series that have it; of other states `run_layer` must keep those of a row whose padding has begun.

    Returns dict of str to ndarray of shape (N, H): the state after the last computed step of each sample, by name.
    """
    weights = sum(array.size for array in vars(task.parameters).values())
    packed = packing(tuple(lengths), call(weights) / weights, _COPY / weights)
    finals = {name: np.array(array) for name, array in task.state.items()}
    state: Mapping[str, FloatArray] = finals
    longest, widest = max(lengths), max(task.x.shape[2], *(array.shape[1] for array in finals.values()))
    # The sample of each row, and the step at which it ends.
    held, ends = np.zeros((2, len(lengths)), int)

    def in_order(array: FloatArray, sample: int) -> FloatArray:
        return array[: lengths[sample], sample][:: -1 if task.backward else 1]

    for part, rows in packed.parts:
        held, ends = held[:rows], ends[:rows]
        for block in time_blocks(part, max(1, PART_VALUES // (rows * widest)), backward=False):
            places = [p for p in packed.places if p.row < rows and p.start < block.stop and p.stop > block.start]
            copies = [(*place.within(block), place.row, place.sample) for place in places]
            shape = block.stop - block.start, rows
            x = np.zeros((*shape, task.x.shape[2]), task.x.dtype)
            for here, own, row, sample in copies:
                x[here, row] = in_order(task.x, sample)[own]
            series = {name: np.empty((*shape, array.shape[2]), array.dtype) for name, array in task.series.items()}
            starts = sorted({block.start, *(place.start for place in places if place.start > block.start)})
            for start, stop in pairwise([*starts, block.stop]):
                begun = [place for place in places if place.start == start]
                at = [place.row for place in begun]
                held[at], ends[at] = [place.sample for place in begun], [place.stop for place in begun]
                state = {name: array[:rows].copy() for name, array in state.items()}
                for name, array in state.items():
                    array[at] = task.state[name][held[at]]
                times = slice(start - block.start, stop - block.start)
                piece = replace(
                    task,
                    x=x[times],
                    state=state,
                    series={name: array[times] for name, array in series.items()},
                    backward=False,
                    computed=np.clip(ends - start, 0, stop - start),
                )
                state = run_layer(piece, lambda _: None)
                ended = np.flatnonzero((ends > start) & (ends <= stop))
                last = ends[ended] - 1 - block.start
                for name, array in finals.items():
                    array[held[ended]] = series[name][last, ended] if name in series else state[name][ended]
                progress(stop / longest)
            for here, own, row, sample in copies:
                for name, array in series.items():
                    in_order(task.series[name], sample)[own] = array[here, row]
    return finals
