"""The tabs under the lanes: their views by title, what is there for a result, and the count of problems."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton

from rnnviz.core.masks import DIFFERENCE, VERDICT, Mask
from rnnviz.gui.app_state import Session
from rnnviz.gui.lane_audits import problem_count
from rnnviz.gui.tabs import OVER_TIME, PROBLEMS, TABS, BottomTabs
from rnnviz.gui.view_sync import VIEWS, view_class
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.checks import ChecksTable, StdoutView
from rnnviz.gui.views.different_values import DifferentValues
from rnnviz.verify.result import RunResult
from tests.factories import adding, make_result, with_judgment

WRONG = {"manual": adding(0.5, 1, 0, 2, 0, 1)}


@pytest.fixture
def result():
    return with_judgment(make_result(num_layers=2, edits=WRONG))


@pytest.fixture
def tabs(qtbot, result):
    session = Session(result.config)
    tabs = BottomTabs(session)
    for view in (DifferentValues(), ChecksTable(), StdoutView()):
        tabs.add_view(view)
    session.set_result(result, result.config)
    qtbot.on_screen(tabs, 900, 240)
    return tabs


def badge(tabs: BottomTabs) -> str:
    return tabs.tabBar().accessibleTabName(TABS.index(PROBLEMS)).partition(": ")[2]


def test_every_view_of_the_list_belongs_to_a_tab_and_each_tab_has_one():
    classes = [view_class(name) for name in VIEWS]
    assert {view.group for view in classes} == set(TABS)
    assert len({view.title for view in classes}) == len(classes)
    assert all(issubclass(view, ResultView) and view.help_page for view in classes)


@pytest.mark.parametrize("title", ["Checks", "Mismatches"])
def test_a_view_is_selected_by_its_title_also_by_that_of_an_earlier_version(tabs, title):
    assert tabs.title_in_front == TABS[0]
    tabs.select(title)
    assert tabs.tabText(tabs.currentIndex()) == PROBLEMS
    assert isinstance(tabs.front, ChecksTable if title == "Checks" else DifferentValues)
    assert tabs.front.isVisible()


def test_the_list_chooses_a_view_by_keys(qtbot, tabs):
    tabs.select("Different values")
    chosen = tabs.currentWidget().chooser.table
    chosen.setFocus()
    with qtbot.waitSignal(tabs.view_chosen) as signal:
        QTest.keyClick(chosen, Qt.Key.Key_Down)
    assert signal.args == ["Checks"]
    assert tabs.front.title == "Checks"


def test_a_view_that_is_not_made_yet_is_made_or_waited_for(qtbot, result):
    tabs, made = BottomTabs(Session(result.config)), []
    qtbot.addWidget(tabs)
    tabs.make_view = made.append
    tabs.select("Checks")
    assert made == ["Checks"]
    tabs.select_later("Different values")
    tabs.add_view(ChecksTable())
    assert tabs.tabText(tabs.currentIndex()) != PROBLEMS
    tabs.add_view(DifferentValues())
    assert tabs.title_in_front == "Different values"


def test_printed_text_is_offered_only_if_there_is_any(tabs):
    assert tabs.titles == ["Different values", "Checks"]
    tabs.select("Printed")
    assert tabs.tabText(tabs.currentIndex()) != PROBLEMS


def test_the_tab_of_problems_counts_wrong_lanes(tabs, result):
    assert badge(tabs) == "1 lane"
    session = Session(result.config)
    right = BottomTabs(session)
    assert badge(right) == ""
    agreeing = with_judgment(make_result())
    session.set_result(agreeing, agreeing.config)
    assert badge(right) == "0"


@pytest.mark.parametrize("asked", [VERDICT, DIFFERENCE])
def test_problems_are_hidden_while_a_question_asks_for_them(qtbot, result, asked):
    session = Session(result.config)
    session.set_masked((Mask(asked),))
    tabs = BottomTabs(session)
    view = DifferentValues()
    tabs.add_view(view)
    session.set_result(result, result.config)
    qtbot.on_screen(tabs, 900, 240)
    tabs.select(view.title)
    assert (badge(tabs), view.isVisible()) == ("", False)
    session.set_masked(())
    assert (badge(tabs), view.isVisible()) == ("1 lane", True)


def broken_state(trace):
    trace.state_h[0] += 1.0


@pytest.mark.parametrize(
    ("result", "count"),
    [
        (make_result(), ""),
        (make_result(num_layers=2, edits={"manual": adding(0.5, 0, 0, 2, 0, 1)}), "1 lane"),
        (with_judgment(make_result(edits={"manual": broken_state})), "2 checks"),
    ],
)
def test_problems_outside_the_lanes_and_without_an_audit_are_counted(result: RunResult, count: str):
    assert problem_count(result) == count


@pytest.mark.slow
def test_segments_of_over_time_choose_views(qtbot, window):
    tabs = window.main_layout.tabs
    tabs.select("Units over time")
    chooser = tabs.groups[TABS.index(OVER_TIME)].chooser
    button = next(button for button in chooser.findChildren(QToolButton) if button.text() == "Error")
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_Space)
    assert tabs.title_in_front == "Error over time"
    # In one row with the controls of the view.
    assert tabs.front.isAncestorOf(chooser)
    assert button.hasFocus()
