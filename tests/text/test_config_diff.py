"""Names of config changes."""

from dataclasses import replace
from typing import Any

import pytest

from rnnviz.core.config import Config
from rnnviz.text.config_diff import change_in_words, changed_keys, edit_in_words
from tests.cases import cases

CONFIG = Config.from_mapping(
    {
        "network": {"cell": "gru", "input_size": 2, "hidden_size": 3},
        "sequence": {"timesteps": 1, "batch_size": 1, "source": "impulse"},
        "parameters": {"bias": "zeros"},
    }
)


def changed(**sections: dict[str, Any]) -> Config:
    given = {name: {key: tuple(v) if type(v) is list else v for key, v in to.items()} for name, to in sections.items()}
    return replace(CONFIG, **{name: replace(getattr(CONFIG, name), **to) for name, to in given.items()})


@pytest.mark.parametrize(("sections", "words"), cases(__file__)["in-words"])
def test_a_change_is_described_as_a_command(sections, words):
    assert change_in_words(CONFIG, changed(**sections)) == words


@pytest.mark.parametrize(("sections", "words"), cases(__file__)["in-short"])
def test_an_edit_is_named_as_a_menu_does(sections, words):
    assert edit_in_words(CONFIG, changed(**sections)) == words


def test_the_keys_that_differ_are_listed_from_both_configs():
    other = changed(parameters={"path": "w.npz"}, network={"cell": "lstm", "layout": "TNC"})
    keys = ("network.cell", "network.layout", "parameters.path")
    assert changed_keys(CONFIG, other) == changed_keys(other, CONFIG) == keys
