"""The figures of a run as records: the keys of its JSON summary are their fields, and its JSON schema is made of them.

A field with a default is absent from the JSON where it has that value. The keys of a place, and of a record in a
field of `BESIDE`, are next to the other keys of their record.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from itertools import product
from typing import Annotated, Any, TypeAlias, TypeVar

import numpy as np

from rnnviz import __version__
from rnnviz.core.engine_spec import BACKWARD, display_name
from rnnviz.core.number_format import json_number
from rnnviz.core.places import Place
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.core.words import capital
from rnnviz.dependence.gradient_flow import FlowVerdict, gradient_flow
from rnnviz.engines.known_bugs.hypotheses import texts_of
from rnnviz.engines.known_bugs.registry import PREFIX
from rnnviz.frozen import dataclass
from rnnviz.text.cause_words import pattern_words
from rnnviz.text.verdict_details import first_line_in_source, unrecorded_arrays
from rnnviz.text.verdict_text import likely_cause
from rnnviz.verify.compare import ArrayComparison, Comparison, Mismatch
from rnnviz.verify.patterns import Pattern
from rnnviz.verify.result import PassJudgment, RunResult
from rnnviz.verify.verdict import VERDICTS, AuditVerdict, Verdict

BESIDE = ("figures", "engines")
"""Fields whose keys are next to the keys of their record, as those of a value's place are."""

Commands: TypeAlias = Callable[[Comparison], Sequence[str]]
"""The command lines that explain the differences of a candidate."""
AnyPlace: TypeAlias = Location | Place
Count: TypeAlias = Annotated[int, ">= 0"]
Share: TypeAlias = Annotated[float, "0 to 1"]
Exact: TypeAlias = Annotated[float, ">= 0"]
"""A number that is never NaN or infinite."""
GradientName: TypeAlias = Annotated[str | None, "Name of a gradient, such as grad.h."]
AMBIGUOUS = "Whether several causes fit, which the numbers do not distinguish, so that none is named."
CANDIDATES = "Number of these causes."
_Record = TypeVar("_Record")


def no_commands(_: Comparison) -> Sequence[str]:
    """A run that does not come from the command line has no config's path."""
    return ()


@dataclass(frozen=True)
class Cause:
    """Likely cause: the known bugs, joined by +, that reproduce all numbers of a wrong engine, or all its gradients."""

    name: str
    engine: str
    sentence: str


@dataclass(frozen=True)
class LargestDifference:
    """Largest absolute difference and its position."""

    value: float
    where: AnyPlace


@dataclass(frozen=True)
class DifferingValues:
    """First mismatch in the order of computation, with both values."""

    where: AnyPlace
    reference: float
    candidate: float
    array: GradientName = None


@dataclass(frozen=True)
class WrongSummary:
    """First wrong step or gradient: the engine's value, and the float64 recomputation."""

    where: AnyPlace
    value: float
    expected: float
    array: GradientName = None
    with_cause: Annotated[float | None, "The float64 recomputation with the likely cause."] = None


@dataclass(frozen=True)
class WrongLineSummary:
    """First line that differs at the first time step at which any does."""

    name: str
    line_number: Annotated[int | None, ">= 1", "Line of the file, where it is known."]
    where: AnyPlace
    value: float
    expected: float


@dataclass(frozen=True)
class ArraySummary:
    """Comparison of one array of a candidate with that of the reference. Positions have the axes of the array."""

    elements: Annotated[Count, "Compared values."]
    mismatched: Annotated[Count, "Values with an error ratio above 1."]
    rtol: Exact
    atol: Annotated[Exact, "Absolute tolerance; of a gradient times the largest gradient of the reference, if above 1."]
    max_abs_error: LargestDifference
    max_error_ratio: Annotated[float, "Largest error ratio: difference / tolerance."]
    max_ulp: Annotated[Count, "Largest distance in units in the last place."]
    first_mismatch: DifferingValues | None
    nonfinite_apart: Annotated[Count, "Values that are NaN or infinite in one engine only."]


