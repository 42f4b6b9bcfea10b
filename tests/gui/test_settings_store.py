"""Settings are read once, kept in memory, and written where no one waits for the disk."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray, QLockFile, QSettings, QThread, QTimer

from rnnviz.gui.settings_store import SettingsStore


def ini(path: Path) -> QSettings:
    return QSettings(str(path), QSettings.Format.IniFormat)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "settings.ini"


def test_a_set_value_is_read_back_at_once_and_is_in_the_file_once_saved(path):
    store = SettingsStore(ini(path))
    store.set_value("a/b", ["x", "y"])
    assert store.value("a/b") == ["x", "y"]
    assert not path.exists()
    assert store.save()
    assert SettingsStore(ini(path)).value("a/b") == ["x", "y"]


def test_a_set_value_is_written_soon_without_a_save_or_the_event_loop(qapp, path):
    store = SettingsStore(ini(path))
    store.set_value("before", "any thread")
    store.write_at_once()
    store.write_at_once()
    store.set_value("after", QByteArray(b"\x00\xff"))
    deadline = time.monotonic() + 10
    while not (path.exists() and b"after" in path.read_bytes() and b"before" in path.read_bytes()):
        assert time.monotonic() < deadline, "nothing was written"
        QThread.msleep(1)
    assert store._writer._file.thread() is not qapp.thread()
    assert store.save()


def test_a_file_locked_by_another_program_does_not_block_until_the_end(qtbot, path):
    """Qt waits for other writers of the same file, as it does for a disk that is busy."""
    store = SettingsStore(ini(path))
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
    assert SettingsStore(ini(path)).value("theme") == beats[-1]


def test_values_written_by_others_stay_except_for_the_same_key(path):
    store, other = SettingsStore(ini(path)), SettingsStore(ini(path))
    other.set_value("theirs", "1")
    other.set_value("both", "theirs")
    store.set_value("both", "ours")
    assert other.save()
    assert store.save()
    assert store.value("theirs") is None
    last = SettingsStore(ini(path))
    assert (last.value("theirs"), last.value("both")) == ("1", "ours")
    other.save()
    assert SettingsStore(ini(path)).value("both") == "ours"


def test_saving_ends_the_writer_thread_which_can_start_again(qapp, path):
    store = SettingsStore(ini(path))
    for value in ("1", "2", "3"):
        store.write_at_once()
        thread = store._writer.thread()
        store.set_value("a", value)
        assert thread.isRunning()
        assert store.save()
        assert store._writer is None
        assert SettingsStore(ini(path)).value("a") == value


@pytest.mark.parametrize("last", ["", "sys.exit(3)", "del store", "raise SystemExit"])
def test_a_program_that_ends_without_saving_keeps_its_values(path, last):
    program = f"""
import sys
from PySide6.QtCore import QCoreApplication, QSettings
from rnnviz.gui.settings_store import SettingsStore
application = QCoreApplication(sys.argv)
store = SettingsStore(QSettings(sys.argv[1], QSettings.Format.IniFormat))
store.write_at_once()
for number in range(20):
    store.set_value("number", number)
{last}
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3 if "3" in last else 0, "")
    assert b"number=19" in path.read_bytes()
