"""Values of an ONNX graph that follow from its constants, or are reshapes and transposes of inputs and states.

Exporters keep a layer's weights as slices, transposes and concatenations of the framework's own arrays, and make
initial states by expanding a constant to the size of a batch that only the caller of the model knows. Sizes that a
model leaves open are therefore replaced by small numbers, two different ones in turn: results that are equal for both
are valid for any. Operators are computed on numpy arrays; most only move elements about, so that they apply to arrays
of element numbers, too. Source: the operators' definitions in ONNX.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from math import prod
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np
from google.protobuf.message import Error as ProtobufError
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, SparseTensorProto, TensorProto, ValueInfoProto, helper, shape_inference

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats import onnx_graph
from rnnviz.io.model_formats.model_file import UnreadableError, widened
from rnnviz.io.model_formats.onnx_graph import Attributes, GraphScope, type_name, whole

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


def _reshape(array: Array, shape: Shape, allowzero: int = 0, **_: Any) -> Array:
    return array.reshape([array.shape[k] if size == 0 and not allowzero else size for k, size in enumerate(shape)])


def _slice(array: Array, starts: Shape, ends: Shape, axes: Shape = (), steps: Shape = (), **_: Any) -> Array:
    cut = [slice(None)] * array.ndim
    each = zip(starts, ends, axes or range(len(starts)), steps or [1] * len(starts), strict=True)
    for start, end, axis, step in each:
        # Python counts an end below -size from the end, ONNX takes it as "before the first element".
        before_first = step < 0 and end < -array.shape[axis]
        cut[axis] = slice(start, None if before_first else end, step)
    return array[tuple(cut)]


def _split(
    array: Array, outputs: int, split: Shape = (), axis: int = 0, num_outputs: int | None = None, **_: Any
) -> list[Array]:
    count, length = num_outputs or outputs, array.shape[axis]
    bounds = np.cumsum(split) if split else [min(length, -(-length // count) * (k + 1)) for k in range(count)]
    if bounds[-1] != length:
        raise ValueError
    return np.split(array, bounds[:-1], axis)


def _gather(array: Array, indices: Array, axis: int = 0, **_: Any) -> Array:
    before = (slice(None),) * range(array.ndim)[axis]
    # A view where one element is taken.
    found: Array = array[(*before, indices if indices.ndim else int(indices))]
    return found


def _tile(array: Array, repeats: Shape, **_: Any) -> Array:
    apart = [size for pair in zip(repeats, array.shape, strict=True) for size in pair]
    each = array.reshape([size for length in array.shape for size in (1, length)])
    return np.broadcast_to(each, apart).reshape([r * s for r, s in zip(repeats, array.shape, strict=True)])


def _dropout(array: Array, training_mode: Shape = (), **_: Any) -> Array:
    if any(training_mode):
        raise ValueError  # it draws at random
    return array


MOVES: Mapping[str, Callable[..., Array | list[Array]]] = {
    "Identity": lambda array, **_: array,
    "Dropout": _dropout,
    "Transpose": lambda array, perm=None, **_: np.transpose(array, perm),
    "Unsqueeze": lambda array, axes, **_: np.expand_dims(array, tuple(axes)),
    "Squeeze": lambda array, axes=None, **_: np.squeeze(array, axes and tuple(axes)),
    "Flatten": lambda array, axis=1, **_: array.reshape(prod(array.shape[:axis]), prod(array.shape[axis:])),
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
    "Expand": lambda array, shape, **_: np.broadcast_to(array, np.broadcast_shapes(array.shape, shape)),
    "Tile": _tile,
}
"""Operators that move the elements of their first input, with their attributes and other inputs by name."""
_INPUTS = {
    "Dropout": ("ratio", "training_mode"),
    "Slice": ("starts", "ends", "axes", "steps"),
    "Split": ("split",),
    "Gather": ("indices",),
    "Tile": ("repeats",),
    **dict.fromkeys(("Unsqueeze", "Squeeze"), ("axes",)),
    **dict.fromkeys(("Reshape", "Expand"), ("shape",)),
}
"""The names of inputs behind the first; earlier versions of an operator have some of them as attributes."""


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


def _dequantized(attributes: Attributes, x: Array, scale: Array, zero: Array | None = None) -> Array:
    """DequantizeLinear per tensor or per axis, computed in float32 as ONNX Runtime does."""
    if whole(attributes, "block_size") or scale.ndim > 1 or scale.dtype != np.float32:
        raise UnreadableError(f"is dequantized in blocks, or to {scale.dtype}, which is not read")
    if scale.size != 1 or scale.ndim == 1:
        axis = range(x.ndim)[whole(attributes, "axis", 1)] if scale.size != 1 else 0
        if scale.size not in (1, x.shape[axis]):
            raise ValueError
        along = [-1 if k == axis else 1 for k in range(x.ndim)]
        scale = scale.reshape(along)
        zero = None if zero is None else zero.reshape(along)
    numbers = x.astype(np.int32) - (0 if zero is None else zero.astype(np.int32))
    return numbers.astype(np.float32) * scale


Origin: TypeAlias = tuple[GraphScope, str]
"""The scope and name of an input of the model, or of an output of a recurrent node."""


_DEEPEST = 64
_LARGEST_LIST = 1 << 16
_LARGE_BYTES = 1 << 16
_LARGEST_BYTES = 1 << 33
_MOST_INDICES = 1 << 26
_OPEN_SIZES = ((3, 5, 7, 11, 13, 17, 19, 23), (5, 3, 11, 7, 17, 13, 23, 19))
"""Values for open sizes, in turn: all different within a row and between the rows."""
_LARGEST_RANK = 8


@dataclass(frozen=True)
class Value:
    """Shape and type of a value, and a function that reads its elements.

    With `origins` it gives an index for each of their elements, counted from `Values.base`. `open_size` is whether the
    value depends on a size that the model leaves open.
    """

    shape: Shape
    dtype: np.dtype[Any]
    read: Callable[[], Array]
    origins: frozenset[Origin] = frozenset()
    open_size: bool = False


class _TooDeepError(UnreadableError):
    """A value is made by too many nodes, counted from the name where the search began."""


class Values:
    """The values of one model by scope and name; shapes are known without reading any number."""

    def __init__(self, model: Path, inferred: Callable[[], Mapping[str, ValueInfoProto]], variant: int) -> None:
        self._model = model
        self._inferred = inferred
        self._sizes = _OPEN_SIZES[variant]
        self._known: dict[Origin, Value | str] = {}
        self._open: dict[object, int] = {}
        self._bases: dict[Origin, int] = {}
        self._indices = 0

    def find(self, scope: GraphScope, name: str, depth: int = 0) -> Value:
        """The value of that name, or an UnreadableError, whose text continues after the name of what it is for."""
        scope, name, source = scope.find(name)
        key = (scope, name)
        if key not in self._known:
            if depth > _DEEPEST:
                raise _TooDeepError(f"is made by more than {_DEEPEST} nodes behind each other")
            try:
                self._known[key] = self._made(scope, source, name, depth)
            except _TooDeepError:
                raise  # from another name there may be fewer
            except UnreadableError as error:
                self._known[key] = str(error)
        known = self._known[key]
        if isinstance(known, str):
            raise UnreadableError(known)
        return known

    def index(self, scope: GraphScope, name: str) -> Value:
        """The elements of a computed value by their places, so that moved elements can be traced."""
        shape, is_open = self._declared(scope, name)
        if shape is None:
            _undeclared(name)
        value = self._indexed((scope, name), shape, np.dtype(np.float32), is_open)
        self._known[scope, name] = replace(value, read=cache(value.read))
        return value

    def base(self, origin: Origin, count: int = 1) -> int:
        """The index of an origin's first element."""
        if origin not in self._bases:
            self._bases[origin] = self._indices
            self._indices += max(1, count)
        return self._bases[origin]

    def origins_of(self, indices: Array) -> list[Origin]:
        """The origins that have the elements of these indices (K,)."""
        origins = list(self._bases)
        return [origins[k] for k in np.searchsorted(list(self._bases.values()), indices, "right") - 1]

    def among(self, value: Value) -> list[Origin]:
        """The origins of which a value has elements: of a row, those of the whole that are in it."""
        if not value.origins:
            return []
        try:
            present = set(self.origins_of(np.unique(value.read())))
        except UnreadableError:
            return list(value.origins)
        return [origin for origin in self._bases if origin in present & value.origins]

    def sequence_shape(self, scope: GraphScope, node: NodeProto, depth: int = 0) -> tuple[int, int, bool]:
        """(T, N, whether one of them is open) of a recurrent node."""
        try:
            shape, is_open = self._shape_of(scope, node.input[0], depth) if node.input else ((), True)
        except UnreadableError:
            shape, is_open = (), True
        by_batch = layout_of(scope, node)
        if len(shape) != 3:
            t, n = self._size((id(node), "T")), self._size((id(node), "N"))
            if len(node.input) > 5 and node.input[5]:
                with contextlib.suppress(UnreadableError, IndexError):
                    n = self.find(scope, node.input[5], depth).shape[0 if by_batch else 1]
            return t, n, True
        return (shape[1], shape[0], is_open) if by_batch else (shape[0], shape[1], is_open)

    def _made(self, scope: GraphScope, source: object, name: str, depth: int) -> Value:
        match source:
            case TensorProto():
                return self._stored(source)
            case SparseTensorProto():
                raise UnreadableError("is a sparse tensor, which is not read")
            case str():
                return self._input(scope, source)
            case NodeProto(op_type="Constant"):
                return self._constant_node(scope.attributes_of(source))
            case NodeProto(domain="" | "ai.onnx"):
                made = self._recurrent if source.op_type in onnx_graph.RECURRENT else self._computed
                return made(scope, source, name, depth)
            case NodeProto():
                raise _not_constant(source.op_type)
        raise UnreadableError(f"is {name}, which the graph does not define")

    def _stored(self, tensor: TensorProto) -> Value:
        try:
            read = onnx_graph.stored_numbers(tensor, self._model)
        except UnreadableError as error:
            raise UnreadableError(f"cannot be read: {error}") from error
        return Value(tuple(tensor.dims), helper.tensor_dtype_to_np_dtype(tensor.data_type), read)

    def _constant_node(self, attributes: Attributes) -> Value:
        for name, attribute in attributes.items():
            if name == "value" and attribute.HasField("t"):
                return self._stored(attribute.t)
            if name in _NUMBERS:
                field, dtype = _NUMBERS[name]
                return _known(np.array(getattr(attribute, field), dtype))
        raise UnreadableError(f"is a Constant of {', '.join(attributes) or 'nothing'}, which is not read")

    def _input(self, scope: GraphScope, name: str) -> Value:
        if scope.parent is not None:
            raise UnreadableError(f"is {name}, which changes in each iteration of a graph inside the model")
        value_info = scope.value_info.get(name)
        shape, is_open = self._declared(scope, name)
        if value_info is None or shape is None:
            # Of an input without a shape nothing but the whole is known.
            return Value((), np.dtype(np.float32), partial(_undeclared, name), frozenset({(scope, name)}), True)
        stored = value_info.type.tensor_type.elem_type
        dtype = helper.tensor_dtype_to_np_dtype(stored if stored in onnx_graph.TYPES else TensorProto.FLOAT)
        return self._indexed((scope, name), shape, dtype, is_open)

    def _recurrent(self, scope: GraphScope, node: NodeProto, name: str, depth: int) -> Value:
        """An output of a recurrent node: Y (T, D, N, H), Y_h or Y_c (D, N, H); D behind N in the other layout."""
        r = self.find(scope, node.input[2] if len(node.input) > 2 else "", depth + 1)
        if len(r.shape) != 3:
            raise UnreadableError(f"is computed by {node.op_type}, whose weights do not fit")
        t, n, is_open = self.sequence_shape(scope, node, depth + 1)
        d, h = r.shape[0], r.shape[2]
        state = (n, d, h) if layout_of(scope, node) else (d, n, h)
        shape = state if name != node.output[0] else (n, t, d, h) if layout_of(scope, node) else (t, *state)
        return self._indexed((scope, name), shape, r.dtype, is_open)

    def _indexed(self, origin: Origin, shape: Shape, dtype: np.dtype[Any], is_open: bool) -> Value:
        count = prod(shape)
        base = self.base(origin, count)

        def read() -> Array:
            if count > _MOST_INDICES:
                raise UnreadableError(f"is made of {origin[1]}, which is too large to be followed")
            narrow = base + count <= np.iinfo(np.int32).max
            return np.arange(base, base + count, dtype=np.int32 if narrow else np.int64).reshape(shape)

        return Value(shape, dtype, read, frozenset({origin}), is_open)

    def _computed(self, scope: GraphScope, node: NodeProto, name: str, depth: int) -> Value:
        operator, attributes, output = node.op_type, scope.attributes_of(node), list(node.output).index(name)
        if operator == "Shape" and node.input:
            shape, is_open = self._shape_of(scope, node.input[0], depth + 1)
            part = shape[whole(attributes, "start") : whole(attributes, "end", len(shape))]
            return replace(_known(np.array(part, np.int64)), open_size=is_open)
        if operator not in (*MOVES, *ARITHMETIC, *_OTHERS) or (output and operator != "Split"):
            raise _not_constant(operator)
        parts = [self.find(scope, part, depth + 1) for part in node.input if part]
        computes = operator in (*ARITHMETIC, "DequantizeLinear", "ReduceL2")
        if computes and any(part.origins for part in parts):
            raise _not_constant(operator)
        try:
            match operator:
                case "ReduceL2":
                    made = _norm(attributes, parts)
                case "Cast":
                    made = _cast(parts[0], attributes["to"].i)
                case "Concat":
                    made = _concatenated(parts, attributes["axis"].i)
                case "ConstantOfShape" | "ConstantFill":
                    made = self._constant_of_shape(operator, attributes, parts[0])
                case _ if computes:
                    made = _arithmetic(operator, attributes, parts)
                case _:
                    # Of the inputs behind the first, one that is left out keeps its place.
                    rest = iter(parts[1:])
                    integers = [_integers(next(rest)) if part else None for part in node.input[1:]]
                    made = _moved(node, attributes, integers, parts[0], output)
        except (KeyError, IndexError, ValueError, TypeError, OverflowError) as error:
            raise UnreadableError(f"is made by {operator}, whose inputs or attributes do not fit") from error
        if prod(made.shape) * made.dtype.itemsize > _LARGEST_BYTES:
            raise UnreadableError(f"is made by {operator} and too large: its shape is {list(made.shape)}")
        return replace(made, open_size=any(part.open_size for part in parts))

    def _constant_of_shape(self, operator: str, attributes: Attributes, shape: Value) -> Value:
        value = _known(np.zeros(1, np.float32))
        if operator == "ConstantFill":  # of before opset 9, whose value is a float
            if not attributes["input_as_shape"].i or whole(attributes, "dtype", 1) != 1:
                raise ValueError
            value = _known(np.array([attributes["value"].f if "value" in attributes else 0.0], np.float32))
        elif "value" in attributes:
            value = self._stored(attributes["value"].t)
        sizes = tuple(int(size) for size in _integers(shape))
        if value.shape != (1,) or any(size < 0 for size in sizes):
            raise ValueError
        return Value(sizes, value.dtype, lambda: np.broadcast_to(value.read(), sizes))

    def _shape_of(self, scope: GraphScope, name: str, depth: int) -> tuple[Shape, bool]:
        """The shape of a value, also of one that is computed, and whether a size in it is open."""
        with contextlib.suppress(UnreadableError):
            value = self.find(scope, name, depth)
            if value.shape or not value.open_size:
                return value.shape, value.open_size
        scope, name, _ = scope.find(name)
        shape, is_open = self._declared(scope, name)
        if shape is None:
            return (self._size((scope, name)),) * _LARGEST_RANK, True
        return shape, is_open

    def _declared(self, scope: GraphScope, name: str) -> tuple[Shape | None, bool]:
        value_info = scope.value_info.get(name)
        if value_info is None and scope.main and name in scope.producers:
            value_info = self._inferred().get(name)
        if value_info is None or not value_info.type.tensor_type.HasField("shape"):
            return None, True
        dims = value_info.type.tensor_type.shape.dim
        sizes = [
            dim.dim_value if dim.HasField("dim_value") else self._size(dim.dim_param or (scope, name, k))
            for k, dim in enumerate(dims)
        ]
        if any(size < 0 for size in sizes):
            return None, True
        return tuple(sizes), not all(dim.HasField("dim_value") for dim in dims)

    def _size(self, key: object) -> int:
        """The number that replaces an open size, always the same for the same one."""
        return self._sizes[self._open.setdefault(key, len(self._open)) % len(self._sizes)]


