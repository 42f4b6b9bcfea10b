"""The recurrent layers of a Keras model as Gluon's parameters: `.keras`, `.weights.h5`, and `.h5` as Keras 2 wrote it.

Keras has its kernels transposed, its gates i, f, c, o and z, r, h, and one bias, which becomes Gluon's i2h bias; a GRU
with reset_after has two. Keras 3 writes `…/lstm/cell/vars/0` (kernel), `1` (recurrent kernel) and `2` (bias), with both
directions below `forward_layer` and `backward_layer`, and the cells of a stack in `cell/cells`. Keras 2 and all HDF5
files of whole models have `…/lstm/lstm_cell/kernel`, `recurrent_kernel` and `bias`, with `forward_…` and `backward_…`
on the way.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.base import KerasLayer
from rnnviz.cells.interpreters.arrays import reordered_rows
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats import keras_config, model_file
from rnnviz.io.model_formats.keras_config import Configured
from rnnviz.io.model_formats.keras_file import KerasFile, StoredArray, Tree, config_beside, read_array, read_tree
from rnnviz.io.model_formats.model_file import Arrays, Entry, ModelFile, StoredLayer, TensorFile, UnreadableError

_CELL_NAME = re.compile(r"(?P<kind>.*_cell)(?:_(?P<number>\d{1,9}))?")
_KERAS_CELL = re.compile(r"(lstm|gru|simple_rnn)_cell(_\d+)?")
_STACK_NAME = re.compile(r"stacked_rnn_cells(_\d+)?")
_FAMILIES = {1: model_file.RNN_CELLS} | {
    gates: tuple(name for name, cell in CELLS.items() if cell.keras and cell.gate_count == gates) for gates in (3, 4)
}
"""The cells of Keras by the number of their gates."""
_PLAIN_CALL = (
    "the file says nothing of initial_state, go_backwards, merge_mode and masks: Keras' defaults are taken, and no "
    "time step is skipped"
)
_CALLED = (
    "a class of your own calls it: the file says nothing of its initial state, masks, and what becomes of its outputs"
)
_EXCHANGED = (
    "its first direction reads the sequence from its end: give the input in reverse order, which reverses the outputs"
)
_BACKWARDS = (
    "its outputs are at the time steps that they belong to: Keras returns those of go_backwards in reverse order"
)


@dataclass(frozen=True)
class StoredCell:
    """The arrays of one cell: (I, G·H), (H, G·H), and (G·H,) or (2, G·H); `problem` is why it is not a plain cell.

    `place` are the groups that lead to it; `numbered` is whether its arrays have numbers in place of names.
    """

    place: tuple[str, ...]
    numbered: bool
    kernel: StoredArray
    recurrent_kernel: StoredArray
    bias: StoredArray | None
    problem: str = ""

    @property
    def arrays(self) -> tuple[StoredArray, ...]:
        there = (self.kernel, self.recurrent_kernel, self.bias)
        return tuple(array for array in there if array is not None)


Sides = tuple[tuple[StoredCell, ...], ...]
"""A layer's cells from the bottom, in each direction, forward first."""


@dataclass(frozen=True)
class Cells:
    """All cells in the place of a layer, and those that it computes with, if they are all there, or a problem."""

    within: tuple[StoredCell, ...] = ()
    sides: Sides = ()
    problem: str = ""


Names = Mapping[tuple[str, ...], str]
"""The names of groups by their place."""


def stored_cells(tree: Tree) -> tuple[list[StoredCell], Names]:
    """All cells of a file in the order of its paths."""
    names = {_place(path.split("/")[:-1]): name for path, name in tree.names.items() if path.endswith("/vars")}
    members: dict[str, set[str]] = {}
    for path in tree.arrays:
        group, _, name = path.rpartition("/")
        while name not in members.setdefault(group, set()):
            members[group].add(name)
            group, _, name = group.rpartition("/")
    return [*_by_numbers(tree, names, members), *_by_names(tree, members)], names


def cells_of(layer: Configured, cells: Sequence[StoredCell], names: Names) -> Cells:
    wanted = keras_config.sides_of(layer.item)
    if any(cell.numbered for cell in cells):
        base = _base(layer, cells, names)
        if base is None:
            other = names.get(layer.place, "")
            return Cells(problem=other and f'the weights in its place belong to a layer "{other}"')
        within = tuple(cell for cell in cells if cell.numbered and cell.place[: len(base)] == base)
        at = {cell.place: cell for cell in within}
        sides = tuple(tuple(at[base + cell.group] for cell in side if base + cell.group in at) for side in wanted)
    else:
        within = _named_cells(layer, cells)
        sides = _named_sides(wanted, within, layer.chain[-1])
    whole = [len(side) for side in sides] == [len(side) for side in wanted] and sum(map(len, sides)) == len(within)
    # The bottom one first.
    return Cells(tuple(cell for side in sides for cell in side), sides) if whole else Cells(within)


