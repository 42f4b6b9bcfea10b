"""Configs as TOML files: what is wrong is said in a sentence, and what is written says the same."""

import os
import tomllib
from dataclasses import replace
from pathlib import Path
from time import process_time

import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.config_toml import load_config, parse_toml, save_config
from rnnviz.sweeps.grid import load_sweep
from tests.cases import cases
from tests.profiles import nightly_except
from tests.refusals import refused, refused_key

NETWORK = '[network]\ncell = "gru"\ninput_size = 3\nhidden_size = 4\n'


def write(folder: Path, text: str, name: str = "config.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_configs_own_folder(tmp_path, monkeypatch):
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


def test_engines_that_are_files_are_relative_to_the_configs_own_folder(tmp_path):
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


def test_a_saved_config_names_its_files_from_its_new_place(tmp_path):
    config = load_config(write(tmp_path, NETWORK + '[sequence]\npath = "data/x.npy"\n'))
    save_config(config, tmp_path / "copy.toml")
    assert 'path = "data/x.npy"' in (tmp_path / "copy.toml").read_text(encoding="utf-8")
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    save_config(config, elsewhere / "copy.toml")
    assert load_config(elsewhere / "copy.toml") == load_config(tmp_path / "copy.toml") == config


def test_a_path_that_is_not_utf8_cannot_be_saved(tmp_path):
    config = load_config(write(tmp_path, NETWORK))
    named = replace(config, sequence=replace(config.sequence, path="/data/\udcff.npy", source="file"))
    with pytest.raises(InputError, match="not UTF-8 text"):
        save_config(named, tmp_path / "copy.toml")
    assert not (tmp_path / "copy.toml").exists()


@pytest.mark.parametrize(
    "text",
    ["not toml", "[network", "x = ", "a = 1\na = 2", "x = " + "[" * 5_000, "x = " + "9" * 900 + "x"],
    ids=["words", "bracket", "no value", "twice", "deep", "digits"],
)
def test_an_invalid_toml_file_is_refused_with_the_line(tmp_path, text):
    path = write(tmp_path, text)
    assert refused(load_config, path).startswith(f"{path} is not a valid TOML file: ")


@pytest.mark.parametrize(("line", "key", "words"), cases(__file__)["refused-sizes"])
def test_a_wrong_key_keeps_its_name(tmp_path, line, key, words):
    error = refused_key(load_config, write(tmp_path, f'[network]\ncell = "gru"\ninput_size = 3\n{line}\n'))
    assert error.key == key
    assert words in str(error)


REFUSED = {
    "dots": "a." * 100_000 + "a = 1",
    "quoted": '"a".' * 100_000 + "a = 1",
    "header": "[" + "a . " * 100_000 + "a]",
    "arrays": "a = " + "[" * 100_000,
    "tables": "a = " + "{a = " * 100_000,
    "values": "a = [" + "1," * 5_000_000 + "]",
    "lines": "\n" * 10_000_000,
    "headers": "".join("[" + "a." * 15 + f"b{number}]\n" for number in range(100_000)),
    "escapes": 't = "' + r"\n" * 5_000_000 + '"',
    "open strings": '"""' + '\\"""\n' * 2_000_000,
    "hexadecimal": "a = 0x" + "f" * 10_000_000,
    "decimal": "a = " + "9" * 10_000_000,
    "key": "a" * 10_000_000 + " = 1",
}

TAKEN = {
    "text": 't = """' + "a.b.c. [[[ {{{ = , # " * 20_000 + '"""',
    "quotes": 'a = """x""""\n' + "b = '''x'''''\n" + 'c = "\\""\n' + "d = '\\'  # it's [[[",
    "comment": "#" + "a." * 100_000 + "\na = 1",
    "seeds": "seeds = [" + "1, " * 50_000 + "]",
    "numbers": "a = [1.5, 2.5e-3, 1979-05-27T07:32:00.999999]\nb.c.d.e = 1",
}


@pytest.mark.parametrize("name", nightly_except(REFUSED, *list(REFUSED)[:2]))
def test_slow_toml_is_refused_at_once(name):
    began = process_time()
    with pytest.raises(InputError, match=r"^x\.toml is not a valid TOML file"):
        parse_toml(REFUSED[name], "x.toml")
    # The parser itself takes minutes for most of them.
    assert process_time() - began < 5


@pytest.mark.slow
@pytest.mark.parametrize("name", TAKEN)
def test_valid_toml_is_parsed_as_by_python(name):
    assert parse_toml(TAKEN[name], "x.toml") == tomllib.loads(TAKEN[name])


def test_the_line_of_a_value_that_is_too_large_is_named():
    with pytest.raises(InputError, match="line 3 has a key of more than 16 dots"):
        parse_toml("a = 1\n\n" + "a." * 17 + "a = 1", "x.toml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_configs_and_sweeps_are_read_with_and_without_a_mark(tmp_path, encoding):
    config, sweep = tmp_path / "c.toml", tmp_path / "s.toml"
    config.write_text(NETWORK, encoding=encoding)
    sweep.write_text(f"{NETWORK}[grid]\nsequence.timesteps = [1, 2]\n", encoding=encoding)
    assert load_config(config).network.hidden_size == 4
    assert len(list(load_sweep(sweep).points())) == 2
