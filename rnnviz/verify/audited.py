"""Audited values: which are looked at, in which order, and the blocks in which the steps of a pass give them. Above
`FULL` values an audit follows columns through time, each one unit of one sample in one lane, since a cell state is
known only by following it: all of samples in which the accumulated comparison comes near its limit, and a grid. Of
other columns it sees the ends: the step computed first, and, but for an LSTM, the last. Of a large backward pass some
samples are followed whole, and where every step follows by itself some blocks of time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod, sqrt
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import BoundedArray
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import computed_parts, time_blocks
from rnnviz.frozen import dataclass
from rnnviz.verify.compare import Comparison
from rnnviz.verify.consistency_checks import FULL, Check
from rnnviz.verify.verdict import PassName

IndexArray: TypeAlias = NDArray[np.intp]

NEAR = 0.5
"""The error ratio from which a column is looked at in any case."""

WORK = 1 << 31
"""Multiplications of a forward pass up to which the whole backward pass is audited."""

SHARE = 0.2
"""The fraction of a larger run whose backward audit takes as long as the engine."""

BLOCK_VALUES = 1 << 19
"""How many values of a block are computed at a time: the temporaries stay in the cache."""

_BLOCK_STEPS = 32
"""Time steps of each block of a long sequence of which some blocks are followed."""

_CACHED_VALUES, _FEWEST_ROWS = 1 << 17, 1 << 8
"""Values of a block that stay in the cache, and time steps of samples in which more is computed than their sums."""

_MOST_VALUES = 1 << 22
"""The largest number of values of the gradients of a layer's input that are kept from one layer to the next."""

Lane: TypeAlias = tuple[int, int]
"""Layer and direction."""

States: TypeAlias = Mapping[str, BoundedArray]
"""Arrays (S, U) by symbol that are carried from block to block: states, or gradients that later steps add to them."""


@dataclass(frozen=True, eq=False)
class Columns:
    """The product of some samples and some units of one lane, followed through all time steps, or `only` some blocks;
    `fresh` (S, U) says which of them no other columns count."""

    samples: IndexArray
    units: IndexArray
    fresh: NDArray[np.bool_] | None = None
    only: tuple[slice, ...] | None = None

    @property
    def count(self) -> int:
        return len(self.samples) * len(self.units)

    def of_rows(self, rows: IndexArray) -> "Columns":
        """The columns of some of the samples."""
        fresh = None if self.fresh is None else self.fresh[rows]
        return Columns(self.samples[rows], self.units, fresh, self.only)

    def parts(self, samples: int) -> Iterator["Columns"]:
        """The same columns, at most this many samples at a time."""
        for start in range(0, len(self.samples), samples):
            yield self.of_rows(np.arange(start, min(start + samples, len(self.samples))))


@dataclass(frozen=True, eq=False)
class Block:
    """Entries array[prefix][axes[0]][:, axes[1]][..., axes[2]] of a named array, and all of its further axes. `order`
    sorts blocks in the order of their pass. Over time the first axis is time, before the last number of `order`."""

    name: str
    prefix: tuple[int, ...]
    axes: tuple[IndexArray, ...]
    order: tuple[int, ...]
    over_time: bool = True
    last_first: bool = False

    def read(self, array: FloatArray) -> FloatArray:
        """These entries of an array of this name."""
        found = np.asarray(array[self.prefix])
        for axis, own in enumerate(self.axes):
            first, last = int(own[0]), int(own[-1]) + 1
            # Ascending indices that follow each other are read as a slice.
            found = found[(slice(None),) * axis + (slice(first, last) if len(own) == last - first else own,)]
        return found

    def index(self, at: Sequence[Any]) -> tuple[int, ...]:
        """The index of an entry in the array."""
        own = (int(axis[int(i)]) for axis, i in zip(self.axes, at, strict=False))
        return (*self.prefix, *own, *(int(i) for i in at[len(self.axes) :]))

    def order_of(self, at: Sequence[Any]) -> tuple[int, ...]:
        """The key that sorts an entry in the order of the pass."""
        own = self.index(at)[len(self.prefix) :]
        if not self.over_time:
            return (*self.order, *own)
        *lane, rank = self.order
        return (*lane, -own[0] if self.last_first else own[0], rank, *own[1:])

    def first(self, wrong: NDArray[np.bool_]) -> tuple[int, ...]:
        """The first True entry in the order of the pass."""
        at = np.argwhere(wrong)
        if self.over_time and self.last_first:
            at = at[at[:, 0] == at[-1, 0]]
        return tuple(at[0])


