"""The step audit by lane, the number of problems of a run, and why an engine is wrong."""

from collections.abc import Iterator

import numpy as np

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core.engine_spec import display_name
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.core.words import capital, plural
from rnnviz.frozen import dataclass
from rnnviz.text.verdict_details import covered, how_many, say
from rnnviz.text.verdict_text import likely_cause, wrong_words
from rnnviz.verify.audit import Audit
from rnnviz.verify.result import RunResult, compared
from rnnviz.verify.verdict import AuditVerdict, PassName, Verdict

_WAYS: tuple[PassName, ...] = ("forward", "backward")
_OF = {"forward": "", "backward": ", gradients"}


@dataclass(frozen=True)
class LaneAudit:
    """The step audit of one lane, or of all lanes of an engine.

    `where` is the first wrong step in the order of computation, else the step with the largest error; its sample and
    unit are known if `is_value`. `wrong` is the number of wrong steps of the `audited` ones, `error` the largest
    difference of a step to its recomputation, and `ratio` the largest in rounding bounds.
    """

    engine: str
    name: str
    verdict: AuditVerdict
    where: Location | None
    wrong: int
    audited: int
    error: float
    ratio: float
    coverage: str
    cause: str = ""
    is_value: bool = False


def lane_audits(result: RunResult, candidate: str | None) -> list[LaneAudit]:
    """A row for each lane of a candidate and of wrong engines, wrong lanes first, then a row for each other engine."""
    engines = [*([] if candidate is None else [candidate]), *(name for name in result.traces if name != candidate)]
    lanes: list[LaneAudit] = []
    others: list[LaneAudit] = []
    for engine in engines:
        for way in _WAYS:
            audit = result.judged(way).audits.get(engine)
            if audit is not None and (engine == candidate or audit.wrong or len(result.traces) == 1):
                lanes += _lanes(result, audit, named=engine != candidate and len(result.traces) > 1)
            elif audit is not None:
                others.append(_whole(result, audit))
    return [*sorted(lanes, key=lambda row: row.verdict is not AuditVerdict.WRONG), *others]


def _lanes(result: RunResult, audit: Audit, *, named: bool) -> Iterator[LaneAudit]:
    """The lanes of an engine from the top, and a row for wrong values outside the lanes, as of parameters."""
    layers, directions, *_ = result.shape
    judgment, found = result.judged(audit.way), 0
    prefix, network = f"{display_name(audit.engine)}: " if named else "", result.inputs.network
    for layer in reversed(range(layers)):
        for direction in range(directions):
            lane = Location(layer, direction, reverse=network.reverse)
            ratio, error = audit.ratio_over_time[layer, direction], audit.error_over_time[layer, direction]
            audited, wrong = ~np.isnan(ratio), np.flatnonzero(ratio > ALLOWED)
            from_end = network.backward(direction) == (audit.way == "forward")
            found += len(wrong)
            step = wrong[-1 if from_end else 0] if len(wrong) else np.argmax(np.nan_to_num(ratio, nan=-1.0))
            where, is_value = _exact(audit, lane.moved(timestep=int(step)))
            verdict = AuditVerdict.WRONG if len(wrong) else AuditVerdict.RIGHT
            if not audited.any():
                verdict = AuditVerdict.NOT_AUDITED
            elif not len(wrong) and audit.verdict is AuditVerdict.UNDETERMINED:
                verdict = AuditVerdict.UNDETERMINED
            yield LaneAudit(
                engine=audit.engine,
                name=f"{prefix}{capital(lane_text(network, lane))}{_OF[audit.way]}",
                verdict=verdict,
                where=where,
                wrong=len(wrong),
                audited=int(audited.sum()),
                error=_largest(error),
                ratio=_largest(ratio),
                coverage=_coverage(audit),
                cause=likely_cause(judgment, audit.engine, (layer, direction)) if len(wrong) else "",
                is_value=is_value,
            )
    if audit.wrong and not found and audit.first_wrong is not None:
        place = audit.first_wrong.where
        yield LaneAudit(
            engine=audit.engine,
            name=f"{prefix}{place.short}{_OF[audit.way]}",
            verdict=AuditVerdict.WRONG,
            where=place.location,
            wrong=audit.wrong,
            audited=audit.audited,
            error=abs(audit.first_wrong.value - audit.first_wrong.expected),
            ratio=audit.worst_ratio,
            coverage=_coverage(audit),
            cause=likely_cause(judgment, audit.engine),
            is_value=True,
        )


