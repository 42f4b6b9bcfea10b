"""Nodes of an ONNX model, including subgraphs and functions, and the values of their names."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    ValueInfoProto,
)

from rnnviz.io.model_formats.model_file import UnreadableError

Attributes: TypeAlias = dict[str, AttributeProto]
Source: TypeAlias = TensorProto | SparseTensorProto | NodeProto | str | None
"""The source of a name: a constant, the node that outputs it, the name of an input of the model, or None."""

RECURRENT = ("RNN", "LSTM", "GRU")
"""ONNX's own recurrent operators."""

_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
_DEEPEST = 64
_MOST_NODES = 200_000
_MOST_SCOPES = 1000


@dataclass(eq=False)
class GraphScope:
    """The names that a graph, or a call of a function, knows; `main` is that of the model's own graph.

    `arguments` are the names outside that a function's inputs stand for, `calls` those inside that the outputs of a
    call stand for.
    """

    parent: "GraphScope | None" = None
    constants: dict[str, TensorProto | SparseTensorProto] = field(default_factory=dict)
    producers: dict[str, NodeProto] = field(default_factory=dict)
    inputs: frozenset[str] = frozenset()
    arguments: Mapping[str, tuple["GraphScope", str]] = field(default_factory=dict)
    attributes: Mapping[str, AttributeProto] = field(default_factory=dict)
    config_field: Mapping[str, ValueInfoProto] = field(default_factory=dict)
    calls: dict[str, tuple["GraphScope", str]] = field(default_factory=dict)
    main: bool = False

    def find(self, name: str) -> tuple["GraphScope", str, Source]:
        """The scope that defines `name`, its name there, and the source that it represents.

        Raises
        ------
        UnreadableError
            If functions define it by itself.
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
    """A node and the names around it; `defined` is whether the file has a function that defines it."""

    node: NodeProto
    scope: GraphScope
    defined: bool = False

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
        place = _INPUTS.index(name)
        return self.node.input[place] if place < len(self.node.input) else ""


def is_text(name: object) -> bool:
    """Whether a name is one; protobuf hands out the bytes of one that is not UTF-8."""
    return isinstance(name, str)


def nodes(model: ModelProto) -> Iterator[PlacedNode]:
    """Every node of the model: those of a subgraph after the node that has it, those of a function at each call.

    Raises
    ------
    UnreadableError
        If graphs and calls are nested too deep, or are too many.
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
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
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
            # One graph, or several of them, of If, Loop and Scan.
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _nodes(inner, _scope(inner, scope), functions, depth + 1)


def _scope(graph: GraphProto, parent: GraphScope | None) -> GraphScope:
    constants: dict[str, TensorProto | SparseTensorProto] = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {sparse.values.name: sparse for sparse in graph.sparse_initializer}
    return GraphScope(
        parent,
        constants,
        _producers(graph),
        frozenset(value.name for value in graph.input),
        attributes=parent.attributes if parent else {},
        config_field={value.name: value for value in (*graph.value_info, *graph.output, *graph.input)},
        main=parent is None,
    )


def _call(function: FunctionProto, node: NodeProto, scope: GraphScope) -> GraphScope:
    arguments = {name: (scope, given) for name, given in zip(function.input, node.input, strict=False) if given}
    defaults = {attribute.name: attribute for attribute in function.attribute_proto}
    return GraphScope(
        producers=_producers(function),
        arguments=arguments,
        attributes=defaults | scope.attributes_of(node),
        config_field={value.name: value for value in function.value_info},
    )


def _producers(graph: GraphProto | FunctionProto) -> dict[str, NodeProto]:
    return {name: node for node in graph.node for name in node.output if name}
