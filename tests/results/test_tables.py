"""Rows of the step audit and of tolerances, and the HTML of a run and of a comparison."""

from dataclasses import replace
from html.parser import HTMLParser
from math import nan
from typing import Any

import numpy as np
import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.results.tables import (
    AuditRow,
    ToleranceRow,
    audit_rows,
    comparison_html,
    comparison_in_words,
    headline,
    network_in_words,
    run_html,
    run_in_words,
    tolerance_rows,
)
from rnnviz.text.verdict_text import verdict_sentence
from rnnviz.verify.compare import Mismatch
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import AuditVerdict
from tests.factories import Edit, make_result, setting, with_judgment


def touching(*places: Location, out: float = 0.0, state: float = 0.0) -> Edit:
    """Moves some hidden values of the last step with what follows from them, and something in `out` or `state` alone.

    `out` is that of the first time step, which breaks one check, and `state` breaks two.
    """

    def edit(trace: Trace) -> None:
        for farther, where in enumerate(places):
            off = np.float32(0.5 + farther)
            trace.hidden[where.index] += off
            trace.output[where.timestep, where.sample, where.unit] += off
            trace.state_h[0, where.sample, where.unit] += off
        trace.output[0] += np.float32(out)
        trace.state_h[0] += np.float32(state)

    return edit


def row_of(result: RunResult, engine: str = "manual") -> AuditRow:
    return {row.engine: row for row in audit_rows(result)}[engine]


def test_without_an_audit_there_are_no_rows() -> None:
    assert audit_rows(make_result()) == []


def test_a_right_engine_shows_its_largest_ratio_and_no_reason() -> None:
    result = with_judgment(make_result(("gluon", "manual", "onnx")), coverage=0.25)
    assert [row.engine for row in audit_rows(result)] == ["gluon", "manual", "onnx"]
    assert result.judgment is not None
    audit = result.judgment.audits["onnx"]
    assert row_of(result, "onnx") == AuditRow(
        engine="onnx",
        verdict=AuditVerdict.RIGHT,
        ratio=audit.worst_ratio,
        where=audit.worst_at.location,
        coverage="25%",
        reason="",
        audited=True,
    )
    assert row_of(with_judgment(make_result())).coverage == "all"


PLACES = (Location(0, 0, 4, 1, 2), Location(0, 0, 4, 1, 3))


@pytest.mark.parametrize(
    ("edit", "steps", "checks"),
    [
        (touching(*PLACES[:1]), 1, 0),
        (touching(*PLACES), 2, 0),
        (touching(*PLACES, out=1.0), 2, 1),
        (touching(out=1.0), 0, 1),
        (touching(state=1.0), 0, 2),
    ],
)
def test_a_wrong_engine_shows_its_first_wrong_step_and_every_reason(edit: Edit, steps: int, checks: int) -> None:
    result = with_judgment(make_result(edits={"manual": edit}), diagnoses={"manual": (("no-h2h-bias",),)})
    row, other = row_of(result), row_of(result, "gluon")
    assert (row.verdict, other.verdict, other.reason) == (AuditVerdict.WRONG, AuditVerdict.RIGHT, "")
    assert result.judgment is not None
    assert result.judgment.audits["manual"].wrong == steps
    assert (f"{checks} consistency check" in row.reason) == (checks > 0)
    assert KNOWN_BUGS["no-h2h-bias"].cause in row.reason
    if steps:
        assert row.where == PLACES[0]
        assert row.ratio > 8.0


def test_an_engine_without_an_audit_has_no_row_and_one_without_a_step_to_audit_says_so() -> None:
    result = with_judgment(make_result())
    assert result.judgment is not None
    audits = {"manual": replace(result.judgment.audits["manual"], audited=0)}
    unseen = replace(result, judgment=replace(result.judgment, audits=audits))
    [row] = audit_rows(unseen)
    assert (row.engine, row.verdict, row.coverage, row.audited) == ("manual", AuditVerdict.NOT_AUDITED, "none", False)
    audits = {"manual": replace(audits["manual"], audited=1)}
    assert row_of(replace(result, judgment=replace(result.judgment, audits=audits))).audited


def test_used_and_smallest_tolerances_are_shown_so_that_copies_pass() -> None:
    result = make_result(edits={"manual": touching(PLACES[0])}, compare_with={"rtol": 0.0, "atol": 1e-5})
    comparison = replace(result.comparison("manual"), smallest_passing_atol=0.123456)
    used, found = tolerance_rows(comparison)
    assert used == ToleranceRow("used", 0.0, 1e-5)
    assert found == ToleranceRow("smallest that passes", 0.0, 0.123456, found=True)
    assert (used.shown_atol, used.pair) == ("1e-5", "rtol=0.0, atol=1e-05")
    assert (found.shown_atol, found.pair) == ("0.13", "rtol=0.0, atol=0.123456")
    assert replace(used, atol=0.123456).shown_atol == "0.123456"


MINE = "/far/away/<mine>.py"
AT = Location(0, 0, 3, 1, 2)
RESULT = make_result(("gluon", "manual", MINE), edits={MINE: setting(AT.index, 2.5)}, timesteps=5)


