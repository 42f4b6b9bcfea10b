"""Configs as files: opened, saved, undone, remembered, dropped; and what happens to changes at the end."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QMessageBox

from rnnviz.core.config import Config
from rnnviz.core.resources import resource_path
from rnnviz.gui.commands.menus import RecentMenu
from rnnviz.io.config_toml import load_config, save_config
from rnnviz.io.session import SavedDocument, SavedSession, SavedViewState, write_session
from rnnviz.lessons.index import lesson_entries, lessons

CONFIG = Config.from_mapping({"network": {"cell": "gru", "input_size": 2, "hidden_size": 3}})
CONTROL = Qt.KeyboardModifier.ControlModifier
Buttons = QMessageBox.StandardButton


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    save_config(CONFIG, path)
    return path


@pytest.fixture
def choose_file(qtbot, window):
    """Answers the file dialog that is open."""

    def choose_file(path: Path) -> None:
        dialog = window.findChild(QFileDialog)
        qtbot.waitUntil(dialog.isVisible)
        dialog.setDirectory(str(path.parent))
        dialog.selectFile(str(path))
        dialog.accept()

    return choose_file


@pytest.fixture
def message(qtbot, window):
    """The message box that is open; `answer` closes it."""

    def message() -> QMessageBox:
        qtbot.waitUntil(lambda: any(box.isVisible() for box in window.findChildren(QMessageBox)))
        return next(box for box in window.findChildren(QMessageBox) if box.isVisible())

    return message


@pytest.mark.slow
def test_a_config_is_opened_by_key_and_dialog_and_run(qtbot, window, press, choose_file, config_file):
    press(Qt.Key.Key_O, CONTROL)
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        choose_file(config_file)
    assert window.session.result.config == CONFIG
    assert window.windowTitle() == "mine.toml[*]"
    assert not window.isWindowModified()
    assert window.toolbar.lesson.shown_text() == "mine.toml"


@pytest.mark.slow
def test_a_wrong_config_is_a_dialog_and_changes_nothing(window, message, tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("[network]\ncell = 'gru'\nhidden_siz = 3\n")
    before = window.session.config
    window.files.open(path)
    assert "hidden_siz" in message().text()
    assert window.session.config == before
    message().accept()


@pytest.mark.slow
def test_a_window_that_is_opened_on_a_wrong_file_shows_the_first_lesson(qtbot, bare_window, tmp_path):
    with qtbot.waitSignal(bare_window.runner.finished, timeout=20_000):
        bare_window.begin(tmp_path / "missing.toml")
    box = bare_window.findChild(QMessageBox)
    assert "missing.toml" in box.text()
    box.accept()
    assert bare_window.session.result.config == lessons()[0].config


@pytest.mark.slow
def test_a_file_that_was_opened_is_saved_in_place(window, press, config_file):
    window.files.open(config_file)
    changed = Config.from_mapping({"network": {"cell": "lstm", "input_size": 2, "hidden_size": 3}})
    window.document.edit(changed)
    press(Qt.Key.Key_S, CONTROL)
    assert load_config(config_file) == changed
    assert not window.isWindowModified()


@pytest.mark.slow
def test_a_file_that_cannot_be_written_is_a_dialog(window, message, config_file):
    window.files.open(config_file)
    window.document.edit(lessons()[0].config)
    config_file.unlink()
    config_file.parent.rename(config_file.parent.with_name("elsewhere"))
    window.files.save()
    assert "mine.toml cannot be written" in message().text()
    message().accept()
    assert window.isWindowModified()
    config_file.parent.with_name("elsewhere").rename(config_file.parent)


@pytest.mark.slow
def test_keys_undo_and_redo_edits_of_the_open_lesson_alone(window, press, message):
    window.document.edit(CONFIG)
    window.files.open_lesson(lessons()[3])
    message().button(Buttons.Discard).click()
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


@pytest.mark.slow
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
    assert names == ["5.toml", "11.toml", "9.toml", "8.toml", "7.toml", "6.toml", "4.toml", "3.toml", "2.toml"]
    next(action for action in menu.actions() if action.data() == paths[8]).trigger()
    assert window.document.path == paths[8]


@pytest.mark.slow
@pytest.mark.parametrize("saves", [True, False])
def test_changes_without_a_file_are_asked_about(qtbot, window, message, choose_file, tmp_path, saves):
    path = tmp_path / "new.toml"
    window.document.take(CONFIG, "model.safetensors: encoder")
    changed = lessons()[1].config
    window.document.edit(changed)
    assert window.isWindowModified()
    assert not window.close()
    box = message()
    assert "model.safetensors: encoder" in box.text()
    QTest.mouseClick(box.button(Buttons.Save if saves else Buttons.Discard), Qt.MouseButton.LeftButton)
    if saves:
        choose_file(path)
    qtbot.waitUntil(lambda: not window.isVisible())
    assert path.exists() is saves
    assert not saves or load_config(path) == changed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("button", "closes", "saves"),
    [(Buttons.Save, True, True), (Buttons.Discard, True, False), (Buttons.Cancel, False, False)],
)
def test_changes_of_a_file_are_asked_about(qtbot, window, message, config_file, button, closes, saves):
    window.files.open(config_file)
    changed = lessons()[1].config
    window.document.edit(changed)
    assert not window.close()
    closed = []
    window.closed.connect(lambda: closed.append(True))
    QTest.mouseClick(message().button(button), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.isVisible() is not closes)
    assert bool(closed) is closes
    assert (load_config(config_file) == changed) is saves


@pytest.mark.slow
def test_whatever_replaces_unsaved_changes_asks_first(qtbot, window, message, config_file, tmp_path):
    session = tmp_path / "mine.rnnviz"
    write_session(SavedSession(CONFIG, SavedDocument("mine"), SavedViewState()), session)
    model = resource_path("models", "sample-lstm.safetensors")
    entry = lesson_entries()[2]
    window.welcome.show()
    page = window.welcome.page
    window.welcome.leave()
    ways = {
        "config": lambda: window.files.open(config_file),
        "session": lambda: window.files.open(session),
        "model": lambda: window.files.open(model),
        "dropped config": lambda: window.files.drop([config_file]),
        "config of a lesson in the toolbar": lambda: window.toolbar.lesson_chosen.emit(lessons()[3]),
        "lesson in the toolbar": lambda: window.toolbar.lesson_chosen.emit(entry),
        "lesson on the welcome page": lambda: page.lesson_chosen.emit(entry),
        "sample model": page.sample_wanted.emit,
        "small network": page.small_network_wanted.emit,
        "recent file": lambda: page.recent_chosen.emit(config_file),
    }
    changed = Config.from_mapping({"network": {"cell": "lstm", "input_size": 1, "hidden_size": 2}})
    window.document.edit(changed)
    asked = []
    for name, replace in ways.items():
        window.toolbar.lesson.setCurrentIndex(3)
        replace()
        box = message()
        asked.append(name)
        assert window.session.config == changed, name
        QTest.mouseClick(box.button(Buttons.Cancel), Qt.MouseButton.LeftButton)
        assert window.session.config == changed, name
        assert "toolbar" not in name or window.toolbar.lesson.currentData().title == lessons()[0].title, name
        qtbot.waitUntil(lambda: not any(box.isVisible() for box in window.findChildren(QMessageBox)))
    assert asked == list(ways)
    ways["small network"]()
    QTest.mouseClick(message().button(Buttons.Discard), Qt.MouseButton.LeftButton)
    assert window.document.origin.title == "Small LSTM"
    assert not window.document.history.can_undo


@pytest.mark.slow
def test_a_lesson_asks_before_it_replaces_a_changed_file_but_not_between_its_steps(window, message, config_file):
    window.guide.open(lesson_entries()[0])
    window.document.edit(CONFIG)
    window.guide.next()
    assert not window.document.modified
    window.files.open(config_file)
    changed = lessons()[1].config
    window.document.edit(changed)
    for move in (window.guide.next, window.guide.back, window.guide.again):
        move()
        QTest.mouseClick(message().button(Buttons.Cancel), Qt.MouseButton.LeftButton)
        assert window.session.config == changed
    window.guide.again()
    QTest.mouseClick(message().button(Buttons.Discard), Qt.MouseButton.LeftButton)
    assert window.guide.step is window.guide.lesson.steps[1]
    assert window.session.config != changed
