"""The map of the course: lessons by chapter, connected with those they need, opened by mouse or keys."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from rnnviz.gui.first_screen.course_map import CourseMap, CourseMapDialog
from rnnviz.lessons.index import LessonEntry


def entry(number: int, chapter: str, *needs: str) -> LessonEntry:
    name, title, goal = f"0{number}-{'abcdef'[number - 1]}", f"Title {number}", f"Goal {number}."
    return LessonEntry(name, title, "", Path("x.md"), number, goal, 10 * number, needs, chapter)


ENTRIES = (
    entry(1, "First"),
    entry(2, "First", "a"),
    entry(3, "Second", "a", "02-b", "nothing"),
    entry(4, "First", "c"),
    *(entry(number, "Third", "b") for number in (5, 6)),
)


@pytest.fixture
def course(qtbot):
    return qtbot.on_screen(CourseMap(ENTRIES), 1000, 500)


def test_lessons_have_their_needs_times_and_progress(course):
    course.show_progress(("01-a",), {"01-a": 4, "02-b": 2}, "03-c")
    cards = course.cards
    assert list(cards) == ["01-a", "02-b", "04-d", "03-c", "05-e", "06-f"]
    assert [need.name for need in cards["03-c"].needs] == ["01-a", "02-b"]
    assert [cards[name].progress for name in ("01-a", "02-b", "03-c")] == ["finished", "at step 3", ""]
    assert cards["03-c"].accessibleName() == "3  Title 3"
    assert cards["03-c"].accessibleDescription() == "Goal 3. 30 minutes. Needs 1 Title 1 and 2 Title 2."
    assert cards["01-a"].accessibleDescription() == "Goal 1. 10 minutes. Finished."
    assert course.focusWidget() is cards["03-c"]
    before = course.grab().toImage()
    cards["05-e"].setFocus()
    assert course.grab().toImage() != before, "its connections are highlighted"


def test_every_lesson_is_reached_and_opened_by_keys(course, qtbot):
    course.show_progress((), {}, "")
    cards = course.cards
    assert course.focusWidget() is cards["01-a"]
    reached = []
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Left):
        QTest.keyClick(course.focusWidget(), key)
        reached.append(course.focusWidget().entry.number)
    assert reached == [2, 3, 5, 6, 3, 4]
    with qtbot.waitSignal(course.lesson_chosen) as chosen:
        QTest.keyClick(course.focusWidget(), Qt.Key.Key_Return)
    assert chosen.args == [ENTRIES[3]]
    with qtbot.waitSignal(course.lesson_chosen) as chosen:
        QTest.mouseClick(cards["06-f"], Qt.MouseButton.LeftButton)
    assert chosen.args == [ENTRIES[5]]


@pytest.mark.slow
def test_the_map_opens_a_lesson_and_closes(qtbot, window):
    window.first_screen.show()
    window.actions_["course_map"].trigger()
    dialog = next(widget for widget in QApplication.topLevelWidgets() if isinstance(widget, CourseMapDialog))
    assert dialog.isVisible()
    dialog.course.cards["03-bidirectional"].click()
    qtbot.waitUntil(lambda: window.guide.lesson is not None)
    assert window.guide.lesson.name == "03-bidirectional"
    assert not window.first_screen.shown
    qtbot.idle(window)
