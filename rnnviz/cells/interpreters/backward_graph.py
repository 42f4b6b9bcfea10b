"""The backward pass of a cell's step as a graph: reverse accumulation on the nodes of the step.

Each operation contributes the gradient of its result times its own slope to its operands, and the contributions to a
value are summed (Griewank and Walther, "Evaluating Derivatives", 2008, section 3.2). The rules are here, once. They
make nodes again: arrays, rounding bounds, Jacobians and text evaluate these as they do those of the step.

Between some nodes, the shared nodes, all operations are elementwise. The shared nodes are the states and the matrix
products of a step: the gradient that node A contributes to node B is elementwise, factor × grad(A). The factors, the
partial derivatives, follow from the forward pass alone, so they are computed for many time steps at once.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from math import inf

from rnnviz.cells.interpreters.graph import ARITHMETIC, LEAVES, PRODUCTS, Graph, Node, Op, Tracer, ordered
from rnnviz.frozen import dataclass


@dataclass(frozen=True, eq=False)
class Contributions:
    """The contributions of one gradient to others.

    `gradient` is a leaf that stands for it. `terms` has a node and the term of its gradient, which is made of that leaf
    and of values of the forward pass.
    """

    gradient: Node
    terms: Sequence[tuple[Node, Node]]

    @cached_property
    def read(self) -> tuple[Node, ...]:
        """The values of the forward pass, and the slopes, that the terms are made of."""
        made = {self.gradient}
        read: dict[Node, None] = {}
        for node in ordered(term for _, term in self.terms):
            if any(arg in made for arg in node.args):
                made.add(node)
                read |= dict.fromkeys(arg for arg in node.args if arg not in made)
        return tuple(read)


@dataclass(frozen=True, eq=False)
class SharedNode:
    """A shared node, and what it contributes to the nearest shared nodes and leaves before it.

    `symbols` are the states that it is, of which a step may give several as the same value. `contributions` are from
    its gradient, of a matrix product from that of its operand; `partial` are the same from a gradient of 1: partial
    derivatives by node.
    """

    node: Node
    symbols: tuple[str, ...]
    contributions: Contributions
    partial: Mapping[Node, Node]

    @property
    def is_product(self) -> bool:
        """Whether it is a matrix product, through which a gradient goes by the transposed matrix."""
        return self.node.op in PRODUCTS


class BackwardGraph:
    """The backward pass of one step: `shared` has the shared nodes, the last computed one first."""

    def __init__(self, graph: Graph) -> None:
        self._graph, self._tracer = graph, Tracer(graph.cell, most=inf)
        states = set(graph.states)
        read = set(ordered(states))
        nodes = [n for n in reversed(graph.nodes) if n in states or (n in read and n.op in PRODUCTS)]
        one = self._tracer.node("number", number=1.0)
        self.shared = tuple(
            SharedNode(
                node,
                tuple(symbols_of(graph, node)),
                Contributions(gradient, [*self._to_nearest(node, gradient, nodes).items()]),
                self._to_nearest(node, one, nodes),
            )
            for node in nodes
            for gradient in (self._leaf(node.args[-1] if node.op in PRODUCTS else node),)
        )

    @cached_property
    def of_operation(self) -> Mapping[Node, Contributions]:
        """The contributions of each elementwise operation to its operands, in their order."""
        return {
            node: Contributions(gradient, [*self._chain_rule(node, gradient)])
            for node in self._graph.nodes
            if node.op not in LEAVES and node.op not in PRODUCTS
            for gradient in (self._leaf(node),)
        }

    def slope(self, node: Node) -> Node:
        assert node.activation is not None, node
        read = node if node.activation.slope_reads_value else node.args[0]
        return self._tracer.node("slope", (read, node), node.shape, activation=node.activation)

    def _leaf(self, node: Node) -> Node:
        place = self._graph.nodes.index(node)
        return self._tracer.node("gradient", shape=node.shape, name=str(place))

    def _to_nearest(self, shared: Node, gradient: Node, stops: Collection[Node]) -> dict[Node, Node]:
        """The gradients that a shared node contributes to the nearest `stops` and leaves before it."""
        found: dict[Node, Node] = {}

        def add(terms: Iterable[tuple[Node, Node]]) -> None:
            for node, term in terms:
                if node.op != "number":
                    found[node] = self._combined("plus", found[node], term) if node in found else term

        if shared.op in LEAVES:
            return {shared: gradient}
        add([(shared.args[-1], gradient)] if shared.op in PRODUCTS else self._chain_rule(shared, gradient))
        for node in reversed(self._graph.nodes):
            if node in found and node not in stops and node.op not in LEAVES:
                add(self._chain_rule(node, found.pop(node)))
        return found

    def _chain_rule(self, node: Node, d: Node) -> Iterator[tuple[Node, Node]]:
        """The gradients of the operands of an elementwise operation from that of its result; that of a number is d."""
        left, right = node.args[0], node.args[-1]
        match node.op:
            case "plus":
                yield left, d
                yield right, d
            case "minus":
                yield left, d
                yield right, self._combined("times", self._tracer.node("number", number=-1.0), d)
            case "times":
                yield left, d if left.op == "number" else self._times(d, right)
                yield right, d if right.op == "number" else self._times(d, left)
            case "activation":
                yield left, self._times(d, self.slope(node))

    def _times(self, d: Node, factor: Node) -> Node:
        """d · factor; a partial derivative that begins at 1 is the factor itself."""
        return factor if d.number == 1.0 else self._combined("times", d, factor)

    def _combined(self, op: Op, left: Node, right: Node) -> Node:
        """The sum or product of two nodes; of two numbers a number."""
        if left.op == right.op == "number":
            return self._tracer.node("number", number=ARITHMETIC[op](left.number, right.number))
        return self._tracer.node(op, (left, right), left.shape or right.shape)


backward_graph = lru_cache(maxsize=256)(BackwardGraph)


def symbols_of(graph: Graph, node: Node) -> list[str]:
    """The states that a node is, of which a step may give several as the same value."""
    return [symbol for symbol in graph.cell.state_symbols if graph.values[symbol] is node]
