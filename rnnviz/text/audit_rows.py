"""What the audit found of each engine, and which tolerances would do, as rows that can be read and copied."""

from dataclasses import dataclass

from rnnviz.core import number_format
from rnnviz.core.display_names import display_name
from rnnviz.core.trace_index import Location
from rnnviz.text.verdict_details import covered
from rnnviz.text.verdict_text import diagnosis
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult
from rnnviz.verify.running_error import ALLOWED


@dataclass(frozen=True)
class AuditRow:
    """One engine.

    `verdict` is that of the audit, or "wrong" where a check fails; `ratio` the largest error of a step in rounding
    bounds; `where` the first wrong step, or of a right engine the step with the largest ratio; `reason` a sentence on
    why it is wrong. Without a step that could be `audited` there is neither ratio nor place.
    """

    engine: str
    verdict: str
    ratio: float
    where: Location
    coverage: str
    reason: str
    audited: bool = True


def audit_rows(result: RunResult) -> list[AuditRow]:
    """A row for each audited engine, the reference first; none without an audit."""
    if result.judgment is None:
        return []
    return [_row(result, audit) for name in result.traces if (audit := result.judgment.audits.get(name)) is not None]


def _row(result: RunResult, audit: Audit) -> AuditRow:
    assert result.judgment is not None
    wrong = result.wrong(audit.engine)
    reasons = []
    if audit.wrong:
        values = "1 value is" if audit.wrong == 1 else f"{number_format.count(audit.wrong)} values are"
        reasons.append(f"{values} more than {ALLOWED:g} bounds off")
    failed = sum(check.engine == audit.engine and not check.holds for check in result.checks)
    if failed:
        reasons.append("a check fails" if failed == 1 else f"{number_format.count(failed)} checks fail")
    explained = diagnosis(result.judgment, audit.engine)
    as_if = f", {explained}" if explained else ""
    name = display_name(audit.engine)
    return AuditRow(
        engine=name,
        verdict="wrong" if wrong else audit.verdict,
        ratio=audit.worst_ratio,
        where=audit.worst_at if audit.first_wrong is None else audit.first_wrong.where,
        coverage="all" if audit.coverage == 1.0 else covered(audit.coverage),
        reason=f"{name} is wrong{as_if}: {', '.join(reasons)}." if wrong else "",
        audited=audit.audited > 0,
    )


@dataclass(frozen=True)
class ToleranceRow:
    """A pair of tolerances, and what it is; `found` says that the atol was found and not given."""

    name: str
    rtol: float
    atol: float
    found: bool = False

    @property
    def shown_atol(self) -> str:
        """As it was given; what was found is rounded up, so that what is read passes, too."""
        return number_format.format_ceil(self.atol) if self.found else number_format.full(self.atol)

    @property
    def pair(self) -> str:
        """As arguments of numpy.testing.assert_allclose and its like."""
        return f"rtol={self.rtol!r}, atol={self.atol!r}"


def tolerance_rows(comparison: Comparison) -> list[ToleranceRow]:
    """The tolerances that were used, and the smallest atol with which all finite values pass at the same rtol."""
    return [
        ToleranceRow("used", comparison.rtol, comparison.atol),
        ToleranceRow("smallest that passes", comparison.rtol, comparison.smallest_passing_atol, found=True),
    ]


def tolerance_remark(comparison: Comparison) -> str:
    """What a pair of tolerances does not say."""
    if comparison.nonfinite_apart:
        apart = comparison.nonfinite_apart
        values = "value pass that is" if apart == 1 else f"{number_format.count(apart)} values pass that are"
        return f"No tolerance lets the {values} NaN or infinite on one side only."
    if comparison.smallest_passing_atol == 0.0:
        return "Every value passes with an atol of 0."
    candidate, reference = display_name(comparison.candidate), display_name(comparison.reference)
    return f"|{candidate} - r| <= atol + rtol · |r| for every value r of {reference}."
