"""A config in words, and differences of two configs by key, as an imperative, and as the window's menus name edits."""

from collections import Counter
from pathlib import PurePath
from typing import Any

from rnnviz.core.config import SECTIONS, Config, Network
from rnnviz.core.engine_spec import display_name
from rnnviz.core.schema import declarations
from rnnviz.core.sequence import shortened
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
_TIMES_USED = Counter(key for section in SECTIONS.values() for key in declarations(section))
_FOLLOWING = {"network.input_size", "sequence.batch_size", "sequence.timesteps"}
_LONGEST, _NAMED = 20, 3


def changed_keys(old: Config, new: Config) -> tuple[str, ...]:
    return tuple(
        f"{section}.{key}"
        for section, declared in SECTIONS.items()
        for key in declarations(declared)
        if getattr(getattr(old, section), key) != getattr(getattr(new, section), key)
    )


def change_in_words(old: Config, new: Config) -> str:
    """The change from `old` to `new` as an imperative without a full stop; empty if they are equal."""
    changes = []
    for dotted in changed_keys(old, new):
        section, _, key = dotted.partition(".")
        value, noun = getattr(getattr(new, section), key), _COUNTED.get((section, key))
        in_words = _WORDS.get((section, key, str(value)), f"{dotted} = {value}")
        changes.append(plural(value, noun) if noun is not None else in_words)
    return f"use {join_words(changes)}" if changes else ""


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


def edit_in_words(old: Config, new: Config) -> str:
    """The change as a menu names it: "hidden size 10 → 12"; of several keys only their names."""
    changed = changed_keys(old, new)
    # The sizes of a text follow from it and are not a separate change.
    keys = [key for key in changed if key not in _FOLLOWING] if len(changed) > 1 else list(changed)
    if len(keys) == 1:
        section, _, key = keys[0].partition(".")
        kind = declarations(SECTIONS[section])[key].kind
        before, after = (_short(getattr(getattr(config, section), key), kind) for config in (old, new))
        return f"{_key_in_words(keys[0])} {before} → {after}"
    if not keys or len(keys) > _NAMED:
        return f"{len(changed)} changes"
    return join_words(map(_key_in_words, keys))


def _key_in_words(dotted: str) -> str:
    """ "hidden size"; with the section's name where another has a key of that name: "sequence seed"."""
    section, _, key = dotted.partition(".")
    words = key.replace("_", " ")
    return words if _TIMES_USED[key] == 1 else f"{section.replace('_', ' ')} {words}"


def _short(value: Any, kind: str) -> str:
    """A value in few characters; of a path the file's name."""
    if value is None and kind == "names":
        return "default"
    if value in (None, ()):
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if kind == "texts":
        return shortened(" | ".join(value), _LONGEST)
    if kind in ("names", "paths"):
        return shortened(", ".join(PurePath(name).name for name in value), _LONGEST)
    if kind == "path":
        return shortened(PurePath(value).name or value, _LONGEST)
    return shortened(" ".join(str(value).split()), _LONGEST)