def unconfigured(
    cells: Sequence[StoredCell], names: Names, used: Sequence[StoredCell]
) -> Iterator[tuple[tuple[str, ...], str, Cells]]:
    """The place, the name and the cells of each layer that the cells other than `used` seem to be."""
    layers: dict[tuple[str, ...], list[StoredCell]] = {}
    taken = {cell.place for cell in used}
    for cell in cells:
        if cell.place not in taken:
            layers.setdefault(_layer_place(cell), []).append(cell)
    for places in _paired(layers):
        base = places[0][:-1] if len(places) == 2 else places[0]
        name = names.get(base) if layers[places[0]][0].numbered else base[-1]
        sides = tuple(tuple(sorted(layers[place], key=_number)) for place in places)
        within = tuple(cell for side in sides for cell in side)
        yield base, name or "/".join(base) or "cell", Cells(within, sides, _problem(sides))


def _by_numbers(tree: Tree, names: Names, members: Mapping[str, set[str]]) -> Iterator[StoredCell]:
    for path in tree.arrays:
        group = path.removesuffix("/0")
        place = _place(group.split("/")[:-1])
        if path == group or group.rpartition("/")[2] != "vars" or not place or f"{group}/1" not in tree.arrays:
            continue
        known = _KERAS_CELL.fullmatch(names.get(place, "")) or _KERAS_CELL.fullmatch(place[-1])
        if place[-1] != "cell" and place[-3:-1] != ("cell", "cells") and not known:
            continue
        kernel, recurrent, bias = (tree.arrays.get(f"{group}/{k}") for k in range(3))
        assert kernel is not None
        assert recurrent is not None
        others = _others(members[group.removesuffix("/vars")], "vars", "cells") or _others(members[group], *"012")
        yield StoredCell(place, True, kernel, recurrent, bias, others)


def _by_names(tree: Tree, members: Mapping[str, set[str]]) -> Iterator[StoredCell]:
    for path, recurrent in tree.arrays.items():
        *group, name = path.split("/")
        # Variables of TensorFlow end in the number of an output.
        if name not in ("recurrent_kernel", "recurrent_kernel:0") or not group or group[0] == "optimizer_weights":
            continue
        ending = name.removeprefix("recurrent_kernel")
        kernel, bias = (tree.arrays.get("/".join((*group, f"{kind}{ending}"))) for kind in ("kernel", "bias"))
        place = group[1:] if group[0] == "model_weights" else group
        if kernel is not None and place:
            others = _others(members["/".join(group)], name, f"kernel{ending}", f"bias{ending}")
            yield StoredCell(tuple(place), False, kernel, recurrent, bias, others)


def _others(members: set[str], *known: str) -> str:
    """The problem of a group with more members than the known ones and dropout's random state; empty if it has none."""
    others = sorted(name for name in members if name not in known and "seed_generator" not in name)
    if not others:
        return ""
    return f'it holds "{others[0]}" in addition to its kernels and bias, and is not a plain cell of Keras'


def _place(groups: Sequence[str]) -> tuple[str, ...]:
    return tuple("layers" if group == "_layer_checkpoint_dependencies" else group for group in groups)


def _base(layer: Configured, cells: Sequence[StoredCell], names: Names) -> tuple[str, ...] | None:
    """Where the cells of a configured layer are; names decide where the file has them."""
    name = names.get(layer.place)
    if name == layer.name or (name is None and any(cell.place[: len(layer.place)] == layer.place for cell in cells)):
        return layer.place
    called = [place for place, name in names.items() if name == layer.name and place[-1] != "cell"]
    siblings = [place for place in called if place[:-1] == layer.place[:-1]]
    return (siblings or called)[0] if len(siblings or called) == 1 else None


def _named_cells(layer: Configured, cells: Sequence[StoredCell]) -> tuple[StoredCell, ...]:
    """The cells in the group of the outermost model or layer, below the layer's own name."""
    found = [cell for cell in cells if cell.place[0] == layer.chain[0]]
    if len(layer.chain) > 1:
        found = [cell for cell in found if layer.chain[-1] in cell.place[1:]]
        # Not every model that is within another one is part of its variables' names.
        found = [cell for cell in found if set(layer.chain[1:]) <= set(cell.place[1:])] or found
    return tuple(found)


