"""The HTML of results in a notebook, whose colors it has."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.resources import resource_path
from rnnviz.core.trace_index import Location
from rnnviz.io.export.interactive_page import page_html, samples_of_page
from rnnviz.io.export.report import html_environment
from rnnviz.results.columns import COMPARED, DIFFERENCES, FIRST_MISMATCH, MISMATCHES, Column, filled
from rnnviz.text.config_diff import config_in_words
from rnnviz.text.verdict_details import assumptions, say
from rnnviz.text.verdict_text import MARKS, TextPart, comparison_in_words, headline, verdicts
from rnnviz.verify.compare import ArrayComparison
from rnnviz.verify.result import RunResult

LARGEST_DISPLAY = 1_000_000
"""Maximum size in bytes of the page in the display of a run, which the notebook's file has for each cell."""
_OF_COMPARISONS = (
    COMPARED,
    MISMATCHES,
    Column("Tolerance (atol, rtol)", lambda own: say("{own.atol:full}, {own.rtol:full}", own=own)),
    *DIFFERENCES,
    FIRST_MISMATCH[0],
)
"""The figures of comparisons; a first mismatch adds its own."""


def run_html(result: RunResult) -> str:
    """The verdict of a run, its interactive page if that is small, and a table of figures."""
    return _of_run(result, _page(result), result.comparisons)


def view_html(result: RunResult, start: Location) -> str:
    """The verdict of a run and its interactive page; raises an InputError if it is too large for one."""
    return _of_run(result, _frame(result, start))


def comparison_html(comparison: ArrayComparison) -> str:
    sentence = (TextPart(comparison_in_words(comparison)),)
    return _html([comparison], verdicts=[(comparison.verdict, sentence, ())])


def _of_run(result: RunResult, page: str, comparisons: Sequence[ArrayComparison] = ()) -> str:
    return _html(
        comparisons,
        lines=(config_in_words(result.config), *assumptions(result)),
        headline=headline(result),
        verdicts=[(words.verdict, words.sentence, words.notes) for words in verdicts(result)],
        page=page,
    )


def _html(comparisons: Sequence[ArrayComparison], **parts: Any) -> str:
    return (
        html_environment("page")
        .get_template("display.html")
        .render(
            {"lines": (), "headline": "", "page": "", **parts},
            marks=MARKS,
            comparisons=comparisons,
            columns=(*_OF_COMPARISONS, *filled(FIRST_MISMATCH[1:], comparisons)),
            reference=display_name(comparisons[0].reference) if comparisons else "",
            display_name=display_name,
        )
    )


def _page(result: RunResult) -> str:
    try:
        return _frame(result, None, LARGEST_DISPLAY)
    except InputError:
        try:
            samples_of_page(result)
        except InputError as error:
            return f"<p>{escape(str(error))}</p>"
        too_large = f"The interactive page of this run is larger than {LARGEST_DISPLAY // 10**6} MB."
        calls = escape('rnnviz.view(run)\nrnnviz.write_page(run, "run.html")')
        return f"<p>{too_large} These lines show it here, or write it to a file:</p><pre>{calls}</pre>"


def _frame(result: RunResult, start: Location | None, limit: int | None = None) -> str:
    page = page_html(result, datetime.now(UTC), start, framed=True, limit=limit)
    frame, script = (
        resource_path("page", f"frame.{kind}").read_text(encoding="utf-8").strip() for kind in ("html", "js")
    )
    return frame.format(script=escape(f"({script})(this)"), page=escape(page))
