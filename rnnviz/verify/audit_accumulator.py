"""The figures of an audit, gathered block by block."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.bounded import BoundedLayer, largest_magnitude
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, storage_bound
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.frozen import dataclass
from rnnviz.verify.audit_sampling import AuditedBlock
from rnnviz.verify.cell_states import CELL_FOLLOWS, STATE_FOLLOWS, CellStateTally
from rnnviz.verify.compare import Comparison, OverTime, over_time
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.metrics import error_ratio
from rnnviz.verify.verdict import AuditVerdict

JUDGED = 2.0**-8
"""How much of the largest hidden value eight bounds may be if they are to judge a step."""

JUDGED_ROUNDINGS = 96.0
"""How many eps it may be of a recording that was computed in half precision."""


@dataclass(frozen=True)
class WrongStep:
    """A step outside its bound: what the engine has there, and what the step gives from the engine's own state."""

    where: Location
    value: float
    expected: float


@dataclass(frozen=True)
class WrongLine(WrongStep):
    """A line of a custom step outside its bound: its name, and its value as in `WrongStep`."""

    name: str


@dataclass(frozen=True)
class Compared:
    """A comparison that an audited engine takes part in, and the trace of the other engine."""

    comparison: Comparison
    other: Trace


@dataclass(frozen=True)
class Undetermined:
    """Of a block (B, S, U): of which values the audit can say nothing, and how far each is beyond what a cell can have.

    `beyond` is in bounds, and 0 or less where the cell can have the value.
    """

    values: NDArray[np.bool_]
    beyond: FloatArray

    def at(self, index: Any) -> "Undetermined":
        """Some of the values."""
        return Undetermined(self.values[index], self.beyond[index])


class AuditFigures(OverTime):
    """The figures that the audits of hidden values and of gradients share.

    Of `elements` values `audited` were looked at and `wrong` are outside their bounds. `undetermined_count` is how many
    of the audited ones are neither wrong nor known to be right, because their bound says too little.
    """

    wrong: int
    audited: int
    elements: int
    undetermined_count: int

    @property
    def verdict(self) -> AuditVerdict:
        """Right speaks of the values that could be judged."""
        if not self.audited:
            return AuditVerdict.NOT_AUDITED
        if self.wrong:
            return AuditVerdict.WRONG
        return AuditVerdict.UNDETERMINED if self.undetermined_count == self.audited else AuditVerdict.RIGHT

    @property
    def undetermined(self) -> float:
        """The fraction of the audited values that the audit can say nothing of, 0 to 1."""
        return self.undetermined_count / self.audited if self.audited else 0.0

    @property
    def coverage(self) -> float:
        """The fraction of the values that were looked at, 0 to 1."""
        return self.audited / self.elements


@dataclass(frozen=True)
class Audit(AuditFigures):
    """Result of the step audit of one engine.

    `worst_ratio` is the largest |h - step| / bound, infinite where a NaN or an infinity is out of place.
    `ratio_over_time` and `error_over_time`, both (L, D, T), hold the largest ratio and the largest |h - step| of each
    lane and time step, and NaN where nothing was looked at.

    `undetermined_mismatches` is how many of the undetermined values are outside the tolerance, by the other engine.
    `lines` are the lines that were compared, in the order of computation: those that a custom step returns, and its
    states; `first_line` is the first of them that differs, at the first time step at which any does.
    `checks` compare the cell states of an LSTM without wrong steps with those that follow from its hidden values.
    """

    NAMES: ClassVar = ("ratio_over_time", "error_over_time")

    engine: str
    worst_ratio: float
    worst_at: Location
    wrong: int
    first_wrong: WrongStep | None
    audited: int
    elements: int
    ratio_over_time: NDArray[np.float64] = field(repr=False)
    error_over_time: NDArray[np.float64] = field(repr=False)
    stored: Path | None = None
    undetermined_count: int = 0
    undetermined_mismatches: Mapping[str, int] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    lines: tuple[str, ...] = ()
    first_line: WrongLine | None = None


