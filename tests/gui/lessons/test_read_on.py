"""Highlighted parts are reachable: further down in the text, behind a link, in a tab that is large enough."""

import re

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from rnnviz.gui.tab_order import controls_in_order
from rnnviz.gui.views.arithmetic.term_table import TermTableView
from tests.gui.lessons.conftest import LESSON, Read

LINKED = LESSON.replace("is `state`.", "is `state`; [the seed](part:panel.parameters) makes it.")
COUNTED = LESSON.replace('part = "vector"', 'part = "arithmetic"')


@pytest.fixture
def small(read):
    """The lesson in a pane so small that it has to be scrolled, but with room for its last statement."""
    read.window.main_layout.fold("settings", folded=False)
    read.window.main_layout.column.setSizes([310, 390])
    # Checked statements have more lines, for which the layout makes room in a later turn.
    read.qtbot.waitUntil(lambda: all(row.height() == row.heightForWidth(row.width()) for row in read.pane.rows))
    read.qtbot.waitUntil(lambda: read.pane.scroll_area.verticalScrollBar().maximum() > 60)
    return read


def test_statements_below_are_counted_until_they_are_visible(small):
    pane, bar = small.pane, small.pane.scroll_area.verticalScrollBar()
    height = pane.scroll_area.height()
    assert pane.more.isVisible()
    assert re.fullmatch(r"More below: (more text and )?2 statements", pane.more.accessibleName())
    pane.more.setFocus()
    clicks = 0
    while pane.more.isVisible():
        before = bar.value()
        pane.more.click()
        assert before < bar.value() <= before + max(bar.pageStep(), bar.singleStep())
        clicks += 1
    assert clicks > 1
    last = pane.rows[-1]
    assert last.visibleRegion().boundingRect().height() >= last.height() - 4
    assert pane.scroll_area.height() == height, "what is read stays where it is"
    assert QApplication.focusWidget() is pane.scroll_area
    bar.setValue(0)
    assert pane.more.isVisible()
    first = pane.rows[0]
    bottom = first.mapTo(pane.scroll_area.widget(), first.rect().bottomLeft()).y()
    bar.setValue(bottom - pane.scroll_area.viewport().height() + 2)
    assert pane.more.accessibleName() == "More below: 1 statement"
    bar.setValue(bar.value() - 30)
    assert pane.more.accessibleName() == "More below: 2 statements"


@pytest.mark.slow
def test_next_stays_under_the_pointer_when_the_settings_unfold(read):
    pane, layout = read.pane, read.window.main_layout
    places = []
    for folded in (True, False):
        layout.fold("settings", folded=folded)
        QTest.qWait(0)
        places.append(pane.next.mapTo(read.window, QPoint()))
    assert places[0] == places[1]


def test_tab_stops_at_read_on_while_there_is_more_text(small):
    pane, bar = small.pane, small.pane.scroll_area.verticalScrollBar()
    first = next(controls_in_order(small.window.panel))
    first.setFocus()
    QTest.keyClick(first, Qt.Key.Key_Backtab)
    assert QApplication.focusWidget() is pane.more
    # Tab out of the statements scrolls the focused one into view; after the last one nothing follows.
    pane.rows[-1].setFocus()
    bar.setValue(0)
    QTest.keyClick(pane.rows[-1], Qt.Key.Key_Tab)
    small.qtbot.waitUntil(lambda: not pane.more.isVisible())
    assert QApplication.focusWidget() is first


@pytest.mark.slow
def test_a_fully_visible_step_has_nothing_below(read):
    read.window.resize(read.window.width(), 1300)
    read.window.main_layout.fold("settings", folded=False)
    read.window.main_layout.column.setSizes([1000, 10])
    read.qtbot.waitUntil(lambda: read.pane.scroll_area.verticalScrollBar().maximum() == 0)
    assert not read.pane.more.isVisible()


@pytest.fixture
def linked(qtbot, window, make_entry):
    reading = Read(qtbot, window, make_entry(LINKED))
    reading.open()
    return reading


def test_a_link_in_the_text_highlights_the_part_that_it_names(linked):
    prose = linked.pane.prose
    cursor = prose.document().find("the seed", 0)
    cursor.setPosition(cursor.selectionStart() + 2, QTextCursor.MoveMode.MoveAnchor)
    QTest.mouseClick(prose.viewport(), Qt.MouseButton.LeftButton, pos=prose.cursorRect(cursor).center())
    assert linked.highlighted is linked.window.panel.reveal_section("parameters")
    linked.qtbot.waitUntil(lambda: not linked.window.guide.spotlight.highlighted.isEmpty())


@pytest.mark.slow
def test_a_link_is_followed_by_keys(linked):
    linked.pane.scroll_area.setFocus()
    for pressed in (Qt.Key.Key_Tab, Qt.Key.Key_Tab, Qt.Key.Key_Return):
        QTest.keyClick(QApplication.focusWidget(), pressed)
        if linked.highlighted is linked.window.panel.reveal_section("parameters"):
            break
    assert linked.highlighted is linked.window.panel.reveal_section("parameters")


@pytest.fixture
def counted(qtbot, window, make_entry):
    """A window whose lesson has opened at a step about the arithmetic, and the heights of the tabs before and after."""
    tabs = window.main_layout.tabs
    # The line of an earlier test's lesson gives its height back.
    qtbot.waitUntil(lambda: window.main_layout._whole.y() == 0)
    QTest.qWait(0)
    before = tabs.height()
    reading = Read(qtbot, window, make_entry(COUNTED))
    reading.open()
    qtbot.waitUntil(lambda: tabs.height() > before + 40)
    return reading, before


@pytest.mark.slow
def test_all_terms_of_a_small_network_are_visible(counted, qtbot, run_config):
    reading, _ = counted
    run_config({"cell": "rnn_relu", "input_size": 3, "hidden_size": 2}, sequence={"timesteps": 1})
    table = reading.window.findChild(TermTableView)
    qtbot.waitUntil(lambda: table.model().rowCount() == 10)
    first, last = (table.visualRect(table.model().index(row, 0)) for row in (0, 9))
    assert last.height() > 10
    assert table.viewport().rect().contains(first.united(last))


@pytest.mark.slow
def test_the_height_that_the_arithmetic_was_lent_is_taken_back(counted, qtbot):
    reading, before = counted
    tabs = reading.window.main_layout.tabs
    lent = tabs.height()
    reading.window.guide._highlighter.highlight("panel.parameters")
    assert tabs.height() == lent, "what the text speaks of does not move for a link to the panel"
    reading.window.guide.next()
    reading.finish_pending()
    qtbot.waitUntil(lambda: abs(tabs.height() - before) <= 1)
    reading.window.guide.back()
    reading.finish_pending()
    qtbot.waitUntil(lambda: tabs.height() == lent)
    reading.window.guide.leave()
    qtbot.waitUntil(lambda: abs(tabs.height() - before) <= 1)


@pytest.mark.slow
def test_a_split_moved_by_the_user_stays(counted, qtbot):
    reading, before = counted
    main_layout = reading.window.main_layout
    handle = main_layout._upper.handle(1)
    QTest.mousePress(handle, Qt.MouseButton.LeftButton, pos=handle.rect().center())
    QTest.mouseMove(handle, handle.rect().center() + QPoint(0, 22))
    QTest.mouseRelease(handle, Qt.MouseButton.LeftButton)
    own = main_layout.tabs.height()
    reading.window.guide.leave()
    qtbot.wait(0)
    assert main_layout.tabs.height() == own != before
