"""The audit of the backward pass: every step of an engine's gradients is checked by itself.

The gradient of a hidden state is owed by the loss, by the layer above, and by the step that reads the state. From the
engine's own gradients of that step, its own hidden states and its own layer input, each of these is computed in float64
with a rounding bound (`bounded_backward`), and the engine's gradient must be within eight bounds of their sum. So
errors do not add up over time, and the first one that is outside shows where the backward pass goes wrong.

The terms of the loss and of the layer above are together grad.out. Where an engine gives it, it is audited by itself,
and the gradient of a hidden state from it.

Gradients that the engine does not give, such as those of c, are carried from step to step with their bounds, and so is
the cell state of the forward pass. The gradients of the parameters must be the sums over all time steps and samples
within the bounds of their terms and of the sum.

A large run is audited in part: some samples, and where every step follows by itself some blocks of time. The gradients
of some rows of the parameters are then sums of the engine's own gradients of the pre-activations.

Where eight bounds are more than 1/64 of the largest gradient of a vector, a gradient within them is neither right nor
wrong: it is *undetermined*. So it is where rounding decides the sign of the argument of a relu.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.bounded import BoundedBlock
from rnnviz.cells.interpreters.bounded_backward import BoundedBackward, BoundedGradients, BoundedSum
from rnnviz.cells.interpreters.graph import lone_sums
from rnnviz.cells.interpreters.running_error import BoundedArray, storage_bound
from rnnviz.core.config import parameter_name
from rnnviz.core.gradients import GRADIENT, OF_INPUT, OF_OUTPUT, OF_PARAMETERS, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.lengths import computed_parts
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import time_blocks
from rnnviz.frozen import dataclass
from rnnviz.verify.audit_sampling import FULL, NEAR
from rnnviz.verify.backward_result import GradientAudit
from rnnviz.verify.compare import Comparison
from rnnviz.verify.gradient_accumulator import GradientAccumulator, GradientBlock
from rnnviz.verify.step_inputs import (
    bounded_layer,
    followed,
    layer_input,
    previous_hidden,
    previous_state,
    rounded_once,
)

_BLOCK_VALUES = 1 << 19

_CACHED_VALUES, _FEWEST_ROWS = 1 << 17, 1 << 8
"""Values of a block that stay in the cache, and time steps of samples in which more is computed than their sums."""

_MOST_VALUES = 1 << 22
"""The largest number of values of the gradients of a layer's input that are kept from one layer to the next."""

_WORK = 1 << 31
"""Multiplications of a forward pass up to which everything is audited."""

_ROWS = 32
"""One row of each gate in this many is audited in a larger run."""

_SHARE = 0.2
"""The fraction of a larger run whose audit takes as long as the engine."""


def gradient_audit(
    inputs: Inputs,
    trace: Trace,
    comparisons: Sequence[Comparison] = (),
    *,
    traces: Mapping[str, Trace] = {},
    full: bool = False,
    progress: Callable[[float], None] = lambda _: None,
    folder: Path | None = None,
) -> GradientAudit:
    """Audit the gradients of one engine, all of them if `full` or if the run is small.

    Raises OSError if the folder takes no more.
    """
    tally = GradientAccumulator(inputs, trace, comparisons, traces, folder)
    with np.errstate(all="ignore"):
        if gradient("h") in _given(trace):
            _AuditOfTrace(inputs, trace, tally, _plan(inputs, trace, comparisons, full=full)).run(progress)
    return tally.audit()


def _given(trace: Trace) -> set[str]:
    """The names of the gradients that an engine gives."""
    return {name for name in trace if name.startswith(GRADIENT)} - trace.missing


@dataclass(frozen=True, eq=False)
class _Plan:
    """Samples, a part of them at a time, and blocks of time in the order of time; `whole` if these are all."""

    parts: list[NDArray[np.intp]]
    blocks: list[slice]
    whole: bool


