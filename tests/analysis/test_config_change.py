"""What a change of a config is called."""

from dataclasses import replace
from typing import Any

import pytest

from rnnviz.analysis.config_change import change_in_words
from rnnviz.model.config import Config

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
        ({"parameters": {"bias": "uniform"}}, "use random biases"),
        ({"sequence": {"timesteps": 3}}, "use 3 timesteps"),
        ({"sequence": {"batch_size": 2, "source": "normal"}}, "use a random sequence and 2 samples"),
        (
            {
                "sequence": {"timesteps": 3},
                "parameters": {"bias": "uniform"},
                "initial_state": {"source": "normal"},
            },
            "use 3 timesteps, random biases and a random initial state",
        ),
        ({"parameters": {"scale": 0.5}}, "use parameters.scale = 0.5"),
    ],
)
def test_a_change_is_said_as_a_command(sections: dict[str, dict[str, Any]], words: str) -> None:
    assert change_in_words(CONFIG, changed(**sections)) == words
