"""Recurrent networks by the names in PyTorch's state_dicts: `weight_ih_l0_reverse` of a layer, `weight_ih` of a cell.

PyTorch orders gates as Gluon does, and has the same two biases.
"""

import re
from collections.abc import Mapping

from rnnviz.files.models.assembly import Found, Layers, assemble
from rnnviz.files.models.tensors import Tensor

_NAME = re.compile(
    r"(?P<prefix>(?:.*\.)?)(?P<kind>weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)"
    r"(?:_l(?P<layer>\d{1,6})(?P<reverse>_reverse)?)?",
    re.DOTALL,
)
_KINDS = {
    "weight_ih": "i2h_weight",
    "weight_hh": "h2h_weight",
    "bias_ih": "i2h_bias",
    "bias_hh": "h2h_bias",
    "weight_hr": "projection",
}


def find(tensors: Mapping[str, Tensor]) -> list[Found]:
    """Every recurrent network among `tensors`, in their order."""
    networks: dict[tuple[str, bool], Layers] = {}
    for source in tensors:
        match = _NAME.fullmatch(source)
        if match is not None:
            parts = match.groupdict()
            place = int(parts["layer"] or 0), int(parts["reverse"] is not None)
            layers = networks.setdefault((parts["prefix"], parts["layer"] is None), {})
            layers.setdefault(place, {})[_KINDS[parts["kind"]]] = source
    return [
        assemble(prefix.rstrip("."), layers, tensors, without_bias=True) for (prefix, _), layers in networks.items()
    ]
