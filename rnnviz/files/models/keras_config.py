"""Which recurrent layers the config of a Keras model has, where their weights are, and what feeds them.

Source: keras/src/saving of Keras 3, which names the groups of a file after classes and not after layers, and
tf_keras/src/saving/legacy of Keras 2.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rnnviz.files.models.stored_layers import UnreadableError

_DEEPEST = 40
_CELLS = {
    "SimpleRNN": "rnn",
    "SimpleRNNCell": "rnn",
    "LSTM": "lstm",
    "LSTMCell": "lstm",
    "GRU": "gru",
    "GRUCell": "gru",
}
_PASSING = frozenset(
    {"Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization"}
    | {"Identity"}
)
"""Layers that hand on what they get, but for training."""


@dataclass(frozen=True)
class Configured:
    """A recurrent layer of a config.

    `chain` is its name after those of the models that hold it; `place` where a file of Keras 3 has its weights, without
    the name of the first list of layers; `below` the number of the layer whose whole output it reads, if it is one.
    """

    chain: tuple[str, ...]
    place: tuple[str, ...]
    kind: str
    config: Mapping[str, Any]
    below: int | None = None


@dataclass(frozen=True)
class Computed:
    """What a layer computes: `cell` of ours, and for a GRU whether the reset gate stands after the product.

    With `backward` it begins at the sequence's end, and puts out what it computes in that order.
    """

    cell: str
    use_bias: bool
    reset_after: bool | None = None
    backward: bool = False


def configured_layers(config: Any) -> list[Configured]:
    """The recurrent layers of a model's config in their order; raises an UnreadableError if it is nested too deep."""
    found: list[Configured] = []
    if isinstance(config, Mapping):
        _walk(_named(config), (), (), found, 0)
    return found


def computed_by(layer: Configured) -> Computed:
    """What the layer computes.

    Raises
    ------
    UnreadableError
        If Gluon cannot express it; the reason names the setting.
    """
    if layer.kind != "Bidirectional":
        return replace(_computed(layer.kind, layer.config), backward=goes_backwards(layer))
    if layer.config.get("merge_mode") != "concat":
        raise UnreadableError(f"its merge_mode is {_shown(layer.config.get('merge_mode'))}: Gluon has concat alone")
    forward = _table(layer.config.get("layer"))
    backward = _table(layer.config.get("backward_layer")) or forward
    settings, reverse = _table(forward.get("config")), _table(backward.get("config"))
    if settings.get("go_backwards") or (backward is not forward and not reverse.get("go_backwards")):
        raise UnreadableError("its directions are not one forward and one backward")
    both = [_computed(str(side.get("class_name")), _table(side.get("config"))) for side in (forward, backward)]
    if both[0] != both[1]:
        raise UnreadableError("its directions do not compute the same")
    return both[0]


def goes_backwards(layer: Configured) -> bool:
    """Whether the layer reads the sequence from its end, and has no other direction."""
    return layer.kind != "Bidirectional" and bool(layer.config.get("go_backwards"))


def returns_sequences(layer: Configured) -> bool:
    """Whether the layer puts out every timestep."""
    inner = _table(_table(layer.config.get("layer")).get("config")) if layer.kind == "Bidirectional" else layer.config
    return bool(inner.get("return_sequences"))


def _walk(
    model: Mapping[str, Any], chain: tuple[str, ...], place: tuple[str, ...], found: list[Configured], depth: int
) -> None:
    if depth > _DEEPEST:
        raise UnreadableError(f"its models stand in each other more than {_DEEPEST} deep")
    settings = model.get("config")
    # The first versions of Keras 2 had the layers themselves there.
    layers = settings if isinstance(settings, list) else _table(settings).get("layers")
    if not isinstance(layers, list):
        return
    items = [_named(item) for item in layers if isinstance(item, Mapping)]
    feeding = _in_sequence(items) if model.get("class_name") == "Sequential" else _in_graph(items)
    numbers: dict[str, int] = {}
    used: Counter[str] = Counter()
    for item in items:
        kind, name, inner = str(item.get("class_name")), str(item["name"]), _table(item.get("config"))
        group = _snake_case(kind)
        used[group] += 1
        own = (*place, "layers", group if used[group] == 1 else f"{group}_{used[group] - 1}")
        if is_recurrent(item):
            numbers[name] = len(found)
            found.append(Configured((*chain, name), own, kind, inner))
            below = numbers.get(feeding.get(name, ""))
            if below is not None and returns_sequences(found[below]):
                found[-1] = replace(found[-1], below=below)
        elif "layers" in inner or isinstance(item.get("config"), list):
            _walk(item, (*chain, name), own, found, depth + 1)


