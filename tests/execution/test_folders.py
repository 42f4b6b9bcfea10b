"""The folders of runs: private, and removed in the end."""

import gc
import os
import shutil
import stat
import subprocess
import sys
import tempfile

import pytest

from rnnviz.execution.folders import RunDirs, remove_with


class Owner:
    """Something that can be referred to weakly."""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_folder_is_private_and_names_its_process(temporary):
    storage = RunDirs()
    assert storage.folder.parent == temporary
    assert storage.folder.name.startswith(f"rnnviz-{os.getpid()}-")
    assert stat.S_IMODE(storage.folder.stat().st_mode) == 0o700
    assert storage.run_folder(3) != storage.run_folder(4)
    assert not storage.run_folder(3).exists()


def test_the_folder_vanishes_with_its_storage(temporary):
    storage = RunDirs()
    (storage.run_folder(1) / "deep").mkdir(parents=True)
    del storage
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_an_emptied_or_removed_temporary_folder_is_created_again(temporary):
    storage = RunDirs()
    for gone in (storage.folder, temporary):
        before = storage.folder
        shutil.rmtree(gone)
        assert storage.run_folder(1).parent == storage.folder != before
        assert stat.S_IMODE(storage.folder.stat().st_mode) == 0o700
    del storage
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_only_folders_of_dead_processes_are_removed(temporary):
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


def test_a_link_in_the_place_of_an_abandoned_folder_is_not_followed(temporary):
    precious = temporary / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (temporary / f"rnnviz-{dead_pid()}-link").symlink_to(precious)
    RunDirs()
    assert (precious / "file").exists()


def test_a_folder_is_removed_with_its_owner(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    owner = Owner()
    remove_with(owner, folder)
    gc.collect()
    assert folder.exists()
    del owner
    gc.collect()
    assert not folder.exists()
