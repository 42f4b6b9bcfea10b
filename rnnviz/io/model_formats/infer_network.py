"""A recurrent network put together from the arrays of its layers: sizes and cell come from their shapes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rnnviz.cells import CELLS, CellSpec, Sizes
from rnnviz.core.words import join_words
from rnnviz.io.model_formats.rnn_entry import (
    ASK_FOR_ACTIVATION,
    DTYPES,
    OWN_PARAMETERS,
    RNN_CELLS,
    Entry,
    Tensor,
    cells_of_arrays,
)

IN_PYTORCH = {
    "i2h_weight": "weight_ih",
    "h2h_weight": "weight_hh",
    "i2h_bias": "bias_ih",
    "h2h_bias": "bias_hh",
    "h2r_weight": "weight_hr",
}
"""PyTorch's names for the kinds of arrays that Gluon has."""
_PYTORCH = re.compile("weight_(?:ih|hh|hr)|bias_(?:ih|hh)")

Layers = dict[tuple[int, int], dict[str, str]]
"""The names in the file of one network's arrays, by (layer, direction) and then by Gluon's kind, such as i2h_weight."""


@dataclass(frozen=True)
class Found:
    """An entry, and the array in the file that each of Gluon's names is; None is a bias of zeros."""

    entry: Entry
    sources: Mapping[str, str | None]


class _UnsupportedError(Exception):
    """Why a network cannot be run."""


def assemble(name: str, layers: Layers, tensors: Mapping[str, Tensor], *, without_bias: bool) -> Found:
    """The network of `layers`; an unsupported entry if something is missing.

    `without_bias` says whether all biases may be missing.
    """
    entry = Entry(name, dtype=_dtype(layers, tensors))
    used = [tensors[source] for arrays in layers.values() for source in arrays.values()]
    unreadable = next((tensor.unreadable for tensor in used if tensor.unreadable), "")
    try:
        count, directions = _extent(layers)
        entry = replace(entry, num_layers=count, bidirectional=directions == 2)
        spec, hidden, projection = _cell_and_sizes(layers[0, 0], tensors)
        cell = spec.projection_of or spec.name
        features = _shape(layers[0, 0], "i2h_weight", 2, tensors)[1]
        entry = replace(entry, cell=cell, input_size=features, hidden_size=hidden, projection_size=projection)
        if entry.dtype not in DTYPES:
            raise _UnsupportedError(
                f"it is stored as {entry.dtype}, and must be one of {', '.join(DTYPES)}{_advice(entry.dtype)}"
            )
        if unreadable:
            raise _UnsupportedError(unreadable)
        sources = _sources(layers, tensors, spec, Sizes(features, hidden, projection), directions, without_bias)
    except _UnsupportedError as error:
        return Found(replace(entry, supported=False, reason=unreadable or str(error)), {})
    assumptions = dict.fromkeys(tensor.assumption for tensor in used if tensor.assumption)
    entry = replace(entry, biases=None not in sources.values(), assumptions=tuple(assumptions))
    if cell in RNN_CELLS:
        entry = replace(entry, cell=None, cells=RNN_CELLS, reason=ASK_FOR_ACTIVATION)
    return Found(entry, sources)


def _dtype(layers: Layers, tensors: Mapping[str, Tensor]) -> str:
    """The widest type, since the others are read into it without loss."""
    found = {tensors[source].dtype for arrays in layers.values() for source in arrays.values()}
    return max(found, key=lambda dtype: DTYPES.index(dtype) if dtype in DTYPES else len(DTYPES))


def _advice(dtype: str | None) -> str:
    """Advice on weights of a type that is not a float."""
    integers = dtype is not None and "int" in dtype
    return ": integers, such as quantized weights, must be saved as floats" if integers else ""


def _extent(layers: Layers) -> tuple[int, int]:
    """L and D."""
    count = max(layer for layer, _ in layers) + 1
    directions = max(direction for _, direction in layers) + 1
    if count * directions != len(layers):
        missing = next(
            (layer, side) for layer in range(count) for side in range(directions) if (layer, side) not in layers
        )
        side = ("forward", "backward")[missing[1]]
        raise _UnsupportedError(f"it lacks the {side} direction of layer {missing[0]}")
    if count > 1000:
        raise _UnsupportedError(f"it has {count} layers, and may have 1000")
    return count, directions


def _cell_and_sizes(arrays: Mapping[str, str], tensors: Mapping[str, Tensor]) -> tuple[CellSpec, int, int | None]:
    """The cell, H, and P of a projection, from the arrays whose shapes contain them: (G·H, H or P) and (P, H)."""
    rows, hidden = _shape(arrays, "h2h_weight", 2, tensors)
    projection = None
    if "h2r_weight" in arrays:
        projection, hidden = _shape(arrays, "h2r_weight", 2, tensors)
    gates = rows // hidden if rows % hidden == 0 else 0
    own = OWN_PARAMETERS & arrays.keys()
    fitting = cells_of_arrays(gates, own)
    if not fitting:
        columns = tensors[arrays["h2h_weight"]].shape[1]
        counts = {len(cell.recurrent_gates) for cell in CELLS.values() if own <= set(cell.own_parameters)}
        allowed = join_words([f"{count}H".removeprefix("1") for count in sorted(counts)], "or")
        raise _UnsupportedError(
            f"{arrays['h2h_weight']} has the shape ({rows}, {columns}): it must be {allowed} rows of "
            f"{'H' if projection is None else 'P'}"
        )
    return CELLS[fitting[0]], hidden, projection


def _shape(arrays: Mapping[str, str], kind: str, rank: int, tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    if kind not in arrays:
        there = ", ".join(arrays.values())
        lacking = IN_PYTORCH[kind] if _PYTORCH.search(there) else kind
        raise _UnsupportedError(f"it holds {there}, but lacks the {lacking} that belongs to it")
    shape = tensors[arrays[kind]].shape
    if len(shape) > rank == 2:
        raise _UnsupportedError(f"{arrays[kind]} is the kernel of a convolution, which no cell here has")
    if len(shape) != rank or 0 in shape:
        raise _UnsupportedError(
            f"{arrays[kind]} has the shape {shape}: it must have {rank} size{'s' * (rank > 1)} of at least 1"
        )
    return shape


def _sources(
    layers: Layers, tensors: Mapping[str, Tensor], spec: CellSpec, sizes: Sizes, directions: int, without_bias: bool
) -> dict[str, str | None]:
    biased = not without_bias or any(kind.endswith("bias") for arrays in layers.values() for kind in arrays)
    above = replace(sizes, input_size=directions * spec.state_sizes(sizes)["h"])
    sources: dict[str, str | None] = {}
    for (layer, direction), arrays in sorted(layers.items()):
        shapes = spec.parameter_shapes(above if layer else sizes)
        more = [source for kind, source in arrays.items() if kind not in shapes]
        if more:
            raise _UnsupportedError(f"it holds {more[0]}, which the first direction of layer 0 does not have")
        for kind, needed in shapes.items():
            gluon = f"{'lr'[direction]}{layer}_{kind}"
            if kind.endswith("bias") and not biased:
                sources[gluon] = None
                continue
            shape = _shape(arrays, kind, len(needed), tensors)
            if shape != needed:
                raise _UnsupportedError(
                    f"{arrays[kind]} has the shape {shape}, where the other arrays call for {needed}"
                )
            sources[gluon] = arrays[kind]
    return sources