@dataclass(frozen=True)
class WhereSummary:
    """Place of a cause; an empty list stands for all, and null for every time step."""

    layers: tuple[Count, ...]
    directions: Annotated[tuple[str, ...], "forward, backward."]
    gates: tuple[str, ...]
    parameters: Annotated[tuple[str, ...], "Kinds of parameters, such as h2h_bias, or states that a step reads."]
    timesteps: Annotated[tuple[Count, ...] | None, "First and last time step."]
    steps: Annotated[tuple[Count, ...] | None, "First and last step in the order of computation, from 0."]
    every: Annotated[Count | None, "Distance of the steps, if they are apart."]
    samples: tuple[Count, ...]
    units: tuple[Count, ...]
    single_steps: Annotated[tuple[Count, ...], "Single steps in the order of computation."] = ()
    looked_at: Annotated[
        tuple[Count, ...] | None, "First steps and samples in which the cause was found, of a lane that has more."
    ] = None


@dataclass(frozen=True)
class DiagnosisSummary:
    """A change that reproduces every recorded array of a wrong engine, with those of other lanes that are listed."""

    name: Annotated[str, "Name of a known bug or of another change; several at once are joined by +."]
    engine: str
    sentence: str
    where: WhereSummary
    distance: Annotated[float, "Largest deviation from the engine's values, in limits of the audit."]
    run: Annotated[str, "Name of the engine that has this cause."]
    bits: Annotated[float | None, "Evidence against chance; absent for known bugs of the whole network."] = None
    aliases: Annotated[tuple[str, ...], "Changes that are the same for any numbers."] = ()


@dataclass(frozen=True)
class FittedSummary:
    """Weights of one gate with which the lane follows: where they differ from the given ones."""

    gate: str
    parameters: tuple[str, ...]
    units: tuple[int, ...]
    column: Annotated[Count | None, "Of a single weight that differs."] = None
    by: Annotated[float | None, "By how much a single number differs."] = None
    rows_of: Annotated[tuple[int, ...], "Units of the gate that have these units' rows in the given weights."] = ()


@dataclass(frozen=True)
class NearestSummary:
    """The change that comes nearest to a wrong engine that nothing explains."""

    name: str
    layer: Count
    direction: str
    distance: Annotated[float, "Deviation of the first wrong steps, in limits."]
    right_distance: Annotated[float, "The same of the right step."]
    fitted: Annotated[FittedSummary | None, "Of the name other-weights."] = None


@dataclass(frozen=True)
class LaneSummary:
    """One layer in one direction."""

    layer: Count
    direction: Annotated[str, DIRECTIONS]


@dataclass(frozen=True)
class PatternSummary:
    """Which values are wrong; steps are counted from 0 in the order of computation of each lane."""

    wrong: Count
    of: Count
    first_step_only: bool
    start: Annotated[Count | None, "Step from which on nearly all are wrong."]
    period: Annotated[Count | None, "Distance of the wrong steps."]
    first: Annotated[Count | None, "First step of the period."]
    steps: Annotated[tuple[Count, ...], "Up to three single wrong steps."]
    constant: Annotated[float | None, "By how much every wrong value is too large."]
    lanes: Annotated[tuple[LaneSummary, ...], "Wrong lanes; [] for all."]
    samples: tuple[Count, ...]
    units: tuple[Count, ...]
    sentence: str


@dataclass(frozen=True)
class AuditSummary:
    """Audit of one pass of an engine."""

    verdict: AuditVerdict
    worst_ratio: Annotated[float | None, "Largest |value - expected| / rounding bound; 8 is the limit."]
    first_wrong: WrongSummary | None
    coverage: Annotated[Share, "Share of the values that were audited."]
    undetermined: Annotated[Share, "Share of the audited values about which the rounding bound says nothing."]
    lines: Annotated[tuple[str, ...], "Compared lines of a custom step, in the order of computation."] = ()
    first_line: WrongLineSummary | None = None
    pattern: Annotated[PatternSummary | None, "Which values are wrong; absent where none is."] = None


