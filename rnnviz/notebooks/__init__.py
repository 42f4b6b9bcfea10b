"""Runs in a notebook: their display, and a view that shares its selection with Python."""

from typing import Any

import rnnviz.text.verdict_text  # noqa: F401 (gives results their text)
from rnnviz.verify.compare import ArrayComparison
from rnnviz.verify.result import RunResult


def _html(result: Any) -> str:
    # Pages need packages that a script without a notebook should not wait for.
    from rnnviz.notebooks import display

    return display.run_html(result) if isinstance(result, RunResult) else display.comparison_html(result)


RunResult.as_html = ArrayComparison.as_html = _html
