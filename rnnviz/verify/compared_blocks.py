"""An array of two engines block by block, in the order of the pass that computes it."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.gradients import GRADIENT
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import computed_parts, time_blocks
from rnnviz.frozen import dataclass
from rnnviz.verify.metrics import BlockDifference, BlockDifferences, BoolArray, blocks

_BLOCK_VALUES = 1 << 17
"""Number of values in a block: large enough to amortize the calls, small enough that the float64 temporaries
stay in the last-level cache."""


@dataclass(frozen=True, eq=False)
class ComparedBlock:
    """Values (B, N, U) of two engines at time steps of a lane, or rows (B, ...) of an array without time.

    `start` is the index of the first one along the axes before the block's own: layer, direction, timestep; or row.
    `difference` is None where the values are not compared; its memory is used again. `last_first` says that the last
    time step is computed first. `samples` are those that are computed, not padding; None if all are.
    """

    start: tuple[int, ...]
    reference: FloatArray
    candidate: FloatArray
    difference: BlockDifference | None
    last_first: bool = False
    samples: NDArray[np.intp] | None = None

    @property
    def at(self) -> tuple[Any, ...]:
        """The index of the block's rows in an array with the axes of `start`."""
        *lane, first = self.start
        return *lane, slice(first, first + len(self.reference))

    @property
    def computed(self) -> "ComparedBlock":
        """The block without its padding."""
        chosen = self.samples
        if chosen is None:
            return self
        difference = None if self.difference is None or not len(chosen) else self.difference.of_samples(chosen)
        return replace(
            self, reference=self.reference[:, chosen], candidate=self.candidate[:, chosen], difference=difference
        )

    def index(self, flat: int) -> tuple[int, ...]:
        """The index in the array of a value of the block without its padding."""
        *lane, first = self.start
        row, *rest = (int(i) for i in np.unravel_index(flat, self.reference.shape))
        if self.samples is not None:
            rest[0] = int(self.samples[rest[0]])
        return (*lane, first + row, *rest)

    def ordered(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the block, flat, in the order of the pass."""
        return (values[::-1] if self.last_first else values).reshape(-1)

    def place(self, ordered: int) -> int:
        """The flat place in the block of the value that `ordered` has at a place."""
        if not self.last_first:
            return ordered
        width = prod(self.reference.shape[1:])
        row, rest = divmod(ordered, width)
        return (len(self.reference) - 1 - row) * width + rest

    def first(self, wanted: BoolArray) -> int:
        """The flat place of the first wanted value in the order of the pass."""
        return self.place(int(self.ordered(wanted).argmax()))


def lanes_of_pass(layers: int, directions: int, *, gradients: bool) -> list[tuple[int, int]]:
    """The layer and the direction of each lane, in the order of the forward pass, or of that which gives gradients."""
    return list(product(reversed(range(layers)) if gradients else range(layers), range(directions)))


def compared_steps(reference: Trace, candidate: Trace, layer: int, direction: int) -> range:
    """Time steps of a lane at which both traces have hidden states."""
    recorded = [trace.recorded(layer, direction) for trace in (reference, candidate)]
    start = max(part.start for part in recorded)
    return range(start, max(start, min(part.stop for part in recorded)))


def compared_blocks(
    reference: Trace, candidate: Trace, name: str, differences: BlockDifferences
) -> Iterator[ComparedBlock]:
    """Blocks of an array, each valid until the next one.

    Of an array with lanes, a block is compared or missing as a whole, and a sample computed in all of it or padding. A
    recording that has gradients has all of an array. An array without time has blocks of rows, in its own order.
    """
    ours, theirs = reference.in_lanes(name), candidate.in_lanes(name)
    if ours.ndim != 5:
        start = 0
        for r, c in zip(blocks(ours), blocks(theirs), strict=True):
            yield ComparedBlock((start,), r, c, differences.of(r, c))
            start += len(r)
        return
    layers, directions, timesteps, samples, units = ours.shape
    length, gradients = max(1, _BLOCK_VALUES // (samples * units)), name.startswith(GRADIENT)
    for lane in lanes_of_pass(layers, directions, gradients=gradients):
        both = range(timesteps) if gradients else compared_steps(reference, candidate, *lane)
        last_first = reference.places.backward(lane[1]) != gradients
        parts = range(both.start), both, range(both.stop, timesteps)
        for recorded in parts[:: -1 if last_first else 1]:
            for part, computed in computed_parts(reference.places.lengths, recorded, backward=last_first):
                own = computed if len(computed) < len(reference.places.lengths) else None
                for times in time_blocks(part, length, backward=last_first):
                    r, c = (np.asarray(array[lane][times]) for array in (ours, theirs))
                    difference = differences.of(r, c) if recorded is both else None
                    yield ComparedBlock((*lane, times.start), r, c, difference, last_first, own)