class AuditAccumulator:
    """The running figures of one audit."""

    def __init__(
        self,
        shape: tuple[int, int, int, int, int],
        folder: Path | None = None,
        compared: Sequence[Compared] = (),
        *,
        reverse: bool = False,
    ) -> None:
        """Begin with nothing; the figures of each time step lie in `folder` if there is one and they are many."""
        self._compared = compared
        self._undetermined, self._mismatches = 0, {pair.other.engine: 0 for pair in compared}
        dtypes = dict.fromkeys(Audit.NAMES, "float64")
        self._over_time, self._stored = over_time(folder, "audit", dtypes, shape[:3])
        for array in self._over_time.values():
            array[...] = np.nan
        self._worst, self._worst_at = -1.0, Location(reverse=reverse)
        self._wrong = self._audited = 0
        self._cells, self._final_cells = CellStateTally(), CellStateTally()
        self._first: WrongStep | None = None
        self._lines: tuple[str, ...] = ()
        self._first_line: tuple[tuple[int, ...], WrongLine] | None = None

    def add(
        self,
        block: AuditedBlock,
        h: FloatArray,
        step: BoundedArray,
        fresh: NDArray[np.bool_] | None = None,
        undetermined: Undetermined | None = None,
    ) -> None:
        """Count a block: h and step are (B, S, U); `fresh` (S, U) says which columns another block does not count."""
        error = np.abs(h - step.value)
        ratio = error / step.bound
        settle_nonfinite(error, ratio, h, step)
        if undetermined is not None:
            # Elsewhere the bound judges: errors of saturated gates may add up to several eps beyond 1.
            np.fmax(ratio, undetermined.beyond, out=ratio, where=undetermined.values)
        flat = int(ratio.argmax())
        largest = float(ratio.flat[flat])
        if undetermined is not None:
            unknown = undetermined.values & (ratio <= ALLOWED)
            self._count_undetermined(block, h, unknown if fresh is None else unknown & fresh)
        for name, figures in (("ratio_over_time", ratio), ("error_over_time", error)):
            array = self._over_time[name]
            array[block.at] = np.fmax(array[block.at], figures.max(axis=(1, 2)))
        self._audited += h.size if fresh is None else len(h) * int(fresh.sum())
        if largest > self._worst:
            self._worst, self._worst_at = largest, block.location(np.unravel_index(flat, ratio.shape))
        if largest > ALLOWED:
            wrong = ratio > ALLOWED
            self._wrong += int((wrong if fresh is None else wrong & fresh).sum())
            index, where = _first_of(block, wrong)
            if self._first is None or where.order < self._first.where.order:
                self._first = WrongStep(where, float(h[index]), float(step.value[index]))

    def add_lines(
        self, block: AuditedBlock, lines: Mapping[str, FloatArray], expected: Mapping[str, BoundedArray]
    ) -> None:
        """Count the lines (B, S, U) of a block that a custom step returned, in the order of computation."""
        self._lines = tuple(lines)
        for place, (name, values) in enumerate(lines.items()):
            step = expected[name]
            same = (values == step.value) | (np.isnan(values) & np.isnan(step.value))
            wrong = ~same & np.isfinite(step.bound) & ~(np.abs(values - step.value) <= ALLOWED * step.bound)
            if not wrong.any():
                continue
            index, where = _first_of(block, wrong)
            order = (*where.order[:3], place, *where.order[3:])
            if self._first_line is None or order < self._first_line[0]:
                self._first_line = order, WrongLine(where, float(values[index]), float(step.value[index]), name)

    def add_cell_states(
        self,
        trace: Trace,
        lane: int,
        times: slice,
        columns: tuple[NDArray[np.intp], ...],
        cells: FloatArray | None,
        expected: BoundedArray,
    ) -> None:
        """Count the trace's cell states of a block, if it has any, and after its last step the final ones.

        `lane` is layer·D + direction, `columns` index (N, H), and `cells` and `expected` are (B, S, U).
        """
        if cells is not None:
            self._cells.add(cells, expected, trace.stored_as)
        backward = trace.backward(lane % trace.shape[1])
        last = 0 if backward else len(expected.value) - 1
        if trace.state_c is None:
            return
        samples = columns[0].reshape(-1)
        stops = np.asarray(trace.lengths)[samples] if trace.lengths else np.full(len(samples), trace.shape[2])
        final = np.flatnonzero(np.full(len(samples), times.start == 0) if backward else stops == times.stop)
        if len(final):
            step = BoundedArray(expected.value[last][final], expected.bound[last][final], expected.eps)
            self._final_cells.add(trace.state_c[lane][columns][final], step, trace.stored_as)

    def _count_undetermined(self, block: AuditedBlock, h: FloatArray, unknown: NDArray[np.bool_]) -> None:
        self._undetermined += int(unknown.sum())
        for pair in self._compared:
            other = np.asarray(pair.other.hidden[block.at])[:, block.columns.samples][:, :, block.columns.units]
            is_reference = pair.comparison.candidate == pair.other.engine
            reference, candidate = (h, other) if is_reference else (other, h)
            outside = error_ratio(reference, candidate, pair.comparison.rtol, pair.comparison.atol) > 1.0
            self._mismatches[pair.other.engine] += int((outside & unknown).sum())

    def audit(self, trace: Trace) -> Audit:
        """The figures, once every block has been counted."""
        stored = ((self._cells, CELL_FOLLOWS, trace.cell), (self._final_cells, STATE_FOLLOWS, trace.state_c))
        return Audit(
            engine=trace.engine,
            worst_ratio=max(self._worst, 0.0),
            worst_at=self._worst_at,
            wrong=self._wrong,
            first_wrong=self._first,
            audited=self._audited,
            elements=trace.computed_count(trace.hidden),
            **self._over_time,
            stored=self._stored,
            undetermined_count=self._undetermined,
            lines=self._lines,
            first_line=None if self._first_line is None else self._first_line[1],
            undetermined_mismatches={name: count for name, count in self._mismatches.items() if count},
            checks=tuple(
                cells.check(name, trace.engine, trace.computed_count(array))
                for cells, name, array in stored
                # A wrong step has a wrong cell state as well: the check would say it twice.
                if array is not None and cells.looked and not self._wrong
            ),
        )


