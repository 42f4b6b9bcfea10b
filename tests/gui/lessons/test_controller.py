"""A lesson: each step set up, its statements checked on the shown numbers, its parts framed, and changes."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QAction, QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from rnnviz.core.trace_index import Location
from rnnviz.gui.lessons.parts import SECTION_OF, TAB_OF, VALUE_PAGES, PartFrame, open_part
from rnnviz.gui.main_layout import VALUE
from rnnviz.gui.settings_panel.fields import SECTION_TITLES
from rnnviz.gui.theme.palettes import LIGHT
from rnnviz.lessons.index import PARTS, find_entry, find_lesson, lesson_entries
from tests.gui.lessons.conftest import LESSON, TEXTS, changed

pytestmark = pytest.mark.slow

CONTROL = Qt.KeyboardModifier.ControlModifier


def key(window, pressed, modifiers=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(QApplication.focusWidget() or window, pressed, modifiers)


def test_a_lesson_is_set_up_and_checked_when_it_is_opened(read):
    window, pane = read.window, read.pane
    assert pane.isVisible()
    assert pane.lesson_title.text().endswith("lesson 1")
    assert pane.place.text() == "step 1 of 3"
    assert pane.title.text() == "The first step"
    assert pane.prose.toPlainText() == "After one step out is state."
    assert window.session.config == find_lesson("vanilla-t1").config
    assert window.session.location == Location(unit=3, sample=2)
    assert window.windowTitle() == "Lesson: A lesson of the tests[*]"
    assert not window.isWindowModified()
    assert read.states == ["true", "true"]
    assert read.framed.windowTitle() == "Value"
    vector = window.session.result.reference.output[0, 0]
    assert not pane.rows[0].numbers.isVisible()
    read.qtbot.mouseClick(pane.rows[0].arrow, Qt.MouseButton.LeftButton)
    assert pane.rows[0].numbers.isVisible()
    for shown in ("all(out[0][0] == state[0][0][0])", "[" + " ".join(f"{value:.3f}" for value in vector) + "]"):
        assert shown in pane.rows[0].numbers.text()
    assert pane.rows[0].accessibleName() == "True: The output is the state."
    assert pane.next.isDefault(), "nothing is left to do"


def test_a_lesson_is_read_by_keys_alone_and_reopens_where_it_was_left(read, settings):
    window, pane = read.window, read.pane
    assert not window.actions_["lesson_back"].isEnabled()
    key(window, Qt.Key.Key_PageDown, CONTROL)
    read.finish_pending()
    assert pane.place.text() == "step 2 of 3"
    assert window.session.config.sequence.timesteps == 2
    assert window.session.location.timestep == 1
    assert window.session.color_by == "error_ratio"
    assert window.main_layout.tabs.front.title == "Checks"
    key(window, Qt.Key.Key_PageDown, CONTROL)
    read.finish_pending()
    assert window.session.engine == "onnx"
    assert read.framed is None
    key(window, Qt.Key.Key_PageUp, CONTROL)
    read.finish_pending()
    assert pane.title.text() == "The second step"
    assert settings.lesson_step(read.entry.name) == 1
    assert window.session.state.lesson_step == (read.entry.name, 1)
    window.guide.leave()
    assert window.session.state.lesson_step is None
    assert not pane.isVisible()
    read.open()
    assert pane.place.text() == "step 2 of 3"


def test_after_the_last_step_next_opens_the_next_lesson_and_then_finishes(read, entries, settings):
    window, pane = read.window, read.pane
    for label in ("Next step", "Next step", "Next lesson"):
        assert pane.next.text() == label
        pane.next.click()
    read.finish_pending()
    assert (window.guide.lesson.title, pane.place.text()) == ("Another of the tests", "step 1 of 3")
    for label in ("Next step", "Next step", "Finish"):
        assert pane.next.text() == label
        pane.next.click()
    assert not pane.isVisible()
    assert settings.open_lesson == ""
    window.guide.open(entries[0])
    assert pane.place.text() == "step 1 of 3", "a lesson that was finished begins anew"
    read.finish_pending()


def test_a_changed_config_has_its_statements_checked_and_is_restored(read):
    window, pane = read.window, read.pane
    own = changed(window.session.config, timesteps=3)
    window.document.edit(own)
    assert pane.again.isVisible()
    assert pane.changed_note.text() == "You have changed sequence.timesteps."
    assert read.states == ["waiting", "waiting"]
    read.finish_pending()
    assert read.states == ["unchecked", "unchecked"], "they are about the settings of the step"
    assert "sequence.timesteps" in pane.rows[0].reason.text()
    assert "T = 3" in pane.rows[1].numbers.text()
    window.session.set_location(Location(timestep=2))
    pane.again.click()
    read.finish_pending()
    assert read.states == ["true", "true"]
    assert not pane.again.isVisible()
    assert not pane.changed_note.isVisible()
    assert window.session.location == Location(unit=3, sample=2)
    window.document.undo()
    assert window.session.config == own
    read.finish_pending()


def test_another_document_closes_the_lesson_which_reopens_at_its_step(read, settings):
    window, pane = read.window, read.pane
    window.guide.next()
    read.finish_pending()
    other = changed(find_lesson("gru").config, timesteps=3)
    window.document.take(other, "model.onnx: encoder")
    read.qtbot.idle(window)
    assert not pane.isVisible()
    assert (read.framed, window.guide.state, settings.last_lesson) == (None, None, read.entry.name)
    read.open()
    assert pane.isVisible()
    assert pane.place.text() == "step 2 of 3"


def test_an_invalid_field_is_reset_when_the_step_is_set_up_again(read):
    line = read.window.panel.field("parameters.scale").editor.controls[0]
    line.setText("much")
    line.textEdited.emit("much")
    assert read.window.panel.errors
    key(read.window, Qt.Key.Key_Home, CONTROL)
    read.finish_pending()
    assert not read.window.panel.errors
    assert read.states == ["true", "true"]


def test_a_step_shows_the_line_of_the_arithmetic_that_it_computes(qtbot, window, settings, open_lesson):
    settings.set_lesson_step("05-lstm", 1)
    open_lesson(find_entry("05-lstm", lesson_entries()))
    window.guide.answer(None)
    card = window.value
    qtbot.waitUntil(lambda: card.page is not None and card.page.line.name == "c")
    assert card.arithmetic.equations.isVisible()


def test_a_lesson_that_is_not_as_it_must_be_is_a_dialog_and_changes_nothing(qtbot, window, make_entry):
    window.guide.open(make_entry("# Wrong\n\n## Step\nNo block.\n"))
    assert "has 0 blocks" in qtbot.acknowledge(window)
    assert window.guide.lesson is None


def test_the_included_lessons_are_in_the_menu(qtbot, window):
    entry = lesson_entries()[0]
    action = window.findChild(QAction, f"guided_{entry.name}")
    assert entry.title in action.text()
    action.trigger()
    assert window.guide.lesson.title == entry.title
    qtbot.idle(window)


def test_the_numbers_of_a_statement_are_copied_in_full(read, clipboard):
    read.pane.rows[0].actions()[0].trigger()
    values = read.window.session.result.reference.output[0, 0]
    copied = clipboard().splitlines()
    assert copied[0] == "The output is the state."
    assert [np.float32(text) for text in copied[2].split("\t")[1].strip("[]").split()] == values.tolist()


LINKED = LESSON.replace("is `state`.", "is `state`; [the seed](part:panel.parameters) makes it.")


def test_a_link_in_the_text_frames_the_part_that_it_names_by_mouse_and_keys(window, make_entry, open_lesson):
    linked = open_lesson(make_entry(LINKED))
    prose, target = linked.pane.prose, window.panel.reveal_section("parameters")
    cursor = prose.document().find("the seed", 0)
    cursor.setPosition(cursor.selectionStart() + 2, QTextCursor.MoveMode.MoveAnchor)
    QTest.mouseClick(prose.viewport(), Qt.MouseButton.LeftButton, pos=prose.cursorRect(cursor).center())
    assert linked.framed is target
    assert window.guide.frame.isVisible()
    window.guide.unframe()
    linked.pane.scroll_area.setFocus()
    for pressed in (Qt.Key.Key_Tab, Qt.Key.Key_Tab, Qt.Key.Key_Return):
        key(window, pressed)
        if linked.framed is target:
            break
    assert linked.framed is target


FOLLOWING = (TEXTS / "following.md").read_text(encoding="utf-8")


def test_a_statement_about_the_selected_value_follows_the_selection(qtbot, window, make_entry, open_lesson):
    reading = open_lesson(make_entry(FOLLOWING))
    hidden = window.session.result.reference.hidden
    for where, second in ((Location(timestep=2, sample=5, unit=3), "false"), (Location(unit=9), "true")):
        window.session.set_location(where)
        shown = f" = {hidden[where.index]:.3f}"
        qtbot.waitUntil(
            lambda shown=shown, states=["true", second]: (
                shown in reading.pane.rows[0].numbers.text() and reading.states == states
            )
        )


@pytest.mark.parametrize("layers", [1, 2])
def test_the_first_lesson_ends_with_any_number_of_the_users_network(qtbot, window, settings, open_lesson, layers):
    entry = lesson_entries()[0]
    settings.set_lesson_step(entry.name, 3)
    reading = open_lesson(entry)
    assert (reading.pane.place.text(), reading.states) == ("step 4 of 4", ["true"] * 3)
    own = changed(window.session.config, timesteps=4)
    own = replace(own, parameters=replace(own.parameters, seed=99), network=replace(own.network, num_layers=layers))
    window.document.edit(own)
    reading.finish_pending()
    hidden = window.session.result.reference.hidden
    of_own = ["true", "true", "unchecked"]
    for place in np.argwhere(hidden > 0)[::23].tolist():
        where = Location(*place)
        window.session.set_location(where)
        shown = f" = {hidden[where.index]:.3f}"
        rows = reading.pane.rows
        qtbot.waitUntil(lambda shown=shown, rows=rows: shown in rows[0].numbers.text() and reading.states == of_own)


def test_a_lesson_says_which_missing_engine_it_needs_or_runs_without_it(qtbot, window, entries, monkeypatch):
    monkeypatch.setattr("rnnviz.engines.registry.find_spec", lambda name: None if name == "mxnet" else find_spec(name))
    window.guide.open(find_entry("real-bug", lesson_entries()))
    pane = window.guide.pane
    assert pane.note.isVisible()
    assert "mxnet 1.9.1" in pane.note.text()
    window.guide.open(entries[0])
    assert not pane.note.isVisible()
    qtbot.waitUntil(lambda: all(row.finding is not None and row.finding.holds for row in pane.rows))
    assert not pane.again.isVisible()


def test_every_part_is_framed_at_its_place(window, run_config):
    run_config({"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True})
    for part in PARTS:
        frame = PartFrame(*open_part(window, part), LIGHT)
        area = QRect(frame.mapTo(window, QPoint()), frame.size())
        assert frame.isVisible(), part
        assert area.height() >= 16, part
        assert window.rect().contains(area), part
        if part in TAB_OF:
            assert window.main_layout.tabs.front.title == TAB_OF[part]
        if part in VALUE_PAGES:
            assert (frame.target, window.value.page_name) == (window.main_layout.docks[VALUE], VALUE_PAGES[part])
        if part in SECTION_OF:
            assert frame.target.accessibleName() == SECTION_TITLES[SECTION_OF[part]]
        if part in ("arithmetic", "gradient"):
            assert window.navigation.place.is_gradient == (part == "gradient")
        frame.deleteLater()


def test_a_frame_follows_what_it_is_around(qtbot):
    around = qtbot.on_screen(QWidget(), 200, 100)
    frame = PartFrame(around, None, LIGHT)
    around.resize(300, 120)
    assert frame.size() == around.size()
    part = PartFrame(around, lambda: QRect(10, 10, 500, 20), LIGHT)
    assert part.geometry() == QRect(10, 10, 290, 20)
    around.hide()
    assert not frame.isVisible()


@pytest.mark.slow
def test_an_open_lesson_is_exported_as_a_handout(qtbot, window, open_lesson, tmp_path, monkeypatch):
    path = tmp_path / "handout.html"
    monkeypatch.setattr("rnnviz.gui.export.exporter.ask_new_file", lambda *arguments: arguments[-1](path))
    assert not window.actions_["export_handout"].isEnabled()
    open_lesson(lesson_entries()[0])
    with qtbot.waitSignal(window.jobs.done):
        window.actions_["export_handout"].trigger()
    assert f"<h1>{lesson_entries()[0].title}</h1>" in path.read_text(encoding="utf-8")
