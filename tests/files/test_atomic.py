"""An output file appears whole or not at all."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnnviz.files.atomic import whole
from rnnviz.files.config_toml import save_config
from rnnviz.files.png import write_png
from rnnviz.files.starter import write_starter
from rnnviz.model.config import Config
from rnnviz.model.errors import InputError
from tests.full_disk import files_of_at_most


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with whole(path) as temporary:
        temporary.write_text("new", encoding="utf-8")
        assert not path.exists()
        assert temporary.parent == tmp_path
    assert path.read_text(encoding="utf-8") == "new"
    assert os.listdir(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), MemoryError()])
def test_an_existing_file_survives_a_failed_write(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old", encoding="utf-8")

    def fail() -> None:
        with whole(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with pytest.raises(InputError) as caught, whole(path):
        raise OSError(28, "No space left on device")
    assert str(caught.value) == f"{path} cannot be written: No space left on device."
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "out.txt"
    with pytest.raises(InputError) as caught, whole(path):
        raise AssertionError("never reached")
    assert str(caught.value) == f"{path} cannot be written: No such file or directory."


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.mkdir()
    with pytest.raises(InputError, match="cannot be written"), whole(path) as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert path.is_dir()
    assert os.listdir(tmp_path) == ["out"]


def test_an_export_is_as_readable_as_any_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with whole(tmp_path / "out"):
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
    [lambda path: save_config(CONFIG, path), lambda path: write_starter("lstm", path), write_picture],
    ids=["config", "starter", "picture"],
)
def test_every_writer_keeps_the_old_file_where_the_disk_takes_no_more(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "out"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written: File too large"), files_of_at_most(50):
        write(path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]
