"""The folders of windows: private, removed in the end, and found after a crash."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from rnnviz.gui.recovery import recovery_dir
from rnnviz.gui.recovery.recovery_dir import AUTOSAVE, CRASH, RecoveryDir
from tests.full_disk import files_of_at_most
from tests.programs import python


@pytest.fixture
def left(tmp_path):
    """The folder of a process that has ended."""
    code = (
        "import sys; from rnnviz.gui.recovery.recovery_dir import RecoveryDir; from pathlib import Path; "
        "print(RecoveryDir(Path(sys.argv[1])).folder)"
    )
    folder = Path(python("-c", code, tmp_path, check=True).stdout.strip())
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


@pytest.mark.slow
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
    assert recovery_dir.left_at(left) == 0.0


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
        patch.setattr(recovery_dir.time, "time", lambda: now + jump)
        assert left in RecoveryDir(tmp_path).abandoned()
    assert set(RecoveryDir(tmp_path).abandoned()) == {left, early}


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of that kind")
def test_where_it_cannot_be_written_to_no_folder_is_left(tmp_path):
    with files_of_at_most(10), pytest.raises(OSError, match="File too large"):
        RecoveryDir(tmp_path)
    assert list(tmp_path.iterdir()) == []
