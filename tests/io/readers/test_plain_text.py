"""Texts of users: encodings, marks before them, and sizes."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.bounded_read import LARGEST_TEXT, read_plain_text
from rnnviz.io.config_toml import load_config
from rnnviz.sweeps.grid import load_sweep

CONFIG = '[network]\ncell = "gru"\ninput_size = 3\nhidden_size = 4\n'


def test_a_mark_before_a_text_is_not_in_it(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("\ufeffa\r\nb\rc\n".encode())
    assert read_plain_text(path) == "a\nb\nc\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_configs_and_sweeps_are_read_with_and_without_a_mark(tmp_path: Path, encoding: str) -> None:
    config, sweep = tmp_path / "c.toml", tmp_path / "s.toml"
    config.write_text(CONFIG, encoding=encoding)
    sweep.write_text(f"{CONFIG}[grid]\nsequence.timesteps = [1, 2]\n", encoding=encoding)
    assert load_config(config).network.hidden_size == 4
    assert len(list(load_sweep(sweep).points())) == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(CONFIG, encoding=encoding)
    for load in (load_config, load_sweep):
        with pytest.raises(InputError, match="UTF-16"):
            load(path)


def test_an_array_is_named_as_a_sequence(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(InputError, match="it is a sequence"):
        load_config(tmp_path / "x.npy")


def test_a_text_larger_than_any_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    with path.open("wb") as file:
        file.truncate(LARGEST_TEXT + 1)
    with pytest.raises(InputError, match=f"more than {LARGEST_TEXT:,} bytes"):
        read_plain_text(path)