class Constants:
    """The constants of a model in the file `path`, and values that follow from its open sizes."""

    def __init__(self, model: ModelProto, path: Path) -> None:
        inferred = cache(partial(_inferred, model))
        self.both = Values(path, inferred, 0), Values(path, inferred, 1)

    def find(self, scope: GraphScope, name: str) -> Value:
        """A constant; raises an UnreadableError as `Values.find` does, and if the caller of the model decides on it."""
        variants = [value for _, value in self.variants(scope, name)]
        first, second = variants[0], variants[-1]
        for inner, source in first.origins:
            if isinstance(inner.find(source)[2], str):
                raise UnreadableError(f"is the input {source} of the model, for which the file holds no numbers")
            raise _not_constant("a recurrent node")
        if first is second:
            return first
        if first.shape != second.shape:
            raise UnreadableError("depends on the size of the batch or the sequence")

        def read() -> Array:
            numbers = first.read()
            if not np.array_equal(numbers, second.read(), equal_nan=True):
                raise UnreadableError("a weight depends on the size of the batch or the sequence")
            return numbers

        return replace(first, read=read)

    def variants(self, scope: GraphScope, name: str) -> list[tuple[Values, Value]]:
        """A value by each choice of open sizes, by one if it does not depend on them; UnreadableError as above."""
        first, second = self.both
        value = first.find(scope, name)
        return [(first, value), *([(second, second.find(scope, name))] if value.open_size else [])]


