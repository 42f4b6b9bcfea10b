"""The cell states of an engine at any time step, including states that its trace lacks. These are followed in float64,
with the gates from the engine's own hidden states, as the audit does. c of k steps ago counts only as the product of k
forget gates, and |c| is at most |c0| plus one for each step: once that product, times as much, is far below the
engine's precision, the recurrence begins there with nothing. Where a cell forgets too slowly, or depending on c itself,
it is followed from the nearest place at which c is known, and what is found is kept."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from rnnviz.cells.interpreters.arrays import ArrayBlock
from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer
from rnnviz.cells.interpreters.running_error import BoundedArray, exact
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.steps.inputs import bounded_layer, layer_input, previous_hidden, recorded

_FAR_BELOW, _NEGLIGIBLE = 2.0**-20, 2.0**-60
_FIRST_LOOK = 64
_BLOCK_VALUES = 1 << 18
_LOOK_VALUES = 1 << 20
_CHECKPOINT_BYTES = 32 << 20
_LARGEST_LOOK = 4096


@dataclass(frozen=True)
class SampleUnitBlock:
    """Some samples and units of one lane, each as (start, stop)."""

    layer: int
    direction: int
    samples: tuple[int, int]
    units: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """(S, U)."""
        return self.samples[1] - self.samples[0], self.units[1] - self.units[0]

    @property
    def index(self) -> tuple[slice, slice]:
        """Of an array (..., N, U)."""
        return slice(*self.samples), slice(*self.units)


Blocks: TypeAlias = Callable[[SampleUnitBlock, slice], ArrayBlock]
"""The values (B, S, U) of some time steps in float64, without bounds."""

_Block: TypeAlias = ArrayBlock | BoundedBlock


class CellStates:
    """c of one engine, (S, U) or (B, S, U), with the bound on its rounding; keeps checkpoints up to a budget. With
    `blocks` the values are computed by these, and the bounds, which cost more than the values, are NaN."""

    def __init__(
        self, inputs: Inputs, trace: Trace, budget: int = _CHECKPOINT_BYTES, blocks: Blocks | None = None
    ) -> None:
        self._inputs, self._trace, self._blocks, self._eps = inputs, trace, blocks, trace.eps
        self._decay, self._whole = inputs.network.graph.decay("c"), inputs.network.graph.mixes_units
        self._c0 = inputs.initial_state["c"]
        self._negligible = max(_FAR_BELOW * self._eps, _NEGLIGIBLE)
        self._checkpoints = _Checkpoints(budget)
        self.interrupt: Callable[[], None] = lambda: None
        """Called before each block of a long way; may raise to give it up. States found before it are kept."""
        self._prepared: tuple[tuple[int, int, tuple[int, int]], BoundedLayer] | None = None

    def before(self, layer: int, direction: int, timestep: int, samples: slice, units: slice) -> BoundedArray:
        """(S, U): c[t-1] of the step at `timestep`, which is the initial state at the first step."""
        if self._inputs.lengths and samples.stop - samples.start > 1:
            return _by_sample(lambda one: self.before(layer, direction, timestep, one, units), samples, axis=0)
        length = self._inputs.length(samples.start)
        if timestep >= length:
            return exact(np.zeros((1, units.stop - units.start)), self._eps)
        step = length - 1 - timestep if self._inputs.network.backward(direction) else timestep
        c = self._before(self._columns(layer, direction, samples, units), step)
        return c[..., units] if self._whole else c

    def previous(self, layer: int, direction: int, times: slice, samples: slice, units: slice) -> FloatArray:
        """(B, S, U): c[t-1] of each step of some time steps, in the order of time."""
        if self._inputs.lengths and samples.stop - samples.start > 1:
            each = (slice(n, n + 1) for n in range(samples.start, samples.stop))
            return np.concatenate([self.previous(layer, direction, times, one, units) for one in each], axis=1)
        backward = self._inputs.network.backward(direction)
        computed = min(times.stop, max(times.start + 1, self._inputs.length(samples.start)))
        padding = np.zeros((times.stop - computed, samples.stop - samples.start, units.stop - units.start))
        times = slice(times.start, computed)
        first = times.stop - 1 if backward else times.start
        c = self.before(layer, direction, first, samples, units).value[np.newaxis]
        cells = self.after(layer, direction, times, samples, units).value
        return np.concatenate([cells[1:], c, padding] if backward else [c, cells[:-1], padding])

    def after(self, layer: int, direction: int, times: slice, samples: slice, units: slice) -> BoundedArray:
        """(B, S, U): c after each step of some time steps, in the order of time."""
        if self._trace.cell is not None:
            return recorded(self._trace, self._trace.cell[layer, direction, times, samples, units], self._eps)
        if self._inputs.lengths and samples.stop - samples.start > 1:
            return _by_sample(lambda one: self.after(layer, direction, times, one, units), samples, axis=1)
        length = self._inputs.length(samples.start)
        stop = min(times.stop, max(times.start, length))
        padding = exact(np.zeros((times.stop - stop, 1, units.stop - units.start)), self._eps)
        if times.start >= length:
            return padding
        columns = self._columns(layer, direction, samples, units)
        first = length - stop if self._inputs.network.backward(direction) else times.start
        last = first + stop - times.start
        before = self._before(columns, first)
        with np.errstate(all="ignore"):
            cells, c = self._carry(columns, self._block(columns, first, last), before)
        self._checkpoints.put(columns, last, c)
        cells = cells[..., units] if self._whole else cells
        return _joined([cells, padding], axis=0) if stop < times.stop else cells

    def _before(self, columns: SampleUnitBlock, step: int) -> BoundedArray:
        """c before a step, counted in the order of computation."""
        if step == 0:
            c0 = self._c0[columns.layer * self._inputs.network.directions + columns.direction][columns.index]
            return exact(c0.astype(np.float64), self._eps)
        if self._trace.cell is not None:
            cells = self._trace.cell[columns.layer, columns.direction, self._times(columns, step - 1, step)]
            return recorded(self._trace, cells[0][columns.index], self._eps)
        known, c = self._checkpoints.nearest(columns, step)
        if known == step and c is not None:
            return c
        c = self._before(columns, 0) if c is None else c
        with np.errstate(all="ignore"):
            found = self._look_back(columns, known, step, c)
            if found is None:
                found = self._go_forward(columns, known, step, c)
        self._checkpoints.put(columns, step, found)
        return found

    def _look_back(self, columns: SampleUnitBlock, known: int, step: int, c: BoundedArray) -> BoundedArray | None:
        """c before `step`, from as far back as counts: from `c` before the step `known`, or from nothing after it; None
        if that is too far back to hold every gate on the way, or if the cell has no known way to forget."""
        if self._decay is None:
            return None
        forget, added = self._decay
        largest = float(np.abs(self._before(columns, 0).value).max()) + added * step
        limit = min(_LARGEST_LOOK, max(_FIRST_LOOK, _LOOK_VALUES // (columns.shape[0] * columns.shape[1])))
        blocks: list[_Block] = []
        left, first, length = np.ones(columns.shape), step, _FIRST_LOOK
        while first > known and step - first < limit:
            start = max(known, first - length)
            blocks.append(self._block(columns, start, first))
            gate: Any = blocks[-1].value(forget)
            left *= np.abs(gate.value if isinstance(gate, BoundedArray) else gate).prod(axis=0)
            forgotten = bool(np.all(left * largest < self._negligible))
            first, length = start, length * 2
            if forgotten:
                c = exact(np.zeros(columns.shape), self._eps)
            if forgotten or first == known:
                for block in reversed(blocks):
                    _, c = self._carry(columns, block, c)
                return c
        return None

    def _go_forward(self, columns: SampleUnitBlock, known: int, step: int, c: BoundedArray) -> BoundedArray:
        """c before `step` from `c` before the step `known`; what is found on the way is kept."""
        length = max(1, _BLOCK_VALUES // (columns.shape[0] * max(columns.shape[1], self._trace.shape[-1])))
        for start in range(known, step, length):
            stop = min(start + length, step)
            _, c = self._carry(columns, self._block(columns, start, stop), c)
            self._checkpoints.put(columns, stop, c)
        return c

    def _carry(self, columns: SampleUnitBlock, block: _Block, c: BoundedArray) -> tuple[BoundedArray, BoundedArray]:
        """c of every step of a block, and the last that was computed."""
        backward = self._inputs.network.backward(columns.direction)
        if isinstance(block, BoundedBlock):
            cells, last = block.follow({"c": c}, ("c",), backward=backward)
            return cells["c"], last["c"]
        values, carried = block.follow({"c": c.value}, ("c",), backward=backward)
        return self._unbounded(values["c"]), self._unbounded(carried["c"])

    def _unbounded(self, value: FloatArray) -> BoundedArray:
        return BoundedArray(value, np.broadcast_to(np.nan, value.shape), self._eps)

    def _times(self, columns: SampleUnitBlock, first: int, last: int) -> slice:
        """The time steps from one step to before another, counted in the order of computation."""
        length = self._inputs.length(columns.samples[0])
        backward = self._inputs.network.backward(columns.direction)
        return slice(length - last, length - first) if backward else slice(first, last)

    def _block(self, columns: SampleUnitBlock, first: int, last: int) -> _Block:
        """The steps from `first` to before `last`, counted in the order of computation."""
        self.interrupt()
        times = self._times(columns, first, last)
        if self._blocks is not None:
            return self._blocks(columns, times)
        inputs, trace, layer, direction = self._inputs, self._trace, columns.layer, columns.direction
        samples, units = columns.index
        x = layer_input(inputs, trace, layer, times, samples)
        h = previous_hidden(inputs, trace, layer, direction, times, samples)
        hidden = trace.hidden[layer, direction, times, samples]
        key = layer, direction, columns.units
        if self._prepared is None or self._prepared[0] != key:
            chosen = None if self._whole else np.arange(*columns.units)
            self._prepared = key, bounded_layer(inputs, trace, layer, direction, chosen)
        own = {"h": np.asarray(hidden if self._whole else hidden[..., units])}
        return BoundedBlock(self._prepared[1], x, h, own, times.start)

    def _columns(self, layer: int, direction: int, samples: slice, units: slice) -> SampleUnitBlock:
        """The columns that are computed for some others: all of a sample, where a unit is computed from others."""
        first, last = (0, self._c0.shape[-1]) if self._whole else (units.start, units.stop)
        return SampleUnitBlock(layer, direction, (samples.start, samples.stop), (first, last))


@dataclass
class _Checkpoints:
    """c before some steps of some columns; every other one of a lane goes when the budget of bytes is spent."""

    budget: int
    _lanes: OrderedDict[SampleUnitBlock, dict[int, BoundedArray]] = field(default_factory=OrderedDict)
    used: int = 0

    def nearest(self, columns: SampleUnitBlock, step: int) -> tuple[int, BoundedArray | None]:
        """The last step up to `step` before which c is known, and c; (0, None) if there is none."""
        lane = self._lanes.get(columns, {})
        known = max((other for other in lane if other <= step), default=0)
        if known:
            self._lanes.move_to_end(columns)
        return known, lane.get(known)

    def put(self, columns: SampleUnitBlock, step: int, c: BoundedArray) -> None:
        lane = self._lanes.setdefault(columns, {})
        self._lanes.move_to_end(columns)
        if step in lane:
            return
        lane[step] = c
        self.used += _size(c)
        while self.used > self.budget and (len(self._lanes) > 1 or len(lane) > 1):
            self._thin()

    def _thin(self) -> None:
        """Drop the columns that were not used for longest, or of the only ones every other checkpoint but the last."""
        if len(self._lanes) > 1:
            _, lane = self._lanes.popitem(last=False)
            self.used -= sum(_size(c) for c in lane.values())
            return
        (lane,) = self._lanes.values()
        for step in sorted(lane)[-2::-2]:
            self.used -= _size(lane.pop(step))


def _by_sample(read: Callable[[slice], BoundedArray], samples: slice, axis: int) -> BoundedArray:
    """The states of samples of different lengths, which begin and end at different steps."""
    return _joined([read(slice(n, n + 1)) for n in range(samples.start, samples.stop)], axis)


def _joined(parts: list[BoundedArray], axis: int) -> BoundedArray:
    value = np.concatenate([part.value for part in parts], axis)
    bound = np.concatenate([np.broadcast_to(part.bound, part.value.shape) for part in parts], axis)
    return BoundedArray(value, bound, parts[0].eps)


def _size(c: BoundedArray) -> int:
    return c.value.nbytes + c.bound.nbytes
