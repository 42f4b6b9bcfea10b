"""Audited blocks of an engine's arrays in the order of a pass, with the values that each step gives there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import BoundedArray
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.frozen import dataclass
from rnnviz.verify.audit_sampling import Columns
from rnnviz.verify.compare import Comparison
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.verdict import PassName

BLOCK_VALUES = 1 << 19
"""How many values of a block are computed at a time: the temporaries stay in the cache."""

Lane: TypeAlias = tuple[int, int]
"""Layer and direction."""

States: TypeAlias = Mapping[str, BoundedArray]
"""Arrays (S, U) by symbol that are carried from block to block: states, or gradients that later steps add to them."""


@dataclass(frozen=True, eq=False)
class Block:
    """Entries array[prefix][axes[0]][:, axes[1]][..., axes[2]] of a named array, and all of its further axes.

    `order` sorts blocks in the order of their pass. Of a block over time the first axis is time, which comes before the
    last number of `order`; the last time step is the first one if `last_first`.
    """

    name: str
    prefix: tuple[int, ...]
    axes: tuple[NDArray[np.intp], ...]
    order: tuple[int, ...]
    over_time: bool = True
    last_first: bool = False

    def read(self, array: FloatArray) -> FloatArray:
        """These entries of an array of this name."""
        found = np.asarray(array[self.prefix])
        for axis, own in enumerate(self.axes):
            found = found[(slice(None),) * axis + (_slice_of(own),)]
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
    """The values that steps give for a block of an array, from the engine's own numbers, with their bounds.

    `limit` is the largest bound that judges a value; without it every bound does. `beyond` is by how many bounds the
    engine's value is outside what any argument gives. `fresh` (S, U) says which columns no other block counts. `line`
    is of the lines that a custom step returns, which are compared but are not steps.
    """

    block: Block
    value: BoundedArray
    limit: FloatArray | float | None = None
    beyond: FloatArray | None = None
    fresh: NDArray[np.bool_] | None = None
    line: bool = False


class Pass(Protocol):
    """The way of one engine's forward or backward pass through the lanes.

    `over_time` names the array whose ratio is kept for each time step, `arrays` those that are audited.
    """

    name: PassName
    over_time: str
    inputs: Inputs
    trace: Trace
    comparisons: Sequence[Comparison]
    lines: tuple[str, ...]

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

    def checks(self) -> tuple[Check, ...]:
        """The consistency checks that the walk made."""


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


def with_rows(state: BoundedArray, rows: NDArray[np.intp], new: BoundedArray) -> BoundedArray:
    """A state (S, U) with other values in some rows."""
    value, bound = np.array(state.value), np.array(np.broadcast_to(state.bound, state.value.shape))
    value[rows], bound[rows] = new.value, new.bound
    return BoundedArray(value, bound, new.eps)


def _slice_of(axis: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Ascending indices, as a slice if they follow each other."""
    first, last = int(axis[0]), int(axis[-1]) + 1
    return slice(first, last) if len(axis) == last - first else axis
