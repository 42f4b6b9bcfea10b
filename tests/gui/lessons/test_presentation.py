"""A presentation: a step in large type next to the lanes, from F11 before or after a lesson is opened."""

import pytest
from PySide6.QtCore import QEvent, QPoint, QRect, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from rnnviz.gui.theme.scaling import chosen_text_scale
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.units_plot import UnitsPlot
from rnnviz.lessons.index import find_entry, lesson_entries

pytestmark = pytest.mark.slow

SCREENS = (1280, 800), (1920, 1080)


def place(widget: QWidget) -> QRect:
    return QRect(widget.mapTo(widget.window(), QPoint()), widget.size())


def is_whole(page: QWidget, widget: QWidget) -> bool:
    """Whether a widget is in the page and as large as its text needs."""
    needed = widget.heightForWidth(widget.width()) if widget.hasHeightForWidth() else widget.sizeHint().height()
    return place(page).contains(place(widget)) and widget.height() >= needed


@pytest.fixture
def present(qtbot, window):
    """Presents the step of a lesson in a size of the window, from F11 before or after the lesson is opened."""

    def present(entry, size, *, first=False):
        with qtbot.waitSignal(window.theme_manager.theme_changed):
            if first:
                window.presentation.toggle()
            window.guide.open(entry)
            if not first:
                window.presentation.toggle()
        window.resize(*size)
        qtbot.waitUntil(
            lambda: window.presentation.page is not None and window.presentation.page.size() == window.size()
        )
        qtbot.idle(window)
        return window.presentation.page

    yield present
    window.presentation.leave()
    window.guide.leave()


@pytest.mark.parametrize("size", SCREENS)
@pytest.mark.parametrize("first", [True, False])
def test_a_question_is_whole_on_the_screen_in_either_order(qtbot, window, present, size, first):
    bars = (window.top_line, window.menuBar(), window.statusBar())
    page = present(lesson_entries()[1], size, first=first)
    assert not any(bar.isVisible() for bar in bars)
    if page.question.isHidden():
        QTest.keyClick(page, Qt.Key.Key_PageDown)
    shown = (page.heading, page.title, page.question.text, *page.question.choices, page.question.answer_button)
    qtbot.waitUntil(lambda: all(widget.isVisible() and is_whole(page, widget) for widget in shown))
    assert page.picture.isAncestorOf(window.lanes)
    assert window.lanes.isVisible()
    assert window.lanes.width() > size[0] / 3
    QTest.keyClick(page, Qt.Key.Key_C)
    QTest.keyClick(page.focusWidget() or page, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.guide.state.tries == (2.0,))
    qtbot.waitUntil(lambda: page.question.hint.isVisible() and is_whole(page, page.question))
    QTest.keyClick(page, Qt.Key.Key_PageDown, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.guide.state.number == 1)
    qtbot.waitUntil(lambda: not window.runner.busy)
    assert page.title.text() == window.guide.step.title
    window.stop()
    assert not window.presentation.active
    assert all(bar.isVisible() for bar in bars[1:])
    assert window.main_layout.pages.isAncestorOf(window.lanes)


@pytest.mark.parametrize("name", ["24-find-the-bug", "05-lstm"])
def test_texts_and_long_choices_are_whole_without_scrolling(qtbot, window, present, name):
    page = present(find_entry(name, lesson_entries()), SCREENS[0])
    for number in range(len(window.guide.state.lesson.steps)):
        window.guide.go_to(number)
        qtbot.waitUntil(lambda at=number: page.place.text().startswith(f"step {at + 1} "))
        qtbot.waitUntil(lambda: page.prose.isHidden() or is_whole(page, page.prose))
        if page.question.isHidden():
            QTest.keyClick(page, Qt.Key.Key_PageDown)
        shown = (*page.question.choices, page.question.show_button)
        qtbot.waitUntil(lambda shown=shown: page.question.isHidden() or all(is_whole(page, each) for each in shown))


def test_curves_and_verdict_that_a_step_speaks_of_are_shown_with_the_lanes(qtbot, window, settings, present):
    for name, title in (("14-vanishing-gradients", "Gradient flow"), ("08-green-verdict", "Verdict")):
        page = present(find_entry(name, lesson_entries()), SCREENS[1])
        qtbot.waitUntil(lambda: not window.runner.busy)
        (shown,) = (view for view in page.picture.findChildren(ResultView) if view is not window.lanes)
        assert shown.title == title
        assert shown not in window.views
        window.presentation.leave()


def test_curves_are_of_the_quantity_that_the_step_speaks_of(qtbot, window, settings, present):
    present(find_entry("18-adding-problem", lesson_entries()), SCREENS[1])
    qtbot.waitUntil(lambda: not window.runner.busy)
    while window.guide.step.look.part != "units":
        window.guide.next()
    qtbot.waitUntil(lambda: not window.runner.busy and window.session.color_by == "c")
    (shown,) = window.presentation.page.picture.findChildren(UnitsPlot)
    qtbot.waitUntil(lambda: shown.choice.quantity == "c")
    window.presentation.leave()


def test_a_long_text_continues_on_other_pages(qtbot, window, present, make_entry):
    paragraphs = "\n\n".join(f"Paragraph {number} " + "of many words " * 20 for number in range(8))
    text = f'# Long\nIt is.\n\n## One\n{paragraphs}\n```step\nconfig = "vanilla-t1"\n[[statement]]\ntext = "T is 1."\n'
    page = present(make_entry(text + 'expression = "T == 1"\n```\n'), SCREENS[0])
    read, last = [], -1
    while page.page != last:
        last = page.page
        read.append(page.prose.toPlainText())
        assert is_whole(page, page.prose)
        # This key is that of the next step.
        page.keyPressEvent(QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_PageDown, Qt.KeyboardModifier.ControlModifier))
        assert page.page == last
        QTest.keyClick(page, Qt.Key.Key_PageDown)
    assert len(read) > 2
    assert [word for page in read for word in page.split() if word.isdigit()] == list("01234567")


def test_without_a_lesson_the_lanes_are_large(qtbot, window):
    before = chosen_text_scale()
    window.presentation.toggle()
    qtbot.waitUntil(lambda: chosen_text_scale() == 2.0)
    assert window.presentation.page is None
    assert window.lanes.isVisible()
    assert window.verdict.isVisible()
    window.presentation.toggle()
    qtbot.waitUntil(lambda: chosen_text_scale() == before)
