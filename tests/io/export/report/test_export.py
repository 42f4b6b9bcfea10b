"""A report is valid, needs no other files, escapes whatever is in it, and says what was found."""

import re
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import pytest

from rnnviz.core.sequence import Names
from rnnviz.core.trace import Trace
from rnnviz.io.export.pictures import ReportPicture
from rnnviz.io.export.report import Figure, error_chart, first_disagreement, report_html, write_report
from rnnviz.text.verdict_text import verdict_sentence
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.result import RunResult
from tests.factories import make_result, setting, with_judgment
from tests.io.export.report.reading import numbers, parsed, rows, section, table, text_of

HOSTILE = "\"><script>alert('1')</script><img src=x onerror=y>&amp;"
SVG = "{http://www.w3.org/2000/svg}"
CURVES = "limit", "other", "worst"
WHEN = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)


def not_a_number(trace: Trace) -> None:
    trace.hidden[0, 0, 2, 1] = np.nan


def a_little_off(trace: Trace) -> None:
    trace.hidden[0, 0, 1, 0, 3] += 0.1


RESULTS = {
    "agreement": lambda: with_judgment(make_result(num_layers=2, bidirectional=True), blind=("no-h2h-bias",)),
    "disagree": lambda: with_judgment(make_result(("gluon", "bug:no-h2h-bias", "manual"), cell="lstm", num_layers=2)),
    "not audited": lambda: make_result(("gluon", "bug:no-h2h-bias"), cell="gru"),
    "not a number": lambda: with_judgment(make_result(edits={"manual": not_a_number}, cell="lstm")),
    "wide": lambda: with_judgment(make_result(edits={"manual": a_little_off}, hidden_size=50)),
}


def check_figures(kind: str, result: RunResult, document: Element) -> None:
    """The verdict and the figures are those of the comparison."""
    verdict = text_of(section(document, "verdict"))
    figures = table(section(document, "comparison"), "Each candidate compared with gluon, value by value")
    for column, comparison in enumerate(result.comparisons):
        words = verdict_sentence(result, comparison.candidate)
        assert str(words) in verdict
        assert all(note in verdict for note in (*words.notes, *words.blind))

        own = {name: cells[column] for name, cells in figures.items()}
        assert text_of(own["Mismatches"]) == f"{comparison.mismatched:,}"
        for name, value in (
            ("Absolute tolerance", comparison.atol),
            ("Max abs difference", comparison.max_abs_error),
            ("Max error ratio", comparison.max_error_ratio),
        ):
            assert numbers([own[name]]) == [value]
        first = comparison.first_mismatch
        if first is not None:
            assert text_of(own["First mismatch"]) == first.where.short
            held = numbers([own["Reference value there"], own["Candidate value there"]])
            np.testing.assert_array_equal(held, [first.reference, first.candidate])
    assert ("NaN or infinite in the candidate" in figures) == (kind == "not a number")


@pytest.mark.slow
@pytest.mark.parametrize("kind", RESULTS)
def test_a_report_is_valid_has_the_figures_and_needs_no_script_and_no_network(kind):
    result = RESULTS[kind]()
    text = report_html(result, [ReportPicture("caption", "description", 10, b"png", b"dark")], WHEN)
    document = parsed(text)
    assert text.startswith("<!DOCTYPE html>")
    assert [(text_of(time), time.get("datetime")) for time in document.iter("time")] == [
        ("2026-02-03, 04:05 UTC", "2026-02-03T04:05:00+00:00")
    ]
    for element in document.iter():
        assert element.tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name != "src" or value.startswith("data:image/png;base64,")
            assert name != "srcset"
            assert name != "href" or value.startswith("#")
    assert "url(" not in text
    assert "@import" not in text
    targets = {element.get("id") for element in document.iter()}
    assert {link.get("href", "")[1:] for link in document.iter("a")} == targets - {None}
    check_figures(kind, result, document)


def hostile_result() -> RunResult:
    result = with_judgment(make_result(("gluon", f"{HOSTILE}.py"), edits={f"{HOSTILE}.py": not_a_number}, cell="gru"))
    config = replace(result.config, sequence=replace(result.config.sequence, labels=HOSTILE))
    names = Names((HOSTILE,) * 5, (HOSTILE,) * 3)
    inputs = replace(result.inputs, config=config, names=names)
    return replace(
        result,
        inputs=inputs,
        printed={f"{HOSTILE}.py": f"</pre>{HOSTILE}\x00\x1b[31m\ud800\r\n"},
        sources={f"{HOSTILE}.py": f"</code></pre>{HOSTILE}"},
        versions={HOSTILE: HOSTILE},
    )


