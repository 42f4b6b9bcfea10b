"""Every step of every lesson can be followed on a screen of 1280x800: it is shown, and its text can be done."""

import re

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from rnnviz.lessons.content import LessonStep
from rnnviz.lessons.index import lesson_entries
from tests.gui.lessons.conftest import Read
from tests.gui.shown import details
from tests.lessons.test_lesson_content import solution
from tests.profiles import nightly_except

ON_THE_SCREEN = 1264, 740
"""Size of a window that leaves room for its frame and a task bar on a screen of 1280x800."""
TIMES = {"": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_LINK = re.compile(r"\[([^\]]*)\]\(part:([\w.-]+)\)")
_ARROW = re.compile(r"[Pp]ress\s+the\s+(left|right)\s+arrow\s+key(?:\s+(two|three|four|five)\s+times)?")


@pytest.fixture
def reader(window, open_lesson):
    """Opens a lesson in the window, whatever was read before."""
    window.resize(*ON_THE_SCREEN)
    return lambda number: open_lesson(lesson_entries()[number - 1])


def press_arrows(window, prose: str) -> None:
    """Each arrow key that the text asks for moves the selection as often as it says."""
    for side, times in _ARROW.findall(prose):
        key, by = (Qt.Key.Key_Left, -1) if side == "left" else (Qt.Key.Key_Right, 1)
        window.lanes.setFocus()
        for _ in range(TIMES[times]):
            before = window.session.location.timestep
            QTest.keyClick(window.lanes, key)
            assert window.session.location.timestep == before + by


def follow(reading: Read) -> None:
    """Check that the current step's part and the parts of its links are seen, and do what its text says."""
    window, step = reading.window, reading.window.guide.step
    pane = reading.pane
    assert (window.width(), window.height()) == ON_THE_SCREEN
    # Statements about the audit are checked again once it is done.
    reading.qtbot.waitUntil(lambda: reading.states == ["true"] * len(step.statements))
    assert pane.title.height() >= pane.title.heightForWidth(pane.title.width())
    assert pane.scroll_area.horizontalScrollBar().maximum() == 0
    assert window.session.location == step.location(window.session.location)
    assert details(window.verdict) == ""
    text = "\n\n".join(step.texts)
    named = ([] if step.look.part is None else [step.look.part]) + [part for _, part in _LINK.findall(text)]
    said = " ".join(_LINK.sub(r"\1", text).split())
    for part in named:
        pane.part_requested.emit(part)
        QTest.qWait(0)
        frame = window.guide.frame
        assert frame.isVisible(), part
        assert not frame.visibleRegion().isEmpty(), part
        assert min(frame.width(), frame.height()) >= 16, part
    if "Click this remark" in said:
        link = next(label for label in window.verdict.findChildren(QLabel) if "href" in label.text())
        link.linkActivated.emit("0")
        assert window.main_layout.tabs.front.title == "Known bugs"
    press_arrows(window, text)
    if "banner" in said:
        window.verdict.toggle_details()
        assert details(window.verdict)


def walk_to(reading: Read, number: int) -> None:
    reading.window.guide.go_to(number)
    reading.finish_pending()
    if reading.window.guide.asking:
        reading.window.guide.answer(None)
        reading.finish_pending()
    follow(reading)


def try_task(reading: Read, step: LessonStep) -> None:
    """The task of a step is done once the window has its solution."""
    guide = reading.window.guide
    assert not guide.state.done
    config, where = solution(step)
    reading.window.document.edit(config)
    # A large network does not run by itself.
    reading.window.control.run()
    reading.finish_pending()
    reading.window.session.set_location(where)
    reading.qtbot.waitUntil(lambda: guide.state.done)
    assert reading.pane.done.isVisible()


def walk(reading: Read) -> None:
    lesson = reading.window.guide.lesson
    for number, step in enumerate(lesson.steps):
        walk_to(reading, number)
        if step.task is not None:
            try_task(reading, step)


@pytest.mark.slow
def test_the_steps_that_ask_for_keys_and_clicks_can_be_followed(reader):
    # The network of lesson 1 has no backward direction, which lesson 7 selects.
    walk_to(reader(1), 3)
    for lesson, steps in ((7, (0, 1, 3)), (8, (0,))):
        reading = reader(lesson)
        for number in steps:
            walk_to(reading, number)


@pytest.mark.slow
@pytest.mark.parametrize("number", nightly_except([entry.number for entry in lesson_entries()], 18))
def test_every_step_of_a_lesson_can_be_followed(reader, number):
    walk(reader(number))
