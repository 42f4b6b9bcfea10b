"""Embeddings: the matrix whose rows are read for the tokens of a text."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.errors import InputError
from rnnviz.core.memory_budget import available_memory, readable
from rnnviz.core.schema import display_value, listed
from rnnviz.io.model_formats.formats import format_of
from rnnviz.io.model_formats.load import room_for_file, within
from rnnviz.io.model_formats.rnn_entry import DTYPES
from rnnviz.io.model_formats.tensors import TensorFile
from rnnviz.io.readers.arrays import open_npy

_COPIES = 3
"""The copies of a matrix in memory while it is read: bytes, numbers, and widened numbers."""


@dataclass(frozen=True)
class Embedding:
    """The matrix `name` of `shape` (V, I); `read` gives it, and raises an InputError on damage."""

    name: str
    shape: tuple[int, int]
    read: Callable[[], NDArray[np.generic]]


def open_embedding(path: Path, name: str | None) -> Embedding:
    """The matrix `name` in an `.npz` or a model file, or the only array in one or in an `.npy` file.

    Raises
    ------
    InputError
        If the file cannot be read, or the array is missing, ambiguous, not a matrix of floats, or too large.
    """
    if path.suffix.lower() == ".npy":
        array = open_npy(path)
        shape = _checked(array.shape, array.dtype.name, str(path))
        return Embedding(path.name, shape, lambda: array)
    room = room_for_file(path)
    with within(path, room):
        file = format_of(path).open_tensors(path)
    chosen = _choose(file, name, path)
    tensor = file.tensors[chosen]
    shape = _checked(tensor.shape, tensor.dtype, f"{chosen} in {path}")

    def read() -> NDArray[np.generic]:
        with within(path, room + _COPIES * 8 * prod(shape)):
            return file.read(chosen)

    return Embedding(chosen, shape, read)


def _choose(file: TensorFile, name: str | None, path: Path) -> str:
    if name is None and len(file.tensors) == 1:
        return next(iter(file.tensors))
    if name is not None and name in file.tensors:
        return name
    matrices = [each for each, tensor in file.tensors.items() if len(tensor.shape) == 2 and tensor.dtype in DTYPES]
    if not matrices:
        raise InputError(f"{path} contains no matrix of floats, which an embedding is.")
    if name is None:
        raise InputError(
            f"{path} holds {len(file.tensors)} arrays, and sequence.embedding must name one of them: "
            f"{listed(matrices)}."
        )
    raise InputError(
        f"{path} contains no array {display_value(name)}: sequence.embedding must be one of {listed(matrices)}."
    )


def _checked(shape: tuple[int, ...], dtype: str, name: str) -> tuple[int, int]:
    if len(shape) != 2 or 0 in shape:
        raise InputError(
            f"{name} has the shape {shape}: an embedding must have the shape (V, I), a row for each token."
        )
    if dtype not in DTYPES:
        raise InputError(f"{name} holds values of the type {dtype}: an embedding must be one of {', '.join(DTYPES)}.")
    needed, there_is = _COPIES * 8 * prod(shape), available_memory()
    if there_is is not None and needed > there_is:
        raise InputError(
            f"{name} of the shape {shape} takes {readable(needed)} to read, but there are {readable(there_is)}."
        )
    return shape[0], shape[1]
