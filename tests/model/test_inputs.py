"""What a sequence from a file says about the config."""

import pytest

from rnnviz.model.config import Config
from rnnviz.model.errors import InputError
from rnnviz.model.inputs import with_sequence_shape

CONFIG = Config.from_mapping({"network": {"cell": "lstm", "input_size": 3, "hidden_size": 4}})


def test_the_config_says_what_was_really_read() -> None:
    config = with_sequence_shape(CONFIG, (7, 2, 3))
    assert (config.sequence.timesteps, config.sequence.batch_size) == (7, 2)
    assert config.network == CONFIG.network


def test_another_number_of_features_is_told_with_both_shapes() -> None:
    with pytest.raises(InputError) as caught:
        with_sequence_shape(CONFIG, (7, 2, 5))
    for part in ("(2, 7, 5)", "(2, 7, 3)", "network.input_size = 3"):
        assert part in str(caught.value)
