"""Configs as TOML files: what is wrong is said in a sentence, and what is written says the same."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rnnviz.core.errors import ConfigError, InputError
from rnnviz.io.config_toml import load_config, save_config

NETWORK = '[network]\ncell = "gru"\ninput_size = 3\nhidden_size = 4\n'


def write(folder: Path, text: str, name: str = "config.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith((".", "?"))
    return caught.value


def test_a_file_with_every_key_is_read(tmp_path: Path) -> None:
    text = """
    [network]
    cell = "lstm"
    input_size = 5
    hidden_size = 10
    num_layers = 2
    bidirectional = true
    reverse = false
    layout = "TNC"
    dtype = "float64"
    [sequence]
    source = "uniform"
    batch_size = 3
    timesteps = 7
    seed = 11
    [parameters]
    initializer = "orthogonal"
    bias = "zeros"
    scale = 0.25
    seed = 12
    [initial_state]
    source = "normal"
    seed = 13
    [compare]
    reference = "manual"
    candidates = ["gluon"]
    rtol = 1.5e-6
    atol = 0
    """
    config = load_config(write(tmp_path, text))
    assert config.to_mapping() == {
        "network": {
            "cell": "lstm",
            "input_size": 5,
            "hidden_size": 10,
            "num_layers": 2,
            "bidirectional": True,
            "reverse": False,
            "layout": "TNC",
            "dtype": "float64",
        },
        "sequence": {"source": "uniform", "batch_size": 3, "timesteps": 7, "seed": 11},
        "parameters": {"initializer": "orthogonal", "bias": "zeros", "scale": 0.25, "seed": 12},
        "initial_state": {"source": "normal", "seed": 13},
        "compare": {"reference": "manual", "candidates": ["gluon"], "rtol": 1.5e-6, "atol": 0.0},
    }


def test_paths_are_relative_to_the_configs_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    text = NETWORK + '[sequence]\npath = "data/x.npy"\n[parameters]\npath = "../w.npz"\n'
    path = write(inside, text + '[initial_state]\npath = "/abs/s.npz"\n')
    monkeypatch.chdir(tmp_path)
    for given_path in (path, Path("inside/config.toml"), "inside/config.toml"):
        config = load_config(given_path)
        assert config.sequence.path == str(inside / "data/x.npy")
        assert config.parameters.path is not None
        assert os.path.normpath(config.parameters.path) == str(tmp_path / "w.npz")
        assert config.initial_state.path == "/abs/s.npz"


def test_engines_that_are_files_are_relative_to_the_configs_own_folder(tmp_path: Path) -> None:
    compare = (
        'reference = "recording:golden.npz"\ncandidates = ["manual", "data/mine.py", "recording:data/run.npz#torch"]\n'
    )
    config = load_config(write(tmp_path, f"{NETWORK}[compare]\n{compare}"))
    assert config.compare.reference == f"recording:{tmp_path / 'golden.npz'}"
    assert config.compare.candidates == (
        "manual",
        str(tmp_path / "data/mine.py"),
        f"recording:{tmp_path / 'data/run.npz'}#torch",
    )
    save_config(config, tmp_path / "copy.toml")
    copy = (tmp_path / "copy.toml").read_text(encoding="utf-8")
    assert all(f'"{name}"' in copy for name in ("recording:golden.npz", "data/mine.py", "recording:data/run.npz#torch"))
    assert load_config(tmp_path / "copy.toml") == config


def test_a_saved_config_names_its_files_from_its_new_place(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, NETWORK + '[sequence]\npath = "data/x.npy"\n'))
    save_config(config, tmp_path / "copy.toml")
    assert 'path = "data/x.npy"' in (tmp_path / "copy.toml").read_text(encoding="utf-8")
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    save_config(config, elsewhere / "copy.toml")
    assert load_config(elsewhere / "copy.toml") == load_config(tmp_path / "copy.toml") == config


def test_a_path_that_is_not_utf8_cannot_be_saved(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, NETWORK))
    named = replace(config, sequence=replace(config.sequence, path="/data/\udcff.npy", source="file"))
    with pytest.raises(InputError, match="not UTF-8 text"):
        save_config(named, tmp_path / "copy.toml")
    assert not (tmp_path / "copy.toml").exists()


def test_saving_where_nothing_can_be_written_is_a_sentence(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, NETWORK))
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        save_config(config, tmp_path / "missing" / "copy.toml")


@pytest.mark.parametrize(
    "text",
    ["not toml", "[network", "x = ", "a = 1\na = 2", "x = " + "[" * 5_000, "x = " + "9" * 900 + "x"],
    ids=["words", "bracket", "no value", "twice", "deep", "digits"],
)
def test_an_invalid_toml_file_is_refused_with_the_line(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    assert str(refusal(path)).startswith(f"{path} is not a valid TOML file: ")


def test_a_binary_file_is_refused_with_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"[network]\n\xff\xfe")
    assert str(refusal(path)) == f"{path} is not a valid TOML file: byte 10 is not UTF-8 text."


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        ("hidden_size = 0", "network.hidden_size", "network.hidden_size = 0 is not allowed"),
        ("hidden_size = 4.0", "network.hidden_size", "4.0"),
        ("hidden_size = true", "network.hidden_size", "true"),
        (
            "hidden_size = 0xffffffffffffffffffffffffffffff",
            "network.hidden_size",
            "1329227995784915872903807060280344575",
        ),
        ("hidden_size = 1979-05-27", "network.hidden_size", "1979-05-27"),
        ("hidden_size = {}", "network.hidden_size", "{}"),
        ("hidden = 4", "network.hidden", "hidden_size"),
        ("", "network.hidden_size", "missing"),
    ],
)
def test_a_wrong_key_keeps_its_name(tmp_path: Path, line: str, key: str, words: str) -> None:
    error = refusal(write(tmp_path, f'[network]\ncell = "gru"\ninput_size = 3\n{line}\n'))
    assert isinstance(error, ConfigError)
    assert error.key == key
    assert words in str(error)
