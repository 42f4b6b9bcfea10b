"""Which recurrent layers the config of a Keras model has, where their weights are, and how the model calls them.

Source: keras/src/saving of Keras 3, which names the groups of a file after classes and not after layers, and
tf_keras/src/saving/legacy of Keras 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rnnviz.io.model_formats.keras_calls import Calls, Start
from rnnviz.io.model_formats.keras_settings import (
    Item,
    class_of,
    drops,
    goes_backwards,
    is_own,
    is_recurrent,
    merge_mode,
    named,
    numbered,
    table,
)
from rnnviz.io.model_formats.layered_file import UnreadableError

_DEEPEST = 40


@dataclass(frozen=True)
class Configured:
    """A recurrent layer of a config.

    `chain` is its name after those of the models that hold it; `place` where a file of Keras 3 has its weights, without
    the name of the first list of layers; `name` that of the layer itself, which may be within a TimeDistributed one;
    `below` the number of the layer whose whole output it reads, if it is one. `assumptions` are those that come from
    how the model calls it.
    """

    chain: tuple[str, ...]
    place: tuple[str, ...]
    name: str
    item: Item
    start: Start
    masking: str = ""
    assumptions: tuple[str, ...] = ()
    below: int | None = None


@dataclass(frozen=True)
class Layers:
    """The recurrent layers of a config in their order, and by their names those in the settings of other classes.

    Of the latter the config does not say how they are called, and nothing where two have one name.
    """

    listed: list[Configured]
    within: dict[str, Item | None]


def configured_layers(config: Any) -> Layers:
    """The recurrent layers of a model's config; raises an UnreadableError if it is nested too deep."""
    found = Layers([], {})
    if isinstance(config, Mapping):
        _walk(named(config), (), (), found, "", False)
    return found


def _walk(
    model: Item, chain: tuple[str, ...], place: tuple[str, ...], found: Layers, outer_mask: str, sliced: bool
) -> None:
    if len(place) > 2 * _DEEPEST:
        raise UnreadableError(f"its models are within each other more than {_DEEPEST} deep")
    settings = model.get("config")
    # The first versions of Keras 2 had the layers themselves there.
    layers = settings if isinstance(settings, list) else table(settings).get("layers")
    if not isinstance(layers, list):
        _collect(settings, found.within)
        return
    items = [named(item) for item in layers if isinstance(item, Mapping)]
    calls = Calls(model, items, "/".join(chain), outer_mask)
    numbers: dict[str, int] = {}
    for outer, group in zip(items, numbered([class_of(item) for item in items]), strict=True):
        name, own = str(outer["name"]), (*place, "layers", group)
        item, slices = outer, 0
        while class_of(item) == "TimeDistributed" and not is_own(item):
            item, slices, own = named(table(table(item.get("config")).get("layer"))), slices + 1, (*own, "layer")
            if slices > _DEEPEST:
                raise UnreadableError(f"its layers are within each other more than {_DEEPEST} deep")
        if is_recurrent(item):
            layer = _configured((*chain, name), own, item, calls, sliced or slices > 0, slices > 0)
            if not slices:
                below = numbers.get(calls.below(name) or "")
                numbers[name] = len(found.listed)
                # What reads from the end of a sequence turns its order round: on such a layer it would read it ahead.
                if below is not None and merge_mode(found.listed[below].item) == "concat" and not goes_backwards(item):
                    layer = replace(layer, below=below)
            found.listed.append(layer)
        elif "layers" in table(item.get("config")) or isinstance(item.get("config"), list):
            _walk(item, (*chain, name), own, found, calls.input_mask(name), sliced or slices > 0)
        else:
            _collect(item.get("config"), found.within)


def _configured(
    chain: tuple[str, ...], place: tuple[str, ...], item: Item, calls: Calls, sliced: bool, wrapped: bool
) -> Configured:
    """A layer; `sliced` is whether the model runs it on each slice of an axis, and `wrapped` whether itself."""
    name = chain[-1]
    start, masking = Start("zeros") if wrapped else calls.start(name), calls.masking(name)
    assumptions = [start.clause] if start.clause else []
    if sliced:
        assumptions.append("the model runs it by itself on each slice of an outer axis (TimeDistributed)")
    if masking:
        assumptions.append("every time step is computed, even those that the model skips because of a mask")
    if calls.training(name) and drops(item):
        assumptions.append("the model drops values in each run (training is true), and no value is dropped here")
    return Configured(chain, place, str(item["name"]), item, start, masking, tuple(assumptions))


def _collect(settings: Any, found: dict[str, Item | None]) -> None:
    """Add the recurrent layers among the settings of a layer or model of a class of the user's own."""
    rest = [settings]
    while rest:
        value = rest.pop()
        if isinstance(value, Mapping) and "class_name" in value and "config" in value and is_recurrent(value):
            item = named(value)
            found[item["name"]] = None if item["name"] in found else item
        elif isinstance(value, Mapping | list):
            rest.extend(value.values() if isinstance(value, Mapping) else value)
