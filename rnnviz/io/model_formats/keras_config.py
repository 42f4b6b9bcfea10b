"""Which recurrent layers the config of a Keras model has, what they compute, and how the model calls them.

Source: keras/src/layers/rnn and keras/src/saving of Keras 3, which names the groups of a file after classes and not
after layers, its models/functional.py and ops/node.py, and tf_keras/src/saving/legacy and tf_keras/src/engine of
Keras 2.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CELLS
from rnnviz.cells.activations import ACTIVATIONS, Activation, elu, keras_hard_sigmoid, leaky_relu
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats.model_file import DTYPES, EVERY_STEP, UnreadableError, named_activations

_CLASSES = {f"{cell.keras.name}{end}": cell.keras.name for cell in CELLS.values() if cell.keras for end in ("", "Cell")}
"""The recurrent layers of Keras that are read and their cells, each with the layer's name."""
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

Item = Mapping[str, Any]
"""The keys of an object in Keras: class_name, config, and since Keras 3 module and registered_name."""


@dataclass(frozen=True)
class Cell:
    """One cell of a layer: its config, or the layer's, its own name if it has one, and its path below the layer's."""

    item: Item
    name: str
    group: tuple[str, ...]


@dataclass(frozen=True)
class Computed:
    """The cell of ours that a cell of Keras is; None for a GRU of which the config does not say reset_after."""

    cell: str | None
    use_bias: bool
    activations: tuple[str, ...] | None = None


def is_recurrent(item: Item) -> bool:
    """Whether an item is a recurrent layer, whether it is read or not; one of another class has the settings of one."""
    if is_read(item):
        return True
    config = settings_of(item)
    keys = {"recurrent_initializer", "recurrent_activation", "recurrent_kernel_initializer"}
    if not keys.isdisjoint(config) or table(config.get("cell")):
        return True
    wrapped = table(config.get("layer"))
    return class_of(item) != "TimeDistributed" and bool(wrapped) and is_recurrent(wrapped)


def is_read(item: Item) -> bool:
    """Whether an item is of a recurrent class of Keras, whose directions and cells are known."""
    kind = class_of(item)
    known = kind in _CLASSES or kind in ("RNN", "Bidirectional") or _OTHERS.match(kind) is not None
    return known and not is_own(item)


def sides_of(item: Item) -> tuple[tuple[Cell, ...], ...]:
    """The cells of a layer, from the bottom, in each direction, forward first."""
    if class_of(item) != "Bidirectional" or is_own(item):
        return (_cells_of(item, ()),)
    forward, backward = _directions(item)
    return (_cells_of(forward, ("forward_layer",)), _cells_of(backward, ("backward_layer",)))


def computed_by(item: Item) -> Computed:
    """The cell that all of the layer are; raises an UnreadableError that names the setting which no cell here has."""
    both = class_of(item) == "Bidirectional" and is_read(item)
    layers = _directions(item) if both else (item,)
    own = next((layer for layer in layers if not is_read(layer)), None)
    if own is not None:
        raise UnreadableError(_own_class(own))
    backwards = [bool(settings_of(layer).get("go_backwards")) for layer in layers]
    if both and layers[0] is not layers[-1] and backwards[0] == backwards[-1]:
        raise UnreadableError("its directions are not one forward and one backward")
    cells = [cell for side in sides_of(item) for cell in side]
    found = [_computed(cell.item) for cell in cells]
    if not found or (both and len(found) > 2):
        raise UnreadableError("it has no cell, or stacks of cells in both directions, which a network here cannot have")
    units = {str(settings_of(cell.item).get("units")) for cell in cells}
    if len({(one.cell, one.activations) for one in found}) > 1 or len(units) > 1:
        parts = "directions do" if both else "cells do"
        raise UnreadableError(f"its {parts} not compute the same: all layers and directions of a network must")
    return replace(found[0], use_bias=any(one.use_bias for one in found))


def merge_mode(item: Item) -> str:
    """How a Bidirectional layer joins its directions; "concat" for any other layer."""
    return str(settings_of(item).get("merge_mode")) if class_of(item) == "Bidirectional" else "concat"


def goes_backwards(item: Item) -> bool:
    """Whether the layer, or the first of its two directions, reads the sequence from its end."""
    return bool(_ahead(item).get("go_backwards"))


