"""Result of the comparison of two engines."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.trace_index import Location
from rnnviz.verify.displayed import Displayed
from rnnviz.verify.histogram import Histogram
from rnnviz.verify.per_timestep import OverTime
from rnnviz.verify.verdict import Verdict


@dataclass(frozen=True)
class Mismatch:
    """A place where two engines differ by more than the tolerance, and what each has there."""

    where: Location
    reference: float
    candidate: float


@dataclass(frozen=True, repr=False)
class Comparison(Displayed, OverTime):
    """A candidate compared with the reference.

    `max_abs_error`, `max_error_ratio`, `max_ulp` and `smallest_passing_atol` cover the pairs in which both
    numbers are finite. `nonfinite_apart` counts the pairs with a NaN or an infinity in one engine only, or with
    different ones. `smallest_passing_atol` is the smallest atol with which every finite pair would pass at this rtol.

    The arrays over time have the shape (L, D, T), over all samples and units: the largest absolute error, the
    largest error ratio (infinite where non-finite values differ), and how many values mismatch.
    `violation_by_column` (L, D, N, H) is the largest error ratio of each unit of each sample over time.

    `elements` counts the pairs that were compared, `unrecorded` those of which a recording lacks a number. Where
    nothing was compared the error and the error ratio over time are NaN.

    `reverse` says that the only direction goes backward: the order of computation begins at T-1.

    `violations` and `ulps` say how all values are spread; a pair of which one is NaN has an infinite distance.
    """

    NAMES: ClassVar = ("error_over_time", "violation_over_time", "mismatched_over_time")
    KIND: ClassVar = "comparison"

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
    violation_over_time: NDArray[np.float64]
    mismatched_over_time: NDArray[np.int64]
    violation_by_column: NDArray[np.float64]
    violations: Histogram
    ulps: Histogram
    stored: Path | None = None
    unrecorded: int = 0
    reverse: bool = False

    def __post_init__(self) -> None:
        """Let no one write to the arrays."""
        self.protect()

    def protect(self) -> None:
        """Let no one write to the arrays."""
        super().protect()
        self.violation_by_column.flags.writeable = False

    @property
    def verdict(self) -> Verdict:
        """Disagree if any value exceeds the tolerance."""
        return Verdict.DISAGREE if self.mismatched else Verdict.AGREE

    @property
    def coverage(self) -> float:
        """The fraction of hidden values that were compared, 0 to 1."""
        return self.elements / (self.elements + self.unrecorded)

    @cached_property
    def lane_mismatched(self) -> NDArray[np.int64]:
        """(L, D): how many values of each lane mismatch."""
        counts = np.asarray(self.mismatched_over_time.sum(axis=2))
        counts.flags.writeable = False
        return counts
