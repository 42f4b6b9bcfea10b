"""Watched files: changed content is reported, equal content is not, and large files are not kept."""

from pathlib import Path
from typing import Any

import pytest

from rnnviz.gui.jobs import code_trust
from rnnviz.gui.jobs.code_trust import FileWatcher


@pytest.mark.parametrize("held", [0, 1 << 22])
def test_changed_content_is_signaled_for_small_and_large_files(
    qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(code_trust, "_HELD_BYTES", held)
    path = tmp_path / "golden.npz"
    path.write_bytes(b"one")
    files = FileWatcher()
    files.watch([str(path)])
    with qtbot.waitSignal(files.edited) as told:
        path.write_bytes(b"two, and more")
    assert told.args == [{str(path)}]


def test_unchanged_content_is_not_signaled(qtbot: Any, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.write_bytes(b"same")
    files = FileWatcher()
    files.watch([str(one), str(other)])
    one.write_bytes(b"same")
    with qtbot.waitSignal(files.edited) as told:
        other.write_bytes(b"another")
    assert told.args == [{str(other)}]
