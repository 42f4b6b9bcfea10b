"""Rows of the step audit and of tolerances, as the audit's tab shows them."""

import numpy as np

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.core.words import plural
from rnnviz.frozen import dataclass
from rnnviz.text.verdict_details import covered, how_many, say
from rnnviz.text.verdict_text import likely_cause, wrong_words
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult, compared
from rnnviz.verify.verdict import AuditVerdict, PassName, Verdict


@dataclass(frozen=True)
class AuditRow:
    """The step audit of one engine, or the audit of its gradients.

    `what` names the values. `verdict` is the audit's, or wrong if a consistency check fails; `ratio` the largest
    error of a step in rounding bounds; `where` the first wrong step, else the step with the largest ratio; `reason`
    says why the engine is wrong. If no step is `audited`, neither ratio nor place is known.
    """

    engine: str
    verdict: AuditVerdict
    ratio: float
    where: Location | Place
    coverage: str
    reason: str
    audited: bool = True
    what: str = "hidden states"

    @property
    def location(self) -> Location | None:
        """The place in a lane; None of a parameter."""
        return self.where.location if isinstance(self.where, Place) else self.where


def problem_count(result: RunResult) -> str:
    """The number of wrong lanes of all engines, "0" without errors; "" while the step audit has yet to say it.

    Of an error outside the lanes it is the number of failed checks, or of gradients that differ.
    """
    lanes = sum(wrong_lanes(result, engine) for engine in result.traces)
    failed = sum(check.fails for check in result.checks)
    if not lanes and result.overall_verdict is not Verdict.DISAGREE:
        return "0" if result.judgment is not None else ""
    if not lanes and not failed:
        lanes = max((int((c.lane_mismatched > 0).sum()) for c in result.comparisons), default=0)
    if lanes or failed:
        return plural(lanes, "lane") if lanes else plural(failed, "check")
    gradients = [own for c in result.comparisons for own in compared(c, "backward") if own.mismatched]
    return plural(len(gradients), "gradient")


def wrong_lanes(result: RunResult, engine: str) -> int:
    """The number of lanes of an engine in which the step audit found a wrong step, of either pass."""
    ways: tuple[PassName, ...] = ("forward", "backward")
    audits = [audit for way in ways if (audit := result.judged(way).audits.get(engine)) is not None]
    wrong = [(audit.ratio_over_time > ALLOWED).any(axis=2) for audit in audits]
    return int(np.logical_or.reduce(wrong).sum()) if wrong else 0


def audit_rows(result: RunResult) -> list[AuditRow]:
    """A row for each audited engine, the reference first; then for its gradients. None without an audit."""
    ways: tuple[PassName, ...] = ("forward", "backward")
    return [_row(result, a) for way in ways for name in result.traces if (a := result.judged(way).audits.get(name))]


def _row(result: RunResult, audit: Audit) -> AuditRow:
    way, wrong = audit.way, result.wrong(audit.engine, audit.way)
    where = audit.worst_at if audit.first_wrong is None else audit.first_wrong.where
    return AuditRow(
        engine=display_name(audit.engine),
        verdict=AuditVerdict.WRONG if wrong else audit.verdict,
        ratio=audit.worst_ratio,
        where=(where.location or where) if way == "forward" else where,
        coverage="all" if audit.coverage == 1.0 else covered(audit.coverage),
        reason=_reason(result, audit) if wrong else "",
        audited=audit.audited > 0,
        what="hidden states" if way == "forward" else "gradients",
    )


def _reason(result: RunResult, audit: Audit) -> str:
    """Why an engine is wrong in a pass."""
    way, reasons = audit.way, []
    failed, cause = result.failed_checks(audit.engine, way=way), likely_cause(result.judged(way), audit.engine)
    if audit.wrong:
        values = plural(audit.wrong, "value" if way == "forward" else "gradient")
        reasons.append(f"{values} more than {ALLOWED:g} rounding bounds off")
    if audit.first_line is not None:
        reasons.append(f"the first line that differs is {audit.first_line.name}")
    if failed:
        reasons.append(how_many(failed))
    template = "{of}{engine:name} {wrong}: {reasons:list}."
    if cause:
        template = "{of}{engine:name} {wrong}: {reasons:list}. Likely cause: {cause}."
    of = "" if way == "forward" else "The gradients of "
    return say(template, of=of, engine=audit.engine, wrong=wrong_words(audit.engine, way), reasons=reasons, cause=cause)


@dataclass(frozen=True)
class ToleranceRow:
    """A pair of tolerances with its description; `found` means that the atol is computed, not given."""

    name: str
    rtol: float
    atol: float
    found: bool = False

    @property
    def shown_atol(self) -> str:
        """The tolerances as given. A computed atol is rounded up, so that the displayed one passes, too."""
        return number_format.format_ceil(self.atol) if self.found else number_format.full(self.atol)

    @property
    def pair(self) -> str:
        return f"rtol={self.rtol!r}, atol={self.atol!r}"


def tolerance_rows(comparison: Comparison) -> list[ToleranceRow]:
    """The tolerances that were used, and the smallest atol with which all finite values pass at the same rtol."""
    return [
        ToleranceRow("used", comparison.rtol, comparison.atol),
        ToleranceRow("smallest that passes", comparison.rtol, comparison.smallest_passing_atol, found=True),
    ]


def tolerance_remark(comparison: Comparison) -> str:
    apart = comparison.nonfinite_apart
    if apart == 1:
        return "No tolerance accepts the value that is NaN or infinite in one engine only."
    if apart:
        return f"No tolerance accepts the {apart:,} values that are NaN or infinite in one engine only."
    if comparison.smallest_passing_atol == 0.0:
        return "Every value passes with atol = 0."
    return "|c − r| ≤ atol + rtol · |r|"
