"""A pipe, a device or a socket in place of a file is refused by every reader, and never waited for."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rnnviz.core.errors import InputError, check_regular
from rnnviz.core.npz import NpzFile
from rnnviz.io.bounded_read import read_plain_text
from rnnviz.io.config_toml import load_config
from rnnviz.io.model_formats.formats import open_model
from rnnviz.io.model_formats.named_arrays import open_tensors
from rnnviz.io.readers import open_npy, open_wav, read_csv, read_vocabulary
from rnnviz.io.session import read_document
from rnnviz.sweeps.driver import Journal, read_journal
from rnnviz.sweeps.grid import is_sweep_results, load_sweep
from rnnviz.sweeps.results import load_sweep_results

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the system has no such files"),
    pytest.mark.timeout(60),
]

READERS: dict[str, Callable[[Path], object]] = {
    "x.toml": load_config,
    "sweep.toml": load_sweep,
    "x.npy": open_npy,
    "x.csv": read_csv,
    "x.npz": NpzFile,
    "x.wav": open_wav,
    "x.onnx": open_model,
    "labels.txt": read_plain_text,
    "vocabulary.json": read_vocabulary,
    "x.rnnviz": read_document,
    "results.csv": load_sweep_results,
    "x.results.jsonl": read_journal,
    "written.results.jsonl": Journal,
}


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_refused_by_every_reader(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(InputError) as caught:
        READERS[name](path)
    assert f"{path} cannot be read: it is a pipe" in str(caught.value)


def test_a_pipe_among_the_arrays_of_a_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(InputError, match="it is a pipe"):
        open_tensors(tmp_path)


def test_a_pipe_holds_no_results_of_a_sweep(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    os.mkfifo(path)
    assert not is_sweep_results(path)


def test_devices_and_sockets_are_named_and_regular_files_pass(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    for path in (tmp_path / "there", tmp_path / "missing", tmp_path, "a\0b"):
        check_regular(path)
    with pytest.raises(InputError, match="it is a device"):
        check_regular(os.devnull)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(InputError, match="it is a socket"):
            check_regular(tmp_path / "s")