@dataclass(frozen=True)
class CheckSummary:
    """A consistency check of an engine."""

    name: str
    engine: str
    holds: bool
    detail: str
    known_issue: Annotated[str, "Bug of a library that makes the check fail, which the verdict ignores."] = ""


Diagnoses: TypeAlias = Annotated[
    tuple[DiagnosisSummary, ...] | None, "Causes that reproduce the numbers of a wrong engine; all of them are needed."
]


@dataclass(frozen=True)
class NonfiniteCounts:
    """NaN and infinite values of each engine."""

    reference: Count
    candidate: Count


@dataclass(frozen=True)
class EnginesSummary:
    """Results that do not depend on a comparison: results of one engine, or of two that are compared."""

    checks: Annotated[tuple[CheckSummary, ...], "Consistency checks of both engines."]
    seconds: Mapping[str, Exact]
    versions: Mapping[str, str]
    unrecorded: Annotated[Mapping[str, tuple[str, ...]] | None, "Arrays that a recording lacks, by engine."] = None
    recorded_as: Annotated[Mapping[str, str] | None, "Type of a recording that is not dtype, by engine."] = None
    computed_in: Annotated[Mapping[str, str] | None, "Type in which a recording was computed, by engine."] = None
    audit: Annotated[Mapping[str, AuditSummary] | None, "Step audit by engine; absent with --audit off."] = None
    diagnosis: Diagnoses = None
    ambiguous: Annotated[bool | None, AMBIGUOUS] = None
    candidates: Annotated[Count | None, CANDIDATES] = None
    nearest: Annotated[Mapping[str, NearestSummary] | None, "By engine."] = None
    undetectable: Annotated[tuple[str, ...] | None, "Known bugs that this run could not reveal."] = None
    undetectable_changes: Annotated[
        tuple[str, ...],
        "With --audit full: other changes of layers, directions and gates that no step shows, as names of engines.",
    ] = ()
    lengths: Annotated[tuple[Annotated[int, ">= 1"], ...], "Time steps of each sample; absent without padding."] = ()
    assumptions: Annotated[tuple[str, ...], "Assumptions of a run of a model file."] = ()


@dataclass(frozen=True)
class ReferenceSummary:
    """A reference that ran alone."""

    verdict: Verdict
    reference: str
    candidate: None
    engines: EnginesSummary


@dataclass(frozen=True)
class CandidateSummary:
    """One candidate: the comparison of its hidden values, `figures`, and of further arrays."""

    verdict: Verdict
    cause: Cause | None
    fix: Annotated[str | None, "The change that fixes the likely cause or the failed check."]
    reference: str
    candidate: str
    figures: ArraySummary
    coverage: Annotated[Share, "Share of the hidden values that were compared."]
    smallest_passing_atol: float
    nonfinite: NonfiniteCounts
    engines: EnginesSummary
    next: Annotated[tuple[str, ...], "Commands that explain the first wrong values; empty where all values agree."]
    arrays: Annotated[Mapping[str, ArraySummary] | None, "Other arrays that both engines give, such as c."] = None


@dataclass(frozen=True)
class FlowLaneSummary:
    """Norms of grad.h of one layer in one direction."""

    layer: Count
    direction: Annotated[str, DIRECTIONS]
    verdict: Annotated[
        FlowVerdict,
        "Vanishing: the ratio is below 1e-6. Exploding: a norm is above 1,000 times that at the beginning, or not "
        "finite.",
    ]
    since: Annotated[Count | None, "Time step, in backward order, from which on the gradient has vanished or exploded."]
    begins: Annotated[Count | None, "Time step at which the backward pass of the lane meets its first gradient."]
    ends: Annotated[Count | None, "Last time step of the backward pass of the lane that has a gradient."]
    norm_at_begin: float
    norm_at_end: float
    ratio: Annotated[float, "norm_at_end / norm_at_begin."]
    per_step: Annotated[float, "Mean factor of the norm per time step, a geometric mean."]
    samples: Annotated[Mapping[str, Annotated[int, ">= 1"]], "Number of samples with each verdict."]


