"""The computation that the settings of a recurrent layer of Keras ask for, and the cells that it consists of.

Source: keras/src/layers/rnn and keras/src/saving/serialization_lib.py of Keras 3, and tf_keras/src/saving/legacy of
Keras 2.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rnnviz.cells import CELLS
from rnnviz.cells.activations import ACTIVATIONS, Activation, elu, keras_hard_sigmoid, leaky_relu
from rnnviz.io.model_formats.model_file import UnreadableError
from rnnviz.io.model_formats.rnn_entry import named_activations

_CLASSES = {f"{cell.keras.name}{end}": cell.keras.name for cell in CELLS.values() if cell.keras for end in ("", "Cell")}
"""The recurrent layers of Keras that are read and their cells, each with the layer's name."""
_KEYS = {"gate": "recurrent_activation"}
"""The setting of a role's activation, where it is not `activation`."""
_SHARED = ("tanh", "relu", "sigmoid", "linear", "elu", "selu", "softsign", "softplus", "gelu", "swish", "silu")
_ACTIVATIONS = {
    **{name: ACTIVATIONS[name] for name in (*_SHARED, "exponential", "hard_tanh", "hard_sigmoid")},
    "leaky_relu": leaky_relu.with_constants(0.2),
    "celu": elu,
}
"""The activations of Keras, with its constants."""
_ACTIVATION_LAYERS = {"LeakyReLU": (leaky_relu, ("negative_slope", "alpha"), 0.3), "ELU": (elu, ("alpha",), 1.0)}
"""Layers that are an activation: the names of their constant since Keras 3 and before, and its default."""
_LARGEST_CONSTANT = 1e30
_OTHERS = re.compile("CuDNN|ConvLSTM|Peephole|StackedRNNCells")
"""Recurrent layers and cells of Keras that are not read."""
_KERAS_1 = ("inner_activation", "inner_init")
_WIDER = {"float16": "float32", "bfloat16": "float32"}

Item = Mapping[str, Any]
"""The keys of an object in Keras: class_name, config, and since Keras 3 module and registered_name."""


@dataclass(frozen=True)
class Cell:
    """One cell of a layer: `item` is its config, or the layer's, `name` its own where it has one, and `group` the
    path below the layer's at which a file of Keras 3 has its arrays."""

    item: Item
    name: str
    group: tuple[str, ...]


@dataclass(frozen=True)
class Computed:
    """The cell of ours that a cell of Keras is; None for a GRU of which the config does not say reset_after.

    `activations` are those of its roles, None if they are the cell's own.
    """

    cell: str | None
    use_bias: bool
    activations: tuple[str, ...] | None = None


def is_recurrent(item: Item) -> bool:
    """Whether an item is a recurrent layer, whether it is read or not; one of another class has the settings of one."""
    if not _is_foreign(item):
        return True
    config = table(item.get("config"))
    wrapped = table(config.get("layer"))
    keys = ("recurrent_initializer", "recurrent_activation", "recurrent_kernel_initializer")
    return (
        any(key in config for key in keys)
        or bool(table(config.get("cell")))
        or (class_of(item) != "TimeDistributed" and bool(wrapped) and is_recurrent(wrapped))
    )


def is_read(item: Item) -> bool:
    """Whether an item is of a class of Keras whose directions and cells are known."""
    return not _is_foreign(item)


def sides_of(item: Item) -> tuple[tuple[Cell, ...], ...]:
    """The cells of a layer, from the bottom, in each direction, forward first."""
    if class_of(item) != "Bidirectional" or is_own(item):
        return (_cells_of(item, ()),)
    forward, backward = _directions(item)
    return (_cells_of(forward, ("forward_layer",)), _cells_of(backward, ("backward_layer",)))


def computed_by(item: Item) -> Computed:
    """The settings that all cells of the layer share.

    Raises
    ------
    UnreadableError
        If no cell here computes it; the reason names the setting.
    """
    if _is_foreign(item):
        raise UnreadableError(_own_class(item))
    if class_of(item) == "Bidirectional":
        _check_directions(item)
    sides = sides_of(item)
    found = [_computed(cell.item) for side in sides for cell in side]
    if not found:
        raise UnreadableError("it has no cell")
    if len(sides) == 2 and len(found) > 2:
        raise UnreadableError(
            "each of its directions is a stack of cells, and the two are joined at the top alone: "
            "a network here joins them after every layer"
        )
    units = {str(table(cell.item.get("config")).get("units")) for side in sides for cell in side}
    if len({(one.cell, one.activations) for one in found}) > 1 or len(units) > 1:
        parts = "directions do" if len(sides) == 2 else "cells do"
        raise UnreadableError(f"its {parts} not compute the same: all layers and directions of a network must")
    return replace(found[0], use_bias=any(one.use_bias for one in found))


