"""Nodes of an ONNX model, including subgraphs and functions, the values of their names, and the numbers of tensors.

The numbers of large tensors are not read with the model: in the `outline` of a file a tensor has an entry in
`external_data` with their offset in the same file instead. Numbers are checked before they are read, in the model or in
a file next to it. Source: onnx.proto3 and docs/ExternalData.md of ONNX, and
https://protobuf.dev/programming-guides/encoding.
"""

import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    StringStringEntryProto,
    TensorProto,
    ValueInfoProto,
    helper,
)

from rnnviz.io.bounded_read import read_pieces
from rnnviz.io.model_formats.model_file import UnreadableError

Attributes: TypeAlias = dict[str, AttributeProto]
Source: TypeAlias = TensorProto | SparseTensorProto | NodeProto | str | None
"""The source of a name: a constant, the node that outputs it, the name of an input of the model, or None."""

RECURRENT = ("RNN", "LSTM", "GRU")
"""ONNX's own recurrent operators."""

INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
"""The inputs of a recurrent node in their order."""
_DEEPEST = 64
_MOST_NODES = 200_000
_MOST_SCOPES = 1000


@dataclass(eq=False)
class GraphScope:
    """The names that a graph, or a call of a function, knows; `main` is that of the model's own graph.

    `arguments` maps the inputs of a function to names outside, `calls` the outputs of a call to names inside. `graph`
    is the graph, and `owner` the node whose attribute it is; a function has neither.
    """

    parent: "GraphScope | None" = None
    constants: dict[str, TensorProto | SparseTensorProto] = field(default_factory=dict)
    producers: dict[str, NodeProto] = field(default_factory=dict)
    inputs: frozenset[str] = frozenset()
    arguments: Mapping[str, tuple["GraphScope", str]] = field(default_factory=dict)
    attributes: Mapping[str, AttributeProto] = field(default_factory=dict)
    value_info: Mapping[str, ValueInfoProto] = field(default_factory=dict)
    calls: dict[str, tuple["GraphScope", str]] = field(default_factory=dict)
    main: bool = False
    graph: GraphProto | None = None
    owner: NodeProto | None = None

    def find(self, name: str) -> tuple["GraphScope", str, Source]:
        """The scope that defines `name`, its name there, and the source that it represents.

        Raises an UnreadableError if functions define it by itself.
        """
        scope: GraphScope | None = self
        place, wanted = self, name
        for _ in range(_MOST_SCOPES):
            if scope is None:
                return place, wanted, None
            if name in scope.constants:
                return scope, name, scope.constants[name]
            if name in scope.calls:
                scope, name = scope.calls[name]
                place, wanted = scope, name
            elif name in scope.producers:
                return scope, name, scope.producers[name]
            elif name in scope.arguments:
                scope, name = scope.arguments[name]
                place, wanted = scope, name
            elif name in scope.inputs:
                return scope, name, name
            else:
                scope = scope.parent
        raise UnreadableError(f"{wanted} is handed on by more than {_MOST_SCOPES} graphs")

    def attributes_of(self, node: NodeProto) -> Attributes:
        """A node's attributes by name; those that a function hands on are the ones of its call."""
        found: Attributes = {}
        for attribute in node.attribute:
            if not is_text(attribute.name):
                raise UnreadableError("the name of an attribute is not UTF-8 text")
            if attribute.name in found:
                raise UnreadableError(f"its attribute {attribute.name} is given twice")
            if attribute.ref_attr_name:
                given = self.attributes.get(attribute.ref_attr_name)
                if given is not None:
                    found[attribute.name] = given
            else:
                found[attribute.name] = attribute
        return found


@dataclass(frozen=True)
class PlacedNode:
    """A node and the names around it; `defined` is whether the file has a function that defines it.

    `steps` are the names of the hidden states of unrolled time steps, for each direction in the order in which they are
    computed, with the initial state first, "" if that is zeros.
    """

    node: NodeProto
    scope: GraphScope
    defined: bool = False
    steps: tuple[tuple[str, ...], ...] = ()

    @property
    def operator(self) -> tuple[str, str]:
        """(domain, name) of the operator; ONNX's own domain is empty."""
        domain = self.node.domain
        return "" if domain == "ai.onnx" else domain, self.node.op_type

    @property
    def name(self) -> str:
        """Its own name, or that of its first output."""
        name = self.node.name or next(filter(None, self.node.output), self.node.op_type)
        return name if is_text(name) else "a node whose name is not UTF-8 text"

    @property
    def key(self) -> tuple[GraphScope, str]:
        """The unique key of the node: its scope and the name of its first output."""
        return self.scope, next(filter(None, self.node.output), "")

    def input(self, name: str) -> str:
        """The name in the graph of an input of a recurrent node; empty if it has none."""
        place = INPUTS.index(name)
        return self.node.input[place] if place < len(self.node.input) else ""


