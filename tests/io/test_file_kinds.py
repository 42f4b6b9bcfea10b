"""Files in place of a config: the refusal says what they are and where they are used."""

from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.inputs import use_of
from rnnviz.io.session import read_config
from rnnviz.sweeps.grid import load_sweep
from rnnviz.training.task import load_task
from tests.io.model_formats.samples import write_keras_weights

READERS: dict[str, Callable[[Path], object]] = {
    "config": lambda path: read_config(path, lambda: path.parent),
    "sweep": load_sweep,
    "training task": load_task,
}
ARRAYS = {"recording": ["hidden"], "parameters.path": ["l0_i2h_weight"], "initial_state.path": ["h", "c"]}


@pytest.mark.parametrize("use", ARRAYS)
@pytest.mark.parametrize("name", ["x.npz", "x.toml", "x"])
def test_an_archive_is_known_by_its_arrays(tmp_path: Path, use: str, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        np.savez(file, **{array: np.ones((1, 1, 1, 1, 1)) for array in ARRAYS[use]})
    assert use in use_of(tmp_path / name)
    for kind, read in READERS.items():
        with pytest.raises(InputError, match=f"is not a {kind}; it .*{use}"):
            read(tmp_path / name)


def test_models_sessions_sequences_and_code_are_known(tmp_path: Path) -> None:
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
def test_a_toml_file_of_another_kind_is_known_by_its_tables(
    tmp_path: Path, text: str, found: str, wanted: str, use: str
) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(InputError, match=f"is a {found}, not a {wanted}: .*{use}"):
        READERS[wanted](tmp_path / "x.toml")


def test_an_invalid_config_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[network\n")
    assert use_of(tmp_path / "x.toml") == ""
