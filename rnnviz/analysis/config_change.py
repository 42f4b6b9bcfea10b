"""What one config does otherwise than another, by its keys and in words: "use a random initial state"."""

from dataclasses import fields
from typing import Any

from rnnviz.model.config import Config

_WORDS = {
    ("parameters", "bias", "uniform"): "random biases",
    ("parameters", "bias", "zeros"): "zero biases",
    ("initial_state", "source", "normal"): "a random initial state",
    ("initial_state", "source", "zeros"): "an initial state of zeros",
    ("sequence", "source", "normal"): "a random sequence",
    ("sequence", "source", "uniform"): "a random sequence",
}
_COUNTED = {
    ("sequence", "timesteps"): "timestep",
    ("sequence", "batch_size"): "sample",
    ("network", "num_layers"): "layer",
}


def change_in_words(old: Config, new: Config) -> str:
    """What `new` would use that `old` does not, as a command without a full stop; empty if they are equal."""
    changes = []
    for section in ("network", "sequence", "parameters", "initial_state", "compare"):
        before, after = getattr(old, section), getattr(new, section)
        changes += [
            _use(section, item.name, getattr(after, item.name))
            for item in fields(after)
            if getattr(before, item.name) != getattr(after, item.name)
        ]
    if not changes:
        return ""
    *others, last = changes
    return f"use {', '.join(others)} and {last}" if others else f"use {last}"


def _use(section: str, key: str, value: Any) -> str:
    if (section, key) in _COUNTED:
        return f"{value:,} {_COUNTED[section, key]}{'' if value == 1 else 's'}"
    return _WORDS.get((section, key, str(value)), f"{section}.{key} = {value}")


def changed_keys(wanted: Config, present: Config) -> tuple[str, ...]:
    """The dotted keys in which a config differs from the one that is wanted."""
    before, after = wanted.to_mapping(), present.to_mapping()
    return tuple(
        f"{section}.{key}"
        for section in before
        for key in dict.fromkeys((*before[section], *after[section]))
        if before[section].get(key) != after[section].get(key)
    )
