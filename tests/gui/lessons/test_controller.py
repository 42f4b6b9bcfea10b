"""A lesson: each step set up, its statements checked on the shown numbers, changes by the reader."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QAction, QRegion
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox

from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.lessons.pane import FoldedLesson
from rnnviz.gui.theme.scaling import use_motion
from rnnviz.gui.views.arithmetic.view import ArithmeticView
from rnnviz.gui.views.units_plot import UnitsPlot
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.lessons.index import find_lesson, lesson_entries
from tests.gui.lessons.conftest import Read, changed
from tests.gui.shown import details

CONTROL = Qt.KeyboardModifier.ControlModifier


def key(window, pressed, modifiers=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(QApplication.focusWidget() or window, pressed, modifiers)


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
def test_a_click_on_next_leaves_the_keyboard_where_it_was(read):
    """Steps ask for arrow keys and the space bar, which would press the button again."""
    read.window.lanes.setFocus()
    for button in (read.pane.next, read.pane.back):
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        read.finish_pending()
        assert read.window.focusWidget() is read.window.lanes


def test_false_and_unanswered_statements_are_marked_differently(read):
    key(read.window, Qt.Key.Key_PageDown, CONTROL)
    read.finish_pending()
    assert read.marks[:2] == ["True", "False"]
    assert read.marks[2].startswith("Not checked: The cell rnn_relu has no c")
    assert read.pane.rows[1].shown_numbers[0].startswith("max(out) = ")
    images = [row._icon.pixmap().toImage() for row in read.pane.rows]
    assert all(images[a] != images[b] for a, b in ((0, 1), (1, 2), (0, 2)))


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
    side = layout._middle.sizes()[1]
    read.open()
    other = changed(find_lesson("gru").config, timesteps=3)
    window.document.take(other, "model.onnx: encoder")
    read.qtbot.waitUntil(lambda: not window.runner.busy and not window.control.auto_run.due)
    line = window.main_layout.findChild(FoldedLesson)
    assert not pane.isVisible()
    assert line.isVisible()
    assert line.height() < 40
    assert layout.column.width() < 300
    assert layout._middle.sizes()[1] == side
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
def test_a_change_that_does_not_run_by_itself_leaves_the_statements_unchecked(read):
    window = read.window
    window.document.edit(changed(window.session.config, timesteps=400))
    assert not window.control.auto_run.due
    assert read.marks == ["Not checked yet: the config has changed since the run."] * 2
    key(window, Qt.Key.Key_F5)
    read.finish_pending()
    assert read.marks[1] == "False for your config"


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
def test_the_text_scrolls_by_keys_and_leaves_the_others_to_the_selection(read):
    window, bar = read.window, read.pane.scroll_area.verticalScrollBar()
    window.main_layout.fold("settings", folded=False)
    window.main_layout.column.setSizes([10, 1000])
    read.qtbot.waitUntil(lambda: bar.maximum() > 0)
    assert QApplication.focusWidget() is read.pane.scroll_area
    key(window, Qt.Key.Key_Down)
    assert bar.value() > 0
    assert window.session.location.unit == 3
    window.document.edit(changed(window.session.config, timesteps=3))
    read.finish_pending()
    key(window, Qt.Key.Key_Right)
    assert window.session.location.timestep == 1


def test_tab_moves_from_the_buttons_over_the_text_to_the_statements(read):
    pane = read.pane
    read.window.main_layout.fold("settings", folded=False)
    read.window.main_layout.column.setSizes([1000, 10])
    read.qtbot.waitUntil(lambda: not pane.more.isVisible())
    pane.counter.setFocus()
    way = []
    for _ in range(5):
        key(read.window, Qt.Key.Key_Tab)
        way.append(QApplication.focusWidget())
    assert way == [pane.next, pane.look, pane.scroll_area, *pane.rows]


def test_next_by_key_leads_from_the_pane_to_the_text_and_leaves_the_keyboard_of_the_lanes(read):
    window, pane = read.window, read.pane
    pane.next.setFocus()
    key(window, Qt.Key.Key_Space)
    assert QApplication.focusWidget() is pane.scroll_area
    assert pane.scroll_area.accessibleDescription().startswith("The second step. Nothing is said.")
    window.lanes.setFocus()
    key(window, Qt.Key.Key_PageUp, Qt.KeyboardModifier.ControlModifier)
    assert pane.step_title.text() == "The first step"
    assert QApplication.focusWidget() is window.lanes


@pytest.mark.slow
def test_the_link_of_a_step_is_broken_where_the_pane_is_narrower(read):
    pane = read.pane
    pane.resize(120, pane.height())
    assert pane.look.text() == "Look at the\nselected vector"
    assert pane.look.accessibleName() == "Look at the selected vector"
    pane.resize(400, pane.height())
    assert "\n" not in pane.look.text()


@pytest.mark.slow
def test_the_number_of_true_statements_is_visible_while_they_are_out_of_view(read):
    window, pane = read.window, read.pane
    assert pane.counter.text() == "2 of 2 true"
    window.guide.next()
    assert pane.counter.text() == "not checked yet"
    read.finish_pending()
    assert pane.counter.text() == "1 of 3 true"
    assert pane.counter.accessibleName() == "Statements: 1 of 3 true"
    window.main_layout.fold("settings", folded=False)
    window.main_layout.column.setSizes([10, 1000])
    pane.counter.click()
    assert QApplication.focusWidget() is pane.rows[1]
    read.qtbot.waitUntil(lambda: not pane.rows[1].visibleRegion().isEmpty())
    window.guide.next()
    assert not pane.counter.isVisible()
    read.finish_pending()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["arithmetic", "gradient-flow"])
def test_a_part_with_equations_or_curves_borrows_height_from_the_lanes(read, part):
    tabs, highlighter = read.window.main_layout.tabs, read.window.guide._highlighter
    highlighter.highlight("lanes")
    before = tabs.height()
    highlighter.highlight(part)
    assert tabs.height() > before
    highlighter.highlight("lanes")
    assert tabs.height() == before


@pytest.mark.slow
def test_panes_that_a_step_does_not_name_are_dimmed(qtbot, read, settings):
    window, dimmer = read.window, read.window.guide._highlighter.dimmer
    vector, banner, tabs = read.highlighted, window.verdict, window.main_layout.tabs

    def dims(pane):
        center = pane.mapTo(window, pane.rect().center())
        return dimmer.isVisible() and dimmer.mask().contains(center)

    qtbot.waitUntil(lambda: dims(banner))
    assert [dims(pane) for pane in (read.pane, vector, tabs)] == [False, False, True]
    # The selected value in the dimmed lanes.
    geometry, at = window.lanes.geometry_in_view, window.session.location
    cell = geometry.rect(CellGeometry(Lane(at.layer, at.direction), at.timestep, at.unit))
    place = window.lanes.box.mapToScene(QPointF(cell.x + cell.width / 2, cell.y + cell.height / 2))
    canvas = window.lanes.canvas
    assert dimmer.mask().contains(canvas.mapTo(window, QPoint(4, 4)))
    assert not dimmer.mask().contains(canvas.mapTo(window, canvas.mapFromScene(place)))
    whole = QRect(canvas.mapTo(window, QPoint()), canvas.size())
    free = (QRegion(whole) - dimmer.mask()).boundingRect()
    assert free == window.lanes.selection_area.translated(whole.topLeft())
    assert max(abs(free.width() - cell.width), abs(free.height() - cell.height)) <= 7
    center = banner.mapTo(window, banner.rect().center())
    assert window.childAt(center) is not dimmer
    # An unfolded verdict is above the dimmed panes and the frame, also when the frame moves.
    banner.toggle_details()
    window.guide.spotlight.refresh()
    above = window.children()[-1]
    assert above.objectName() == "verdict_details"
    read.pane.look.click()
    assert details(banner) == ""
    window.lanes.setFocus()
    qtbot.waitUntil(lambda: not dims(window.lanes))
    settings.dimming = "off"
    window.guide.refresh_dimming()
    assert not dimmer.isVisible()
    settings.dimming = "on"
    window.guide.refresh_dimming()
    assert dims(banner)
    window.main_layout.present(on=True)
    qtbot.waitUntil(lambda: not dimmer.isVisible())
    window.main_layout.present(on=False)
    qtbot.waitUntil(lambda: dims(banner))
    use_motion("reduced")
    window.guide.refresh_dimming()
    assert not dimmer.isVisible()
    use_motion("desktop")
    key(window, Qt.Key.Key_Escape)
    assert not dimmer.isVisible()
    read.pane.part_requested.emit("verdict")
    assert not dims(banner)
    assert dims(tabs)
    window.verdict.undetectable_requested.emit()
    qtbot.waitUntil(lambda: not dims(tabs))


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


_OVER_TIME = """# A lesson of units over time
It has gates.

