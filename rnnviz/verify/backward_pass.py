"""The steps of a backward pass, each from the engine's own gradients of the next step and its own hidden states.

The gradient of a hidden state adds up from the loss, the layer above, and the step that reads the state: each is
computed in float64 with a rounding bound (`bounded_backward`), and the engine's must be within eight bounds of their
sum. Where an engine gives grad.out, the terms of the loss and of the layer above, it is audited by itself.

Gradients that the engine does not give, such as grad.c, are carried from step to step with their bounds, and so are
missing states. The gradients of the parameters must be the sums over all time steps and samples; in a larger run, some
rows are sums of the engine's own gradients of the pre-activations.

Where eight bounds are more than 1/64 of the largest gradient of a vector, a gradient within them is undetermined. So it
is where rounding decides the sign of the argument of a relu.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.bounded import BoundedBlock
from rnnviz.cells.interpreters.bounded_backward import BoundedBackward, BoundedGradients, BoundedSum
from rnnviz.cells.interpreters.graph import lone_sums
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, exact, storage_bound
from rnnviz.core.config import parameter_name
from rnnviz.core.gradients import GRADIENT, OF_INPUT, OF_OUTPUT, OF_PARAMETERS, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import time_blocks
from rnnviz.steps import inputs as step_inputs
from rnnviz.verify import audited
from rnnviz.verify.audited import Block, Columns, Expected, Lane, Pass, States
from rnnviz.verify.compare import Comparison
from rnnviz.verify.forward_pass import JUDGED_ROUNDINGS
from rnnviz.verify.verdict import PassName

_JUDGED = 2.0**-6
"""How much of the largest gradient of a vector eight bounds may be if they are to judge a gradient."""

_UNDERFLOW = 2.0**-100
"""A bound up to which the underflow of float32 is all that it allows for."""

_NEAR_OVERFLOW = 2.0**-20
"""The fraction of the largest number from which on the factors of a gradient may overflow."""

_ROWS = 32
"""One row of each gate in this many is audited in a larger run."""


class BackwardPass(Pass):
    """From the loss, top down, the last computed step first; all of it if `full` or if the run is small. Of some
    samples all lanes are followed before the next ones, since a layer needs what the one above adds."""

    name: PassName = "backward"

    def __init__(
        self,
        inputs: Inputs,
        trace: Trace,
        comparisons: Sequence[Comparison] = (),
        *,
        full: bool = False,
        block_values: int = audited.BLOCK_VALUES,
    ) -> None:
        assert inputs.loss is not None
        self.inputs, self.trace, self.comparisons = inputs, trace, comparisons
        self._network, self._cell, self._loss = inputs.network, inputs.network.kind, inputs.loss
        self._block_values = block_values
        self._symbols = self._cell.state_symbols
        self.over_time = gradient(self._symbols[0])
        self._given = {name for name in trace if name.startswith(GRADIENT)} - trace.missing
        self._states = [s for s in self._symbols if gradient(s) in self._given]
        self._stored = [s for s in self._symbols[1:] if s in trace and s not in trace.missing]
        # Every step follows from the trace alone if all states and their gradients are in it.
        stored = all(s in trace and s not in trace.missing for s in self._symbols)
        self._plan = audited.plan_backward(
            inputs,
            self._near(),
            full=full,
            independent=stored and len(self._states) == len(self._symbols),
            block_values=block_values,
        )
        self._names = OF_OUTPUT, *map(gradient, (*self._symbols, *self._cell.gate_symbols))
        self._lanes = list(product(reversed(range(self._network.num_layers)), range(self._network.directions)))
        self._complete = self.over_time in self._given and all(map(self._follows, self._lanes))
        self._sums: dict[Lane, dict[str, BoundedSum]] = {lane: {} for lane in self._lanes}
        # What the layer above and this layer add to the gradient of their layer inputs, by the start of the block.
        self._above: dict[int, BoundedArray] = {}
        self._below: dict[int, list[BoundedArray]] = {}

    @property
    def arrays(self) -> tuple[str, ...]:
        return tuple(name for name in self.trace if name in self._given)

    def _near(self) -> NDArray[np.intp]:
        """The samples in which a comparison of hidden states or gradients comes near its limit, the nearest first."""
        largest, engine = np.zeros(self.inputs.batch_size), self.trace.engine
        for comparison in self.comparisons:
            if engine in (comparison.reference, comparison.candidate):
                for found in (comparison, *comparison.gradients_over_time.values()):
                    np.fmax(largest, found.error_ratio_by_column.max(axis=(0, 1, 3)), out=largest)
        order = np.argsort(-largest, kind="stable")
        return order[largest[order] > audited.NEAR]

    def _follows(self, lane: Lane) -> bool:
        """Whether every step of a lane can be followed."""
        return step_inputs.followed(self.inputs, self.trace, *lane) == range(self.inputs.timesteps)

    def legs(self) -> list[tuple[Lane, Columns]]:
        """The lanes of some samples at a time; those above the first lane that cannot be followed."""
        if self.over_time not in self._given:
            return []
        stop = next((i for i, lane in enumerate(self._lanes) if not self._follows(lane)), None)
        units = np.arange(self._network.hidden_size)
        parts = self._plan.parts if stop is None else self._plan.parts[:1]
        return [(lane, Columns(samples, units)) for samples in parts for lane in self._lanes[:stop]]

    def start(self, lane: Lane, part: Columns) -> States:
        """The gradients of the loss with respect to the final states."""
        layer, direction = lane
        if direction == 0:
            top = layer == self._network.num_layers - 1
            self._above = {} if top else {start: _total(terms) for start, terms in self._below.items()}
            self._below = {}
        self._layer = step_inputs.bounded_layer(self.inputs, self.trace, layer, direction, None)
        self._k, self._edge = layer * self._network.directions + direction, -1
        return {s: self._layer.leaf(self._loss.state[s][self._k][part.samples]) for s in self._symbols}

    def blocks(self, lane: Lane, part: Columns) -> list[slice]:
        """The blocks of the plan; the states that the trace lacks are followed once, and kept where a block begins."""
        backward = self._network.backward(lane[1])
        order = self._plan.blocks[::-1] if backward else self._plan.blocks
        initial = self.inputs.initial_state
        kept: States = {
            s: self._layer.leaf(initial[s][self._k][part.samples]) for s in self._symbols[1:] if s not in self._stored
        }
        self._begin: dict[int, States] = {}
        for times in order:
            rows = np.flatnonzero([self.inputs.length(n) >= times.stop for n in part.samples])
            own = {s: state[rows] for s, state in kept.items()}
            self._begin[times.start] = own
            if kept and len(rows) and times is not order[-1]:
                block, _, _ = self._forward(lane, part.of_rows(rows), times)
                _, after = block.follow(own, backward=backward)
                kept = {s: audited.with_rows(state, rows, after[s]) for s, state in kept.items()}
        return order[::-1]

    def _forward(self, lane: Lane, part: Columns, times: slice) -> tuple[BoundedBlock, FloatArray, FloatArray]:
        """A block of the forward pass, with its layer input and previous hidden states."""
        inputs, trace, samples = self.inputs, self.trace, part.samples
        x = step_inputs.layer_input(inputs, trace, lane[0], times, samples)
        before = step_inputs.previous_hidden(inputs, trace, *lane, times, samples)
        # A carried c is not narrowed to what h admits: the backward pass may compute it again, with other roundings.
        block = BoundedBlock(self._layer, x, before, {}, times.start)
        states = {s: step_inputs.previous_state(inputs, trace, s, *lane, times, samples) for s in self._stored}
        step_inputs.read_states(block, trace, states, self._layer.eps)
        return block, x, before

    def step(self, lane: Lane, part: Columns, times: slice, carried: States) -> tuple[list[Expected], States]:
        backward = self._network.backward(lane[1])
        block, x, before = self._forward(lane, part, times)
        block.follow(self._begin[times.start], backward=backward, whole=True)
        own = {s: self._own(gradient(s), lane, part, times) for s in self._states}
        # Steps within the block that owe nothing to the state before them. Its first one is looked at afterwards.
        steps = range(times.start, times.stop - 1) if backward else range(times.start + 1, times.stop)
        cuts = [t - times.start for t in steps if self._loss.cuts(t + backward)]
        bounded = BoundedBackward(self._layer, block, x, before)
        lacking = {s: state for s, state in carried.items() if s not in own}
        found = bounded.gradients(own, lacking, backward=backward, cuts=cuts, stored_as=self.trace.stored_as)
        expected = [*self._expected(lane, part, times, found, carried)]
        if self._plan.whole:
            bounded.add_parameters(found, self._sums[lane])
        self._below.setdefault(times.start, []).append(found.x)
        if lane == self._lanes[-1] and OF_INPUT in self._given:
            axes = np.arange(times.start, times.stop), part.samples
            block_of_input = Block(OF_INPUT, (), axes, (1, 0, 0, 0), last_first=True)
            expected.append(self._judged(block_of_input, _total(self._below[times.start])))
        # Of a sample that begins in this block, nothing comes before.
        place, self._edge = (-1, times.stop) if backward else (0, times.start)
        after = {s: found.before[s][place] for s in carried}
        if self._loss.cuts(self._edge):
            after = {s: exact(np.zeros(state.value.shape), state.eps) for s, state in after.items()}
        return expected, after

    def _own(self, name: str, lane: Lane, part: Columns, times: slice) -> FloatArray:
        return np.asarray(self.trace[name][*lane, times])[:, part.samples]

    def _expected(
        self, lane: Lane, part: Columns, times: slice, found: BoundedGradients, after: States
    ) -> Iterator[Expected]:
        """The gradients of a block; `after` is what the steps after it owe to its last computed states."""
        layer, direction = lane
        backward, samples = self._network.backward(direction), part.samples
        axes = np.arange(times.start, times.stop), samples

        def block(name: str, axes: tuple[NDArray[np.intp], ...] = axes) -> Block:
            order = -layer, direction, 0, self._names.index(name)
            return Block(name, lane, axes, order, last_first=not backward)

        ends = np.full(len(samples), times.start == 0)
        stops = np.array([self.inputs.length(n) == times.stop for n in samples])
        first, last = (stops, ends) if backward else (ends, stops)
        of_out = self._from_outside(lane, part, times)
        if OF_OUTPUT in self._given:
            own = self._own(OF_OUTPUT, lane, part, times)
            expected = _total(of_out) if of_out else exact(np.zeros(own.shape), found.x.eps)
            yield self._judged(block(OF_OUTPUT), step_inputs.rounded_once(self.trace, expected))
            of_out = [self._layer.leaf(own, self.trace.stored_as)]
        # Of several samples all are followed in every block, so that the next step is known of all or of none.
        known = bool(last.all()) or self._edge == (times.start if backward else times.stop)
        for s in self._states:
            terms = [_shifted(found.before[s], after[s], backward=backward)]
            terms += [found.within[s]] if s in found.within else []
            expected = _total([*terms, *(of_out if s == self._symbols[0] else ())])
            if known:
                yield self._judged(block(gradient(s)), expected)
            elif len(axes[0]) > 1:
                # The step at the edge of the block is left out: the next one is not looked at.
                inner = slice(1, None) if backward else slice(None, -1)
                yield self._judged(block(gradient(s), (axes[0][inner], samples)), expected[inner])
        zero = exact(np.zeros((len(axes[0]), len(samples), self._network.hidden_size)), self.trace.eps)
        for gate in self._cell.gate_symbols:
            if gradient(gate) in self._given and gate not in self._symbols:
                yield self._judged(block(gradient(gate)), found.u.get(gate, zero))
        for rank, s in enumerate(self._symbols if first.any() else ()):
            name = gradient(f"{s}0")
            if name in self._given:
                initial = Block(name, (self._k,), (samples[first],), (-layer, direction, 1, rank), over_time=False)
                yield self._judged(initial, found.before[s][-1 if backward else 0][first])

    def _from_outside(self, lane: Lane, part: Columns, times: slice) -> list[BoundedArray]:
        """The parts of the gradient of h that the loss and the layer above owe, each (B, S, H)."""
        terms, span = [], range(times.start, times.stop)
        direct = self._loss.direct(self._network, *lane, span, self.inputs.batch_size)
        if direct is not None:
            terms.append(self._layer.leaf(direct[:, part.samples]))
        if times.start in self._above:
            size = self._network.output_size
            terms.append(self._above[times.start][..., lane[1] * size : (lane[1] + 1) * size])
        return terms

    def _judged(self, block: Block, expected: BoundedArray) -> Expected:
        """A bound says too little relative to the largest magnitude of a vector: gradients have no known scale."""
        trace, value, bound = self.trace, expected.value, expected.bound
        own = block.read(trace[block.name])
        if trace.stored_as:
            bound = bound + storage_bound(own, trace.stored_as)
        scale = np.abs(np.where(np.isfinite(value), value, 0.0)).max(axis=-1, keepdims=True)
        # A product of its factors in another order may have left the range.
        overflows = ~np.isfinite(own) & (scale > float(np.finfo(self._network.dtype).max) * _NEAR_OVERFLOW)
        bound = np.where(overflows, np.inf, bound)
        share = max(_JUDGED, JUDGED_ROUNDINGS * expected.eps) if trace.half else _JUDGED
        return Expected(block, BoundedArray(value, bound, expected.eps), (share * scale + _UNDERFLOW) / ALLOWED)

    def end(self) -> Iterator[Expected]:
        """The gradients of the parameters."""
        for lane in self._lanes if self._complete else ():
            rows = self._all_rows(lane) if self._plan.whole else self._some_rows(lane)
            names = list(vars(self.inputs.parameters.layer(*lane)))
            for name, axis, expected in rows:
                full_name = f"{OF_PARAMETERS}{parameter_name(*lane, name)}"
                if full_name in self._given:
                    order = -lane[0], lane[1], 2, names.index(name)
                    yield self._judged(Block(full_name, (), (axis,), order, over_time=False), expected)

    def _all_rows(self, lane: Lane) -> Iterator[tuple[str, NDArray[np.intp], BoundedArray]]:
        """Sums over all time steps and samples: parameter, rows and gradients."""
        cell, size, sums = self._cell, self._network.hidden_size, self._sums.pop(lane)
        for name, parameter in vars(self.inputs.parameters.layer(*lane)).items():
            gates = {"i2h": cell.gate_symbols, "h2h": cell.recurrent_gates}.get(name.partition("_")[0], ())
            gates = () if name in cell.own_parameters else gates
            found = [sums.get(f"{name}.{gate}") for gate in gates] if gates else [sums.get(name)]
            rows = size if gates else len(parameter)
            for place, total in enumerate(found):
                zeros = np.zeros((rows, *parameter.shape[1:]))
                expected = exact(zeros, self.trace.eps) if total is None else total.bounded()
                yield name, np.arange(place * rows, (place + 1) * rows), expected

    def _some_rows(self, lane: Lane) -> Iterator[tuple[str, NDArray[np.intp], BoundedArray]]:
        """Some rows of the weights as sums of the engine's own gradients of the pre-activations."""
        inputs, trace, cell = self.inputs, self.trace, self._cell
        shared = {node.args[0].name for node in lone_sums(self._network.graph)}
        gates = [g for g in cell.gate_symbols if g not in cell.state_symbols and gradient(g) in self._given]
        size, samples = self._network.hidden_size, np.arange(inputs.batch_size)
        units = audited.spread(size, max(1, size // _ROWS), rounded=False)
        layer = step_inputs.bounded_layer(inputs, trace, *lane, None)
        sums: dict[tuple[str, str, str], BoundedSum] = {}
        widest = max(self._network.layer_input_size(lane[0]), size)
        length = max(1, self._block_values // (len(samples) * widest))
        for times in time_blocks(range(inputs.timesteps), length, backward=False):
            x = layer.read_input(step_inputs.layer_input(inputs, trace, lane[0], times, samples))
            before = layer.leaf(step_inputs.previous_hidden(inputs, trace, *lane, times, samples), trace.stored_as)
            for gate in gates:
                d = step_inputs.recorded(trace, np.asarray(trace[gradient(gate)][*lane, times])[..., units], layer.eps)
                for kind, read in (("i2h", x), ("h2h", before if gate in shared else None)):
                    if read is not None:
                        sums.setdefault((kind, "weight", gate), BoundedSum(layer)).add(d, read)
                        sums.setdefault((kind, "bias", gate), BoundedSum(layer)).add(d, None)
        for (kind, part, gate), total in sums.items():
            rows = (cell.gate_symbols if kind == "i2h" else cell.recurrent_gates).index(gate) * size + units
            yield f"{kind}_{part}", rows, total.bounded()


def _shifted(before: BoundedArray, after: BoundedArray, *, backward: bool) -> BoundedArray:
    """The gradients (B, S, U) that each step gets from the next one; the last computed one gets those `after` it."""

    def shifted(array: FloatArray, last: FloatArray) -> FloatArray:
        rows = np.broadcast_to(last, array.shape[1:])[np.newaxis]
        return np.concatenate([rows, array[:-1]] if backward else [array[1:], rows])

    return BoundedArray(shifted(before.value, after.value), shifted(before.bound, after.bound), before.eps)


def _total(terms: Sequence[BoundedArray]) -> BoundedArray:
    """The sum of some terms, whose order is not known."""
    first, *others = terms
    if not others:
        return first
    value, bound = sum(term.value for term in terms), sum(term.bound for term in terms)
    magnitude: Any = sum(np.abs(term.value) for term in terms)
    bound = bound + first.eps * np.where(np.isfinite(magnitude), magnitude, 0.0)
    return BoundedArray(np.asarray(value), np.asarray(bound), first.eps)