def merge_mode(item: Item) -> str:
    """How a Bidirectional layer joins its directions; "concat" for any other layer."""
    if class_of(item) != "Bidirectional":
        return "concat"
    return str(table(item.get("config")).get("merge_mode"))


def goes_backwards(item: Item) -> bool:
    """Whether the layer, or the first of its two directions, reads the sequence from its end."""
    return bool(_ahead(item).get("go_backwards"))


def returns_sequences(item: Item) -> bool:
    """Whether the layer puts out every time step."""
    return bool(_ahead(item).get("return_sequences"))


def settings_assumed(item: Item, stored: str, masked: bool) -> list[str]:
    """The assumptions of a run of a supported layer, whose weights are stored as `stored`."""
    found = []
    config, mode = _ahead(item), merge_mode(item)
    if mode != "concat":
        how = {"sum": "adds", "ave": "averages", "mul": "multiplies", "None": "returns as two outputs"}
        doing = how.get(mode, "joins in another way")
        found.append(f"Keras {doing} the two directions, which are concatenated here (merge_mode is {mode})")
    if config.get("stateful"):
        found.append(
            "the layer is stateful: each batch but the first one starts from the final state of the one before it"
        )
    here, there = _WIDER.get(stored, stored), _compute_dtype(config.get("dtype"))
    if there and there != here:
        found.append(f"Keras computes it in {there}, and here it is computed in {here}")
    if masked and config.get("zero_output_for_mask"):
        found.append("outputs at masked time steps are zeros in Keras (zero_output_for_mask)")
    return found


def drops(item: Item) -> bool:
    """Whether a layer drops values in training."""
    inner = [table(cell.item.get("config")) for side in sides_of(item) for cell in side]
    return any(config.get("dropout") or config.get("recurrent_dropout") for config in inner)


def is_own(item: Item) -> bool:
    """Whether an item is of a class that is not Keras' own, as far as the file says so."""
    module, registered = item.get("module"), item.get("registered_name")
    if ">" in str(item.get("class_name")) or isinstance(registered, str):
        return True
    return isinstance(module, str) and module.partition(".")[0] not in ("keras", "tf_keras", "tensorflow")


def class_of(item: Item) -> str:
    """The name of an item's class, without the package that it is registered in."""
    return str(item.get("class_name")).rpartition(">")[2]


def named(item: Item) -> dict[str, Any]:
    """The item with its name next to its config, where all versions of Keras have it."""
    name = table(item.get("config")).get("name", item.get("name"))
    return {**item, "name": name if isinstance(name, str) else class_of(item)}


def table(value: Any) -> Item:
    """`value` if it is a table, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def snake_case(name: str) -> str:
    """As Keras makes the name of a group of that of a class."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def numbered(kinds: Sequence[str]) -> list[str]:
    """The groups of objects of these classes in a list: lstm_cell, lstm_cell_1, gru_cell."""
    used: dict[str, int] = {}
    found = []
    for group in map(snake_case, kinds):
        used[group] = used.get(group, -1) + 1
        found.append(f"{group}_{used[group]}" if used[group] else group)
    return found


def _ahead(item: Item) -> Item:
    """The settings of the layer, or of the first of its two directions."""
    config = table(item.get("config"))
    return table(table(config.get("layer")).get("config")) if class_of(item) == "Bidirectional" else config


def _directions(item: Item) -> tuple[Item, Item]:
    config = table(item.get("config"))
    forward = table(config.get("layer"))
    return forward, table(config.get("backward_layer")) or forward


