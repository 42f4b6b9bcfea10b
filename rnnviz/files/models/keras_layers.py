"""A recurrent layer of a Keras file as Gluon's parameters.

Keras has its kernels transposed, its gates i, f, c, o and z, r, h, and one bias, which becomes Gluon's i2h bias. A GRU
with reset_after has two, as Gluon's has.
"""

from dataclasses import replace
from typing import Any

import h5py
import numpy as np

from rnnviz.files.models.entry import ASK_FOR_ACTIVATION, RNN_CELLS, Entry
from rnnviz.files.models.keras_archive import KerasFile
from rnnviz.files.models.keras_cells import StoredCell, StoredSides
from rnnviz.files.models.keras_config import Computed, Configured, computed_by
from rnnviz.files.models.keras_h5 import StoredArray, read_array
from rnnviz.files.models.stored_layers import (
    BACKWARD_ALONE,
    Arrays,
    StoredLayer,
    UnreadableError,
    gate_rows,
    unsupported,
)

GATE_ORDER = {1: (0,), 3: (1, 0, 2), 4: (0, 1, 2, 3)}
"""By the number of gates, which of Keras' stands at each of Gluon's places."""

_FAMILIES = {1: ("rnn", None), 3: ("gru", "gru"), 4: ("lstm", "lstm")}
_ASSUMED = "the file tells no activations, and those that Keras has by default are assumed"
_ASSUMED_MERGING = "the file tells no activations and no merge_mode, and those that Keras has by default are assumed"


def configured_layer(file: KerasFile, layer: Configured, stored: StoredSides | None) -> StoredLayer:
    """A layer of the config with its weights; unsupported if Gluon does not have it or the weights do not fit."""
    name, both = "/".join(layer.chain), layer.kind == "Bidirectional"
    entry = _described(Entry(name, None, None, None, 1, both, None), stored)
    try:
        computed = computed_by(layer)
        entry = replace(entry, cell=computed.cell, reason=BACKWARD_ALONE if computed.backward else "")
        if stored is None:
            raise UnreadableError("its weights are not where Keras would have put them")
        if stored.name is not None and stored.name != layer.chain[-1]:
            raise UnreadableError(f"the weights in its place are those of a layer {stored.name}")
        if len(stored.sides) != 1 + both:
            raise UnreadableError(f"it must have the weights of {1 + both} directions, and has {len(stored.sides)}")
        return _layer(file, entry, stored, computed)
    except UnreadableError as error:
        return unsupported(entry, str(error))


def inferred_layer(file: KerasFile, stored: StoredSides) -> StoredLayer:
    """A layer that no config tells of, by the shapes of its weights."""
    both = len(stored.sides) == 2
    name = stored.name or "/".join(stored.place) or "cell"
    entry = _described(Entry(name, None, None, None, 1, both, None), stored)
    bias = stored.sides[0].bias
    try:
        gates = _gates(stored.sides[0].recurrent_kernel)
        family, cell = _FAMILIES[gates]
        entry = replace(entry, cell=cell)
        if family == "gru" and bias is None:
            raise UnreadableError("without a bias or a config the file does not tell whether reset_after is set")
        layer = _layer(file, entry, stored, Computed(cell or "rnn", bias is not None))
    except UnreadableError as error:
        return unsupported(entry, str(error))
    assumed = ASK_FOR_ACTIVATION if cell is None else _ASSUMED_MERGING if both else _ASSUMED
    return replace(layer, entry=replace(layer.entry, cell=cell, cells=() if cell else RNN_CELLS, reason=assumed))


def _described(entry: Entry, stored: StoredSides | None) -> Entry:
    """The entry with what the shapes tell of it."""
    if stored is None:
        return entry
    kernel, recurrent = stored.sides[0].kernel, stored.sides[0].recurrent_kernel
    features = kernel.shape[0] if len(kernel.shape) == 2 else 0
    hidden = recurrent.shape[0] if len(recurrent.shape) == 2 else 0
    return replace(entry, input_size=features or None, hidden_size=hidden or None, dtype=kernel.dtype)


def _gates(recurrent: StoredArray) -> int:
    shape = recurrent.shape
    if len(shape) == 2 and shape[0] and shape[1] % shape[0] == 0 and shape[1] // shape[0] in GATE_ORDER:
        return shape[1] // shape[0]
    raise UnreadableError(f"{recurrent.path} has the shape {list(shape)}: it must be H, 3H or 4H columns of H")


def _layer(file: KerasFile, entry: Entry, stored: StoredSides, computed: Computed) -> StoredLayer:
    gates = _gates(stored.sides[0].recurrent_kernel)
    needed = {"lstm": 4, "gru": 3}.get(computed.cell, 1)
    if gates != needed:
        raise UnreadableError(f"its recurrent kernel has {gates} gates, and a layer of its kind {needed}")
    if not entry.input_size or not entry.hidden_size:
        raise UnreadableError("its kernels are no matrices")
    for cell in stored.sides:
        _check(cell, entry.input_size, entry.hidden_size, gates, computed)
    return StoredLayer(entry, lambda: _parameters(file, stored.sides, gates))


def _check(cell: StoredCell, features: int, hidden: int, gates: int, computed: Computed) -> None:
    if (cell.bias is not None) != computed.use_bias:
        raise UnreadableError(f"use_bias is {str(computed.use_bias).lower()}, and its weights tell otherwise")
    rows = gates * hidden
    if cell.bias is not None and computed.cell == "gru" and cell.bias.shape == (rows,) and not computed.reset_after:
        raise UnreadableError(
            "its one bias is that of reset_after = false, which applies the reset gate before the product, and "
            "Gluon's GRU after it"
        )
    if cell.bias is None and computed.cell == "gru" and computed.reset_after is None:
        raise UnreadableError("its config does not tell whether reset_after is set")
    bias = (2, rows) if computed.cell == "gru" else (rows,)
    for array, shape in zip(cell.arrays, ((features, rows), (hidden, rows), bias), strict=False):
        if array.problem:
            raise UnreadableError(array.problem)
        if array.shape != shape:
            raise UnreadableError(f"{array.path} has the shape {list(array.shape)}, and the layer needs {list(shape)}")
        if array.dtype != cell.kernel.dtype:
            raise UnreadableError(f"{array.path} holds {array.dtype}, and the kernel {cell.kernel.dtype}")


def _parameters(file: KerasFile, sides: tuple[StoredCell, ...], gates: int) -> Arrays:
    """One array of the file after the other, so that no more of them are in memory than are needed."""
    found: Arrays = {}
    order = GATE_ORDER[gates]
    with file.weights() as (source, _size):
        for side, cell in zip("lr", sides, strict=False):
            found[f"{side}0_i2h_weight"] = gate_rows(_read(source, cell.kernel).T, order)
            found[f"{side}0_h2h_weight"] = gate_rows(_read(source, cell.recurrent_kernel).T, order)
            zeros: Any = np.zeros(cell.kernel.shape[1], found[f"{side}0_i2h_weight"].dtype)
            bias = zeros if cell.bias is None else _read(source, cell.bias)
            i2h, h2h = bias if bias.ndim == 2 else (bias, zeros)
            found[f"{side}0_i2h_bias"], found[f"{side}0_h2h_bias"] = gate_rows(i2h, order), gate_rows(h2h, order)
    return found


def _read(source: h5py.File, stored: StoredArray) -> Any:
    array = read_array(source, stored)
    if array.shape != stored.shape:
        raise UnreadableError(f"{stored.path} has changed since the file was opened")
    return array
