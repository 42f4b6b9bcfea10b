"""Settings of the next start, and a theme that follows the desktop or the user's choice."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray, QLockFile, QSettings, QSize, Qt, QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import delete

from rnnviz.gui.commands.dialogs import RecentFiles
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.palettes import DARK, LIGHT
from rnnviz.gui.theme.theme_manager import ThemeManager
from tests.full_disk import files_of_at_most
from tests.profiles import nightly_except
from tests.programs import python


def ini(path: Path) -> QSettings:
    return QSettings(str(path), QSettings.Format.IniFormat)


@pytest.mark.slow
def test_the_window_geometry_is_restored(make_window):
    window = make_window()
    # The screen in memory is small, and a window never comes back larger than the screen.
    window.resize(700, 600)
    window.main_layout.docks.close("Value")
    size = window.size()
    window.close()
    again = make_window(None)
    assert again.size() == size
    assert not again.main_layout.docks.is_open("Value")


@pytest.mark.parametrize("junk", [b"\x00\xff\x13" * 500, b"[half\nrecent=1\n", b""])
def test_a_damaged_settings_file_takes_new_settings_all_the_same(tmp_path, junk):
    path = tmp_path / "s.ini"
    path.write_bytes(junk)
    settings = Settings(ini(path))
    settings.theme = "dark"
    assert settings.save()
    copy = shutil.copy(path, tmp_path / "copy.ini")
    assert Settings(ini(copy)).theme == "dark"


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of that kind")
def test_settings_are_unchanged_on_a_full_disk_until_it_has_free_space(tmp_path):
    path = tmp_path / "s.ini"
    settings = Settings(ini(path))
    settings.theme = "dark"
    assert settings.save()
    before = path.read_bytes()
    settings.recent = tuple(f"/a/long/path/{number}" for number in range(200))
    with files_of_at_most(1000):
        assert not settings.save()
        assert path.read_bytes() == before
        assert sorted(tmp_path.iterdir()) == [path]
    assert settings.save()
    assert b"/a/long/path/199" in path.read_bytes()


# As Qt packs it: a mark, a version, the number of sizes, and behind the sizes and a flag how wide a handle is.
PACKED = bytes.fromhex("000000ff 00000001 00000002 000002ae 0000014a 00")


@pytest.mark.slow
@pytest.mark.parametrize("handle", ["00ffffff", "7fffffff", "80000000"])
@pytest.mark.parametrize("part", nightly_except(("whole", "middle"), "whole"))
def test_a_damaged_layout_does_not_create_an_oversized_window(make_window, settings, part, handle):
    settings.set_layout(part, QByteArray(PACKED + bytes.fromhex(f"{handle} 01 00000001 00")))
    window = make_window(None)
    assert window.minimumSizeHint().width() < 1600
    # The first size leaves space for the frame.
    assert window.size() == QSize(1280, 800).boundedTo(window.screen().availableSize() - QSize(16, 48))


def test_recent_files_that_cannot_be_are_left_out(settings, tmp_path):
    settings.set_value("files/recent", ["\0", "", "x" * 5000, 3, str(tmp_path), "a\nb"])
    assert RecentFiles(settings).paths() == []


@pytest.mark.slow
def test_the_theme_is_chosen_in_the_menu_and_saved(window):
    assert window.palette().window().color() == LIGHT.color("window")
    for choice, theme in (("dark", DARK), ("light", LIGHT)):
        window.findChild(QAction, f"theme_{choice}").trigger()
        assert window.palette().window().color() == theme.color("window")
        assert window.settings.theme == choice


def test_the_desktop_theme_is_followed_while_it_is_chosen(qtbot, qapp, monkeypatch):
    theme_manager = ThemeManager("desktop")
    themes = []
    theme_manager.theme_changed.connect(themes.append)
    assert theme_manager.theme is LIGHT
    hints = QApplication.styleHints()
    monkeypatch.setattr(ThemeManager, "_desktop_is_dark", lambda self: True)
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    qtbot.waitUntil(lambda: themes == [DARK])
    theme_manager.choose("light")
    qtbot.waitUntil(lambda: themes == [DARK, LIGHT])
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert themes == [DARK, LIGHT]
    theme_manager.choose("desktop")
    assert theme_manager.theme is DARK
    theme_manager.choose("light")
    qtbot.waitUntil(lambda: len(themes) == 3)


def test_every_window_follows_the_theme_also_after_another_one_ended(qtbot, qapp):
    themes = ThemeManager("light")
    first, second = QWidget(), QWidget()
    qtbot.addWidget(second)
    for window in (first, second):
        themes.apply_stylesheet(window)
    light = first.styleSheet()
    themes.choose("dark")
    assert first.styleSheet() == second.styleSheet() != light
    delete(first)
    themes.choose("light")
    assert second.styleSheet() == light
    with qtbot.waitSignal(themes.theme_changed):
        themes.choose("dark")


def test_answers_and_tasks_of_a_lesson_are_restored_and_invalid_ones_left_out(settings):
    answers = {0: (1.0,), 3: (None,), 4: (-2.5e-07, 3.0), 12: (1e22, None)}
    settings.set_lesson_answers("one", answers)
    settings.finish_task("one", 3)
    settings.finish_task("one", 1)
    assert (settings.lesson_answers("one"), settings.tasks_done("one")) == (answers, (1, 3))
    assert (settings.lesson_answers("two"), settings.tasks_done("two")) == ({}, ())
    settings.set_value("lessons/answers/one", ["x 1", "1 inf", "2 nan", "4 1e999", "5 2.0", "-1 0.5", "6 "])
    settings.set_value("lessons/tasks/one", ["x", "-1", "9" * 5000, "2"])
    assert (settings.lesson_answers("one"), settings.tasks_done("one")) == ({5: (2.0,), 6: (None,)}, (2,))


def test_lesson_progress_is_restored_and_invalid_values_count_as_the_start(settings):
    assert (settings.open_lesson, settings.lesson_step("one")) == ("", 0)
    settings.open_lesson = "one"
    settings.set_lesson_step("one", 4)
    assert (settings.open_lesson, settings.lesson_step("one"), settings.lesson_step("two")) == ("one", 4, 0)
    for nonsense in ("-1", "4.0", "²", "9" * 40, ["1", "2"], None):
        settings.set_value("lessons/step/one", nonsense)
        assert settings.lesson_step("one") == 0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "settings.ini"


def test_a_set_value_is_read_back_at_once_and_is_in_the_file_once_saved(path):
    store = Settings(ini(path))
    store.set_value("a/b", ["x", "y"])
    assert store.value("a/b") == ["x", "y"]
    assert not path.exists()
    assert store.save()
    assert Settings(ini(path)).value("a/b") == ["x", "y"]


def test_a_file_locked_by_another_program_does_not_block_until_the_end(qtbot, path):
    """Qt waits for other writers of the same file, as it does for a disk that is busy."""
    store = Settings(ini(path))
    store.write_at_once()
    other = QLockFile(str(path) + ".lock")
    assert other.lock()
    beats = []
    timer = QTimer(interval=1)
    timer.timeout.connect(
        lambda: (store.set_value("theme", f"number {len(beats)}"), beats.append(store.value("theme")))
    )
    timer.start()
    qtbot.waitUntil(lambda: len(beats) >= 100)
    timer.stop()
    assert beats == [f"number {beat}" for beat in range(len(beats))]
    assert not path.exists()
    other.unlock()
    qtbot.waitUntil(lambda: path.exists() and beats[-1].encode() in path.read_bytes())
    assert store.save()
    assert Settings(ini(path)).value("theme") == beats[-1]


def test_values_written_by_others_stay_except_for_the_same_key(path):
    store, other = Settings(ini(path)), Settings(ini(path))
    other.set_value("theirs", "1")
    other.set_value("both", "theirs")
    store.set_value("both", "ours")
    assert other.save()
    assert store.save()
    assert store.value("theirs") is None
    last = Settings(ini(path))
    assert (last.value("theirs"), last.value("both")) == ("1", "ours")
    other.save()
    assert Settings(ini(path)).value("both") == "ours"


@pytest.mark.slow
@pytest.mark.parametrize("last", ["", "sys.exit(3)", "del store", "raise SystemExit"])
def test_a_program_that_ends_without_saving_keeps_its_values(path, last):
    program = f"""
