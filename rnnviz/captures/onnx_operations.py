"""The operations of an ONNX model's main graph with the values that they give, for inputs of any size."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper, inliner, numpy_helper

from rnnviz.captures.onnx_inputs import read_feeds
from rnnviz.core.bounded_read import limited_memory
from rnnviz.core.errors import EngineError, failed
from rnnviz.core.memory_budget import available_memory
from rnnviz.core.model_formats import ONNX
from rnnviz.engines.registry import load_engine
from rnnviz.io.model_formats.formats import reader_of
from rnnviz.io.model_formats.onnx import names_as_text, read_whole
from rnnviz.io.model_formats.onnx_graph import INPUTS, subgraphs

Values: TypeAlias = Mapping[str, NDArray[Any]]
"""Arrays by their names in the graph."""

RECURRENT = ("RNN", "GRU", "LSTM")
_FAILED = re.compile(r"while running (\w+) node\. Name:'(.*?)'")


@dataclass(frozen=True)
class Operation:
    """A node of the main graph that depends on the model's inputs; `inputs` has what its inner graphs read, too."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    backward: bool = False
    """Whether a direction of it reads from the end."""

    @property
    def recurrent(self) -> bool:
        return self.operator in RECURRENT

    def input(self, name: str) -> str:
        """The name in the graph of an input of a recurrent node; empty if it has none."""
        place = INPUTS.index(name)
        return self.inputs[place] if place < len(self.inputs) else ""

    @property
    def states(self) -> list[tuple[str, str]]:
        """The names of each initial state, empty where it is zeros, and of the final state that belongs to it."""
        initial = [self.input(name) for name in ("initial_h", "initial_c")]
        return list(zip(initial, self.outputs[1:], strict=False))


class Operations:
    """A model whose sizes are left open, and its operations in their order; `feeds` are the given inputs.

    `declared` has the sizes that the inputs declare, None where one is open, and `open_names` the names of open ones.
    `depends` has the inputs that each value depends on.
    """

    def __init__(self, path: Path, given: Mapping[str, str]) -> None:
        self.path, model = path, read_whole(path)
        if model.functions:
            with suppress(RuntimeError, ValueError):
                model = inliner.inline_local_functions(model)
        self.feeds = read_feeds(model, given, path, any_size=True)
        _take_branches(model, self.feeds, path)
        graph = model.graph
        self.declared = {value.name: _declared(value) for value in graph.input if value.name in self.feeds}
        self.open_names = {value.name: _open_names(value) for value in graph.input if value.name in self.feeds}
        self.outputs = [value.name for value in graph.output]
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self.depends = {name: frozenset((name,)) for name in self.feeds}
        self.operations: list[Operation] = []
        read: set[str] = set()
        for number, node in enumerate(graph.node):
            if node.op_type in RECURRENT:
                _name_outputs(node, number)
                read.update(node.input[4:])
            operation = _operation(node)
            sources = frozenset[str]().union(*(self.depends.get(name, frozenset()) for name in operation.inputs))
            if sources:
                self.depends.update(dict.fromkeys(operation.outputs, sources))
                self.operations.append(operation)
        made = {name for node in graph.node for name in node.output}
        names = [name for operation in self.operations for name in operation.outputs]
        self._names = list(dict.fromkeys(name for name in (*names, *self.outputs, *sorted(read & made)) if name))
        _open_sizes(graph)
        graph.output.extend(ValueInfoProto(name=name) for name in self._names if name not in self.outputs)
        self._model = model

    @cached_property
    def lengths(self) -> frozenset[str]:
        """The inputs that give the lengths of the samples."""
        read = {own.input("sequence_lens") for own in self.operations if own.recurrent}
        return frozenset[str]().union(*(self.depends.get(name, frozenset()) for name in read))

    @cached_property
    def _session(self) -> Any:
        from rnnviz.engines.onnx import open_session

        try:
            return open_session(self._model, optimized=False)
        except EngineError as error:
            raise EngineError(f"{self.path} could not be run: {str(error).rstrip('.')}.") from error

    def run(self, feeds: Values) -> Values:
        """The values of all operations, the inputs, and the states that are constants of the graph."""
        session = self._session
        try:
            found = session.run(self._names, dict(feeds))
        except Exception as error:
            raise EngineError(f"{self.path} could not be run: {failed('ONNX Runtime', error).rstrip('.')}.") from error
        values = {name: each for name, each in zip(self._names, found, strict=True) if isinstance(each, np.ndarray)}
        return {**values, **feeds}

    def constant(self, name: str) -> NDArray[Any] | None:
        """A stored array of the graph."""
        return numpy_helper.to_array(self._constants[name]) if name in self._constants else None

    def ancestors(self, names: list[str]) -> set[str]:
        """The names of values that some values are computed from, these included."""
        wanted = set(names)
        for operation in reversed(self.operations):
            if wanted.intersection(operation.outputs):
                wanted.update(operation.inputs)
        return wanted