@dataclass(frozen=True, eq=False)
class Expected:
    """The values that steps give for a block of an array, from the engine's own numbers, with their bounds. `limit` is
    the largest bound that judges a value, or every bound does; `beyond` is by how many bounds the engine's value is
    outside what any argument gives. A `line` of a custom step is compared, but not a step."""

    block: Block
    value: BoundedArray
    limit: FloatArray | float | None = None
    beyond: FloatArray | None = None
    fresh: NDArray[np.bool_] | None = None
    line: bool = False


class Pass(Protocol):
    """The way of one engine's forward or backward pass through the lanes. `over_time` names the array whose ratio is
    kept for each time step, `arrays` those that are audited."""

    name: PassName
    over_time: str
    inputs: Inputs
    trace: Trace
    comparisons: Sequence[Comparison]
    lines: tuple[str, ...] = ()

    @property
    def arrays(self) -> tuple[str, ...]: ...

    def legs(self) -> Sequence[tuple[Lane, Columns]]:
        """The lanes in the order of the pass, with the columns that are followed together."""

    def start(self, lane: Lane, part: Columns) -> States:
        """States, or gradients of final states, before the first step."""

    def blocks(self, lane: Lane, part: Columns) -> Sequence[slice]:
        """Blocks of time in the order of the pass, in none of which a sample ends."""

    def step(self, lane: Lane, part: Columns, times: slice, carried: States) -> tuple[list[Expected], States]:
        """The values that the steps of a block give, and the states for the next block."""

    def end(self) -> Iterator[Expected]:
        """Values that follow from all blocks."""
        return iter(())

    def checks(self) -> tuple[Check, ...]:
        """The consistency checks that the walk made."""
        return ()


def walk(way: Pass, progress: Callable[[float], None]) -> Iterator[Expected]:
    """Every block of every lane in the order of the pass; samples in padding are left alone."""
    lengths = np.asarray(way.inputs.lengths) if way.inputs.lengths else None
    legs = way.legs()
    whole, before = sum(part.count for _, part in legs if part.only is None), 0
    for lane, part in legs:
        carried, blocks = way.start(lane, part), way.blocks(lane, part)
        for place, times in enumerate(blocks):
            # A block holds no end of a sample, so that a sample is computed in all of it or padding.
            rows = None if lengths is None else np.flatnonzero(lengths[part.samples] >= times.stop)
            if rows is None or len(rows) == len(part.samples):
                found, carried = way.step(lane, part, times, carried)
            elif len(rows):
                own = {symbol: state[rows] for symbol, state in carried.items()}
                found, after = way.step(lane, part.of_rows(rows), times, own)
                carried = {symbol: with_rows(state, rows, after[symbol]) for symbol, state in carried.items()}
            else:
                continue
            yield from found
            if part.only is None:
                progress((before + part.count * (place + 1) / len(blocks)) / whole)
        before += part.count if part.only is None else 0
    yield from way.end()


def with_rows(state: BoundedArray, rows: IndexArray, new: BoundedArray) -> BoundedArray:
    """A state (S, U) with other values in some rows."""
    value, bound = np.array(state.value), np.array(np.broadcast_to(state.bound, state.value.shape))
    value[rows], bound[rows] = new.value, new.bound
    return BoundedArray(value, bound, new.eps)


def all_columns(samples: int, units: int) -> Columns:
    return Columns(np.arange(samples), np.arange(units))


def follows_all(shape: tuple[int, ...], *, full: bool) -> bool:
    """Whether an audit follows every column of a trace of the shape (L, D, T, N, H)."""
    return full or prod(shape) <= FULL


