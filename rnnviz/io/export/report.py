"""A run as an HTML file that needs nothing next to it: no script, no font, no network."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import gradient
from rnnviz.core.naming import names_of_file, with_parameters
from rnnviz.core.places import Place
from rnnviz.core.resources import resource_path
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.explain.explanation import explain
from rnnviz.explain.lines import (
    Breakdown,
    EquationLine,
    Line,
    align_decimals,
    format_distinct,
    format_short,
    stored_symbols,
)
from rnnviz.explain.report import recomputed_of
from rnnviz.explain.terms import Divergence, term_table
from rnnviz.explain.value_sources import notation
from rnnviz.io.config_toml import as_in_session, dump_config, name_of_source
from rnnviz.io.export.pictures import ReportPicture
from rnnviz.io.outputs import write_text
from rnnviz.results import columns
from rnnviz.results.columns import Column
from rnnviz.results.summary import versions
from rnnviz.series.errors import ERROR_RATIO, error_series
from rnnviz.series.outlines import LogScale, Outline, largest_of, log_scale, outline_of, runs
from rnnviz.text import verdict_details
from rnnviz.text.config_diff import network_in_words
from rnnviz.text.verdict_text import AUDIT_WORDS, MARKS, headline, likely_cause, verdicts
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison, LaneComparison
from rnnviz.verify.result import PassJudgment, RunResult
from rnnviz.verify.verdict import AuditVerdict

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Characters that HTML does not permit; names and program output may contain them."""


def write_report(
    result: RunResult, path: Path, pictures: Sequence[ReportPicture] = (), *, outdated: bool = False
) -> int:
    """Write the HTML report of a run, and return its size in bytes; `outdated` if settings changed after the run."""
    return write_text(path, report_html(result, pictures, datetime.now(UTC), outdated=outdated))


def report_html(
    result: RunResult, pictures: Sequence[ReportPicture], written: datetime, *, outdated: bool = False
) -> str:
    """The report as text: every value in it is escaped by the template's environment."""
    html = (
        html_environment("report")
        .get_template("report.html")
        .render(
            title=run_title(result),
            written=written,
            outdated=outdated,
            verdict=result.overall_verdict,
            headline=headline(result),
            verdicts=[(str(words), words) for words in verdicts(result)],
            pictures=pictures,
            result=result,
            reference=display_name(result.reference.engine),
            candidates=[display_name(c.candidate) for c in result.comparisons],
            comparison=comparison_rows(result),
            charts=[error_chart(result, comparison) for comparison in result.comparisons],
            audits=audit_table(result.judgment, "First wrong step"),
            gradients=gradient_tables(result),
            gradient_charts=[
                error_chart(result, comparison.gradients_over_time[gradient("h")])
                for comparison in result.comparisons
                if gradient("h") in comparison.gradients
            ],
            gradient_audits=audit_table(result.judged("backward"), "First wrong gradient"),
            allowed=number_format.error(ALLOWED),
            arithmetics=[(display_name(c.candidate), first_disagreement(result, c)) for c in result.comparisons],
            open_rows=40,  # tables of terms with more rows are closed until they are clicked
            config=as_in_session(dump_config(result.config)),
            versions=versions(result),
        )
    )
    return with_parameters(html, names_of_file(result.config.parameters.path))


def run_title(result: RunResult) -> str:
    network, path = network_in_words(result.config.network), result.config.parameters.path
    return network if path is None else f"{name_of_source(path)}: {network}"


