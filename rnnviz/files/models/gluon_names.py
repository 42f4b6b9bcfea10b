"""Recurrent networks by the names that Gluon and MXNet give to their arrays.

A fused layer's arrays are `l0_i2h_weight` under the prefix of its block, or `_unfused.0.l_cell.i2h_weight` as
`save_parameters` of MXNet 1.9 writes them; those of a cell are `i2h_weight` alone.
"""

import re
from collections.abc import Iterator, Mapping

from rnnviz.files.models.assembly import Found, Layers, assemble
from rnnviz.files.models.entry import Entry
from rnnviz.files.models.tensors import Tensor

_KIND = r"(?P<kind>i2h_weight|h2h_weight|i2h_bias|h2h_bias|h2r_weight)"
_FUSED = re.compile(rf"(?P<prefix>(?:.*[._:])?)(?P<side>[lr])(?P<layer>\d{{1,6}})_{_KIND}", re.DOTALL)
_STACKED = re.compile(rf"(?P<prefix>(?:.*\.)?)(?P<layer>\d{{1,6}})\.(?:(?P<side>[lr])_cell\.)?{_KIND}", re.DOTALL)
_CELL = re.compile(rf"(?P<prefix>(?:.*?[._:])??)(?:(?P<side>[lr])_cell\.)?{_KIND}", re.DOTALL)
_CHECKPOINT = re.compile(r"arg:|aux:")
_UNFUSED = "_unfused."


def find(tensors: Mapping[str, Tensor], packed: Mapping[str, str]) -> list[Found]:
    """Every recurrent network among `tensors`, in their order; `packed` says why some of these cannot be read."""
    networks: dict[tuple[str, str], Layers] = {}
    found: list[Found] = []
    for source in tensors:
        bare = _CHECKPOINT.sub("", source, count=1) if _CHECKPOINT.match(source) else source
        for form, pattern in (("fused", _FUSED), ("stacked", _STACKED), ("cell", _CELL)):
            match = pattern.fullmatch(bare)
            if match is not None:
                parts = match.groupdict()
                kind = "projection" if parts["kind"] == "h2r_weight" else parts["kind"]
                place = int(parts.get("layer") or 0), int(parts["side"] == "r")
                networks.setdefault((form, parts["prefix"]), {}).setdefault(place, {})[kind] = source
                break
        if source in packed:
            dtype = tensors[source].dtype
            found.append(Found(Entry(_name(bare), None, None, None, None, None, dtype, False, packed[source]), {}))
    for (form, prefix), layers in networks.items():
        if form == "stacked" and not prefix.endswith(_UNFUSED):
            found += _stack(prefix, layers, tensors)
        else:
            name = _name(prefix.removesuffix(_UNFUSED))
            found.append(assemble(name, layers, tensors, without_bias=False))
    return found


def _name(prefix: str) -> str:
    return prefix.rstrip("._:")


def _stack(prefix: str, layers: Layers, tensors: Mapping[str, Tensor]) -> Iterator[Found]:
    """Numbered cells: one network where each reads what the one before it writes, else each by itself."""
    together = assemble(_name(prefix), layers, tensors, without_bias=False)
    if together.entry.supported:
        yield together
        return
    for number in sorted({layer for layer, _ in layers}):
        alone: Layers = {(0, side): arrays for (layer, side), arrays in layers.items() if layer == number}
        yield assemble(f"{prefix}{number}", alone, tensors, without_bias=False)
