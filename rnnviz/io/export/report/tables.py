"""Rows of the tables of a report: comparisons, step audit, and the arithmetic of the first value that differs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import Location
from rnnviz.core.words import join_words
from rnnviz.explain.equations import EquationLine, align_decimals, equations, format_distinct, format_short
from rnnviz.explain.explanation import Divergence, explain_value
from rnnviz.explain.provenance import notation, own_previous, previous_cell
from rnnviz.explain.step_breakdown import StepBreakdown, own_symbols
from rnnviz.explain.term_table import ledger
from rnnviz.text import verdict_details
from rnnviz.text.tables import AUDIT_WORDS
from rnnviz.text.verdict_text import MARKS, likely_causes
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import Judgment, RunResult
from rnnviz.verify.verdict import AuditVerdict

ALLOWED_BOUNDS = number_format.error(ALLOWED)
"""Maximum error of a correct step, in rounding bounds."""


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
    """The step audit of one engine.

    `line` is the first line that differs of a custom step that returns lines; `diagnosis` is empty unless a known bug
    reproduces its numbers.
    """

    engine: str
    verdict: AuditVerdict
    word: str
    audited: str
    worst: TableCell
    first_wrong: TableCell
    has: TableCell
    gives: TableCell
    line: str
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
        "" if audit.first_line is None else audit.first_line.name,
        join_words(likely_causes(judgment, audit.engine), "or"),
    )


def _position(where: Location) -> Figure:
    return Figure(where.short, str(where))


def _some(count: int) -> str:
    return number_format.count(count) if count else ""


def _apart(one: float, other: float) -> tuple[Figure, Figure]:
    shown = number_format.format_pair(one, other)
    return Figure(shown[0], number_format.full(one)), Figure(shown[1], number_format.full(other))


@dataclass(frozen=True)
class TermRow:
    """A row of a gate's terms: `factor` is the weight, `figures` are each engine's input and product.

    `kind` is "term", "bias", "part" or "total"; `parts` marks the first divergence.
    """

    name: str
    kind: str
    factor: Figure | None
    figures: tuple[Figure | None, ...]
    parts: bool


@dataclass(frozen=True)
class Equation:
    """An equation in symbols, and with the numbers of each engine; engines with the same digits share a line."""

    symbols: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class GateView:
    """A gate: its terms and its equation."""

    title: str
    terms: tuple[TermRow, ...]
    equation: Equation


@dataclass(frozen=True)
class ReportArithmetic:
    """One value's arithmetic for the reference and a candidate.

    `states` are the previous states, `outcome` the results beside the engines' own values. `sentences` name wrong
    engines and the first divergence.
    """

    place: str
    why: str
    engines: tuple[str, ...]
    given: tuple[str, ...]
    states: tuple[ReportRow, ...]
    gates: tuple[GateView, ...]
    equations: tuple[Equation, ...]
    outcome: tuple[ReportRow, ...]
    sentences: tuple[str, ...]


def first_disagreement(result: RunResult, comparison: Comparison) -> ReportArithmetic | None:
    """The first value that differs, else the first that an audit found wrong; None if there is neither."""
    where, why = _where(result, comparison)
    if where is None:
        return None
    explanation = explain_value(result, where, candidates=(comparison.candidate,))
    each = tuple(explanation.arithmetics.values())
    parting = explanation.partings.get(comparison.candidate)
    # Gates come with their terms; a line that no gate gives, such as f = 1 - i, is among the equations.
    lines = {steps[0].result.text: _equation(each, steps) for steps in zip(*map(equations, each), strict=True)}
    gates = tuple(
        GateView(f"{gate.symbol}, {gate.gate.name}", _terms(each, gate.symbol, parting), lines.pop(gate.symbol))
        for gate in explanation.reference.gates
    )
    return ReportArithmetic(
        place=str(where),
        why=why,
        engines=tuple(display_name(arithmetic.engine) for arithmetic in each),
        given=equations_of_all_units(explanation.reference.cell),
        states=tuple(_states(each)),
        gates=gates,
        equations=tuple(lines.values()),
        outcome=tuple(row for symbol in own_symbols(each) for row in _outcome(each, symbol)),
        sentences=explanation.sentences,
    )


def _where(result: RunResult, comparison: Comparison) -> tuple[Location | None, str]:
    if comparison.first_mismatch is not None:
        return comparison.first_mismatch.where, "The first value that differs"
    audits = {} if result.judgment is None else result.judgment.audits
    for engine in (comparison.reference, comparison.candidate):
        wrong = audits[engine].first_wrong if engine in audits else None
        if wrong is not None:
            return wrong.where, f"No value differs, but {display_name(engine)} is wrong first in the value"
    return None, ""


def _states(each: Sequence[StepBreakdown]) -> Iterator[ReportRow]:
    yield _row(f"h[t-1] = {notation(own_previous(each[0]))}", [a.previous.h for a in each])
    cells = [a.previous.c for a in each if a.previous.c is not None]
    if cells:
        yield _row(f"c[t-1] = {notation(previous_cell(each[0]))}", cells)


def _outcome(each: Sequence[StepBreakdown], symbol: str) -> Iterator[ReportRow]:
    """The value of the arithmetic beside the engines' own; no rows for one that no engine gives."""
    found = [next((own for own in a.outcomes if own.symbol == symbol), None) for a in each]
    if not any(found):
        return
    yield _row(f"{symbol} of this arithmetic", [a.number(a.graph.values[symbol]) for a in each])
    yield _row(f"{symbol} of the engine", [None if own is None else own.stored for own in found])
    yield ReportRow("difference", tuple("" if own is None else error(own.difference) for own in found))
    limits = tuple("" if own is None else error(ALLOWED * own.bound) for own in found)
    yield ReportRow("allowed for rounding", limits)


