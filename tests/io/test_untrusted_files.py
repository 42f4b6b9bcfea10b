"""Files of other kinds than a reader expects: refused, never waited for, and read in limited memory."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from safetensors.numpy import save_file

from rnnviz.core.bounded_read import limited_memory, read_plain_text
from rnnviz.core.config import Network
from rnnviz.core.csv_table import read_csv
from rnnviz.core.errors import InputError, check_regular
from rnnviz.core.npz import NpzFile
from rnnviz.core.progress import watched
from rnnviz.execution.child_process import call_in_subprocess
from rnnviz.io.config_toml import load_config
from rnnviz.io.file_use import use_of
from rnnviz.io.model_formats.formats import open_model
from rnnviz.io.model_formats.load import entries_of
from rnnviz.io.model_formats.named_arrays import open_tensors
from rnnviz.io.readers import open_npy, open_wav, read_vocabulary
from rnnviz.io.session import read_config, read_document
from rnnviz.sweeps.driver import Journal, read_journal
from rnnviz.sweeps.grid import is_sweep_results, load_sweep
from rnnviz.sweeps.results import load_sweep_results
from rnnviz.training.task import load_task
from tests.io.model_formats.samples import WRITERS, write_keras_weights
from tests.io.model_formats.sources import in_torch_names, read_parameters, weights_of
from tests.refusals import refused


# MXNet takes seconds to be imported.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "w.params" else []) for name in WRITERS]
)
def test_every_format_reports_the_progress_of_reading_weights(name, tmp_path):
    path = tmp_path / name
    WRITERS[name](path)
    entry = next(entry for entry in entries_of(path) if entry.supported)
    network = entry.network(entry.cell or entry.cells[0])
    told: list[float] = []
    with watched(told.append):
        read_parameters(path, entry.name, network)
    # What is small in an ONNX message is read with it, and Keras has one bias where Gluon has two.
    assert told == [] if name == "w.onnx" else 0.8 < told[-1] <= 1.0


def read_within(path: Path, name: str, network: Network, allowance: int) -> float:
    from rnnviz.io.model_formats.formats import open_model
    from rnnviz.io.model_formats.load import choose, read_weights

    with limited_memory(allowance):
        model = open_model(path)
        read = read_weights(model, choose(model.entries, name, path), network)
    return float(read["l0_h2h_weight"][-1, -1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux holds a process to a limit")
def test_of_two_networks_only_the_chosen_one_takes_memory(tmp_path):
    """Each has 16.8 MB in two large arrays; its weights, a copy of one of them and what belongs to it fit into 32."""
    network = Network("lstm", 724, 724)
    arrays = {name: in_torch_names(weights_of(network, seed), f"{name}.") for seed, name in enumerate("ab")}
    path = tmp_path / "w.safetensors"
    save_file({**arrays["a"], **arrays["b"]}, path)
    assert path.stat().st_size > 32 << 20
    expected = arrays["b"]["b.weight_hh_l0"][-1, -1]
    assert call_in_subprocess(read_within, path, "b", network, 32 << 20, what="x") == np.float32(expected)


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
def test_a_pipe_is_refused_by_every_reader(tmp_path, name):
    path = tmp_path / name
    os.mkfifo(path)
    assert f"{path} cannot be read: it is a pipe" in refused(READERS[name], path)


def test_a_pipe_among_the_arrays_of_a_folder_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(InputError, match="it is a pipe"):
        open_tensors(tmp_path)


def test_a_pipe_holds_no_results_of_a_sweep(tmp_path):
    path = tmp_path / "x.csv"
    os.mkfifo(path)
    assert not is_sweep_results(path)


def test_devices_and_sockets_are_named_and_regular_files_pass(tmp_path):
    (tmp_path / "there").touch()
    for path in (tmp_path / "there", tmp_path / "missing", tmp_path, "a\0b"):
        check_regular(path)
    with pytest.raises(InputError, match="it is a device"):
        check_regular(os.devnull)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(InputError, match="it is a socket"):
            check_regular(tmp_path / "s")


KINDS: dict[str, Callable[[Path], object]] = {
    "config": lambda path: read_config(path, lambda: path.parent),
    "sweep": load_sweep,
    "training task": load_task,
}
ARRAYS = {"recording": ["hidden"], "parameters.path": ["l0_i2h_weight"], "initial_state.path": ["h", "c"]}


@pytest.mark.parametrize("use", ARRAYS)
@pytest.mark.parametrize("name", ["x.npz", "x.toml", "x"])
def test_an_archive_is_known_by_its_arrays(tmp_path, use, name):
    with (tmp_path / name).open("wb") as file:
        np.savez(file, **{array: np.ones((1, 1, 1, 1, 1)) for array in ARRAYS[use]})
    assert use in use_of(tmp_path / name)
    for kind, read in KINDS.items():
        with pytest.raises(InputError, match=f"is not a {kind}; it .*{use}"):
            read(tmp_path / name)


def test_models_sessions_sequences_and_code_are_known(tmp_path):
    write_keras_weights(tmp_path / "model.toml")
    with ZipFile(tmp_path / "session.zip", "w") as archive:
        for name in ("manifest.json", "config.toml"):
            archive.writestr(name, "")
    (tmp_path / "x.csv").write_text("1,2\n")
    (tmp_path / "own.py").write_text("")
    words = {"model.toml": "Keras", "session.zip": ".rnnviz", "x.csv": "sequence.path", "own.py": "network.cell"}
    for name, word in words.items():
        assert word in use_of(tmp_path / name)
    (tmp_path / "session.zip").rename(tmp_path / "session.rnnviz")
    assert "rnnviz run" in use_of(tmp_path / "session.rnnviz")


@pytest.mark.parametrize(
    ("text", "found", "wanted", "use"),
    [
        ("[problem]", "training task", "config", "rnnviz train"),
        ("[problem]\n[network]", "training task", "sweep", "rnnviz train"),
        ("seeds = [1]\n[compare]", "sweep", "config", "rnnviz sweep"),
        ("seeds = [1]\n[network]", "sweep", "training task", "rnnviz sweep"),
        ("[compare]", "config", "training task", "rnnviz run"),
    ],
)
def test_a_toml_file_of_another_kind_is_known_by_its_tables(tmp_path, text, found, wanted, use):
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(InputError, match=f"is a {found}, not a {wanted}: .*{use}"):
        KINDS[wanted](tmp_path / "x.toml")


def test_an_invalid_config_is_none_of_them(tmp_path):
    (tmp_path / "x.toml").write_text("[network\n")
    assert use_of(tmp_path / "x.toml") == ""
