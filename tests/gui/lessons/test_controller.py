"""A lesson: each step set up, its statements checked on the shown numbers, changes by the reader."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox

from rnnviz.core.trace_index import Location
from rnnviz.gui.lessons.pane import FoldedLesson
from rnnviz.gui.views.arithmetic.view import ArithmeticView
from rnnviz.lessons.index import find_lesson, lesson_entries
from tests.gui.lessons.conftest import Read, changed

CONTROL = Qt.KeyboardModifier.ControlModifier


def key(window, pressed, modifiers=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(QApplication.focusWidget() or window, pressed, modifiers)


@pytest.mark.slow
def test_a_lesson_is_set_up_and_checked_when_it_is_opened(read):
    window, pane = read.window, read.pane
    assert pane.isVisible()
    assert (pane.lesson_title.text(), pane.place.text()) == ("A lesson of the tests", "step 1 of 3")
    assert pane.step_title.text() == "The first step"
    assert pane.prose.toPlainText() == "After one step out is state."
    assert window.session.config == find_lesson("vanilla-t1").config
    assert window.session.location == Location(unit=3, sample=2)
    assert window.windowTitle() == "Lesson: A lesson of the tests[*]"
    assert not window.isWindowModified()
    assert read.marks == ["True", "True"]
    assert read.highlighted.title == "Selected hidden state"
    vector = window.session.result.reference.output[0, 0]
    assert pane.rows[0].shown_numbers[1] == "[" + " ".join(f"{value:.3f}" for value in vector) + "]"
    assert pane.rows[1].shown_numbers == ("T = 1",)
    assert pane.rows[0].accessibleName() == "True: The output is the state."


@pytest.mark.slow
def test_a_lesson_is_read_by_keys_alone_and_reopens_where_it_was_left(read, settings):
    window, pane = read.window, read.pane
    assert not window.actions_["lesson_back"].isEnabled()
    key(window, Qt.Key.Key_PageDown, CONTROL)
    read.finish_pending()
    assert pane.place.text() == "step 2 of 3"
    assert window.session.config.sequence.timesteps == 2
    assert window.session.location.timestep == 1
    assert window.session.color_by == "error_ratio"
    assert window.main_layout.tabs.currentWidget().title == "Checks"
    key(window, Qt.Key.Key_PageDown, CONTROL)
    read.finish_pending()
    assert window.session.engine == "onnx"
    assert read.highlighted is None
    key(window, Qt.Key.Key_PageUp, CONTROL)
    read.finish_pending()
    assert pane.step_title.text() == "The second step"
    assert settings.lesson_step(read.entry.name) == 1
    assert window.session.state.lesson_step == (read.entry.name, 1)
    window.guide.leave()
    assert window.session.state.lesson_step is None
    assert not pane.isVisible()
    read.open()
    assert pane.place.text() == "step 2 of 3"


@pytest.mark.slow
def test_after_the_last_step_next_opens_the_next_lesson_and_then_finishes(read, entries, settings):
    window, pane = read.window, read.pane
    for label in ("Next", "Next", "Next lesson"):
        assert pane.next.text() == label
        pane.next.click()
    read.finish_pending()
    assert (pane.lesson_title.text(), pane.place.text()) == ("Another of the tests", "step 1 of 3")
    for label in ("Next", "Next", "Finish"):
        assert pane.next.text() == label
        pane.next.click()
    assert not pane.isVisible()
    assert settings.open_lesson == ""
    window.guide.open(entries[0])
    assert pane.place.text() == "step 1 of 3", "a lesson that was finished begins anew"
    read.finish_pending()


@pytest.mark.slow
def test_a_changed_config_has_its_statements_checked_and_is_restored(read):
    window, pane = read.window, read.pane
    own = changed(window.session.config, timesteps=3)
    window.document.edit(own)
    assert pane.again.isVisible()
    assert pane.changed_note.text() == "You have changed sequence.timesteps."
    assert read.marks[0] == "Not checked yet: the run has not finished."
    read.finish_pending()
    assert read.marks == ["False for your config", "False for your config"]
    assert pane.counter.text() == "0 of 2 still true"
    marked = [pane.counter, *(row.mark for row in pane.rows)]
    assert [label for label in marked if pane._theme.color("wrong").name() in label.styleSheet()] == []
    assert pane.rows[1].shown_numbers == ("T = 3",)
    window.session.set_location(Location(timestep=2))
    pane.again.click()
    read.finish_pending()
    assert read.marks == ["True", "True"]
    assert not pane.again.isVisible()
    assert not pane.changed_note.isVisible()
    assert window.session.location == Location(unit=3, sample=2)
    window.document.undo()
    assert window.session.config == own
    read.finish_pending()


@pytest.mark.slow
def test_another_document_folds_the_lesson_to_a_line_that_resumes_it(read):
    window, pane = read.window, read.pane
    layout = window.main_layout
    window.guide.leave()
    side = layout.middle.sizes()[1]
    read.open()
    other = changed(find_lesson("gru").config, timesteps=3)
    window.document.take(other, "model.onnx: encoder")
    read.qtbot.waitUntil(lambda: not window.runner.busy and not window.control.auto_run.due)
    line = window.main_layout.findChild(FoldedLesson)
    assert not pane.isVisible()
    assert line.isVisible()
    assert line.height() < 40
    assert layout.column.width() < 300
    assert layout.middle.sizes()[1] == side
    assert line.title.text() == f"Lesson: {pane.lesson_title.text()}, step 1 of 3"
    assert not layout.is_folded("settings")
    assert read.highlighted is None
    assert window.guide.step is None
    window.document.undo()
    assert not pane.prose.isVisible()
    read.qtbot.mouseClick(line.resume, Qt.MouseButton.LeftButton)
    read.finish_pending()
    assert pane.prose.isVisible()
    assert not line.isVisible()
    assert layout.column.width() == 420
    assert read.marks == ["True", "True"]
    assert window.document.origin.title == read.entry.heading


@pytest.mark.slow
def test_an_invalid_field_is_reset_when_the_step_is_set_up_again(read):
    line = read.window.panel.field("parameters.scale").editor.controls[0]
    line.setText("much")
    line.textEdited.emit("much")
    assert read.window.panel.errors
    key(read.window, Qt.Key.Key_Home, CONTROL)
    read.finish_pending()
    assert not read.window.panel.errors
    assert read.marks == ["True", "True"]


@pytest.mark.slow
def test_escape_puts_the_light_out_and_the_link_puts_it_on(read):
    spotlight = read.window.guide.spotlight
    assert spotlight.isVisible()
    key(read.window, Qt.Key.Key_Escape)
    assert read.highlighted is None
    assert not spotlight.isVisible()
    assert read.pane.look.text() == "Look at the selected vector"
    read.pane.look.click()
    assert spotlight.isVisible()


@pytest.mark.slow
def test_a_step_shows_the_line_of_the_arithmetic_that_it_computes(qtbot, window, settings):
    entry = next(entry for entry in lesson_entries() if entry.name == "05-lstm")
    settings.set_lesson_step(entry.name, 1)
    Read(qtbot, window, entry).open()
    window.guide.answer(None)
    arithmetic = window.findChild(ArithmeticView)
    qtbot.waitUntil(lambda: arithmetic.page is not None and arithmetic.page.term_table.line == "c")
    [card] = [card for card in arithmetic.cards.cards if card.checked]
    seen = arithmetic.cards.viewport()
    qtbot.waitUntil(lambda: seen.rect().contains(card.mapTo(seen, card.rect().center())))


@pytest.mark.slow
def test_a_lesson_that_is_not_as_it_must_be_is_a_dialog_and_changes_nothing(bare_window, make_entry):
    window = bare_window
    window.guide.open(make_entry("# Wrong\n\n## Step\nNo block.\n"))
    box = window.findChild(QMessageBox)
    assert "has 0 blocks" in box.text()
    box.accept()
    assert window.guide.lesson is None
    assert window.guide.pane is None


@pytest.mark.slow
def test_the_included_lessons_are_in_the_menu_and_the_toolbar(qtbot, window):
    entry = lesson_entries()[0]
    action = window.findChild(QAction, f"guided_{entry.name}")
    assert entry.title in action.text()
    action.trigger()
    assert window.guide.pane.lesson_title.text() == entry.title
    assert window.toolbar.lesson.currentData() == entry
    box = window.toolbar.lesson
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert window.guide.pane.lesson_title.text() == lesson_entries()[1].title
    qtbot.waitUntil(lambda: not window.runner.busy and not window.control.auto_run.due, timeout=20_000)


@pytest.mark.slow
def test_the_numbers_of_a_statement_are_copied_in_full(read, clipboard):
    read.pane.rows[0].actions()[0].trigger()
    values = read.window.session.result.reference.output[0, 0]
    copied = clipboard().splitlines()
    assert copied[0] == "The output is the state."
    assert [np.float32(text) for text in copied[2].split("\t")[1].strip("[]").split()] == values.tolist()
