"""The backward pass of a cell's step in symbols, from the graph of the step.

A value whose gradient has a name, such as "grad.c", has its own line. The gradient of a gate is its pre-activation's.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Literal, TypeAlias

from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.graph import PRODUCTS, Graph, Node
from rnnviz.cells.interpreters.symbols import expression
from rnnviz.core.gradients import gradient
from rnnviz.frozen import dataclass

Role: TypeAlias = Literal["sign", "value", "slope", "gradient", "product"]


@dataclass(frozen=True)
class GradientSymbol:
    """A piece of an equation; `role` says which number of the node it has."""

    text: str
    role: Role = "sign"
    node: Node | None = None


Symbols: TypeAlias = tuple[GradientSymbol, ...]


@dataclass(frozen=True)
class Path:
    """One way of a gradient to an operand: from a named gradient or a matrix product, by local derivatives."""

    origin: Node
    factors: Symbols
    negative: bool = False


@dataclass(frozen=True, eq=False)
class GradientSymbols:
    """The names of a step's gradients, of each node with its own line, and these `lines` in backward order."""

    graph: Graph
    names: dict[Node, str]
    consumers: dict[Node, list[tuple[Node, int]]]
    lines: tuple[Node, ...]

    def short(self, node: Node) -> Symbols:
        return (self.named(node),) if node in self.names else self.equation(node)

    def paths(self, node: Node) -> Iterator[Path]:
        """Every way by which a gradient reaches a node in its step."""
        for consumer, place in self.consumers.get(node, ()):
            yield from self.paths_by(consumer, place)

    def paths_by(self, consumer: Node, place: int) -> Iterator[Path]:
        """Every way by which a gradient reaches the operand of a consumer."""
        if consumer.op in PRODUCTS:
            yield Path(consumer, ())
            return
        factors, negative = self._factors(consumer, place)
        if consumer in self.names:
            yield Path(consumer, factors, negative)
            return
        for path in self.paths(consumer):
            yield Path(path.origin, (*path.factors, *factors), path.negative != negative)

    def equation(self, node: Node) -> Symbols:
        """The terms that a node gets in its step: "grad.c · g · i · (1 - i)"."""
        found: Symbols = ()
        for consumer, place in self.consumers.get(node, []):
            symbols, negative = self.contribution(consumer, place)
            sign = (" - " if negative else " + ") if found else "-" if negative else ""
            found = (*found, *((GradientSymbol(sign),) if sign else ()), *symbols)
        return found or (GradientSymbol("0"),)

    def contribution(self, consumer: Node, place: int) -> tuple[Symbols, bool]:
        """The term of a consumer in the gradient of its operand at a place, and whether it is subtracted."""
        if consumer.op in PRODUCTS:
            return (self.product(consumer),), False
        factors, negative = self._factors(consumer, place)
        if consumer in self.names:
            symbols: Symbols = (self.named(consumer),)
        else:
            symbols, is_sum = self.equation(consumer), len(self.consumers.get(consumer, [])) > 1
            if symbols[0].text == "-" and not is_sum:
                symbols, negative = symbols[1:], not negative
            elif is_sum and factors:
                symbols = (GradientSymbol("("), *symbols, GradientSymbol(")"))
        return self._times(symbols, factors), negative

    def path(self, path: Path) -> Symbols:
        """A path as a product: "grad.c · g · i · (1 - i)"."""
        origin = self.product(path.origin) if path.origin.op in PRODUCTS else self.named(path.origin)
        symbols = (GradientSymbol("-"), origin) if path.negative else (origin,)
        return self._times(symbols, path.factors)

    def _times(self, symbols: Symbols, factors: Symbols) -> Symbols:
        """A product with factors: a value by its name or written out, a slope by the name of the activation."""
        for factor in factors:
            assert factor.node is not None
            written = self._slope(factor.node) if factor.role == "slope" else self.value(factor.node)
            symbols = (*symbols, GradientSymbol(" · "), *written)
        return symbols

    def through_weights(self, op: Literal["u", "v"]) -> Iterator[tuple[Node, str, str]]:
        """Of each gate its node, the product with input or recurrent weights, and the gradient that this multiplies."""
        nodes = {node.name: node for node in self.graph.nodes if node.op == op and self.consumers.get(node)}
        for gate in nodes if op == "u" else self.graph.cell.recurrent_gates:
            if gate in nodes:
                read = (self.named(nodes[gate]),) if op == "u" else self.equation(nodes[gate])
                yield nodes[gate], through_weights(read if op == "u" else later(read)), texts(read)

    def named(self, node: Node) -> GradientSymbol:
        return GradientSymbol(gradient(self.names[node]), "gradient", node)

    def product(self, node: Node) -> GradientSymbol:
        """The term of a matrix product in the gradient of its operand: "Wᵀ grad.n"."""
        weight = node.args[0].name if node.op == "matrix" else "W"
        return GradientSymbol(through_weights(self.short(node), weight), "product", node)

    def _factors(self, consumer: Node, place: int) -> tuple[Symbols, bool]:
        """The derivative of an elementwise operation by its operand at a place: its factors, and its sign."""
        match consumer.op:
            case "minus":
                return (), place == 1
            case "times":
                other = consumer.args[1 - place]
                if other.op == "number" and other.number == -1.0:
                    return (), True
                return (GradientSymbol("", "value", other),), False
            case "activation":
                return (GradientSymbol("", "slope", consumer),), False
        return (), False

    def value(self, node: Node) -> Symbols:
        """A value of the forward pass by its name, or written out in brackets."""
        name = _names(self.graph).get(node)
        if name is not None:
            return (GradientSymbol(name, "value", node),)
        symbols = tuple(
            GradientSymbol(s.text)
            if s.node is None or s.node.op == "number" or s.across
            else GradientSymbol(s.text, "value", s.node)
            for s in expression(self.graph.cell, node)
        )
        if node.op in ("plus", "minus", "recurrent"):
            return (GradientSymbol("("), *symbols, GradientSymbol(")"))
        if node.op == "matrix":
            return (GradientSymbol("".join(s.text for s in symbols), "value", node),)
        return symbols

    def _slope(self, node: Node) -> Symbols:
        """The slope of an activation: "i · (1 - i)" of a sigmoid, "(1 - g²)" of tanh, else "relu'(u + v)"."""
        activation, names = node.activation, _names(self.graph)
        assert activation is not None
        value = self.value(node)
        short = node in names or node.args[0] in names
        if short and activation.name == "sigmoid":
            return (*value, GradientSymbol(" · (1 - "), *value, GradientSymbol(")"))
        if short and activation.name == "tanh":
            return (GradientSymbol("(1 - "), *value, GradientSymbol("²)"))
        argument = node.args[0]
        if argument.op == "plus" and {arg.op for arg in argument.args} == {"u", "v"}:
            inner = "u + v"
        else:
            inner = texts(self.value(argument)).removeprefix("(").removesuffix(")")
        return (GradientSymbol(f"{activation.text}'({inner})", "slope", node),)


