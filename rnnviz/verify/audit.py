"""The step audit: every step of an engine is checked by itself.

From the engine's own previous state and its own layer input, the next hidden state is computed in float64 and
must be met within eight running rounding bounds (`running_error`). Errors of earlier steps do not add up, so the
audit shows which of two engines is wrong, and a chaotic network, in which two correct engines diverge, is still
found right.

The cell state of an LSTM is carried along in float64, and so is its bound, since a trace need not hold it. So that
the bound does not grow with the length of the sequence, what is carried is narrowed every few steps to what the
engine's own cell state can have been: what its hidden value admits, h = o · tanh(c), and its stored cell state, where
the trace has one. Limits that contradict the carried state are left out, so that a wrong value makes no later step
wrong.

Where eight bounds are more than `JUDGED` of the largest hidden value that a cell can have, a step within them is
neither right nor wrong: it is *undetermined*. So it is for infinite bounds, for arguments so large that rounding alone
may move an activation, and for whatever is computed in float16, or recorded as float16 by code that does not say in
which precision it computes: there eight bounds are 0.8 %. A relu has no largest value; what is known of it is relative
to its terms. A value that no argument could give, such as 7 of a tanh, is wrong whatever the bound.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.bounded import BoundedBlock
from rnnviz.cells.interpreters.running_error import BoundedArray, storage_bound
from rnnviz.core.inputs import Inputs
from rnnviz.core.lengths import computed_parts
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import time_blocks
from rnnviz.verify.audit_accumulator import Audit, AuditAccumulator, Compared, WrongLine, WrongStep, undetermined
from rnnviz.verify.audit_sampling import AuditedBlock, SampleUnitBlock, all_columns, plan_lane, some_columns
from rnnviz.verify.compare import Comparison
from rnnviz.verify.step_inputs import bounded_layer, followed, layer_input, previous_hidden

__all__ = ["Audit", "WrongLine", "WrongStep", "audit"]

_BLOCK_VALUES = 1 << 19


def audit(
    inputs: Inputs,
    trace: Trace,
    comparisons: Sequence[Comparison] = (),
    *,
    traces: Mapping[str, Trace] = {},
    full: bool = False,
    units: int | None = None,
    progress: Callable[[float], None] = lambda _: None,
    folder: Path | None = None,
    derived: Mapping[str, FloatArray] = {},
) -> Audit:
    """Audit one engine's trace, all of it if `full` or if it is small; see `audit_plan` for what else.

    `traces` holds those of the engines that it is compared with: undetermined values are looked up in them.

    Steps of which a recording lacks the result or what they read are not audited.

    `units` asks for a glance at this many units of each lane and nothing more. The figures of each time step lie in
    `folder` if there is one and they are many. `derived` has arrays (L, D, T, N, U) by name that are filled with the
    states of the steps that are followed, such as the "c" that the trace lacks.

    Raises OSError if the folder takes no more.
    """
    layers, directions, *_ = trace.shape
    tally = AuditAccumulator(trace.shape, folder, _compared(trace.engine, comparisons, traces), reverse=trace.reverse)
    near = _error_ratios(trace.engine, comparisons)
    with np.errstate(all="ignore"):
        for lane, (layer, direction) in enumerate(np.ndindex(layers, directions)):
            times = followed(inputs, trace, layer, direction)
            if not times:
                continue
            error_ratio = None if near is None else near[layer, direction]
            plan = plan_lane(trace.shape, error_ratio, full=full, whole=inputs.network.graph.mixes_units)
            if units is not None:
                plan = [some_columns(*trace.shape[3:], units)]
            for done in _audit_lane(inputs, trace, layer, direction, times, plan, tally, derived, ends=units is None):
                progress((lane + done) / (layers * directions))
    return tally.audit(trace)


def _error_ratios(engine: str, comparisons: Sequence[Comparison]) -> NDArray[Any] | None:
    """(L, D, N, H): the largest error ratio of each column in the comparisons that the engine takes part in."""
    own = [c.error_ratio_by_column for c in comparisons if engine in (c.reference, c.candidate)]
    return np.maximum.reduce(own) if own else None


def _compared(engine: str, comparisons: Sequence[Comparison], traces: Mapping[str, Trace]) -> list[Compared]:
    """The comparisons that the engine takes part in, each with the trace of the other engine."""
    pairs = [(c, c.candidate if engine == c.reference else c.reference) for c in comparisons]
    return [
        Compared(c, traces[other]) for c, other in pairs if other in traces and engine in (c.reference, c.candidate)
    ]


def _audit_lane(
    inputs: Inputs,
    trace: Trace,
    layer: int,
    direction: int,
    times: range,
    plan: list[SampleUnitBlock],
    tally: AuditAccumulator,
    derived: Mapping[str, FloatArray],
    *,
    ends: bool,
) -> Iterator[float]:
    """Follow the plan's columns through one lane, look at the ends of the others, and yield the fraction done."""
    widest = inputs.network.kind.gate_count * inputs.network.hidden_size
    followed = np.zeros(trace.shape[3:], np.bool_)
    parts = [part for columns in plan for part in columns.parts(max(1, _BLOCK_VALUES // widest))]
    whole, before = sum(part.count for part in parts), 0
    for part in parts:
        followed[np.ix_(part.samples, part.units)] = True
        blocks = _blocks(inputs, part, direction, times)
        for done in _audit_columns(inputs, trace, layer, direction, part, blocks, tally, derived):
            yield (before + done * part.count) / whole
        before += part.count
    if followed.all() or not ends:
        return
    for part in all_columns(*followed.shape).parts(max(1, _BLOCK_VALUES // widest)):
        for step, samples in _ends(inputs, direction, times, part.samples):
            some = SampleUnitBlock(samples, part.units)
            fresh = ~followed[np.ix_(samples, part.units)]
            yield from (1.0 for _ in _audit_columns(inputs, trace, layer, direction, some, [step], tally, {}, fresh))


def _ends(
    inputs: Inputs, direction: int, times: range, samples: NDArray[np.intp]
) -> Iterator[tuple[slice, NDArray[np.intp]]]:
    """The first of some steps that a lane computes, and the last one where it follows from the trace alone.

    Each comes with the samples of which it is the first or the last.
    """
    stops = np.array([min(inputs.length(sample), times.stop) for sample in samples])
    start = slice(times.start, times.start + 1)
    ends = [(slice(int(stop) - 1, int(stop)), samples[stops == stop]) for stop in np.unique(stops)]
    backward = inputs.network.backward(direction)
    yield from ends if backward else [(start, samples)]
    if len(inputs.network.kind.state_symbols) == 1:
        # A sample of one step has no other one.
        longer = [(start, samples[stops > start.stop])] if backward else ends
        yield from ((step, some) for step, some in longer if len(some) and (backward or step != start))


def _audit_columns(
    inputs: Inputs,
    trace: Trace,
    layer: int,
    direction: int,
    columns: SampleUnitBlock,
    blocks: Iterable[slice],
    tally: AuditAccumulator,
    derived: Mapping[str, FloatArray],
    fresh: NDArray[np.bool_] | None = None,
) -> Iterator[float]:
    """Audit blocks of time of some columns, in the order of computation, and yield the fraction of time that is done.

    States besides h are carried from block to block, beginning with the initial ones.
    """
    network = inputs.network
    # Where a unit is computed from others, all are computed, and the chosen ones are counted.
    whole = network.graph.mixes_units
    bounded = bounded_layer(inputs, trace, layer, direction, None if whole else columns.units)
    k = layer * network.directions + direction
    chosen: Any = (..., columns.units if whole else slice(None))
    states = dict(zip(network.kind.state_symbols, inputs.initial_state.arrays, strict=True))
    every, all_fresh = columns, fresh
    units = {name: np.arange(state.shape[-1]) if whole else columns.units for name, state in states.items()}
    kept = {
        name: bounded.leaf(state[k][np.ix_(every.samples, units[name])])
        for name, state in states.items()
        if name != "h"
    }
    returned = trace.lines if fresh is None else {}
    for times in blocks:
        # A block holds no end of a sample, so that a sample is computed in all of it or padding.
        rows = np.flatnonzero(np.asarray(inputs.lengths)[every.samples] >= times.stop) if inputs.lengths else None
        if rows is None or len(rows) == len(every.samples):
            rows, columns, fresh, carried = None, every, all_fresh, kept
        elif not len(rows):
            continue
        else:
            columns = SampleUnitBlock(every.samples[rows], every.units)
            fresh = None if all_fresh is None else all_fresh[rows]
            carried = {name: state[rows] for name, state in kept.items()}
        own = {name: np.ix_(columns.samples, units[name]) for name in states}
        x = layer_input(inputs, trace, layer, times, columns.samples)
        before = previous_hidden(inputs, trace, layer, direction, times, columns.samples)
        engine = {
            name: np.asarray(trace[name][layer, direction, times])[:, columns.samples][..., own[name][1][0]]
            for name in states
            if name in trace
        }
        values, carried = BoundedBlock(bounded, x, before, engine, times.start).follow(
            carried, (*states, *returned), backward=network.backward(direction)
        )
        kept = carried if rows is None else {name: _with_rows(kept[name], rows, carried[name]) for name in kept}
        for name, array in derived.items():
            array[layer, direction, times][(slice(None), *own[name])] = values[name].value
        h, step = engine["h"], values["h"]
        if "c" in values and fresh is None:
            tally.add_cell_states(trace, k, times, own["c"], engine.get("c"), values["c"])
        block = AuditedBlock(layer, direction, times, columns, trace.reverse)
        if returned:
            read = slice(None) if whole else columns.units
            lines = engine | {
                name: np.asarray(array[layer, direction, times])[:, columns.samples][..., read]
                for name, array in returned.items()
            }
            tally.add_lines(block, {name: lines[name] for name in network.graph.values if name in lines}, values)
        if trace.stored_as or trace.half:
            np.add(step.bound, storage_bound(h, trace.stored_as, trace.half), out=step.bound)
        unknown = undetermined(bounded, step, h, before)
        unknown = None if unknown is None else unknown.at(chosen)
        tally.add(block, h[chosen], step[chosen], fresh, unknown)
        yield (inputs.timesteps - times.start if network.backward(direction) else times.stop) / inputs.timesteps


def _with_rows(state: BoundedArray, rows: NDArray[np.intp], new: BoundedArray) -> BoundedArray:
    """A state (S, U) with other values in some rows."""
    value, bound = np.array(state.value), np.array(np.broadcast_to(state.bound, state.value.shape))
    value[rows], bound[rows] = new.value, new.bound
    return BoundedArray(value, bound, new.eps)


def _blocks(inputs: Inputs, columns: SampleUnitBlock, direction: int, times: range) -> Iterator[slice]:
    """Slices of time in the order of computation, small enough for the temporaries to stay in the cache.

    No slice holds time steps on both sides of a sample's end.
    """
    widest = max(inputs.network.kind.gate_count * len(columns.units), inputs.network.hidden_size)
    length = max(1, _BLOCK_VALUES // (len(columns.samples) * widest))
    backward = inputs.network.backward(direction)
    for part, _ in computed_parts(inputs.lengths, times, backward=backward):
        yield from time_blocks(part, length, backward=backward)
