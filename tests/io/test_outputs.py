"""An output file is checked before a run, and appears whole or not at all."""

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.io.config_toml import save_config
from rnnviz.io.export.data import write_csv, write_json, write_npz
from rnnviz.io.export.pictures import write_png
from rnnviz.io.model_formats.torch_files import write_tensors
from rnnviz.io.outputs import atomic_write, check_output, check_outputs
from rnnviz.io.templates import write_starter
from tests.factories import make_result
from tests.full_disk import files_of_at_most


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
def test_an_unwritable_path_is_a_sentence(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=f"cannot be written: {reason}"):
        check_output(tmp_path / name)


def test_existing_and_new_paths_and_devices_are_accepted(tmp_path):
    (tmp_path / "there.csv").touch()
    for path in (tmp_path / "new.csv", str(tmp_path / "there.csv"), "new.csv"):
        check_outputs({"--csv": "/dev/null", "--npz": "/dev/null", "--png": path}, {"the config": tmp_path / "a"})


@pytest.mark.parametrize("link", ["itself", "symbolic", "hard", "relative"])
def test_an_output_that_is_an_input_under_any_name_is_refused(tmp_path, link, monkeypatch):
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


def test_an_output_that_is_another_output_is_refused_also_before_there_is_a_file(tmp_path):
    (tmp_path / "b").symlink_to("a")
    for there in (False, True):
        with pytest.raises(InputError) as caught:
            check_outputs({"--csv": tmp_path / "a", "--json": str(tmp_path / "b")}, {})
        assert all(word in str(caught.value) for word in ("--csv", "--json"))
        if not there:
            (tmp_path / "a").touch()


def test_an_output_that_a_model_consists_of_is_refused(tmp_path):
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


on_unix = pytest.mark.skipif(sys.platform == "win32", reason="the system has no such files")


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "out.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("new", encoding="utf-8")
        assert not path.exists()
        assert temporary.parent == tmp_path
    assert path.read_text(encoding="utf-8") == "new"
    assert os.listdir(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), MemoryError()])
def test_an_existing_file_survives_a_failed_write(tmp_path, error):
    path = tmp_path / "out.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(type(error)), atomic_write(path):
        raise error
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path):
    path = tmp_path / "w.safetensors"
    arrays = {"weight": np.zeros(4_000, np.float32)}
    with pytest.raises(InputError) as caught, files_of_at_most(1_000), atomic_write(path) as temporary:
        write_tensors(temporary, arrays)
    assert str(caught.value).startswith(f"{path} cannot be written: ")
    assert "/." not in str(caught.value)
    with pytest.raises(InputError) as caught, atomic_write(path) as temporary:
        raise InputError(f"The file {temporary.name} is full.")
    assert str(caught.value) == "The file w.safetensors is full."


def test_a_folder_is_not_replaced_and_a_missing_one_not_made(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    for name, why in ((path, ""), (tmp_path / "missing" / "out.txt", r": No such file or directory\.")):
        with pytest.raises(InputError, match=f"cannot be written{why}"):
            written(name)
    assert path.is_dir()
    assert os.listdir(tmp_path) == ["out"]


def test_an_export_is_as_readable_as_any_file_or_as_the_replaced_one(tmp_path):
    (tmp_path / "private").touch(0o600)
    written(tmp_path / "private")
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600
    (tmp_path / "plain").touch()
    with atomic_write(tmp_path / "out"):
        pass
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "out")}
    assert modes["out"] == modes["plain"]


def write_picture(path: Path) -> None:
    noise = np.random.default_rng(0).integers(256, size=(40, 50, 3), dtype=np.uint8)
    write_png([noise], 50, 40, path)


CONFIG = Config.from_mapping({"network": {"cell": "gru", "input_size": 3, "hidden_size": 4}})


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of that kind")
@pytest.mark.parametrize(
    "write",
    [
        lambda path: save_config(CONFIG, path),
        lambda path: write_starter("lstm", path),
        write_picture,
        *(partial(write, make_result(timesteps=50, hidden_size=20)) for write in (write_csv, write_npz, write_json)),
    ],
    ids=["config", "starter", "picture", "csv", "npz", "json"],
)
def test_every_writer_keeps_the_old_file_where_the_disk_takes_no_more(tmp_path, write):
    path = tmp_path / "out"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written: File too large"), files_of_at_most(50):
        write(path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def written(path: Path, content: bytes = b"new") -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


@pytest.mark.parametrize("there", [True, False])
def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path, there):
    folder = tmp_path / "folder"
    folder.mkdir()
    target, link = folder / "target", tmp_path / "link"
    if there:
        target.write_bytes(b"old")
    link.symlink_to("folder/target")
    written(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert [os.listdir(folder), sorted(os.listdir(tmp_path))] == [["target"], ["folder", "link"]]


def test_links_that_lead_in_a_circle_are_a_sentence(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InputError, match="cannot be written"):
        written(tmp_path / "a")


@on_unix
def test_a_device_stays_one():
    before = os.stat(os.devnull)
    written(Path(os.devnull))
    after = os.stat(os.devnull)
    assert (before.st_ino, before.st_rdev) == (after.st_ino, after.st_rdev)


@on_unix
def test_a_pipe_gets_every_byte_and_one_that_is_not_read_is_a_sentence(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(InputError, match="no program reads"):
        written(path)
    content = bytes(range(256)) * 1000
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    with ThreadPoolExecutor(1) as pool, open(reader, "rb") as opened:
        # Without any writer, the reader would be at its end before it begins.
        writer = os.open(path, os.O_WRONLY)
        reading = pool.submit(opened.read)
        written(path, content)
        os.close(writer)
        assert reading.result(timeout=100) == content
    assert path.is_fifo()


@on_unix
@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "{folder}/link"])
def test_an_open_file_is_continued_and_not_replaced(tmp_path, name):
    out = tmp_path / "out"
    with out.open("w+b", buffering=0) as opened:
        opened.write(b"before ")
        path = Path(name.format(opened.fileno(), folder=tmp_path))
        if not path.exists():
            path.symlink_to(f"/dev/fd/{opened.fileno()}")
        written(path)
        opened.write(b" after")
    assert out.read_bytes() == b"before new after"