def returns_sequences(item: Item) -> bool:
    return bool(_ahead(item).get("return_sequences"))


def settings_assumed(item: Item, stored: str, masked: bool) -> list[str]:
    """The assumptions of a run of a supported layer, whose weights are stored as `stored`."""
    config, mode = _ahead(item), merge_mode(item)
    policy = settings_of(table(config.get("dtype")))
    there = str(policy.get("source_name") or policy.get("name") or config.get("dtype")).removeprefix("mixed_")
    here = "float32" if stored in ("float16", "bfloat16") else stored
    how = {"sum": "adds", "ave": "averages", "mul": "multiplies", "None": "returns as two outputs"}
    doing = how.get(mode, "joins in another way")
    skipped = "repeats the state and the output of the last computed step; with lengths, outputs are 0 here"
    if config.get("zero_output_for_mask"):
        skipped = "outputs 0 (zero_output_for_mask)"
    clauses = (
        (mode != "concat", f"Keras {doing} the two directions, which are concatenated here (merge_mode is {mode})"),
        (config.get("stateful"), "the layer is stateful: each batch but the first starts from the state before it"),
        (there in DTYPES and there != here, f"Keras computes it in {there}, and here it is computed in {here}"),
        (masked, f"in time steps that it skips, Keras {skipped}"),
    )
    return [clause for holds, clause in clauses if holds]


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
    name = settings_of(item).get("name", item.get("name"))
    return {**item, "name": name if isinstance(name, str) else class_of(item)}


def table(value: Any) -> Item:
    return value if isinstance(value, Mapping) else {}


def settings_of(item: Item) -> Item:
    return table(item.get("config"))


def numbered(kinds: Sequence[str]) -> list[str]:
    """The groups of objects of these classes in a list: lstm_cell, lstm_cell_1, gru_cell."""
    used: dict[str, int] = {}
    found = []
    for kind in kinds:
        group = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
        group = re.sub(r"([a-z])([A-Z])", r"\1_\2", group).lower()
        used[group] = used.get(group, -1) + 1
        found.append(f"{group}_{used[group]}" if used[group] else group)
    return found


def _ahead(item: Item) -> Item:
    """The settings of the layer, or of the first of its two directions."""
    config = settings_of(item)
    return table(table(config.get("layer")).get("config")) if class_of(item) == "Bidirectional" else config


def _directions(item: Item) -> tuple[Item, Item]:
    config = settings_of(item)
    forward = table(config.get("layer"))
    return forward, table(config.get("backward_layer")) or forward


