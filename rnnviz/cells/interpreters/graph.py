"""A cell's step as a graph: `trace` runs it on nodes, checks what it does, and records every operation and its line."""

import operator
import sys
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import field
from functools import cached_property, lru_cache, reduce
from itertools import product
from math import inf, isfinite
from types import FrameType, MappingProxyType
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import numpy as np

from rnnviz.cells.activations import Activation
from rnnviz.cells.base import CellError, CellSpec, Combination, Step, Value, Values
from rnnviz.frozen import dataclass

Leaf: TypeAlias = Literal["u", "v", "state", "parameter", "number", "gradient"]
Op: TypeAlias = Leaf | Literal["plus", "minus", "times", "activation", "slope", "recurrent", "matrix"]

T = TypeVar("T", bound=Value)

Limits: TypeAlias = tuple[Any, Any]
"""The least and the largest value: two numbers, or two arrays."""

MOST_OPERATIONS = 300
"""The limit of a step's operations: each may read the one before, and Python nests less than 1,000 calls."""

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {"plus": operator.add, "minus": operator.sub, "times": operator.mul}
"""The operations of two operands, unit by unit."""

LEAVES: frozenset[Op] = frozenset(get_args(Leaf))

PRODUCTS = "recurrent", "matrix"
"""The operations that mix units: a weight matrix times the last operand."""


@dataclass(frozen=True, eq=False)
class Node(Value):
    """One value of a step.

    `op` gives it: a leaf, or an operation on `args`. `name` is the gate of "u", "v" and "recurrent", or a state or a
    parameter; `number` belongs to "number", `activation` to "activation" and its "slope", which has the activation as
    its last operand. A "gradient" and a "slope" are in backward graphs only. `shape` is ("H",) or ("P",), () of a
    number, and of a matrix both of its sizes. `line` of the cell's file has the operation; 0 of a leaf.
    """

    op: Op
    args: tuple["Node", ...]
    shape: tuple[str, ...]
    line: int
    tracer: "Tracer" = field(repr=False)
    name: str = ""
    number: float = 0.0
    activation: Activation | None = None

    def constant(self, number: float) -> "Node":
        if not isfinite(number):
            raise self.tracer.error(f"The step uses the number {number}, which is not finite")
        return self.tracer.node("number", number=number)

    def combined(self, op: Combination, other: "Node") -> "Node":
        return self.tracer.node(op, (self, other), self.tracer.common_shape(op, self, other))

    def activated(self, activation: Activation) -> "Node":
        self.tracer.check_vector(activation.name, self)
        if activation.name == "linear":
            return self
        return self.tracer.node("activation", (self,), self.shape, activation=activation)

    def recurrent(self, gate: str) -> "Node":
        self.tracer.check_recurrent(gate, self)
        return self.tracer.node("recurrent", (self,), ("H",), name=gate)

    def __matmul__(self, other: "Node") -> "Node":
        if not isinstance(other, Node):
            return NotImplemented
        self.tracer.check_matrix(self, other)
        return self.tracer.node("matrix", (self, other), self.shape[:1])

    def __bool__(self) -> bool:
        raise self.tracer.error("The step decides by the number that a value has, which its algebra cannot express")

    @property
    def slot(self) -> str | None:
        """The gate whose rows this value is read from, if it is an input part or a recurrent part."""
        return self.name if self.op in ("u", "v", "recurrent") else None


class Tracer:
    """Makes nodes, the same one for the same operation on the same values, and `most` operations."""

    def __init__(self, cell: CellSpec, most: float = MOST_OPERATIONS) -> None:
        self._cell, self._most = cell, most
        self.path: str = getattr(getattr(cell.step, "__code__", None), "co_filename", "")
        self._known: dict[tuple[Any, ...], Node] = {}
        self._operations = 0

    def node(self, op: Op, args: tuple[Node, ...] = (), shape: tuple[str, ...] = (), **details: Any) -> Node:
        """The node of an operation; `details` are its name, number or activation."""
        key = op, tuple(map(id, args)), *details.values()
        if key not in self._known:
            line = 0 if op in LEAVES else self.line()
            self._operations += op not in LEAVES
            if self._operations > self._most:
                raise self.error(f"The step has more than {self._most} operations, the most that a cell may have")
            self._known[key] = Node(op, args, shape, line, self, **details)
        return self._known[key]

    def line(self) -> int:
        """The line of the cell's file that is being run."""
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if frame.f_code.co_filename == self.path:
                return frame.f_lineno
            frame = frame.f_back
        return 0

    def error(self, message: str) -> CellError:
        return CellError(f"{message}.", self.line() or None)

    def common_shape(self, op: Combination, left: Node, right: Node) -> tuple[str, ...]:
        """The shape that two operands have in common; a number goes with any."""
        sign = {"plus": "+", "minus": "-", "times": "*"}[op]
        for operand in (left, right):
            if len(operand.shape) == 2:
                raise self.error(f"The step uses the matrix {operand.name} with {sign}: it goes with @ alone")
        if left.shape and right.shape and left.shape != right.shape:
            raise self.error(f"The step uses {sign} on values of the sizes {left.shape[0]} and {right.shape[0]}")
        return left.shape or right.shape

    def check_vector(self, what: str, x: Node) -> None:
        if len(x.shape) != 1:
            raise self.error(f"The step takes {what} of a {'matrix' if x.shape else 'number'}, not of a value per unit")

    def check_recurrent(self, gate: str, x: Node) -> None:
        if gate not in self._cell.recurrent_gates:
            known = ", ".join(self._cell.recurrent_gates) or "none"
            raise self.error(f'The step calls recurrent("{gate}", ...), but the gates with recurrent rows are {known}')
        if x.shape != (self._cell.states[0].size,):
            self.check_vector("recurrent", x)
            raise self.error(f"The step gives recurrent a value of the size {x.shape[0]}, not that of h")

    def check_matrix(self, matrix: Node, x: Node) -> None:
        if len(matrix.shape) != 2:
            raise self.error("The step uses @ with something else than a matrix on its left")
        if x.shape != matrix.shape[1:]:
            raise self.error(
                f"The step multiplies the matrix {matrix.name} of the shape ({', '.join(matrix.shape)}) "
                f"with a value of the size {', '.join(x.shape)}"
            )


