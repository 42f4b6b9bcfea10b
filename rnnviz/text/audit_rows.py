"""Rows of the step audit and of tolerances, for tables."""

from dataclasses import dataclass

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import Location
from rnnviz.core.words import join_words, plural
from rnnviz.text.verdict_details import covered, how_many
from rnnviz.text.verdict_text import likely_causes
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import AuditVerdict

AUDIT_WORDS = {
    AuditVerdict.RIGHT: "no errors",
    AuditVerdict.WRONG: "wrong",
    AuditVerdict.UNDETERMINED: "undetermined",
    AuditVerdict.NOT_AUDITED: "not audited",
}
"""The shown word of each audit verdict."""

_REASON = "{engine} is wrong: {reasons}."
_REASON_CAUSE = "{engine} is wrong: {reasons}. Likely cause: {cause}."
_STEPS = "{values} more than {allowed:g} rounding bounds off"
_LINE = "the first line that differs is {line}"
_NONFINITE_ONE = "No tolerance accepts the value that is NaN or infinite in one engine only."
_NONFINITE = "No tolerance accepts the {values} that are NaN or infinite in one engine only."
_ZERO = "Every value passes with atol = 0."
_RULE = "|{candidate} - r| <= atol + rtol · |r| for every value r of {reference}."


@dataclass(frozen=True)
class AuditRow:
    """The step audit of one engine.

    `verdict` is that of the audit, or wrong if a consistency check fails; `ratio` the largest error of a step in
    rounding bounds; `where` the first wrong step, else the step with the largest ratio; `reason` says why the engine
    is wrong. If no step is `audited`, neither ratio nor place is known.
    """

    engine: str
    verdict: AuditVerdict
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
        reasons.append(_STEPS.format(values=plural(audit.wrong, "value"), allowed=ALLOWED))
    if audit.first_line is not None:
        reasons.append(_LINE.format(line=audit.first_line.name))
    failed = [check for check in result.checks if check.engine == audit.engine and not check.holds]
    if failed:
        reasons.append(how_many(failed))
    causes = likely_causes(result.judgment, audit.engine)
    name = display_name(audit.engine)
    return AuditRow(
        engine=name,
        verdict=AuditVerdict.WRONG if wrong else audit.verdict,
        ratio=audit.worst_ratio,
        where=audit.worst_at if audit.first_wrong is None else audit.first_wrong.where,
        coverage="all" if audit.coverage == 1.0 else covered(audit.coverage),
        reason=(_REASON_CAUSE if causes else _REASON).format(
            engine=name, reasons=", ".join(reasons), cause=join_words(causes, "or")
        )
        if wrong
        else "",
        audited=audit.audited > 0,
    )


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
        """As arguments of numpy.testing.assert_allclose and its like."""
        return f"rtol={self.rtol!r}, atol={self.atol!r}"


def tolerance_rows(comparison: Comparison) -> list[ToleranceRow]:
    """The tolerances that were used, and the smallest atol with which all finite values pass at the same rtol."""
    return [
        ToleranceRow("used", comparison.rtol, comparison.atol),
        ToleranceRow("smallest that passes", comparison.rtol, comparison.smallest_passing_atol, found=True),
    ]


def tolerance_remark(comparison: Comparison) -> str:
    """A remark on a pair of tolerances."""
    apart = comparison.nonfinite_apart
    if apart:
        return _NONFINITE_ONE if apart == 1 else _NONFINITE.format(values=plural(apart, "value"))
    if comparison.smallest_passing_atol == 0.0:
        return _ZERO
    return _RULE.format(candidate=display_name(comparison.candidate), reference=display_name(comparison.reference))