@dataclass(frozen=True)
class FlowSummary:
    """Gradient flow: norms of grad.h over all samples."""

    engine: str
    lanes: tuple[FlowLaneSummary, ...]


@dataclass(frozen=True)
class GradientsSummary:
    """Gradients of one candidate; the verdict is null where one of the engines has none."""

    verdict: Verdict | None
    reference: str
    candidate: str
    first_mismatch: Annotated[DifferingValues | None, "First mismatch of all arrays in the order of the backward pass."]
    arrays: Annotated[Mapping[str, ArraySummary], "Gradients that both engines give, by name."]


@dataclass(frozen=True)
class BackwardSummary:
    """Results of the backward pass, of a run with one."""

    verdict: Annotated[Verdict | None, "Verdict on the gradients; null without any."]
    comparisons: Annotated[tuple[GradientsSummary, ...], "Gradients of each candidate."]
    flow: Annotated[FlowSummary | None, "null where no engine gives grad.h."]
    without_gradients: Annotated[Mapping[str, str], "Why an engine has no gradients, by engine."]
    seconds: Annotated[Mapping[str, Exact], "Time of each engine's backward pass."]
    audit: Annotated[Mapping[str, AuditSummary] | None, "Audit of the gradients, by engine."] = None
    diagnosis: Diagnoses = None
    ambiguous: Annotated[bool | None, AMBIGUOUS] = None
    candidates: Annotated[Count | None, CANDIDATES] = None
    undetectable: Annotated[tuple[str, ...] | None, "Its known bugs that this run could not reveal."] = None


@dataclass(frozen=True)
class RunSummary:
    """The output of rnnviz run --json: the worst comparison of a run, and all of them where there are several."""

    figures: CandidateSummary | ReferenceSummary
    comparisons: Annotated[tuple[CandidateSummary, ...], "With several candidates: one comparison each."] = ()
    overall_verdict: Annotated[Verdict | None, "The worse one of verdict and backward.verdict."] = None
    backward: BackwardSummary | None = None


def to_json(value: Any) -> Any:
    """A record, or what a field of one holds, as JSON; numbers that JSON lacks are their names."""
    if isinstance(value, AnyPlace):
        return value.to_json()
    if is_dataclass(value):
        found: dict[str, Any] = {}
        for own in fields(value):
            held = getattr(value, own.name)
            if own.name in BESIDE or isinstance(held, AnyPlace):
                found |= to_json(held)
            elif own.default is MISSING or held != own.default:
                found[own.name] = to_json(held)
        return found
    if isinstance(value, Mapping):
        return {name: to_json(held) for name, held in value.items()}
    if isinstance(value, tuple):
        return [to_json(held) for held in value]
    return json_number(value) if isinstance(value, float) else value


def run_summary(result: RunResult, commands: Commands = no_commands) -> RunSummary:
    """The figures of a run; `commands` explain the differences of each candidate."""
    each = tuple(_candidate(result, comparison, commands) for comparison in result.comparisons)
    ranks = [
        (VERDICTS.index(result.comparison_verdict(comparison)), VERDICTS.index(result.candidate_verdict(comparison)))
        for comparison in result.comparisons
    ]
    worst = each[ranks.index(max(ranks))] if each else _reference(result)
    several = each if len(each) > 1 else ()
    if result.inputs.loss is None:
        return RunSummary(worst, several)
    return RunSummary(worst, several, result.overall_verdict, _backward(result))


def cause_of(result: RunResult, comparison: Comparison) -> Cause | None:
    """The likely cause of a candidate's errors, else of the reference's; of gradients after hidden states."""
    judgments: tuple[PassJudgment, ...] = (result.judged("forward"), result.judged("backward"))
    for judgment, engine in product(judgments, (comparison.candidate, comparison.reference)):
        cause = likely_cause(judgment, engine)
        if cause:
            sentence = f"Likely cause of the errors of {display_name(engine)}: {cause}."
            return Cause(" + ".join(judgment.diagnoses[engine][0]), engine, sentence)
    return None