@dataclass(frozen=True, eq=False)
class Graph:
    """The graph of one step: its named `values` in the order of computation, and the file they are written in."""

    cell: CellSpec
    values: Mapping[str, Node]
    path: str

    @property
    def states(self) -> tuple[Node, ...]:
        """The new states, in the order in which the cell declares them."""
        return tuple(self.values[symbol] for symbol in self.cell.state_symbols)

    @cached_property
    def nodes(self) -> list[Node]:
        """Every node on which a named value depends, each after what it reads."""
        return ordered(self.values.values())

    def depends(self, node: Node, on: Callable[[Node], bool]) -> bool:
        """Whether a value is computed from one of which `on` is true, or is itself one."""
        return any(on(other) for other in ordered([node]))

    def activation(self, symbol: str) -> str:
        """The text of a gate's activation; "linear" where it has none."""
        activation = self.values[symbol].activation
        return "linear" if activation is None else activation.text

    @cached_property
    def mixes_units(self) -> bool:
        """Whether a unit is computed from values of other units of the same step, by a matrix product in it."""
        return any(node.op in PRODUCTS for node in self.nodes)

    def decay(self, symbol: str) -> tuple[Node, float] | None:
        """f of a state s = f · s[t-1] + a, and the limit of |a|, if |f| <= 1 and neither reads s; else None."""
        new, first = self.values[symbol], self.cell.state_symbols[0]
        if new.op != "plus":
            return None
        for kept, added in (new.args, new.args[::-1]):
            for factor, old in (kept.args, kept.args[::-1]) if kept.op == "times" else ():
                if (old.op, old.name) != ("state", symbol):
                    continue
                if any(self.depends(node, lambda n: n.op == "state" and n.name != first) for node in (factor, added)):
                    continue
                reach, largest = (float(np.max(np.abs(value_limits(node)))) for node in (factor, added))
                if reach <= 1.0 and largest < inf:
                    return factor, largest
        return None

    def pre_activation(self, name: str) -> Node | None:
        """The pre-activation of a named value; None if no activation gives it."""
        node = self.values[name]
        if node.op != "activation":
            return None
        named = set(self.values.values())
        node = node.args[0]
        # An activation cut to a limit: its argument is what is cut.
        while node.op == "activation" and node not in named:
            node = node.args[0]
        return node


_UNKNOWN: Mapping[Node, Limits] = MappingProxyType({})


def value_limits(node: Node, known: Mapping[Node, Limits] = _UNKNOWN) -> Limits:
    """The limits of a node by interval arithmetic from those in `known`; of another leaf they are infinite."""
    if node in known:
        return known[node]
    if node.activation is not None:
        return node.activation.limits
    if node.op == "number":
        return node.number, node.number
    if node.op == "matrix":
        return _product_limits(*(value_limits(arg, known) for arg in node.args))
    if node.op not in ARITHMETIC:
        return -inf, inf
    args = _mean_of(node, known)
    (a, b), (c, d) = (value_limits(arg, known) for arg in args or node.args)
    if args is not None:
        return np.minimum(a, c), np.maximum(b, d)
    if node.op == "plus":
        return a + c, b + d
    if node.op == "minus":
        return a - d, b - c
    with np.errstate(invalid="ignore"):
        # Zero times no limit is zero here: a limit is never reached.
        products = [np.where((x == 0.0) | (y == 0.0), 0.0, np.multiply(x, y)) for x in (a, b) for y in (c, d)]
    return reduce(np.minimum, products), reduce(np.maximum, products)


