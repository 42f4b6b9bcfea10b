"""Engines that are files: what their names say, and names with another path."""

import pytest

from rnnviz.core.engine_spec import (
    ModelName,
    RecordingName,
    display_name,
    distinct_names,
    engine_file,
    has_weights,
    is_own,
    is_recording,
    listed_engines,
    model_name,
    recording_name,
    with_file,
)


@pytest.mark.parametrize(
    ("name", "path", "engine"),
    [
        ("golden.npz", "golden.npz", ""),
        ("/a b/golden#2.npz", "/a b/golden#2.npz", ""),
        ("run.npz#manual", "run.npz", "manual"),
        ("run.NPZ#bug:no-h2h-bias", "run.NPZ", "bug:no-h2h-bias"),
        ("two.npz#recording:one.npz#gluon", "two.npz", "recording:one.npz#gluon"),
        ("code.py", "code.py", ""),
    ],
)
def test_a_recording_is_a_path_and_perhaps_one_engine_of_several(name, path, engine):
    name = f"recording:{name}"
    assert is_recording(name)
    assert not is_own(name)
    assert recording_name(name) == RecordingName(path, engine)
    assert str(recording_name(name)) == name
    assert engine_file(name) == path
    assert with_file(name, lambda path: f"/base/{path}") == name.replace(path, f"/base/{path}", 1)


@pytest.mark.parametrize(
    ("name", "path", "entry"),
    [
        ("w.onnx", "w.onnx", ""),
        ("/a b/w.keras#encoder/gru", "/a b/w.keras", "encoder/gru"),
        ("/c#1/w.pt#lstm", "/c#1/w.pt", "lstm"),
        ("folder", "folder", ""),
        ("code.py", "code.py", ""),
    ],
)
def test_other_weights_are_a_path_and_perhaps_one_network_of_several(name, path, entry):
    name = f"model:{name}"
    assert has_weights(name)
    assert not is_own(name)
    assert model_name(name) == ModelName(path, entry)
    assert str(model_name(name)) == name
    assert engine_file(name) == path
    assert with_file(name, lambda path: f"/base/{path}") == name.replace(path, f"/base/{path}", 1)


def test_only_the_path_of_code_is_changed():
    moved = {name: with_file(name, lambda path: f"/base/{path}") for name in ("gluon", "bug:no-h2h-bias", "./mine.py")}
    assert list(moved.values()) == ["gluon", "bug:no-h2h-bias", "/base/./mine.py"]
    assert [engine_file(name) for name in moved] == [None, None, "./mine.py"]


def test_a_path_is_shown_by_its_file_name():
    shown = {
        "gluon": "gluon",
        "bug:no-h2h-bias": "bug:no-h2h-bias",
        "/a b/mine.py": "mine.py",
        "recording:/a b/golden.npz": "golden.npz",
        "model:/a b/w.keras#gru": "w.keras#gru",
        "recording:/a b/run.npz#torch": "run.npz#torch",
        "recording:/a b/decoder.lstm.capture.npz": "decoder.lstm",
        "recording:/a b/decoder.lstm.pt.capture.npz": "decoder.lstm",
        "/a b/mine.py.backward": "mine.py.backward",
        "/a/moc\u202eyp.py": "moc\\u202eyp.py",
        "recording:/a/x\x1b[2J.npz": "x\\x1b[2J.npz",
    }
    assert {name: display_name(name) for name in shown} == shown


def test_files_of_the_same_name_have_as_few_folders_as_distinguish_them():
    names = "gluon", "/a/x/mine.py", "/b/x/mine.py", "recording:/c/run.npz", "recording:/d/run.npz#gluon", "lone/one.py"
    shown = ["gluon", "a/x/mine.py", "b/x/mine.py", "run.npz", "run.npz#gluon", "one.py"]
    assert list(distinct_names(names).values()) == shown
    assert distinct_names(("mine.py", "./mine.py"))["mine.py"] == "mine.py"
    assert distinct_names(()) == {}
    assert list(distinct_names(("/a/\u202e.py", "/b/\u202e.py")).values()) == ["a/\\u202e.py", "b/\\u202e.py"]


def test_the_place_of_a_bug_stays_with_it_in_a_list_of_engines():
    text = "manual, bug:no-h2h-bias@layer=1,gate=n, bug:state-not-carried,./a=b.py"
    listed = ("manual", "bug:no-h2h-bias@layer=1,gate=n", "bug:state-not-carried", "./a=b.py")
    assert listed_engines(text) == listed
