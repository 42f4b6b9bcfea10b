"""A report is valid, needs no other files, escapes whatever is in it, and says what was found."""

import re
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.sequence import Names
from rnnviz.core.trace import Trace
from rnnviz.io.export.pictures import ReportPicture
from rnnviz.io.export.report import error_chart, report_html, write_report
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


@pytest.mark.parametrize("kind", RESULTS)
def test_a_report_is_valid_and_needs_no_script_and_no_network(kind: str) -> None:
    text = report_html(RESULTS[kind](), [ReportPicture("caption", "description", 10, b"png", b"dark")], WHEN)
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


def test_content_of_files_is_text_and_nothing_else(tmp_path: Path) -> None:
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


def test_a_known_issue_is_in_the_verdict_and_beside_its_failed_check() -> None:
    result = with_judgment(make_result(lengths=(5, 2)))
    check = Check("same out", "gluon", False, "3 values differ", known_issue="a bug of the library")
    document = parsed(report_html(replace(result, checks=(*result.checks, check)), [], WHEN))
    assert "gluon: same out" in text_of(section(document, "verdict"))
    assert "a bug of the library" in text_of(section(document, "verdict"))
    cells = [list(row) for row in rows(next(section(document, "checks").iter("table")))][-1]
    assert [text_of(cell) for cell in cells[1:]] == ["same out", "✘ no", "3 values differ: a bug of the library"]
    assert "3 of 10 time steps" in text_of(section(document, "verdict"))


@pytest.mark.parametrize("kind", RESULTS)
def test_the_verdict_and_the_figures_are_those_of_the_comparison(kind: str) -> None:
    result = RESULTS[kind]()
    document = parsed(report_html(result, [], WHEN))
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


def test_errors_over_time_are_drawn_for_each_candidate_with_the_worst_lane_apart() -> None:
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


def test_a_chart_of_a_long_run_has_every_peak_and_few_points() -> None:
    result = make_result(timesteps=20_000, hidden_size=2, edits={"manual": setting((0, 0, 12_345, 0, 0), 9.0)})
    chart = error_chart(result, result.comparisons[0])
    points = [tuple(map(float, point.split(","))) for point in re.split("[ML]", chart["worst"])[1:]]
    assert len(points) < 3_000
    peak = min(points, key=lambda point: point[1])
    assert (peak[0] - chart["left"]) / (chart["right"] - chart["left"]) == pytest.approx(12_345 / 20_000, abs=0.001)
    assert peak[1] < chart["limit"]
    assert 4 <= len(chart["times"]) <= 8


@pytest.mark.parametrize("outdated", [False, True])
def test_a_report_of_earlier_settings_says_so_in_title_and_text(outdated: bool) -> None:
    document = parsed(report_html(make_result(), [], WHEN, outdated=outdated))
    assert ("out of date" in text_of(next(document.iter("title")))) is outdated
    assert ("Out of date" in text_of(next(document.iter("header")))) is outdated


def test_pictures_are_in_the_file(tmp_path: Path) -> None:
    png, dark = bytes(range(256)), bytes(range(255, -1, -1))
    size = write_report(make_result(), tmp_path / "report.html", [ReportPicture("a", "b", 12, png, dark)])
    assert (tmp_path / "report.html").stat().st_size == size
    document = parsed((tmp_path / "report.html").read_text(encoding="utf-8"))
    shown = {image.get("class"): b64decode(image.get("src", "").partition(",")[2]) for image in document.iter("img")}
    assert shown == {"for-light": png, "for-dark": dark}
