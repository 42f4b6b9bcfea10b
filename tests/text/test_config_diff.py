"""Names of config changes."""

from dataclasses import replace
from typing import Any

import pytest

from rnnviz.core.config import Config
from rnnviz.text.config_diff import change_in_words, changed_keys, edit_in_words

CONFIG = Config.from_mapping(
    {
        "network": {"cell": "gru", "input_size": 2, "hidden_size": 3},
        "sequence": {"timesteps": 1, "batch_size": 1, "source": "impulse"},
        "parameters": {"bias": "zeros"},
    }
)


def changed(**sections: dict[str, Any]) -> Config:
    return replace(CONFIG, **{name: replace(getattr(CONFIG, name), **to) for name, to in sections.items()})


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({}, ""),
        ({"initial_state": {"source": "normal"}}, "use a random initial state"),
        ({"sequence": {"batch_size": 2, "source": "normal"}}, "use a random sequence and 2 samples"),
        (
            {"sequence": {"timesteps": 3}, "parameters": {"bias": "uniform"}, "initial_state": {"source": "normal"}},
            "use 3 time steps, random biases and a random initial state",
        ),
        ({"parameters": {"scale": 0.5}}, "use parameters.scale = 0.5"),
        ({"sequence": {"timesteps": 1_200, "source": "uniform"}}, "use a random sequence and 1,200 time steps"),
        (
            {"compare": {"reference": "onnx"}, "network": {"dtype": "float64"}},
            "use network.dtype = float64 and compare.reference = onnx",
        ),
    ],
)
def test_a_change_is_described_as_a_command(sections, words):
    assert change_in_words(CONFIG, changed(**sections)) == words


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({}, "0 changes"),
        ({"network": {"hidden_size": 12}}, "hidden size 3 → 12"),
        ({"network": {"bidirectional": True}}, "bidirectional off → on"),
        ({"compare": {"rtol": 1e-3}}, "rtol none → 0.001"),
        ({"sequence": {"seed": 7}}, "sequence seed 0 → 7"),
        ({"parameters": {"path": "/far/away/weights.npz"}}, "parameters path none → weights.npz"),
        ({"parameters": {"entry": "123456789_123456789_"}}, "entry none → 123456789_123456789_"),
        ({"parameters": {"entry": "123456789_123456789_1"}}, "entry none → 123456789_123456789…"),
        ({"parameters": {"entry": "two\n  lines"}}, "entry none → two lines"),
        ({"compare": {"candidates": ("/a/mine.py", "onnx")}}, "candidates default → mine.py, onnx"),
        ({"compare": {"candidates": ()}}, "candidates default → none"),
        ({"network": {"hidden_size": 12, "cell": "lstm"}}, "cell and hidden size"),
        (
            {"network": {"cell": "lstm"}, "sequence": {"seed": 1, "source": "sine"}},
            "cell, sequence source and sequence seed",
        ),
        ({"network": {"cell": "lstm", "hidden_size": 5, "num_layers": 2, "layout": "TNC"}}, "4 changes"),
        ({"network": {"input_size": 5}, "sequence": {"timesteps": 4}}, "2 changes"),
        ({"network": {"input_size": 5}, "sequence": {"seed": 4}}, "sequence seed 0 → 4"),
    ],
)  # fmt: skip
def test_an_edit_is_named_as_a_menu_does(sections, words):
    assert edit_in_words(CONFIG, changed(**sections)) == words


def test_the_keys_that_differ_are_listed_from_both_configs():
    other = changed(parameters={"path": "w.npz"}, network={"cell": "lstm", "layout": "TNC"})
    keys = ("network.cell", "network.layout", "parameters.path")
    assert changed_keys(CONFIG, other) == changed_keys(other, CONFIG) == keys
