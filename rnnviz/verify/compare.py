"""Comparison of two engines, array by array: |candidate - reference| <= atol + rtol · |reference| for every value."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, fields
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import BFLOAT16
from rnnviz.core.config import DEFAULT_TOLERANCES, Config
from rnnviz.core.gradients import GRADIENT, OF_INPUT, OF_OUTPUT
from rnnviz.core.head import HEAD
from rnnviz.core.mmap_arrays import FloatArray, ReadOnlyArrays, create_mapped
from rnnviz.core.places import Place
from rnnviz.core.trace import DERIVED, Trace
from rnnviz.core.trace_index import Location, Places
from rnnviz.frozen import dataclass
from rnnviz.verify import metrics
from rnnviz.verify.histogram import Histogram, HistogramAccumulator
from rnnviz.verify.verdict import Verdict


class Displayed:
    """A result whose arrays are too long for a representation; `rnnviz.text.verdict_text` sets its text and HTML."""

    as_text: ClassVar[Callable[[Any], str]] = object.__repr__
    as_html: ClassVar[Callable[[Any], str]] = object.__repr__

    def __repr__(self) -> str:
        return type(self).as_text(self)

    def _repr_html_(self) -> str:
        return type(self).as_html(self)


_MANY = 1 << 16


def over_time(
    folder: Path | None, kind: str, dtypes: Mapping[str, str], shape: tuple[int, ...]
) -> tuple[dict[str, NDArray[Any]], dict[str, Path]]:
    """Writable zeros (L, D, T) by name, and the paths of the new files in which they lie if they are many. Raises
    OSError if one exists, cannot be made or the disk is full."""
    if folder is None or prod(shape) < _MANY:
        return {name: np.zeros(shape, dtype) for name, dtype in dtypes.items()}, {}
    stored = {name: folder / f"{kind}.{name}.npy" for name in dtypes}
    return {name: create_mapped(stored[name], dtype, shape) for name, dtype in dtypes.items()}, stored


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

    place: Place
    reference: float
    candidate: float

    @property
    def where(self) -> Location:
        """The location of a value over time."""
        return _location(self.place)


def _location(place: Place) -> Location:
    assert place.location is not None, f"{place.array} has no lanes"
    return place.location


@dataclass(frozen=True, eq=False, repr=False)
class ArrayComparison(Displayed):
    """One array of a candidate compared with the reference's: `name` says which. Figures of errors cover the pairs in
    which both numbers are finite; `nonfinite_apart` counts those with a NaN or an infinity in one engine only, or with
    different ones. `smallest_passing_atol` would let every finite pair pass at this rtol. `unrecorded` counts pairs of
    which a recording lacks a number. The first mismatch is the first in the order of the pass, or of an array without
    time."""

    reference: str
    candidate: str
    name: str
    rtol: float
    atol: float
    elements: int
    unrecorded: int
    mismatched: int
    max_abs_error: float
    max_abs_error_place: Place
    max_error_ratio: float
    max_ulp: int
    smallest_passing_atol: float
    first_mismatch: Mismatch | None
    nonfinite_reference: int
    nonfinite_candidate: int
    nonfinite_apart: int

    @property
    def max_abs_error_at(self) -> Location:
        """The location of `max_abs_error` in an array over time."""
        return _location(self.max_abs_error_place)

    @property
    def verdict(self) -> Verdict:
        """Disagree if any value exceeds the tolerance."""
        return Verdict.DISAGREE if self.mismatched else Verdict.AGREE

    @property
    def in_backward_pass(self) -> bool:
        """Whether the array is a gradient, computed from the top layer and the last step on."""
        return self.name.startswith(GRADIENT)

    @property
    def coverage(self) -> float:
        """The fraction of the values that were compared, 0 to 1."""
        return self.elements / (self.elements + self.unrecorded)


@dataclass(frozen=True, eq=False, repr=False)
class LaneComparison(ReadOnlyArrays, ArrayComparison):
    """An array with lanes and time steps compared; the gradient of the sequence has one lane, and features as units.
    Arrays over time (L, D, T) hold the largest absolute error, the largest error ratio, infinite where non-finite
    values differ, and how many values mismatch; NaN where nothing was compared. `error_ratio_by_column` (L, D, N, H) is
    the largest of each unit of each sample. A pair of which one is NaN has an infinite distance in `ulps`. `places` are
    the reference's."""

    NAMES: ClassVar = ("error_over_time", "error_ratio_over_time", "mismatched_over_time")

    error_over_time: NDArray[np.float64]
    error_ratio_over_time: NDArray[np.float64]
    mismatched_over_time: NDArray[np.int64]
    error_ratio_by_column: NDArray[np.float64]
    error_ratios: Histogram
    ulps: Histogram
    places: Places
    stored: Mapping[str, Path] = field(default_factory=dict)

    @property
    def lanes(self) -> list[tuple[int, int]]:
        """The layer and the direction of each lane, in the order of the pass."""
        return metrics.lanes_of_pass(*self.error_over_time.shape[:2], gradients=self.in_backward_pass)

    def last_first(self, direction: int) -> bool:
        """Whether the pass goes through lanes of a direction from the last time step to the first."""
        return self.places.backward(direction) != self.in_backward_pass

    @cached_property
    def lane_mismatched(self) -> NDArray[np.int64]:
        """(L, D): how many values of each lane mismatch."""
        counts = np.asarray(self.mismatched_over_time.sum(axis=2))
        counts.flags.writeable = False
        return counts


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(LaneComparison, Mapping[str, ArrayComparison]):
    """The comparison of h, and by name of h and of other arrays that both engines give. The verdict on the forward
    pass depends on h and the result of a dense layer, the verdict on the backward pass on all gradients."""

    others: Mapping[str, ArrayComparison] = field(default_factory=dict)

    def __getitem__(self, name: str) -> ArrayComparison:
        """The comparison of one array."""
        return self if name == self.name else self.others[name]

    def __iter__(self) -> Iterator[str]:
        return iter((self.name, *self.others))

    def __len__(self) -> int:
        return 1 + len(self.others)

    @property
    def first_gradient_mismatch(self) -> "Mismatch | None":
        """The first mismatch of gradients in the order of the backward pass."""
        found = [own.first_mismatch for own in self.gradients.values() if own.first_mismatch is not None]
        lanes = [
            ((*at.gradient_order[:3], first.place.array != OF_OUTPUT), first)
            for first in found
            if (at := first.place.location) is not None
        ]
        if lanes:
            return min(lanes, key=lambda pair: pair[0])[1]
        return found[0] if found else None

    @property
    def head(self) -> ArrayComparison | None:
        """The comparison of the result of the dense layer behind the network; None without one."""
        return self.others.get(HEAD)

    @property
    def leading(self) -> ArrayComparison:
        """The comparison that a verdict reports first: of h, or of the dense layer's result, if that alone differs or
        no h was compared."""
        head = self.head
        return self if head is None or self.mismatched or (self.elements and not head.mismatched) else head

    @property
    def arrays(self) -> dict[str, LaneComparison]:
        """The comparisons of the other arrays of the forward pass, such as "c"."""
        return {name: own for name, own in self._other_lanes.items() if not own.in_backward_pass}

    @property
    def gradients(self) -> dict[str, ArrayComparison]:
        """The comparisons of all gradients, those over time first."""
        return {name: own for name, own in self.others.items() if own.in_backward_pass}

    @property
    def gradients_over_time(self) -> dict[str, LaneComparison]:
        """Those of the gradients over time, such as "grad.h"."""
        return {name: own for name, own in self._other_lanes.items() if own.in_backward_pass}

    @property
    def _other_lanes(self) -> dict[str, LaneComparison]:
        return {name: own for name, own in self.others.items() if isinstance(own, LaneComparison)}

    def of(self, name: str) -> LaneComparison:
        """The comparison of an array over time; of one that is not compared, the one of h."""
        return self._other_lanes.get(name, self)

    def mismatching(self, name: str = "h") -> LaneComparison:
        """The comparison of an array; if it has no mismatches, that of h or of a gradient with its units that has."""
        units, wanted = self.error_ratio_by_column.shape, self.of(name)
        same = (own for own in self.gradients_over_time.values() if own.error_ratio_by_column.shape == units)
        gradients = (own for own in same if own.name != OF_INPUT)
        return next((own for own in (wanted, self, *gradients) if own.mismatched), wanted)