def texts(symbols: Symbols) -> str:
    return "".join(symbol.text for symbol in symbols)


def in_brackets(text: str) -> str:
    """The gradient that a term names with its time step and unit: more than one symbol is in brackets."""
    return text if text.count(".") == 1 and " " not in text else f"({text})"


def through_weights(symbols: Symbols, weight: str = "W") -> str:
    """A transposed matrix times a gradient: "Wᵀ grad.n", "Wᵀ (grad.n · r)"."""
    text = texts(symbols)
    return f"{weight}ᵀ {text}" if len(symbols) == 1 else f"{weight}ᵀ ({text})"


def later(symbols: Symbols) -> Symbols:
    def text(symbol: GradientSymbol) -> str:
        if symbol.role == "sign" or (symbol.node is not None and symbol.node.op == "parameter"):
            return symbol.text
        is_previous = symbol.role == "value" and "[t-1]" in symbol.text
        return symbol.text.replace("[t-1]", "") if is_previous else f"{symbol.text}[t+1]"

    return tuple(replace(symbol, text=text(symbol)) for symbol in symbols)


@lru_cache(maxsize=256)
def _names(graph: Graph) -> dict[Node, str]:
    """The names of values in the equations; a value with two names is called by the first."""
    previous = {node: f"{node.name}[t-1]" for node in graph.nodes if node.op == "state"}
    return previous | {node: name for name, node in reversed(list(graph.values.items()))}


def gate_name(cell: CellSpec, gate: str) -> str:
    """The name of a gate in its gradient: "i", and "u" of an RNN, whose only gate is its state."""
    if gate not in cell.state_symbols:
        return gate
    return "u" if len(cell.gates) == 1 else f"u_{gate}"


@lru_cache(maxsize=256)
def gradient_symbols(graph: Graph) -> GradientSymbols:
    consumers: dict[Node, list[tuple[Node, int]]] = {}
    for node in reversed(graph.nodes):
        for place, arg in enumerate(node.args):
            if arg.op != "number" and len(arg.shape) == 1:
                consumers.setdefault(arg, []).append((node, place))
    names: dict[Node, str] = {graph.values[s]: s for s in reversed(graph.cell.state_symbols)}
    for node in graph.nodes:
        if node.op == "u":
            _name_upward(node, gate_name(graph.cell, node.name), names, consumers)
    of_gates = {graph.values.get(gate) for gate in graph.cell.gate_symbols}
    for name, node in graph.values.items():
        if node not in names and node not in of_gates and node.op not in ("state", "u", "v", "parameter"):
            names[node] = name
    written = _names(graph)
    for node in graph.nodes:
        several = len(consumers.get(node, ())) > 1 and sum(arg.op != "number" for arg in node.args) > 1
        multiplied = any(consumer.op in PRODUCTS for consumer, _ in consumers.get(node, ()))
        if node not in names and node.op not in ("u", "v", "state", "parameter", "number") and (several or multiplied):
            text = written.get(node) or "".join(s.text for s in expression(graph.cell, node))
            names[node] = f"({text})"
    # One line for the nodes that share a gradient: that of the pre-activation comes first.
    lines: dict[str, Node] = {}
    for node in reversed(graph.nodes):
        if node in names:
            lines.setdefault(names[node], node)
    return GradientSymbols(graph, names, consumers, tuple(lines.values()))


def _name_upward(node: Node, name: str, names: dict[Node, str], consumers: dict[Node, list[tuple[Node, int]]]) -> None:
    """Name a node and the sums whose gradients it shares, as far as nothing else does."""
    while node not in names:
        names[node] = name
        found = consumers.get(node, [])
        consumer, place = found[0] if len(found) == 1 else (node, 0)
        if consumer.op == "plus" or (consumer.op == "minus" and place == 0):
            node = consumer
