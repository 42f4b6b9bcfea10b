"""Comparison of two engines, array by array: |candidate - reference| <= atol + rtol · |reference| for every value."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.float_types import BFLOAT16
from rnnviz.core.config import DEFAULT_TOLERANCES, Config
from rnnviz.core.gradients import GRADIENT, OF_INPUT
from rnnviz.core.lengths import computed_parts
from rnnviz.core.mmap_arrays import FloatArray, create_mapped, open_mapped
from rnnviz.core.trace import DERIVED, Trace
from rnnviz.core.trace_index import Location, time_blocks
from rnnviz.frozen import dataclass
from rnnviz.verify.histogram import Histogram, HistogramAccumulator
from rnnviz.verify.metrics import (
    BlockDifference,
    BlockDifferences,
    blocks,
    largest_magnitude,
    passing_atol,
    tolerance,
)
from rnnviz.verify.verdict import Verdict


class Displayed:
    """A result whose arrays are too long for a representation; `rnnviz.results.tables` sets its text and HTML."""

    as_text: ClassVar[Callable[[Any], str]] = object.__repr__
    as_html: ClassVar[Callable[[Any], str]] = object.__repr__

    def __repr__(self) -> str:
        return type(self).as_text(self)

    def _repr_html_(self) -> str:
        return type(self).as_html(self)


_MANY = 1 << 16


class OverTime:
    """A frozen dataclass with arrays (L, D, T) that `NAMES` lists, read-only, and the beginning of their files' paths.

    `stored` is None where they are in memory. Of a long run they would fill the pipe, and then the memory of any user
    who shows the result: through a pipe goes where they lie and not what they hold.
    """

    NAMES: ClassVar[tuple[str, ...]]
    stored: Path | None

    def __post_init__(self) -> None:
        self.protect()

    def protect(self) -> None:
        """Let no one write to the arrays."""
        for name in self.NAMES:
            vars(self)[name].flags.writeable = False

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the arrays that lie in files."""
        return {name: value for name, value in vars(self).items() if self.stored is None or name not in self.NAMES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the arrays that lie in files, and protect the others again, for a pipe forgets that they were.

        Raises OSError or ValueError if a file is gone.
        """
        self.__dict__.update(state)
        if self.stored is not None:
            self.__dict__.update({name: open_mapped(_path(self.stored, name)) for name in self.NAMES})
        self.protect()


def over_time(
    folder: Path | None, kind: str, dtypes: dict[str, str], shape: tuple[int, ...]
) -> tuple[dict[str, NDArray[Any]], Path | None]:
    """Make writable zeros, in new files if they are many.

    `shape` is (L, D, T). Returns tuple[dict[str, ndarray], Path | None]: arrays (L, D, T) by name, and the beginning of
    their paths if they lie in files. Raises OSError if a file exists, cannot be made or the disk is full.
    """
    if folder is None or prod(shape) < _MANY:
        return {name: np.zeros(shape, dtype) for name, dtype in dtypes.items()}, None
    stored = folder / kind
    return {name: create_mapped(_path(stored, name), dtype, shape) for name, dtype in dtypes.items()}, stored


def _path(stored: Path, name: str) -> Path:
    return stored.with_name(f"{stored.name}.{name}.npy")


_BY_PRECISION = {BFLOAT16: (1.6e-2, 1e-5), "float16": (1e-3, 1e-5), **DEFAULT_TOLERANCES}
"""Those of torch.testing.assert_close."""

_IN_HALF = {"float16": (1e-3, 1e-3), BFLOAT16: (1.6e-2, 8e-3)}
"""Of recordings that were computed in half precision: atol is the spacing at 1, since gates are sums of many terms."""


def tolerances(config: Config, *traces: Trace) -> tuple[float, float]:
    """(rtol, atol): as the config gives them, else the `defaults`."""
    return config.compare.tolerances(*defaults(config, *traces))


def defaults(config: Config, *traces: Trace) -> tuple[float, float]:
    """(rtol, atol) of the coarsest type that the network or any of the traces has or was computed in."""
    recorded = (kind for trace in traces for kind in (trace.precision, trace.computed_in) if kind)
    usual = [_BY_PRECISION[kind] for kind in (config.network.dtype, *recorded)]
    return max([*usual, *(_IN_HALF[trace.half] for trace in traces if trace.half)])


@dataclass(frozen=True)
class Mismatch:
    """A place where two engines differ by more than the tolerance, and what each has there."""

    where: Location
    reference: float
    candidate: float


@dataclass(frozen=True)
class EntryMismatch:
    """The index of an entry in which two engines differ by more than the tolerance, and what each has there."""

    where: tuple[int, ...]
    reference: float
    candidate: float


@dataclass(frozen=True)
class GradientComparison:
    """The gradient of a parameter or of an initial state, `name`, of a candidate compared with the reference's.

    The figures are those of a `Comparison`; `max_abs_error_at` is an index of the array. The first mismatch is the
    first in the order of the array.
    """

    reference: str
    candidate: str
    name: str
    rtol: float
    atol: float
    elements: int
    mismatched: int
    max_abs_error: float
    max_abs_error_at: tuple[int, ...]
    max_error_ratio: float
    max_ulp: int
    first_mismatch: EntryMismatch | None
    nonfinite_apart: int


@dataclass(frozen=True, repr=False)
class Comparison(Displayed, OverTime):
    """One array of a candidate compared with the reference's: `name` says which.

    `max_abs_error`, `max_error_ratio`, `max_ulp` and `smallest_passing_atol` cover the pairs in which both
    numbers are finite. `nonfinite_apart` counts the pairs with a NaN or an infinity in one engine only, or with
    different ones. `smallest_passing_atol` is the smallest atol with which every finite pair would pass at this rtol.

    The arrays over time have the shape (L, D, T), over all samples and units: the largest absolute error, the
    largest error ratio (infinite where non-finite values differ), and how many values mismatch.
    `error_ratio_by_column` (L, D, N, H) is the largest error ratio of each unit of each sample over time.

    `elements` counts the pairs that were compared, `unrecorded` those of which a recording lacks a number. Where
    nothing was compared the error and the error ratio over time are NaN.

    `reverse` says that the only direction goes backward: the order of computation begins at T-1.

    `arrays` has, in the comparison of h, those of the other arrays that both engines give, by name. The verdict does
    not depend on them. So has `gradients` those of the gradients over time, such as "grad.h", and `parameter_gradients`
    those of the other gradients, such as "grad.h0"; the verdict on the backward pass depends on them. The gradient of
    the sequence, "grad.input", has one lane and features as units.

    `error_ratios` and `ulps` say how all values are spread; a pair of which one is NaN has an infinite distance.
    """

    NAMES: ClassVar = ("error_over_time", "error_ratio_over_time", "mismatched_over_time")

    reference: str
    candidate: str
    rtol: float
    atol: float
    elements: int
    mismatched: int
    max_abs_error: float
    max_abs_error_at: Location
    max_error_ratio: float
    max_ulp: int
    smallest_passing_atol: float
    first_mismatch: Mismatch | None
    nonfinite_reference: int
    nonfinite_candidate: int
    nonfinite_apart: int
    error_over_time: NDArray[np.float64]
    error_ratio_over_time: NDArray[np.float64]
    mismatched_over_time: NDArray[np.int64]
    error_ratio_by_column: NDArray[np.float64]
    error_ratios: Histogram
    ulps: Histogram
    stored: Path | None = None
    unrecorded: int = 0
    reverse: bool = False
    name: str = "h"
    arrays: "Mapping[str, Comparison]" = field(default_factory=dict)
    gradients: "Mapping[str, Comparison]" = field(default_factory=dict)
    parameter_gradients: Mapping[str, GradientComparison] = field(default_factory=dict)

    def protect(self) -> None:
        """Let no one write to the arrays."""
        super().protect()
        self.error_ratio_by_column.flags.writeable = False

    @property
    def verdict(self) -> Verdict:
        """Disagree if any value exceeds the tolerance."""
        return Verdict.DISAGREE if self.mismatched else Verdict.AGREE

    def of(self, name: str) -> "Comparison":
        """The comparison of an array over time; of one that is not compared, the one of h."""
        return self.arrays.get(name) or self.gradients.get(name, self)

    def mismatching(self, name: str = "h") -> "Comparison":
        """The comparison of an array; if it has no mismatches, that of h or of a gradient with its units that has."""
        units = self.error_ratio_by_column.shape
        same = (own for own in self.gradients.values() if own.error_ratio_by_column.shape == units)
        wanted, gradients = self.of(name), (own for own in same if own.name != OF_INPUT)
        return next((own for own in (wanted, self, *gradients) if own.mismatched), wanted)

    @property
    def in_backward_pass(self) -> bool:
        """Whether the array is a gradient, computed from the top layer and the last step on."""
        return self.name.startswith(GRADIENT)

    @property
    def every_gradient(self) -> "list[Comparison | GradientComparison]":
        """The comparisons of all gradients, those over time first."""
        return [*self.gradients.values(), *self.parameter_gradients.values()]

    @property
    def coverage(self) -> float:
        """The fraction of the values that were compared, 0 to 1."""
        return self.elements / (self.elements + self.unrecorded)

    @cached_property
    def lane_mismatched(self) -> NDArray[np.int64]:
        """(L, D): how many values of each lane mismatch."""
        counts = np.asarray(self.mismatched_over_time.sum(axis=2))
        counts.flags.writeable = False
        return counts


_RATIOS, _ULPS = (-40, 39), (-1, 63)
"""The octaves of the histograms: error ratios from 1e-12 to 1e12, every distance in ulp."""


class _Accumulator:
    """The figures of the blocks of an array that were added, which come in the order of computation."""

    def __init__(self, reference: Trace, candidate: Trace, rtol: float, atol: float, name: str, folder: Path | None):
        """Begin with nothing; arrays over time (L, D, T) lie in `folder` if there is one and they are many."""
        self._pair, self._name, self._rtol, self._atol = (reference, candidate), name, rtol, atol
        array = reference.in_lanes(name)
        self._reverse, self._gradients, shape = reference.reverse, name.startswith(GRADIENT), array.shape
        self._elements, self._size = 0, reference.computed_count(array)
        dtypes = dict(zip(Comparison.NAMES, ("float64", "float64", "int64"), strict=True))
        self._over_time, self._stored = over_time(folder, f"comparison.{name}", dtypes, shape[:3])
        self._by_column = np.zeros((*shape[:2], *shape[3:]))
        self._max_abs_error, self._max_abs_error_at = -1.0, Location(reverse=self._reverse)
        self._max_error_ratio, self._max_ulp, self._passing_atol = 0.0, 0, 0.0
        self._mismatched = 0
        self._first: Mismatch | None = None
        self._nonfinite = [0, 0, 0]
        self._error_ratios, self._ulps = (
            HistogramAccumulator(*octaves, reverse=self._reverse, gradients=self._gradients)
            for octaves in (_RATIOS, _ULPS)
        )

    def add(
        self,
        layer: int,
        direction: int,
        start: int,
        r: FloatArray,
        c: FloatArray,
        difference: BlockDifference | None,
        samples: NDArray[np.intp] | None = None,
    ) -> None:
        """Add a block of time steps (B, N, H) and its difference, None where the values are not compared.

        `samples` are those of the block, where it lacks some.
        """
        times = layer, direction, slice(start, start + len(r))
        if difference is None:
            self._over_time["error_ratio_over_time"][times] = self._over_time["error_over_time"][times] = np.nan
            return
        self._elements += r.size
        error, error_ratio, ulp = difference.error, difference.error_ratio, difference.ulp
        over_time = self._over_time["error_ratio_over_time"][times] = _over_time(error_ratio)
        columns = self._by_column[layer, direction]
        if samples is None:
            np.maximum(columns, error_ratio.max(axis=0), out=columns)
        else:
            columns[samples] = np.maximum(columns[samples], error_ratio.max(axis=0))
        largest_ulp = int(ulp.max())
        self._error_ratios.add(error_ratio, layer, direction, start, samples)
        self._ulps.add_distances(ulp, layer, direction, start, largest_ulp, samples)
        # An error ratio is above 1 exactly where the error is above the tolerance.
        worst = float(over_time.max())
        if worst > 1.0:
            self._mismatches(layer, direction, start, error_ratio > 1.0, r, c, samples)
        finite = difference.finite
        if finite is not None:
            self._nonfinite[0] += int((~np.isfinite(r)).sum())
            self._nonfinite[1] += int((~np.isfinite(c)).sum())
            self._nonfinite[2] += int(np.isinf(error[~finite]).sum())
            # Pairs that are not finite are counted above; the figures below speak of the others.
            error, largest_ulp = np.where(finite, error, 0.0), int(ulp.max(initial=0, where=finite))
            worst = float(np.where(finite, error_ratio, 0.0).max())
        error_over_time = self._over_time["error_over_time"][times] = _over_time(error)
        largest = float(error_over_time.max())
        if largest > self._max_abs_error:
            t, sample, unit = (int(i) for i in np.unravel_index(int(error.argmax()), error.shape))
            self._max_abs_error, sample = largest, sample if samples is None else int(samples[sample])
            self._max_abs_error_at = Location(layer, direction, start + t, sample, unit, reverse=self._reverse)
        self._max_error_ratio = max(self._max_error_ratio, worst)
        self._max_ulp = max(self._max_ulp, largest_ulp)
        if largest > self._passing_atol:
            self._pass(error, r)

    def _mismatches(
        self,
        layer: int,
        direction: int,
        start: int,
        mismatched: NDArray[np.bool_],
        r: FloatArray,
        c: FloatArray,
        samples: NDArray[np.intp] | None,
    ) -> None:
        counts = mismatched.reshape(len(r), -1).sum(axis=1)
        self._over_time["mismatched_over_time"][layer, direction, start : start + len(r)] = counts
        self._mismatched += int(counts.sum())
        if self._first is None:
            times = np.flatnonzero(counts)
            from_end = bool(self._reverse or direction) != self._gradients
            t = int(times[-1] if from_end else times[0])
            sample, unit = (int(i) for i in np.argwhere(mismatched[t])[0])
            row = sample if samples is None else int(samples[sample])
            where = Location(layer, direction, start + t, row, unit, reverse=self._reverse)
            self._first = Mismatch(where, float(r[t, sample, unit]), float(c[t, sample, unit]))

    def _pass(self, error: FloatArray, r: FloatArray) -> None:
        """Raise the atol until the block passes with it."""
        flat = int(error.argmax())
        # The pair with the largest error needs what its own rtol leaves, and rounding halves that at most: a pair
        # whose error is less needs no look.
        needed = (float(error.flat[flat]) - abs(float(r.flat[flat])) * self._rtol) / 2.0
        if needed == np.inf:
            self._passing_atol = needed
            return
        large = error > max(self._passing_atol, needed)
        # Not limit - atol, which is no longer what was added to atol.
        relative = tolerance(r[large], self._rtol, 0.0)
        self._passing_atol = passing_atol(error[large], relative, self._passing_atol)

    def comparison(self) -> Comparison:
        """The figures, once every block has been added."""
        reference, candidate = self._pair
        return Comparison(
            reference=reference.engine,
            candidate=candidate.engine,
            rtol=self._rtol,
            atol=self._atol,
            elements=self._elements,
            mismatched=self._mismatched,
            max_abs_error=max(self._max_abs_error, 0.0),
            max_abs_error_at=self._max_abs_error_at,
            max_error_ratio=self._max_error_ratio,
            max_ulp=self._max_ulp,
            smallest_passing_atol=self._passing_atol,
            first_mismatch=self._first,
            nonfinite_reference=self._nonfinite[0],
            nonfinite_candidate=self._nonfinite[1],
            nonfinite_apart=self._nonfinite[2],
            **self._over_time,  # type: ignore[arg-type]
            error_ratio_by_column=self._by_column,
            error_ratios=self._error_ratios.histogram(),
            ulps=self._ulps.histogram(),
            stored=self._stored,
            reverse=self._reverse,
            unrecorded=self._size - self._elements,
            name=self._name,
        )


def _over_time(values: NDArray[Any]) -> NDArray[np.float64]:
    """(B,): the maximum at each time step of (B, N, H)."""
    return np.asarray(values.reshape(len(values), -1).max(axis=1))


_BLOCK_VALUES = 1 << 17
"""Number of values in a block: large enough to amortize the calls, small enough that the float64 temporaries
stay in the last-level cache."""

Watch: TypeAlias = Callable[[int, int, int, FloatArray, FloatArray, BlockDifference | None], None]
"""Called with layer, direction, first time step, the reference's and the candidate's values (B, N, H) from it on, and
their difference, whose memory is used again; None where they are not compared."""


def shared_arrays(reference: Trace, candidate: Trace) -> list[str]:
    """Names of the arrays over time that both engines give, but for gradients.

    Gates and cell states that an engine does not give are derived from its h, so that comparing them would say no more
    than comparing h. Out and the final states are compared with h by the consistency checks.
    """
    if reference.partial or candidate.partial:
        return ["h"]
    names = (name for name in reference.over_time() if name != "h" and not name.startswith((DERIVED, GRADIENT)))
    return ["h", *(name for name in names if name in candidate)]


def shared_gradients(reference: Trace, candidate: Trace) -> list[str]:
    """Names of the gradients that both engines give."""
    over_time = reference.gradients_over_time()
    others = (name for name in reference if name.startswith(GRADIENT) and name not in over_time)
    return [name for name in (*over_time, *others) if name in candidate]


def gradient_atol(atol: float, reference: FloatArray) -> float:
    """The absolute tolerance of gradients, which have no scale: they are as large as the loss makes them."""
    return atol * max(1.0, largest_magnitude(reference))


def compare(
    reference: Trace,
    candidate: Trace,
    rtol: float,
    atol: float,
    progress: Callable[[float], None] = lambda _: None,
    watch: Watch = lambda *_: None,
    *,
    name: str = "h",
    folder: Path | None = None,
) -> Comparison:
    """Compare every value of an array of two traces of one network, block by block.

    Values that a recording lacks are not compared.

    `name` is (L, D, T, N, U); `folder` is (L, D, T). Raises OSError if the disk is full.
    """
    ours, theirs = reference.in_lanes(name), candidate.in_lanes(name)
    tally, differences = _Accumulator(reference, candidate, rtol, atol, name, folder), BlockDifferences(rtol, atol)
    # Time steps that are done, of all lanes.
    done, gradients = 0, name.startswith(GRADIENT)
    for layer, direction, times, known in _blocks(reference, candidate, ours.shape, gradients=gradients):
        r, c = (np.asarray(array[layer, direction, times]) for array in (ours, theirs))
        computed = _computed(reference, times) if known else None
        if computed is None:
            difference = differences.of(r, c) if known else None
            tally.add(layer, direction, times.start, r, c, difference)
        else:
            own_r, own_c = r[:, computed], c[:, computed]
            own = differences.of(own_r, own_c) if len(computed) else None
            tally.add(layer, direction, times.start, own_r, own_c, own, computed)
            difference = differences.of(r, c)
        watch(layer, direction, times.start, r, c, difference)
        done += len(r)
        progress(done / prod(ours.shape[:3]))
    return tally.comparison()


def compare_entries(reference: Trace, candidate: Trace, rtol: float, atol: float, name: str) -> GradientComparison:
    """Compare the gradients of a parameter or of an initial state."""
    ours, theirs, differences = reference[name], candidate[name], BlockDifferences(rtol, atol)
    mismatched = apart = max_ulp = start = 0
    largest, largest_at, largest_ratio = -1.0, 0, 0.0
    first: EntryMismatch | None = None
    for r, c in zip(blocks(ours), blocks(theirs), strict=True):
        difference = differences.of(r, c)
        outside = difference.error_ratio > 1.0
        mismatched += int(outside.sum())
        if first is None and outside.any():
            at = int(outside.argmax())
            index = tuple(int(i) for i in np.unravel_index(start + at, ours.shape))
            first = EntryMismatch(index, float(r.flat[at]), float(c.flat[at]))
        finite = np.ones(r.shape, np.bool_) if difference.finite is None else difference.finite
        apart += int(np.isinf(difference.error[~finite]).sum())
        error = np.where(finite, difference.error, 0.0)
        largest_ratio = max(largest_ratio, float(difference.error_ratio.max(initial=0.0, where=finite)))
        max_ulp = max(max_ulp, int(difference.ulp.max(initial=0, where=finite)))
        if float(error.max()) > largest:
            largest, largest_at = float(error.max()), start + int(error.argmax())
        start += r.size
    return GradientComparison(
        reference=reference.engine,
        candidate=candidate.engine,
        name=name,
        rtol=rtol,
        atol=atol,
        elements=ours.size,
        mismatched=mismatched,
        max_abs_error=max(largest, 0.0),
        max_abs_error_at=tuple(int(i) for i in np.unravel_index(largest_at, ours.shape)),
        max_error_ratio=largest_ratio,
        max_ulp=max_ulp,
        first_mismatch=first,
        nonfinite_apart=apart,
    )


def _computed(trace: Trace, times: slice) -> NDArray[np.intp] | None:
    """The samples that are computed in a block; None if all are."""
    if not trace.lengths:
        return None
    computed = np.flatnonzero(np.asarray(trace.lengths) >= times.stop)
    return None if len(computed) == len(trace.lengths) else computed


def compared(reference: Trace, candidate: Trace, layer: int, direction: int) -> range:
    """Time steps of a lane at which both traces have hidden states."""
    recorded = [trace.recorded(layer, direction) for trace in (reference, candidate)]
    start = max(part.start for part in recorded)
    return range(start, max(start, min(part.stop for part in recorded)))


def _blocks(
    reference: Trace, candidate: Trace, shape: tuple[int, ...], *, gradients: bool
) -> Iterator[tuple[int, int, slice, bool]]:
    """Slices of time of every lane, in the order of computation, and whether they are compared.

    A slice is compared or missing as a whole, and a sample computed in all of it or padding. A recording that has
    gradients has all of an array.
    """
    layers, directions, timesteps, samples, units = shape
    length = max(1, _BLOCK_VALUES // (samples * units))
    for place, direction in np.ndindex(layers, directions):
        layer = layers - 1 - place if gradients else place
        both = range(timesteps) if gradients else compared(reference, candidate, layer, direction)
        backward = reference.backward(direction) != gradients
        parts = range(both.start), both, range(both.stop, timesteps)
        for recorded in parts[:: -1 if backward else 1]:
            for part, _ in computed_parts(reference.lengths, recorded, backward=backward):
                for times in time_blocks(part, length, backward=backward):
                    yield layer, direction, times, recorded is both
