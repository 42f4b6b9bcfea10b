"""A config in words, and differences of two configs, by key and as text: "use a random initial state"."""

from typing import Any

from rnnviz.core.config import SECTIONS, Config, Network
from rnnviz.core.engine_spec import display_name
from rnnviz.core.schema import declarations
from rnnviz.core.words import join_words, plural

_WORDS = {
    ("parameters", "bias", "uniform"): "random biases",
    ("parameters", "bias", "zeros"): "zero biases",
    ("initial_state", "source", "normal"): "a random initial state",
    ("initial_state", "source", "uniform"): "a random initial state",
    ("initial_state", "source", "zeros"): "an initial state of zeros",
    ("sequence", "source", "normal"): "a random sequence",
    ("sequence", "source", "uniform"): "a random sequence",
}
_COUNTED = {
    ("sequence", "timesteps"): "time step",
    ("sequence", "batch_size"): "sample",
    ("network", "num_layers"): "layer",
}


def change_in_words(old: Config, new: Config) -> str:
    """The change from `old` to `new` as an imperative without a full stop; empty if they are equal."""
    changes = [
        _use(section, key, value)
        for section, declared in SECTIONS.items()
        for key in declarations(declared)
        if getattr(getattr(old, section), key) != (value := getattr(getattr(new, section), key))
    ]
    return f"use {join_words(changes)}" if changes else ""


def _use(section: str, key: str, value: Any) -> str:
    if (section, key) in _COUNTED:
        return plural(value, _COUNTED[section, key])
    return _WORDS.get((section, key, str(value)), f"{section}.{key} = {value}")


def network_in_words(network: Network) -> str:
    """ "LSTM, 2 layers, both directions"."""
    directions = "both directions" if network.bidirectional else "backward" if network.reverse else "one direction"
    layers = f"{network.num_layers} layer{'s' * (network.num_layers > 1)}"
    return f"{network.kind.title}, {layers}, {directions}"


def config_in_words(config: Config) -> str:
    """The network in a line: "lstm: 3 features, 4 units, 2 layers in both directions, float32"."""
    network = config.network
    features, units = plural(network.input_size, "feature"), plural(network.hidden_size, "unit")
    layers = plural(network.num_layers, "layer")
    directions = " in both directions" if network.bidirectional else ", backward" if network.reverse else ""
    return f"{display_name(network.cell)}: {features}, {units}, {layers}{directions}, {network.dtype}"
