"""Gates in separate arrays, concatenated as in Gluon.

`mx.rnn.save_rnn_checkpoint` writes `lstm_l0_i2h_f_weight`, which is the second block of rows of `lstm_l0_i2h_weight`.
Source: `unpack_weights` in python/mxnet/rnn/rnn_cell.py of MXNet 1.9.
"""

import re
from collections.abc import Mapping

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.model_formats.tensors import Tensor, TensorFile

_GATE = re.compile(r"(?P<before>.*(?:i2h|h2h))_(?P<gate>[a-z])_(?P<kind>weight|bias)", re.DOTALL)
_ORDERS = ("ifco", "rzo")
"""The gates of an LSTM and of a GRU by MXNet's letters, as Gluon orders them."""


class JoinedGates:
    """The arrays of `file`; all gates of one weight are one array, and any others stay as they are."""

    def __init__(self, file: TensorFile) -> None:
        self._file = file
        self._parts = _parts(file.tensors)
        taken = {part for parts in self._parts.values() for part in parts}
        joined = {name: _stacked([file.tensors[part] for part in parts]) for name, parts in self._parts.items()}
        self.tensors = {name: tensor for name, tensor in file.tensors.items() if name not in taken} | joined

    def read(self, name: str) -> FloatArray:
        """The numbers of one array; as `tensors.TensorFile` says."""
        if name not in self._parts:
            return self._file.read(name)
        return np.concatenate([self._file.read(part) for part in self._parts[name]])


def _parts(tensors: Mapping[str, Tensor]) -> dict[str, tuple[str, ...]]:
    """By the name of each array to be made the names of its gates, which are all there and alike."""
    gates: dict[str, dict[str, str]] = {}
    for name in tensors:
        match = _GATE.fullmatch(name)
        if match is not None:
            gates.setdefault(f"{match['before']}_{match['kind']}", {})[match["gate"]] = name
    return {
        name: tuple(found[gate] for gate in order)
        for name, found in gates.items()
        for order in _ORDERS
        if set(found) == set(order) and name not in tensors and _alike([tensors[part] for part in found.values()])
    }


def _alike(gates: list[Tensor]) -> bool:
    return len(set(gates)) == 1 and len(gates[0].shape) > 0


def _stacked(gates: list[Tensor]) -> Tensor:
    rows, *others = gates[0].shape
    return Tensor((len(gates) * rows, *others), gates[0].dtype)
