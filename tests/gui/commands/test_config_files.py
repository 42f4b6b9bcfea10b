"""Configs as files: opened, saved, undone, remembered, dropped; and what happens to changes at the end."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMessageBox

from rnnviz.core.config import Config
from rnnviz.core.resources import resource_path
from rnnviz.core.trace_index import Location
from rnnviz.gui.commands.menus import RecentMenu
from rnnviz.io.config_toml import load_config, save_config
from rnnviz.io.session import SavedDocument, SavedSession, SavedViewState, write_session
from rnnviz.lessons.index import lesson_entries, lessons
from tests.gui.conftest import visible_of

pytestmark = pytest.mark.slow

CONFIG = Config.from_mapping({"network": {"cell": "gru", "input_size": 2, "hidden_size": 3}})
CHANGED = Config.from_mapping({"network": {"cell": "lstm", "input_size": 1, "hidden_size": 2}})
CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "mine.toml"
    save_config(CONFIG, path)
    return path


@pytest.fixture
def changed(window, config_file):
    window.files.open(config_file)
    window.document.edit(CHANGED)
    return window


def test_a_config_is_opened_by_key_and_dialog_and_run(qtbot, window, press, config_file):
    press(Qt.Key.Key_O, CONTROL)
    with qtbot.finished(window):
        qtbot.choose_file(window, config_file)
    assert window.session.result.config == CONFIG
    assert window.windowTitle() == "mine.toml[*]"
    assert not window.isWindowModified()
    assert window.top_line.document.text() == "mine.toml"


def test_a_window_that_is_opened_on_a_wrong_file_shows_the_first_lesson(qtbot, bare_window, tmp_path):
    with qtbot.finished(bare_window):
        bare_window.begin(tmp_path / "missing.toml")
    assert "missing.toml" in qtbot.acknowledge(bare_window)
    assert bare_window.session.result.config == lessons()[0].config


def test_a_file_that_was_opened_is_saved_in_place(changed, press, config_file):
    press(Qt.Key.Key_S, CONTROL)
    assert load_config(config_file) == CHANGED
    assert not changed.isWindowModified()


def test_a_file_that_cannot_be_written_is_a_dialog(qtbot, changed, config_file):
    folder = config_file.parent
    folder.rename(folder.with_name("elsewhere"))
    changed.files.save()
    assert "mine.toml cannot be written" in qtbot.acknowledge(changed)
    assert changed.isWindowModified()
    folder.with_name("elsewhere").rename(folder)


def test_keys_undo_and_redo_edits_of_the_open_lesson_alone(qtbot, window, press):
    window.document.edit(CONFIG)
    window.files.open_lesson(lessons()[3])
    qtbot.answer(window, "Discard")
    opened = lessons()[3].config
    press(Qt.Key.Key_Z, CONTROL)
    assert window.session.config == opened
    assert not window.actions_["undo"].isEnabled()
    window.document.edit(CONFIG)
    press(Qt.Key.Key_Z, CONTROL)
    assert window.session.config == window.panel.config == opened
    assert window.document.origin.title == lessons()[3].title
    assert not window.isWindowModified()
    press(Qt.Key.Key_Z, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    assert window.session.config == CONFIG
    assert not window.actions_["redo"].isEnabled()
    press(Qt.Key.Key_Z, CONTROL)


def test_recent_files_are_listed_latest_first_without_missing_ones(window, tmp_path):
    paths = [tmp_path / f"{number}.toml" for number in range(12)]
    for path in paths:
        save_config(CONFIG, path)
        window.files.open(path)
    window.files.open(paths[5])
    paths[10].unlink()
    menu = window.findChild(RecentMenu)
    menu.aboutToShow.emit()
    names = [action.data().name for action in menu.actions() if action.data() is not None]
    assert names == [f"{number}.toml" for number in (5, 11, 9, 8, 7, 6, 4, 3, 2)]
    next(action for action in menu.actions() if action.data() == paths[8]).trigger()
    assert window.document.path == paths[8]


@pytest.mark.parametrize("saves", [True, False])
def test_changes_without_a_file_are_asked_about(qtbot, window, tmp_path, saves):
    path = tmp_path / "new.toml"
    window.document.take(CONFIG, "model.safetensors: encoder")
    window.document.edit(CHANGED)
    assert window.isWindowModified()
    assert not window.close()
    assert "model.safetensors: encoder" in qtbot.question(window).text()
    qtbot.answer(window, "Save" if saves else "Discard")
    if saves:
        qtbot.choose_file(window, path)
    qtbot.waitUntil(lambda: not window.isVisible())
    assert path.exists() is saves
    assert not saves or load_config(path) == CHANGED


@pytest.mark.parametrize(
    ("button", "closes", "saves"), [("Save", True, True), ("Discard", True, False), ("Cancel", False, False)]
)
def test_changes_of_a_file_are_asked_about(qtbot, changed, config_file, button, closes, saves):
    assert not changed.close()
    closed = []
    changed.closed.connect(lambda: closed.append(True))
    qtbot.answer(changed, button)
    qtbot.waitUntil(lambda: changed.isVisible() is not closes)
    assert bool(closed) is closes
    assert (load_config(config_file) == CHANGED) is saves
    changed.document.undo()


def test_whatever_replaces_unsaved_changes_asks_first(qtbot, window, config_file, tmp_path):
    session = tmp_path / "mine.rnnviz"
    write_session(SavedSession(CONFIG, SavedDocument("mine"), SavedViewState()), session)
    model = resource_path("models", "sample-lstm.safetensors")
    entry = lesson_entries()[2]
    window.first_screen.show()
    screen = window.first_screen.screen
    window.first_screen.leave()
    ways = {
        "config": lambda: window.files.open(config_file),
        "session": lambda: window.files.open(session),
        "model": lambda: window.files.open(model),
        "dropped config": lambda: window.files.drop([config_file]),
        "lesson on the first screen": lambda: screen.lesson_chosen.emit(entry),
        "sample model": lambda: screen.value_chosen.emit(Location()),
        "new network": window.actions_["new_network"].trigger,
        "recent file": lambda: screen.recent_chosen.emit(config_file),
    }
    window.document.edit(CHANGED)
    for name, replace in ways.items():
        replace()
        qtbot.question(window)
        assert window.session.config == CHANGED, name
        qtbot.answer(window, "Cancel")
        assert window.session.config == CHANGED, name
        qtbot.waitUntil(lambda: not visible_of(window, QMessageBox))
    ways["new network"]()
    qtbot.answer(window, "Discard")
    assert window.document.origin.title == "Small LSTM"
    assert not window.document.history.can_undo


def test_a_lesson_closes_with_its_document_and_asks_before_it_replaces_a_changed_file(qtbot, window, config_file):
    entry = lesson_entries()[0]
    window.guide.open(entry)
    window.document.edit(CONFIG)
    window.guide.next()
    assert not window.document.modified
    window.files.open(config_file)
    assert window.guide.lesson is None
    window.document.edit(CHANGED)
    again = window.findChild(QAction, f"guided_{entry.name}")
    again.trigger()
    qtbot.answer(window, "Cancel")
    assert window.session.config == CHANGED
    qtbot.waitUntil(lambda: not visible_of(window, QMessageBox))
    again.trigger()
    qtbot.answer(window, "Discard")
    assert window.guide.step is window.guide.lesson.steps[1]
    assert window.session.config != CHANGED
    window.guide.leave()
