"""One wrong lane of an engine, and how well a hypothesis explains it.

A hypothesis is first tried on the first wrong step of some samples, where every state before has no error: one step
refutes nearly all. The rest is followed through the whole lane with the audit's own bounds, from the engine's own
states. Where it holds is read off: everywhere, in the units that are wrong, or at the steps and in the samples at
which the right step does not give the engine's values.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property, reduce
from math import lgamma, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer
from rnnviz.cells.interpreters.graph import Node, evaluate, ordered
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, storage_bound
from rnnviz.core.config import Network
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import StepWindow, read_steps
from rnnviz.engines.known_bugs.hypotheses import EVERY, Hypothesis, LaneReads, Units, handed, rows_of, step_values
from rnnviz.engines.known_bugs.placed import other_lanes
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import read_states
from rnnviz.verify.audit import error_and_ratio
from rnnviz.verify.metrics import BoolArray

_PROBED, _PROBED_UNITS = 8, 48
"""How many samples, and units of a wide layer, a hypothesis is first tried on."""

_NEAR = 16.0
"""How many times the audit's limit a value may be off when a hypothesis is first tried, without its own bounds."""

_MOST_VALUES, _MOST_STEPS = 1 << 20, 1 << 12
"""How many hidden values and steps of a lane are looked at."""

LARGEST_DEVIATION = 4.0

_FEW_STEPS = 3


