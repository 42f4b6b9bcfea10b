"""An output that cannot be written, or is a file that is read, is refused before anything is computed."""

from pathlib import Path

import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.outputs import check_output, check_outputs


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no/x.csv", "the folder .*no does not exist"),
        ("file/x.csv", "the folder .*file does not exist"),
        ("folder", "it is a folder"),
        ("n" * 400, "File name too long"),
        ("a\0b", ".*embedded null"),
    ],
)
def test_an_unwritable_path_is_a_sentence(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=f"cannot be written: {reason}"):
        check_output(tmp_path / name)


def test_existing_and_new_paths_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "there.csv").touch()
    for path in (None, tmp_path / "new.csv", str(tmp_path / "there.csv"), "new.csv"):
        check_output(path)


@pytest.mark.parametrize("link", ["itself", "symbolic", "hard", "relative"])
def test_an_output_that_is_an_input_under_any_name_is_refused(
    tmp_path: Path, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, name = tmp_path / "w.npz", tmp_path / "other.npz"
    read.write_bytes(b"weights")
    if link == "symbolic":
        name.symlink_to(read)
    elif link == "hard":
        name.hardlink_to(read)
    else:
        monkeypatch.chdir(tmp_path)
        name = read if link == "itself" else Path("./w.npz")
    with pytest.raises(InputError) as caught:
        check_outputs({"--csv": None, "--npz": name}, {"the file of parameters.path": read})
    assert all(word in str(caught.value) for word in (str(name), "--npz", "parameters.path"))


def test_an_output_that_is_another_output_is_refused_also_before_there_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "b").symlink_to("a")
    for there in (False, True):
        with pytest.raises(InputError) as caught:
            check_outputs({"--csv": tmp_path / "a", "--json": str(tmp_path / "b")}, {})
        assert all(word in str(caught.value) for word in ("--csv", "--json"))
        if not there:
            (tmp_path / "a").touch()


def test_devices_and_distinct_files_do_not_conflict(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    check_outputs({"--csv": "/dev/null", "--npz": "/dev/null", "--png": tmp_path / "b"}, {"the config": tmp_path / "a"})


def test_an_output_that_a_model_consists_of_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    weights, model = folder / "weights.bin", folder / "m.onnx"
    weights.touch()
    model.write_bytes(b"\x08\x01location\x12\x0bweights.bin")
    for read in (folder, model):
        with pytest.raises(InputError, match=r"weights\.bin"):
            check_outputs({"--csv": weights}, {"the file of parameters.path": read})
    (folder / "out.csv").touch()
    check_outputs({"--csv": folder / "out.csv"}, {"the file of parameters.path": model})