def fix_of(result: RunResult, comparison: Comparison) -> str | None:
    """The fix of each bug of the likely cause, else of a failed check, as a sentence; None without any."""
    cause = cause_of(result, comparison)
    if cause is not None:
        fixes = dict.fromkeys(texts_of(name.partition("@")[0])[1] for name in cause.name.split(" + "))
        return " ".join(filter(None, fixes)) or None
    failed = result.failed_checks(comparison.candidate, comparison.reference)
    return next((check.fix for check in failed if check.fix), None)


def versions(result: RunResult) -> dict[str, str]:
    """The versions of rnnviz, Python and NumPy, then of each engine, by name."""
    return {"rnnviz": __version__, "python": platform.python_version(), "numpy": np.__version__, **result.versions}


def _picked(kind: type[_Record], source: Any, **given: Any) -> _Record:
    """A record with the given fields; the others are the attributes of the source that have their names."""
    names = [own.name for own in fields(kind) if own.name not in given]  # type: ignore[arg-type]
    return kind(**{name: getattr(source, name) for name in names}, **given)


def _reference(result: RunResult) -> ReferenceSummary:
    engine = result.reference.engine
    return ReferenceSummary(result.verdict, engine, None, _engines(result, (engine,)))


def _candidate(result: RunResult, comparison: Comparison, commands: Commands) -> CandidateSummary:
    return _picked(
        CandidateSummary,
        comparison,
        verdict=result.comparison_verdict(comparison),
        cause=cause_of(result, comparison),
        fix=fix_of(result, comparison),
        figures=_array(comparison),
        nonfinite=NonfiniteCounts(comparison.nonfinite_reference, comparison.nonfinite_candidate),
        engines=_engines(result, (comparison.reference, comparison.candidate)),
        next=tuple(commands(comparison)),
        arrays={own.name: _array(own) for own in (comparison.head, *comparison.arrays.values()) if own} or None,
    )


def _array(own: ArrayComparison) -> ArraySummary:
    largest, first = LargestDifference(own.max_abs_error, own.max_abs_error_place), own.first_mismatch
    return _picked(ArraySummary, own, max_abs_error=largest, first_mismatch=first and _differing(first))


def _differing(first: Mismatch, array: str | None = None) -> DifferingValues:
    return DifferingValues(first.place, first.reference, first.candidate, array)


def _engines(result: RunResult, engines: tuple[str, ...]) -> EnginesSummary:
    traces = [result.traces[name] for name in engines]
    return EnginesSummary(
        tuple(
            _picked(CheckSummary, check, known_issue="" if check.holds else check.known_issue)
            for check in result.checks
            if check.engine in engines
        ),
        dict(result.seconds),
        versions(result),
        unrecorded={t.engine: tuple(missing) for t in traces if (missing := unrecorded_arrays(t))} or None,
        recorded_as={t.engine: t.precision for t in traces if t.precision} or None,
        computed_in={t.engine: t.computed_in for t in traces if t.computed_in} or None,
        lengths=tuple(result.inputs.lengths),
        assumptions=tuple(result.assumptions),
        **_judged(result, result.judgment, engines),
    )


