"""Errors at each time step: between engines, and of each engine within one step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult

Values = NDArray[np.float64]


@dataclass(frozen=True)
class ErrorQuantity:
    """A measure of the errors of engines; `counts` is true for whole numbers."""

    name: str
    title: str
    why: str
    counts: bool = False

    def short(self, value: float) -> str:
        """A number of it as it is shown."""
        if np.isnan(value):
            return "not known" if self.name == "error_ratio" else "not audited"
        return number_format.count(int(value)) if self.counts else number_format.error(value)

    def full(self, value: float) -> str:
        """A number of it with every digit that it takes to read back."""
        return str(int(value)) if self.counts else number_format.full(value)


ERROR_RATIO = ErrorQuantity(
    "error_ratio",
    "max error ratio",
    "Largest error ratio at each time step: |difference| ÷ tolerance. Above 1 the engines differ.",
)
ERROR = ErrorQuantity(
    "error",
    "max abs difference",
    "Largest |difference| at each time step, accumulated over earlier steps, and the error of each engine within one "
    "step.",
)
MISMATCHED = ErrorQuantity(
    "mismatched",
    "mismatches",
    "Number of values that exceed the tolerance at each time step.",
    counts=True,
)
STEP_AUDIT = ErrorQuantity(
    "audit",
    "step audit",
    "Error of each engine within one step, recomputed from its own previous state, in rounding bounds. Above "
    f"{ALLOWED:g} the step is wrong.",
)
QUANTITIES = (ERROR_RATIO, ERROR, MISMATCHED, STEP_AUDIT)


@dataclass(frozen=True)
class Named:
    """Values (L, D, T) and their short name. NaN where they are unknown."""

    name: str
    values: Values


@dataclass(frozen=True)
class ErrorSeries:
    """A quantity of one comparison.

    `main` is drawn for every lane and `companions` beside it for one; `limit` is the
    tolerance, and its label.
    """

    main: Named
    companions: tuple[Named, ...] = ()
    limit: tuple[float, str] | None = None

    @property
    def lanes(self) -> Iterator[Values]:
        """The numbers of every curve, one lane (T,) after the other."""
        return (
            lane for named in (self.main, *self.companions) for lane in named.values.reshape(-1, named.values.shape[-1])
        )


def error_series(result: RunResult, comparison: Comparison, quantity: ErrorQuantity) -> ErrorSeries | None:
    """The numbers of a quantity; None for the step audit of a run that was not audited."""
    audits = _audits(result, comparison)
    if quantity is STEP_AUDIT:
        if not audits:
            return None
        limit = ALLOWED, f"{ALLOWED:g} rounding bounds, the limit of a correct step"
        first, *others = _named(audits, lambda audit: audit.ratio_over_time, "{}")
        return ErrorSeries(first, tuple(others), limit)
    if quantity is ERROR:
        atol = number_format.full(comparison.atol)
        limit = comparison.atol, f"atol {atol}; values away from 0 are allowed more"
        steps = _named(audits, lambda audit: audit.error_over_time, "{}, one step")
        apart = Named("accumulated", comparison.error_over_time)
        return ErrorSeries(apart, tuple(steps), limit if comparison.atol > 0.0 else None)
    if quantity is MISMATCHED:
        return ErrorSeries(Named("mismatches", comparison.mismatched_over_time.astype(np.float64)))
    return ErrorSeries(Named("error_ratio", comparison.error_ratio_over_time), limit=(1.0, "tolerance"))


def _audits(result: RunResult, comparison: Comparison) -> list[Audit]:
    """The candidate's audit, then the reference's."""
    if result.judgment is None:
        return []
    found = (result.judgment.audits.get(name) for name in (comparison.candidate, comparison.reference))
    return [audit for audit in found if audit is not None]


def _named(audits: list[Audit], values: Callable[[Audit], Values], name: str) -> list[Named]:
    return [Named(name.format(display_name(audit.engine)), values(audit)) for audit in audits]
