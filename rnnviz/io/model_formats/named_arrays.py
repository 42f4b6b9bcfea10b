"""A model file that is a list of named arrays, by Gluon's or by PyTorch's names."""

from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.bounded_read import read_at
from rnnviz.io.model_formats import gluon_names, torch_names
from rnnviz.io.model_formats.infer_network import Found
from rnnviz.io.model_formats.model_file import Arrays, ModelFile, StoredLayer
from rnnviz.io.model_formats.rnn_entry import RNN_CELLS, Entry, Tensor, TensorFile, stored_dtype, widened
from rnnviz.io.model_formats.torch_names import combined_weights


def named_arrays(path: Path, file: TensorFile, incomplete: str = "") -> ModelFile:
    """The recurrent networks among the arrays of a file; those of an entry are read when they are asked for.

    `incomplete` is why a network in the file may be a part of one, and empty where it is whole.
    """
    file = combined_weights(file)
    gluon = gluon_names.find(file.tensors)
    taken = {source for each in gluon for source in each.sources.values() if source is not None}
    found = [*gluon, *torch_names.find(file.tensors, file.texts, taken)]
    if incomplete:
        found = [Found(replace(each.entry, supported=False, reason=incomplete), {}) for each in found]
    layers = [StoredLayer(_named(each.entry), partial(_parameters, file, each)) for each in found]
    return ModelFile(path, layers, numbered="{} ({})")


def _parameters(file: TensorFile, found: Found) -> Arrays:
    arrays: Arrays = {}
    for gluon, source in found.sources.items():
        if source is not None:
            arrays[gluon] = file.read(source)
            assert arrays[gluon].shape == file.tensors[source].shape
        else:
            rows = arrays[gluon.replace("bias", "weight")].shape[0]
            arrays[gluon] = np.zeros(rows, np.float64 if found.entry.dtype == "float64" else np.float32)
    return arrays


def read_tensor(path: Path, kind: str, name: str, tensor: Tensor, offset: int) -> FloatArray:
    """The numbers of an array that begins at the byte `offset` of a file of the format `kind`."""
    stored = stored_dtype(tensor.dtype)
    content = read_at(path, offset, prod(tensor.shape) * stored.itemsize, kind, name)
    return widened(np.frombuffer(content, stored).reshape(tensor.shape), tensor.dtype)


def is_weight(name: str) -> bool:
    """Whether an array of this name belongs to a recurrent layer."""
    tensors = {name: Tensor((), "float32")}
    return bool(gluon_names.find(tensors) or torch_names.find(tensors))


def _named(entry: Entry) -> Entry:
    """The entry with a name: the only network of a file may have none."""
    cells = (entry.cell, *entry.cells)
    name = entry.name or next((cell for cell in cells if cell and cell not in RNN_CELLS), "rnn")
    return replace(entry, name=name)
