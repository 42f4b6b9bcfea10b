"""Errors at each time step, between engines and within one step, and how a mismatch spreads over the lanes."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import gradient
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.core.words import plural
from rnnviz.frozen import dataclass
from rnnviz.reading.quantities import is_gradient
from rnnviz.text.verdict_details import how_many, mismatches, quoted_names
from rnnviz.text.verdict_text import TextPart, fill
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import LaneComparison
from rnnviz.verify.mismatches import mismatching_at
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
    "mismatched", "mismatches", "Number of values that exceed the tolerance at each time step.", counts=True
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
    """A quantity of one comparison: `main` for every lane, `companions` next to it for one, and a labeled limit."""

    main: Named
    companions: tuple[Named, ...] = ()
    limit: tuple[float, str] | None = None

    @property
    def lanes(self) -> Iterator[Values]:
        """The numbers of every curve, one lane (T,) after the other."""
        return (
            lane for named in (self.main, *self.companions) for lane in named.values.reshape(-1, named.values.shape[-1])
        )


def error_series(result: RunResult, comparison: LaneComparison, quantity: ErrorQuantity) -> ErrorSeries | None:
    """The numbers of a quantity; None for the step audit of a run that was not audited."""
    audits = _audits(result, comparison)
    if quantity is STEP_AUDIT:
        if not audits:
            return None
        of = "gradient" if is_gradient(comparison.name) else "correct step"
        first, *others = (Named(display_name(audit.engine), audit.ratio_over_time) for audit in audits)
        return ErrorSeries(first, tuple(others), (ALLOWED, f"{ALLOWED:g} rounding bounds, the limit of a {of}"))
    if quantity is ERROR:
        atol = number_format.full(comparison.atol)
        limit = comparison.atol, f"atol {atol}; values away from 0 are allowed more"
        audits = [] if is_gradient(comparison.name) else audits
        steps = (Named(f"{display_name(audit.engine)}, one step", audit.error_over_time) for audit in audits)
        apart = Named("accumulated", comparison.error_over_time)
        return ErrorSeries(apart, tuple(steps), limit if comparison.atol > 0.0 else None)
    if quantity is MISMATCHED:
        return ErrorSeries(Named("mismatches", comparison.mismatched_over_time.astype(np.float64)))
    return ErrorSeries(Named("error_ratio", comparison.error_ratio_over_time), limit=(1.0, "tolerance"))


def _audits(result: RunResult, comparison: LaneComparison) -> list[Audit]:
    """The candidate's audit, then the reference's; audits of gradients have the errors of grad.h over time."""
    audits: Mapping[str, Audit | None] = {}
    if comparison.name == gradient("h"):
        audits = result.judged("backward").audits
    elif result.judgment is not None and not is_gradient(comparison.name):
        audits = result.judgment.audits
    found = (audits.get(name) for name in (comparison.candidate, comparison.reference))
    return [audit for audit in found if audit is not None]


# Text between asterisks is strong.
_AGREE_BUT = "*All hidden values agree, but {checks}*: {names}."
_AGREE = "*No mismatch:* every value agrees with {reference} within the tolerance."
_AGREE_GRADIENTS = "*No mismatch of grad.h:* the bug is in other gradients, such as those of the parameters."
_ONE = "*First mismatch:* {place}. {mismatches}."
_SOME = "*First mismatch:* {place}. Errors in {reached} of {lanes}. {mismatches}."
_AT_ONCE = "*First mismatch:* {place}. Errors in every {lane} at once. {mismatches}."
_AFTER = "*First mismatch:* {place}. Errors in every {lane} after {steps}. {mismatches}."
_BY = "*First mismatch:* {place}. Errors in every {lane} by t = {latest}. {mismatches}."


@dataclass(frozen=True)
class LaneSpread:
    """One lane: its largest error ratios (T,), its `first` mismatch in the order of computation, and how many steps
    come before it.
    """

    where: Location
    name: str
    error_ratio: NDArray[np.float64]
    first: Location | None
    steps: int | None
    mismatched: int

    @property
    def worst(self) -> float:
        return float(self.error_ratio.max())


def spread(result: RunResult, candidate: str, name: str = "h") -> list[LaneSpread]:
    """Every lane, by layer from the bottom and direction, for the hidden states or another array."""
    comparison = result.comparison(candidate).of(name)
    layers, directions, *_ = result.shape
    return [
        _lane(result, comparison, comparison.places.location(k, d)) for k in range(layers) for d in range(directions)
    ]


def _lane(result: RunResult, comparison: LaneComparison, lane: Location) -> LaneSpread:
    counts = comparison.mismatched_over_time[lane.layer, lane.direction]
    times = np.flatnonzero(counts)
    first = steps = None
    from_end = comparison.last_first(lane.direction)
    if len(times):
        t = int(times[-1] if from_end else times[0])
        mask = mismatching_at(comparison, result.reference, result[comparison.candidate], lane.moved(timestep=t))
        sample, unit = (int(i) for i in np.argwhere(mask)[0])
        first = lane.moved(timestep=t, sample=sample, unit=unit)
        steps = abs(t - (result.inputs.length(sample) - 1 if from_end else 0))
    error_ratio = comparison.error_ratio_over_time[lane.layer, lane.direction]
    return LaneSpread(lane, lane_text(result.inputs.network, lane), error_ratio, first, steps, int(counts.sum()))


def spread_sentence(
    result: RunResult, candidate: str, lanes: list[LaneSpread], name: str = "h"
) -> tuple[TextPart, ...]:
    comparison = result.comparison(candidate).of(name)
    reached = [lane for lane in lanes if lane.first is not None]
    failed = result.failed_checks(candidate)
    if not reached:
        reference = display_name(result.reference.engine)
        template = _AGREE_GRADIENTS if is_gradient(name) else _AGREE_BUT if failed else _AGREE
        return fill(template, checks=how_many(failed), names=quoted_names(failed), reference=reference)
    first = reached[0].first
    assert first is not None
    lane = "lane" if result.inputs.network.bidirectional else "layer"
    latest = max(own.steps for own in reached if own.steps is not None)
    if len(reached) < len(lanes):
        template = _SOME
    elif len(lanes) == 1:
        template = _ONE
    elif latest == 0:
        template = _AT_ONCE
    else:
        template = _AFTER if result.inputs.network.bidirectional else _BY
    return fill(
        template,
        place=TextPart(f"{name} of {first}" if is_gradient(name) else str(first), first),
        mismatches=mismatches(comparison),
        reached=number_format.count(len(reached)),
        lanes=plural(len(lanes), lane),
        lane=lane,
        steps=plural(latest, "time step"),
        latest=str(latest),
    )