def test_content_of_files_is_text_and_nothing_else(tmp_path):
    result = hostile_result()
    picture = ReportPicture(HOSTILE, HOSTILE, 10, b"png")
    write_report(result, tmp_path / "report.html", [picture])
    document = parsed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert [image.get("alt") for image in document.iter("img")] == [HOSTILE]
    assert list(document.iter("script")) == []
    shown = text_of(document)
    assert f"</pre>{HOSTILE}\ufffd\ufffd[31m\ufffd\n" in shown
    assert HOSTILE in text_of(section(document, "versions"))
    assert f"</code></pre>{HOSTILE}" in text_of(section(document, "code"))
    assert HOSTILE[:20] in text_of(section(document, "arithmetic"))
    assert HOSTILE.replace('"', '\\"') in text_of(section(document, "config"))


def test_a_known_issue_is_in_the_verdict_and_beside_its_failed_check():
    result = with_judgment(make_result(lengths=(5, 2)))
    check = Check("same out", "gluon", False, "3 values differ", known_issue="a bug of the library")
    document = parsed(report_html(replace(result, checks=(*result.checks, check)), [], WHEN))
    assert "gluon: same out" in text_of(section(document, "verdict"))
    assert "a bug of the library" in text_of(section(document, "verdict"))
    cells = [list(row) for row in rows(next(section(document, "checks").iter("table")))][-1]
    assert [text_of(cell) for cell in cells[1:]] == ["same out", "✘ no", "3 values differ: a bug of the library"]
    assert "3 of 10 time steps" in text_of(section(document, "verdict"))


def test_errors_over_time_are_drawn_for_each_candidate_with_the_worst_lane_apart():
    result = make_result(
        ("gluon", "manual", "onnx"),
        edits={"manual": setting((1, 0, 2, 0, 3), np.inf), "onnx": setting((0, 0, 1, 0, 0), np.nan)},
        num_layers=2,
    )
    errors = section(parsed(report_html(result, [], WHEN)), "errors")
    charts = errors.iter(f"{SVG}svg"), errors.iter("figcaption"), ("layer 1", "layer 0")
    for chart, caption, lane in zip(*charts, strict=True):
        paths = {name: [d.get("d") for d in chart.iter(f"{SVG}path") if d.get("class") == name] for name in CURVES}
        assert [len(found) for found in paths.values()] == [1, 1, 1]
        heights = [float(point.rpartition(",")[2]) for point in re.split("[ML]", paths["worst"][0])[1:]]
        assert len(heights) == result.shape[2]
        assert heights.index(min(heights)) == (2 if lane == "layer 1" else 1)
        assert lane in text_of(caption)
        assert {text_of(label) for label in chart.iter(f"{SVG}text")} >= {"0", "1", "infinity"}


def test_a_chart_of_a_long_run_has_every_peak_and_few_points():
    result = make_result(timesteps=20_000, hidden_size=2, edits={"manual": setting((0, 0, 12_345, 0, 0), 9.0)})
    chart = error_chart(result, result.comparisons[0])
    points = [tuple(map(float, point.split(","))) for point in re.split("[ML]", chart["worst"])[1:]]
    assert len(points) < 3_000
    peak = min(points, key=lambda point: point[1])
    assert (peak[0] - chart["left"]) / (chart["right"] - chart["left"]) == pytest.approx(12_345 / 20_000, abs=0.001)
    assert peak[1] < chart["limit"]
    assert 4 <= len(chart["times"]) <= 8


@pytest.mark.parametrize("outdated", [False, True])
def test_a_report_of_earlier_settings_says_so_in_title_and_text(outdated):
    document = parsed(report_html(make_result(), [], WHEN, outdated=outdated))
    assert ("out of date" in text_of(next(document.iter("title")))) is outdated
    assert ("Out of date" in text_of(next(document.iter("header")))) is outdated


def test_pictures_are_in_the_file(tmp_path):
    png, dark = bytes(range(256)), bytes(range(255, -1, -1))
    size = write_report(make_result(), tmp_path / "report.html", [ReportPicture("a", "b", 12, png, dark)])
    assert (tmp_path / "report.html").stat().st_size == size
    document = parsed((tmp_path / "report.html").read_text(encoding="utf-8"))
    shown = {image.get("class"): b64decode(image.get("src", "").partition(",")[2]) for image in document.iter("img")}
    assert shown == {"for-light": png, "for-dark": dark}


WHERE = (1, 1, 3, 1, 2)


def edit(trace: Trace) -> None:
    trace.hidden[WHERE] += 0.25