def layout_of(scope: GraphScope, node: NodeProto) -> int:
    """The attribute layout of a recurrent node: 1 where the batch is the first axis."""
    return whole(scope.attributes_of(node), "layout")


def widened_numbers(value: Value) -> FloatArray:
    """A constant's values in float32, or in float64 if that is their type."""
    stored = value.read()
    bits = stored.view(np.uint16) if stored.dtype.name == "bfloat16" else stored
    return widened(bits, stored.dtype.name)


def _inferred(model: ModelProto) -> Mapping[str, ValueInfoProto]:
    """The shapes that follow from those that the model declares, of values in its main graph."""
    outline = ModelProto()
    outline.CopyFrom(model)
    for graph in (outline.graph, *outline.functions):
        for tensor in onnx_graph.tensors_in(graph):
            # They are no shapes, and the library would copy them several times.
            if len(tensor.raw_data) > _LARGE_BYTES:
                tensor.ClearField("raw_data")
    try:
        graph = shape_inference.infer_shapes(outline).graph
    except (shape_inference.InferenceError, ProtobufError, RuntimeError, ValueError):
        return {}
    return {value.name: value for value in graph.value_info}


_NUMBERS: Mapping[str, tuple[str, type]] = {
    "value_float": ("f", np.float32),
    "value_floats": ("floats", np.float32),
    "value_int": ("i", np.int64),
    "value_ints": ("ints", np.int64),
}
"""Attributes of a Constant by name: the field that holds the numbers, and their type."""
_OTHERS = frozenset({"Cast", "Concat", "ConstantOfShape", "ConstantFill", "DequantizeLinear", "ReduceL2"})


