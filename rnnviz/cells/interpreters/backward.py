"""The backward pass of a cell's step: vector-Jacobian products of its operations, from the last to the first.

Each operation contributes the gradient of its result times its own slope to its operands. The backward pass sums these
contributions for each value (reverse accumulation; Griewank and Walther, "Evaluating Derivatives", 2008, section 3.2).
The rules are
here, once, for values of any type: `numpy_backward` follows them on arrays, `bounded_backward` with rounding bounds.

Between some nodes, the shared nodes, all operations are elementwise. The shared nodes are the states and the matrix
products of a step: the gradient that node A contributes to node B is elementwise, factor × grad(A). The factors follow
from the forward pass alone, so they are computed for many time steps at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any, Generic, TypeVar

from rnnviz.cells.interpreters.graph import LEAVES, Graph, Node

T = TypeVar("T")

PRODUCTS = ("recurrent", "matrix")
"""The operations that mix units: a weight matrix times the last operand."""


class Derivatives(ABC, Generic[T]):
    """The values of a step, which its derivatives are made of."""

    def __init__(self) -> None:
        self._slopes: dict[Node, T] = {}

    @abstractmethod
    def value(self, node: Node) -> T:
        """The value of a node in the forward pass."""

    @abstractmethod
    def activation_slope(self, node: Node) -> T:
        """The slope of an activation at its argument."""

    def slope(self, node: Node) -> T:
        """The slope of an activation, which is computed once."""
        if node not in self._slopes:
            self._slopes[node] = self.activation_slope(node)
        return self._slopes[node]

    def owed(self, graph: Graph, hub: Node, gradient: Any, stops: Collection[Node]) -> dict[Node, Any]:
        """The gradients that a hub owes to the nearest `stops` and leaves before it."""
        found: dict[Node, Any] = {}

        def add(terms: Iterable[tuple[Node, Any]]) -> None:
            for node, term in terms:
                if node.op != "number":
                    found[node] = found[node] + term if node in found else term

        if hub.op in LEAVES:
            return {hub: gradient}
        add([(hub.args[-1], gradient)] if hub.op in PRODUCTS else self._products(hub, gradient))
        for node in reversed(graph.nodes):
            if node in found and node not in stops and node.op not in LEAVES:
                add(self._products(node, found.pop(node)))
        return found

    def _products(self, node: Node, d: Any) -> Iterator[tuple[Node, Any]]:
        """The gradients of a node's operands from that of its result."""
        left, right = node.args[0], node.args[-1]
        match node.op:
            case "plus":
                yield left, d
                yield right, d
            case "minus":
                yield left, d
                yield right, -d
            case "times":
                yield left, _times(d, self.value(right)) if left.op != "number" else d
                yield right, _times(d, self.value(left)) if right.op != "number" else d
            case "activation":
                yield left, _times(d, self.slope(node))


def _times(d: Any, factor: Any) -> Any:
    """d · factor; a partial derivative that begins at 1 is the factor itself."""
    return factor if isinstance(d, float) and d == 1.0 else d * factor


@lru_cache(maxsize=256)
def hubs(graph: Graph) -> tuple[Node, ...]:
    """The states and the matrix products on which they depend, the last computed one first."""
    states = set(graph.states)
    read = {node for state in states for node in _read_by(state)}
    return tuple(node for node in reversed(graph.nodes) if node in states or (node in read and node.op in PRODUCTS))


def _read_by(state: Node) -> Iterator[Node]:
    waiting, met = [state], {state}
    while waiting:
        node = waiting.pop()
        yield node
        fresh = [arg for arg in node.args if arg not in met]
        met.update(fresh)
        waiting += fresh


def symbols_of(graph: Graph, hub: Node) -> list[str]:
    """The states that a node is, of which a step may give several as the same value."""
    return [symbol for symbol in graph.cell.state_symbols if graph.values[symbol] is hub]
