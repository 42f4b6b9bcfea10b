"""Highlighted parts are reachable: further down in the text, behind a link, in a tab that is large enough."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from tests.gui.lessons.conftest import LESSON, Read

LINKED = LESSON.replace("is `state`.", "is `state`; [the seed](part:panel.parameters) makes it.")


@pytest.fixture
def linked(qtbot, window, make_entry):
    reading = Read(qtbot, window, make_entry(LINKED))
    reading.open()
    return reading


@pytest.mark.slow
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