def looked_at(inputs: Inputs) -> tuple[int, int]:
    """How many of the first steps and samples of each lane are looked at."""
    width = inputs.hidden_shape[-1]
    steps = min(inputs.timesteps, _MOST_STEPS, max(1, _MOST_VALUES // width))
    return steps, max(1, min(inputs.batch_size, _MOST_VALUES // (steps * width)))


@dataclass(frozen=True)
class Extent:
    """Where a hypothesis holds in a lane, in its order of computation; () and None where it holds everywhere.

    `steps` are the first and the last step, `every` the distance of the steps if they are apart, `at` single steps.
    `price` is the number of bits that it takes to say so.
    """

    steps: tuple[int, int] | None = None
    every: int | None = None
    at: tuple[int, ...] = ()
    samples: tuple[int, ...] = ()
    units: tuple[int, ...] = ()
    price: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Fit:
    """A hypothesis that explains a lane: where, with what evidence against chance, and its largest deviation; of a lane
    that is computed from its beginning, also its hidden values (T, N, U) in float64 and in float32."""

    extent: Extent
    bits: float
    distance: float
    hidden: "tuple[FloatArray, FloatArray] | None" = field(default=None, repr=False, compare=False)


def lane_reads(
    inputs: Inputs, trace: Trace, layer: int, direction: int, samples: Sequence[int], steps: int, fault: BugVariant
) -> tuple[LaneReads, BoolArray, NDArray[np.intp]]:
    """The numbers that a lane reads in its order of computation, or in the order of a fault; which steps a sample
    has, and their time steps."""
    network = inputs.network
    read = read_steps(fault, inputs, trace, StepWindow(layer, direction, steps, tuple(samples)))
    arrays = {s: trace[s] for s in network.kind.state_symbols if s in trace and s not in trace.missing}
    after = {s: read.of(array).astype(np.float64) for s, array in (arrays | {"h": trace.hidden}).items()}
    readings, own = rows_of(inputs.parameters.layer(layer, direction), network.kind)
    others, starts = other_lanes(inputs, (layer, direction), list(samples))
    initial = {s: array.astype(np.float64) for s, array in read.state.items()}
    cell, x = network.kind, read.x.astype(np.float64)
    reads = LaneReads(cell, layer, direction, readings, own, x, initial, after, others=others, starts=starts)
    return reads, read.computed, read.stored


def changed_by(hypotheses: Sequence[Hypothesis], reads: LaneReads) -> LaneReads:
    """The numbers that a lane reads with some hypotheses."""
    return reduce(lambda changed, hypothesis: hypothesis.change(changed), hypotheses, reads)


def handed_on(reads: LaneReads, network: Network) -> FloatArray | None:
    """The layer input in place of the hidden values of a lane, (S, N, U), of two directions each its part; None if it
    does not have their size."""
    size, width = network.output_size, reads.x.shape[-1]
    if width != network.directions * size:
        return None
    return np.asarray(reads.x[..., reads.direction * size : (reads.direction + 1) * size])


class _Block(BoundedBlock):
    """A block of steps whose carried states are handed on as a hypothesis has it."""

    def __init__(self, layer: BoundedLayer, reads: LaneReads, trace: Trace) -> None:
        before = reads.before("h", reads.after["h"])
        super().__init__(layer, reads.x, before, reads.after, 0)
        self.reads, self._bounded_layer = reads, layer
        recorded = {s: reads.before(s, array) for s, array in reads.after.items() if s != "h"}
        read_states(self, trace, recorded, layer.eps)
        self.carried = [symbol for symbol in reads.cell.state_symbols if symbol not in reads.after]
        self._history = {s: [layer.leaf(reads.initial[s])] for s in self.carried}

    def start(self) -> dict[str, BoundedArray]:
        """The carried states as the first step reads them."""
        return {s: self.handed(s, self._history[s]) for s in self.carried}

    def handed(self, symbol: str, history: Sequence[BoundedArray]) -> BoundedArray:
        """A state as the next step reads it, from the states until now, the initial one first."""
        if symbol not in self.reads.of:
            return history[-1]
        bounds = [np.broadcast_to(each.bound, each.value.shape) for each in history[-2:]]
        first = np.broadcast_to(history[0].bound, history[0].value.shape)
        value = handed(self.reads.state, history[0].value, [each.value for each in history[-2:]])
        return BoundedArray(value, handed(self.reads.state, first, bounds), history[-1].eps)

    def narrowed(self, symbol: str, t: int, value: BoundedArray) -> BoundedArray:
        value = super().narrowed(symbol, t, value)
        if symbol not in self.reads.of:
            return value
        self._history[symbol].append(value)
        return self.handed(symbol, self._history[symbol])

    def without_carrying(self) -> None:
        """Compute for all steps what depends on no carried state."""
        late = {n for n in self.graph.nodes if n.op == "state" and n.name in self.carried}
        early = [n for n in self.graph.nodes if not self.graph.depends(n, late.__contains__)]
        # Parts of a gate that nothing reads alone are known as their sum.
        roots = [n for n in early if len(n.shape) < 2 and n.op not in ("u", "v")]
        self.known = evaluate(roots, self.leaf, self.apply, self.known)

    def at(self, t: int, states: Mapping[str, BoundedArray], names: Sequence[str]) -> dict[str, BoundedArray]:
        """Some values of one step from the states that it reads."""
        known: dict[Node, BoundedArray] = {
            n: states[n.name] for n in self.graph.nodes if n.op == "state" and n.name in states
        }
        roots = [self.graph.values[name] for name in names]
        for node in ordered(roots):
            if node in self.known and node not in known:
                value = self.known[node]
                known[node] = value if value.value.ndim < 3 else value[t]
        found = evaluate(roots, self.leaf, self.apply, known)
        return {name: found[self.graph.values[name]] for name in names}


class WrongLane:
    """A lane of which some steps are wrong, as far as it is looked at. Most methods try one
    kind of place.

    `found` (S, N, U) are the recorded values in the order of computation, those of h and then of other recorded states,
    `right` those that follow by the right step, and `wrong` says which are outside the limit.
    """

    def __init__(self, inputs: Inputs, trace: Trace, layer: int, direction: int, step_error: float = 0.0) -> None:
        self.inputs, self.trace, self.place, self._step_error = inputs, trace, (layer, direction), step_error
        steps, count = looked_at(inputs)
        self.samples = np.arange(count)
        with np.errstate(all="ignore"):
            self.reads, self.computed, self.stored = self._read(BugVariant(), steps)
            self.names = ("h", *(s for s in self.reads.cell.state_symbols if s != "h" and s in self.reads.after))
            self.found = self._joined(self.reads.after)
            block = self._block(self.reads)
            values, _ = block.follow(block.start(), self.reads.cell.state_symbols)
            self.states = {
                s: np.broadcast_to(v.value, (*self.found.shape[:2], v.value.shape[-1])) for s, v in values.items()
            }
            self.right = self._whole(values)
            self.off = np.where(self._ratio(self.right) > ALLOWED, self._error(self.right), 0.0)
        self.wrong = (self.off > 0.0) & self.computed[..., np.newaxis]
        self.limit = ALLOWED * self.right.bound

    def _read(self, fault: BugVariant, steps: int) -> tuple[LaneReads, BoolArray, NDArray[np.intp]]:
        return lane_reads(self.inputs, self.trace, *self.place, self.samples.tolist(), steps, fault)

    @property
    def is_wrong(self) -> bool:
        return bool(self.wrong.any())

    @cached_property
    def scale(self) -> float:
        """The largest deviation, up to what two hidden values may be apart."""
        off = self.off[self.wrong]
        return float(np.minimum(np.where(np.isfinite(off), off, LARGEST_DEVIATION), LARGEST_DEVIATION).max(initial=0.0))

    def _joined(self, arrays: Mapping[str, FloatArray]) -> FloatArray:
        return np.concatenate([np.asarray(arrays[name], np.float64) for name in self.names], axis=-1)

    def _whole(self, values: Mapping[str, BoundedArray]) -> BoundedArray:
        """The compared values (S, N, U) with their bounds."""
        return self._compared(values, self.found)

    def _compared(self, values: Mapping[str, BoundedArray], found: FloatArray) -> BoundedArray:
        """The values that are compared with those of all steps or of one, with the rounding when these were stored."""
        shapes = [(*found.shape[:-1], values[name].value.shape[-1]) for name in self.names]
        value, bound = (
            np.concatenate([np.broadcast_to(part, shape) for part, shape in zip(parts, shapes, strict=True)], -1)
            for parts in zip(*((values[name].value, values[name].bound) for name in self.names), strict=True)
        )
        bound = bound + storage_bound(found, self.trace.stored_as, self.trace.half) + self._step_error / ALLOWED
        return BoundedArray(value, bound, values["h"].eps)

    def _ratio(self, p: BoundedArray) -> FloatArray:
        return error_and_ratio(self.found, p)[1]

    def _error(self, p: BoundedArray) -> FloatArray:
        return error_and_ratio(self.found, p)[0]

    def fits(self, p: BoundedArray) -> BoolArray:
        """Which values (S, N, U) are within eight bounds of those that follow; all of padding."""
        return (self._ratio(p) <= ALLOWED) | ~self.computed[..., np.newaxis]

    def _block(self, reads: LaneReads) -> _Block:
        dtype, trace = self.inputs.network.dtype, self.trace
        x_stored_as = trace.stored_as if self.place[0] else ""
        layer = BoundedLayer(
            reads.cell, reads.layer_parameters(dtype), None, trace.eps, trace.stored_as, x_stored_as, trace.half
        )
        return _Block(layer, reads, trace)

    # ---- one step ---------------------------------------------------------------------------------------------------

    @cached_property
    def _probe(
        self,
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], Units, NDArray[np.intp], BoolArray, FloatArray, FloatArray]:
        """The first wrong step of some samples: steps and samples (M,), units, columns of the compared values, and
        which of them are wrong, recorded and allowed, (M, C)."""
        each = self.wrong.any(axis=2)
        first = np.where(each.any(axis=0), each.argmax(axis=0), len(each))
        samples = np.argsort(first, kind="stable")[:_PROBED]
        samples = samples[first[samples] < len(each)]
        steps, width = first[samples], self.reads.after["h"].shape[-1]
        units: Units = EVERY
        columns = np.arange(self.found.shape[-1])
        if not self.mixes and width > _PROBED_UNITS:
            counts = self.wrong[steps, samples][:, :width].sum(axis=0)
            units = np.sort(np.argsort(-counts, kind="stable")[:_PROBED_UNITS])
            columns = np.concatenate([units + k * width for k in range(len(self.names))])
        wrong, found = (array[steps, samples][:, columns] for array in (self.wrong, self.found))
        allowed = _NEAR * self.limit[steps, samples][:, columns] + 64.0 * self.trace.eps
        return steps, samples, units, columns, wrong, found, allowed

    @cached_property
    def mixes(self) -> bool:
        """Whether a unit is computed from other units of its step, so that a step needs all of them."""
        return self.reads.cell.projects or graph_of(self.reads.cell).mixes_units

    @cached_property
    def _read_states(self) -> dict[tuple[Any, ...], dict[str, FloatArray]]:
        return {}

    @property
    def backward(self) -> bool:
        return self.inputs.network.backward(self.place[1])

    @property
    def starts_wrong(self) -> bool:
        """Whether the first step is wrong, so that the initial state may be another."""
        return bool(self.wrong[0].any())

    @property
    def right_distance(self) -> float:
        """How far the lane is from the right steps, in limits."""
        with np.errstate(over="ignore"):
            ratios = self.off / np.maximum(self.limit, np.finfo(np.float64).tiny)
        return float(np.max(ratios, where=self.wrong, initial=0))

    def distances(self, hypotheses: Iterable[Hypothesis]) -> Iterator[float]:
        """How far the lane is from each hypothesis, in wide limits; at most 1 if it is not refuted."""
        return (self._step_distance(each.change(self.reads)) if each.scope == "steps" else 0.0 for each in hypotheses)

    def _step_distance(self, reads: LaneReads) -> float:
        """How far the first wrong steps are from those that read other numbers, in limits wider than the audit's."""
        steps, samples, units, _, wrong, found, allowed = self._probe
        if units is not EVERY and graph_of(reads.cell).mixes_units:
            units = EVERY
        key = reads.state, reads.of, id(reads.initial)
        if key not in self._read_states:
            after = {**self.states, **self.reads.after}
            self._read_states[key] = {
                s: np.ascontiguousarray(reads.before(s, after[s])[steps, samples]) for s in reads.cell.state_symbols
            }
        values = step_values(reads, reads.x[steps, samples], self._read_states[key], units)
        made = np.concatenate([values[name] for name in self.names], axis=-1)
        if units is EVERY and made.shape != found.shape:
            made = made[:, self._probe[3]]
        off = np.abs(made - found)
        off[np.isnan(off)] = np.inf
        off[np.isnan(made) & np.isnan(found)] = 0.0
        return float(np.max(off / allowed, where=wrong, initial=0.0))

    # ---- the whole lane ---------------------------------------------------------------------------------------------

    @cached_property
    def most_bits(self) -> float:
        """The evidence of a hypothesis that is as sharp as the right step."""
        return self._bits(self.limit, self.wrong)

    def _bits(self, limit: FloatArray, here: BoolArray) -> float:
        # No value has more digits than the engine's numbers.
        limit = np.maximum(limit, self.trace.eps * self.scale)
        with np.errstate(all="ignore"):
            bits = np.log2(np.maximum(1.0, self.scale / (2.0 * limit)))
        return float(np.where(np.isfinite(bits), bits, 0.0)[here].sum())

    def _evidence(self, p: BoundedArray) -> float:
        """The bits by which the recorded values are better explained by a hypothesis than by chance."""
        limit = ALLOWED * p.bound
        told = self.wrong & (np.abs(p.value - self.right.value) > self.limit)
        # A unit of relu that is off is 0 with many changes, of which each says the sign alone.
        off = told & (np.abs(p.value) <= limit) & self._has_relu
        return self._bits(limit, told & ~off) + min(float(off.sum()), self._bits(limit, off))

    @cached_property
    def _has_relu(self) -> bool:
        activations = (node.activation for node in graph_of(self.reads.cell).nodes)
        return any(each is not None and each.name == "relu" for each in activations)

    def _fit(self, p: BoundedArray, extent: Extent) -> Fit:
        ratio = np.where(self.computed[..., np.newaxis], self._ratio(p), 0.0) / ALLOWED
        return Fit(extent, self._evidence(p), float(ratio.max(initial=0.0)))

    def is_idle(self, hypotheses: Sequence[Hypothesis]) -> bool:
        """Whether they make no difference that rounding could not make."""
        return self._confirm(changed_by(hypotheses, self.reads), everywhere=True) is not None

    def confirmed(self, *hypotheses: Hypothesis) -> list[Fit]:
        """Where hypotheses explain the whole lane, if anywhere."""
        match hypotheses[0].scope:
            case "walk":
                fit = self._walk(hypotheses[0])
            case "samples":
                fit = self._carried_between_samples()
            case "lane":
                fit = self._not_computed()
            case scope:
                fit = self._confirm(changed_by(hypotheses, self.reads), everywhere=scope == "start")
        return [] if fit is None else [fit]

    def _confirm(self, reads: LaneReads, *, everywhere: bool) -> Fit | None:
        with np.errstate(all="ignore"):
            block = self._block(reads)
            p = self._whole(block.follow(block.start(), reads.cell.state_symbols)[0])
            fits = self.fits(p)
            if fits.all():
                return self._fit(p, Extent())
            if everywhere:
                return None
            units = self.wrong.any(axis=(0, 1))
            if not self.mixes and not units.all() and fits[..., units].all():
                value = np.where(units, p.value, self.right.value)
                at = tuple(np.unique(np.flatnonzero(units) % self.reads.after["h"].shape[-1]).tolist())
                bound = np.where(units, p.bound, self.right.bound)
                return self._fit(BoundedArray(value, bound, p.eps), Extent(units=at, price=float(len(units))))
            return self._where(reads, p, fits)

    def _where(self, reads: LaneReads, p: BoundedArray, fits: BoolArray) -> Fit | None:
        """The steps and samples at which a hypothesis explains the lane."""
        carried = [s for s in reads.cell.state_symbols if s not in self.reads.after]
        must, may = self.wrong.any(axis=2), fits.all(axis=2)
        if carried:
            late = np.arange(len(must))[:, np.newaxis] >= np.flatnonzero(must.any(axis=1))[0]
            must = may = np.broadcast_to(late, must.shape) & self.computed
            if not self.fits(self._mixed(reads, must)[0]).all():
                _, must, may = self._mixed(reads, None)
        if not (must <= may).all() or not must.any():
            return None
        for mask in structured(must, may, self.computed):
            if carried:
                mixed = self._mixed(reads, mask)[0]
            else:
                where = mask[..., np.newaxis]
                mixed = BoundedArray(
                    np.where(where, p.value, self.right.value), np.where(where, p.bound, self.right.bound), p.eps
                )
            if self.fits(mixed).all():
                extent = described(mask, self.computed)
                return None if extent is None else self._fit(mixed, extent)
        return None

    def _mixed(self, reads: LaneReads, mask: BoolArray | None) -> tuple[BoundedArray, BoolArray, BoolArray]:
        """The lane with the hypothesis where the mask (S, N) is set, else with the right step; without a mask, with it
        where the right step does not give the recorded values. Then where it has to hold, and where it may."""
        blocks = [self._block(self.reads), self._block(reads)]
        symbols = self.reads.cell.state_symbols
        for block in blocks:
            block.without_carrying()
        carried = blocks[0].carried
        history = {
            s: [blocks[0].handed(s, [BoundedArray(a, np.zeros_like(a), blocks[0]._bounded_layer.eps)])]
            for s, a in self.reads.initial.items()
            if s in carried
        }
        must, may = np.zeros(self.found.shape[:2], np.bool_), np.zeros(self.found.shape[:2], np.bool_)
        value, bound = np.empty_like(self.found), np.empty_like(self.found)
        for t in range(len(self.found)):
            results = []
            for block in blocks:
                values = block.at(t, {s: block.handed(s, history[s]) for s in carried}, symbols)
                results.append((values, self._compared(values, self.found[t])))
            right, changed = (self._fits_at(p, t) for _, p in results)
            must[t], may[t] = ~right & self.computed[t], changed
            chosen = (mask[t] if mask is not None else must[t])[:, np.newaxis]
            (own, own_p), (other, other_p) = results
            value[t] = np.where(chosen, other_p.value, own_p.value)
            bound[t] = np.where(chosen, other_p.bound, own_p.bound)
            for s in carried:
                picked = BoundedArray(
                    np.where(chosen, other[s].value, own[s].value),
                    np.where(chosen, other[s].bound, own[s].bound),
                    own[s].eps,
                )
                history[s].append(blocks[0].narrowed(s, t, picked))
        return BoundedArray(value, bound, self.right.eps), must, may

    def _fits_at(self, p: BoundedArray, t: int) -> BoolArray:
        return np.asarray((error_and_ratio(self.found[t], p)[1] <= ALLOWED).all(axis=1) | ~self.computed[t])

    def _walk(self, hypothesis: Hypothesis) -> Fit | None:
        """Whether the lane goes another way through the sequence, with a changed input."""
        with np.errstate(all="ignore"):
            reads, computed, stored = self._read(hypothesis.walk, len(self.found))
            reads = hypothesis.change(reads)
            block = self._block(reads)
            p = self._whole(block.follow(block.start(), reads.cell.state_symbols)[0])
            there = BoundedArray(
                _reordered(p.value, stored, self.stored), _reordered(p.bound, stored, self.stored), p.eps
            )
            ratio = error_and_ratio(self._joined(reads.after), p)[1]
            if not ((ratio <= ALLOWED) | ~computed[..., np.newaxis]).all():
                return None
            return self._fit(there, Extent())

    def _not_computed(self) -> Fit | None:
        """Whether the lane hands its input on."""
        x = handed_on(self.reads, self.inputs.network)
        if x is None or self.names != ("h",):
            return None
        bound = self.trace.eps * np.abs(x) + storage_bound(self.found, self.trace.stored_as, self.trace.half)
        p = BoundedArray(x, bound + self._step_error / ALLOWED, self.right.eps)
        return self._fit(p, Extent()) if self.fits(p).all() else None

    def _carried_between_samples(self) -> Fit | None:
        """Whether each sample begins with the state that the sample before it ended with."""
        if len(self.samples) < 2:
            return None
        samples, steps = np.nonzero(self.computed.T)

        def joined(array: FloatArray) -> FloatArray:
            return array[steps, samples][:, np.newaxis]

        def back(array: FloatArray) -> FloatArray:
            full = np.zeros((*self.computed.shape, array.shape[-1]))
            full[steps, samples] = array[:, 0]
            return full

        own = self.reads
        reads = replace(
            own,
            x=joined(own.x),
            initial={s: array[:1] for s, array in own.initial.items()},
            after={s: joined(array) for s, array in own.after.items()},
        )
        with np.errstate(all="ignore"):
            block = self._block(reads)
            values = block.follow(block.start(), reads.cell.state_symbols)[0]
            p = self._whole(
                {
                    s: BoundedArray(back(v.value), back(np.broadcast_to(v.bound, v.value.shape)), v.eps)
                    for s, v in values.items()
                }
            )
            return self._fit(p, Extent()) if self.fits(p).all() else None


def _reordered(array: FloatArray, given: NDArray[np.intp], wanted: NDArray[np.intp]) -> FloatArray:
    """Values (S, N, U) at the time steps `given` (S, N), in the order of the time steps `wanted`."""
    samples = np.arange(array.shape[1])
    over_time = np.zeros((int(max(given.max(), wanted.max())) + 1, *array.shape[1:]), array.dtype)
    over_time[given, samples] = array
    return np.asarray(over_time[wanted, samples])


def structured(must: BoolArray, may: BoolArray, computed: BoolArray) -> Iterator[BoolArray]:
    """Masks (S, N) between those that have to be and those that may be, the simplest first: all steps, from one on, one
    step, some in a row, every k-th, and a few; of all samples, then of some."""
    count, samples = must.shape
    step, wrong = np.arange(count), must.any(axis=0)
    may = may | ~computed
    for columns in [np.ones(samples, np.bool_)] if wrong.all() else [np.ones(samples, np.bool_), wrong]:
        needed, allowed = must.any(axis=1), may[:, columns].all(axis=1)
        first, last = (int(place) for place in np.flatnonzero(needed)[[0, -1]])
        periods = (
            (step >= o) & (step % k == o % k)
            for k in range(2, count)
            for o in sorted({first, first % k or k})
            if o <= first
        )
        simple = [step >= 0, step >= first, step == first, (step >= first) & (step <= last)]
        for steps in (*simple, *periods, needed):
            if (needed <= steps).all() and (steps <= allowed).all():
                yield (steps[:, np.newaxis] & columns) & computed


def described(mask: BoolArray, computed: BoolArray) -> Extent | None:
    """Where a mask (S, N) is set, as an extent; None if that is not a place."""
    count, samples = mask.shape
    here, steps = mask.any(axis=0), mask.any(axis=1)
    whole = steps[:, np.newaxis] & here & computed
    if (mask != whole).any():
        return None
    some = () if (here | ~computed.any(axis=0)).all() else tuple(np.flatnonzero(here).tolist())
    price, at = float(samples) if some else 0.0, np.flatnonzero(steps)
    if len(at) == count:
        return Extent(samples=some, price=price)
    price += 2.0 * float(np.log2(count + 1))
    gaps = np.diff(at)
    first, last = int(at[0]), int(at[-1])
    if len(at) == 1 or (gaps == 1).all():
        return Extent(steps=(first, last), samples=some, price=price)
    regular = (gaps == gaps[0]).all() and last + gaps[0] >= count
    if regular and (len(at) > 2 or first == gaps[0]):
        return Extent(steps=(first, last), every=int(gaps[0]), samples=some, price=price)
    if len(at) <= _FEW_STEPS:
        return Extent(at=tuple(at.tolist()), samples=some, price=price + _log2_choices(count, len(at)))
    return None


def _log2_choices(n: int, k: int) -> float:
    """log2 of the binomial coefficient."""
    return (lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) / log(2)