import sys
from PySide6.QtCore import QCoreApplication, QSettings
from rnnviz.gui.settings import Settings
application = QCoreApplication(sys.argv)
store = Settings(QSettings(sys.argv[1], QSettings.Format.IniFormat))
store.write_at_once()
for number in range(20):
    store.set_value("number", number)
{last}
"""
    done = python("-c", program, path)
    assert (done.returncode, done.stderr) == (3 if "3" in last else 0, "")
    assert b"number=19" in path.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="kinds of files and the place of settings on Linux")
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to a device", "pipe as lock", "foreign lock"])
def test_settings_that_cannot_be_read_or_written_keep_no_window_waiting(qtbot, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "rnnviz").mkdir()
    file = tmp_path / "rnnviz" / "rnnviz.conf"
    lock = file.with_name("rnnviz.conf.lock")
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "link to a device":
            file.symlink_to("/dev/null")
        case "pipe as lock":
            os.mkfifo(lock)
        case "foreign lock":
            lock.write_text("1\nrnnviz\nanother.machine\n")
    before = {path: path.lstat().st_mode for path in (tmp_path / "rnnviz").iterdir()}
    # Qt finds the place of a program's settings once.
    settings = Settings(ini(file)) if "lock" in kind else Settings()
    settings.write_at_once()
    settings.theme = "dark"
    qtbot.wait(1)
    # Qt alone would wait for ever, or take the foreign lock after 30 seconds.
    assert not settings.save()
    assert {path: path.lstat().st_mode for path in (tmp_path / "rnnviz").iterdir()} == before
    assert settings.theme == "dark"
    assert Path(settings.path) == file
