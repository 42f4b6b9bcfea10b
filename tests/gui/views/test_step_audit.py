"""The step audit by lane: verdicts, wrong steps, causes, and targets of the rows."""

from dataclasses import replace

import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.gui.lane_audits import lane_audits, reasons
from rnnviz.gui.views.base import NO_NOTE, Note
from rnnviz.gui.views.step_audit import StepAuditTable
from rnnviz.verify.audit import WrongValue
from rnnviz.verify.result import PassJudgment
from rnnviz.verify.verdict import AuditVerdict
from tests.factories import adding, gradient_audit, make_result, with_judgment

PLACE = Location(0, 0, 3, 1, 2)


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(StepAuditTable(), 900, 220)


@pytest.fixture
def wrong():
    result = make_result(("gluon", "manual", "torch"), edits={"manual": adding(0.0123456, *PLACE.index)}, num_layers=2)
    return with_judgment(result, diagnoses={"manual": (("no-h2h-bias",),)})


def test_wrong_lanes_are_first_and_other_engines_have_a_row_each(wrong):
    rows = lane_audits(wrong, "manual")
    assert [(row.engine, row.verdict) for row in rows] == [
        ("manual", AuditVerdict.WRONG),
        ("manual", AuditVerdict.WRONG),
        ("gluon", AuditVerdict.RIGHT),
        ("torch", AuditVerdict.RIGHT),
    ]
    audit = wrong.judgment.audits["manual"]
    assert [row.error for row in rows[:2]] == audit.error_over_time[::-1, 0].max(axis=1).tolist()
    assert [row.wrong for row in rows[:2]] == [1, 2]
    assert {row.audited for row in rows[:2]} == {wrong.shape[2]}
    assert [row.cause for row in rows] == [KNOWN_BUGS["no-h2h-bias"].cause] * 2 + [""] * 2
    assert rows[1].where == PLACE


def test_a_backward_lane_begins_at_the_last_time_step():
    edits = {"manual": adding(0.5, 0, 1, 3, 0, 0)}
    result = with_judgment(make_result(bidirectional=True, edits=edits))
    row = lane_audits(result, "manual")[0]
    assert (row.where.direction, row.where.timestep, row.wrong) == (1, 3, 2)


def test_a_wrong_reference_is_listed_by_lane_too():
    result = with_judgment(make_result(edits={"gluon": adding(0.5, *PLACE.index)}))
    rows = lane_audits(result, "manual")
    assert (rows[0].engine, rows[0].verdict, rows[0].where) == ("gluon", AuditVerdict.WRONG, PLACE)
    assert (rows[1].engine, rows[1].verdict) == ("manual", AuditVerdict.RIGHT)


def test_a_sampled_audit_shows_its_coverage_and_an_engine_without_one_says_so():
    assert {row.coverage for row in lane_audits(with_judgment(make_result(), coverage=0.5), "manual")} == {"50%"}
    result = with_judgment(make_result())
    own = result.judgment.audits["manual"]
    audits = {"manual": replace(own, audited=0, ratio_over_time=own.ratio_over_time * float("nan"))}
    (row,) = lane_audits(replace(result, judgment=replace(result.judgment, audits=audits)), "manual")
    assert (row.verdict, row.audited) == (AuditVerdict.NOT_AUDITED, 0)


def test_a_click_on_a_row_selects_its_step_and_the_selection_its_row(qtbot, view, wrong):
    view.show_result(wrong, "manual")
    view.show_location(Location(1, 0, 0, 1, 3))
    assert view.table.currentIndex().row() == 0
    asked: list[Location] = []
    view.location_requested.connect(asked.append)
    for row in range(3):
        qtbot.click(view.table, view.model.index(row, 1))
    # The audit knows the unit of the first wrong value alone: in other lanes that of the selection stays.
    assert asked == [Location(1, 0, 3, 1, 3), PLACE]


def test_notes_count_wrong_lanes(view, wrong):
    assert view.tab_note(wrong, "manual", "h") == Note("2", "wrong")
    assert view.tab_note(make_result(), "manual", "h") == NO_NOTE


def test_without_an_audit_there_is_a_note(view):
    view.show_result(make_result(), "manual")
    assert not view.table.isVisible()
    assert view.copy_text() == ""


def test_a_copy_has_every_digit_and_the_reasons(view, wrong):
    view.show_result(wrong, "manual")
    lines = view.copy_text().splitlines()
    assert lines[0].startswith("verdict\tlane of manual\t")
    ratio = lines[0].split("\t").index("in bounds")
    assert max(float(line.split("\t")[ratio]) for line in lines[1:3]) == wrong.judgment.audits["manual"].worst_ratio
    assert lines[-1] == reasons(wrong)[0]
    assert not view.reasons.isVisible()


def broken_output(trace):
    trace.output[0] += 1.0


def test_a_failed_check_is_named_below_the_lanes(view):
    view.show_result(with_judgment(make_result(edits={"manual": broken_output})), "manual")
    assert view.reasons.isVisible()
    assert "1 consistency check fails" in view.reasons.text()


def test_gradients_have_rows_of_their_own():
    result = with_judgment(make_result(gradients=("gluon", "manual")))
    place = Place.at("grad.h", PLACE)
    own = gradient_audit(result, "manual")
    ratio = own.ratio_over_time.copy()
    ratio[PLACE.index[:3]] = 50.0
    manual = replace(own, wrong=2, worst_at=place, first_wrong=WrongValue(place, 1.0, 2.0), ratio_over_time=ratio)
    bias = Place("grad.parameters.l0_h2h_bias", (2,))
    gluon = replace(own, engine="gluon", wrong=2, first_wrong=WrongValue(bias, 1.0, 2.0))
    backward = PassJudgment({"manual": manual, "gluon": gluon})
    rows = lane_audits(replace(result, judgment=replace(result.judgment, backward=backward)), "manual")
    assert [(row.engine, row.where) for row in rows if row.verdict is AuditVerdict.WRONG] == [
        ("manual", PLACE),
        ("gluon", None),
    ]
    assert bias.short in rows[1].name
