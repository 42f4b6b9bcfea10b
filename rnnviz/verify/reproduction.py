"""Whether a known bug gives every number of a trace, within the rounding that the engine may have. Each step is
computed with the bug from the engine's own numbers: states and returned lines must be within eight rounding bounds. So
a known bug with another error on top of it reproduces nothing. Where that cannot be, in a recording without all hidden
states, with bugs of padding, and of gradients, whole runs with the bug are compared with the trace. How far a correct
engine may be off is measured: a second run has its inputs and parameters rounded at random."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, storage_bound
from rnnviz.core.config import DEFAULT_TOLERANCES
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import clear_padding, last_steps, padding_mask
from rnnviz.engines.base import layer_output
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import StepWindow, as_ordered, faulty_trace, read_steps
from rnnviz.steps.inputs import read_states
from rnnviz.verify.audit import error_and_ratio
from rnnviz.verify.metrics import abs_error

_BLOCK_VALUES = 1 << 19

Names: TypeAlias = tuple[str, ...]
"""One known bug, or two at once."""

_MOVEMENTS, _ROUNDINGS = 8.0, 64.0
"""How many measured movements, and how many roundings of the largest value, a number of a correct engine may be off."""


def reproduces(
    fault: BugVariant, inputs: Inputs, trace: Trace, windows: Iterable[StepWindow], *, padding_filled: bool
) -> bool:
    """Whether a trace is the one of a fault, within rounding."""
    if padding_filled and not fault.of_padding:
        return False
    if trace.partial or fault.of_padding:
        return _run_gives(fault, inputs, trace, padding_filled=padding_filled)
    with np.errstate(all="ignore"):
        return all(within(*pair) for pair in _copies(fault, inputs, trace)) and all(
            _Steps(fault, inputs, trace, window).follow() for window in windows
        )


def own_tolerance(inputs: Inputs, trace: Trace) -> float:
    """The dtype's own absolute tolerance, whatever the comparison's is; of a coarser recording two roundings."""
    own = DEFAULT_TOLERANCES[inputs.network.dtype][1]
    return max(own, 2.0 * trace.spacing) if trace.precision or trace.half else own


def within(found: FloatArray, expected: FloatArray, limit: FloatArray | float) -> bool:
    """Whether all numbers are as near as the limit; a NaN or an infinity must be the same."""
    return bool((abs_error(np.asarray(found, np.float64), np.asarray(expected, np.float64)) <= limit).all())


def copies_agree(inputs: Inputs, trace: Trace, walks: Mapping[tuple[int, int], BugVariant] = {}) -> bool:
    """Whether outputs and final states are those of the trace's own hidden states; `walks` are lanes whose final states
    are taken from another time step."""
    pairs = []
    if "out" not in trace.missing:
        pairs.append((trace.output, layer_output(trace.hidden[-1])))
    if "state.h" not in trace.missing:
        finals = np.array(final_states(BugVariant(), inputs, trace))
        for lane, fault in walks.items():
            row = lane[0] * inputs.network.directions + lane[1]
            finals[row] = final_states(fault, inputs, trace)[row]
        pairs.append((np.asarray(trace.state_h), finals))
    with np.errstate(all="ignore"):
        return all(within(found, expected, _limit_of_copies(trace, expected)) for found, expected in pairs)


def _limit_of_copies(trace: Trace, expected: FloatArray) -> FloatArray:
    sizes = np.where(np.isfinite(expected), np.abs(expected), 0.0)
    return np.asarray(ALLOWED * trace.spacing * np.maximum(1.0, sizes))


def _copies(fault: BugVariant, inputs: Inputs, trace: Trace) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    """The arrays that hold hidden states again: in the trace, as the fault takes them, and how far they may be off."""
    pairs = []
    if "out" not in trace.missing:
        pairs.append((trace.output, layer_output(trace.hidden[-1][:: -1 if fault.concat_swapped else 1])))
    if "state.h" not in trace.missing:
        found, expected = np.asarray(trace.state_h), final_states(fault, inputs, trace)
        if fault.batch_as_time and inputs.lengths:
            # What stays in padding is not known.
            last = [0 if trace.places.backward(d) else inputs.batch_size - 1 for d in range(inputs.network.directions)]
            ends = last * inputs.network.num_layers
            places = np.arange(inputs.batch_size) % inputs.timesteps
            known = places < np.array([inputs.length(end) for end in ends])[:, np.newaxis]
            expected = np.where(known[..., np.newaxis], expected, found)
        pairs.append((found, expected))
    for found, expected in pairs:
        yield found, expected, _limit_of_copies(trace, expected)


def final_states(fault: BugVariant, inputs: Inputs, trace: Trace) -> FloatArray:
    """The final hidden states (L·D, N, U) of a trace where the fault takes them from."""
    at_last = fault.final_at_last_timestep or fault.backward != "reversed"
    if fault.batch_as_time:
        # The last computed sample of each time step; there are as many states as samples.
        places = np.arange(inputs.batch_size) % inputs.timesteps
        lanes = np.ndindex(inputs.network.num_layers, inputs.network.directions)
        backward = trace.places.backward
        return np.stack([trace.hidden[k][places, 0 if backward(k[1]) and not at_last else -1] for k in lanes])
    finals = [
        trace.hidden[layer, direction, 0]
        if trace.places.backward(direction) and not at_last
        else last_steps(trace.hidden[layer, direction], inputs.lengths)
        for layer, direction in np.ndindex(inputs.network.num_layers, inputs.network.directions)
    ]
    return np.stack(finals)


class _Steps:
    """The steps of a window, each with the fault from the engine's own values before it."""

    def __init__(self, fault: BugVariant, inputs: Inputs, trace: Trace, window: StepWindow) -> None:
        self.fault, self.inputs, self.trace, self.window = fault, inputs, trace, window
        self.steps = steps = read_steps(fault, inputs, trace, window)
        self.cell = cell = fault.changed(inputs.network.kind)
        p = fault.read(inputs.network.kind, inputs.parameters.layer(window.layer, window.direction))
        x_stored_as = trace.stored_as if window.layer else ""
        self.layer = BoundedLayer(cell, vars(p), None, trace.eps, trace.stored_as, x_stored_as, trace.half)
        given = {s: trace[s] for s in cell.state_symbols if s in trace and s not in trace.missing}
        self.own = {s: steps.of(array) for s, array in (given | {"h": trace.hidden}).items()}
        self.carried = {s: self.layer.leaf(steps.state[s]) for s in cell.state_symbols if s not in self.own}
        self.finals = {
            s: BoundedArray(np.zeros(array.value.shape), np.full(array.value.shape, np.inf), array.eps)
            for s, array in self.carried.items()
        }
        self.last = steps.computed.sum(axis=0) - 1
        if fault.final_at_last_timestep and inputs.network.backward(window.direction):
            self.last = np.zeros_like(self.last)

    def follow(self) -> bool:
        """Whether every value of the steps follows from the engine's own values before it."""
        layer, steps, count = self.layer, self.steps, len(self.steps.x)
        lines = {name: steps.of(array) for name, array in self.trace.lines.items() if name in layer.graph.values}
        begins = [t for t in steps.seams.tolist() if 0 < t < count] if self.fault.at_seams else []
        length = max(1, _BLOCK_VALUES // max(1, len(steps.samples) * self.cell.gate_count * self.own["h"].shape[-1]))
        for begin, end in pairwise(sorted({0, *begins, *range(0, count, length), count})):
            span = slice(begin, end)
            known = self._before(span, forgets=begin in begins)
            before = known.pop("h")
            states = {s: array[span].astype(np.float64) for s, array in self.own.items()}
            block = BoundedBlock(layer, steps.x[span], before, states, begin)
            read_states(block, self.trace, known, layer.eps)
            start = {s: state for s, state in self.carried.items() if s not in known}
            if begin in begins:
                start |= {s: layer.leaf(state) for s, state in self._restart(begin).items() if s in start}
            values, after = block.follow(start, (*self.cell.state_symbols, *lines))
            self.carried |= after
            here = steps.computed[span]
            for name, array in (self.own | lines).items():
                if not _follows(array[span], values[name], here, self.trace):
                    return False
            at = np.flatnonzero((self.last >= begin) & (self.last < end))
            for s, final in self.finals.items():
                shape = (*states["h"].shape[:2], final.value.shape[-1])
                final.value[at] = np.broadcast_to(values[s].value, shape)[self.last[at] - begin, at]
                final.bound[at] = np.broadcast_to(values[s].bound, shape)[self.last[at] - begin, at]
        return self.fault.batch_as_time or self._finals_follow()

    def _before(self, span: slice, *, forgets: bool) -> dict[str, FloatArray]:
        """The known states (B, N, U) before each step of a block, h among them."""
        fault, own, found = self.fault, self.own, dict[str, FloatArray]()
        for s, initial in self.steps.state.items():
            if s in own:
                found[s] = np.concatenate([initial[np.newaxis], own[s][:-1]])[span]
            if s in fault.forgotten and not fault.at_seams:
                # At the first step, too.
                other = np.zeros_like(initial) if fault.forgotten_is == "zeros" else initial
                found[s] = np.broadcast_to(other, (span.stop - span.start, *initial.shape))
        if forgets:
            for s, state in self._restart(span.start).items():
                if s in found:
                    found[s] = np.concatenate([state[np.newaxis], found[s][1:]])
            if fault.forgotten_is == "swapped" and "c" not in own:
                c = self.carried["c"].value[np.newaxis].astype(found["h"].dtype)
                found["h"] = np.concatenate([c, found["h"][1:]])
        return found

    def _restart(self, begin: int) -> dict[str, FloatArray]:
        """The forgotten states from which a call begins at a step, if they do not follow from a carried one."""
        fault, state = self.fault, self.steps.state
        if fault.forgotten_is == "swapped":
            pairs = zip(fault.forgotten, reversed(fault.forgotten), strict=True)
            return {s: np.asarray(self.own[other][begin - 1]) for s, other in pairs if other in self.own}
        zeros = fault.forgotten_is == "zeros"
        return {s: np.zeros_like(state[s]) if zeros else state[s] for s in fault.forgotten}

    def _finals_follow(self) -> bool:
        """Whether the final states besides h equal the states of the last steps (N,), if the window has all steps."""
        trace, last = self.trace, self.last
        k = self.window.layer * self.inputs.network.directions + self.window.direction
        reached = last < len(self.steps.x)
        for s in self.steps.state if len(self.steps.x) >= self.inputs.timesteps else ():
            name = f"state.{s}"
            if s == "h" or name not in trace or name in trace.missing:
                continue
            found = np.asarray(trace[name][k][self.steps.samples], np.float64)
            if s in self.own:
                value = self.own[s][last, np.arange(len(last))].astype(np.float64)
                bound = trace.spacing * np.abs(value)
            else:
                value, bound = self.finals[s].value, self.finals[s].bound
                bound = bound + storage_bound(found, trace.stored_as, trace.half)
            if not within(found[reached], value[reached], ALLOWED * bound[reached]):
                return False
        return True


def _follows(found: FloatArray, expected: BoundedArray, here: NDArray[np.bool_], trace: Trace) -> bool:
    """Whether values (B, N, U) are within eight bounds of those that follow; `here` (B, N) are those that count."""
    value = np.broadcast_to(expected.value, found.shape)
    bound = np.broadcast_to(expected.bound, found.shape) + storage_bound(found, trace.stored_as, trace.half)
    _, ratio = error_and_ratio(found, BoundedArray(value, bound, expected.eps))
    return bool((ratio[here] <= ALLOWED).all())


def _run_gives(fault: BugVariant, inputs: Inputs, trace: Trace, *, padding_filled: bool) -> bool:
    """Whether the arrays of a run with the fault equal the trace's."""
    plain, lengths = replace(fault, sample_order=None), inputs.lengths
    ordered = as_ordered(fault, inputs)
    made, other = faulty_trace(plain, ordered), faulty_trace(plain, rounded(ordered, trace.eps))
    if lengths and _fills_padding(made, lengths) != padding_filled:
        return False
    for name, array in made.items():
        found = trace.arrays.get(name)
        if found is None or name in trace.missing:
            continue
        moved = other[name]
        if lengths and name in made.with_padding():
            array, moved, found = (without_padding(each, lengths) for each in (array, moved, found))
        # Over the samples and units of each time step, or of each final state. Hidden values are of the order of 1.
        limit = limits(array, moved, found, trace, (-2, -1)) + _ROUNDINGS * trace.eps
        if not within(found, array, limit):
            return False
    return True


def rounded(inputs: Inputs, eps: float) -> Inputs:
    """The inputs with a random rounding of each number, in float64 where `eps` is finer than their type."""
    arrays = randomly_rounded({**inputs.parameters, "": inputs.sequence}, eps)
    return replace(inputs, sequence=arrays.pop(""), parameters=Parameters(inputs.network, arrays))


def randomly_rounded(arrays: Mapping[str, FloatArray], eps: float) -> dict[str, FloatArray]:
    """The arrays with each number changed by up to `eps` relative to itself."""
    generator = np.random.default_rng(0)
    return {
        name: np.asarray(array * (1.0 + generator.uniform(-eps, eps, array.shape)), array.dtype)
        for name, array in arrays.items()
    }


def limits(expected: FloatArray, moved: FloatArray, found: FloatArray, trace: Trace, axes: tuple[int, ...]) -> Any:
    """How far a correct engine may be off: from the most that random rounding moved numbers, and from their size."""
    movement = np.abs(moved.astype(np.float64) - expected).max(axis=axes, keepdims=True, initial=0.0)
    size = np.abs(expected).max(axis=axes, keepdims=True, initial=0.0, where=np.isfinite(expected))
    limit = _MOVEMENTS * movement + _ROUNDINGS * trace.eps * size + ALLOWED * storage_bound(found, trace.stored_as)
    return np.where(np.isnan(limit), np.inf, limit)


def _fills_padding(trace: Trace, lengths: Sequence[int]) -> bool:
    """Whether any number in padding is not 0."""
    padding = padding_mask(lengths, range(trace.shape[2]))
    return any(bool(trace[name][..., padding, :].any()) for name in trace.with_padding())


def without_padding(array: FloatArray, lengths: Sequence[int]) -> FloatArray:
    """A copy of an array (..., T, N, U) with 0 in padding."""
    found = np.array(array)
    clear_padding(lengths, found)
    return found
