"""Constants of an ONNX graph: initialisers, Constant nodes, and what is made of them by moving numbers about.

Exporters that leave a graph as it came keep a layer's weights as slices, transposes and concatenations of the
framework's own arrays.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, SparseTensorProto, TensorProto, helper

from rnnviz.files.models.onnx_graph import Attributes, Scope
from rnnviz.files.models.onnx_tensors import FLOATS, stored_tensor, type_name
from rnnviz.files.models.stored_layers import UnreadableError

_DEEPEST = 64
_LARGEST_LIST = 64
_LARGEST_BYTES = 1 << 33

Move: TypeAlias = Callable[[list[NDArray[Any]]], NDArray[Any]]


@dataclass(frozen=True)
class Constant:
    """Shape and type of a constant, and what reads its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]


class Constants:
    """The constants of one model by scope and name; shapes are known without reading any number."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._known: dict[tuple[int, str], tuple[Scope, Constant]] = {}

    def find(self, scope: Scope, name: str, depth: int = 0) -> Constant:
        """The constant that `name` stands for.

        Raises
        ------
        UnreadableError
            If it is no constant, or one that is not read; the sentence goes on after the name of what it is for.
        """
        key = (id(scope), name)
        if key not in self._known:
            if depth > _DEEPEST:
                raise UnreadableError(f"is made by more than {_DEEPEST} nodes behind each other")
            # The scope is kept, so that its id stays its own.
            self._known[key] = scope, self._made(*scope.find(name), name, depth)
        return self._known[key][1]

    def integers(self, scope: Scope, name: str) -> list[int]:
        """A short list of whole numbers, such as axes; raises an UnreadableError if it is none."""
        constant = self.find(scope, name)
        if constant.dtype.kind != "i" or prod(constant.shape) > _LARGEST_LIST:
            raise UnreadableError("is no short list of whole numbers")
        return [int(value) for value in constant.read().reshape(-1)]

    def _made(self, scope: Scope, source: object, name: str, depth: int) -> Constant:
        if isinstance(source, TensorProto):
            stored = stored_tensor_or_refused(source, self._model)
            return Constant(stored.shape, stored.dtype, stored.read)
        if isinstance(source, SparseTensorProto):
            raise UnreadableError("is sparse, which is not read")
        if isinstance(source, str):
            raise UnreadableError(f"is the input {source} of the graph, not a constant")
        if not isinstance(source, NodeProto):
            raise UnreadableError(f"is {name}, which the graph does not define")
        if source.op_type == "Constant":
            return self._constant_node(scope.attributes_of(source))
        if source.domain not in ("", "ai.onnx"):
            raise UnreadableError(f"is computed by {source.op_type}, not a constant")
        return self._moved(scope, source, name, depth)

    def _constant_node(self, attributes: Attributes) -> Constant:
        for name, attribute in attributes.items():
            if name == "value" and attribute.HasField("t"):
                stored = stored_tensor_or_refused(attribute.t, self._model)
                return Constant(stored.shape, stored.dtype, stored.read)
            values: Any = None
            if name in ("value_float", "value_floats"):
                values = np.array(attribute.f if name == "value_float" else attribute.floats, np.float32)
            elif name in ("value_int", "value_ints"):
                values = np.array(attribute.i if name == "value_int" else attribute.ints, np.int64)
            if values is not None:
                return Constant(values.shape, values.dtype, partial(np.asarray, values))
        raise UnreadableError(f"is a Constant of {', '.join(attributes) or 'nothing'}, which is not read")

    def _moved(self, scope: Scope, node: NodeProto, name: str, depth: int) -> Constant:
        """What one of the operators below makes of constants."""
        operator, attributes = node.op_type, scope.attributes_of(node)
        if operator not in (*_MOVES, "Cast", "Concat") or node.output[0] != name:
            quantised = " from quantised numbers" if operator == "DequantizeLinear" else ""
            raise UnreadableError(f"is computed by {operator}{quantised}, not a constant")
        arrays = node.input if operator == "Concat" else node.input[:1]
        lists = [] if operator == "Concat" else node.input[1:]
        parts = [self.find(scope, part, depth + 1) for part in arrays]
        numbers = [self.integers(scope, part) if part else None for part in lists]
        try:
            if operator == "Cast":
                return _cast(parts[0], attributes["to"].i)
            if operator == "Concat":
                axis = attributes["axis"].i
                shape = _joined([part.shape for part in parts], axis)
                move: Move = partial(np.concatenate, axis=axis)
            else:
                move = _MOVES[operator](attributes, numbers)
                # An array of any shape that stands behind one number: what moves it about needs no memory.
                shape = move([np.broadcast_to(np.zeros((), parts[0].dtype), parts[0].shape)]).shape
        except (KeyError, IndexError, ValueError, TypeError, OverflowError) as error:
            raise UnreadableError(f"is made by {operator}, whose inputs or attributes do not fit") from error
        if any(part.dtype != parts[0].dtype for part in parts):
            raise UnreadableError(f"is made by {operator} of numbers of several types")
        if prod(shape) * parts[0].dtype.itemsize > _LARGEST_BYTES:
            raise UnreadableError(f"is made by {operator} and too large: its shape is {list(shape)}")
        return Constant(shape, parts[0].dtype, lambda: move([part.read() for part in parts]))


def stored_tensor_or_refused(tensor: TensorProto, model: Path) -> Any:
    """`stored_tensor` whose reason goes on after the name of what the tensor is for."""
    try:
        return stored_tensor(tensor, model)
    except UnreadableError as error:
        raise UnreadableError(f"cannot be read: {error}") from error


def _cast(part: Constant, data_type: int) -> Constant:
    if data_type not in FLOATS or part.dtype.kind == "i":
        raise UnreadableError(f"is cast from {part.dtype} to {type_name(data_type)}, which is not read")
    dtype = helper.tensor_dtype_to_np_dtype(data_type)

    def read() -> NDArray[Any]:
        with np.errstate(over="ignore"):  # what the type does not reach is infinite, and told of as such
            return part.read().astype(dtype)

    return Constant(part.shape, dtype, read)


def _joined(shapes: Sequence[tuple[int, ...]], axis: int) -> tuple[int, ...]:
    """The shape of a concatenation; raises a ValueError or IndexError if there is none."""
    first, axis = shapes[0], range(len(shapes[0]))[axis]
    if any(len(s) != len(first) or (*s[:axis], *s[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]) for s in shapes):
        raise ValueError
    return (*first[:axis], sum(s[axis] for s in shapes), *first[axis + 1 :])


def _identity(_attributes: Attributes, _lists: Sequence[list[int] | None]) -> Move:
    return lambda arrays: arrays[0]


def _transpose(attributes: Attributes, _lists: Sequence[list[int] | None]) -> Move:
    axes = list(attributes["perm"].ints) if "perm" in attributes else None
    return lambda arrays: np.transpose(arrays[0], axes)


def _unsqueeze(attributes: Attributes, lists: Sequence[list[int] | None]) -> Move:
    axes = _listed("axes", attributes, lists, 0)
    if axes is None:
        raise ValueError
    return lambda arrays: np.expand_dims(arrays[0], tuple(axes))


def _squeeze(attributes: Attributes, lists: Sequence[list[int] | None]) -> Move:
    axes = _listed("axes", attributes, lists, 0)
    return lambda arrays: np.squeeze(arrays[0], None if axes is None else tuple(axes))


def _reshape(attributes: Attributes, lists: Sequence[list[int] | None]) -> Move:
    shape = _listed("shape", attributes, lists, 0)
    if shape is None:
        raise ValueError
    copies = not ("allowzero" in attributes and attributes["allowzero"].i)

    def move(arrays: list[NDArray[Any]]) -> NDArray[Any]:
        return arrays[0].reshape([arrays[0].shape[k] if size == 0 and copies else size for k, size in enumerate(shape)])

    return move


def _slice(attributes: Attributes, lists: Sequence[list[int] | None]) -> Move:
    starts, ends, axes, steps = (
        _listed(name, attributes, lists, place) for place, name in enumerate(("starts", "ends", "axes", "steps"))
    )
    if starts is None or ends is None:
        raise ValueError
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps

    def move(arrays: list[NDArray[Any]]) -> NDArray[Any]:
        cut = [slice(None)] * arrays[0].ndim
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            if step < 1:
                raise ValueError
            cut[axis] = slice(start, end, step)
        return arrays[0][tuple(cut)]

    return move


def _listed(name: str, attributes: Attributes, lists: Sequence[list[int] | None], place: int) -> list[int] | None:
    """A list of whole numbers that later versions of an operator have as an input and earlier ones as an attribute."""
    if place < len(lists):
        return lists[place]
    return list(attributes[name].ints) if name in attributes else None


_MOVES: Mapping[str, Callable[[Attributes, Sequence[list[int] | None]], Move]] = {
    "Identity": _identity,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Slice": _slice,
}
