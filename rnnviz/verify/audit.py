"""The step audit: every step of an engine is checked by itself, in the forward and in the backward pass.

From the engine's own previous state and layer input, or gradients of the next step, a value is computed in float64 and
must be met within eight running rounding bounds (`running_error`). Errors do not add up: the audit shows which of two
engines is wrong, and a chaotic network is still found right.

Where eight bounds are too many, a value within them is *undetermined*: more than `forward_pass.JUDGED` of the largest
hidden value that a cell can have, or 1/64 of the largest gradient of a vector. So it is for infinite bounds, and for
float16, whose eight bounds are 0.8 %. A relu is judged relative to its terms. A value that no argument could
give, such as 7 of a tanh, is wrong whatever the bound.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray
from rnnviz.core.gradients import GRADIENT
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray, ReadOnlyArrays
from rnnviz.core.places import Place, entry_place
from rnnviz.core.trace import LINE, Trace
from rnnviz.core.trace_index import Location
from rnnviz.frozen import dataclass
from rnnviz.verify.audited import Block, Expected, Pass, walk
from rnnviz.verify.backward_pass import BackwardPass
from rnnviz.verify.compare import Comparison, over_time
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.forward_pass import ForwardPass
from rnnviz.verify.metrics import error_ratio
from rnnviz.verify.verdict import AuditVerdict, PassName


@dataclass(frozen=True)
class WrongValue:
    """A value outside its bound: the engine's, and the one that follows from the engine's own numbers."""

    where: Place
    value: float
    expected: float

    @property
    def name(self) -> str:
        """The name of a line that a custom step returns."""
        return self.where.array.removeprefix(LINE)


@dataclass(frozen=True)
class Audit(ReadOnlyArrays):
    """Result of the audit of one pass of one engine.

    `worst_ratio` is the largest |value - expected| / bound, infinite where a NaN or an infinity is out of place.
    `ratio_over_time` and `error_over_time` (L, D, T) are the largest ratio and |value - expected| of h, or of grad.h,
    and NaN where nothing was looked at. Of `elements` values `audited` were looked at, and `undetermined_count` of
    these are neither wrong nor known to be right; `undetermined_mismatches` of those are outside the tolerance, by the
    other engine.

    `lines` are the compared lines and states of a custom step; `first_line` is the first of them that differs, at the
    first time step at which any does. `checks` compare cell states with those that follow from hidden values.
    """

    NAMES: ClassVar = ("ratio_over_time", "error_over_time")

    engine: str
    worst_ratio: float
    worst_at: Place
    wrong: int
    first_wrong: WrongValue | None
    audited: int
    elements: int
    ratio_over_time: NDArray[np.float64] = field(repr=False)
    error_over_time: NDArray[np.float64] = field(repr=False)
    stored: Mapping[str, Path] = field(default_factory=dict)
    undetermined_count: int = 0
    undetermined_mismatches: Mapping[str, int] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    lines: tuple[str, ...] = ()
    first_line: WrongValue | None = None
    way: PassName = "forward"

    @property
    def verdict(self) -> AuditVerdict:
        """Right speaks of the values that could be judged."""
        if not self.audited:
            return AuditVerdict.NOT_AUDITED
        if self.wrong:
            return AuditVerdict.WRONG
        return AuditVerdict.UNDETERMINED if self.undetermined_count == self.audited else AuditVerdict.RIGHT

    @property
    def first_location(self) -> Location | None:
        """The location of the first wrong value; None without one, or where it is of no array (L, D, T, N, U)."""
        return None if self.first_wrong is None else self.first_wrong.where.location

    @property
    def undetermined(self) -> float:
        """The fraction of the audited values that the audit can say nothing of, 0 to 1."""
        return self.undetermined_count / self.audited if self.audited else 0.0

    @property
    def coverage(self) -> float:
        """The fraction of the values that were looked at, 0 to 1."""
        return self.audited / self.elements


def audit(
    inputs: Inputs,
    trace: Trace,
    comparisons: Sequence[Comparison] = (),
    *,
    way: PassName = "forward",
    full: bool = False,
    **options: Any,
) -> Audit:
    """Audit a pass of one engine, all of it if `full` or if it is small; `options` go to `audit_pass`."""
    made = {"forward": ForwardPass, "backward": BackwardPass}[way]
    return audit_pass(made(inputs, trace, comparisons, full=full), **options)


def audit_pass(
    way: Pass,
    traces: Mapping[str, Trace] = {},
    progress: Callable[[float], None] = lambda _: None,
    folder: Path | None = None,
) -> Audit:
    """Compare an engine's values with those that each step gives; undetermined values are looked up in `traces`. The
    figures of each time step lie in `folder` if there is one and they are many. Raises OSError if it takes no more."""
    steps, lines, trace = _Tally(way, traces), _First(way), way.trace
    figures, stored = over_time(folder, f"{way.name}_audit", dict.fromkeys(Audit.NAMES, "float64"), trace.shape[:3])
    for array in figures.values():
        array[...] = np.nan
    with np.errstate(all="ignore"):
        for expected in walk(way, progress):
            block = expected.block
            own = block.read(trace[block.name])
            error, ratio = error_and_ratio(own, expected.value)
            if expected.line:
                lines.note(expected, own, ratio)
                continue
            steps.add(expected, own, ratio)
            if block.name == way.over_time:
                for name, values in zip(Audit.NAMES, (ratio, error), strict=True):
                    row, times = figures[name][block.prefix], block.axes[0]
                    row[times] = np.fmax(row[times], values.max(axis=tuple(range(1, values.ndim))))
    return Audit(
        engine=trace.engine,
        worst_ratio=max(steps.worst, 0.0),
        worst_at=steps.worst_at,
        wrong=steps.wrong,
        first_wrong=steps.first.found,
        audited=steps.audited,
        elements=sum(trace.computed_count(trace.in_lanes(name)) for name in way.arrays),
        **figures,
        stored=stored,
        undetermined_count=steps.undetermined,
        undetermined_mismatches={name: count for name, count in steps.mismatches.items() if count},
        # A wrong step has a wrong cell state as well: the check would say it twice.
        checks=() if steps.wrong else way.checks(),
        lines=way.lines,
        first_line=lines.found,
        way=way.name,
    )


def error_and_ratio(own: FloatArray, expected: BoundedArray) -> tuple[FloatArray, FloatArray]:
    """|own - expected|, and how many bounds that is. A NaN or an infinity whose bound is finite is as definite as a
    number, and the engine must have the same; an infinite bound says that nothing can be known."""
    error = np.abs(own - expected.value)
    ratio = error / expected.bound
    ratio[error == 0.0] = 0.0
    # A maximum hands a NaN on, and takes one pass.
    if not (ratio.max(initial=0.0) < np.inf and expected.bound.max(initial=0.0) < np.inf):
        strange = ~np.isfinite(ratio) | ~np.isfinite(expected.bound)
        same = (own == expected.value) | (np.isnan(own) & np.isnan(expected.value))
        verdict = np.where(same | ~np.isfinite(expected.bound), 0.0, np.inf)
        np.copyto(ratio, verdict, where=strange)
        np.copyto(error, verdict, where=strange & ~np.isfinite(error))
    return error, ratio


class _First:
    """The first wrong value in the order of a pass."""

    def __init__(self, way: Pass) -> None:
        self._network = way.inputs.network
        self._order: tuple[int, ...] | None = None
        self.found: WrongValue | None = None

    def note(self, expected: Expected, own: FloatArray, ratio: FloatArray) -> None:
        wrong, block = ratio > ALLOWED, expected.block
        if not wrong.any():
            return
        at = block.first(wrong)
        order = block.order_of(at)
        if self._order is None or order < self._order:
            where = entry_place(self._network, block.name, block.index(at))
            self._order, self.found = order, WrongValue(where, float(own[at]), float(expected.value.value[at]))


class _Tally:
    """The running figures of one audit."""

    def __init__(self, way: Pass, traces: Mapping[str, Trace]) -> None:
        self._network, self._engine = way.inputs.network, way.trace.engine
        pairs = [(c, c.candidate if self._engine == c.reference else c.reference) for c in way.comparisons]
        self._compared = [
            (c, traces[other]) for c, other in pairs if other in traces and self._engine in (c.reference, c.candidate)
        ]
        self.mismatches = {other.engine: 0 for _, other in self._compared}
        self.worst, self.worst_at = -1.0, entry_place(self._network, way.over_time, (0, 0, 0, 0, 0))
        self.wrong = self.audited = self.undetermined = 0
        self.first = _First(way)

    def add(self, expected: Expected, own: FloatArray, ratio: FloatArray) -> None:
        """Count a block; its ratios become those beyond what any argument gives where its bound does not judge."""
        block, fresh = expected.block, expected.fresh
        if expected.limit is not None:
            unknown = ~(expected.value.bound <= expected.limit)
            if expected.beyond is not None:
                # Elsewhere the bound judges: errors of saturated gates may add up to several eps beyond 1.
                np.fmax(ratio, expected.beyond, out=ratio, where=unknown)
            unknown = unknown & (ratio <= ALLOWED)
            self._count_undetermined(block, own, unknown if fresh is None else unknown & fresh)
        self.audited += own.size if fresh is None else len(own) * int(fresh.sum())
        flat = int(ratio.argmax())
        largest = float(ratio.flat[flat])
        if largest > self.worst:
            at = block.index(np.unravel_index(flat, ratio.shape))
            self.worst, self.worst_at = largest, entry_place(self._network, block.name, at)
        if largest > ALLOWED:
            wrong = ratio > ALLOWED
            self.wrong += int((wrong if fresh is None else wrong & fresh).sum())
            self.first.note(expected, own, ratio)

    def _count_undetermined(self, block: Block, own: FloatArray, unknown: NDArray[np.bool_]) -> None:
        """Count values, and how many are outside the tolerance by another engine."""
        count = int(unknown.sum())
        if not count:
            return
        self.undetermined += count
        for comparison, other in self._compared:
            found = comparison.get(block.name) if block.name.startswith(GRADIENT) else comparison.of(block.name)
            if found is not None:
                theirs = block.read(other[block.name])
                pair = (own, theirs) if comparison.reference == self._engine else (theirs, own)
                outside = error_ratio(*pair, found.rtol, found.atol) > 1.0
                self.mismatches[other.engine] += int((outside & unknown).sum())