def _named_sides(wanted: Sequence[Sequence[keras_config.Cell]], cells: Sequence[StoredCell], layer: str) -> Sides:
    halves = [cells]
    if len(wanted) == 2:
        # A direction is in the groups behind the last one that is named after the layer.
        behind = [each.place[::-1].index(layer) if layer in each.place else len(each.place) for each in cells]
        ahead = [
            any(name.startswith("forward_") for name in each.place[len(each.place) - count :])
            for each, count in zip(cells, behind, strict=True)
        ]
        halves = [[cell for cell, is_ahead in zip(cells, ahead, strict=True) if is_ahead == side] for side in (1, 0)]
    sides = []
    for side, own in zip(wanted, halves, strict=True):
        found = {cell.place[-1]: cell for cell in own}
        # A layer of one cell has it under a name that is not in its config.
        sides.append(tuple(own) if len(side) == 1 else tuple(found[cell.name] for cell in side if cell.name in found))
    return tuple(sides)


def _layer_place(cell: StoredCell) -> tuple[str, ...]:
    """The groups that lead to the layer of a cell which no config describes."""
    place = cell.place
    if cell.numbered:
        alone = place[-1] == "cell" and len(place) > 1
        inner = 1 if alone else 3 if place[-3:-1] == ("cell", "cells") else 0
    elif len(place) > 2 and _STACK_NAME.fullmatch(place[-2]):
        inner = 2
    else:
        # Since TensorFlow 2 the cell has a separate group.
        inner = int(len(place) > 1 and _CELL_NAME.fullmatch(place[-1]) is not None)
    return place[: len(place) - inner]


def _paired(places: Mapping[tuple[str, ...], list[StoredCell]]) -> Iterator[list[tuple[str, ...]]]:
    """The places of one layer each: two where they are its directions."""
    siblings: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for place in sorted(places):
        siblings.setdefault(place[:-1], []).append(place)
    for parent, children in siblings.items():
        whole = ("forward_layer", "backward_layer") if places[children[0]][0].numbered else ("forward_", "backward_")
        ahead, behind = ([place for place in children if place[-1].startswith(start)] for start in whole)
        pair = [*ahead, *behind] if parent and len(ahead) == len(behind) == 1 else []
        yield from ([place] for place in children if place not in pair)
        if pair:
            yield pair


def _number(cell: StoredCell) -> int:
    match = _CELL_NAME.fullmatch(cell.place[-1])
    return int(match["number"] or 0) if match is not None else 0


def _problem(sides: Sides) -> str:
    problem = next((cell.problem for side in sides for cell in side if cell.problem), "")
    if problem:
        return problem
    stacks = [side for side in sides if len(side) > 1]
    if stacks and len(sides) == 2:
        return "each of its directions is a stack of cells, and the two are joined at the top alone"
    for side in stacks:
        if len({_CELL_NAME.sub(r"\g<kind>", cell.place[-1]) for cell in side}) > 1:
            return f"it is a stack of {len(side)} cells, whose order the file does not say"
    return ""


def configured_layer(file: KerasFile, layer: Configured, matched: Cells) -> StoredLayer:
    """A layer of the config with its weights; unsupported if no cell here computes it, or they do not fit."""
    sides = keras_config.sides_of(layer.item)
    known = keras_config.is_read(layer.item)
    both, count = (len(sides) == 2, len(sides[0]) or None) if known else (None, None)
    entry = _described(Entry("/".join(layer.chain), num_layers=count, bidirectional=both), matched.within)
    entry = replace(entry, initial_state=layer.start.kind, masking=layer.masking, assumptions=layer.assumptions)
    try:
        computed = keras_config.computed_by(layer.item)
        entry = replace(entry, cell=computed.cell, activations=computed.activations)
        if keras_config.goes_backwards(layer.item):
            # Two directions are exchanged, in the order of the weights and of the outputs.
            alone = {"reverse": True, "assumptions": (*entry.assumptions, _BACKWARDS)}
            entry = replace(entry, **({"reason": _EXCHANGED} if both else alone))
        needed = sum(map(len, sides))
        if matched.problem or [len(side) for side in matched.sides] != [len(side) for side in sides]:
            lacking = f"the file has {len(matched.within)} cells in its place, and it needs {needed}"
            raise UnreadableError(matched.problem or lacking)
        cell = computed.cell or _by_bias(_FAMILIES[3], matched.within[0])
        assumed = keras_config.settings_assumed(layer.item, str(entry.dtype), bool(layer.masking))
        entry = replace(entry, cell=cell, assumptions=(*entry.assumptions, *assumed))
        made = _layer(file, entry, matched.sides, CELLS[cell], computed.use_bias)
        return replace(made, read_state=_state(layer, entry, needed)) if entry.initial_state == "stored" else made
    except UnreadableError as error:
        return model_file.unsupported(entry, str(error))


