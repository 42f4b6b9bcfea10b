"""Names of time steps and features: read from texts, headers and labels, or refused by a sentence."""

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.csv_table import read_csv
from rnnviz.core.inputs import open_inputs, save_inputs
from rnnviz.core.sequence import Names
from rnnviz.io.config_toml import dump_config, load_config
from rnnviz.io.inputs import load_inputs
from rnnviz.io.readers import read_labels
from tests.cases import cases
from tests.refusals import refused, refused_key, written


@pytest.mark.parametrize(("header", "names"), cases(__file__)["labels"])
def test_a_first_row_without_numbers_names_the_features(tmp_path, header, names):
    assert read_csv(written(tmp_path / "x.csv", f"\ufeff{header}\n1,2\n"))[1] == tuple(names)


def test_a_repeated_name_gets_a_number_that_no_other_has(tmp_path):
    _, names = read_csv(written(tmp_path / "x.csv", "a,a,a (2),,,a\n1,2,3,4,5,6\n"))
    assert names == ("a", "a (3)", "a (2)", "", "", "a (4)")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("a\nb\nc", ("a", "b", "c")),
        ("a\nb\nc\n", ("a", "b", "c")),
        ("a\r\n\r\n c \r\n", ("a", "", "c")),
        ("\n\n\n", ("", "", "")),
        ("\ufeffä\u2028ö\nb\n\x0bc", ("ä\u2028ö", "b", "c")),
    ],
)
def test_each_line_is_a_label_even_an_empty_one(tmp_path, text, labels):
    assert read_labels(written(tmp_path / "labels.txt", text), 3) == labels


@pytest.mark.parametrize(("text", "lines"), [("a\nb\n", 2), ("", 0), ("a\nb\nc\n\n", 4)])
def test_another_number_of_lines_is_a_sentence(tmp_path, text, lines):
    path = written(tmp_path / "labels.txt", text)
    told = f"{path} has {lines} lines, but the sequence has 3 time steps: it needs one line for each."
    assert refused(read_labels, path, 3) == told


TABLES = {"network": {"cell": "rnn_tanh", "input_size": 2, "hidden_size": 2}}


def test_a_text_names_its_time_steps_and_its_alphabet_the_features(tmp_path):
    config = Config.from_mapping({"network": {"cell": "gru", "hidden_size": 2}, "sequence": {"text": "abba"}})
    inputs = load_inputs(config)
    assert inputs.names == Names("abba", "ab")
    assert [inputs.names.timestep(t) for t in range(-1, 5)] == ["", "a", "b", "b", "a", ""]
    assert load_inputs(Config.from_mapping(TABLES)).names == Names()


def test_names_from_a_header_and_labels_are_stored_with_the_run(tmp_path):
    written(tmp_path / "x.csv", "open,close\n1,2\n3,4\n5,6\n")
    written(tmp_path / "days.txt", "Mon\n\nWed\n")
    written(
        tmp_path / "config.toml",
        '[network]\ncell = "lstm"\ninput_size = 2\nhidden_size = 3\n[sequence]\npath = "x.csv"\nlabels = "days.txt"\n',
    )
    config = load_config(tmp_path / "config.toml")
    assert config.sequence.labels == str(tmp_path / "days.txt")
    assert 'labels = "days.txt"' in dump_config(config, tmp_path)
    inputs = load_inputs(config)
    assert inputs.names == Names(("Mon", "", "Wed"), ("open", "close"))
    assert bool(inputs.names)
    kept = save_inputs(tmp_path / "run", inputs)
    for again in (kept, open_inputs(tmp_path / "run")):
        assert [again.names.timestep(t) for t in range(3)] == ["Mon", "", "Wed"]
        assert [again.names.feature(i) for i in range(3)] == ["open", "close", ""]


def test_each_sample_has_its_own_labels(tmp_path):
    written(tmp_path / "a.txt", "Mon\nTue\nWed\n")
    written(tmp_path / "b.txt", "\nFri")
    written(
        tmp_path / "config.toml",
        '[network]\ncell = "gru"\ninput_size = 2\nhidden_size = 3\n'
        '[sequence]\nbatch_size = 2\ntimesteps = 3\nlengths = [3, 2]\nsample_labels = ["a.txt", "b.txt"]\n',
    )
    config = load_config(tmp_path / "config.toml")
    assert config.sequence.sample_labels == (str(tmp_path / "a.txt"), str(tmp_path / "b.txt"))
    assert 'sample_labels = [\n    "a.txt",\n    "b.txt",\n]' in dump_config(config, tmp_path)
    inputs = load_inputs(config)
    assert inputs.names == Names((), (), (("Mon", "Tue", "Wed"), ("", "Fri")))
    save_inputs(tmp_path / "run", inputs)
    for again in (inputs, open_inputs(tmp_path / "run")):
        assert [[again.names.of_sample(n).timestep(t) for t in range(3)] for n in range(2)] == [
            ["Mon", "Tue", "Wed"],
            ["", "Fri", ""],
        ]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"sample_labels": ["three.txt"]}, "has 1 file, but there are 2 samples: give one for each."),
        ({"sample_labels": ["three.txt"] * 3}, "has 3 files, but there are 2 samples: give one for each."),
        ({"sample_labels": ["three.txt", "two.txt"]}, "two.txt has 2 lines, but sample 1 has 3 time steps"),
        ({"sample_labels": ["three.txt", "no.txt"]}, "no.txt does not exist"),
        ({"sample_labels": ["three.txt"] * 2, "labels": "three.txt"}, "are both given: leave one of them out."),
        ({"sample_labels": ["three.txt"], "source": "file", "path": "x.npy"}, "has 1 file, but there are 2 samples"),
    ],
)
def test_labels_of_samples_that_do_not_fit_are_the_keys_fault(tmp_path, monkeypatch, keys, told):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "three.txt", "a\nb\nc\n")
    written(tmp_path / "two.txt", "a\nb\n")
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 2)))
    config = Config.from_mapping
    tables = {**TABLES, "sequence": {"timesteps": 3, "batch_size": 2, **keys}}
    error = refused_key(lambda: load_inputs(config(tables)))
    assert error.key == "sequence.sample_labels"
    assert told in error.sentence
