"""Nodes of an ONNX model, including subgraphs and functions, the values of their names, and the numbers of tensors.

Numbers are checked before they are read, in the model or in a file next to it. Source: onnx.proto3 and
docs/ExternalData.md of ONNX.
"""

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import FunctionProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper

from rnnviz.core.bounded_read import read_at
from rnnviz.io.model_formats.model_file import UnreadableError

Attributes: TypeAlias = dict[str, onnx.AttributeProto]
Source: TypeAlias = TensorProto | onnx.SparseTensorProto | NodeProto | str | None
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

    `arguments` maps the inputs of a function to names outside, `calls` the outputs of a call to names inside. `owner`
    is the node whose attribute `graph` is; a function has neither.
    """

    parent: "GraphScope | None" = None
    constants: dict[str, TensorProto | onnx.SparseTensorProto] = field(default_factory=dict)
    producers: dict[str, NodeProto] = field(default_factory=dict)
    inputs: frozenset[str] = frozenset()
    arguments: Mapping[str, tuple["GraphScope", str]] = field(default_factory=dict)
    attributes: Mapping[str, onnx.AttributeProto] = field(default_factory=dict)
    value_info: Mapping[str, onnx.ValueInfoProto] = field(default_factory=dict)
    calls: dict[str, tuple["GraphScope", str]] = field(default_factory=dict)
    main: bool = False
    graph: GraphProto | None = None
    owner: NodeProto | None = None

    def find(self, name: str) -> tuple["GraphScope", str, Source]:
        """The scope that defines `name`, its name there, and its source; UnreadableError if it defines itself."""
        scope: GraphScope | None = self
        place = self
        for _ in range(_MOST_SCOPES):
            if scope is None:
                return place, name, None
            if name in scope.constants:
                return scope, name, scope.constants[name]
            if name in scope.calls:
                place, name = scope.calls[name]
            elif name in scope.producers:
                return scope, name, scope.producers[name]
            elif name in scope.arguments:
                place, name = scope.arguments[name]
            elif name in scope.inputs:
                return scope, name, name
            else:
                scope = scope.parent
                continue
            scope = place
        raise UnreadableError(f"{name} is handed on by more than {_MOST_SCOPES} graphs")

    def attributes_of(self, node: NodeProto) -> Attributes:
        """A node's attributes by name; those that a function hands on are the ones of its call."""
        found: Attributes = {}
        for attribute in node.attribute:
            if not is_text(attribute.name):
                raise UnreadableError("the name of an attribute is not UTF-8 text")
            if attribute.name in found:
                raise UnreadableError(f"its attribute {attribute.name} is given twice")
            handed = attribute.ref_attr_name
            given = self.attributes.get(handed) if handed else attribute
            if given is not None:
                found[attribute.name] = given
        return found


@dataclass(frozen=True)
class PlacedNode:
    """A node and the names around it.

    `steps` are the names of the hidden states of unrolled time steps, for each direction in the order in which they are
    computed, with the initial state first, "" if that is zeros.
    """

    node: NodeProto
    scope: GraphScope
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


def subgraphs(attribute: onnx.AttributeProto) -> Iterator[GraphProto]:
    """One graph, or several of them, of If, Loop and Scan."""
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs


def is_text(name: object) -> bool:
    """Whether a name is one; protobuf hands out the bytes of one that is not UTF-8."""
    return isinstance(name, str)


def nodes(model: onnx.ModelProto) -> Iterator[PlacedNode]:
    """Every node of the model: of a subgraph after the node that has it, of a function at each call."""
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
        yield PlacedNode(node, scope)
        if function is not None:
            given = zip(function.input, node.input, strict=False)
            defaults = {attribute.name: attribute for attribute in function.attribute_proto}
            inside = GraphScope(
                producers=_producers(function),
                arguments={name: (scope, outer) for name, outer in given if outer},
                attributes=defaults | scope.attributes_of(node),
                value_info={value.name: value for value in function.value_info},
            )
            scope.calls |= {
                name: (inside, own) for name, own in zip(node.output, function.output, strict=False) if name
            }
            yield from _nodes(function, inside, functions, depth + 1)
            continue
        for attribute in node.attribute:
            for inner in subgraphs(attribute):
                yield from _nodes(inner, _scope(inner, scope, node), functions, depth + 1)


