"""The steps of a forward pass, each from the engine's own previous states and its own layer input. Other states than h
are carried along in float64 with their bounds, since a trace need not hold them. So that the bound does not grow with
the sequence, they are narrowed every few steps to what the engine's own can have been: what h = o · tanh(c) admits, and
a stored state. Limits that contradict the carried state are left out, so that a wrong value makes no later step
wrong."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer, largest_magnitude
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, storage_bound
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import LINE, Trace
from rnnviz.core.trace_index import computed_parts, time_blocks
from rnnviz.steps.inputs import bounded_layer, followed, layer_input, previous_hidden
from rnnviz.verify import audited
from rnnviz.verify.audited import Block, Columns, Expected, Lane, Pass, States
from rnnviz.verify.compare import Comparison
from rnnviz.verify.consistency_checks import CellChecks, Check
from rnnviz.verify.verdict import PassName

JUDGED = 2.0**-8
"""How much of the largest hidden value eight bounds may be if they are to judge a step."""

JUDGED_ROUNDINGS = 96.0
"""How many eps it may be of a recording that was computed in half precision."""


class ForwardPass(Pass):
    """Bottom up, in the order of computation, all of it if `full` or if it is small; see `audited`. `derived` has
    arrays (L, D, T, N, U) to fill with followed states, such as a "c" that the trace lacks."""

    name: PassName = "forward"

    def __init__(
        self,
        inputs: Inputs,
        trace: Trace,
        comparisons: Sequence[Comparison] = (),
        *,
        full: bool = False,
        derived: Mapping[str, FloatArray] = {},
        block_values: int = audited.BLOCK_VALUES,
    ) -> None:
        self.inputs, self.trace, self.comparisons = inputs, trace, comparisons
        self._full, self._derived, self._block_values = full, derived, block_values
        self._cell, self._graph = inputs.network.kind, inputs.network.graph
        # Where a unit is computed from others, all are computed, and the chosen ones are counted.
        self._whole = self._graph.mixes_units
        self.over_time, *_ = self._cell.state_symbols
        values = (*self._cell.state_symbols, *trace.lines)
        self.lines = tuple(name for name in self._graph.values if name in values and self._line(name) in trace)
        self.lines = self.lines if trace.lines else ()
        self._checks = CellChecks(trace)

    @property
    def arrays(self) -> tuple[str, ...]:
        return (self.over_time,)

    def _line(self, name: str) -> str:
        """The array of a line that a custom step returns: a state or another value."""
        return name if name in self._cell.state_symbols else f"{LINE}{name}"

    def legs(self) -> list[tuple[Lane, Columns]]:
        """The columns of the plan in each lane, then the ends of the others."""
        size = max(1, self._block_values // (self._cell.gate_count * self.inputs.network.hidden_size))
        return [
            (lane, part)
            for lane in product(range(self.trace.shape[0]), range(self.trace.shape[1]))
            if (times := followed(self.inputs, self.trace, *lane))
            for part in self._parts(lane, times, size)
        ]

    def _parts(self, lane: Lane, times: range, size: int) -> Iterator[Columns]:
        shape = self.trace.shape
        seen = np.zeros(shape[3:], np.bool_)
        engine = self.trace.engine
        own = [c.error_ratio_by_column[lane] for c in self.comparisons if engine in (c.reference, c.candidate)]
        near = np.maximum.reduce(own) if own else None
        for columns in audited.plan_lane(shape, near, full=self._full, whole=self._whole):
            seen[np.ix_(columns.samples, columns.units)] = True
            yield from columns.parts(size)
        if not seen.all():
            for part in audited.all_columns(*seen.shape).parts(size):
                for step, samples in audited.ends(self.inputs, lane[1], times, part.samples):
                    yield Columns(samples, part.units, ~seen[np.ix_(samples, part.units)], (step,))

    def start(self, lane: Lane, part: Columns) -> States:
        """The initial states but that of h."""
        self._layer = bounded_layer(self.inputs, self.trace, *lane, None if self._whole else part.units)
        k = lane[0] * self.inputs.network.directions + lane[1]
        return {
            symbol: self._layer.leaf(state[k][np.ix_(part.samples, self._units(symbol, part))])
            for symbol, state in self.inputs.initial_state.items()
            if symbol != self.over_time
        }

    def _units(self, symbol: str, part: Columns) -> NDArray[np.intp]:
        """The units of a state that are computed."""
        return np.arange(self.inputs.initial_state[symbol].shape[-1]) if self._whole else part.units

    def blocks(self, lane: Lane, part: Columns) -> Sequence[slice]:
        if part.only is not None:
            return part.only
        backward = self.inputs.network.backward(lane[1])
        widest = max(self._cell.gate_count * len(part.units), self.inputs.network.hidden_size)
        length = max(1, self._block_values // (len(part.samples) * widest))
        times = followed(self.inputs, self.trace, *lane)
        parts = computed_parts(self.inputs.lengths, times, backward=backward)
        return [block for some, _ in parts for block in time_blocks(some, length, backward=backward)]

    def step(self, lane: Lane, part: Columns, times: slice, carried: States) -> tuple[list[Expected], States]:
        inputs, trace, h = self.inputs, self.trace, self.over_time
        backward, steps = inputs.network.backward(lane[1]), np.arange(times.start, times.stop)
        x = layer_input(inputs, trace, lane[0], times, part.samples)
        before = previous_hidden(inputs, trace, *lane, times, part.samples)
        symbols = self._cell.state_symbols
        axes = {s: (steps, part.samples, self._units(s, part)) for s in symbols}
        own = {s: Block(s, lane, axes[s], ()).read(trace[s]) for s in symbols if s in trace}
        values, after = BoundedBlock(self._layer, x, before, own, times.start).follow(
            carried, (*symbols, *trace.lines), backward=backward
        )
        chosen: Any = (..., part.units if self._whole else slice(None))

        def expected(name: str, rank: int, **more: Any) -> Expected:
            axes = steps, part.samples, part.units
            return Expected(Block(name, lane, axes, (*lane, rank), last_first=backward), **more)

        found = []
        if part.fresh is None:
            for symbol, array in self._derived.items():
                array[lane][times][(slice(None), *np.ix_(*axes[symbol][1:]))] = values[symbol].value
            if "c" in values:
                self._checks.add(lane, times, axes["c"][1:], own.get("c"), values["c"])
            found = [
                expected(self._line(name), rank, value=values[name][chosen], line=True)
                for rank, name in enumerate(self.lines)
            ]
        step = values[h]
        if trace.stored_as or trace.half:
            bound = step.bound + storage_bound(own[h], trace.stored_as, trace.half)
            step = BoundedArray(step.value, bound, step.eps)
        limit, beyond = limits(self._layer, step, own[h], before)
        if isinstance(limit, np.ndarray) and limit.ndim and self._whole:
            limit = np.broadcast_to(limit, step.value.shape)[chosen]
        beyond = None if beyond is None else beyond[chosen]
        found.append(expected(h, 0, value=step[chosen], limit=limit, beyond=beyond, fresh=part.fresh))
        return found, after

    def checks(self) -> tuple[Check, ...]:
        """Compare the cell states of an LSTM with those that follow from its hidden values."""
        return tuple(self._checks.found)


def limits(
    layer: BoundedLayer, step: BoundedArray, h: FloatArray, before: FloatArray
) -> tuple[FloatArray | float | None, FloatArray | None]:
    """The largest bound that judges a step (B, S, U), None if every one does, and by how many bounds h is outside what
    a cell can have after `before` (B, S, H), the engine's own previous hidden values."""
    share = max(JUDGED, JUDGED_ROUNDINGS * step.eps) if layer.half else JUDGED
    limit: FloatArray | float = -1.0
    if ALLOWED * step.eps <= share:
        # An unlimited value is judged relative to its terms, unless its bound is infinite.
        limit = np.minimum(layer.hidden_scale * (share / ALLOWED), np.finfo(np.float64).max)
        if step.bound.max(initial=0.0) <= limit.min():
            return None, None
    low, high = between = layer.hidden_limits(before)
    own, scale = h.astype(np.float64), largest_magnitude(between)
    beyond = np.maximum(low - own, own - high) - ALLOWED * storage_bound(h, layer.stored_as)
    return limit, beyond / (step.eps * np.where(np.isinf(scale), 1.0, scale))