def is_recurrent(item: Mapping[str, Any]) -> bool:
    """Whether a layer's config is that of a recurrent layer, whether it is read or not."""
    kind = str(item.get("class_name"))
    if kind == "Bidirectional":
        return is_recurrent(_table(_table(item.get("config")).get("layer")))
    return kind in _CELLS or kind == "RNN" or kind.startswith(("CuDNN", "ConvLSTM"))


def _in_sequence(items: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By a layer's name the one before it, past those that hand on what they get."""
    feeding: dict[str, str] = {}
    before = ""
    for item in items:
        name = str(item["name"])
        if item.get("class_name") not in _PASSING:
            feeding[name] = before
            before = name
    return feeding


def _in_graph(items: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By a layer's name the only one that feeds it, if it is called once."""
    feeding: dict[str, str] = {}
    passed: dict[str, str] = {}
    for item in items:
        name, calls = str(item["name"]), item.get("inbound_nodes")
        if not isinstance(calls, list) or len(calls) != 1:
            continue
        # Keras 3 has arguments by their places and by name, which may be the initial state; Keras 2 a list of inputs.
        given = calls[0].get("args") if isinstance(calls[0], Mapping) else calls[0]
        sources = list(_sources(given, 0))
        if len(sources) == 1 and sources[0][1] == 0:
            source = passed.get(sources[0][0], sources[0][0])
            if item.get("class_name") in _PASSING:
                passed[name] = source
            feeding[name] = source
    return feeding


def _sources(given: Any, depth: int) -> Iterator[tuple[str, int]]:
    """(layer, output) of every tensor among a call's arguments."""
    if depth > _DEEPEST:
        return
    if isinstance(given, Mapping):
        history = _table(given.get("config")).get("keras_history")
        given = [history] if isinstance(history, list) else list(given.values())
    if isinstance(given, list):
        if len(given) >= 3 and isinstance(given[0], str) and isinstance(given[2], int):
            yield given[0], given[2]
            return
        for part in given:
            yield from _sources(part, depth + 1)


def _computed(kind: str, config: Mapping[str, Any]) -> Computed:
    if kind == "RNN":
        cell = _table(config.get("cell"))
        kind, config = str(cell.get("class_name")), _table(cell.get("config"))
    if kind not in _CELLS:
        raise UnreadableError(f"{kind} is not read: it must be SimpleRNN, LSTM or GRU")
    family = _CELLS[kind]
    activation = config.get("activation", "tanh")
    if activation not in (("tanh", "relu") if family == "rnn" else ("tanh",)):
        allowed = "tanh or relu" if family == "rnn" else "tanh"
        raise UnreadableError(f"its activation is {_shown(activation)}: Gluon's is {allowed}")
    use_bias = config.get("use_bias", True) is True
    if family == "rnn":
        return Computed(f"rnn_{activation}", use_bias)
    recurrent = config.get("recurrent_activation", "sigmoid")
    if recurrent != "sigmoid":
        raise UnreadableError(f"its recurrent_activation is {_shown(recurrent)}: Gluon's is sigmoid")
    if family == "lstm":
        return Computed("lstm", use_bias)
    after = config.get("reset_after")
    if after is False:
        raise UnreadableError("reset_after = false applies the reset gate before the product, and Gluon's GRU after it")
    return Computed("gru", use_bias, after)


def _named(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item with its name beside its config, where all versions of Keras have it."""
    name = _table(item.get("config")).get("name", item.get("name"))
    return {**item, "name": name if isinstance(name, str) else str(item.get("class_name"))}


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _shown(value: Any) -> str:
    """The name of a setting; a function of the user's own is a table that has one."""
    table = _table(value)
    return str(table.get("config") or table.get("class_name") or "a table" if table else value)[:60]


def _snake_case(name: str) -> str:
    """As Keras makes the name of a group of that of a class."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
