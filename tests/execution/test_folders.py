"""The folders of runs and of windows: private, removed in the end, and found after a crash."""

import gc
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from rnnviz.execution import folders
from rnnviz.execution.folders import AUTOSAVE, CRASH, RecoveryDir, RunDirs, remove_with
from tests.full_disk import files_of_at_most


class Owner:
    """Something that can be referred to weakly."""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_folder_is_private_and_names_its_process(temporary: Path) -> None:
    storage = RunDirs()
    assert storage.folder.parent == temporary
    assert storage.folder.name.startswith(f"rnnviz-{os.getpid()}-")
    assert stat.S_IMODE(storage.folder.stat().st_mode) == 0o700
    assert storage.run_folder(3) != storage.run_folder(4)
    assert not storage.run_folder(3).exists()


def test_the_folder_vanishes_with_its_storage(temporary: Path) -> None:
    storage = RunDirs()
    (storage.run_folder(1) / "deep").mkdir(parents=True)
    del storage
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_an_emptied_or_removed_temporary_folder_is_created_again(temporary: Path) -> None:
    storage = RunDirs()
    for gone in (storage.folder, temporary):
        before = storage.folder
        shutil.rmtree(gone)
        assert storage.run_folder(1).parent == storage.folder != before
        assert stat.S_IMODE(storage.folder.stat().st_mode) == 0o700
    del storage
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_only_folders_of_dead_processes_are_removed(temporary: Path) -> None:
    abandoned = temporary / f"rnnviz-{dead_pid()}-abc"
    (abandoned / "run-1").mkdir(parents=True)
    (abandoned / "run-1" / "hidden.npy").write_bytes(b"x")
    kept = [
        temporary / f"rnnviz-{os.getpid()}-other",
        temporary / f"rnnviz-{os.getppid()}-parent",
        temporary / "rnnviz-notes-2024",
        temporary / "rnnviz-",
        temporary / f"rnnviz-{10**20}-abc",
        temporary / "rnnviz-²-abc",
        temporary / f"other-{dead_pid()}-abc",
    ]
    for folder in kept:
        folder.mkdir()
    storage = RunDirs()
    assert sorted(temporary.iterdir()) == sorted([*kept, storage.folder])


def test_a_link_in_the_place_of_an_abandoned_folder_is_not_followed(temporary: Path) -> None:
    precious = temporary / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (temporary / f"rnnviz-{dead_pid()}-link").symlink_to(precious)
    RunDirs()
    assert (precious / "file").exists()


def test_a_folder_is_removed_with_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    owner = Owner()
    remove_with(owner, folder)
    gc.collect()
    assert folder.exists()
    del owner
    gc.collect()
    assert not folder.exists()


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The folder of a process that has ended."""
    code = (
        "import sys; from rnnviz.execution.folders import RecoveryDir; from pathlib import Path; "
        "print(RecoveryDir(Path(sys.argv[1])).folder)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    folder = Path(done.stdout.strip())
    (folder / AUTOSAVE).write_text("kept")
    return folder


def test_a_recovery_folder_is_private_and_removed_when_closed(tmp_path):
    own = RecoveryDir(tmp_path)
    assert own.folder.stat().st_mode & 0o077 == 0
    own.autosave.write_text("kept")
    own.close()
    assert list(tmp_path.iterdir()) == []


def test_an_abandoned_folder_is_found_and_taken_once(tmp_path, left):
    first, second = RecoveryDir(tmp_path), RecoveryDir(tmp_path)
    first.autosave.write_text("mine")
    assert first.abandoned() == second.abandoned() == [left]
    taken = first.claim(left)
    assert taken is not None
    assert (taken / AUTOSAVE).read_text() == "kept"
    assert second.claim(left) is None
    assert second.abandoned() == []


def test_a_living_window_is_not_abandoned_at_any_time_of_the_clock(tmp_path, monkeypatch):
    other = RecoveryDir(tmp_path)
    other.autosave.write_text("kept")
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert RecoveryDir(tmp_path).abandoned() == []


def test_an_id_that_another_process_has_by_now_does_not_keep_a_session_from_being_offered(tmp_path, left):
    owner = json.loads((left / "owner.json").read_text())
    (left / "owner.json").write_text(json.dumps({**owner, "process": os.getpid()}))
    assert RecoveryDir(tmp_path).abandoned() == [left]


@pytest.mark.parametrize(
    "owner",
    ["", "{", "[]", '{"host": 1}', "[" * 100_000, '{"host": "h", "process": "x"}', '{"host": "h", "process": 1e999}'],
)
def test_an_owner_that_cannot_be_read_is_none_after_a_while(tmp_path, left, owner):
    (left / "owner.json").write_text(owner)
    assert RecoveryDir(tmp_path).abandoned() == []
    os.utime(left, (1e9, 1e9))
    assert RecoveryDir(tmp_path).abandoned() == [left]


def test_folders_abandoned_by_another_machine_are_not_offered(tmp_path, left):
    owner = json.loads((left / "owner.json").read_text())
    (left / "owner.json").write_text(json.dumps({**owner, "host": "another"}))
    assert RecoveryDir(tmp_path).abandoned() == []


def test_an_empty_abandoned_folder_is_removed(tmp_path, left):
    (left / AUTOSAVE).unlink()
    (left / CRASH).touch()
    assert RecoveryDir(tmp_path).abandoned() == []
    assert not left.exists()
    assert folders.left_at(left) == 0.0


def written_at(folder: Path, seconds: float) -> Path:
    """The folder of a window that ended at that time."""
    folder.mkdir()
    (folder / AUTOSAVE).write_text("kept")
    for path in (folder / AUTOSAVE, folder):
        os.utime(path, (seconds, seconds))
    return folder


def test_old_folders_are_removed_except_the_newest(tmp_path):
    *old, older = (written_at(tmp_path / f"window-{place}", 1e9 - place) for place in range(4))
    assert RecoveryDir(tmp_path).abandoned() == old
    assert not older.exists()


@pytest.mark.parametrize("jump", [-40 * 365 * 86400.0, 40 * 365 * 86400.0], ids=["back", "forward"])
def test_a_clock_that_jumps_loses_nothing(tmp_path, left, monkeypatch, jump):
    now = time.time()
    # Written now, and at boot by a machine without a battery clock.
    early = written_at(tmp_path / "window-early", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(folders.time, "time", lambda: now + jump)
        assert left in RecoveryDir(tmp_path).abandoned()
    assert set(RecoveryDir(tmp_path).abandoned()) == {left, early}


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of that kind")
def test_where_it_cannot_be_written_to_no_folder_is_left(tmp_path):
    with files_of_at_most(10), pytest.raises(OSError, match="File too large"):
        RecoveryDir(tmp_path)
    assert list(tmp_path.iterdir()) == []