def view_of(cell: str) -> tuple[dict[str, Any], RunResult]:
    result = with_judgment(make_result(edits={"manual": edit}, cell=cell, num_layers=2, bidirectional=True))
    view = first_disagreement(result, result.comparisons[0])
    assert view is not None
    return view, result


def value(number: Figure | None) -> float:
    assert number is not None
    return float(number.full)


@pytest.mark.parametrize(("cell", "gates"), [("rnn_relu", 1), ("rnn_tanh", 1), ("lstm", 4), ("gru", 3)])
def test_every_term_of_every_gate_is_there_with_the_networks_own_weights(cell, gates):
    view, result = view_of(cell)
    inputs, size, unit = result.inputs, 4, WHERE[4]
    assert len(view["gates"]) == gates
    x = np.concatenate([result["gluon"].hidden[0, d, WHERE[2], WHERE[3]] for d in (0, 1)]).astype(float)
    h = result["gluon"].hidden[1, 1, WHERE[2] + 1, WHERE[3]].astype(float)
    for k, gate in enumerate(view["gates"]):
        row = k * size + unit
        weights = np.concatenate([inputs.parameters["r1_i2h_weight"][row], inputs.parameters["r1_h2h_weight"][row]])
        terms = [term for term in gate["terms"] if term["kind"] == "term"]
        assert [value(term["factor"]) for term in terms] == [float(w) for w in weights]
        # The reference's input and product, then the candidate's.
        assert [value(term["figures"][0]) for term in terms] == [*x, *h]
        np.testing.assert_allclose([value(t["figures"][1]) for t in terms], weights * np.array([*x, *h]), rtol=1e-15)
        biases = [value(term["figures"][1]) for term in gate["terms"] if term["kind"] == "bias"]
        assert biases == [float(inputs.parameters[f"r1_{side}_bias"][row]) for side in ("i2h", "h2h")]


def test_a_value_changed_in_one_place_is_found_there_and_nowhere_else():
    view, result = view_of("gru")
    assert view["place"] == "layer 1, backward, t = 3, sample 1, unit 2"
    assert view["engines"] == ["gluon", "manual"]
    outcome = {
        name: [float(cell.full) for cell in cells if isinstance(cell, Figure)] for name, cells in view["outcome"]
    }
    assert outcome["h of the engine"] == [float(result[name].hidden[WHERE]) for name in ("gluon", "manual")]
    assert outcome["difference"][1] == pytest.approx(0.25, abs=1e-6)
    assert abs(outcome["difference"][0]) < outcome["allowed for rounding"][0]
    assert any(sentence.startswith("manual is wrong here") for sentence in view["sentences"])


def test_the_row_of_the_divergence_is_marked():
    signs = np.sign(make_result(hidden_size=12).inputs.parameters["l0_h2h_weight"][0])

    def edit(trace):
        # Each is within the tolerance, and together they bring the sum that reads them outside.
        trace.hidden[0, 0, 1, 0] += 0.09 * signs
        trace.hidden[0, 0, 2, 0, 0] += 0.5

    result = make_result(edits={"manual": edit}, hidden_size=12, compare_with={"atol": 0.1})
    view = first_disagreement(result, result.comparisons[0])
    assert view is not None
    assert view["place"] == "layer 0, forward, t = 2, sample 0, unit 0"
    arithmetic = section(parsed(report_html(result, [], WHEN)), "arithmetic")
    marked = [row for row in arithmetic.iter("tr") if "parts" in row.get("class", "").split()]
    assert [text_of(row[0]) for row in marked] == ["u + v ◀ first divergence"]


def test_an_engine_that_is_wrong_within_the_tolerance_is_shown_at_its_first_wrong_step():
    def little(trace):
        trace.hidden[0, 0, 2, 1, 3] += 0.01

    result = with_judgment(make_result(edits={"manual": little}, compare_with={"atol": 0.1}))
    assert result.comparisons[0].first_mismatch is None
    view = first_disagreement(result, result.comparisons[0])
    assert view is not None
    assert (view["place"], view["why"]) == (
        "layer 0, forward, t = 2, sample 1, unit 3",
        "No value differs, but manual is wrong first in the value",
    )


def test_many_terms_are_collapsed_and_few_are_not():
    def edit(trace):
        trace.hidden[0, 0, 1, 0, 3] = 9.0

    for size, is_open in ((4, True), (50, False)):
        result = make_result(edits={"manual": edit}, hidden_size=size)
        document = parsed(report_html(result, [], WHEN))
        (details,) = document.iter("details")
        assert ("open" in details.attrib) == is_open
        assert len(list(details.iter("tr"))) == 2 + 3 + size + 5