def _scope(graph: GraphProto, parent: GraphScope | None, owner: NodeProto | None = None) -> GraphScope:
    constants: dict[str, TensorProto | onnx.SparseTensorProto] = {tensor.name: tensor for tensor in graph.initializer}
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


def _producers(graph: GraphProto | FunctionProto) -> dict[str, NodeProto]:
    return {name: node for node in graph.node for name in node.output if name}


TYPES: Mapping[int, str] = {
    data_type: helper.tensor_dtype_to_np_dtype(data_type).name
    for data_type in (
        *(TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE),
        *(TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16),
        *(TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL),
    )
}
"""The types that are read, by numpy's names or "bfloat16"."""


def type_name(data_type: int) -> str:
    """ONNX's name of a type of numbers in lower case, such as "int8"."""
    try:
        return str(TensorProto.DataType.Name(data_type)).lower()
    except ValueError:
        return f"the unknown type {data_type}"


def tensors_in(graph: GraphProto | FunctionProto) -> Iterator[TensorProto]:
    """The tensors of a graph, of the attributes of its nodes and of their subgraphs."""
    sparse = []
    if isinstance(graph, GraphProto):
        yield from graph.initializer
        sparse += graph.sparse_initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
        for inner in subgraphs(attribute):
            yield from tensors_in(inner)
    for tensor in sparse:
        yield from (tensor.values, tensor.indices)


def stored_numbers(tensor: TensorProto, model: Path) -> Callable[[], NDArray[Any]]:
    """A function that reads a tensor's numbers, in the file `model` itself or within its folder.

    Their type, number and place are checked at once.
    """
    name, shape = tensor.name or "a constant", tuple(tensor.dims)
    if tensor.data_type not in TYPES:
        raise UnreadableError(f"{name} holds {type_name(tensor.data_type)}, which is not read")
    if any(size < 0 for size in shape) or tensor.HasField("segment"):
        raise UnreadableError(f"{name} has the shape {list(shape)} or is one part of several, which is not read")
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    size = prod(shape) * dtype.itemsize
    if tensor.data_location == TensorProto.EXTERNAL:
        file, offset = _external(tensor, model.parent, size)
        return lambda: np.frombuffer(read_at(file, offset, size, "ONNX weight", name), dtype).reshape(shape)
    if tensor.HasField("raw_data"):
        held = len(tensor.raw_data)
    else:
        held = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type))) * dtype.itemsize
    if held != size:
        raise UnreadableError(f"{name} of shape {list(shape)} needs {size:,} bytes, and the file holds {held:,}")
    return lambda: numpy_helper.to_array(tensor)


def _external(tensor: TensorProto, folder: Path, size: int) -> tuple[Path, int]:
    """(file, offset) of `size` bytes outside the model's file, but not outside its folder, by links neither."""
    fields = {entry.key: entry.value for entry in tensor.external_data}
    location = fields.get("location", "")
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    outside = posix.is_absolute() or windows.drive or windows.root or ".." in (*posix.parts, *windows.parts)
    if not location or "\0" in location or outside:
        raise UnreadableError(f'its weights are in "{location}", which must be a file within the folder of the model')
    try:
        file = (folder / location).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise UnreadableError(f"{location}, which holds its weights, is not next to the model") from error
    if not file.is_relative_to(folder.resolve()):
        raise UnreadableError(f'its weights are in "{location}", which leads out of the folder of the model')
    offset, length = fields.get("offset") or "0", fields.get("length") or str(size)
    for number in (offset, length):
        # A file's size has fewer than 20 digits.
        if not (number.isascii() and number.isdecimal() and len(number) < 20):
            raise UnreadableError(f'its weights are at "{number[:40]}", which is not a number of bytes')
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError(f"{location}, the file of its weights, does not exist or is not a regular file")
    if int(length) != size or int(offset) + size > status.st_size:
        raise UnreadableError(
            f"{tensor.name} needs {size:,} bytes, and the model says that {int(length):,} are at byte {int(offset):,} "
            f"of {location}, which has {status.st_size:,}"
        )
    return file, int(offset)
