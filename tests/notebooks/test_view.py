"""The display of a run in a notebook, and a view: a selection that can be set, observed and refused."""

import json
import re
from xml.etree.ElementTree import Element

import html5lib
import numpy as np
import pytest

import rnnviz
from rnnviz.core.errors import InputError
from rnnviz.core.extras import not_installed
from rnnviz.core.trace_index import Location
from rnnviz.explain.report import report
from rnnviz.io.export import interactive_page
from rnnviz.notebooks import display
from rnnviz.text.verdict_text import verdicts
from rnnviz.verify.result import RunResult
from tests.explain.arithmetics import explain_at
from tests.factories import make_result, setting, with_judgment
from tests.hidden_packages import hide
from tests.io.export.report.reading import parsed, text_of
from tests.needs import need

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def shown(result: RunResult) -> Element:
    return html5lib.parseFragment(result._repr_html_(), namespaceHTMLElements=False)


def frame(result: RunResult) -> Element:
    (found,) = shown(result).iter("iframe")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("edits", [{}, {"manual": setting((0, 0, 3, 1, 2), 0.5)}])
def test_a_run_has_the_sentences_of_the_command_line_and_its_page(edits):
    result = with_judgment(make_result(edits=edits))
    text = text_of(shown(result))
    assert all(str(words) in text for words in verdicts(result))
    page = frame(result)
    assert page.get("sandbox") == "allow-scripts"
    data = json.loads(DATA.search(page.get("srcdoc"))[1])
    assert data["samples"] == [0, 1]
    assert data["start"] == ([0, 0, 3, 1, 2] if edits else [0, 0, 0, 0, 0])


def test_the_page_in_the_frame_has_no_second_verdict_and_may_load_nothing():
    page = frame(make_result()).get("srcdoc")
    document = parsed(page)
    assert document.get("class") == "framed"
    ids = {element.get("id") for element in document.iter()}
    assert {"canvas", "arithmetic", "data"} <= ids
    assert not {"theme", "config-title"} & ids
    assert not [own for own in document.iter("section") if own.get("aria-label") == "Verdict"]
    assert "default-src 'none'; script-src 'sha256-" in page
    assert "unsafe" not in page.split("</head>")[0]


def test_a_page_larger_than_a_display_may_be_is_written_or_viewed_by_a_call(monkeypatch):
    monkeypatch.setattr(display, "LARGEST_DISPLAY", 200_000)
    result = make_result()
    found = shown(result)
    assert not list(found.iter("iframe"))
    assert [text_of(own).splitlines() for own in found.iter("pre")] == [
        ["rnnviz.view(run)", 'rnnviz.write_page(run, "run.html")']
    ]
    assert all(str(words) in text_of(found) for words in verdicts(result))
    monkeypatch.setattr(interactive_page, "LARGEST", 200_000)
    assert not list(shown(result).iter("pre"))


def test_the_html_of_a_display_loads_nothing():
    html = make_result(("manual", "./<img src=x onerror=alert(1)>.py"))._repr_html_()
    found = html5lib.parseFragment(html, namespaceHTMLElements=False)
    tags = {element.tag for element in found.iter()}
    assert not tags & {"script", "style", "img", "link"}
    assert [
        name for own in found.iter() for name in own.attrib if name.startswith("on") or name in ("src", "href")
    ] == ["onload"]


need("anywidget")


def test_the_selection_begins_at_the_first_mismatch():
    result = make_result(edits={"manual": setting((0, 0, 3, 1, 2), 0.5)})
    assert rnnviz.view(result).selection == Location(0, 0, 3, 1, 2)
    assert rnnviz.view(result, (0, 0, 1, 0, 3)).selection == Location(0, 0, 1, 0, 3)


@pytest.mark.parametrize(
    "value", [Location(1, 1, 4, 1, 3), (1, 1, 4, 1, 3), [1, 1, 4, 1, 3], np.array([1, 1, 4, 1, 3])], ids=type
)
def test_what_is_known_of_the_value_follows_the_selection(value):
    result = with_judgment(make_result(("manual", "bug:no-h2h-bias"), num_layers=2, bidirectional=True))
    view = rnnviz.view(result)
    seen = []
    for name in ("selection", "arithmetic", "audit"):
        view.observe(lambda change: seen.append(change["name"]), name)
    view.selection = value
    where = Location(1, 1, 4, 1, 3)
    assert view.selection == where
    assert sorted(seen) == ["arithmetic", "audit", "selection"]
    explanation = explain_at(result, where)
    assert view.arithmetic == report(explanation)
    assert {name: step["h"].right for name, step in view.audit.items()} == {"manual": True, "bug:no-h2h-bias": False}
    assert view.audit["manual"]["h"].stored == result["manual"].hidden[where.index]
    view.selection = value
    assert len(seen) == 3


@pytest.mark.slow
def test_a_selection_outside_the_run_is_refused_and_names_what_is_allowed():
    view = rnnviz.view(make_result(lengths=[5, 2]))
    for value, words in (
        ((1, 0, 0, 0, 0), ("layer", "got 1", "1 layer")),
        ((0, 1, 0, 0, 0), ("direction", "got 1", "1 direction")),
        ((0, 0, 5, 0, 0), ("timestep", "from 0 to 4", "got 5")),
        ((0, 0, -1, 0, 0), ("timestep", "from 0 to 4", "got -1")),
        ((0, 0, 0, 2, 0), ("sample", "from 0 to 1", "got 2")),
        (Location(unit=4), ("unit", "from 0 to 3", "got 4")),
        ((0, 0, 3, 1, 0), ("t = 3", "padding", "2 time steps")),
        *((value, ("Location", "five indices")) for value in ((0,) * 4, (0,) * 6, (0, 0.5, 0, 0, 0), "abcde", None)),
    ):
        with pytest.raises(InputError) as caught:
            view.selection = value
        assert all(word in str(caught.value) for word in words)
        assert view.selection == Location()
        if value is not None:
            with pytest.raises(InputError):
                rnnviz.view(view.run, value)


def test_a_selection_from_the_page_is_validated_like_one_from_python():
    view = rnnviz.view(make_result())
    view.set_state({"selection": [0, 0, 2, 1, 3]})
    assert view.selection == Location(0, 0, 2, 1, 3)
    assert view.get_state("selection") == {"selection": [0, 0, 2, 1, 3]}


def test_samples_that_the_page_leaves_out_are_refused(monkeypatch):
    monkeypatch.setattr(interactive_page, "LARGEST", 250_000)
    result = make_result(batch_size=200)
    view = rnnviz.view(result, (0, 0, 0, 150, 0))
    view.selection = (0, 0, 4, 0, 0)
    with pytest.raises(InputError, match="got 199"):
        view.selection = (0, 0, 0, 199, 0)
    monkeypatch.setattr(interactive_page, "LARGEST", 200_000)
    with pytest.raises(InputError, match="at most"):
        rnnviz.view(result)


def test_a_backward_network_names_its_direction():
    view = rnnviz.view(make_result(reverse=True), (0, 0, 2, 0, 0))
    assert "backward" in repr(view)
    assert view.selection.backward


def test_without_anywidget_the_sentence_names_the_extra(monkeypatch, tmp_path):
    hide(monkeypatch, tmp_path, "anywidget")
    with pytest.raises(ModuleNotFoundError) as caught:
        rnnviz.view(make_result())
    assert str(caught.value) == f"rnnviz.view {not_installed('anywidget')}."