_RATIOS, _ULPS = (-40, 39), (-1, 63)
"""The octaves of the histograms: error ratios from 1e-12 to 1e12, every distance in ulp."""


class Accumulator(Protocol):
    """A use of every block of an array, with its padding, in the order of the pass."""

    def add(self, block: metrics.ComparedBlock) -> None:
        """Take a block into account."""

    def finish(self) -> None:
        """Write what depends on all blocks."""


class _Figures:
    """The figures of the blocks of an array that were added in the order of the pass, by the fields of
    `ArrayComparison`."""

    def __init__(self, reference: Trace, candidate: Trace, name: str, rtol: float, atol: float, folder: Path | None):
        """Begin with nothing; arrays over time (L, D, T) lie in `folder` if there is one and they are many."""
        self._trace, self.reference, self.candidate = reference, reference.engine, candidate.engine
        self.name, self.rtol, self.atol = name, rtol, atol
        array = reference.in_lanes(name)
        self.elements, self.unrecorded = 0, reference.computed_count(array)
        self.max_abs_error, self._max_abs_error_at = -1.0, (0,) * array.ndim
        self.max_error_ratio = self.smallest_passing_atol = 0.0
        self.max_ulp = self.mismatched = 0
        self.first_mismatch: Mismatch | None = None
        self.nonfinite_reference = self.nonfinite_candidate = self.nonfinite_apart = 0
        self._over_time: dict[str, NDArray[Any]] | None = None
        if array.ndim == 5:
            dtypes = dict(zip(LaneComparison.NAMES, ("float64", "float64", "int64"), strict=True))
            self._over_time, self._stored = over_time(folder, f"comparison.{name}", dtypes, array.shape[:3])
            self._by_column = np.zeros((*array.shape[:2], *array.shape[3:]))
            self._error_ratios, self._ulps = HistogramAccumulator(*_RATIOS), HistogramAccumulator(*_ULPS)

    def add(self, block: metrics.ComparedBlock) -> None:
        """Add a block without its padding."""
        over_time, difference = self._over_time, block.difference
        if difference is None:
            assert over_time is not None, "rows are compared"
            over_time["error_ratio_over_time"][block.at] = over_time["error_over_time"][block.at] = np.nan
            return
        r, c = block.reference, block.candidate
        error, error_ratio, ulp = difference.error, difference.error_ratio, difference.ulp
        by_step, largest_ulp = _by_step(error_ratio), int(ulp.max())
        self.elements += r.size
        self.unrecorded -= r.size
        if over_time is not None:
            over_time["error_ratio_over_time"][block.at] = by_step
            columns, samples = self._by_column[block.start[:2]], slice(None) if block.samples is None else block.samples
            columns[samples] = np.maximum(columns[samples], error_ratio.max(axis=0))
            self._error_ratios.add(error_ratio, block)
            self._ulps.add(ulp, block)
        # An error ratio is above 1 exactly where the error is above the tolerance.
        worst = float(by_step.max())
        if worst > 1.0:
            self._add_mismatches(block, error_ratio > 1.0)
        finite = difference.finite
        if finite is not None:
            self.nonfinite_reference += int((~np.isfinite(r)).sum())
            self.nonfinite_candidate += int((~np.isfinite(c)).sum())
            self.nonfinite_apart += int(np.isinf(error[~finite]).sum())
            # Pairs that are not finite are counted above; the figures below speak of the others.
            error, largest_ulp = np.where(finite, error, 0.0), int(ulp.max(initial=0, where=finite))
            worst = float(np.where(finite, error_ratio, 0.0).max())
        by_step = _by_step(error)
        if over_time is not None:
            over_time["error_over_time"][block.at] = by_step
        largest = float(by_step.max())
        if largest > self.max_abs_error:
            self.max_abs_error, self._max_abs_error_at = largest, block.index(int(error.argmax()))
        self.max_error_ratio = max(self.max_error_ratio, worst)
        self.max_ulp = max(self.max_ulp, largest_ulp)
        if largest > self.smallest_passing_atol:
            self._raise_atol(error, r)

    def _add_mismatches(self, block: metrics.ComparedBlock, mismatched: metrics.BoolArray) -> None:
        counts = mismatched.reshape(len(mismatched), -1).sum(axis=1)
        if self._over_time is not None:
            self._over_time["mismatched_over_time"][block.at] = counts
        self.mismatched += int(counts.sum())
        if self.first_mismatch is None:
            flat = block.first(mismatched)
            pair = (float(values.flat[flat]) for values in (block.reference, block.candidate))
            self.first_mismatch = Mismatch(self._place(block.index(flat)), *pair)

    def _place(self, index: tuple[int, ...]) -> Place:
        return self._trace.place(self.name, index[2:] if self.name == OF_INPUT else index)

    def _raise_atol(self, error: FloatArray, r: FloatArray) -> None:
        """Raise the atol until the block passes with it."""
        large = error > self.smallest_passing_atol
        # Not limit - atol, which is no longer what was added to atol.
        relative = metrics.tolerance(r[large], self.rtol, 0.0)
        self.smallest_passing_atol = metrics.passing_atol(error[large], relative, self.smallest_passing_atol)

    def comparison(self) -> ArrayComparison:
        """The figures, once every block has been added."""
        self.max_abs_error = max(self.max_abs_error, 0.0)
        self.max_abs_error_place = self._place(self._max_abs_error_at)
        figures = {own.name: getattr(self, own.name) for own in fields(ArrayComparison)}
        if self._over_time is None:
            return ArrayComparison(**figures)
        places = self._trace.places
        return LaneComparison(
            **figures,
            **self._over_time,  # type: ignore[arg-type]
            error_ratio_by_column=self._by_column,
            error_ratios=self._error_ratios.histogram(places),
            ulps=self._ulps.histogram(places),
            places=places,
            stored=self._stored,
        )