def inferred_layer(file: KerasFile, name: str, found: Cells) -> StoredLayer:
    """A layer that no config describes, by the shapes of its weights."""
    cells = found.within
    entry = _described(Entry(name, num_layers=len(found.sides[0]), bidirectional=len(found.sides) == 2), cells)
    try:
        if found.problem:
            raise UnreadableError(found.problem)
        families = _FAMILIES[_gates(cells[0].recurrent_kernel)]
        if families != model_file.RNN_CELLS and len(families) > 1 and cells[0].bias is not None:
            families = (_by_bias(families, cells[0]),)
        layer = _layer(file, entry, found.sides, CELLS[families[0]], any(cell.bias is not None for cell in cells))
    except UnreadableError as error:
        return model_file.unsupported(entry, str(error))
    entry = replace(layer.entry, cells=families, reason=model_file.ask_for_cell(families), assumptions=(_PLAIN_CALL,))
    return replace(layer, entry=entry)


def _described(entry: Entry, cells: Sequence[StoredCell]) -> Entry:
    """The entry, completed from the arrays of its cells; the first is at the bottom."""
    if not cells:
        return entry
    kernel, recurrent = cells[0].kernel, cells[0].recurrent_kernel
    features = kernel.shape[0] if len(kernel.shape) == 2 else 0
    hidden = recurrent.shape[0] if len(recurrent.shape) == 2 else 0
    biases = any(cell.bias is not None for cell in cells)
    return replace(entry, input_size=features or None, hidden_size=hidden or None, dtype=kernel.dtype, biases=biases)


def _gates(recurrent: StoredArray) -> int:
    shape = recurrent.shape
    gates, left = divmod(shape[1], shape[0]) if len(shape) == 2 and shape[0] else (0, 0)
    if gates in _FAMILIES and not left:
        return gates
    raise UnreadableError(f"{recurrent.path} has the shape {list(shape)}: it must be H, 3H or 4H columns of H")


def _by_bias(cells: Sequence[str], stored: StoredCell) -> str:
    """The cell that has as many biases: a GRU with reset_after has two."""
    if stored.bias is None:
        raise UnreadableError("it has no bias, and nothing in the file says whether reset_after is set")
    biases = 1 if len(stored.bias.shape) == 1 else 2
    return next(cell for cell in cells if _keras(CELLS[cell]).biases == biases)


def _keras(cell: CellSpec) -> KerasLayer:
    assert cell.keras is not None, cell.name
    return cell.keras


def _layer(file: KerasFile, entry: Entry, sides: Sides, kind: CellSpec, use_bias: bool) -> StoredLayer:
    if not entry.input_size or not entry.hidden_size:
        raise UnreadableError("its kernels are not matrices")
    cells = [cell for side in sides for cell in side]
    if len({cell.recurrent_kernel.shape[:1] for cell in cells}) > 1 or len({cell.kernel.dtype for cell in cells}) > 1:
        raise UnreadableError("its cells have several numbers of units or types, and must have one")
    for side in sides:
        for number, cell in enumerate(side):
            _check(cell, entry.hidden_size if number else entry.input_size, entry.hidden_size, kind)
    if any(cell.bias is not None for cell in cells) != use_bias:
        raise UnreadableError(f"use_bias is {str(use_bias).lower()}, and its weights say otherwise")
    return StoredLayer(entry, lambda: _parameters(file, sides, kind))


def _check(cell: StoredCell, features: int, hidden: int, kind: CellSpec) -> None:
    gates, needed = _gates(cell.recurrent_kernel), len(kind.gates)
    if cell.problem or gates != needed:
        raise UnreadableError(cell.problem or f"its recurrent kernel has {gates} gates, and its cell {needed}")
    rows = gates * hidden
    if cell.bias is not None and cell.bias.shape == (2 * rows,) and gates > 1:
        raise UnreadableError("its bias is that of CuDNNLSTM or CuDNNGRU: load it as LSTM or GRU, and save it again")
    bias = (2, rows) if _keras(kind).biases == 2 else (rows,)
    for array, shape in zip(cell.arrays, ((features, rows), (hidden, rows), bias), strict=False):
        if array.problem:
            raise UnreadableError(array.problem)
        if (array.shape, array.dtype) != (shape, cell.kernel.dtype):
            raise UnreadableError(
                f"{array.path} has the shape {list(array.shape)} or the type {array.dtype} of another layer"
            )


