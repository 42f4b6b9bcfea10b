"""Samples of different lengths in the rows of a batch, so that few calls compute little padding.

A row holds one sample after the other, each in its order of computation from its own initial state. A call computes
some time steps of all its rows, and costs as much as many of them, so a row may be padding until a call begins with its
next sample. Such padding is 0 in the layer input, and its values are thrown away.

Backward, the gradients of a sample's final state come in where it ends in a row, and the gradients of its initial state
go out where it begins. In between a row is padding: copies of its last time step before, with gradients of 0.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.gradients import gradient
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import time_blocks
from rnnviz.engines.backward import Arrays, LaneBlock, LanePass
from rnnviz.engines.base import PART_VALUES, LayerTask, Progress, RunLayer
from rnnviz.frozen import dataclass

_STEP = 4
"""Number of rows that cost as much as a time step of no rows."""

_COPY = 1 << 17
"""Multiplications that cost as much as copying a sample to its row and back."""

_BLOCK_COST, _ROW_COST, _BEGIN_COST = 1 << 24, 1 << 18, 1 << 20
"""Multiplications that cost as much as a block of time steps, a sample in it, and samples that begin within it."""


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
    """The places of samples in rows, of which the longest is first, `parts` as steps with the number of rows that have
    not ended before them, and the `cost` of all calls, in time steps of one row."""

    places: Sequence[RowPart]
    parts: Sequence[tuple[range, int]]
    cost: float


@lru_cache(maxsize=64)
def packing(lengths: tuple[int, ...], call: float, copy: float, begin: float | None = None) -> Packing:
    """The cheapest of some ways: one sample in each row, or as many as fit below the longest sample, which begin at any
    step, or at few steps only, so that many of them begin in the same call."""
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
    call: Callable[[int], int], lengths: Sequence[int], run_layer: RunLayer, task: LayerTask, progress: Progress
) -> dict[str, FloatArray]:
    """Run a layer on samples of different lengths, packed into rows; see `engines.base.run_in_parts`. The final state
    of a sample is taken from the series that have it; `run_layer` must keep the other states of a row whose padding has
    begun."""
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


@dataclass(frozen=True, eq=False)
class _Rows(LaneBlock):
    """Some time steps of rows of packed samples: `index` (B, S) in the time steps and samples (T·N,), of another
    step where there is `padding` (B, S)."""

    index: NDArray[np.intp]
    padding: NDArray[np.bool_]

    @cached_property
    def _computed(self) -> tuple[NDArray[np.intp], ...]:
        """The places in the block of the steps that are not padding."""
        return np.nonzero(~self.padding)

    def of(self, array: FloatArray) -> FloatArray:
        return array.reshape(-1, array.shape[2]).take(self.index, axis=0)

    def put(self, array: FloatArray, values: FloatArray, *, add: bool = False) -> None:
        rows, index = array.reshape(-1, array.shape[2]), self.index[self._computed]
        rows[index] = rows.take(index, axis=0) + values[self._computed] if add else values[self._computed]


class PackedLanePass(LanePass):
    """The backward pass of one lane in rows of packed samples. The trace has every state."""

    def run(self, longest: int | None, progress: Progress) -> None:
        network, lengths = self._network, tuple(self._lengths)
        weights = network.kind.parameter_count(network.sizes(self._lane[0]))
        packed = packing(lengths, _BLOCK_COST / weights + 1, _ROW_COST / weights, _BEGIN_COST / weights)
        count = packed.parts[0][1]
        self._set_places(packed.places, count, max(lengths))
        carried = {s: np.zeros((count, array.shape[2]), array.dtype) for s, array in self._loss.state.items()}
        widest = network.kind.gate_count * network.hidden_size + network.input_size
        for part, rows in reversed(packed.parts):
            most = PART_VALUES // (rows * widest)
            most = most if longest is None else min(most, longest * len(lengths) // rows)
            for times in time_blocks(part, max(1, most), backward=True):
                self._pass_on(times.stop, carried)
                found = self._run_block(times, rows, {s: array[:rows] for s, array in carried.items()})
                for symbol, array in found.items():
                    carried[symbol][:rows] = array
                progress(1 - times.start / max(lengths))
        self._pass_on(0, carried)
        self._store_sums()

    def _set_places(self, places: Sequence[RowPart], rows: int, steps: int) -> None:
        """Note the place of each row and step, and where samples begin, end or are cut off, by step."""
        places = sorted(places, key=lambda place: (place.row, place.start))
        self._begins: dict[int, list[RowPart]] = defaultdict(list)
        self._ends: dict[int, list[RowPart]] = defaultdict(list)
        self._cut_off: dict[int, list[int]] = defaultdict(list)
        for place in places:
            self._begins[place.start].append(place)
            self._ends[place.stop].append(place)
            if self._loss.truncate is not None:
                times = range(place.stop - place.start)
                for b in np.flatnonzero(self._cuts(times[::-1] if self._backward else times)).tolist():
                    self._cut_off[place.start + b].append(place.row)
        self._edges = sorted({*self._begins, *self._ends, *self._cut_off})
        self._samples, self._starts, self._stops = np.array([(p.sample, p.start, p.stop) for p in places]).T
        # A place and the padding after it reach to the next one.
        reach = np.diff([p.row * steps + p.start for p in places], append=rows * steps)
        self._place_of = np.repeat(np.arange(len(places)), reach).reshape(rows, steps)

    def _run_block(self, times: slice, rows: int, final: Arrays) -> Arrays:
        """Fill the gradients of a block; returns those of the states before it, (S, U) by symbol."""
        block, (start, stop) = self._block(times, rows), (times.start, times.stop)
        before = self._block(slice(start - 1, start), rows) if start else block
        state = {s: before.of(self._trace[s][self._lane])[0] for s in final}
        begins = {t: self._initial(t) for t in self._begins if start <= t < stop}
        at, initial = begins.pop(start, ([], {}))
        for symbol, array in initial.items():
            state[symbol][at] = array
        task = self._task(block, state, final, np.zeros(stop - start, np.bool_))
        task.direct[block.padding] = 0
        pass_on = {t - start: partial(self._pass_on, t) for t in self._edges if start < t < stop}
        begins = {t - start: of for t, of in begins.items()}
        found = self._layer.gradients(replace(task, begins=begins, pass_on=pass_on))
        self._store(block, found)
        return found.state

    def _block(self, times: slice, rows: int) -> _Rows:
        places, steps = self._place_of[:rows, times].T, np.arange(times.start, times.stop)[:, np.newaxis]
        starts, stops = self._starts[places], self._stops[places]
        last = np.minimum(steps, stops - 1)
        index = (stops - 1 - last if self._backward else last - starts) * len(self._lengths) + self._samples[places]
        return _Rows(times, np.arange(rows), self._backward, index, steps >= stops)

    def _initial(self, t: int) -> tuple[list[int], Arrays]:
        """The rows in which samples begin at a step, and the initial states of these, (S', U) by symbol."""
        samples = [place.sample for place in self._begins[t]]
        initial = {s: a[self._row][samples] for s, a in self._inputs.initial_state.items()}
        return [place.row for place in self._begins[t]], initial

    def _pass_on(self, t: int, carried: Arrays) -> None:
        """Change the gradients of the states before step `t`, (S, U) by symbol, to those of the steps before it."""
        begun, ended = ([(p.row, p.sample) for p in edges.get(t, [])] for edges in (self._begins, self._ends))
        cut_off = self._cut_off.get(t, [])
        for symbol, array in carried.items():
            if begun:
                rows, samples = zip(*begun, strict=True)
                self._trace[gradient(f"{symbol}0")][self._row][[*samples]] = array[[*rows]]
                array[[*rows]] = 0
            if cut_off:
                array[cut_off] = 0
            if ended:
                rows, samples = zip(*ended, strict=True)
                array[[*rows]] = self._loss.state[symbol][self._row][[*samples]]