def _mean_of(node: Node, known: Mapping[Node, Limits]) -> tuple[Node, Node] | None:
    """a and b of the weighted mean (1 - z) · a + z · b with z between 0 and 1; None of any other node."""
    if node.op != "plus" or any(arg.op != "times" for arg in node.args):
        return None
    first, second = (arg.args for arg in node.args)
    for mine, theirs in product((0, 1), (0, 1)):
        for one, other in ((first[mine], second[theirs]), (second[theirs], first[mine])):
            if one.op == "minus" and one.args[0].number == 1.0 and one.args[1] is other:
                low, high = value_limits(other, known)
                return (first[1 - mine], second[1 - theirs]) if np.all(low >= 0.0) and np.all(high <= 1.0) else None
    return None


def _product_limits(matrix: Limits, x: Limits) -> Limits:
    """The limits of W x, where the limits of the matrix W (M, K) are known."""
    weight, largest = np.max(np.abs(matrix), axis=0), max(float(np.max(np.abs(limit))) for limit in x)
    if weight.ndim != 2 or largest == inf:
        return -inf, inf
    reach = largest * weight.sum(axis=1)
    return -reach, reach


def ordered(roots: Iterable[Node], known: Container[Node] = ()) -> list[Node]:
    """The nodes on which some others depend and these themselves, each after what it reads; up to `known` ones."""
    found: dict[Node, None] = {}
    for root in roots:
        _visit(root, known, found)
    return list(found)


def _visit(node: Node, known: Container[Node], found: dict[Node, None]) -> None:
    # Not a function within another: one that calls itself keeps its arrays until the next garbage collection.
    if node not in found and node not in known:
        for arg in node.args:
            _visit(arg, known, found)
        found[node] = None


@lru_cache(maxsize=256)
def trace(cell: CellSpec) -> Graph:
    """The graph of a cell's step. Raises CellError if it does not follow the algebra or the declarations."""
    tracer = Tracer(cell)
    u = Values("u", {gate: tracer.node("u", name=gate, shape=("H",)) for gate in cell.gate_symbols})
    v = Values("v", {gate: tracer.node("v", name=gate, shape=("H",)) for gate in cell.recurrent_gates})
    state = Values("state", {s.symbol: tracer.node("state", name=s.symbol, shape=(s.size,)) for s in cell.states})
    p = Values("p", {p.name: tracer.node("parameter", name=p.name, shape=p.shape) for p in cell.parameters})
    step = cell.step(u, v, state, p, **dict(cell.activations))
    values = _checked(cell, step)
    order = {node: place for place, node in enumerate(ordered(values.values()))}
    # A name of the same value as another one comes after it: of an RNN, h after its own candidate.
    names = sorted(values, key=lambda name: (order[values[name]], name in cell.state_symbols))
    return Graph(cell, {name: values[name] for name in names}, tracer.path)


def _checked(cell: CellSpec, step: object) -> dict[str, Node]:
    """The step's values, once they are found to be what the cell declares."""
    if not isinstance(step, Step):
        returned = "nothing" if step is None else "a value" if isinstance(step, Node) else type(step).__name__
        raise CellError(f"The step returns {returned}, not Step(...).")
    for state in cell.states:
        if state.symbol not in step:
            raise CellError(f"The step does not give the state {state.symbol}: Step({state.symbol}=...).")
    for name, value in step.items():
        if not isinstance(value, Node) or len(value.shape) != 1:
            raise CellError(
                f"The step gives {name} = {value if isinstance(value, int | float) else type(value).__name__}"
                ", which is not a value per unit."
            )
    for state in cell.states:
        if step[state.symbol].shape != (state.size,):
            raise CellError(
                f"The step gives {state.symbol} of the size {step[state.symbol].shape[0]}, "
                f"but the cell declares {state.size}."
            )
    return dict(step)


def evaluate(
    roots: Sequence[Node],
    leaf: Callable[[Node], Any],
    apply: Callable[[Node, Sequence[Any]], Any],
    known: Mapping[Node, Any] = MappingProxyType({}),
) -> dict[Node, Any]:
    """Compute nodes on values of another type by `leaf` and `apply`; the result has every node that was met."""
    values = dict(known)
    for node in ordered(roots, known):
        values[node] = leaf(node) if node.op in LEAVES else apply(node, [values[arg] for arg in node.args])
    return values


@lru_cache(maxsize=256)
def lone_sums(graph: Graph) -> list[Node]:
    """The sums u.k + v.k of one gate whose parts nothing else reads."""
    sums = [
        node
        for node in graph.nodes
        if node.op == "plus" and [arg.op for arg in node.args] == ["u", "v"] and node.args[0].name == node.args[1].name
    ]
    readers = Counter([*graph.values.values(), *(arg for node in graph.nodes for arg in node.args)])
    return [node for node in sums if all(readers[arg] == 1 for arg in node.args)]
