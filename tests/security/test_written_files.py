"""Written files: those that the user named, and private folders that are removed afterwards."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from rnnviz.execution.folders import RunDirs, make_state_folder
from rnnviz.gui.recovery.recovery_dir import RecoveryDir
from rnnviz.io.outputs import atomic_write
from tests.cases import cases
from tests.programs import python

OUTPUTS = ("csv", "npz", "json", "report", "page", "notebook")

# Every path that a config can name points outside its folder.
CONFIG = cases(__file__)["config"]


def contents(folder: Path) -> dict[Path, tuple[int, int]]:
    """The files below a folder, with the time and size that a write would change."""
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_mask():
    """Nothing is forbidden to others but by the program itself."""
    before = os.umask(0)
    yield
    os.umask(before)


def write_inputs(folder: Path) -> None:
    folder.mkdir()
    draw = np.random.default_rng(0).normal
    np.save(folder / "x.npy", draw(size=(5, 4)))
    (folder / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    shapes = {"i2h_weight": (3, 4), "h2h_weight": (3, 3), "i2h_bias": 3, "h2h_bias": 3}
    np.savez(folder / "w.npz", **{f"l0_{name}": draw(size=shape) for name, shape in shapes.items()})
    np.savez(folder / "h.npz", h=draw(size=(1, 1, 3)))
    np.savez(folder / "golden.npz", hidden=draw(size=(1, 1, 5, 1, 3)))


@pytest.mark.slow
def test_a_run_writes_the_named_files_and_leaves_nothing_else(tmp_path):
    write_inputs(tmp_path / "read")
    for name in ("home", "tmp", "config", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "config" / "a.toml").write_text(CONFIG)
    before = contents(tmp_path)
    outputs = [word for kind in OUTPUTS for word in (f"--{kind}", f"../out/out.{kind}")]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environ |= {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")}
    done = python("-m", "rnnviz", "run", "a.toml", "--quiet", *outputs, cwd=tmp_path / "config", env=environ)
    assert done.returncode == 1, done.stderr
    after = contents(tmp_path)
    assert {path: after[path] for path in before} == before
    assert set(after) - set(before) == {tmp_path / "out" / f"out.{kind}" for kind in OUTPUTS}
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.usefixtures("open_mask")
def test_a_file_is_private_until_it_is_whole(tmp_path):
    with atomic_write(tmp_path / "x.csv") as temporary:
        assert mode(temporary) == 0o600


@pytest.mark.usefixtures("open_mask")
def test_folders_for_runs_and_windows_are_private(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    storage, desk, state = RunDirs(), RecoveryDir(tmp_path), make_state_folder("windows")
    assert [mode(folder) for folder in (storage.folder, desk.folder, state)] == [0o700] * 3