@contextmanager
def opened(path: Path, given: Mapping[str, str]) -> Iterator[Operations]:
    """A model that ONNX Runtime can run, with its inputs; raises an InputError, or an EngineError if there is no ONNX
    Runtime."""
    load_engine("onnx")
    with limited_memory(available_memory() or 1 << 62):
        with names_as_text(path, "graph cannot be followed"):
            reader_of(ONNX, path)
            operations = Operations(path, given)
        yield operations


def failed_operation(error: EngineError) -> tuple[str, str, str]:
    """The operator and the name of the node in which a run failed, empty if ONNX Runtime does not say it, and why."""
    text = str(error.__cause__ or error).strip()
    # A node in an inner graph comes last.
    operator, name = (_FAILED.findall(text) or [("", "")])[-1]
    why = text.rpartition("Status Message: ")[2].splitlines()[0] if text else ""
    return operator, name, why.rstrip(".")


def _take_branches(model: ModelProto, feeds: Values, path: Path) -> None:
    """Replace each If of the main graph by the branch that runs, where single integers decide, as a sample rate."""
    graph = model.graph
    while True:
        deciding = {name for name, array in feeds.items() if array.size > 1 or array.dtype.kind == "f"}
        for node in graph.node:
            if deciding.intersection(_operation(node).inputs):
                deciding.update(node.output)
        place, node = next(
            ((k, own) for k, own in enumerate(graph.node) if own.op_type == "If" and own.input[0] not in deciding),
            (-1, None),
        )
        if node is None:
            return
        branches = {own.name: own.g for own in node.attribute}
        branch = branches["then_branch" if _condition(model, node.input[0], feeds, path) else "else_branch"]
        taken = [*branch.node]
        taken += [
            helper.make_node("Identity", [own.name], [name])
            for own, name in zip(branch.output, node.output, strict=True)
            if name
        ]
        rest = [*graph.node[:place], *taken, *graph.node[place + 1 :]]
        graph.initializer.extend(branch.initializer)
        del graph.node[:]
        graph.node.extend(rest)


def _condition(model: ModelProto, name: str, feeds: Values, path: Path) -> bool:
    """The value of a condition, computed by the nodes that it needs alone."""
    from rnnviz.engines.onnx import run_model

    result = "rnnviz:condition"
    needed, kept = {name}, [helper.make_node("Identity", [name], [result])]
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(_operation(node).inputs)
            kept.insert(0, node)
    inputs, stored = (
        [own for own in values if own.name in needed] for values in (model.graph.input, model.graph.initializer)
    )
    graph = helper.make_graph(kept, "condition", inputs, [ValueInfoProto(name=result)], stored)
    alone = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    given = {own: array for own, array in feeds.items() if own in needed}
    try:
        return bool(run_model(alone, given, [result], optimized=False)[result].item())
    except EngineError as error:
        raise EngineError(f"{path} could not be run: {str(error).rstrip('.')}.") from error


def _operation(node: NodeProto) -> Operation:
    inner = [graph for attribute in node.attribute for graph in subgraphs(attribute)]
    read = (*node.input, *(name for graph in inner for name in _read_in(graph)))
    backward = any(own.name == "direction" and own.s in (b"reverse", b"bidirectional") for own in node.attribute)
    name = node.name or next(filter(None, node.output), node.op_type)
    return Operation(name, node.op_type, read, tuple(node.output), backward and node.op_type in RECURRENT)


def _read_in(graph: GraphProto) -> Iterator[str]:
    for node in graph.node:
        yield from _operation(node).inputs


def _name_outputs(node: NodeProto, number: int) -> None:
    """Let a recurrent node give its output and its final states."""
    names = ("Y", "Y_h", "Y_c") if node.op_type == "LSTM" else ("Y", "Y_h")
    node.output.extend([""] * (len(names) - len(node.output)))
    for place, name in enumerate(names):
        node.output[place] = node.output[place] or f"rnnviz:{name}:{number}"


def _declared(value: ValueInfoProto) -> tuple[int | None, ...]:
    return tuple(dim.dim_value if dim.dim_value > 0 else None for dim in value.type.tensor_type.shape.dim)


def _open_names(value: ValueInfoProto) -> tuple[str, ...]:
    return tuple(str(dim.dim_param) for dim in value.type.tensor_type.shape.dim)


def _open_sizes(graph: GraphProto) -> None:
    """Remove the declared sizes of inputs, outputs and values, so that ONNX Runtime accepts others."""
    stored = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        if value.name not in stored:
            for dim in value.type.tensor_type.shape.dim:
                dim.Clear()
    for value in graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    del graph.value_info[:]