def _parameters(file: KerasFile, sides: Sides, kind: CellSpec) -> Arrays:
    """One array of the file after the other, so that no more of them are in memory than are needed."""
    found: Arrays = {}
    orders = _keras(kind).gates, kind.gate_symbols
    lanes = [(f"{side}{n}", cell) for side, cells in zip("lr", sides, strict=False) for n, cell in enumerate(cells)]
    with file.weights() as (source, _size):
        for lane, cell in lanes:
            found[f"{lane}_i2h_weight"] = reordered_rows(read_array(source, cell.kernel).T, *orders)
            found[f"{lane}_h2h_weight"] = reordered_rows(read_array(source, cell.recurrent_kernel).T, *orders)
            zeros: Any = np.zeros(cell.kernel.shape[1], found[f"{lane}_i2h_weight"].dtype)
            bias = zeros if cell.bias is None else read_array(source, cell.bias)
            for kind_of_bias, own in zip(("i2h", "h2h"), bias if bias.ndim == 2 else (bias, zeros), strict=True):
                found[f"{lane}_{kind_of_bias}_bias"] = reordered_rows(own, *orders)
    return found


def _state(layer: Configured, entry: Entry, lanes: int) -> Callable[[], Arrays]:
    """The states that are numbers in the config, each of a cell: h, and c for an LSTM."""
    assert entry.cell is not None
    kinds, states = CELLS[entry.cell].state_symbols, layer.start.states
    samples = max(len(state) for state in states)
    fits = all(len(state) in (1, samples) and state.shape[1] == entry.hidden_size for state in states)
    if len(states) != lanes * len(kinds) or not fits:
        shapes = ", ".join(str(list(state.shape)) for state in states)
        raise UnreadableError(f"its initial state has arrays of the shapes {shapes}, which do not fit its cells")
    dtype = np.float64 if entry.dtype == "float64" else np.float32
    lanes_of: list[FloatArray] = [np.broadcast_to(state, (samples, state.shape[1])).astype(dtype) for state in states]
    found: Arrays = {kind: np.stack(lanes_of[k :: len(kinds)]) for k, kind in enumerate(kinds)}
    if all((array == array[:, :1]).all() for array in found.values()):
        found = {kind: array[:, :1] for kind, array in found.items()}
    return lambda: found


_SHARD = re.compile(r"(?P<model>.+)_\d{5}\.weights\.h5")


def open_model(path: Path) -> ModelFile:
    """The recurrent layers of the config with their weights, connected ones also as one network, and weights that no
    config describes."""
    with model_file.readable(path):
        file = KerasFile(path)
        with file.weights() as (weights, size):
            cells, names = stored_cells(read_tree(weights, size))
        configured = keras_config.configured_layers(file.config)
        matched = [cells_of(layer, cells, names) for layer in configured.listed]
    layers = [configured_layer(file, layer, found) for layer, found in zip(configured.listed, matched, strict=True)]
    # A stack of cells is one network already.
    below = {
        number: layer.below
        for number, layer in enumerate(configured.listed)
        if layer.below is not None and layers[number].entry.num_layers == layers[layer.below].entry.num_layers == 1
    }
    layers = list(model_file.with_stacks(layers, below).values())
    used = [cell for found in matched for cell in found.within]
    for place, name, found in unconfigured(cells, names, used):
        item = configured.within.get(name)
        if item is None:
            layers.append(inferred_layer(file, name, found))
        else:
            listed = Configured((name,), place, name, item, keras_config.Start("unknown"), assumptions=(_CALLED,))
            layers.append(configured_layer(file, listed, found))
    match = _SHARD.fullmatch(path.name)
    if match is not None and path.with_name(index := f"{match['model']}.weights.json").exists():
        # A shard may lack the bias or a direction of each.
        why = f"the file is one shard of {index}: save the weights without max_shard_size, or the model as .keras"
        layers = [model_file.unsupported(layer.entry, why) for layer in layers]
    return ModelFile(path, layers)


def open_tensors(path: Path) -> TensorFile:
    """The arrays that can be read by their paths, such as `layers/embedding/vars/0`."""
    with model_file.readable(path):
        file = KerasFile(path)
        with file.weights() as (weights, size):
            arrays = {name: array for name, array in read_tree(weights, size).arrays.items() if not array.problem}

    def read(name: str) -> FloatArray:
        with file.weights() as (weights, _size):
            return read_array(weights, arrays[name])

    return TensorFile({name: model_file.Tensor(array.shape, array.dtype) for name, array in arrays.items()}, read)


def files_beside(path: Path) -> list[str]:
    config = config_beside(path)
    return [] if config is None else [config.name]
