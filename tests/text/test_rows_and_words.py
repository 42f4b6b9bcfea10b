"""Rows of the step audit and of tolerances, and the HTML of a run and of a comparison."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.gui.audit_rows import AuditRow, ToleranceRow, audit_rows, tolerance_rows
from rnnviz.text.config_diff import config_in_words
from rnnviz.verify.compare import Mismatch
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import AuditVerdict
from tests.factories import Edit, make_result, with_judgment


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


def test_without_an_audit_there_are_no_rows():
    assert audit_rows(make_result()) == []


def test_a_right_engine_shows_its_largest_ratio_and_no_reason():
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
def test_a_wrong_engine_shows_its_first_wrong_step_and_every_reason(edit, steps, checks):
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


def test_an_engine_without_an_audit_has_no_row_and_one_without_a_step_to_audit_says_so():
    result = with_judgment(make_result())
    assert result.judgment is not None
    audits = {"manual": replace(result.judgment.audits["manual"], audited=0)}
    unseen = replace(result, judgment=replace(result.judgment, audits=audits))
    [row] = audit_rows(unseen)
    assert (row.engine, row.verdict, row.coverage, row.audited) == ("manual", AuditVerdict.NOT_AUDITED, "none", False)
    audits = {"manual": replace(audits["manual"], audited=1)}
    assert row_of(replace(result, judgment=replace(result.judgment, audits=audits))).audited


def test_used_and_smallest_tolerances_are_shown_so_that_copies_pass():
    result = make_result(edits={"manual": touching(PLACES[0])}, compare_with={"rtol": 0.0, "atol": 1e-5})
    comparison = replace(result.comparison("manual"), smallest_passing_atol=0.123456)
    used, found = tolerance_rows(comparison)
    assert used == ToleranceRow("used", 0.0, 1e-5)
    assert found == ToleranceRow("smallest that passes", 0.0, 0.123456, found=True)
    assert (used.shown_atol, used.pair) == ("1e-5", "rtol=0.0, atol=1e-05")
    assert (found.shown_atol, found.pair) == ("0.13", "rtol=0.0, atol=0.123456")
    assert replace(used, atol=0.123456).shown_atol == "0.123456"


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
def test_a_network_is_described_in_a_line(network, words):
    config = make_result(timesteps=5).config
    config = replace(config, network=replace(config.network, **network))
    assert config_in_words(config) == words


def test_a_comparison_shows_two_values_that_three_decimals_cannot_distinguish_with_all_their_digits():
    own = make_result(("gluon", "/far/away/<mine>.py")).comparisons[0]
    html = replace(own, first_mismatch=Mismatch(Place.at("h", PLACES[0]), 0.25, 0.2500001))._repr_html_()
    assert all(f">{value}</td>" in html for value in ("0.25", "0.2500001", "40", "1e-5, 1.3e-6"))
    assert "&lt;mine&gt;.py" in html
