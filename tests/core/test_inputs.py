"""Requirements of a sequence file on the config."""

from dataclasses import replace

import pytest

from rnnviz.core.axis_labels import Names
from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import with_sequence_shape

CONFIG = Config.from_mapping({"network": {"cell": "lstm", "input_size": 3, "hidden_size": 4}})


def test_the_config_has_the_sizes_of_the_sequence_that_was_read() -> None:
    config = with_sequence_shape(CONFIG, (7, 2, 3))
    assert (config.sequence.timesteps, config.sequence.batch_size) == (7, 2)
    assert config.network == CONFIG.network


def test_another_number_of_features_is_refused_with_both_shapes() -> None:
    with pytest.raises(InputError) as caught:
        with_sequence_shape(CONFIG, (7, 2, 5))
    assert str(caught.value) == (
        "The input has 5 features, but network.input_size = 3: set network.input_size = 5 or use another file "
        "(shape (N, T, I) = (2, 7, 5))."
    )


def test_files_that_bring_the_input_size_decide_it() -> None:
    sequence = {"text": "to be", "tokens": "words", "vocabulary": "v.txt"}
    config = Config.from_mapping({"network": {"cell": "gru", "hidden_size": 4}, "sequence": sequence})
    taken = with_sequence_shape(config, (2, 1, 9))
    assert taken.network == replace(config.network, input_size=9)
    assert taken.sequence == config.sequence


def test_a_name_that_is_not_there_is_empty() -> None:
    names = Names(("a", "", "c"), ("x", "y"))
    assert [names.timestep(place) for place in range(-1, 4)] == ["", "a", "", "c", ""]
    assert [names.feature(place) for place in range(-1, 3)] == ["", "x", "y", ""]
    assert [bool(named) for named in (names, Names(("a",)), Names((), ("x",)), Names())] == [True, True, True, False]