## Gates
```step
config = "lstm"
[look]
part = "units"
colors = "f"
[[statement]]
text = "There are ten units."
expression = "H == 10"
```

## Hidden values
```step
[look]
part = "units"
colors = "value"
[[statement]]
text = "There are ten units."
expression = "H == 10"
```
"""


def test_units_over_time_show_the_quantity_of_the_step(qtbot, window, make_entry):
    reading = Read(qtbot, window, make_entry(_OVER_TIME))
    reading.open()
    plot = window.findChild(UnitsPlot)
    qtbot.waitUntil(lambda: plot.heading.text().startswith("f of unit 0"))
    window.guide.next()
    qtbot.waitUntil(lambda: plot.heading.text().startswith("Unit 0"))


@pytest.mark.slow
def test_closing_the_lesson_restores_the_width_of_the_panel(qtbot, window, entries, settings):
    width = window.panel.width()
    window.guide.open(entries[0])
    pane = window.guide.pane
    assert settings.open_lesson == entries[0].name
    qtbot.waitUntil(lambda: pane.width() >= 340)
    pane.close_button.click()
    assert not pane.isVisible()
    qtbot.waitUntil(lambda: window.panel.width() == width)
    assert settings.open_lesson == ""
    assert not window.actions_["lesson_next"].isEnabled()


@pytest.mark.slow
def test_a_lesson_that_was_open_is_open_at_the_next_start(qtbot, bare_window, entries, settings):
    settings.open_lesson = entries[1].name
    settings.set_lesson_step(entries[1].name, 1)
    with qtbot.waitSignal(bare_window.runner.finished, timeout=20_000):
        bare_window.begin(None)
    assert bare_window.guide.pane.step_title.text() == "The second step"
    assert bare_window.session.config.sequence.timesteps == 2


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
def test_a_change_of_theme_reaches_the_pane(qtbot, read):
    before = read.pane.prose.palette().text().color()
    with qtbot.waitSignal(read.window._theme_manager.theme_changed):
        read.window._theme_manager.choose("dark")
    assert read.pane.prose.palette().text().color() != before
    read.window._theme_manager.choose("light")


def test_the_numbers_of_a_statement_are_copied_in_full(read, clipboard):
    read.pane.rows[0].actions()[0].trigger()
    values = read.window.session.result.reference.output[0, 0]
    copied = clipboard().splitlines()
    assert copied[0] == "The output is the state."
    assert [np.float32(text) for text in copied[2].split("\t")[1].strip("[]").split()] == values.tolist()


@pytest.mark.slow
def test_the_lesson_has_the_column_and_the_panel_unfolds_for_what_a_step_names(read):
    window, pane, layout = read.window, read.pane, read.window.main_layout
    assert layout.column.width() == 420
    assert not window.panel.isVisible()
    assert pane.height() >= layout.column.height() - 2
    assert pane.lesson_title.wordWrap()
    assert pane.dots.accessibleDescription() == "step 1 of 3"
    pane.part_requested.emit("panel.parameters")
    assert window.panel.isVisible()
    pane.highlight_requested.emit()
    assert not window.panel.isVisible()
    QTest.mouseClick(pane.dots, Qt.MouseButton.LeftButton, pos=QPoint(24, 8))
    read.finish_pending()
    assert pane.place.text() == "step 2 of 3"
    window.guide.leave()
    assert window.panel.isVisible()
    assert not layout.is_folded("settings")
    assert layout.column.width() < 420