def _known(numbers: Array) -> Value:
    return Value(numbers.shape, numbers.dtype, partial(np.asarray, numbers))


def _not_constant(operator: str) -> UnreadableError:
    return UnreadableError(f"is computed by {operator}, not a constant")


def _undeclared(name: str) -> NoReturn:
    raise UnreadableError(f"is made of {name}, whose shape the model does not declare")


def _integers(value: Value) -> Array:
    """A short list of whole numbers, such as axes."""
    if value.origins or value.dtype.kind not in "ib" or prod(value.shape) > _LARGEST_LIST:
        raise UnreadableError("is indexed by computed numbers, or not by a short list of whole numbers")
    return value.read()


def _moved(node: NodeProto, attributes: Attributes, inputs: Sequence[Array | None], part: Value, output: int) -> Value:
    operator = node.op_type
    if part.origins and part.open_size and not part.shape:
        if operator == "Identity":
            return part
        raise UnreadableError(f"is made by {operator} of an input whose shape the model does not declare")
    given = {name: helper.get_attribute_value(attribute) for name, attribute in attributes.items()}
    for name, array in zip(_INPUTS.get(operator, ()), inputs, strict=False):
        if array is not None:
            given[name] = array if operator == "Gather" else tuple(map(int, array.reshape(-1)))
    given["outputs"] = len(node.output)

    def move(array: Array) -> Array:
        moved = MOVES[operator](array, **given)
        return moved[output] if isinstance(moved, list) else moved

    # An array of any shape that repeats one number: moving its elements needs no memory.
    shape = move(np.broadcast_to(np.zeros((), np.int8), part.shape)).shape
    return Value(shape, part.dtype, lambda: move(part.read()), part.origins)