def _plan(inputs: Inputs, trace: Trace, comparisons: Sequence[Comparison], *, full: bool) -> _Plan:
    network, steps, samples = inputs.network, inputs.timesteps, np.arange(inputs.batch_size)
    weights = sum(array.size for array in inputs.parameters.values())
    chosen = range(steps)
    blocks = [chosen]
    whole = full or (prod(trace.shape) <= FULL and steps * len(samples) * weights <= _WORK)
    if not whole:
        pairs = int(max(_WORK / weights, _SHARE * steps * len(samples)))
        near = _near(trace.engine, comparisons, len(samples))
        count = max(1, min(len(samples), pairs // steps))
        samples = np.union1d(near[:count], samples[np.unique(np.linspace(0, len(samples) - 1, count).astype(np.intp))])
        if pairs < steps and _by_itself(inputs, trace):
            samples = samples[:1]
            length = min(steps, 32)
            starts = np.unique(np.linspace(0, steps - length, max(2, pairs // length)).astype(np.intp))
            blocks = _joined([range(start, start + length) for start in starts])
    widest = max(
        network.kind.gate_count * network.hidden_size, *map(network.layer_input_size, range(network.num_layers))
    )
    size = max(1, _MOST_VALUES // (steps * network.layer_input_size(network.num_layers - 1)))
    parts = [samples[start : start + size] for start in range(0, len(samples), size)]
    values = min(_BLOCK_VALUES, max(_CACHED_VALUES, _FEWEST_ROWS * widest))
    length = max(1, values // (min(size, len(samples)) * widest))
    slices = [
        times
        for block in blocks
        for part, _ in computed_parts(inputs.lengths, block)
        for times in time_blocks(part, length, backward=False)
    ]
    return _Plan(parts, slices, whole)


def _joined(blocks: list[range]) -> list[range]:
    """Blocks in the order of time, those that overlap or touch as one."""
    found: list[range] = []
    for block in blocks:
        if found and block.start <= found[-1].stop:
            found[-1] = range(found[-1].start, block.stop)
        else:
            found.append(block)
    return found


def _near(engine: str, comparisons: Sequence[Comparison], samples: int) -> NDArray[np.intp]:
    """The samples in which a comparison of hidden states or gradients comes near its limit, the nearest first."""
    largest = np.zeros(samples)
    for comparison in comparisons:
        if engine in (comparison.reference, comparison.candidate):
            for found in (comparison, *comparison.gradients.values()):
                np.fmax(largest, found.error_ratio_by_column.max(axis=(0, 1, 3)), out=largest)
    order = np.argsort(-largest, kind="stable")
    return order[largest[order] > NEAR]


def _by_itself(inputs: Inputs, trace: Trace) -> bool:
    """Whether every step follows from the trace alone: all states and their gradients are in it."""
    symbols, given = inputs.network.kind.state_symbols, _given(trace)
    return all(gradient(symbol) in given and _has_state(trace, symbol) for symbol in symbols)


def _has_state(trace: Trace, symbol: str) -> bool:
    return symbol in trace and symbol not in trace.missing


class _AuditOfTrace:
    """The audit of all lanes, from the top layer down."""

    def __init__(self, inputs: Inputs, trace: Trace, tally: GradientAccumulator, plan: _Plan) -> None:
        self._inputs, self._trace, self._tally, self._plan = inputs, trace, tally, plan

    def run(self, progress: Callable[[float], None]) -> None:
        network, plan = self._inputs.network, self._plan
        lanes = [(layer, d) for layer in reversed(range(network.num_layers)) for d in range(network.directions)]
        sums: dict[tuple[int, int], dict[str, BoundedSum]] = {lane: {} for lane in lanes}
        done, whole = 0, len(plan.parts) * len(lanes)
        for samples in plan.parts:
            above: dict[int, BoundedArray] = {}
            for layer in reversed(range(network.num_layers)):
                below: dict[int, list[BoundedArray]] = {times.start: [] for times in plan.blocks}
                for direction in range(network.directions):
                    if not self._follows(layer, direction):
                        return
                    lane = _Lane(self._inputs, self._trace, layer, direction, samples, self._tally)
                    for fraction, times, x in lane.run(
                        plan.blocks, above, sums[layer, direction] if plan.whole else None
                    ):
                        below[times.start].append(x)
                        progress((done + fraction) / whole)
                    done += 1
                above = {start: _total(terms) for start, terms in below.items() if terms}
            if OF_INPUT in _given(self._trace):
                self._add_input(samples, above)
        for layer, direction in lanes:
            if plan.whole:
                self._add_parameters(layer, direction, sums.pop((layer, direction)))
            else:
                self._add_some_rows(layer, direction)

    def _follows(self, layer: int, direction: int) -> bool:
        """Whether every step of a lane can be followed."""
        return followed(self._inputs, self._trace, layer, direction) == range(self._inputs.timesteps)

    def _add_input(self, samples: NDArray[np.intp], found: Mapping[int, BoundedArray]) -> None:
        for times in self._plan.blocks:
            if times.start in found:
                rows = samples[_computed(self._inputs, samples, times)]
                axes = np.arange(times.start, times.stop), rows
                self._tally.add(GradientBlock(OF_INPUT, (), axes, (1, 0, 0, 0), True, True), found[times.start])

    def _add_parameters(self, layer: int, direction: int, sums: Mapping[str, BoundedSum]) -> None:
        """Compare the sums over all time steps and samples."""
        cell, size = self._inputs.network.kind, self._inputs.network.hidden_size
        zero = bounded_layer(self._inputs, self._trace, layer, direction, None).leaf(np.zeros(()))
        for rank, (name, parameter) in enumerate(vars(self._inputs.parameters.layer(layer, direction)).items()):
            gates = {"i2h": cell.gate_symbols, "h2h": cell.recurrent_gates}.get(name.partition("_")[0], ())
            gates = () if name in cell.own_parameters else gates
            found = {gate: sums.get(f"{name}.{gate}") for gate in gates} if gates else {"": sums.get(name)}
            rows = size if gates else len(parameter)
            for place, total in enumerate(found.values()):
                axis = np.arange(place * rows, (place + 1) * rows)
                expected = _zeros(zero, (rows, *parameter.shape[1:])) if total is None else total.bounded()
                self._add_rows(layer, direction, name, rank, axis, expected)

    def _add_rows(
        self, layer: int, direction: int, name: str, rank: int, rows: NDArray[np.intp], expected: BoundedArray
    ) -> None:
        full_name = f"{OF_PARAMETERS}{parameter_name(layer, direction, name)}"
        if full_name in _given(self._trace):
            self._tally.add(GradientBlock(full_name, (), (rows,), (-layer, direction, 2, rank)), expected)

    def _add_some_rows(self, layer: int, direction: int) -> None:
        """Compare some rows of the weights with sums of the engine's own gradients of the pre-activations."""
        inputs, trace, cell = self._inputs, self._trace, self._inputs.network.kind
        shared = {node.args[0].name for node in lone_sums(inputs.network.graph)}
        gates = [g for g in cell.gate_symbols if g not in cell.state_symbols and gradient(g) in _given(trace)]
        size, samples = inputs.network.hidden_size, np.arange(inputs.batch_size)
        units = np.unique(np.linspace(0, size - 1, max(1, size // _ROWS)).astype(np.intp))
        bounded = bounded_layer(inputs, trace, layer, direction, None)
        sums: dict[tuple[str, str, str], BoundedSum] = {}
        length = max(1, _BLOCK_VALUES // (len(samples) * max(inputs.network.layer_input_size(layer), size)))
        for times in time_blocks(range(inputs.timesteps), length, backward=False):
            x = bounded.read_input(layer_input(inputs, trace, layer, times, samples))
            before = bounded.leaf(previous_hidden(inputs, trace, layer, direction, times, samples), trace.stored_as)
            for gate in gates:
                d = bounded.leaf(np.asarray(trace[gradient(gate)][layer, direction, times])[..., units])
                d.bound[...] = bounded.eps * np.abs(d.value) + storage_bound(d.value, trace.stored_as)
                for kind, read in (("i2h", x), ("h2h", before if gate in shared else None)):
                    if read is not None:
                        sums.setdefault((kind, "weight", gate), BoundedSum(bounded)).add(d, read)
                        sums.setdefault((kind, "bias", gate), BoundedSum(bounded)).add(d, None)
        names = list(vars(inputs.parameters.layer(layer, direction)))
        for (kind, part, gate), total in sums.items():
            rows = (cell.gate_symbols if kind == "i2h" else cell.recurrent_gates).index(gate) * size + units
            name = f"{kind}_{part}"
            self._add_rows(layer, direction, name, names.index(name), rows, total.bounded())


@dataclass(frozen=True, eq=False)
class _Start:
    """The cell states before the first computed step of a block, as far as the trace lacks them."""

    times: slice
    carried: Mapping[str, BoundedArray]


class _Lane:
    """The audit of some samples of one lane."""

    def __init__(
        self,
        inputs: Inputs,
        trace: Trace,
        layer: int,
        direction: int,
        samples: NDArray[np.intp],
        tally: GradientAccumulator,
    ) -> None:
        self._inputs, self._trace, self._samples, self._tally = inputs, trace, samples, tally
        self._layer, self._direction = layer, direction
        self._k = layer * inputs.network.directions + direction
        self._backward = inputs.network.backward(direction)
        self._bounded = bounded_layer(inputs, trace, layer, direction, None)
        assert inputs.loss is not None
        self._loss, self._names = inputs.loss, _given(trace)
        symbols = inputs.network.kind.state_symbols
        self._symbols, self._first = symbols, symbols[0]
        self._stored = [s for s in symbols[1:] if _has_state(trace, s)]
        self._given = [s for s in symbols if gradient(s) in self._names]

    def run(
        self, blocks: Sequence[slice], above: Mapping[int, BoundedArray], sums: dict[str, BoundedSum] | None
    ) -> Iterator[tuple[float, slice, BoundedArray]]:
        """Audit blocks of time in the order of the backward pass, and yield the gradients of the layer input."""
        starts = self._starts(blocks)
        # What the loss and the steps after a block owe to the states of its last computed step.
        owed = {s: self._bounded.leaf(self._loss.state[s][self._k][self._samples]) for s in self._symbols}
        edge: int | None = None
        for done, start in enumerate(reversed(starts)):
            times = start.times
            rows = _computed(self._inputs, self._samples, times)
            if not len(rows):
                continue
            known = self._last_computed(times, rows) | (edge == (times.start if self._backward else times.stop))
            found, of_block = self._follow(start, rows, owed)
            self._compare(times, rows, found, {s: owed[s][rows] for s in owed}, known, above)
            if sums is not None:
                of_block.add_parameters(found, sums)
            self._pass_on(times, rows, found, owed)
            edge = times.stop if self._backward else times.start
            yield (done + 1) / len(starts), times, found.x

    def _starts(self, blocks: Sequence[slice]) -> list[_Start]:
        """The blocks in the order of the forward pass, with the states that are carried through it."""
        initial = self._inputs.initial_state.by_symbol
        kept = {
            s: self._bounded.leaf(initial[s][self._k][self._samples])
            for s in self._symbols[1:]
            if s not in self._stored
        }
        starts: list[_Start] = []
        order = list(blocks[::-1] if self._backward else blocks)
        for place, times in enumerate(order):
            starts.append(_Start(times, kept))
            rows = _computed(self._inputs, self._samples, times)
            if kept and len(rows) and place < len(order) - 1:
                block, _, _ = self._block(times, rows)
                _, carried = block.follow({s: state[rows] for s, state in kept.items()}, backward=self._backward)
                kept = {s: _with_rows(kept[s], rows, carried[s]) for s in kept}
        return starts

    def _block(self, times: slice, rows: NDArray[np.intp]) -> tuple[BoundedBlock, FloatArray, FloatArray]:
        """A block of the forward pass, with its layer input and previous hidden states."""
        inputs, trace, samples = self._inputs, self._trace, self._samples[rows]
        x = layer_input(inputs, trace, self._layer, times, samples)
        before = previous_hidden(inputs, trace, self._layer, self._direction, times, samples)
        # A carried c is not narrowed to what h admits: the backward pass may compute it again, with other roundings.
        block = BoundedBlock(self._bounded, x, before, {}, times.start)
        for node in self._bounded.graph.nodes:
            if node.op == "state" and (s := node.name) in self._stored:
                state = previous_state(inputs, trace, s, self._layer, self._direction, times, samples)
                value = np.asarray(state, np.float64)
                bound = self._bounded.eps * np.abs(value) + storage_bound(value, trace.stored_as)
                block.known[node] = BoundedArray(value, bound, self._bounded.eps)
        return block, x, before

    def _follow(
        self, start: _Start, rows: NDArray[np.intp], owed: Mapping[str, BoundedArray]
    ) -> tuple[BoundedGradients, BoundedBackward]:
        times = start.times
        block, x, before = self._block(times, rows)
        block.follow({s: state[rows] for s, state in start.carried.items()}, backward=self._backward, whole=True)
        backward = BoundedBackward(self._bounded, block, x, before)
        given = {s: self._own(gradient(s), times, rows) for s in self._given}
        carried = {s: owed[s][rows] for s in self._symbols if s not in given}
        # Steps within the block that owe nothing to the state before them. Its first one is looked at afterwards.
        steps = range(times.start, times.stop - 1) if self._backward else range(times.start + 1, times.stop)
        cuts = [t - times.start for t in steps if self._loss.cuts(t + self._backward)]
        found = backward.gradients(given, carried, backward=self._backward, cuts=cuts, stored_as=self._trace.stored_as)
        return found, backward

    def _own(self, name: str, times: slice, rows: NDArray[np.intp]) -> FloatArray:
        return np.asarray(self._trace[name][self._layer, self._direction, times])[:, self._samples[rows]]

    def _last_computed(self, times: slice, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(S,): whether a block has the last computed step of each sample, to which no other step owes anything."""
        if self._backward:
            return np.full(len(rows), times.start == 0)
        return np.array([self._inputs.length(n) == times.stop for n in self._samples[rows]])

    def _compare(
        self,
        times: slice,
        rows: NDArray[np.intp],
        found: BoundedGradients,
        after: Mapping[str, BoundedArray],
        known: NDArray[np.bool_],
        above: Mapping[int, BoundedArray],
    ) -> None:
        """Compare the gradients of a block; `known` says of which samples it is known what comes `after` the block."""
        samples, tally = self._samples[rows], self._tally
        axes = np.arange(times.start, times.stop), samples
        lane = -self._layer, self._direction, 0
        names = OF_OUTPUT, *map(gradient, (*self._symbols, *self._inputs.network.kind.gate_symbols))
        ranks = {name: rank for rank, name in enumerate(names)}

        def block(name: str, axes: tuple[NDArray[np.intp], ...]) -> GradientBlock:
            prefix = self._layer, self._direction
            return GradientBlock(name, prefix, axes, (*lane, ranks[name]), True, not self._backward)

        of_out = self._from_outside(times, samples, above)
        if OF_OUTPUT in self._names:
            own = self._own(OF_OUTPUT, times, rows)
            expected = _total(of_out) if of_out else _zeros(found.x, own.shape)
            tally.add(block(OF_OUTPUT, axes), rounded_once(self._trace, expected))
            of_out = [self._bounded.leaf(own, self._trace.stored_as)]
        for s in self._given:
            terms = [_shifted(found.before[s], after[s], backward=self._backward)]
            if s in found.within:
                terms.append(found.within[s])
            if s == self._first:
                terms += of_out
            expected = _total(terms)
            if known.all():
                tally.add(block(gradient(s), axes), expected)
                continue
            # The step at the edge of the block is left out where the next one is not looked at.
            inner = slice(1, None) if self._backward else slice(None, -1)
            edge = slice(None, 1) if self._backward else slice(-1, None)
            if len(axes[0]) > 1:
                tally.add(block(gradient(s), (axes[0][inner], samples)), expected[inner])
            if known.any():
                tally.add(block(gradient(s), (axes[0][edge], samples[known])), expected[edge][:, known])
        for gate in self._inputs.network.kind.gate_symbols:
            if gradient(gate) in self._names and gate not in self._symbols:
                zero = self._bounded.leaf(np.zeros(()))
                shape = len(axes[0]), len(samples), self._inputs.network.hidden_size
                tally.add(block(gradient(gate), axes), found.u[gate] if gate in found.u else _zeros(zero, shape))
        self._compare_initial(times, rows, found)

    def _compare_initial(self, times: slice, rows: NDArray[np.intp], found: BoundedGradients) -> None:
        """Compare the gradients of the initial states, where the block has the first computed step of a sample."""
        first = self._first_computed(times, rows)
        if not first.any():
            return
        step = -1 if self._backward else 0
        for rank, s in enumerate(self._symbols):
            name = gradient(f"{s}0")
            if name in self._names:
                order = -self._layer, self._direction, 1, rank
                block = GradientBlock(name, (self._k,), (self._samples[rows][first],), order)
                self._tally.add(block, found.before[s][step][first])

    def _first_computed(self, times: slice, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(S,): whether a block has the first computed step of each sample."""
        if not self._backward:
            return np.full(len(rows), times.start == 0)
        return np.array([self._inputs.length(n) == times.stop for n in self._samples[rows]])

    def _from_outside(
        self, times: slice, samples: NDArray[np.intp], above: Mapping[int, BoundedArray]
    ) -> list[BoundedArray]:
        """The parts of the gradient of h that the loss and the layer above owe, each (B, S, H)."""
        network, terms = self._inputs.network, []
        span = range(times.start, times.stop)
        direct = self._loss.direct(network, self._layer, self._direction, span, self._inputs.batch_size)
        if direct is not None:
            terms.append(self._bounded.leaf(direct[:, samples]))
        if times.start in above:
            size = network.output_size
            terms.append(above[times.start][..., self._direction * size : (self._direction + 1) * size])
        return terms

    def _pass_on(
        self, times: slice, rows: NDArray[np.intp], found: BoundedGradients, owed: dict[str, BoundedArray]
    ) -> None:
        """Put what the block owes to the states before it in the place of what the loss owes to final states."""
        step = -1 if self._backward else 0
        t = times.stop if self._backward else times.start
        for s in owed:
            # Of a sample that begins in this block, nothing comes before.
            new = found.before[s][step]
            if self._loss.cuts(t):
                new = _zeros(new, new.value.shape)
            owed[s] = _with_rows(owed[s], rows, new)


def _computed(inputs: Inputs, samples: NDArray[np.intp], times: slice) -> NDArray[np.intp]:
    """The places of those samples that are computed in a block of time; the others are padding in all of it."""
    return np.flatnonzero([inputs.length(sample) >= times.stop for sample in samples])


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


def _zeros(like: BoundedArray, shape: tuple[int, ...]) -> BoundedArray:
    return BoundedArray(np.zeros(shape), np.zeros(shape), like.eps)


def _with_rows(state: BoundedArray, rows: NDArray[np.intp], new: BoundedArray) -> BoundedArray:
    """A state (S, U) with other values in some rows."""
    value, bound = np.array(state.value), np.array(np.broadcast_to(state.bound, state.value.shape))
    value[rows], bound[rows] = new.value, new.bound
    return BoundedArray(value, bound, new.eps)
