"""Highlighted parts are reachable: further down in the text, behind a link, in a tab that is large enough."""

import re

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from rnnviz.gui.tab_order import controls_in_order
from tests.gui.lessons.conftest import LESSON, Read

LINKED = LESSON.replace("is `state`.", "is `state`; [the seed](part:panel.parameters) makes it.")


@pytest.fixture
def small(read):
    """The lesson in a pane so small that it has to be scrolled, but with room for its last statement."""
    read.window.main_layout.fold("settings", folded=False)
    read.window.main_layout.column.setSizes([310, 390])
    # Checked statements have more lines, for which the layout makes room in a later turn.
    read.qtbot.waitUntil(lambda: all(row.height() == row.heightForWidth(row.width()) for row in read.pane.rows))
    read.qtbot.waitUntil(lambda: read.pane.scroll_area.verticalScrollBar().maximum() > 60)
    return read


@pytest.mark.slow
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