def _row(name: str, values: Sequence[float | None]) -> ReportRow:
    """A row with an empty cell where an engine has no such number."""
    return ReportRow(name, tuple(number or "" for number in _numbers(values)))


def _terms(each: Sequence[StepBreakdown], symbol: str, parting: Divergence | None) -> tuple[TermRow, ...]:
    """Every term of a gate, none summed, with the decimal points of each column below each other."""
    rows = ledger(each, symbol, top=len(each[0].by_symbol[symbol].pre), parting=parting).rows
    factors = _aligned([_numbers([row.figures[0].factor])[0] for row in rows])
    inputs = [_numbers([own.input for own in row.figures]) for row in rows]
    products = [_numbers([own.product for own in row.figures]) for row in rows]
    columns = [_aligned([row[k] for row in table]) for k in range(len(each)) for table in (inputs, products)]
    return tuple(
        TermRow(row.name, row.kind, factor, figures, row.parts)
        for row, factor, figures in zip(rows, factors, zip(*columns, strict=True), strict=True)
    )


def _numbers(values: Sequence[float | None]) -> list[Figure | None]:
    """With three decimals, and two that differ with as many as show the difference."""
    shown = [None if value is None else format_short(value) for value in values]
    if len(values) == 2 and values[0] is not None and values[1] is not None and values[0] != values[1]:
        shown = list(format_distinct(values[0], values[1]))
    return [
        None if value is None or text is None else Figure(text, number_format.full(value))
        for value, text in zip(values, shown, strict=True)
    ]


def _aligned(column: Sequence[Figure | None]) -> list[Figure | None]:
    texts = align_decimals(["" if number is None else number.shown for number in column])
    return [None if number is None else Figure(text, number.full) for number, text in zip(column, texts, strict=True)]


def _equation(each: Sequence[StepBreakdown], lines: Sequence[EquationLine]) -> Equation:
    named: dict[str, list[str]] = {}
    texts = [line.numbers for line in lines]
    if len(set(texts)) == 1 and len(lines) == 2:
        texts = ["".join(cells) for cells in lines[0].cells_apart(lines[1])]
    for arithmetic, text in zip(each, texts, strict=True):
        named.setdefault(text, []).append(display_name(arithmetic.engine))
    return Equation(lines[0].symbols, tuple((", ".join(engines), text) for text, engines in named.items()))