@cache
def html_environment(folder: str) -> Environment:
    """The templates in a folder of the resources and in the report's folder; values are escaped."""
    environment = Environment(
        loader=FileSystemLoader([resource_path(folder), resource_path("report")]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_allowed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"name": display_name, "duration": number_format.duration}
    return environment


def _allowed(value: Any) -> Any:
    """The text without characters that HTML forbids; markup of the template is unchanged."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", value)


class Figure(NamedTuple):
    """A number or a position as it is shown, and in full."""

    shown: str
    full: str


Cell: TypeAlias = Figure | str
Row: TypeAlias = tuple[str, list[Cell]]
"""The title of a row and its cells, one for each engine or candidate."""


def _cell(column: Column, row: Any) -> Cell:
    full = "" if column.full is None else column.full(row)
    return Figure(column.text(row), full) if full else column.text(row)


def comparison_rows(result: RunResult) -> list[Row]:
    """A row for each figure that any candidate has, with a cell for each candidate."""
    verdicts = {comparison.candidate: result.comparison_verdict(comparison) for comparison in result.comparisons}
    verdict = Column("Verdict", lambda own: f"{MARKS[verdicts[own.candidate]]} {verdicts[own.candidate]}")
    shown = columns.filled((verdict, *columns.FIGURES), result.comparisons)
    return [(column.title, [_cell(column, own) for own in result.comparisons]) for column in shown]


class ReportTable(NamedTuple):
    """A table: the titles of its columns, and for each row the cells, each with the color of its text."""

    titles: list[str]
    rows: list[list[tuple[Cell, str]]]


def _table(every: Sequence[Column], rows: Sequence[Any]) -> ReportTable:
    """A table without the optional columns in which no row has a text."""
    kept = [column for column in every if not column.optional or columns.filled([column], rows)]
    cells = [[(_cell(column, row), column.look(row).role) for column in kept] for row in rows]
    return ReportTable([column.title for column in kept], cells)


def audit_table(judgment: PassJudgment | None, place: str) -> ReportTable:
    """A row for each audited engine; `place` is the title of the column with the first wrong value."""
    if judgment is None:
        return ReportTable([], [])
    shown = (
        Column("Engine", lambda audit: display_name(audit.engine)),
        Column(
            "Verdict",
            lambda audit: f"{_SIGNS.get(audit.verdict, '')}{AUDIT_WORDS[audit.verdict]}",
            look=lambda audit: columns.Look(audit.verdict),
        ),
        Column("Audited", lambda audit: "all" if audit.coverage == 1.0 else verdict_details.covered(audit.coverage)),
        columns.error_column(
            "Largest error (rounding bounds)", lambda audit: audit.worst_ratio if audit.audited else None
        ),
        Column(place, lambda audit: _first_wrong(audit)[0], lambda audit: _first_wrong(audit)[1]),
        *columns.pair_columns(
            ("Returned", "Recomputed"), lambda audit: (own := audit.first_wrong) and (own.value, own.expected)
        ),
        Column(
            "First line that differs",
            lambda audit: "" if audit.first_line is None else audit.first_line.name,
            optional=True,
        ),
        Column("Likely cause", lambda audit: likely_cause(judgment, audit.engine)),
    )
    return _table(shown, tuple(judgment.audits.values()))


_SIGNS = {AuditVerdict.RIGHT: "✔ ", AuditVerdict.WRONG: "✘ "}


def _first_wrong(audit: Audit) -> tuple[str, str]:
    """The place of the first wrong value, and in full where it is shown in short."""
    wrong, where = audit.first_wrong, audit.first_location
    if audit.way == "forward" and where is not None:
        return where.short, str(where)
    return "" if wrong is None else str(wrong.where), ""


def gradient_tables(result: RunResult) -> list[tuple[str, ReportTable]]:
    """For each candidate whose gradients are compared its name, and a row for each gradient."""
    shown = (
        Column("Gradient", lambda own: own.name),
        Column(columns.COMPARED.title, lambda own: number_format.count(own.elements)),
        *(columns.MISMATCHES, columns.ATOL, columns.MAX_ERROR),
        Column("Position of the max", lambda own: str(own.max_abs_error_place) if own.max_abs_error else ""),
        *(columns.MAX_RATIO, columns.NONFINITE_APART),
    )
    compared = [comparison for comparison in result.comparisons if comparison.gradients]
    return [(display_name(own.candidate), _table(shown, tuple(own.gradients.values()))) for own in compared]


def first_disagreement(result: RunResult, comparison: Comparison) -> dict[str, Any] | None:
    """The arithmetic of the first value that differs, else of the first that an audit found wrong; None without any."""
    where, why = _where(result, comparison)
    if where is None:
        return None
    explanation = explain(result, Place.at("h", where), candidates=(comparison.candidate,))
    each = tuple(explanation.breakdowns.values())
    divergence = explanation.divergences.get(comparison.candidate)
    # Gates come with their terms; a line that no gate gives, such as f = 1 - i, is among the equations.
    lines = {
        alike[0].name: _equation(each, [line.equation for line in alike])
        for alike in zip(*(breakdown.lines for breakdown in each), strict=True)
    }
    gates = [
        {
            "title": f"{alike[0].name}, {alike[0].title}{recomputed_of(each, alike[0].name)}",
            "terms": _terms(alike, divergence),
            "equation": lines.pop(alike[0].name),
        }
        for alike in zip(*(breakdown.gates for breakdown in each), strict=True)
    ]
    return {
        "place": str(where),
        "why": why,
        "engines": [display_name(breakdown.engine) for breakdown in each],
        "given": equations_of_all_units(explanation.reference.cell),
        "states": [
            _row(
                f"{alike[0].symbol}[t-1] = {notation(alike[0].source)}{recomputed_of(each, alike[0].symbol)}",
                [state.value for state in alike],
            )
            for alike in zip(*(breakdown.previous for breakdown in each), strict=True)
        ],
        "gates": gates,
        "equations": list(lines.values()),
        "outcome": [row for symbol in stored_symbols(each) for row in _outcome(each, symbol)],
        "sentences": explanation.sentences,
    }


def _where(result: RunResult, comparison: Comparison) -> tuple[Location | None, str]:
    if comparison.first_mismatch is not None:
        return comparison.first_mismatch.where, "The first value that differs"
    audits = {} if result.judgment is None else result.judgment.audits
    for engine in (comparison.reference, comparison.candidate):
        wrong = audits[engine].first_location if engine in audits else None
        if wrong is not None:
            return wrong, f"No value differs, but {display_name(engine)} is wrong first in the value"
    return None, ""


def _outcome(each: Sequence[Breakdown], symbol: str) -> Iterator[Row]:
    found = [breakdown.by_name[symbol].own for breakdown in each]
    yield _row(f"{symbol} of this arithmetic", [breakdown.by_name[symbol].value for breakdown in each])
    yield _row(f"{symbol} of the engine", [None if own is None else own.stored for own in found])
    for title, read in (
        ("difference", lambda own: own.difference),
        ("allowed for rounding", lambda own: ALLOWED * own.bound),
    ):
        column = columns.error_column(title, read)
        yield title, ["" if own is None else _cell(column, own) for own in found]


def _row(name: str, values: Sequence[float | None]) -> Row:
    return name, [number or "" for number in _numbers(values)]


def _terms(each: Sequence[Line], divergence: Divergence | None) -> list[dict[str, Any]]:
    rows = term_table(each, top=len(each[0]), divergence=divergence).rows
    factors = _aligned([_numbers([row.figures[0].factor])[0] for row in rows])
    inputs = [_numbers([own.input for own in row.figures]) for row in rows]
    products = [_numbers([own.product for own in row.figures]) for row in rows]
    pairs = [_aligned([row[k] for row in table]) for k in range(len(each)) for table in (inputs, products)]
    return [
        {"name": row.name, "kind": row.kind, "factor": factor, "figures": figures, "parts": row.diverges}
        for row, factor, figures in zip(rows, factors, zip(*pairs, strict=True), strict=True)
    ]


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


def _equation(each: Sequence[Breakdown], lines: Sequence[EquationLine]) -> dict[str, Any]:
    """An equation in symbols, and with the numbers of each engine; engines with the same digits share a line."""
    named: dict[str, list[str]] = {}
    texts = [line.numbers for line in lines]
    if len(set(texts)) == 1 and len(lines) == 2:
        texts = ["".join(cells) for cells in lines[0].cells_apart(lines[1])]
    for breakdown, text in zip(each, texts, strict=True):
        named.setdefault(text, []).append(display_name(breakdown.engine))
    return {"symbols": lines[0].symbols, "lines": [(", ".join(engines), text) for text, engines in named.items()]}


_WIDTH, _HEIGHT = 1200, 260
"""Size of the SVG in its own units."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 10, 10, 30
"""Margins with the labels of the axes."""
_MOST_LANES = 16
"""Maximum number of other lanes drawn separately. More lanes are drawn as one curve, their maximum."""
_MOST_TICKS = 8


def error_chart(result: RunResult, comparison: LaneComparison) -> dict[str, Any]:
    """The largest error ratio of a candidate at each time step of every lane, on a logarithmic axis, as SVG paths."""
    series = error_series(result, comparison, ERROR_RATIO)
    assert series is not None
    assert series.limit is not None
    values, limit = series.main.values, series.limit[0]
    scale, timesteps = log_scale(series.lanes, limit), values.shape[-1]
    pixels = _WIDTH - _LEFT - _RIGHT
    outlines = {lane: outline_of(values[lane], range(timesteps), pixels) for lane in np.ndindex(values.shape[:2])}
    layer, direction = max(outlines, key=lambda lane: float(np.nan_to_num(values[lane], nan=-1.0, posinf=np.inf).max()))
    worst = outlines.pop((layer, direction))
    others = list(outlines.values()) if len(outlines) <= _MOST_LANES else [largest_of(list(outlines.values()))]
    infinity = [scale.infinity] if scale.infinite else []
    decades = [scale.zero, *map(float, _few(range(scale.lowest, scale.highest + 1))), *infinity]
    return {
        "candidate": display_name(comparison.candidate),
        "lane": lane_text(result.inputs.network, Location(layer, direction)),
        "worst": _path(worst, scale, timesteps),
        "others": [_path(other, scale, timesteps) for other in others],
        "limit": _y(float(scale.positions(np.array([limit]))[0]), scale),
        "times": [(_x(t, timesteps), f"{t:,}") for t in _few(range(timesteps))],
        "decades": [(_y(position, scale), scale.text(position)) for position in decades],
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": _WIDTH - _RIGHT,
        "bottom": _HEIGHT - _BOTTOM,
    }


def _path(outline: Outline, scale: LogScale, timesteps: int) -> str:
    times, values = outline.points()
    heights = scale.positions(np.asarray(values, np.float64))
    parts = []
    for start, stop in runs(~np.isnan(heights)).tolist():
        points = [
            f"{_x(time, timesteps)},{_y(height, scale)}"
            for time, height in zip(times[start : stop + 1].tolist(), heights[start : stop + 1].tolist(), strict=True)
        ]
        # A single point becomes a dot by its round cap.
        parts.append("M" + "L".join(points if len(points) > 1 else points * 2))
    return "".join(parts)


def _x(time: float, timesteps: int) -> float:
    return round(_LEFT + (time + 0.5) / timesteps * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(position: float, scale: LogScale) -> float:
    highest = scale.infinity if scale.infinite else float(scale.highest)
    return round(_TOP + (highest - position) / (highest - scale.zero) * (_HEIGHT - _TOP - _BOTTOM), 1)


def _few(whole: range) -> Sequence[int]:
    """At most `_MOST_TICKS` of some whole numbers, at a step of 1, 2 or 5 times a power of ten."""
    step = next(m * 10**p for p in range(12) for m in (1, 2, 5) if len(whole) <= _MOST_TICKS * m * 10**p)
    return range(-(-whole.start // step) * step, whole.stop, step)
