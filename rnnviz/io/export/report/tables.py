"""Rows of the tables of a report: comparisons, step audit, consistency checks."""

from dataclasses import dataclass
from typing import TypeAlias

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import Location
from rnnviz.core.words import join_words
from rnnviz.text import verdict_details
from rnnviz.text.audit_rows import AUDIT_WORDS
from rnnviz.text.verdict_text import MARKS, likely_causes
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import Judgment, RunResult
from rnnviz.verify.verdict import AuditVerdict


@dataclass(frozen=True)
class Figure:
    """A number or a position as it is shown, and in full."""

    shown: str
    full: str


TableCell: TypeAlias = Figure | str


@dataclass(frozen=True)
class ReportRow:
    """A row of a table: its name and its cells."""

    name: str
    cells: tuple[TableCell, ...]


@dataclass(frozen=True)
class AuditTableRow:
    """The step audit of one engine; `diagnosis` is empty unless a known bug reproduces its numbers."""

    engine: str
    verdict: AuditVerdict
    word: str
    audited: str
    worst: TableCell
    first_wrong: TableCell
    has: TableCell
    gives: TableCell
    diagnosis: str


def error(value: float) -> Figure:
    """A difference."""
    return Figure(number_format.error(value), number_format.full(value))


def comparison_rows(result: RunResult) -> tuple[ReportRow, ...]:
    """A row for each figure that any candidate has, with a cell for each candidate."""
    each = [_figures(result, comparison) for comparison in result.comparisons]
    rows = (ReportRow(name, tuple(figures[name] for figures in each)) for name in each[0])
    return tuple(row for row in rows if any(row.cells))


def _figures(result: RunResult, comparison: Comparison) -> dict[str, TableCell]:
    verdict, first = result.comparison_verdict(comparison), comparison.first_mismatch
    has = ("", "") if first is None else _apart(first.reference, first.candidate)
    return {
        "Verdict": f"{MARKS[verdict]} {verdict}",
        "Values compared": verdict_details.compared(comparison),
        "Mismatches": number_format.count(comparison.mismatched),
        "Absolute tolerance": error(comparison.atol),
        "Relative tolerance": error(comparison.rtol),
        "Max abs difference": error(comparison.max_abs_error),
        "Position of the max": _position(comparison.max_abs_error_at) if comparison.max_abs_error else "",
        "Max error ratio": error(comparison.max_error_ratio),
        "Max distance (ulp)": number_format.ulp(comparison.max_ulp),
        "Smallest passing atol": Figure(
            number_format.format_ceil(comparison.smallest_passing_atol),
            number_format.full(comparison.smallest_passing_atol),
        ),
        "First mismatch": "none" if first is None else _position(first.where),
        "Reference value there": has[0],
        "Candidate value there": has[1],
        "NaN or infinite in the reference": _some(comparison.nonfinite_reference),
        "NaN or infinite in the candidate": _some(comparison.nonfinite_candidate),
        "NaN or infinite in one engine only": _some(comparison.nonfinite_apart),
    }


def audit_rows(result: RunResult) -> tuple[AuditTableRow, ...]:
    """A row for each engine that was audited."""
    judgment = result.judgment
    return () if judgment is None else tuple(_audit(judgment, audit) for audit in judgment.audits.values())


def _audit(judgment: Judgment, audit: Audit) -> AuditTableRow:
    wrong = audit.first_wrong
    has = ("", "") if wrong is None else _apart(wrong.value, wrong.expected)
    return AuditTableRow(
        display_name(audit.engine),
        audit.verdict,
        AUDIT_WORDS[audit.verdict],
        "all" if audit.coverage == 1.0 else verdict_details.covered(audit.coverage),
        error(audit.worst_ratio) if audit.audited else "",
        "" if wrong is None else _position(wrong.where),
        has[0],
        has[1],
        join_words(likely_causes(judgment, audit.engine), "or"),
    )


ALLOWED_BOUNDS = number_format.error(ALLOWED)
"""Maximum error of a correct step, in rounding bounds."""


def _position(where: Location) -> Figure:
    return Figure(where.short, str(where))


def _some(count: int) -> str:
    return number_format.count(count) if count else ""


def _apart(one: float, other: float) -> tuple[Figure, Figure]:
    shown = number_format.format_pair(one, other)
    return Figure(shown[0], number_format.full(one)), Figure(shown[1], number_format.full(other))