class Seen(HTMLParser):
    """The text of every element that has some, by its tag, and the rows of the table."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.rows: list[list[tuple[str, str]]] = []
        self.feed(html)
        assert self.open == [], "everything that is opened is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append((dict(attrs).get("scope") or "", ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1], data))
        if self.open[-1] in ("th", "td"):
            scope, text = self.rows[-1][-1]
            self.rows[-1][-1] = (scope, text + data)


def test_a_run_is_its_network_its_verdicts_their_notes_and_a_table() -> None:
    seen = Seen(run_html(RESULT))
    shown = "".join(text for tag, text in seen.texts if tag not in ("th", "td"))
    told = [verdict_sentence(RESULT, candidate) for candidate in (MINE, "manual")]
    assert shown == f"rnn_tanh: 3 features, 4 units, 1 layer, float32{headline(RESULT)}" + "".join(
        f"{words}Details{''.join(words.notes)}" for words in told
    )
    assert [text for tag, text in seen.texts if tag == "li"] == [*told[0].notes, *told[1].notes]
    assert [text for tag, text in seen.texts if tag == "summary"] == ["Details"] * 2
    head, *rows = seen.rows
    assert head == [("col", "compared with gluon"), ("col", "manual"), ("col", "<mine>.py")]
    assert all(row[0][0] == "row" and [scope for scope, _ in row[1:]] == ["", ""] for row in rows)
    own = RESULT.comparison(MINE)
    assert own.first_mismatch is not None
    was = own.first_mismatch.reference
    table = {row[0][1]: [text for _, text in row[1:]] for row in rows}
    assert table == {
        "Values compared": ["40", "40"],
        "Mismatches": ["0", "1"],
        "Tolerance (atol, rtol)": ["1e-5, 1.3e-6"] * 2,
        "Max abs difference": ["0", f"{2.5 - was:.1f}"],
        "Position of the max": ["", AT.short],
        "Max error ratio": ["0", table["Max error ratio"][1]],
        "Max distance (ulp)": ["0", table["Max distance (ulp)"][1]],
        "First mismatch": ["none", AT.short],
        "Reference value there": ["", f"{was:.3f}"],
        "Candidate value there": ["", "2.500"],
    }
    assert float(table["Max error ratio"][1]) == pytest.approx(own.max_error_ratio, rel=0.06)
    assert float(table["Max distance (ulp)"][1].replace(",", "")) == pytest.approx(own.max_ulp, rel=0.06)


def test_a_comparison_is_its_sentence_and_a_table_of_one_column() -> None:
    own = RESULT.comparison(MINE)
    seen = Seen(comparison_html(own))
    assert seen.texts[0] == ("div", f"✘ {comparison_in_words(own)}")
    assert seen.rows[0] == [("col", "compared with gluon"), ("col", "<mine>.py")]
    assert len(seen.rows) == 11
    assert seen.rows[3] == [("row", "Tolerance (atol, rtol)"), ("", "1e-5, 1.3e-6")]


def test_html_takes_its_colors_from_the_page_and_a_bar_from_the_verdict() -> None:
    right, wrong = (comparison_html(comparison) for comparison in RESULT.comparisons)
    bar = '<div style="border-left: 4px solid {}; padding: 2px 0 2px 8px; margin: 6px 0">'
    assert bar.format("#2f9e5f") in right
    assert bar.format("#dc4c4c") in wrong
    line = "text-align: left; padding: 2px 16px 2px 0; border: 0; border-bottom: 1px solid rgba(128, 128, 128, 0.35)"
    assert f'<th scope="col" style="{line}; background: none; font-weight: 600">compared with gluon</th>' in right
    assert f'<th scope="row" style="{line}; background: none; font-weight: 400">Max abs difference</th>' in right
    assert f'<td style="{line}; background: none; font-weight: 400">40</td>' in right
    table = "border-collapse: collapse; border: 0; margin: 6px 0; font-size: inherit; color: inherit"
    assert right.startswith(f'<div style="font-family: sans-serif; color: inherit">{bar.format("#2f9e5f")}✔ ')
    assert f'</div><table style="{table}"><thead><tr><th ' in right
    assert '</th></tr></thead><tbody><tr style="background: none"><th ' in right
    assert right.endswith("</td></tr></tbody></table></div>")


def test_a_run_in_words_is_a_line_for_its_network_and_for_each_candidate() -> None:
    assert run_in_words(RESULT).split("\n") == [
        "rnn_tanh: 3 features, 4 units, 1 layer, float32",
        headline(RESULT),
        str(verdict_sentence(RESULT, MINE)),
        str(verdict_sentence(RESULT, "manual")),
    ]


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"cell": "lstm", "num_layers": 2, "bidirectional": True, "dtype": "float64"},
         "lstm: 3 features, 4 units, 2 layers in both directions, float64"),
        ({"cell": "gru", "reverse": True}, "gru: 3 features, 4 units, 1 layer, backward, float32"),
        ({"cell": "gru", "hidden_size": 1}, "gru: 3 features, 1 unit, 1 layer, float32"),
        ({"cell": "gru", "hidden_size": 1200, "input_size": 1}, "gru: 1 feature, 1,200 units, 1 layer, float32"),
    ],
)  # fmt: skip
def test_a_network_is_described_in_a_line(network: dict[str, Any], words: str) -> None:
    config = replace(RESULT.config, network=replace(RESULT.config.network, **network))
    assert network_in_words(config) == words


def test_two_values_that_three_decimals_cannot_distinguish_have_all_their_digits() -> None:
    first = Mismatch(Place.at("h", AT), 0.25, 0.2500001)
    html = comparison_html(replace(RESULT.comparison(MINE), first_mismatch=first))
    cells = {row[0][1]: row[1][1] for row in Seen(html).rows}
    assert (cells["Reference value there"], cells["Candidate value there"]) == ("0.25", "0.2500001")
    html = comparison_html(replace(RESULT.comparison(MINE), first_mismatch=Mismatch(Place.at("h", AT), 1.0, nan)))
    assert Seen(html).rows[-1][1] == ("", "NaN")
