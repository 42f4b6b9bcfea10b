"""--input of run and explain: the sequence of a file instead of the config's."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.cases import cases
from tests.cli.calls import WRONG, write

pytestmark = pytest.mark.usefixtures("shared_worker")

X = np.random.default_rng(5).standard_normal((2, 6, 3)).astype(np.float32)
"""(N, T, I)."""
TABLES = {"parameters": {"initializer": "normal"}, "initial_state": {"source": "normal"}}


def npy(folder: Path) -> str:
    np.save(folder / "x.npy", X)
    return "x.npy"


def npz(folder: Path) -> str:
    np.savez(folder / "x.npz", x=X, other=X[0, 0])
    return "x.npz#x"


def csv(folder: Path) -> str:
    np.savetxt(folder / "x.csv", X[0], delimiter=",")
    return "x.csv"


def wav(folder: Path) -> str:
    with wave.open(str(folder / "x.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes((X[0].ravel() * 4096).astype("<i2").tobytes())
    return "x.wav"


@pytest.mark.parametrize("written", [npy, npz, csv, wav])
def test_the_input_is_that_of_the_file(rnnviz, tmp_path, monkeypatch, written):
    config = write(tmp_path, sequence={"timesteps": 3, "batch_size": 2}, **TABLES)
    file = written(tmp_path)
    monkeypatch.chdir(tmp_path)
    answer = rnnviz("run", config, "--engines", WRONG, "--input", file, "--npz", "out.npz", "--quiet")
    assert (answer.code, answer.err) == (1, "")
    with np.load("out.npz") as arrays:
        samples = X.transpose(1, 0, 2) if written in (npy, npz) else X[:1].transpose(1, 0, 2)
        if written is wav:
            samples = samples / 8.0
        np.testing.assert_allclose(arrays["input"], samples, atol=1e-4)
        assert f'path = "{file.partition("#")[0]}"' in str(arrays["config"]).replace(f"{tmp_path}/", "")
    at = ("--layer", "0", "--timestep", "5", "--unit", "1")
    answer = rnnviz("explain", config, "--engines", WRONG, "--input", file, *at, "--json", "-")
    assert answer.code == 0
    assert json.loads(answer.out)["where"]["timestep"] == 5


@pytest.mark.parametrize(("file", "tables", "parts"), cases(__file__)["refused-inputs"])
def test_a_file_that_does_not_fit_is_one_sentence(rnnviz, tmp_path, monkeypatch, file, tables, parts):
    config = write(tmp_path, **tables)
    npy(tmp_path), npz(tmp_path)
    (tmp_path / "x.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    for command in ("run", "explain"):
        sentence = rnnviz.refused(command, config, "--engines", WRONG, "--input", file)
        assert [part for part in parts if part not in sentence] == [], sentence


def test_an_output_never_replaces_the_input(rnnviz, tmp_path):
    npz(tmp_path)
    file = str(tmp_path / "x.npz")
    words = ("run", write(tmp_path), "--engines", WRONG, "--input", f"{file}#x", "--npz", file)
    assert file in rnnviz.refused(*words)
