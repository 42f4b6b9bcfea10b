"""The audit as a table: verdicts, targets of the rows, and passing tolerances."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.gui.views.audit import AuditTable
from rnnviz.gui.views.base import Note
from rnnviz.verify.audit import WrongValue
from rnnviz.verify.result import PassJudgment
from tests.factories import adding, gradient_audit, make_result, with_judgment
from tests.gui.shown import texts

PLACE = Location(0, 0, 3, 1, 2)


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(AuditTable(), 900, 220)


@pytest.fixture
def wrong():
    result = make_result(("gluon", "manual", "torch"), edits={"manual": adding(0.0123456, *PLACE.index)}, num_layers=2)
    return with_judgment(result, diagnoses={"manual": (("no-h2h-bias",),)})


def test_each_engine_has_a_row_with_its_verdict_and_coverage_wrong_ones_first(view, wrong):
    view.show_result(wrong, "manual")
    assert [(row[0], row[1], row[4]) for row in texts(view.model)] == [
        ("wrong", "manual", "all"),
        ("no errors", "gluon", "all"),
        ("no errors", "torch", "all"),
    ]
    assert view.tab_note(wrong, "manual", "h") == Note("2", "wrong")
    assert texts(view.model)[0][3] == PLACE.short
    assert view.model.cell(0, 0).bold


def test_a_wrong_engine_is_explained(view, wrong):
    view.show_result(wrong, "manual")
    assert view.reasons.text().startswith("manual is wrong: ")
    assert "hidden-to-hidden bias missing" in view.reasons.text()
    assert "gluon" not in view.reasons.text()


def test_a_sampled_audit_shows_its_coverage(view):
    view.show_result(with_judgment(make_result(batch_size=50), coverage=0.38), "manual")
    assert [row[4] for row in texts(view.model)] == ["38%", "38%"]


def test_a_click_on_a_row_selects_its_step(qtbot, view, wrong):
    view.show_result(wrong, "manual")
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.click(view.table, view.model.index(0, 3))
    assert asked.args == [PLACE]


def test_the_smallest_tolerances_that_pass_can_be_copied_and_do_pass(qtbot, view, wrong):
    view.show_result(wrong, "manual")
    assert texts(view.tolerances_model)[0] == ("used", "1.3e−6", "1e−5")
    qtbot.mouseClick(view.copy_button, Qt.MouseButton.LeftButton)
    pair = dict(part.split("=") for part in QApplication.clipboard().text().split(", "))
    limits = {name: float(value) for name, value in pair.items()}
    edits = {"manual": adding(0.0123456, *PLACE.index)}
    assert make_result(edits=edits, num_layers=2, compare_with=limits).verdict == "agree"
    limits["atol"] = np.nextafter(limits["atol"], 0.0)
    assert make_result(edits=edits, num_layers=2, compare_with=limits).verdict == "disagree"
    shown = float(texts(view.tolerances_model)[1][2].replace("−", "-"))
    assert limits["atol"] < shown < 1.1 * limits["atol"]


def test_values_that_no_tolerance_accepts_are_reported(view):
    view.show_result(make_result(edits={"manual": adding(inf, *PLACE.index)}), "manual")
    assert view.remark.text() == "No tolerance accepts the value that is NaN or infinite in one engine only."
    view.show_result(make_result(), "manual")
    assert view.remark.text() == "Every value passes with atol = 0."


def test_without_an_audit_there_are_a_note_and_the_tolerances(view):
    view.show_result(make_result(), "manual")
    assert not view.table.isVisible()
    assert view.tolerances.isVisible()
    assert view.copy_text().startswith("tolerance\trtol\tatol\nused\t")


def test_copying_copies_the_table_in_full_with_the_reasons(view, wrong):
    view.show_result(wrong, "manual")
    lines = view.copy_text().splitlines()
    assert float(lines[1].split("\t")[2]) == wrong.judgment.audits["manual"].worst_ratio
    assert lines[-1] == view.reasons.text()


def test_gradients_have_rows_of_their_own(qtbot, view):
    result = with_judgment(make_result(gradients=("gluon", "manual")))
    place = Place.at("grad.h", PLACE)
    wrong = gradient_audit(result, "manual")
    wrong = replace(wrong, wrong=2, worst_ratio=50.0, worst_at=place, first_wrong=WrongValue(place, 1.0, 2.0))
    of_bias = replace(
        wrong, engine="gluon", first_wrong=WrongValue(Place("grad.parameters.l0_h2h_bias", (2,)), 1.0, 2.0)
    )
    backward = PassJudgment({"manual": wrong, "gluon": of_bias})
    view.show_result(replace(result, judgment=replace(result.judgment, backward=backward)), "manual")
    assert [(row[0], row[1], row[2]) for row in texts(view.model)] == [
        ("wrong", "gluon", "gradients"),
        ("wrong", "manual", "gradients"),
        ("no errors", "gluon", "hidden states"),
        ("no errors", "manual", "hidden states"),
    ]
    assert [row[4] for row in texts(view.model)[:2]] == ["grad.parameters.l0_h2h_bias[2]", place.short]
    asked: list[Location] = []
    view.location_requested.connect(asked.append)
    for row in (0, 1):
        view.table.activated.emit(view.model.index(row, 0))
    assert asked == [PLACE]