def _first_of(block: AuditedBlock, wrong: NDArray[np.bool_]) -> tuple[tuple[int, ...], Location]:
    """The index and the place of the first True of a block (B, S, U), in the order of computation."""
    steps = np.flatnonzero(wrong.any(axis=(1, 2)))
    t = int(steps[-1] if block.reverse or block.direction else steps[0])
    index = (t, *(int(i) for i in np.argwhere(wrong[t])[0]))
    return index, block.location(index)


def undetermined(layer: BoundedLayer, step: BoundedArray, h: FloatArray, before: FloatArray) -> Undetermined | None:
    """The values of a block (B, S, U) that the audit cannot judge; None if it can judge all.

    `before` (B, S, H) are the engine's own previous hidden values.
    """
    share = max(JUDGED, JUDGED_ROUNDINGS * step.eps) if layer.half else JUDGED
    if ALLOWED * step.eps > share:
        values = np.ones(h.shape, np.bool_)
    else:
        # An unlimited value is judged relative to its terms, unless its bound is infinite.
        judged = np.minimum(layer.hidden_scale * (share / ALLOWED), np.finfo(np.float64).max)
        if step.bound.max(initial=0.0) <= judged.min():
            return None
        values = ~(step.bound <= judged)
    low, high = limits = layer.hidden_limits(before)
    own, scale = h.astype(np.float64), largest_magnitude(limits)
    beyond = np.maximum(low - own, own - high) - ALLOWED * storage_bound(h, layer.stored_as)
    return Undetermined(values, beyond / (step.eps * np.where(np.isinf(scale), 1.0, scale)))


def settle_nonfinite(error: FloatArray, ratio: FloatArray, h: FloatArray, step: BoundedArray) -> None:
    """Decide where arithmetic on NaN and infinity does not.

    A NaN or an infinity whose bound is finite is as definite as a number, and the engine must have the same; an
    infinite bound says that nothing can be known.
    """
    # A maximum hands a NaN on, and takes one pass.
    if ratio.max(initial=0.0) < np.inf and step.bound.max(initial=0.0) < np.inf:
        return
    strange = ~np.isfinite(ratio) | ~np.isfinite(step.bound)
    same = (h == step.value) | (np.isnan(h) & np.isnan(step.value))
    verdict = np.where(same | ~np.isfinite(step.bound), 0.0, np.inf)
    np.copyto(ratio, verdict, where=strange)
    np.copyto(error, verdict, where=strange & ~np.isfinite(error))