def whole(attributes: Attributes, name: str, default: int = 0) -> int:
    return attributes[name].i if name in attributes else default


def subgraphs(attribute: AttributeProto) -> Iterator[GraphProto]:
    """One graph, or several of them, of If, Loop and Scan."""
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs


def is_text(name: object) -> bool:
    """Whether a name is one; protobuf hands out the bytes of one that is not UTF-8."""
    return isinstance(name, str)


def nodes(model: ModelProto) -> Iterator[PlacedNode]:
    """Every node of the model: those of a subgraph after the node that has it, those of a function at each call.

    Raises an UnreadableError if graphs and calls are nested too deep, or are too many.
    """
    functions = {(f.domain, f.name): f for f in model.functions}
    for count, placed in enumerate(_nodes(model.graph, _scope(model.graph, None), functions, 0)):
        if count > _MOST_NODES:
            raise UnreadableError(f"it holds more than {_MOST_NODES:,} nodes")
        yield placed


def recurrent_ancestors(scope: GraphScope, names: Iterable[str]) -> dict[tuple[GraphScope, str], PlacedNode]:
    """The recurrent nodes that the values of these names depend on."""
    found: dict[tuple[GraphScope, str], PlacedNode] = {}
    seen: set[tuple[GraphScope, str]] = set()
    left = [(scope, name) for name in names]
    while left:
        scope, name = left.pop()
        scope, _, source = scope.find(name)
        if not isinstance(source, NodeProto) or (scope, source.output[0]) in seen:
            continue
        seen.add((scope, source.output[0]))
        placed = PlacedNode(source, scope)
        if source.op_type in RECURRENT and placed.operator[0] == "":
            found[placed.key] = placed
        left += [(scope, given) for given in _read_by(source)]
    return found


def _read_by(node: NodeProto) -> Iterator[str]:
    """The names that a node reads, in its subgraphs, too."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for graph in subgraphs(attribute):
            for inner in graph.node:
                yield from _read_by(inner)


def _nodes(
    graph: GraphProto | FunctionProto, scope: GraphScope, functions: Mapping[tuple[str, str], FunctionProto], depth: int
) -> Iterator[PlacedNode]:
    if depth > _DEEPEST:
        raise UnreadableError(f"its graphs and functions are nested more than {_DEEPEST} deep")
    for node in graph.node:
        function = functions.get((node.domain, node.op_type))
        yield PlacedNode(node, scope, function is not None)
        if function is not None:
            inside = _call(function, node, scope)
            scope.calls |= {
                name: (inside, own) for name, own in zip(node.output, function.output, strict=False) if name
            }
            yield from _nodes(function, inside, functions, depth + 1)
            continue
        for attribute in node.attribute:
            for inner in subgraphs(attribute):
                yield from _nodes(inner, _scope(inner, scope, node), functions, depth + 1)


def _scope(graph: GraphProto, parent: GraphScope | None, owner: NodeProto | None = None) -> GraphScope:
    constants: dict[str, TensorProto | SparseTensorProto] = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {sparse.values.name: sparse for sparse in graph.sparse_initializer}
    return GraphScope(
        parent,
        constants,
        _producers(graph),
        frozenset(value.name for value in graph.input),
        attributes=parent.attributes if parent else {},
        value_info={value.name: value for value in (*graph.value_info, *graph.output, *graph.input)},
        main=parent is None,
        graph=graph,
        owner=owner,
    )


def _call(function: FunctionProto, node: NodeProto, scope: GraphScope) -> GraphScope:
    arguments = {name: (scope, given) for name, given in zip(function.input, node.input, strict=False) if given}
    defaults = {attribute.name: attribute for attribute in function.attribute_proto}
    return GraphScope(
        producers=_producers(function),
        arguments=arguments,
        attributes=defaults | scope.attributes_of(node),
        value_info={value.name: value for value in function.value_info},
    )


def _producers(graph: GraphProto | FunctionProto) -> dict[str, NodeProto]:
    return {name: node for node in graph.node for name in node.output if name}


PLACE = "in the model's own file"
"""The key of that entry; its value is the first byte and how many there are."""

_LARGE_BYTES = 1 << 16
_MOST_FIELDS = 1 << 20
_DEEPEST_MESSAGE = 100
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5

_Message: TypeAlias = Mapping[int, str]
"""The kinds of messages in the fields that may contain tensors, by field number."""

_NUMBERS = "raw_data"
_MESSAGES: Mapping[str, _Message] = {
    "ModelProto": {7: "GraphProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto"},
    "FunctionProto": {7: "NodeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {5: "TensorProto", 6: "GraphProto", 10: "TensorProto", 11: "GraphProto"},
    "TensorProto": {9: _NUMBERS},
}
TYPES: Mapping[int, str] = {
    data_type: helper.tensor_dtype_to_np_dtype(data_type).name
    for data_type in (
        *(TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE),
        *(TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16),
        *(TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL),
    )
}
"""The types that are read, by numpy's names or "bfloat16"."""