def _arithmetic(operator: str, attributes: Attributes, parts: Sequence[Value]) -> Value:
    compute, shape = ARITHMETIC.get(operator), parts[0].shape
    dtype: np.dtype[Any] = np.dtype(np.float32)
    if compute is None:
        compute = partial(_dequantized, attributes)
        # Checks the scale and the zero point.
        compute(np.broadcast_to(np.zeros((), np.int8), shape), *(part.read() for part in parts[1:]))
    else:
        numbers = [part.dtype for part in parts if part.dtype.kind != "b"]
        if len(set(numbers)) > 1:
            raise UnreadableError(f"is made by {operator} of numbers of several types")
        dtype = np.dtype(bool) if operator == "Equal" else numbers[-1]
        shape = np.broadcast_shapes(*(part.shape for part in parts))

    def read() -> Array:
        with np.errstate(all="ignore"):  # numbers that are not finite are named where weights are checked
            return np.asarray(compute(*(part.read() for part in parts)))

    return Value(shape, dtype, read)


def _norm(attributes: Attributes, parts: Sequence[Value]) -> Value:
    """The norm along axes, as of the rows of a weight that is kept as direction and length."""
    shape = parts[0].shape
    axes = _integers(parts[1]).tolist() if len(parts) > 1 else attributes["axes"].ints
    along = tuple(range(len(shape))[axis] for axis in axes)
    keep = bool(whole(attributes, "keepdims", 1))
    kept = tuple(1 if k in along else size for k, size in enumerate(shape) if keep or k not in along)

    def read() -> Array:
        squares = np.square(parts[0].read().astype(np.float64))
        return np.asarray(np.sqrt(squares.sum(along, keepdims=keep))).astype(parts[0].dtype)

    return Value(kept, parts[0].dtype, read)


