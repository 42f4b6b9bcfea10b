"""The backward pass of a lane whose samples of different lengths share the rows of a batch; see `engines.packing`.

Where a sample ends in a row, the gradients of its final state come in. Where it begins, those of its initial state go
out. In between a row is padding: copies of its last time step before, with gradients of 0.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.gradients import gradient
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import time_blocks
from rnnviz.engines.backward import Arrays, LaneBlock, LanePass
from rnnviz.engines.base import Progress
from rnnviz.engines.layers import PART_VALUES
from rnnviz.engines.packing import RowPart, packing
from rnnviz.frozen import dataclass

_CALL, _COPY, _BEGIN = 1 << 24, 1 << 18, 1 << 20
"""Multiplications that cost as much as a block of time steps, a sample in it, and samples that begin within it."""


@dataclass(frozen=True, eq=False)
class _Rows(LaneBlock):
    """Some time steps of rows of packed samples.

    Attributes
    ----------
    index:
        (B, S): where each step is in the time steps and samples (T·N,). Padding has the index of another step.
    padding:
        (B, S): where there is padding.
    """

    index: NDArray[np.intp]
    padding: NDArray[np.bool_]

    @cached_property
    def _computed(self) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.intp]]:
        """The steps that are not padding, by their place in the block and by their index."""
        places = np.nonzero(~self.padding)
        return places, self.index[places]

    def of(self, array: FloatArray) -> FloatArray:
        return array.reshape(-1, array.shape[2]).take(self.index, axis=0)

    def put(self, array: FloatArray, values: FloatArray, *, add: bool = False) -> None:
        rows, (places, index) = array.reshape(-1, array.shape[2]), self._computed
        rows[index] = rows.take(index, axis=0) + values[places] if add else values[places]


class PackedLanePass(LanePass):
    """The backward pass of one lane in rows of packed samples. The trace has every state."""

    def run(self, longest: int | None, progress: Progress) -> None:
        """See `LanePass.run`."""
        network, lengths = self._network, tuple(self._lengths)
        weights = network.kind.parameter_count(network.sizes(self._lane[0]))
        packed = packing(lengths, _CALL / weights + 1, _COPY / weights, _BEGIN / weights)
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
        states = self._inputs.initial_state
        return [place.row for place in self._begins[t]], {s: a[self._row][samples] for s, a in states.items()}

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
