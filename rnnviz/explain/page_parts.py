"""The arithmetic and the backward pass of all steps of a lane: numbers that `explain` gives for one value, as arrays.

Only numbers that sums and products of others do not give: the results of activations, the values of all units that a
product in the step reads, slopes that do not follow from results, and rounding bounds. Sums are added up in the order
of `explain`, which no matrix product keeps. Besides them, the lines that a page's script computes, by numbers of nodes.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from rnnviz.cells.interpreters.backward_graph import PRODUCTS, symbols_of
from rnnviz.cells.interpreters.graph import Graph, Node, ordered
from rnnviz.cells.interpreters.symbols import Symbol
from rnnviz.core.config import Network
from rnnviz.core.gradients import gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import time_blocks
from rnnviz.explain import forward, terms
from rnnviz.explain.backward_blocks import GradientBlocks
from rnnviz.explain.backward_symbols import Path, gradient_symbols, in_brackets, later, texts
from rnnviz.explain.lines import Floats
from rnnviz.frozen import dataclass

_BLOCK_VALUES = 1 << 20


@dataclass(frozen=True, eq=False)
class LaneArithmetic:
    """The steps of one lane, in float64.

    `before` has the previous states (T, N, H) or (T, N, P) by symbol. `activations` has the results (T, N, U) of the
    activations by node, and `across` what products read of all units, (T, N, K) by node. `bounds` has the audit's
    rounding bounds (T, N, U) of the states, and of the lines that the engine returned, by name.
    """

    before: Mapping[str, Floats]
    activations: Mapping[Node, Floats]
    across: Mapping[Node, Floats]
    bounds: Mapping[str, Floats]


def _nodes_of_lines(graph: Graph) -> list[Node]:
    """The nodes of the equations whose values belong to the units of h; the gates of a projected h do not."""
    found = forward.nodes_of_unit([line.equation.node for line in _lines(graph)])
    return [node for node in graph.nodes if node in found]


def _lines(graph: Graph) -> tuple[forward.LineNodes, ...]:
    return forward.lines_of_units(graph.cell, graph.values[graph.cell.state_symbols[0]].shape[0])


def activation_nodes(graph: Graph) -> list[Node]:
    """The activations in the equations of a unit."""
    return [node for node in _nodes_of_lines(graph) if node.op == "activation"]


def across_nodes(graph: Graph) -> list[Node]:
    """The values of all units that products in the equations of a unit read, then other ones behind these products."""
    read = [node.args[-1] for node in _nodes_of_lines(graph) if node.op in ("recurrent", "matrix")]
    return list(dict.fromkeys([*read, *values_behind(graph).values()]))


def values_behind(graph: Graph) -> dict[str, Node]:
    """The named values behind a product with a matrix, with other units than h: i, f, g, o, c, m of an LSTM."""
    read = ordered([node.args[-1] for node in _nodes_of_lines(graph) if node.op == "matrix"])
    return {name: node for name, node in graph.values.items() if node in read and node.shape != graph.values["h"].shape}


def forward_lines(graph: Graph, numbers: Mapping[Node, int]) -> list[dict[str, Any]]:
    """The lines of a step as JSON, by the numbers of the nodes: their symbols, and the parts that they add up."""
    names = forward.first_names(graph)

    def part(own: forward.PartNodes) -> dict[str, Any]:
        factor = {} if own.factor is None else {"factor": numbers[own.factor], "scale": names.get(own.factor, "")}
        symbol = own.symbol if own.symbol in graph.values or own.symbol.endswith("]") else "h"
        named = {"text": own.text} if own.way != "value" else {"label": own.label} if own.label else {"symbol": symbol}
        return {"way": own.way, "node": numbers[own.value], **factor, **named}

    def number(symbol: Symbol) -> int | None:
        """The number of a symbol's node, if the symbol has one value."""
        node = symbol.node
        return None if node is None or node.op == "number" or symbol.across or len(node.shape) == 2 else numbers[node]

    return [
        {
            "name": line.equation.name,
            "title": line.title,
            "node": numbers[line.equation.node],
            "parts": [*map(part, line.parts)],
            "sum": line.sum_text,
            "symbols": [[own.text, number(own)] for own in line.equation.symbols],
        }
        for line in _lines(graph)
    ]


def compared_numbers(graph: Graph, given: Collection[str]) -> list[dict[str, Any]]:
    """The numbers of a step that are compared, in their order; `given` has the values that an engine may give."""
    names = [line.equation.name for line in _lines(graph)]
    titled = {line.equation.name for line in _lines(graph) if line.title}
    gates = [name for name in (*graph.cell.gate_symbols, *graph.cell.state_symbols) if name in titled]
    own = [name for name in given if name in names]
    return [each._asdict() for each in terms.compared_numbers(graph.cell, list(dict.fromkeys(gates)), names, own)]


