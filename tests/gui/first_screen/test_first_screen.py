"""The first screen: a network whose numbers are computed, ways to begin, and chapters with the reader's progress."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QMenu, QToolButton

from rnnviz.core.trace_index import Location
from rnnviz.gui.first_screen.picture import RESTING, TIMESTEPS
from rnnviz.gui.first_screen.screen import FirstScreen
from rnnviz.gui.theme.scaling import use_motion
from rnnviz.lessons.index import CHAPTERS, chapters, lesson_entries

ENTRIES = lesson_entries()


@pytest.fixture
def screen(qtbot):
    screen = qtbot.on_screen(FirstScreen(ENTRIES), 1440, 870)
    screen.show_progress([], {}, "")
    yield screen
    screen.picture.close_task()


@pytest.fixture
def computed(qtbot, screen):
    """The screen once the numbers of its picture are there."""
    with qtbot.waitSignal(screen.picture.computed):
        pass
    return screen


def test_a_first_start_has_a_picture_four_doors_and_eight_chapters(screen):
    assert [card.text() for card in screen.chapters] == list(CHAPTERS)
    assert [len(card.lessons) for card in screen.chapters] == [len(group) for group in chapters(ENTRIES).values()]
    controls = [screen.picture, *screen.doors, *screen.chapters]
    assert len(controls) == 13
    assert all(control.accessibleName() and control.accessibleDescription() for control in controls)
    assert screen.back.isHidden() or not screen.back.text()
    with_focus = screen.picture
    for expected in controls[1:]:
        with_focus = with_focus.nextInFocusChain()
        while with_focus not in controls:
            with_focus = with_focus.nextInFocusChain()
        assert with_focus is expected


def test_the_picture_shows_the_states_that_a_run_of_the_sample_computes(computed, qtbot):
    picture = computed.picture
    run = picture.run
    lines = run.lines[RESTING.timestep]
    assert list(lines) == ["i", "f", "g", "o", "c", "h"]
    assert np.isclose(lines["h"].value, run.hidden[RESTING.layer, RESTING.timestep, RESTING.unit], atol=1e-6)
    assert np.isclose(lines["h"].value, lines["o"].value * np.tanh(lines["c"].value))
    place = Location(layer=0, timestep=0, unit=3)
    box = picture._box(place.layer, place.timestep, place.unit)
    assert picture.value_at(box.center()) == place
    assert picture.value_at(QPointF(1.0, 1.0)) is None
    with qtbot.waitSignal(picture.value_chosen) as chosen:
        qtbot.mouseClick(picture, Qt.MouseButton.LeftButton, pos=box.center().toPoint())
    assert chosen.args == [place]
    with qtbot.waitSignal(picture.value_chosen) as chosen:
        QTest.keyClick(picture, Qt.Key.Key_Space)
    assert chosen.args == [picture.open_value]


def test_the_picture_moves_unless_motion_is_reduced(computed, qtbot):
    picture = computed.picture
    picture.clearFocus()
    qtbot.waitUntil(lambda: picture.timestep > 0)
    use_motion("reduced")
    try:
        qtbot.waitUntil(lambda: picture.timestep == RESTING.timestep)
    finally:
        use_motion("desktop")


def test_chapters_show_progress_and_open_the_lesson_in_progress(screen, qtbot):
    done = [entry.name for entry in ENTRIES if entry.chapter == "One step at a time"]
    gates = [entry for entry in ENTRIES if entry.chapter == "Gates"]
    cards = {card.text(): card for card in screen.chapters}
    screen.show_progress([*done, gates[0].name], {gates[1].name: 2}, gates[1].name)
    assert cards["One step at a time"].shares == (1.0, 1.0)
    assert cards["Gates"].shares == (1.0, 0.5)
    assert [card for card in screen.chapters if card.in_progress] == [cards["Gates"]]
    assert set(cards["Text"].shares) == {0.0}
    assert str(gates[1].number) in screen.learn.text()
    for button, entry in ((screen.learn, gates[1]), (cards["Gates"], gates[1]), (cards["Checking"], ENTRIES[7])):
        with qtbot.waitSignal(screen.lesson_chosen) as chosen:
            QTest.keyClick(button, Qt.Key.Key_Return)
        assert chosen.args == [entry]
    center = cards["Gates"].rect().center()
    QApplication.sendEvent(cards["Gates"], QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, center, center))
    [menu] = cards["Gates"].findChildren(QMenu)
    assert [action.isChecked() for action in menu.actions()] == [True, False]
    with qtbot.waitSignal(screen.lesson_chosen) as chosen:
        menu.actions()[0].trigger()
    assert chosen.args == [gates[0]]
    menu.close()


def test_a_narrow_screen_has_one_column_with_the_doors_first(screen):
    def top(widget):
        return widget.mapTo(screen.widget(), widget.rect().topLeft()).y()

    assert top(screen.picture) < top(screen.learn) < top(screen.chapters[0])
    assert len({top(card) for card in screen.chapters}) == 2
    screen.resize(1240, 800)
    QApplication.processEvents()
    assert top(screen.learn) < top(screen.picture) < top(screen.chapters[0])
    assert len({top(card) for card in screen.chapters}) == 4
    assert screen.horizontalScrollBar().maximum() == 0


@pytest.mark.slow
def test_a_start_without_a_file_runs_nothing_until_something_is_opened(bare_window, settings, tmp_path, qtbot):
    file = tmp_path / "mine.toml"
    file.write_text('network = { cell = "gru", input_size = 2, hidden_size = 3 }', encoding="utf-8")
    settings.recent = (str(file),)
    window = bare_window
    window.first_screen.show_on_startup()
    window.begin(None)
    screen = window.first_screen.screen
    assert screen.isVisible()
    assert not window.lanes.isVisible()
    assert not window.control.due
    assert window.windowTitle() == "rnnviz[*]"
    for door in screen.doors[1:]:
        door.click()
        qtbot.shown(window, QDialog).reject()
    assert window.first_screen.shown
    with qtbot.finished(window):
        screen.picture.value_chosen.emit(Location(layer=1, timestep=3, unit=2))
    assert window.lanes.isVisible()
    assert "sample-lstm" in window.windowTitle()
    assert window.session.result.verdict == "agree"
    assert window.session.location == Location(layer=1, timestep=3, unit=2)
    result = window.session.result
    assert np.array_equal(result.reference.hidden[:, 0, :TIMESTEPS, 0], screen.picture.run.hidden)

    window.actions_["first_screen"].trigger()
    assert window.first_screen.shown
    QTest.keyClick(screen.learn, Qt.Key.Key_Escape)
    assert window.lanes.isVisible()
    window.first_screen.show()
    [link] = [b for b in screen.findChildren(QToolButton) if b.isVisible() and b.text() == "mine.toml"]
    with qtbot.finished(window):
        link.click()
    assert window.session.result.config.network.cell == "gru"


@pytest.mark.slow
def test_the_first_door_opens_the_first_lesson(bare_window, qtbot):
    bare_window.first_screen.show()
    with qtbot.finished(bare_window):
        bare_window.first_screen.screen.learn.click()
    assert bare_window.guide.lesson.name == ENTRIES[0].name
    assert not bare_window.first_screen.shown