def outline(content: memoryview) -> bytes:
    """The model in `content` without the values at `PLACE`.

    Raises a ValueError if it is not a message of protobuf, or one that is not followed, and an UnreadableError if zeros
    are in place of fields.
    """
    return b"".join(_parts(content, 0, len(content), "ModelProto", 0))


def _parts(content: memoryview, begin: int, end: int, message: str, depth: int) -> Iterator[bytes | memoryview]:
    """The message from `begin` to `end`; small fields are not parsed."""
    if depth > _DEEPEST_MESSAGE:
        raise ValueError("messages are nested too deep")
    kept = place = begin
    fields = 0
    while place < end:
        start, fields = place, fields + 1
        field, place = _varint(content, place, end)
        number, wire = field >> 3, field & 7
        if number == 0:
            raise UnreadableError(
                f"byte {start:,} begins no field of a protobuf message: "
                "the file is incomplete or damaged; export or download it again"
            )
        if fields > _MOST_FIELDS:
            raise ValueError("a message has too many fields to be followed")
        inside = place
        if wire == _DELIMITED:
            length, inside = _varint(content, place, end)
            after = inside + length
        elif wire == _VARINT:
            _, after = _varint(content, place, end)
        elif wire in (_FIXED32, _FIXED64):
            after = place + (4 if wire == _FIXED32 else 8)
        else:
            raise ValueError(f"a field is of the unknown kind {wire}")
        if after > end:
            raise ValueError("a field reaches beyond its message")
        held = _MESSAGES[message].get(number) if wire == _DELIMITED and after - inside > _LARGE_BYTES else None
        if held == _NUMBERS:
            yield content[kept:start]
            entry = StringStringEntryProto(key=PLACE, value=f"{inside} {after - inside}")
            yield TensorProto(external_data=[entry]).SerializeToString()
            kept = after
        elif held is not None:
            inner = b"".join(_parts(content, inside, after, held, depth + 1))
            yield content[kept:place]
            yield _as_varint(len(inner))
            yield inner
            kept = after
        place = after
    yield content[kept:end]


def _varint(content: memoryview, place: int, end: int) -> tuple[int, int]:
    """The number at `place`, and the place after it."""
    number = shift = 0
    while place < end and shift < 64:
        byte = content[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place
    raise ValueError("a number does not end")


def _as_varint(number: int) -> bytes:
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor whose place and size were checked, and whose numbers were not read yet."""

    tensor: TensorProto
    shape: tuple[int, ...]
    file: Path | None = None
    offset: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers; bfloat16 is that of ml_dtypes."""
        return helper.tensor_dtype_to_np_dtype(self.tensor.data_type)

    def read(self) -> NDArray[Any]:
        """The numbers; raises an OSError if the file that holds them cannot be read."""
        count, dtype = prod(self.shape), self.dtype
        if self.file is not None:
            with self.file.open("rb") as file:
                file.seek(self.offset)
                data = read_pieces(file, count * dtype.itemsize)
            if len(data) != count * dtype.itemsize:
                raise UnreadableError(f"{self.file.name} ends within {self.tensor.name}")
            return np.frombuffer(data, dtype).reshape(self.shape)
        if self.tensor.HasField("raw_data"):
            return np.frombuffer(self.tensor.raw_data, dtype).reshape(self.shape)
        values = np.array(_listed(self.tensor))
        stored = np.dtype(np.uint16) if dtype.name in ("float16", "bfloat16") else dtype
        if stored == np.uint16 and values.size and not (values.min() >= 0 and values.max() < 1 << 16):
            raise UnreadableError(f"{self.tensor.name} holds values that are not {dtype}")
        return values.astype(stored).view(dtype).reshape(self.shape)


def _listed(tensor: TensorProto) -> Sequence[float]:
    """The values where they are not bytes."""
    values: Sequence[float] = getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type))
    return values