def _exact(audit: Audit, step: Location) -> tuple[Location, bool]:
    """The first wrong value of the pass, if it is in this step, and whether it is."""
    first = audit.first_location
    same = first is not None and first.moved(sample=0, unit=0) == step
    return (first, True) if first is not None and same else (step, False)


def _whole(result: RunResult, audit: Audit) -> LaneAudit:
    ratio, error = audit.ratio_over_time, audit.error_over_time
    return LaneAudit(
        engine=audit.engine,
        name=f"{display_name(audit.engine)}: all lanes{_OF[audit.way]}",
        verdict=audit.verdict,
        where=None,
        wrong=0,
        audited=int((~np.isnan(ratio)).sum()),
        error=_largest(error),
        ratio=_largest(ratio),
        coverage=_coverage(audit),
    )


def _largest(values: FloatArray) -> float:
    """The largest value; NaN, where nothing was audited, counts as 0."""
    return float(np.fmax.reduce(values, axis=None, initial=0.0))


def _coverage(audit: Audit) -> str:
    return "all" if audit.coverage == 1.0 else covered(audit.coverage)


def reasons(result: RunResult) -> list[str]:
    """A sentence for each wrong engine: why it is wrong, and its likely cause."""
    found = [
        (audit, audit.way, how_many(failed) if failed else "")
        for way in _WAYS
        for audit in result.judged(way).audits.values()
        for failed in [result.failed_checks(audit.engine, way=way)]
        if result.wrong(audit.engine, way)
    ]
    return [_reason(result, audit, way, failed) for audit, way, failed in found]


def _reason(result: RunResult, audit: Audit, way: PassName, failed: str) -> str:
    causes = []
    if audit.wrong:
        values = plural(audit.wrong, "value" if way == "forward" else "gradient")
        causes.append(f"{values} more than {ALLOWED:g} rounding bounds off")
    if audit.first_line is not None:
        causes.append(f"the first line that differs is {audit.first_line.name}")
    if failed:
        causes.append(failed)
    template = "{of}{engine:name} {wrong}: {reasons:list}."
    cause = likely_cause(result.judged(way), audit.engine)
    if cause:
        template = "{of}{engine:name} {wrong}: {reasons:list}. Likely cause: {cause}."
    of = "" if way == "forward" else "The gradients of "
    return say(template, of=of, engine=audit.engine, wrong=wrong_words(audit.engine, way), reasons=causes, cause=cause)


def problem_count(result: RunResult) -> str:
    """The number of wrong lanes of all engines, "0" without errors; "" while the step audit has yet to say it.

    Of an error outside the lanes it is the number of failed checks, of mismatches of the dense layer, or of gradients
    that differ.
    """
    lanes = sum(wrong_lanes(result, engine) for engine in result.traces)
    failed = sum(check.fails for check in result.checks)
    if not lanes and result.overall_verdict is not Verdict.DISAGREE:
        return "0" if result.judgment is not None else ""
    if not lanes and not failed:
        lanes = max((int((c.lane_mismatched > 0).sum()) for c in result.comparisons), default=0)
    if lanes or failed:
        return plural(lanes, "lane") if lanes else plural(failed, "check")
    if heads := [c.head.mismatched for c in result.comparisons if c.head is not None and c.head.mismatched]:
        return plural(max(heads), "value")
    gradients = [own for c in result.comparisons for own in compared(c, "backward") if own.mismatched]
    return plural(len(gradients), "gradient")


def wrong_lanes(result: RunResult, engine: str) -> int:
    """The number of lanes of an engine in which the step audit found a wrong step, of either pass."""
    audits = [audit for way in _WAYS if (audit := result.judged(way).audits.get(engine)) is not None]
    wrong = [(audit.ratio_over_time > ALLOWED).any(axis=2) for audit in audits]
    return int(np.logical_or.reduce(wrong).sum()) if wrong else 0
