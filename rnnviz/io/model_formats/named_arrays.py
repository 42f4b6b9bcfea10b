"""A model file that is a list of named arrays, by Gluon's or by PyTorch's names."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.bounded_read import read_at
from rnnviz.io.model_formats import gluon_names, torch_names
from rnnviz.io.model_formats.infer_network import Found
from rnnviz.io.model_formats.rnn_entry import RNN_CELLS, Entry, Tensor, TensorFile, stored_dtype, widened
from rnnviz.io.model_formats.torch_names import CombinedWeights


class NamedArrays:
    """The recurrent networks among the arrays of a file; those of an entry are read when they are asked for.

    `packed` says of vectors that hold all weights of a network why they cannot be cut into these, by name.
    `texts` are those that the file has of a module of PyTorch, as `torch_names.find` says. `incomplete` is why a
    network in the file may be a part of one, and empty where it is whole.
    """

    def __init__(
        self,
        file: TensorFile,
        packed: Mapping[str, str] | None = None,
        texts: Mapping[str, str] | None = None,
        incomplete: str = "",
    ) -> None:
        self._file = CombinedWeights(file)
        tensors = self._file.tensors
        gluon = gluon_names.find(tensors, packed or {})
        taken = {source for each in gluon for source in each.sources.values() if source is not None}
        found = [*gluon, *torch_names.find(tensors, texts, taken)]
        if incomplete:
            found = [Found(replace(each.entry, supported=False, reason=incomplete), {}) for each in found]
        self._found = {each.entry.name: each for each in _distinct(found)}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every recurrent network in the file."""
        return tuple(found.entry for found in self._found.values())

    def initial_state(self, name: str) -> dict[str, FloatArray]:
        """Nothing: lists of weights hold no initial states."""
        return {}

    def parameters(self, name: str) -> dict[str, FloatArray]:
        found = self._found[name]
        entry, tensors = found.entry, self._file.tensors
        arrays: dict[str, FloatArray] = {}
        for gluon, source in found.sources.items():
            if source is not None:
                arrays[gluon] = self._file.read(source)
                assert arrays[gluon].shape == tensors[source].shape
            else:
                rows = arrays[gluon.replace("bias", "weight")].shape[0]
                arrays[gluon] = np.zeros(rows, np.float64 if entry.dtype == "float64" else np.float32)
        return arrays


def read_tensor(path: Path, kind: str, name: str, tensor: Tensor, offset: int) -> FloatArray:
    """The numbers of an array that begins at the byte `offset` of a file of the format `kind`."""
    stored = stored_dtype(tensor.dtype)
    content = read_at(path, offset, prod(tensor.shape) * stored.itemsize, kind, name)
    return widened(np.frombuffer(content, stored).reshape(tensor.shape), tensor.dtype)


def is_weight(name: str) -> bool:
    """Whether an array of this name belongs to a recurrent layer."""
    tensors = {name: Tensor((), "float32")}
    return bool(gluon_names.find(tensors, {}) or torch_names.find(tensors))


def _distinct(found: Iterable[Found]) -> Iterable[Found]:
    """The same networks with unique names: the only network of a file may have none, and two may share one."""
    taken: set[str] = set()
    for each in found:
        cells = (each.entry.cell, *each.entry.cells)
        name = plain = each.entry.name or next((cell for cell in cells if cell and cell not in RNN_CELLS), "rnn")
        number = 2
        while name in taken:
            name, number = f"{plain} ({number})", number + 1
        taken.add(name)
        yield replace(each, entry=replace(each.entry, name=name))