def _cast(part: Value, data_type: int) -> Value:
    dtype = helper.tensor_dtype_to_np_dtype(data_type) if data_type in onnx_graph.TYPES else None
    # Lengths are cast from one type of whole numbers to another.
    if dtype is None or (part.origins and dtype != part.dtype and (dtype.kind, part.dtype.kind) != ("i", "i")):
        raise UnreadableError(f"is cast from {part.dtype} to {type_name(data_type)}, which is not read")
    if part.origins:
        return replace(part, dtype=dtype)

    def read() -> Array:
        with np.errstate(all="ignore"):  # a number beyond the type's range is infinite, and named where it is checked
            return part.read().astype(dtype)

    return Value(part.shape, dtype, read)


def _concatenated(parts: Sequence[Value], axis: int) -> Value:
    origins = frozenset(origin for part in parts for origin in part.origins)
    if any(part.dtype != parts[0].dtype or bool(part.origins) != bool(origins) for part in parts):
        raise UnreadableError("is made by Concat of numbers of several types, or of constants and computed values")
    first = parts[0].shape
    axis = range(len(first))[axis]
    before, after = first[:axis], first[axis + 1 :]
    if any((len(s), s[:axis], s[axis + 1 :]) != (len(first), before, after) for s in (part.shape for part in parts)):
        raise ValueError
    shape = (*before, sum(part.shape[axis] for part in parts), *after)
    return Value(shape, parts[0].dtype, lambda: np.concatenate([part.read() for part in parts], axis), origins)
