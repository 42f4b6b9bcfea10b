"""Operators of ONNX that exporters put between a framework's own arrays and the inputs of a recurrent node.

Each is computed on numpy arrays. Most only move elements about, so that they apply to arrays of element numbers, too.
Source: the operators' definitions in ONNX.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.io.model_formats.model_file import UnreadableError
from rnnviz.io.model_formats.onnx_graph import Attributes

Array: TypeAlias = NDArray[Any]
Integers: TypeAlias = Sequence[Array | None]
"""The inputs of an operator behind its first one, such as axes; None where one is left out."""
Shape: TypeAlias = tuple[int, ...]
Move: TypeAlias = Callable[[Array], Sequence[Array]]
"""From the first input of an operator to its outputs."""


def _identity(_attributes: Attributes, _integers: Integers, _outputs: int) -> Move:
    return lambda array: [array]


def _transpose(attributes: Attributes, _integers: Integers, _outputs: int) -> Move:
    axes = list(attributes["perm"].ints) if "perm" in attributes else None
    return lambda array: [np.transpose(array, axes)]


def _unsqueeze(attributes: Attributes, integers: Integers, _outputs: int) -> Move:
    axes = _required(_integers("axes", attributes, integers, 0))
    return lambda array: [np.expand_dims(array, tuple(axes))]


def _squeeze(attributes: Attributes, integers: Integers, _outputs: int) -> Move:
    axes = _integers("axes", attributes, integers, 0)
    return lambda array: [np.squeeze(array, None if axes is None else tuple(axes))]


def _flatten(attributes: Attributes, _integers: Integers, _outputs: int) -> Move:
    axis = attributes["axis"].i if "axis" in attributes else 1
    return lambda array: [array.reshape(prod(array.shape[:axis]), prod(array.shape[axis:]))]


def _reshape(attributes: Attributes, integers: Integers, _outputs: int) -> Move:
    shape = _required(_integers("shape", attributes, integers, 0))
    copies = not ("allowzero" in attributes and attributes["allowzero"].i)

    def move(array: Array) -> list[Array]:
        return [array.reshape([array.shape[k] if size == 0 and copies else size for k, size in enumerate(shape)])]

    return move


def _slice(attributes: Attributes, integers: Integers, _outputs: int) -> Move:
    starts, ends, axes, steps = (
        _integers(name, attributes, integers, place) for place, name in enumerate(("starts", "ends", "axes", "steps"))
    )
    starts, ends = _required(starts), _required(ends)
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps

    def move(array: Array) -> list[Array]:
        cut = [slice(None)] * array.ndim
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            # Python counts an end below -size from the end, ONNX takes it as "before the first element".
            before_first = step < 0 and end < -array.shape[axis]
            cut[axis] = slice(start, None if before_first else end, step)
        return [array[tuple(cut)]]

    return move


def _split(attributes: Attributes, integers: Integers, outputs: int) -> Move:
    axis = attributes["axis"].i if "axis" in attributes else 0
    sizes = _integers("split", attributes, integers, 0)
    count = attributes["num_outputs"].i if "num_outputs" in attributes else outputs

    def move(array: Array) -> list[Array]:
        length = array.shape[axis]
        each = -(-length // count)
        bounds = np.cumsum(sizes) if sizes is not None else [min(length, each * (k + 1)) for k in range(count)]
        if bounds[-1] != length:
            raise ValueError
        return np.split(array, bounds[:-1], axis)

    return move


def _gather(attributes: Attributes, integers: Integers, _outputs: int) -> Move:
    axis = attributes["axis"].i if "axis" in attributes else 0
    indices = integers[0]
    if indices is None:
        raise ValueError

    def move(array: Array) -> list[Array]:
        before = (slice(None),) * range(array.ndim)[axis]
        # A view where one element is taken.
        return [array[(*before, indices if indices.ndim else int(indices))]]

    return move


def _expand(_attributes: Attributes, integers: Integers, _outputs: int) -> Move:
    shape = _required(_integers("shape", {}, integers, 0))
    return lambda array: [np.broadcast_to(array, np.broadcast_shapes(array.shape, tuple(shape)))]


def _tile(_attributes: Attributes, integers: Integers, _outputs: int) -> Move:
    repeats = _required(_integers("repeats", {}, integers, 0))

    def move(array: Array) -> list[Array]:
        apart = [size for pair in zip(repeats, array.shape, strict=True) for size in pair]
        each = array.reshape([size for length in array.shape for size in (1, length)])
        return [np.broadcast_to(each, apart).reshape([r * s for r, s in zip(repeats, array.shape, strict=True)])]

    return move


def _dropout(_attributes: Attributes, integers: Integers, _outputs: int) -> Move:
    if len(integers) > 1 and integers[1] is not None and integers[1].any():
        raise ValueError  # in training mode it draws at random
    return lambda array: [array]


MOVES: Mapping[str, Callable[[Attributes, Integers, int], Move]] = {
    "Identity": _identity,
    "Dropout": _dropout,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
    "Expand": _expand,
    "Tile": _tile,
}
"""Operators that move the elements of their first input, by their attributes, other inputs and number of outputs."""


def _divide(a: Array, b: Array) -> Array:
    # Whole numbers are divided toward zero.
    return np.trunc(a / b).astype(a.dtype) if a.dtype.kind == "i" else a / b


ARITHMETIC: Mapping[str, Callable[..., Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
    "Neg": np.negative,
    "Sqrt": np.sqrt,
    "Equal": np.equal,
    "Where": np.where,
}
"""Operators that compute each element from those at its place, in the type of the numbers."""


def dequantized(attributes: Attributes, x: Array, scale: Array, zero: Array | None) -> Array:
    """DequantizeLinear per tensor or per axis, computed in float32 as ONNX Runtime does.

    Raises
    ------
    UnreadableError
        If it dequantizes to another type, or in blocks of which each has its own scale.
    ValueError
        If the inputs do not fit each other.
    """
    if ("block_size" in attributes and attributes["block_size"].i) or scale.ndim > 1:
        raise UnreadableError("is dequantized with one scale for each block of numbers, which is not read")
    if scale.dtype != np.float32:
        raise UnreadableError(f"is dequantized to {scale.dtype}, which is not read")
    if scale.size != 1 or scale.ndim == 1:
        axis = range(x.ndim)[attributes["axis"].i if "axis" in attributes else 1] if scale.size != 1 else 0
        if scale.size not in (1, x.shape[axis]):
            raise ValueError
        along = [-1 if k == axis else 1 for k in range(x.ndim)]
        scale = scale.reshape(along)
        zero = None if zero is None else zero.reshape(along)
    whole = x.astype(np.int32) - (0 if zero is None else zero.astype(np.int32))
    return whole.astype(np.float32) * scale


def joined(shapes: Sequence[Shape], axis: int) -> Shape:
    """The shape of a concatenation; raises a ValueError or IndexError if there is none."""
    first, axis = shapes[0], range(len(shapes[0]))[axis]
    if any(len(s) != len(first) or (*s[:axis], *s[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]) for s in shapes):
        raise ValueError
    return (*first[:axis], sum(s[axis] for s in shapes), *first[axis + 1 :])


def _integers(name: str, attributes: Attributes, integers: Integers, place: int) -> list[int] | None:
    """A list of whole numbers that later versions of an operator have as an input and earlier ones as an attribute."""
    if place < len(integers):
        given = integers[place]
        return None if given is None else [int(value) for value in given.reshape(-1)]
    return list(attributes[name].ints) if name in attributes else None


def _required(integers: list[int] | None) -> list[int]:
    if integers is None:
        raise ValueError
    return integers
