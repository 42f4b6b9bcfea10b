"""The checks as a table: the failed ones first and counted, with times and versions."""

import pytest
from PySide6.QtCore import Qt

from rnnviz.core.trace import Trace
from rnnviz.gui.views.base import AGREES, Note
from rnnviz.gui.views.checks import ChecksTable
from tests.factories import make_result
from tests.gui.shown import texts


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(ChecksTable(), 900, 200)


def broken_state(trace: Trace) -> None:
    trace.state_h[0] += 1.0


def test_every_check_of_every_engine_is_listed(view):
    result = make_result(bidirectional=True)
    view.show_result(result, "manual")
    listed = {tuple(row[1:]) for row in texts(view.model)}
    assert listed == {(check.name, check.engine, check.detail) for check in result.checks}
    assert view.tab_note(result, "manual", "h") == AGREES
    assert all(view.model.cell(row, 0).mark is not None for row in range(len(texts(view.model))))


def test_failed_checks_are_first_and_counted(view):
    result = make_result(edits={"manual": broken_state})
    view.show_result(result, "manual")
    failed = [check for check in result.checks if not check.holds]
    assert len(failed) == 2
    assert view.tab_note(result, "manual", "h") == Note("2", "wrong")
    assert [row[:3] for row in texts(view.model)[:2]] == [("failed", check.name, "manual") for check in failed]
    assert [row[0] for row in texts(view.model)[2:]] == ["passed"] * (len(result.checks) - 2)
    assert view.model.cell(0, 0).bold
    assert not view.model.cell(2, 0).bold


def test_times_and_versions_are_shown_with_the_stages_after_their_engine(view):
    view.show_result(make_result(("manual", "gluon")), "gluon")
    assert texts(view.engines_model) == [
        ("manual", "10 ms", "manual 1.0"),
        ("manual.fused", "2.0 ms", ""),
        ("gluon", "10 ms", "gluon 1.0"),
    ]


def test_a_row_has_all_details_in_its_tooltip_and_is_copied_with_tabs(view):
    result = make_result(edits={"manual": broken_state})
    view.show_result(result, "manual")
    told = view.model.index(0, 1).data(Qt.ItemDataRole.ToolTipRole)
    assert texts(view.model)[0][1] in told.replace("\n", " ")
    assert texts(view.model)[0][3] in told.replace("\n", " ")
    assert all(len(line) <= 70 for line in told.splitlines())
    lines = view.copy_text().splitlines()
    assert lines[0] == "result\tcheck\tengine\tdetail"
    assert lines[1:] == ["\t".join(row) for row in texts(view.model)]