def plan_lane(
    shape: tuple[int, int, int, int, int],
    error_ratio: NDArray[np.floating[Any]] | None,
    *,
    full: bool,
    whole: bool = False,
) -> list[Columns]:
    """The columns of one lane that an audit of a trace (L, D, T, N, H) follows; of `whole` cells, which compute a unit
    from others, all units. `error_ratio` (N, H) is the largest of each column over time and comparisons, None without
    any."""
    layers, directions, timesteps, samples, units = shape
    if follows_all(shape, full=full):
        return [all_columns(samples, units)]
    budget = max(1, FULL // (2 * layers * directions * timesteps))
    fraction = sqrt(budget / (samples * units))
    kept_units = units if whole else min(units, max(1, round(units * fraction)))
    kept_samples = min(samples, max(1, budget // kept_units))
    kept_units = units if whole else min(units, max(1, budget // kept_samples))
    kept_samples = min(samples, max(1, budget // kept_units))
    grid = Columns(spread(samples, kept_samples), spread(units, kept_units))
    return [grid] if error_ratio is None else _with_near(grid, error_ratio)


def spread(count: int, kept: int, *, rounded: bool = True) -> IndexArray:
    """`kept` indices spread evenly over `count`, the first and the last among them; `rounded` or down."""
    places = np.linspace(0, count - 1, kept)
    return np.unique((places.round() if rounded else places).astype(np.intp))


def _with_near(grid: Columns, error_ratio: NDArray[np.floating[Any]]) -> list[Columns]:
    """All columns of the samples that come near the limit, to whose other units the next step spreads what is wrong,
    and the grid's columns of the others."""
    near = ~(error_ratio <= NEAR).all(axis=1)
    others = grid.samples[~near[grid.samples]]
    plan = [Columns(np.flatnonzero(near), np.arange(error_ratio.shape[1])), Columns(others, grid.units)]
    return [columns for columns in plan if columns.count]


def ends(inputs: Inputs, direction: int, times: range, samples: IndexArray) -> Iterator[tuple[slice, IndexArray]]:
    """The first of some steps that a lane computes, and the last one where it follows from the trace alone, each with
    the samples of which it is the first or the last."""
    stops = np.array([min(inputs.length(sample), times.stop) for sample in samples])
    start = slice(times.start, times.start + 1)
    lasts = [(slice(int(stop) - 1, int(stop)), samples[stops == stop]) for stop in np.unique(stops)]
    backward = inputs.network.backward(direction)
    yield from lasts if backward else [(start, samples)]
    if len(inputs.network.kind.state_symbols) == 1:
        # A sample of one step has no other one.
        longer = [(start, samples[stops > start.stop])] if backward else lasts
        yield from ((step, some) for step, some in longer if len(some) and (backward or step != start))


@dataclass(frozen=True, eq=False)
class BackwardPlan:
    """Samples, a part of them at a time, and blocks of time in the order of time; `whole` if these are all."""

    parts: list[IndexArray]
    blocks: list[slice]
    whole: bool


def plan_backward(
    inputs: Inputs, near: IndexArray, *, full: bool, independent: bool, block_values: int
) -> BackwardPlan:
    """The samples and blocks of time that an audit of the backward pass follows; all if `full` or if the run is small.
    `near` are seen in any case; blocks may be left out if every step is `independent`: the trace has all that it
    reads."""
    network, steps, samples = inputs.network, inputs.timesteps, np.arange(inputs.batch_size)
    weights = sum(array.size for array in inputs.parameters.values())
    blocks = [range(steps)]
    whole = full or (prod(inputs.hidden_shape) <= FULL and steps * len(samples) * weights <= WORK)
    if not whole:
        pairs = int(max(WORK / weights, SHARE * steps * len(samples)))
        count = max(1, min(len(samples), pairs // steps))
        samples = np.union1d(near[:count], spread(len(samples), count, rounded=False))
        if pairs < steps and independent:
            samples = near[:1] if len(near) else samples[:1]
            if steps > 2 * _BLOCK_STEPS:
                starts = spread(steps - _BLOCK_STEPS + 1, max(2, pairs // _BLOCK_STEPS), rounded=False)
                blocks = [range(start, start + _BLOCK_STEPS) for start in starts]
    widest = max(
        network.kind.gate_count * network.hidden_size, *map(network.layer_input_size, range(network.num_layers))
    )
    size = max(1, _MOST_VALUES // (steps * network.layer_input_size(network.num_layers - 1)))
    parts = [samples[start : start + size] for start in range(0, len(samples), size)]
    values = min(block_values, max(_CACHED_VALUES, _FEWEST_ROWS * widest))
    length = max(1, values // (min(size, len(samples)) * widest))
    slices = [
        times
        for block in blocks
        for part, _ in computed_parts(inputs.lengths, block)
        for times in time_blocks(part, length, backward=False)
    ]
    return BackwardPlan(parts, slices, whole)
