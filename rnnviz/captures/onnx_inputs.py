"""The values of an ONNX model's inputs, read from arrays and checked against the types and shapes that it declares."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from rnnviz.captures.onnx_taps import Array
from rnnviz.core.errors import InputError
from rnnviz.core.npz import NpzFile, open_npy
from rnnviz.core.schema import display_value, listed
from rnnviz.core.words import join_words, suggest
from rnnviz.io.model_formats.onnx_graph import is_text


def read_feeds(model: ModelProto, given: Mapping[str, str], path: Path, *, any_size: bool = False) -> dict[str, Array]:
    """The values of the model's inputs, checked against the types and shapes that it declares; with `any_size` only
    against the number of axes."""
    stored = {tensor.name for tensor in model.graph.initializer}
    declared = {value.name: value for value in model.graph.input}
    needed = [name for name in declared if name not in stored]
    for name in given:
        if name not in declared:
            names = f"it must be one of {listed(needed)}" if needed else "the model has no input"
            raise InputError(f"{path} has no input {display_value(name)}: {names}.{suggest(name, needed)}")
    for name in needed:
        if name not in given:
            raise InputError(f"{path} needs the input {_described(declared[name])}: give --input {name}=FILE.")
    return {name: _fed(declared[name], given[name], path, any_size) for name in given}


def _described(value: ValueInfoProto) -> str:
    """The name, the type and the shape of an input, such as "x (float32, [T, N, 3])"."""
    kind = _numpy_type(value)
    shape = f", [{', '.join(_sizes(value))}]" if value.type.tensor_type.HasField("shape") else ""
    return f"{value.name} ({'no tensor' if kind is None else kind.name}{shape})"


def _numpy_type(value: ValueInfoProto) -> np.dtype[Any] | None:
    """The type of an input, None if it is another thing than a tensor."""
    kind = value.type.tensor_type.elem_type
    return helper.tensor_dtype_to_np_dtype(kind) if kind and kind in TensorProto.DataType.values() else None


def _sizes(value: ValueInfoProto) -> list[str]:
    """The sizes of an input, an open one by its name; exporters write -1 or 0 for one, too."""
    dims = value.type.tensor_type.shape.dim
    names = [dim.dim_param if dim.dim_param and is_text(dim.dim_param) else "?" for dim in dims]
    return [str(dim.dim_value) if dim.dim_value > 0 else name for dim, name in zip(dims, names, strict=True)]


def _fed(value: ValueInfoProto, given: str, path: Path, any_size: bool) -> Array:
    array, name = _read(given, value.name)
    kind = _numpy_type(value)
    if kind is None or kind.kind not in "biuf":
        kinds = "real numbers" if kind is None else f"{kind.name} values"
        raise InputError(f"{path}: the input {value.name} cannot be given: it holds no {kinds} that NumPy has.")
    sizes = _sizes(value)
    fits = len(sizes) == array.ndim and all(
        any_size or size == str(length) or not size.isdecimal() for size, length in zip(sizes, array.shape, strict=True)
    )
    if value.type.tensor_type.HasField("shape") and not fits:
        raise InputError(f"{name} has the shape {array.shape}, but {path} needs the input {_described(value)}.")
    with np.errstate(all="ignore"):
        cast = array.astype(kind)
        exact = np.array_equal(cast.astype(array.dtype), array, equal_nan=array.dtype.kind == "f")
    if not exact:
        raise InputError(
            f"{name} holds {array.dtype} values that are not exact in {kind.name}, the type of the input {value.name} "
            f"of {path}: save the array as {kind.name}."
        )
    return np.ascontiguousarray(cast)


def _read(given: str, name: str) -> tuple[Array, str]:
    """An array of FILE.npy, FILE.npz or FILE.npz#ARRAY, and how a sentence names it."""
    file, _, wanted = given.rpartition("#") if "#" in given and not os.path.exists(given) else (given, "", "")
    path = Path(file)
    if path.suffix.lower() == ".npz":
        archive = NpzFile(path)
        held = list(archive.headers)
        wanted = wanted or (held[0] if len(held) == 1 else name)
        if wanted not in held:
            arrays = join_words((display_value(array) for array in held), "or", 6) or "an array"
            raise InputError(f"{path} has no array {display_value(wanted)}: name one as {path}#ARRAY, {arrays}.")
        return archive.read(wanted), f"{wanted} in {path}"
    if path.suffix.lower() != ".npy" or wanted:
        raise InputError(f"{given} must be an .npy or .npz file, the latter with #ARRAY if it holds several arrays.")
    return open_npy(path), str(path)
