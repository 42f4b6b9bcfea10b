"""The backward pass of all steps of a lane: the numbers that `explain_gradients` gives for one gradient, as arrays.

Its lines in symbols, and only numbers that do not follow from the forward pass and the engine's own gradients by sums
and products.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnviz.cells.interpreters.backward_graph import PRODUCTS, symbols_of
from rnnviz.cells.interpreters.graph import Graph, Node
from rnnviz.core.config import Network
from rnnviz.core.gradients import gradient
from rnnviz.core.inputs import Inputs
from rnnviz.explain.gradient_blocks import GradientBlocks
from rnnviz.explain.gradient_symbols import Path, gradient_symbols, later, texts, through_weights
from rnnviz.explain.worked_lanes import activation_nodes, sum_of
from rnnviz.explain.worked_step import Floats
from rnnviz.frozen import dataclass

KNOWN_SLOPES = ("sigmoid", "tanh")
"""Activations whose slope follows from their result."""


@dataclass(frozen=True, eq=False)
class WorkedGradients:
    """The backward pass of one lane of an engine, in float64.

    `own` has the gradients (T, N, U) of the states that the engine does not give, by symbol; `slopes` the slopes of
    activations (T, N, U), and `owed` the gradients (T, N, K) of products that have other units than h, by node.
    """

    own: Mapping[str, Floats]
    slopes: Mapping[Node, Floats]
    owed: Mapping[Node, Floats]


def slope_nodes(graph: Graph) -> list[Node]:
    """The activations of a unit whose slopes do not follow from their results."""
    return [
        node
        for node in activation_nodes(graph.cell, graph)
        if node.activation is not None and node.activation.name not in KNOWN_SLOPES
    ]


def owed_nodes(graph: Graph) -> list[Node]:
    """The products of a step that have other units than h."""
    size = graph.values[graph.cell.state_symbols[0]].shape
    return [node for node in graph.nodes if node.op in ("u", "v", *PRODUCTS) and node.shape != size]


def worked_gradients(blocks: GradientBlocks, layer: int, direction: int, samples: Sequence[int]) -> WorkedGradients:
    """The backward pass of a lane for some samples."""
    inputs, graph = blocks.inputs, blocks.inputs.network.graph
    given = [symbol for symbol in graph.cell.state_symbols if gradient(symbol) not in blocks.trace]
    found = WorkedGradients(
        {symbol: _room(inputs, samples, graph.values[symbol]) for symbol in given},
        {node: _room(inputs, samples, node) for node in slope_nodes(graph)},
        {node: _room(inputs, samples, node) for node in owed_nodes(graph)},
    )
    if not (found.own or found.slopes or found.owed):
        return found
    with np.errstate(all="ignore"):
        for column, sample in enumerate(samples):
            # Each from the engine's own states, as they are explained.
            for t in range(inputs.length(sample)):
                step = blocks.step(layer, direction, t, sample)
                for symbol, array in found.own.items():
                    first = symbols_of(graph, graph.values[symbol])[0] == symbol
                    own = step.total(graph.values[symbol]) if first else step.own(symbol)
                    array[t, column] = 0.0 if own is None else own.value[0, 0]
                for node, array in found.slopes.items():
                    array[t, column] = step.slope(node).value[0, 0]
                for node, array in found.owed.items():
                    owed = step.gradient(node)
                    array[t, column] = 0.0 if owed is None else owed.value[0, 0]
    return found


def _room(inputs: Inputs, samples: Sequence[int], node: Node) -> Floats:
    """(T, N, U): zeros for the numbers of a node."""
    return np.zeros((inputs.timesteps, len(samples), inputs.network.sizes(0).of(node.shape[0])))


def backward_lines(network: Network, numbers: Mapping[Node, int]) -> dict[str, Any]:
    """The lines of a step's gradients as JSON, by the numbers of the nodes.

    `lines` are those of the units of h in the order of the backward pass, with the paths on which gradients come in the
    step. `leaves` has the paths from the next step to each state, `u` and `v` what the input and recurrent parts owe
    through their weights.
    """
    graph, cell = network.graph, network.kind
    symbols, size = gradient_symbols(graph), graph.values[cell.state_symbols[0]].shape

    def path(own: Path) -> dict[str, Any]:
        origin, is_product = own.origin, own.origin.op in PRODUCTS
        written = symbols.path(own)
        return {
            "origin": numbers[origin],
            "product": is_product,
            "negative": own.negative,
            "factors": [[factor.role, numbers[factor.node]] for factor in own.factors if factor.node is not None],
            "text": symbols.product(origin).text if is_product else texts(written),
            "later": symbols.product(origin).text if is_product else texts(later(written)),
            "owed": _named(texts(symbols.short(origin))),
        }

    def paths(node: Node) -> list[dict[str, Any]]:
        return [path(own) for own in symbols.paths(node)]

    def parts(op: str, gates: Iterable[str]) -> list[dict[str, Any]]:
        by_gate = {node.name: node for node in graph.nodes if node.op == op and symbols.consumers.get(node)}
        found = []
        for gate in (gate for gate in gates if gate in by_gate):
            node = by_gate[gate]
            owed = (symbols.named(node),) if op == "u" else symbols.equation(node)
            text = through_weights(owed if op == "u" else later(owed))
            row = sum_of(network, node, numbers)
            own = {name: row[name] for name in ("matrix", "row", "rows")}
            found.append({**own, "node": numbers[node], "text": text, "owed": _named(texts(owed))})
        return found

    return {
        "lines": [
            {
                "name": gradient(symbols.names[node]),
                "node": numbers[node],
                "states": [symbol for symbol in cell.state_symbols if graph.values[symbol] is node],
                "paths": [] if node.op == "state" else paths(node),
            }
            for node in symbols.lines
            if node.shape == size
        ],
        "leaves": {
            node.name: {
                "node": numbers[node],
                "unchanged": texts(later((symbols.named(node),))) if node in graph.states else "",
                "paths": paths(node),
            }
            for node in graph.nodes
            if node.op == "state"
        },
        "u": parts("u", [node.name for node in graph.nodes if node.op == "u"]),
        "v": parts("v", cell.recurrent_gates),
    }


def _named(owed: str) -> str:
    """The gradient that a term names with its time step and unit: more than one symbol is in brackets."""
    return owed if owed.count(".") == 1 and " " not in owed else f"({owed})"