def _judged(result: RunResult, judgment: PassJudgment | None, engines: Iterable[str]) -> dict[str, Any]:
    """The audit of some engines, and the known bugs that explain a wrong one, by the names of the fields."""
    if judgment is None:
        return {}
    alike = sum(judgment.ambiguous.get(engine, 0) for engine in engines)
    nearest = {name: own for name, own in judgment.nearest.items() if name in engines}
    found = {
        "audit": {name: _audit(result, judgment, name) for name in engines},
        "diagnosis": tuple(own for engine in engines for own in _diagnosis(judgment, engine)),
        "ambiguous": bool(alike),
        "candidates": alike or None,
        "undetectable": judgment.undetectable,
    }
    if judgment.undetectable_changes:
        found["undetectable_changes"] = judgment.undetectable_changes
    if nearest:
        found["nearest"] = {
            name: _picked(
                NearestSummary,
                own,
                direction=DIRECTIONS[result.inputs.network.backward(own.direction)],
                fitted=own.fitted and _picked(FittedSummary, own.fitted),
            )
            for name, own in nearest.items()
        }
    return found


def _diagnosis(judgment: PassJudgment, engine: str) -> Iterator[DiagnosisSummary]:
    """The causes of a wrong engine."""
    for cause in judgment.causes_of(engine):
        where = cause.where
        yield DiagnosisSummary(
            " + ".join(name for name in (cause.name, cause.beside) if name),
            engine,
            f"{capital(judgment.cause(cause.label))}.",
            _picked(
                WhereSummary, where, directions=tuple(DIRECTIONS[d] for d in where.directions), single_steps=where.at
            ),
            cause.distance,
            f"{PREFIX}{cause.label}",
            cause.bits,
            cause.aliases,
        )


def _pattern(result: RunResult, pattern: Pattern | None) -> PatternSummary | None:
    if pattern is None:
        return None
    network = result.inputs.network
    lanes = tuple(LaneSummary(layer, DIRECTIONS[network.backward(direction)]) for layer, direction in pattern.lanes)
    return _picked(PatternSummary, pattern, lanes=lanes, sentence=pattern_words(pattern, network.directions))


def _audit(result: RunResult, judgment: PassJudgment, engine: str) -> AuditSummary:
    audit = judgment.audits[engine]
    pattern = _pattern(result, judgment.patterns.get(engine))
    line, first = audit.first_line, audit.first_wrong
    array = first.where.array if first is not None and first.where.is_gradient else None
    wrong = first and _picked(WrongSummary, first, array=array, with_cause=judgment.with_cause.get(engine))
    wrong_line = line and _picked(WrongLineSummary, line, line_number=first_line_in_source(result, audit))
    worst = audit.worst_ratio if audit.audited else None
    return _picked(AuditSummary, audit, worst_ratio=worst, first_wrong=wrong, first_line=wrong_line, pattern=pattern)


def _backward(result: RunResult) -> BackwardSummary:
    judgment = None if result.judgment is None else result.judgment.backward
    return BackwardSummary(
        result.backward_verdict,
        tuple(_gradients(result, comparison) for comparison in result.comparisons),
        _flow(result),
        result.without_gradients,
        {name.removesuffix(BACKWARD): own for name, own in result.seconds.items() if name.endswith(BACKWARD)},
        **_judged(result, judgment, () if judgment is None else judgment.audits),
    )


def _gradients(result: RunResult, comparison: Comparison) -> GradientsSummary:
    first = comparison.first_gradient_mismatch
    return _picked(
        GradientsSummary,
        comparison,
        verdict=result.gradients_verdict(comparison),
        first_mismatch=first and _differing(first, first.place.array),
        arrays={name: _array(own) for name, own in comparison.gradients.items()},
    )


def _flow(result: RunResult) -> FlowSummary | None:
    """The gradient flow of the first engine that gives it."""
    found, network = gradient_flow(result), result.config.network
    if found is None:
        return None

    def lane(layer: int, direction: int) -> FlowLaneSummary:
        flow, counts = found.of_lane(layer, direction), found.counts(layer, direction)
        return _picked(
            FlowLaneSummary,
            flow,
            layer=layer,
            direction=DIRECTIONS[network.backward(direction)],
            norm_at_begin=flow.at_begin,
            norm_at_end=flow.at_end,
            samples={verdict: count for verdict, count in counts.items() if count},
        )

    return FlowSummary(found.engine, tuple(lane(*place) for place in np.ndindex(found.norms["h"].shape[:2])))