def sum_of(network: Network, node: Node, numbers: Mapping[Node, int]) -> dict[str, Any]:
    """The rows of a matrix that give an input part, a recurrent part or a product, as JSON.

    `of` is the vector that they multiply: x, h, or the number of a node.
    """
    rows = forward.MatrixRows.of(network.kind, node, network.hidden_size)
    of = "xh"[rows.way != "i2h"] if rows.read is None else numbers[rows.read]
    reads = next((name for name, value in network.graph.values.items() if value is rows.read), "")
    own = {"matrix": rows.matrix, "row": rows.first, "rows": network.sizes(0).of(node.shape[0])}
    return {**own, "bias": rows.bias, "of": of, "reads": reads}


@np.errstate(all="ignore")
def lane_arithmetic(inputs: Inputs, trace: Trace, layer: int, direction: int, samples: Sequence[int]) -> LaneArithmetic:
    """The arithmetic of a lane of an engine for some samples."""
    graph, every = inputs.network.graph, range(inputs.timesteps)
    steps = forward.own_steps(inputs, trace, (layer, direction), every, samples)
    shape = *steps.x.shape[:2], trace.shape[-1]
    size = shape[-1] * (1 + max(steps.x.shape[-1], inputs.network.hidden_size)) * len(samples)
    activations: dict[Node, list[Floats]] = {node: [] for node in activation_nodes(graph)}
    across: dict[Node, list[Floats]] = {node: [] for node in across_nodes(graph)}
    for times in time_blocks(every, max(1, _BLOCK_VALUES // size), backward=False):
        state = {symbol: array[times] for symbol, array in steps.state.items()}
        parameters = vars(inputs.parameters.layer(layer, direction))
        values = forward.StepValues(graph.cell, parameters, steps.x[times], state, graph.values["h"].shape[0])
        for node, found in activations.items():
            found.append(np.broadcast_to(values.by_node[node], (*steps.x[times].shape[:2], shape[-1])))
        for node, found in across.items():
            found.append(values.across[node])
    joined = [{node: np.concatenate(found) for node, found in each.items()} for each in (activations, across)]
    bounds = {name: bound for name, bound in steps.bounds.items() if bound.shape[-1] == shape[-1]}
    return LaneArithmetic(steps.state, joined[0], joined[1], bounds)


KNOWN_SLOPES = ("sigmoid", "tanh")
"""Activations whose slope follows from their result."""


@dataclass(frozen=True, eq=False)
class LaneGradients:
    """The backward pass of one lane of an engine, in float64.

    `own` has the gradients (T, N, U) of the states that the engine does not give, by symbol; `slopes` the slopes of
    activations (T, N, U), and `products` the gradients (T, N, K) of products that have other units than h, by node.
    """

    own: Mapping[str, Floats]
    slopes: Mapping[Node, Floats]
    products: Mapping[Node, Floats]


def slope_nodes(graph: Graph) -> list[Node]:
    """The activations of a unit whose slopes do not follow from their results."""
    return [
        node
        for node in activation_nodes(graph)
        if node.activation is not None and node.activation.name not in KNOWN_SLOPES
    ]


def product_nodes(graph: Graph) -> list[Node]:
    """The products of a step that have other units than h."""
    size = graph.values[graph.cell.state_symbols[0]].shape
    return [node for node in graph.nodes if node.op in ("u", "v", *PRODUCTS) and node.shape != size]


def lane_gradients(blocks: GradientBlocks, layer: int, direction: int, samples: Sequence[int]) -> LaneGradients:
    """The backward pass of a lane for some samples."""
    inputs, graph = blocks.inputs, blocks.inputs.network.graph
    given = [symbol for symbol in graph.cell.state_symbols if gradient(symbol) not in blocks.trace]
    found = LaneGradients(
        {symbol: _room(inputs, samples, graph.values[symbol]) for symbol in given},
        {node: _room(inputs, samples, node) for node in slope_nodes(graph)},
        {node: _room(inputs, samples, node) for node in product_nodes(graph)},
    )
    if not (found.own or found.slopes or found.products):
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
                for node, array in found.products.items():
                    d = step.gradient(node)
                    array[t, column] = 0.0 if d is None else d.value[0, 0]
    return found


def _room(inputs: Inputs, samples: Sequence[int], node: Node) -> Floats:
    """(T, N, U): zeros for the numbers of a node."""
    return np.zeros((inputs.timesteps, len(samples), inputs.network.sizes(0).of(node.shape[0])))


def backward_lines(network: Network, numbers: Mapping[Node, int]) -> dict[str, Any]:
    """The lines of a step's gradients as JSON, by the numbers of the nodes.

    `lines` are those of the units of h in the order of the backward pass, with the paths on which gradients come in the
    step. `leaves` has the paths from the next step to each state, `u` and `v` the contributions of the input and
    recurrent parts through their weights.
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
            "gradient": in_brackets(texts(symbols.short(origin))),
        }

    def paths(node: Node) -> list[dict[str, Any]]:
        return [path(own) for own in symbols.paths(node)]

    def parts(op: Literal["u", "v"]) -> list[dict[str, Any]]:
        found = symbols.through_weights(op)
        return [{"node": numbers[node], "text": text, "gradient": in_brackets(read)} for node, text, read in found]

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
        "u": parts("u"),
        "v": parts("v"),
    }
