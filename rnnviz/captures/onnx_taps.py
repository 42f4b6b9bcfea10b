"""Values of an ONNX graph that become outputs of the model, those in the graphs of Loop, Scan and If too.

A value in the body of a Loop or Scan becomes one array of all iterations, in a branch of an If an array that is empty
where the other branch runs, and a list that the loops carry if its shape changes or some iterations skip it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, ValueInfoProto, helper, numpy_helper

from rnnviz.io.model_formats.model_file import UnreadableError
from rnnviz.io.model_formats.onnx_graph import GraphScope, subgraphs

Array: TypeAlias = NDArray[Any]
Outputs: TypeAlias = dict[str, Array | list[Array]]
"""The values that a run recorded."""

IN_ARRAYS, IN_LISTS = "arrays", "lists"
PREFIX = "rnnviz:"
_LOOPS = ("Loop", "Scan")


@dataclass(frozen=True)
class Tap:
    """A recorded value: its name next to the node, and the name of the model's output.

    The output has `axes` of iterations before the axes of the value, or is a list with a value for each call.
    """

    inner: str
    outer: str
    axes: int

    def at(self, outputs: Outputs, index: tuple[int, ...]) -> Array:
        found = outputs[self.outer]
        if isinstance(found, list):
            return found[index[0]]
        return found[index[: self.axes]] if self.axes else found

    def calls(self, outputs: Outputs) -> Iterator[tuple[int, ...]]:
        """The index of each call; none where another branch ran."""
        found = outputs[self.outer]
        if isinstance(found, list):
            return ((number,) for number in range(len(found)))
        return iter(np.ndindex(found.shape[: self.axes])) if found.size else iter(())


class Taps:
    """The values of a model that become its outputs; `loops` is how those in loops do, "" if they do not."""

    def __init__(self, loops: str) -> None:
        self.reason, self.in_loops = "", False
        self.opset = 0
        self._loops = loops
        self._known: dict[tuple[GraphScope, str], Tap] = {}

    @property
    def names(self) -> list[str]:
        return [tap.outer for tap in self._known.values()]

    def in_lists(self, scope: GraphScope) -> bool:
        """Whether the values of a graph are recorded as lists, or an UnreadableError if they cannot be recorded."""
        owners = []
        while not scope.main:
            if scope.graph is None or scope.owner is None or scope.parent is None:
                raise UnreadableError("it is in a function that cannot be inlined")
            owners.append(scope.owner.op_type)
            scope = scope.parent
        loops = [place for place, owner in enumerate(owners) if owner in _LOOPS]
        if not loops:
            return False
        self.in_loops = self._loops != ""
        other = next((owner for owner in owners if owner not in (*_LOOPS, "If")), None)
        if other is not None:
            raise UnreadableError(f"it is in a graph of the operator {other}, which cannot be recorded")
        branch = "If" in owners[: loops[-1]]
        # The first opset in which a Loop, an If and an Identity may have lists is 14.
        can_list = "Scan" not in owners and self.opset >= 14
        if self._loops == IN_ARRAYS and branch and not can_list:
            raise UnreadableError("it is in a branch that not every iteration of a loop takes")
        if not self._loops or (self._loops == IN_LISTS and not can_list):
            raise UnreadableError(self.reason)
        if "Scan" in owners and self.opset < 9:
            raise UnreadableError(f"it is in a Scan of opset {self.opset}, which has other axes")
        return branch or self._loops == IN_LISTS

    def add(self, scope: GraphScope, name: str, kind: int) -> Tap:
        """Make a value with elements of ONNX's type `kind` an output."""
        home, name, _ = scope.find(name)
        # A list has as many values from every graph.
        lists = not home.main and self.in_lists(scope)
        if not lists:
            self.in_lists(home)
            scope = home
        if (scope, name) not in self._known:
            assert scope.graph is not None
            inner = f"{PREFIX}{len(self._known)}"
            # Graphs are sorted: nodes that read a value come after the one that gives it.
            place = next((k for k, node in enumerate(scope.graph.node, 1) if name in node.output), 0)
            scope.graph.node.insert(place, helper.make_node("Identity", [name], [inner]))
            outer = (_outer_list(scope, inner, kind), 0) if lists else _outer_array(scope, inner, kind)
            self._known[scope, name] = Tap(inner, *outer)
        return self._known[scope, name]


