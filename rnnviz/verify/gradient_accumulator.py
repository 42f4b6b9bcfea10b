"""The figures of an audit of the backward pass, gathered block by block."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, storage_bound
from rnnviz.core.gradients import GRADIENT, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place, entry_place
from rnnviz.core.trace import Trace
from rnnviz.frozen import dataclass
from rnnviz.verify.audit_accumulator import JUDGED_ROUNDINGS, settle_nonfinite
from rnnviz.verify.backward_result import GradientAudit, WrongGradient
from rnnviz.verify.compare import Comparison, over_time
from rnnviz.verify.metrics import error_ratio

_JUDGED = 2.0**-6
"""How much of the largest gradient of a vector eight bounds may be if they are to judge a gradient."""

_UNDERFLOW = 2.0**-100
"""A bound up to which the underflow of float32 is all that it allows for."""


_NEAR_OVERFLOW = 2.0**-20
"""The fraction of the largest number from which on the factors of a gradient may overflow."""


@dataclass(frozen=True, eq=False)
class GradientBlock:
    """Some entries of a gradient: `name`[`prefix`][axes[0]][:, axes[1]], and all of the further axes.

    `order` sorts blocks in the order of the backward pass. Of a block over time the first axis is time, and comes last
    time step first if `reverse`.
    """

    name: str
    prefix: tuple[int, ...]
    axes: tuple[NDArray[np.intp], ...]
    order: tuple[int, ...]
    over_time: bool = False
    reverse: bool = False

    def read(self, array: FloatArray) -> FloatArray:
        """These entries of an array of this name."""
        rows, *others = self.axes
        first = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) == rows[-1] - rows[0] + 1 else rows
        found = np.asarray(array[self.prefix][first])
        return found[:, others[0]] if others else found

    def index(self, at: Sequence[Any]) -> tuple[int, ...]:
        """The index of an entry in the array."""
        own = [int(axis[int(i)]) for axis, i in zip(self.axes, at, strict=False)]
        return (*self.prefix, *own, *(int(i) for i in at[len(self.axes) :]))

    def order_of(self, at: Sequence[Any]) -> tuple[int, ...]:
        """The key that sorts an entry in the order of the backward pass."""
        own = [int(axis[int(i)]) for axis, i in zip(self.axes, at, strict=False)]
        if not self.over_time:
            return (*self.order, *own, *(int(i) for i in at[len(self.axes) :]))
        t, *others = own
        # The time step comes before the array.
        *lane, rank = self.order
        return (*lane, -t if self.reverse else t, rank, *others, *(int(i) for i in at[len(self.axes) :]))


class GradientAccumulator:
    """The running figures of one audit."""

    def __init__(
        self,
        inputs: Inputs,
        trace: Trace,
        comparisons: Sequence[Comparison],
        traces: Mapping[str, Trace],
        folder: Path | None,
    ) -> None:
        """Begin with nothing; the figures of each time step lie in `folder` if there is one and they are many."""
        self._network, self._trace, self._lengths = inputs.network, trace, inputs.lengths
        engine = trace.engine
        pairs = [(c, c.candidate if engine == c.reference else c.reference) for c in comparisons]
        self._compared = [(c, traces[other]) for c, other in pairs if other in traces and engine in _engines(c)]
        self._over_time, self._stored = over_time(
            folder, "gradient_audit", {"ratio_over_time": "float64"}, trace.shape[:3]
        )
        self._over_time["ratio_over_time"][...] = np.nan
        self._largest = float(np.finfo(inputs.network.dtype).max)
        self._worst = -1.0
        self._worst_at: Place | None = None
        self._wrong = self._audited = self._undetermined = 0
        self._mismatches = {other.engine: 0 for _, other in self._compared}
        self._first: tuple[tuple[int, ...], WrongGradient] | None = None

    def add(self, block: GradientBlock, expected: BoundedArray) -> None:
        """Count a block of the trace, of which `expected` (..., U) follows from the engine's own numbers.

        A bound says too little relative to the largest magnitude of a vector, since gradients have no known scale.
        """
        own = block.read(self._trace[block.name])
        value = expected.value
        bound = expected.bound + storage_bound(own, self._trace.stored_as) if self._trace.stored_as else expected.bound
        scale = np.abs(np.where(np.isfinite(value), value, 0.0)).max(axis=-1, keepdims=True)
        # A product of its factors in another order may have left the range.
        overflows = ~np.isfinite(own) & (scale > self._largest * _NEAR_OVERFLOW)
        if overflows.any():
            bound = np.where(overflows, np.inf, bound)
        error = np.abs(own - value)
        ratio = error / bound
        ratio[error == 0.0] = 0.0
        settle_nonfinite(error, ratio, own, BoundedArray(value, bound, expected.eps))
        share = max(_JUDGED, JUDGED_ROUNDINGS * expected.eps) if self._trace.half else _JUDGED
        unknown = ~(ALLOWED * bound <= share * scale + _UNDERFLOW) & (ratio <= ALLOWED)
        self._count_undetermined(block, own, unknown)
        self._audited += own.size
        if block.name == gradient("h"):
            layer, direction = block.prefix
            row = self._over_time["ratio_over_time"][layer, direction]
            times = block.axes[0]
            row[times] = np.fmax(row[times], ratio.max(axis=tuple(range(1, ratio.ndim))))
        flat = int(ratio.argmax())
        largest = float(ratio.flat[flat])
        if largest > self._worst:
            self._worst, self._worst_at = largest, self._place(block, np.unravel_index(flat, ratio.shape))
        if largest > ALLOWED:
            wrong = ratio > ALLOWED
            self._wrong += int(wrong.sum())
            self._note_first(block, own, value, wrong)

    def _note_first(self, block: GradientBlock, own: FloatArray, value: FloatArray, wrong: NDArray[np.bool_]) -> None:
        at = np.argwhere(wrong)
        first = tuple(at[-1 if block.over_time and block.reverse else 0])
        if block.over_time:
            # The smallest sample and unit of the first time step.
            first = tuple(at[at[:, 0] == first[0]][0])
        order = block.order_of(first)
        if self._first is None or order < self._first[0]:
            self._first = order, WrongGradient(self._place(block, first), float(own[first]), float(value[first]))

    def _place(self, block: GradientBlock, at: Sequence[Any]) -> Place:
        return entry_place(self._network, block.name, block.index(at))

    def _count_undetermined(self, block: GradientBlock, own: FloatArray, unknown: NDArray[np.bool_]) -> None:
        count = int(unknown.sum())
        if not count:
            return
        self._undetermined += count
        for comparison, other in self._compared:
            found = comparison.gradients.get(block.name) or comparison.parameter_gradients.get(block.name)
            if found is not None:
                theirs = block.read(other[block.name])
                pair = (own, theirs) if comparison.reference == self._trace.engine else (theirs, own)
                outside = error_ratio(*pair, found.rtol, found.atol) > 1.0
                self._mismatches[other.engine] += int((outside & unknown).sum())

    def audit(self) -> GradientAudit:
        """The figures, once every block has been counted."""
        trace, padded = self._trace, self._trace.with_padding()
        sizes = {name: trace[name].size for name in trace if name.startswith(GRADIENT) and name not in trace.missing}
        steps, computed = trace.shape[2] * trace.shape[3], sum(self._lengths)
        if self._lengths:
            sizes |= {name: size // steps * computed for name, size in sizes.items() if name in padded}
        return GradientAudit(
            engine=trace.engine,
            worst_ratio=max(self._worst, 0.0),
            worst_at=self._worst_at,
            wrong=self._wrong,
            first_wrong=None if self._first is None else self._first[1],
            audited=self._audited,
            elements=sum(sizes.values()),
            **self._over_time,
            stored=self._stored,
            undetermined_count=self._undetermined,
            undetermined_mismatches={name: count for name, count in self._mismatches.items() if count},
        )


def _engines(comparison: Comparison) -> tuple[str, str]:
    return comparison.reference, comparison.candidate
