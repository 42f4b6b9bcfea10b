"""Files in place of a config: the refusal says what they are and where they are used."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.file_kinds import use_of
from rnnviz.io.session import read_config
from tests.io.model_formats.samples import write_keras_weights

ARRAYS = {"recording": ["hidden"], "parameters.path": ["l0_i2h_weight"], "initial_state.path": ["h", "c"]}


@pytest.mark.parametrize("use", ARRAYS)
@pytest.mark.parametrize("name", ["x.npz", "x.toml", "x"])
def test_an_archive_is_known_by_its_arrays(tmp_path: Path, use: str, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        np.savez(file, **{array: np.ones((1, 1, 1, 1, 1)) for array in ARRAYS[use]})
    assert use in use_of(tmp_path / name)
    with pytest.raises(InputError, match=use):
        read_config(tmp_path / name, lambda: tmp_path)


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


def test_an_invalid_config_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[network\n")
    assert use_of(tmp_path / "x.toml") == ""