def _by_step(values: NDArray[Any]) -> NDArray[np.float64]:
    """(B,): the maximum at each time step of (B, N, H), or in each row."""
    return np.asarray(values.reshape(len(values), -1).max(axis=1))


def shared_arrays(reference: Trace, candidate: Trace) -> list[str]:
    """Names of the arrays over time that both engines give, but for gradients: derived arrays would say no more than h,
    and the consistency checks compare out and the final states."""
    if reference.partial or candidate.partial:
        return ["h"]
    names = (name for name in reference.over_time() if name != "h" and not name.startswith((DERIVED, GRADIENT)))
    return ["h", *(name for name in names if name in candidate)]


def gradient_atol(atol: float, reference: FloatArray) -> float:
    """The absolute tolerance of gradients, which have no scale: they are as large as the loss makes them."""
    return atol * max(1.0, metrics.largest_magnitude(reference))


def compare(
    reference: Trace,
    candidate: Trace,
    rtol: float,
    atol: float,
    progress: Callable[[float], None] = lambda _: None,
    accumulators: Sequence[Accumulator] = (),
    *,
    name: str = "h",
    folder: Path | None = None,
) -> ArrayComparison:
    """Compare every value of an array of two traces of one network, block by block; `atol` is that of the array. Values
    that a recording lacks are not compared. Arrays over time lie in `folder` if they are long: OSError if it is
    full."""
    figures = _Figures(reference, candidate, name, rtol, atol, folder)
    done, size = 0, reference[name].size
    for block in metrics.compared_blocks(reference, candidate, name, metrics.BlockDifferences(rtol, atol)):
        figures.add(block.computed)
        for accumulator in accumulators:
            accumulator.add(block)
        done += block.reference.size
        progress(done / size)
    for accumulator in accumulators:
        accumulator.finish()
    return figures.comparison()


def compare_all(
    reference: Trace,
    candidate: Trace,
    rtol: float,
    atol: float,
    progress: Callable[[float], None] = lambda _: None,
    accumulators: Callable[[str], Sequence[Accumulator]] = lambda _: (),
    *,
    folder: Path | None = None,
) -> Comparison:
    """Compare every array that two traces share; `accumulators` gives those of an array."""
    found: dict[str, ArrayComparison] = {}
    # Those over time come first.
    every = dict.fromkeys((*reference.gradients_over_time(), *reference))
    gradients = [name for name in every if name.startswith(GRADIENT) and name in candidate]
    head = [HEAD] if HEAD in reference and HEAD in candidate else []
    names = [*shared_arrays(reference, candidate), *head, *gradients]
    for place, name in enumerate(names):
        found[name] = compare(
            reference,
            candidate,
            rtol,
            gradient_atol(atol, reference.in_lanes(name)) if name in gradients else atol,
            lambda done, place=place: progress((place + done) / len(names)),  # type: ignore[misc]
            accumulators(name) if reference.in_lanes(name).ndim == 5 else (),
            name=name,
            folder=folder,
        )
    return Comparison(**vars(found.pop("h")), others=found)