def _around(scope: GraphScope) -> Iterator[tuple[GraphProto, NodeProto]]:
    """The graph of a scope and the node that has it, and so on up to the main graph."""
    while scope.graph is not None and scope.owner is not None and scope.parent is not None:
        yield scope.graph, scope.owner
        scope = scope.parent


def _main_graph(scope: GraphScope) -> GraphProto:
    while scope.parent is not None:
        scope = scope.parent
    assert scope.graph is not None
    return scope.graph


def _fill_outputs(graph: GraphProto, owner: NodeProto) -> None:
    """Give a node an output, without a name, for each one of its graph that it leaves out."""
    # The first output of a Loop's body is its condition.
    expected = len(graph.output) - (owner.op_type == "Loop")
    owner.output.extend([""] * (expected - len(owner.output)))


def _outer_array(scope: GraphScope, name: str, kind: int) -> tuple[str, int]:
    """Hand a value out to the main graph; its name there, and the number of loops that it comes out of."""
    axes = 0
    for inside, owner in _around(scope):
        _fill_outputs(inside, owner)
        for attribute in owner.attribute:
            if attribute.name in ("scan_output_axes", "scan_output_directions"):
                attribute.ints.append(0)
            for graph in subgraphs(attribute):
                handed = name
                if graph is not inside:
                    handed = f"{name} of another branch"
                    empty = numpy_helper.from_array(np.zeros(0, helper.tensor_dtype_to_np_dtype(kind)))
                    graph.node.append(helper.make_node("Constant", [], [handed], value=empty))
                graph.output.append(ValueInfoProto(name=handed))
        name = f"{name}'"
        owner.output.append(name)
        axes += owner.op_type in _LOOPS
    _main_graph(scope).output.append(ValueInfoProto(name=name))
    return name, axes


def _outer_list(scope: GraphScope, name: str, kind: int) -> str:
    """Append a value to a list that all loops around it carry; the list's name in the main graph."""
    path, main = list(_around(scope)), _main_graph(scope)
    carried = [f"{name} list"]
    main.node.insert(0, helper.make_node("SequenceEmpty", [], carried, dtype=kind))
    for graph, owner in reversed(path):
        before = carried[-1]
        if owner.op_type == "Loop":
            owner.input.extend([""] * (2 - len(owner.input)))
            owner.input.append(before)
            before = f"{before}'"
            graph.input.append(helper.make_tensor_sequence_value_info(before, kind, None))
        carried.append(before)
    after = f"{name} appended"
    graph = scope.graph or main
    graph.node.append(helper.make_node("SequenceInsert", [carried.pop(), name], [after]))
    for graph, owner in path:
        _fill_outputs(graph, owner)
        before, outer = carried.pop(), f"{after}'"
        if owner.op_type == "Loop":
            # Behind the condition and the other values that are carried, before the arrays of all iterations.
            place = len(graph.input) - 2
            graph.output.insert(place, ValueInfoProto(name=after))
            owner.output.insert(place - 1, outer)
        else:
            for branch in (inner for attribute in owner.attribute for inner in subgraphs(attribute)):
                handed = after
                if branch is not graph:
                    handed = f"{after} of another branch"
                    branch.node.append(helper.make_node("Identity", [before], [handed]))
                branch.output.append(ValueInfoProto(name=handed))
            owner.output.append(outer)
        after = outer
    main.output.append(ValueInfoProto(name=after))
    return after
