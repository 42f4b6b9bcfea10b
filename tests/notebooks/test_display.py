"""The display of a run in a notebook: the verdict of the command line, and a page in a frame that runs one script."""

import json
import re
from xml.etree.ElementTree import Element

import html5lib
import pytest

from rnnviz.io.export import interactive_page
from rnnviz.results.tables import verdicts
from rnnviz.verify.result import RunResult
from tests.factories import make_result, setting, with_judgment
from tests.io.export.report.reading import parsed, text_of

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def shown(result: RunResult) -> Element:
    return html5lib.parseFragment(result._repr_html_(), namespaceHTMLElements=False)


def frame(result: RunResult) -> Element:
    (found,) = shown(result).iter("iframe")
    return found


@pytest.mark.parametrize("edits", [{}, {"manual": setting((0, 0, 3, 1, 2), 0.5)}])
def test_a_run_has_the_sentences_of_the_command_line_and_its_page(edits) -> None:
    result = with_judgment(make_result(edits=edits))
    text = text_of(shown(result))
    assert all(str(words) in text for words in verdicts(result))
    page = frame(result)
    assert page.get("sandbox") == "allow-scripts"
    data = json.loads(DATA.search(page.get("srcdoc"))[1])
    assert data["samples"] == [0, 1]
    assert data["start"] == ([0, 0, 3, 1, 2] if edits else [0, 0, 0, 0, 0])


def test_the_page_in_the_frame_has_no_second_verdict_and_may_load_nothing() -> None:
    page = frame(make_result()).get("srcdoc")
    document = parsed(page)
    assert document.get("class") == "framed"
    ids = {element.get("id") for element in document.iter()}
    assert {"canvas", "arithmetic", "data"} <= ids
    assert not {"theme", "config-title"} & ids
    assert not [own for own in document.iter("section") if own.get("aria-label") == "Verdict"]
    assert "default-src 'none'; script-src 'sha256-" in page
    assert "unsafe" not in page.split("</head>")[0]


def test_a_page_larger_than_a_display_may_be_is_written_or_viewed_by_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactive_page, "LARGEST_DISPLAY", 200_000)
    result = make_result()
    found = shown(result)
    assert not list(found.iter("iframe"))
    assert [text_of(own).splitlines() for own in found.iter("pre")] == [
        ["rnnviz.view(run)", 'rnnviz.write_page(run, "run.html")']
    ]
    assert all(str(words) in text_of(found) for words in verdicts(result))
    monkeypatch.setattr(interactive_page, "LARGEST", 200_000)
    assert not list(shown(result).iter("pre"))


def test_the_html_of_a_display_loads_nothing() -> None:
    html = make_result(("manual", "./<img src=x onerror=alert(1)>.py"))._repr_html_()
    found = html5lib.parseFragment(html, namespaceHTMLElements=False)
    tags = {element.tag for element in found.iter()}
    assert not tags & {"script", "style", "img", "link"}
    assert [
        name for own in found.iter() for name in own.attrib if name.startswith("on") or name in ("src", "href")
    ] == ["onload"]