def stored_tensor(tensor: TensorProto, model: Path) -> StoredTensor:
    """Find a tensor's numbers, in the file `model` itself or within its folder.

    Raises an UnreadableError if its type is another one, its numbers are not as many as its shape says, or they are
    outside the folder.
    """
    name = tensor.name or "a constant"
    if tensor.data_type not in TYPES:
        raise UnreadableError(f"{name} holds {type_name(tensor.data_type)}, which is not read")
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape) or tensor.HasField("segment"):
        raise UnreadableError(f"{name} has the shape {list(shape)} or is one part of several, which is not read")
    found = StoredTensor(tensor, shape)
    size = prod(shape) * found.dtype.itemsize
    if tensor.data_location == TensorProto.EXTERNAL:
        return StoredTensor(tensor, shape, *_place(tensor, model.parent, size))
    left = next((entry.value for entry in tensor.external_data if entry.key == PLACE), None)
    if left is not None and not tensor.HasField("raw_data"):
        offset, held = _left_in_place(left, model)
        found = StoredTensor(tensor, shape, model, offset)
    elif tensor.HasField("raw_data"):
        held = len(tensor.raw_data)
    else:
        held = len(_listed(tensor)) * found.dtype.itemsize
    if held != size:
        raise UnreadableError(f"{name} of shape {list(shape)} needs {size:,} bytes, and the file holds {held:,}")
    return found


def type_name(data_type: int) -> str:
    """ONNX's name of a type of numbers in lower case, such as "int8"."""
    try:
        return str(TensorProto.DataType.Name(data_type)).lower()
    except ValueError:
        return f"the unknown type {data_type}"


def _left_in_place(value: str, model: Path) -> tuple[int, int]:
    """(offset, bytes) of values in the model's file that were not read with it."""
    offset, held = (_number(part, "place") or 0 for part in [*value.split(), "", ""][:2])
    size = model.stat().st_size
    if offset + held > size:
        raise UnreadableError(f"its weights end at byte {offset + held:,} of {model.name}, which has {size:,}")
    return offset, held


def _place(tensor: TensorProto, folder: Path, size: int) -> tuple[Path, int]:
    """(file, offset) of a tensor outside the model's file, of `size` bytes."""
    fields = {entry.key: entry.value for entry in tensor.external_data}
    location = fields.get("location", "")
    file = _inside(location, folder)
    offset, length = (_number(fields.get(key, default), key) for key, default in (("offset", "0"), ("length", "")))
    if length is not None and length != size:
        raise UnreadableError(
            f"{tensor.name} needs {size:,} bytes, and the model says that {length:,} are in {location}"
        )
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError(f"{location}, the file of its weights, does not exist or is not a regular file")
    if (offset or 0) + size > status.st_size:
        raise UnreadableError(
            f"{tensor.name} needs {size:,} bytes from byte {offset:,} of {location}, which has {status.st_size:,}"
        )
    return file, offset or 0


def _inside(location: str, folder: Path) -> Path:
    """The file at `location`, which must not lead out of the folder, by links neither."""
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    outside = posix.is_absolute() or windows.drive or windows.root or ".." in (*posix.parts, *windows.parts)
    if not location or "\0" in location or outside:
        raise UnreadableError(f'its weights are in "{location}", which must be a file within the folder of the model')
    try:
        file = (folder / location).resolve(strict=True)
        folder = folder.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise UnreadableError(f"{location}, which holds its weights, is not next to the model") from error
    if not file.is_relative_to(folder):
        raise UnreadableError(f'its weights are in "{location}", which leads out of the folder of the model')
    return file


def _number(text: str, key: str) -> int | None:
    if not text:
        return None
    # What a file's size has digits for.
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise UnreadableError(f'its weights are at the {key} "{text[:40]}", which is not a number of bytes')
    return int(text)
