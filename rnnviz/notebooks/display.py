"""The HTML of a run in a notebook: its verdict, and the interactive page in a frame that may run its script alone."""

from datetime import UTC, datetime
from html import escape

from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Location
from rnnviz.io.export.interactive_page import page_html, samples_of_page
from rnnviz.io.resources import resource_path
from rnnviz.results.tables import figures_html, verdict_html, whole_html
from rnnviz.verify.result import RunResult

LARGEST_DISPLAY = 1_000_000
"""Maximum size in bytes of the page in the display of a run, which the notebook's file has for each cell."""

_TOO_LARGE = (
    "The interactive page of this run is larger than {limit} MB. These lines show it here, or write it to a file:"
)
_CALLS = 'rnnviz.view(run)\nrnnviz.write_page(run, "run.html")'
_FRAME = (
    '<iframe title="{title}" sandbox="allow-scripts" onload="{script}" srcdoc="{page}" '
    'style="{style}" width="100%" height="680"></iframe>'
)
_STYLE = (
    "display: block; box-sizing: border-box; max-height: 90vh; margin: 8px 0; "
    "border: 1px solid rgba(128, 128, 128, 0.35); border-radius: 6px"
)


def run_html(result: RunResult) -> str:
    """The verdict of a run, its interactive page if that is small, and a table of figures."""
    return whole_html([verdict_html(result), _page(result), figures_html(result)])


def view_html(result: RunResult, start: Location) -> str:
    """The verdict of a run and its interactive page; raises an InputError if it is too large for one."""
    return whole_html([verdict_html(result), _frame(result, start)])


def _page(result: RunResult) -> str:
    try:
        return _frame(result, None, LARGEST_DISPLAY)
    except InputError:
        try:
            samples_of_page(result)
        except InputError as error:
            return f"<p>{escape(str(error))}</p>"
        return f"<p>{_TOO_LARGE.format(limit=LARGEST_DISPLAY // 10**6)}</p><pre>{escape(_CALLS)}</pre>"


def _frame(result: RunResult, start: Location | None, limit: int | None = None) -> str:
    page = page_html(result, datetime.now(UTC), start, framed=True, limit=limit)
    script = resource_path("page", "frame.js").read_text(encoding="utf-8").strip()
    return _FRAME.format(title=_TITLE, script=escape(f"({script})(this)"), page=escape(page), style=_STYLE)


_TITLE = "Values of the run"
