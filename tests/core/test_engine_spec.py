"""Engines that are files: what their names say, and names with another path."""

import pytest

from rnnviz.core.engine_spec import RecordingName, engine_file, is_own, is_recording, recording_name, with_file


@pytest.mark.parametrize(
    ("name", "path", "engine"),
    [
        ("recording:golden.npz", "golden.npz", ""),
        ("recording:/a b/golden#2.npz", "/a b/golden#2.npz", ""),
        ("recording:run.npz#manual", "run.npz", "manual"),
        ("recording:run.NPZ#bug:no-h2h-bias", "run.NPZ", "bug:no-h2h-bias"),
        ("recording:two.npz#recording:one.npz#gluon", "two.npz", "recording:one.npz#gluon"),
        ("recording:code.py", "code.py", ""),
    ],
)
def test_a_recording_is_a_path_and_perhaps_one_engine_of_several(name: str, path: str, engine: str) -> None:
    assert is_recording(name)
    assert not is_own(name)
    assert recording_name(name) == RecordingName(path, engine)
    assert str(recording_name(name)) == name
    assert engine_file(name) == path


@pytest.mark.parametrize(
    ("name", "file", "moved"),
    [
        ("gluon", None, "gluon"),
        ("bug:no-h2h-bias", None, "bug:no-h2h-bias"),
        ("./mine.py", "./mine.py", "/base/./mine.py"),
        ("recording:golden.npz", "golden.npz", "recording:/base/golden.npz"),
        ("recording:run.npz#torch", "run.npz", "recording:/base/run.npz#torch"),
    ],
)
def test_only_the_path_in_a_name_is_changed(name: str, file: str | None, moved: str) -> None:
    assert engine_file(name) == file
    assert with_file(name, lambda path: f"/base/{path}") == moved
