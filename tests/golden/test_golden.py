"""Texts of representative results: `make golden` writes them again after a change of wording."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rnnviz.io.export.report import report_html
from rnnviz.text.verdict_text import plain, report, verdicts
from rnnviz.verify.result import RunResult
from tests.golden.details import lines
from tests.golden.runs import RUNS

FOLDER = Path(__file__).parent
# Libraries of linear algebra round differently: digits that depend on them are masked.
_DIGITS = re.compile(r"\d+\.\d{3,}(e[-+]\d+)?|\b\d\.?\d*e[-+]\d+(?= ulp)|\b[\d,]+(?= ulp)")


def text(result: RunResult) -> str:
    """The report of a result with its brief texts, and its representation."""
    briefs = [plain(words.brief) for words in verdicts(result)]
    return "\n".join((report(result), "", *briefs, "", repr(result), ""))


def masked(found: str) -> str:
    """The text without digits that depend on the machine."""
    return _DIGITS.sub("#", found)


def report_text(name: str) -> str:
    """The body of the HTML report of a run, without its figures, charts and the version."""
    html = report_html(RUNS[name](), [], datetime(2026, 2, 3, 4, 5, tzinfo=UTC))
    body = re.sub("<svg.*?</svg>", "<svg>", html[html.index("<body>") :], flags=re.DOTALL)
    body = re.sub(r"<data [^>]*>[^L<]*</data>", "#", body)
    return masked(re.sub(r"(?<=by rnnviz )[\d.]+\d|(?<=<td>)\d+\.\d+\.\d+(?=</td>)", "#", body))


def display_text(name: str) -> str:
    """The HTML that a notebook shows of a run, without the page."""
    return masked(re.sub("<iframe.*?</iframe>", "<iframe>", RUNS[name]()._repr_html_(), flags=re.DOTALL))


FOUND: dict[str, Callable[[], str]] = {
    **{name: lambda name=name: masked(text(RUNS[name]())) for name in RUNS},
    "details": lambda: "\n".join((*lines(), "")),
    "display-three-engines": lambda: display_text("three-engines"),
    "report-wrong": lambda: report_text("wrong"),
    "report-gradients": lambda: report_text("gradients-wrong"),
}


@pytest.mark.parametrize("name", FOUND)
def test_texts_are_as_in_the_golden_files(name, request):
    path = FOLDER / f"{name}.txt"
    found = FOUND[name]()
    if request.config.getoption("--golden"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8"), "run `make golden` if the new text is meant"


def test_every_golden_file_has_its_result():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(FOUND)