def _cells_of(item: Item, prefix: tuple[str, ...]) -> tuple[Cell, ...]:
    if class_of(item) != "RNN" or is_own(item):
        return (Cell(item, "", (*prefix, "cell")),)
    cell = named(table(settings_of(item).get("cell")))
    if class_of(cell) != "StackedRNNCells" or is_own(cell):
        return (Cell(cell, cell["name"], (*prefix, "cell")),)
    listed = settings_of(cell).get("cells")
    cells = [named(one) for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    groups = numbered([class_of(one) for one in cells])
    return tuple(
        Cell(one, one["name"], (*prefix, "cell", "cells", group)) for one, group in zip(cells, groups, strict=True)
    )


def _computed(item: Item) -> Computed:
    kind, config = class_of(item), settings_of(item)
    if is_own(item) or kind not in _CLASSES:
        raise UnreadableError(_own_class(item))
    of_keras_1 = "inner_activation" in config or "inner_init" in config
    if of_keras_1 or ("output_dim" in config and "units" not in config):
        raise UnreadableError("Keras 1 wrote it, which is not read: load it with Keras 2, and save it again")
    cells = [cell for cell in CELLS.values() if cell.keras and cell.keras.name == _CLASSES[kind]]
    roles = ["recurrent_activation" if role == "gate" else "activation" for role, _ in cells[0].activations]
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
        settings = settings_of(layer)
        constant = next((settings[name] for name in names if name in settings), constant)
        if isinstance(constant, int | float) and abs(constant) < _LARGEST_CONSTANT:
            return activation.with_constants(float(constant))
    if not isinstance(given, str) or given not in _ACTIVATIONS:
        named = [layer.get("config"), layer.get("class_name"), "a lambda" if "value" in layer else str(given)]
        shown = next(text for text in named if isinstance(text, str))
        raise UnreadableError(f"its {key} is {shown[:60]}, and must be one of {', '.join(_ACTIVATIONS)}")
    # Of Keras 3 a SimpleRNN alone has no seed, and of Keras 2 all layers have time_major.
    since_3 = "seed" in config or ("zero_output_for_mask" in config and "time_major" not in config)
    return keras_hard_sigmoid if given == "hard_sigmoid" and since_3 else _ACTIVATIONS[given]


def _own_class(item: Item) -> str:
    if is_own(item) or not (isinstance(item.get("module"), str) or _OTHERS.match(class_of(item))):
        return f'it is of a class of your own, "{class_of(item)}": what that computes is not in the file'
    return f"{class_of(item)} is not read: it must be SimpleRNN, LSTM or GRU"


_PASSING = frozenset(
    {"Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization"}
    | {"Identity"}
)
"""Layers that return their input, except in training."""
_MASKED = _PASSING | {
    *("Activation", "Add", "Average", "BatchNormalization", "Bidirectional", "Concatenate", "Dense", "Dot", "ELU"),
    *("GroupNormalization", "GroupedQueryAttention", "Lambda", "LayerNormalization", "LeakyReLU", "Masking", "Maximum"),
    *("Minimum", "MultiHeadAttention", "Multiply", "Normalization", "PReLU", "ReLU", "Rescaling", "Softmax"),
    *("Subtract", "ThresholdedReLU", "TimeDistributed", "UnitNormalization"),
}
"""Layers of Keras that hand on the mask of their inputs, besides recurrent ones."""
_DEEPEST = 40


@dataclass(frozen=True)
class Ref:
    """An output of a call of a layer."""

    layer: str
    call: int
    output: int


State: TypeAlias = Ref | NDArray[Any] | None
"""One of the states that a layer is called with: another layer's output, numbers, or unknown."""


@dataclass(frozen=True)
class Call:
    """One call of a layer: all its inputs, and for a recurrent layer its sequence, initial states and masks."""

    inputs: tuple[Ref, ...]
    sequence: tuple[Ref, ...]
    states: tuple[State, ...] = ()
    masks: tuple[Ref, ...] = ()
    training: bool = False


@dataclass(frozen=True)
class Start:
    """Where a layer starts from: one of INITIAL_STATES, where its states come from, and stored numbers, or the layers
    that compute them."""

    kind: str
    clause: str = ""
    states: tuple[NDArray[Any], ...] = ()
    layers: frozenset[str] = frozenset()


class Calls:
    """The calls of the layers of one model."""

    def __init__(self, model: Item, items: Sequence[Item], name: str, outer_mask: str) -> None:
        """Take the items of a model; `name` is its name in an outer model, and `outer_mask` the mask of its inputs."""
        self._items = {str(item["name"]): item for item in items}
        self._name, self._outer_mask = name, outer_mask
        if class_of(model) == "Sequential":
            # The input of the first layer is called "".
            inputs = [(Ref(before, 0, 0),) for before in ("", *self._items)]
            self._calls = {name: [Call(given, given)] for name, given in zip(self._items, inputs, strict=False)}
        else:
            self._calls = {str(item["name"]): _calls(item.get("inbound_nodes")) for item in items}
        # By each layer's name the mask of its outputs; layers come after those that feed them, but for shared ones.
        self._masks = dict.fromkeys(self._items, "")
        for _ in range(len(self._items) + 1):
            before = dict(self._masks)
            for own, item in self._items.items():
                self._masks[own] = self._made(own, item, self.input_mask(own))
            if self._masks == before:
                break

    def below(self, name: str) -> str | None:
        """The recurrent layer whose whole output a layer reads, where both are called once.

        A final state that is another layer's initial state makes two networks of them.
        """
        calls = self._calls[name]
        if len(calls) != 1 or len(calls[0].sequence) != 1:
            return None
        source = self._source(calls[0].sequence[0])
        lower = self._items.get(source.layer, {})
        whole = is_recurrent(lower) and returns_sequences(lower) and not source.output
        if not whole or len(self._calls[source.layer]) != 1 or source.layer in self.start(name).layers:
            return None
        return source.layer

    def start(self, name: str) -> Start:
        starts = [self._start(call) for call in self._calls[name]]
        if all(start.kind == "zeros" for start in starts):
            return Start("zeros")
        if len(starts) == 1:
            return starts[0]
        layers = frozenset(layer for start in starts for layer in start.layers)
        clauses = "; ".join(dict.fromkeys(start.clause for start in starts if start.clause))
        several = f"the model runs this network {len(starts)} times, not always from the same initial state"
        return Start("computed", f"{several}: {clauses}" if clauses else several, (), layers)

    def masking(self, name: str) -> str:
        """The time steps that a recurrent layer skips; empty if it skips none."""
        given = [ref.layer for call in self._calls[name] for ref in call.masks]
        own = f'the time steps of the mask that the model gives to it, the output of "{given[0]}"' if given else ""
        return self._mask_of([ref for call in self._calls[name] for ref in call.sequence]) or own

    def input_mask(self, name: str) -> str:
        return self._mask_of([ref for call in self._calls[name] for ref in call.inputs])

    def training(self, name: str) -> bool:
        return any(call.training for call in self._calls[name])

    def _source(self, ref: Ref) -> Ref:
        """The output of `ref`, through layers that return their input."""
        for _ in range(len(self._items)):
            calls = self._calls.get(ref.layer, ())
            item = self._items.get(ref.layer, {})
            linear = class_of(item) == "Activation" and settings_of(item).get("activation") == "linear"
            passes = (linear or class_of(item) in _PASSING) and not is_own(item) and ref.call < len(calls)
            if not passes or calls[ref.call].training or len(calls[ref.call].inputs) != 1:
                break
            ref = calls[ref.call].inputs[0]
        return ref

    def _start(self, call: Call) -> Start:
        if not call.states:
            return Start("zeros")
        arrays = tuple(state for state in call.states if isinstance(state, np.ndarray))
        if len(arrays) == len(call.states):
            return Start("stored", states=arrays) if any(array.any() for array in arrays) else Start("zeros")
        sources = [self._source(state) for state in call.states if isinstance(state, Ref)]
        if len(sources) + len(arrays) < len(call.states):
            return Start("computed", "the model gives this network an initial state that is not read")
        layers = frozenset(source.layer for source in sources)
        origins: dict[str, list[str]] = {}
        for source in dict.fromkeys(Ref(source.layer, 0, int(source.output > 0)) for source in sources):
            origins.setdefault(self._origin(source), []).append(f'"{source.layer}"')
        clause = " and ".join(f"{origin} {', '.join(names)}" for origin, names in origins.items())
        kinds = {class_of(self._items.get(source.layer, {})) for source in sources}
        given = not self._name and kinds == {"InputLayer"} and not arrays
        kind = "input" if given else "computed"
        return Start(kind, f"the model starts this network from {clause}", (), layers)

    def _origin(self, source: Ref) -> str:
        """Where states come from, in front of their names."""
        item = self._items.get(source.layer, {})
        if is_recurrent(item) and (source.output or not returns_sequences(item)):
            return "the final state of"
        if class_of(item) != "InputLayer":
            return "the output of"
        return f'the input of the model "{self._name}",' if self._name else "its input"

    def _mask_of(self, refs: Sequence[Ref]) -> str:
        return next((mask for ref in refs if (mask := self._masks.get(ref.layer, self._outer_mask))), "")

    def _made(self, name: str, item: Item, coming: str) -> str:
        """The mask of the outputs of a layer, whose inputs have the mask `coming`."""
        kind, config = class_of(item), settings_of(item)
        if kind == "InputLayer":
            return self._outer_mask
        if kind == "Masking":
            return f'those in which all features are {config.get("mask_value", 0.0)} (Masking layer "{name}")'
        if _masks(item):
            return f'those with the index 0 (Embedding layer "{name}" with mask_zero)'
        inner = config.get("layers", item.get("config"))
        if isinstance(inner, list):
            return f'those masked within "{name}"' if any(_masks(table(one)) for one in inner) else coming
        if is_recurrent(item):
            return coming if returns_sequences(item) else ""
        return coming if kind in _MASKED or is_own(item) else ""


def _masks(item: Item) -> bool:
    kind = class_of(item)
    return kind == "Masking" or (kind == "Embedding" and bool(settings_of(item).get("mask_zero")))


def _calls(nodes: Any) -> list[Call]:
    if not isinstance(nodes, list):
        return []
    return [_call_of_keras_3(node) if isinstance(node, Mapping) else _call_of_keras_2(node) for node in nodes]


def _call_of_keras_3(node: Item) -> Call:
    """`args` are the arguments by their places, which are the sequence, the initial state and the mask."""
    given, named = node.get("args"), table(node.get("kwargs"))
    args = list(given) if isinstance(given, list) else []
    first = args[0] if args else next((named[key] for key in ("sequence", "sequences", "inputs") if key in named), None)
    states = args[1] if len(args) > 1 else named.get("initial_state")
    mask = args[2] if len(args) > 2 else named.get("mask")
    return _call([] if first is None else list(_leaves(first)), states, mask, _leaves([args, named]), named)


def _call_of_keras_2(node: Any) -> Call:
    """A list of inputs, of which the first is the sequence, and the others are states; each may have arguments."""
    leaves = list(_leaves(node))
    entries = node if isinstance(node, list) and isinstance(next(iter(node), None), list) else [node]
    named = next((table(entry[3]) for entry in entries if isinstance(entry, list) and len(entry) > 3), {})
    # Numbers may come before the sequence.
    refs = [leaf for leaf in leaves if isinstance(leaf, Ref)]
    return _call([*refs[:1], *leaves[1:]], named.get("initial_state"), named.get("mask"), leaves, named)


def _call(leaves: Sequence[State], states: Any, mask: Any, inputs: Iterable[State], named: Item) -> Call:
    """`leaves` are the sequence, and the states that are in one list with it."""
    refs, sequence, masks = (
        tuple(leaf for leaf in some if isinstance(leaf, Ref)) for some in (inputs, leaves[:1], _leaves(mask))
    )
    given = () if states is None else _leaves(states)
    return Call(refs, sequence, (*leaves[1:], *given), masks, named.get("training") is True)


def _leaves(given: Any, depth: int = 0) -> Iterator[State]:
    """The tensors among arguments in their order: those of layers, numbers, and None for any other."""
    if depth > _DEEPEST:
        return
    if isinstance(given, Mapping):
        config = table(given.get("config"))
        history = config.get("keras_history")
        if isinstance(history, list):
            yield from _leaves(history, depth + 1)
        elif given.get("class_name") in ("__numpy__", "__tensor__"):
            yield _numbers(config.get("value"))
        elif "class_name" not in given:
            for part in given.values():
                yield from _leaves(part, depth + 1)
    elif isinstance(given, list):
        if len(given) >= 3 and given[0] == "_CONSTANT_VALUE":
            yield _numbers(given[2])
        elif len(given) >= 3 and isinstance(given[0], str) and all(isinstance(place, int) for place in given[1:3]):
            yield Ref(given[0], given[1], given[2])
        elif given and all(
            isinstance(row, list) and row and all(isinstance(n, float | int) for n in row) for row in given
        ):
            yield _numbers(given)
        else:
            for part in given:
                yield from _leaves(part, depth + 1)


def _numbers(value: Any) -> NDArray[Any] | None:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return array if array.ndim == 2 and array.size else None


@dataclass(frozen=True)
class Configured:
    """A recurrent layer of a config.

    `chain` is its name after the names of the models that hold it, `place` where a file of Keras 3 has its weights,
    `name` the name of the layer itself, which may be within a TimeDistributed one, and `below` the number of the layer
    whose whole output it reads. `assumptions` come from how the model calls it.
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
    """The recurrent layers of a config in their order, and by name those in the settings of other classes, None for
    two of one name."""

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
            item, slices, own = named(table(settings_of(item).get("layer"))), slices + 1, (*own, "layer")
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
        elif "layers" in settings_of(item) or isinstance(item.get("config"), list):
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
        assumptions.append(EVERY_STEP)
    inner = [settings_of(cell.item) for side in sides_of(item) for cell in side]
    if calls.training(name) and any(own.get("dropout") or own.get("recurrent_dropout") for own in inner):
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
