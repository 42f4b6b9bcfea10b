"""Recurrent networks by the names that Gluon and MXNet give to their arrays.

A fused layer's arrays are `l0_i2h_weight` under the prefix of its block, or `_unfused.0.l_cell.i2h_weight` as
`save_parameters` of MXNet 1.9 writes them; those of a cell are `i2h_weight` alone. Cells that have numbers may be those
of a SequentialRNNCell or of any other list, and an LSTMCell may have any activation: the names do not say.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from rnnviz.cells import CELLS
from rnnviz.io.model_formats.infer_network import Found, Layers, assemble
from rnnviz.io.model_formats.rnn_entry import OWN_PARAMETERS, Entry, Tensor, ask_for_cell, cells_of_arrays

_KIND = rf"(?P<kind>[ih]2h_(?:weight|bias)|{'|'.join(sorted(OWN_PARAMETERS))})"
_FUSED = re.compile(rf"(?P<prefix>(?:.*[._:])?)(?P<side>[lr])(?P<layer>\d{{1,6}})_{_KIND}", re.DOTALL)
_STACKED = re.compile(rf"(?P<prefix>(?:.*\.)?)(?P<layer>\d{{1,6}})\.(?:(?P<side>[lr])_cell\.)?{_KIND}", re.DOTALL)
_CELL = re.compile(rf"(?P<prefix>(?:.*?[._:])??)(?:(?P<side>[lr])_cell\.)?{_KIND}", re.DOTALL)
_CHECKPOINT = re.compile(r"arg:|aux:")
_UNFUSED = "_unfused."
_LAYER = re.compile(r"(?:.*[._:])?(?:lstm|gru|rnn)\d+_|(?:.*\.)?", re.DOTALL)
"""The prefixes that fused layers have unless the user gives them others."""
_NAMED_AS_FUSED = "its arrays have the names of a fused layer, and it is run as one: cells with such names may differ"
_NUMBERED = "the file does not say whether the cells in its list read each other's outputs: each is a network here"
_DIRECTIONS = "l_cell and r_cell are taken for the directions of a BidirectionalCell, which concatenates their outputs"
_CALLED = "the file does not say how the cell is called: the sequence is read from its beginning"
_REVERSED = "r_cell reads the sequence from its end: give it in reverse order, in which the outputs come as well"
_WRAPPED = "the cell around it may change its outputs: the file does not say whether it is a ResidualCell or another"


def find(tensors: Mapping[str, Tensor]) -> list[Found]:
    """Every recurrent network among `tensors`, in their order."""
    networks: dict[tuple[str, str], Layers] = {}
    found: list[Found] = []
    for source, tensor in tensors.items():
        bare = _CHECKPOINT.sub("", source, count=1) if _CHECKPOINT.match(source) else source
        for form, pattern in (("fused", _FUSED), ("stacked", _STACKED), ("cell", _CELL)):
            match = pattern.fullmatch(bare)
            if match is not None:
                parts = match.groupdict()
                place = int(parts.get("layer") or 0), int(parts["side"] == "r")
                networks.setdefault((form, parts["prefix"]), {}).setdefault(place, {})[parts["kind"]] = source
                break
        if tensor.unreadable and bare.endswith("_parameters"):
            # A vector of all weights of a layer, which `mxnet_params` could not split.
            entry = Entry(_name(bare), dtype=tensor.dtype, supported=False, reason=tensor.unreadable)
            found.append(Found(entry, {}))
    for (form, prefix), layers in networks.items():
        if form == "cell":
            found.append(_cell(_name(prefix), layers, tensors))
        elif form == "stacked" and not prefix.endswith(_UNFUSED):
            found += _list(prefix, layers, tensors)
        else:
            found += _fused(form, prefix, layers, tensors)
    return found


def _name(prefix: str) -> str:
    return prefix.rstrip("._:")


def _fused(form: str, prefix: str, layers: Layers, tensors: Mapping[str, Tensor]) -> list[Found]:
    """A fused layer, or cells that the user has named like its layers, where they cannot be one network."""
    layer = _admitting(assemble(_name(prefix.removesuffix(_UNFUSED)), layers, tensors, without_bias=False))
    if form == "stacked":
        return [layer]
    if not layer.entry.supported:
        cells = _list(f"{prefix}l", layers, tensors)
        kinds = {(cell.entry.cell, cell.entry.cells, cell.entry.hidden_size) for cell in cells}
        if len(kinds) > 1 and all(cell.entry.supported for cell in cells):
            return cells
    return [_assuming(layer, () if _LAYER.fullmatch(prefix) else (_NAMED_AS_FUSED,))]


def _list(prefix: str, layers: Layers, tensors: Mapping[str, Tensor]) -> list[Found]:
    """Cells that have numbers, each by itself."""
    numbers = sorted({layer for layer, _ in layers})
    listed = (_NUMBERED,) if len(numbers) > 1 else ()
    alone: list[Layers] = [
        {(0, side): arrays for (layer, side), arrays in layers.items() if layer == number} for number in numbers
    ]
    return [_cell(f"{prefix}{n}", one, tensors, listed) for n, one in zip(numbers, alone, strict=True)]


def _cell(name: str, layers: Layers, tensors: Mapping[str, Tensor], assumptions: tuple[str, ...] = ()) -> Found:
    """A cell, or both of a BidirectionalCell; those of GRUCell and LSTMPCell alone have one set of activations."""
    found = _admitting(assemble(name, layers, tensors, without_bias=False))
    parts = name.split(".")
    assumptions = (*assumptions, _REVERSED if "r_cell" in parts else _CALLED)
    if parts[-1] == "base_cell":
        assumptions = (*assumptions, _WRAPPED)
    if found.entry.bidirectional:
        assumptions = (*assumptions, _DIRECTIONS)
    if found.entry.supported and found.entry.cell == "lstm" and found.entry.projection_size is None:
        cells = ("lstm",)
        found = replace(found, entry=replace(found.entry, cell=None, cells=cells, reason=ask_for_cell(cells)))
    return _assuming(found, assumptions)


def _admitting(found: Found) -> Found:
    """The network as its cell, and as the others that have as many rows and the same names."""
    if found.entry.cell is None or found.entry.projection_size is not None:
        return found
    cell = CELLS[found.entry.cell]
    same_rows = cells_of_arrays(len(cell.recurrent_gates), cell.own_parameters)
    return replace(found, entry=replace(found.entry, cells=same_rows)) if len(same_rows) > 1 else found


def _assuming(found: Found, assumptions: tuple[str, ...]) -> Found:
    return replace(found, entry=replace(found.entry, assumptions=assumptions)) if found.entry.supported else found