def _cells_of(item: Item, prefix: tuple[str, ...]) -> tuple[Cell, ...]:
    if class_of(item) != "RNN" or is_own(item):
        return (Cell(item, "", (*prefix, "cell")),)
    cell = named(table(table(item.get("config")).get("cell")))
    if class_of(cell) != "StackedRNNCells" or is_own(cell):
        return (Cell(cell, cell["name"], (*prefix, "cell")),)
    listed = table(cell.get("config")).get("cells")
    cells = [named(one) for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    groups = numbered([class_of(one) for one in cells])
    return tuple(
        Cell(one, one["name"], (*prefix, "cell", "cells", group)) for one, group in zip(cells, groups, strict=True)
    )


def _check_directions(item: Item) -> None:
    forward, backward = _directions(item)
    for side in (forward, backward):
        if _is_foreign(side):
            raise UnreadableError(_own_class(side))
    ahead, behind = (bool(table(side.get("config")).get("go_backwards")) for side in (forward, backward))
    if backward is not forward and ahead == behind:
        raise UnreadableError("its directions are not one forward and one backward")


def _computed(item: Item) -> Computed:
    kind, config = class_of(item), table(item.get("config"))
    if is_own(item) or not (kind in _CLASSES or _OTHERS.match(kind)):
        raise UnreadableError(_own_class(item))
    if kind not in _CLASSES:
        raise UnreadableError(f"{kind} is not read: it must be SimpleRNN, LSTM or GRU")
    if any(key in config for key in _KERAS_1) or ("output_dim" in config and "units" not in config):
        raise UnreadableError("Keras 1 wrote it, which is not read: load it with Keras 2, and save it again")
    cells = [cell for cell in CELLS.values() if cell.keras and cell.keras.name == _CLASSES[kind]]
    roles = [_KEYS.get(role, "activation") for role, _ in cells[0].activations]
    given = {key: _activation(config, key) for key in sorted(set(roles))}
    activations = [given[key] for key in roles]
    fitting = [c for c in cells if c.keras and all(config.get(key) is value for key, value in c.keras.settings)]
    # Of cells that differ in their activations alone, the last is that of any others.
    own = [c for c in fitting if [function for _, function in c.activations] == activations]
    cell = next(reversed(own or fitting), None)
    return Computed(
        None if cell is None else cell.name,
        config.get("use_bias", True) is True,
        named_activations((cell or cells[0]).name, activations),
    )


def _activation(config: Item, key: str) -> Activation:
    given = config.get(key) or "linear"
    layer = table(given)
    if class_of(layer) in _ACTIVATION_LAYERS and not is_own(layer):
        activation, names, constant = _ACTIVATION_LAYERS[class_of(layer)]
        settings = table(layer.get("config"))
        constant = next((settings[name] for name in names if name in settings), constant)
        if isinstance(constant, int | float) and abs(constant) < _LARGEST_CONSTANT:
            return activation.with_constants(float(constant))
    if given not in _ACTIVATIONS if isinstance(given, str) else True:
        raise UnreadableError(f"its {key} is {_shown(given)}, and must be one of {', '.join(_ACTIVATIONS)}")
    # Of Keras 3 a SimpleRNN alone has no seed, and of Keras 2 all layers have time_major.
    since_3 = "seed" in config or ("zero_output_for_mask" in config and "time_major" not in config)
    return keras_hard_sigmoid if given == "hard_sigmoid" and since_3 else _ACTIVATIONS[given]


def _is_foreign(item: Item) -> bool:
    """Whether an item is of a class other than the recurrent layers of Keras."""
    kind = class_of(item)
    return is_own(item) or not (kind in _CLASSES or kind in ("RNN", "Bidirectional") or _OTHERS.match(kind))


def _own_class(item: Item) -> str:
    if isinstance(item.get("module"), str) and not is_own(item):
        return f"{class_of(item)} is not read: it must be SimpleRNN, LSTM or GRU"
    return f'it is of a class of your own, "{class_of(item)}": what that computes is not in the file'


def _compute_dtype(policy: Any) -> str:
    """The type in which a policy has a layer compute; empty if that is not known."""
    config = table(table(policy).get("config"))
    name = str(config.get("source_name") or config.get("name") or policy)
    found = name.removeprefix("mixed_")
    return found if found in ("float16", "bfloat16", "float32", "float64") else ""


def _shown(value: Any) -> str:
    """The name of a setting; a function or an object of a class is a table that has one."""
    config = table(value)
    if config.get("class_name") == "__lambda__" or "value" in config:
        return "a lambda"
    return str(config.get("config") if isinstance(config.get("config"), str) else config.get("class_name") or value)[
        :60
    ]
