"""A recurrent layer of a Keras file as Gluon's parameters.

Keras has its kernels transposed, its gates i, f, c, o and z, r, h, and one bias, which becomes Gluon's i2h bias. A GRU
with reset_after has two, as Gluon's has; without it, the reset gate comes before the product.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.base import KerasLayer
from rnnviz.cells.interpreters.arrays import reordered_rows
from rnnviz.io.model_formats.keras_cells import FoundLayer, Matched, Sides, StoredCell
from rnnviz.io.model_formats.keras_config import Configured, Start
from rnnviz.io.model_formats.keras_file import KerasFile, StoredArray, read_array
from rnnviz.io.model_formats.keras_settings import (
    Computed,
    Item,
    computed_by,
    goes_backwards,
    is_read,
    settings_assumed,
    sides_of,
)
from rnnviz.io.model_formats.layered_file import (
    Arrays,
    StoredLayer,
    UnreadableError,
    unsupported,
)
from rnnviz.io.model_formats.rnn_entry import RNN_CELLS, Entry, ask_for_cell

_FAMILIES = {1: RNN_CELLS} | {
    gates: tuple(name for name, cell in CELLS.items() if cell.keras and cell.gate_count == gates) for gates in (3, 4)
}
"""The cells of Keras by the number of their gates."""
_PLAIN_CALL = (
    "the file says nothing of initial_state, go_backwards and masks: the sequence is read from its beginning, and no "
    "time step is skipped"
)
_CALLED = (
    "a class of your own calls it: the file says nothing of its initial state, masks, and what becomes of its outputs"
)
_CONCATENATED = (
    "its directions are a forward and a backward one, whose outputs are concatenated: the file says nothing of "
    "merge_mode"
)

_EXCHANGED = (
    "its first direction reads the sequence from its end: give the input in reverse order, which reverses the outputs"
)
_BACKWARDS = (
    "its outputs are at the time steps that they belong to: Keras returns those of go_backwards in reverse order"
)


def configured_layer(file: KerasFile, layer: Configured, matched: Matched) -> StoredLayer:
    """A layer of the config with its weights; unsupported if no cell here computes it or the weights do not fit."""
    sides = sides_of(layer.item)
    known = is_read(layer.item)
    both, count = (len(sides) == 2, len(sides[0]) or None) if known else (None, None)
    entry = _described(Entry("/".join(layer.chain), None, None, None, count, both, None), matched.within)
    entry = replace(entry, initial_state=layer.start.kind, masking=layer.masking, assumptions=layer.assumptions)
    try:
        computed = computed_by(layer.item)
        entry = replace(entry, cell=computed.cell, activations=computed.activations)
        if goes_backwards(layer.item) and both:
            # Its directions are exchanged, in the order of the weights and of the outputs.
            entry = replace(entry, reason=_EXCHANGED)
        elif goes_backwards(layer.item):
            entry = replace(entry, reverse=True, assumptions=(*entry.assumptions, _BACKWARDS))
        if matched.problem:
            raise UnreadableError(matched.problem)
        if [len(side) for side in matched.sides] != [len(side) for side in sides]:
            needed = sum(map(len, sides))
            raise UnreadableError(f"the file has {len(matched.within)} cells in its place, and it needs {needed}")
        computed = replace(computed, cell=computed.cell or _by_bias(_FAMILIES[3], matched.within[0]))
        entry = replace(entry, cell=computed.cell)
        assumed = settings_assumed(layer.item, str(entry.dtype), bool(layer.masking))
        entry = replace(entry, assumptions=(*entry.assumptions, *assumed))
        made = _layer(file, entry, matched.sides, computed)
        if entry.initial_state == "stored":
            made = replace(made, read_state=_state(layer, entry, matched.sides))
    except UnreadableError as error:
        return unsupported(entry, str(error))
    return made


def inferred_layer(file: KerasFile, found: FoundLayer, item: Item | None = None) -> StoredLayer:
    """A layer that the config does not list, by the shapes of its weights; `item` is its other description."""
    if item is not None:
        listed = Configured((found.name,), found.place, found.name, item, Start("unknown"), assumptions=(_CALLED,))
        within = tuple(cell for side in found.sides for cell in side)
        return configured_layer(file, listed, Matched(within, found.sides, found.problem))
    both, cells = len(found.sides) == 2, [cell for side in found.sides for cell in side]
    entry = _described(Entry(found.name, None, None, None, len(found.sides[0]), both, None), cells)
    try:
        if found.problem:
            raise UnreadableError(found.problem)
        gates = _gates(cells[0].recurrent_kernel)
        biased = any(cell.bias is not None for cell in cells)
        families = _FAMILIES[gates]
        if families != RNN_CELLS and len(families) > 1 and cells[0].bias is not None:
            families = (_by_bias(families, cells[0]),)
        layer = _layer(file, entry, found.sides, Computed(families[0], biased))
    except UnreadableError as error:
        return unsupported(entry, str(error))
    assumed = (_PLAIN_CALL, *((_CONCATENATED,) if both else ()))
    entry = replace(layer.entry, cells=families, reason=ask_for_cell(families), assumptions=assumed)
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
    if len(shape) > 2:
        raise UnreadableError(f"{recurrent.path} is the kernel of a convolution, which no cell here has")
    if len(shape) == 2 and shape[0] and shape[1] % shape[0] == 0 and shape[1] // shape[0] in _FAMILIES:
        return shape[1] // shape[0]
    raise UnreadableError(f"{recurrent.path} has the shape {list(shape)}: it must be H, 3H or 4H columns of H")


def _by_bias(cells: Sequence[str], stored: StoredCell) -> str:
    """The one of some cells that has as many biases: a GRU with reset_after has two."""
    if stored.bias is None:
        raise UnreadableError("it has no bias, and nothing in the file says whether reset_after is set")
    biases = 1 if len(stored.bias.shape) == 1 else 2
    return next(cell for cell in cells if _keras(CELLS[cell]).biases == biases)


def _keras(cell: CellSpec) -> KerasLayer:
    assert cell.keras is not None, cell.name
    return cell.keras


def _layer(file: KerasFile, entry: Entry, sides: Sides, computed: Computed) -> StoredLayer:
    assert computed.cell is not None
    kind = CELLS[computed.cell]
    needed = len(kind.gates)
    if not entry.input_size or not entry.hidden_size:
        raise UnreadableError("its kernels are not matrices")
    units = {cell.recurrent_kernel.shape[0] for side in sides for cell in side if cell.recurrent_kernel.shape}
    if len(units) > 1:
        listed = " and ".join(map(str, sorted(units)))
        raise UnreadableError(f"its cells have {listed} units, and all layers and directions of a network as many")
    for side in sides:
        for number, cell in enumerate(side):
            gates = _gates(cell.recurrent_kernel)
            if gates != needed:
                raise UnreadableError(f"its recurrent kernel has {gates} gates, and a layer of its kind {needed}")
            _check(
                cell, entry.hidden_size if number else entry.input_size, entry.hidden_size, gates, _keras(kind).biases
            )
    biased = any(cell.bias is not None for side in sides for cell in side)
    if biased != computed.use_bias:
        raise UnreadableError(f"use_bias is {str(computed.use_bias).lower()}, and its weights say otherwise")
    if len({cell.kernel.dtype for side in sides for cell in side}) > 1:
        raise UnreadableError("its cells are stored in different types")
    return StoredLayer(entry, lambda: _parameters(file, sides, kind))


def _check(cell: StoredCell, features: int, hidden: int, gates: int, biases: int) -> None:
    if cell.problem:
        raise UnreadableError(cell.problem)
    rows = gates * hidden
    if cell.bias is not None and cell.bias.shape == (2 * rows,) and gates > 1:
        raise UnreadableError("its bias is that of CuDNNLSTM or CuDNNGRU: load it as LSTM or GRU, and save it again")
    bias = (2, rows) if biases == 2 else (rows,)
    for array, shape in zip(cell.arrays, ((features, rows), (hidden, rows), bias), strict=False):
        if array.problem:
            raise UnreadableError(array.problem)
        if array.shape != shape:
            raise UnreadableError(f"{array.path} has the shape {list(array.shape)}, and the layer needs {list(shape)}")
        if array.dtype != cell.kernel.dtype:
            raise UnreadableError(f"{array.path} holds {array.dtype}, and the kernel {cell.kernel.dtype}")


def _parameters(file: KerasFile, sides: Sides, kind: CellSpec) -> Arrays:
    """One array of the file after the other, so that no more of them are in memory than are needed."""
    found: Arrays = {}
    orders = _keras(kind).gates, kind.gate_symbols
    with file.weights() as (source, _size):
        for side, cells in zip("lr", sides, strict=False):
            for number, cell in enumerate(cells):
                name = f"{side}{number}"
                found[f"{name}_i2h_weight"] = reordered_rows(_read(source, cell.kernel).T, *orders)
                found[f"{name}_h2h_weight"] = reordered_rows(_read(source, cell.recurrent_kernel).T, *orders)
                zeros: Any = np.zeros(cell.kernel.shape[1], found[f"{name}_i2h_weight"].dtype)
                bias = zeros if cell.bias is None else _read(source, cell.bias)
                i2h, h2h = bias if bias.ndim == 2 else (bias, zeros)
                found[f"{name}_i2h_bias"] = reordered_rows(i2h, *orders)
                found[f"{name}_h2h_bias"] = reordered_rows(h2h, *orders)
    return found


def _state(layer: Configured, entry: Entry, sides: Sides) -> Callable[[], Arrays]:
    """The states that are numbers in the config, each of a cell: h, and c for an LSTM."""
    assert entry.cell is not None
    kinds = CELLS[entry.cell].state_symbols
    states, lanes = layer.start.states, sum(map(len, sides))
    if len(states) != lanes * len(kinds) or any(state.shape[1] != entry.hidden_size for state in states):
        shapes = ", ".join(str(list(state.shape)) for state in states)
        raise UnreadableError(f"its initial state has arrays of the shapes {shapes}, which do not fit its cells")
    samples = max(len(state) for state in states)
    if any(len(state) not in (1, samples) for state in states):
        raise UnreadableError("its initial state has arrays of different numbers of samples")
    dtype = np.float64 if entry.dtype == "float64" else np.float32

    def lane(state: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(state, (samples, state.shape[1])).astype(dtype)

    found = {kind: np.stack([lane(state) for state in states[k :: len(kinds)]]) for k, kind in enumerate(kinds)}
    if all((array == array[:, :1]).all() for array in found.values()):
        found = {kind: array[:, :1] for kind, array in found.items()}
    return lambda: found


def _read(source: h5py.File, stored: StoredArray) -> Any:
    array = read_array(source, stored)
    if array.shape != stored.shape:
        raise UnreadableError(f"{stored.path} has changed since the file was opened")
    return array
