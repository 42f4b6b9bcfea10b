"""Runs in a notebook: their display, and a view that shares its selection with Python."""

import rnnviz.results.tables  # noqa: F401 (gives results the representations that have no page)
from rnnviz.verify.result import RunResult


def _html(result: RunResult) -> str:
    # Pages need packages that a script without a notebook should not wait for.
    from rnnviz.io.export.interactive_page import run_html

    return run_html(result)


RunResult.as_html = _html
