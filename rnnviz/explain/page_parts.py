"""The arithmetic and the backward pass of a lane as arrays, and the lines that a page's script computes from them.

The arrays have only what sums and products of others do not give.
"""

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from operator import methodcaller
from typing import Any, Literal

import numpy as np

from rnnviz.cells.interpreters.backward_graph import symbols_of
from rnnviz.cells.interpreters.graph import PRODUCTS, Graph, Node, ordered
from rnnviz.cells.interpreters.running_error import BoundedArray
from rnnviz.cells.interpreters.symbols import Symbol
from rnnviz.core.config import Network
from rnnviz.core.gradients import gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import time_blocks
from rnnviz.explain import forward, terms
from rnnviz.explain.backward_blocks import BackwardBlock, GradientBlocks
from rnnviz.explain.backward_symbols import Path, gradient_symbols, in_brackets, later, texts

_BLOCK_VALUES = 1 << 20


def _nodes_of_lines(graph: Graph) -> list[Node]:
    """The nodes of the equations whose values belong to the units of h; the gates of a projected h do not."""
    found = forward.nodes_of_unit([line.equation.node for line in _lines(graph)])
    return [node for node in graph.nodes if node in found]


def _lines(graph: Graph) -> tuple[forward.LineNodes, ...]:
    return forward.lines_of_units(graph, graph.values[graph.cell.state_symbols[0]].shape[0])


def activation_nodes(graph: Graph) -> list[Node]:
    return [node for node in _nodes_of_lines(graph) if node.op == "activation"]


def across_nodes(graph: Graph) -> list[Node]:
    """The values of all units that products in the equations of a unit read, then other ones behind these products."""
    read = [node.args[-1] for node in _nodes_of_lines(graph) if node.op in PRODUCTS]
    return list(dict.fromkeys([*read, *values_behind(graph).values()]))


def values_behind(graph: Graph) -> dict[str, Node]:
    """The named values behind a product with a matrix, with other units than h: i, f, g, o, c, m of an LSTM."""
    read = ordered([node.args[-1] for node in _nodes_of_lines(graph) if node.op == "matrix"])
    return {name: node for name, node in graph.values.items() if node in read and node.shape != graph.values["h"].shape}


def cell_data(network: Network, given: Collection[str]) -> dict[str, Any]:
    """The step of a cell as JSON, its nodes by number; `given` has the values that an engine may give."""
    graph = network.graph
    numbers, lines = _numbers(graph), _lines(graph)
    names, titled = [line.equation.name for line in lines], [line.equation.name for line in lines if line.title]
    gates = dict.fromkeys(name for name in (*graph.cell.gate_symbols, *graph.cell.state_symbols) if name in titled)
    compared = terms.compared_numbers(graph.cell, list(gates), names, [name for name in given if name in names])
    return {
        "states": graph.cell.state_symbols,
        "nodes": [
            {
                "activation": "" if node.activation is None else node.activation.name,
                "op": node.op,
                "args": [numbers[arg] for arg in node.args],
                "name": node.name,
                "number": node.number,
                **({"sum": _sum_of(network, node)} if node.op in forward.PRODUCT_OPS else {}),
            }
            for node in graph.nodes
        ],
        "names": {name: numbers[node] for name, node in graph.values.items()},
        "lines": _forward_lines(graph),
        "compared": [own._asdict() for own in compared],
        "behind": [[name, numbers[node]] for name, node in values_behind(graph).items()],
    }


@lru_cache(maxsize=16)
def _numbers(graph: Graph) -> dict[Node, int]:
    return {node: number for number, node in enumerate(graph.nodes)}


def _forward_lines(graph: Graph) -> list[dict[str, Any]]:
    numbers = _numbers(graph)
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


def _sum_of(network: Network, node: Node) -> dict[str, Any]:
    """The rows of a matrix that give a sum of products; `of` is what they multiply: x, h, or the number of a node."""
    rows = forward.MatrixRows.of(network.kind, node, network.hidden_size)
    of = "xh"[rows.way != "i2h"] if rows.read is None else _numbers(network.graph)[rows.read]
    reads = next((name for name, value in network.graph.values.items() if value is rows.read), "")
    own = {"matrix": rows.matrix, "row": rows.first, "rows": network.sizes(0).of(node.shape[0])}
    return {**own, "bias": rows.bias, "of": of, "reads": reads}


@np.errstate(all="ignore")
def lane_arithmetic(
    inputs: Inputs, trace: Trace, layer: int, direction: int, samples: Sequence[int]
) -> dict[str, FloatArray]:
    """The arithmetic of a lane for some samples, (T, N, U) or (T, N, K): results of activations and rounding bounds.

    "before.c" is a previous state that the engine does not give, "across.3" a value that products read of all units.
    """
    graph, every, numbers = inputs.network.graph, range(inputs.timesteps), _numbers(inputs.network.graph)
    x, states, bounds = forward.own_steps(inputs, trace, (layer, direction), every, samples)
    parameters = vars(inputs.of_engine(trace.engine).parameters.layer(layer, direction))
    shape = graph.values["h"].shape
    size = trace.shape[-1] * (1 + max(x.shape[-1], inputs.network.hidden_size)) * len(samples)
    blocks = []
    for times in time_blocks(every, max(1, _BLOCK_VALUES // size), backward=False):
        before = {symbol: array[times] for symbol, array in states.items()}
        values = forward.StepValues(graph.cell, parameters, x[times], before, shape[0])
        whole = *x[times].shape[:2], trace.shape[-1]
        activations = ((node, values.by_node[node]) for node in activation_nodes(graph))
        found = {f"activation.{numbers[node]}": np.broadcast_to(value, whole) for node, value in activations}
        blocks.append(found | {f"across.{numbers[node]}": values.across[node] for node in across_nodes(graph)})
    of_h = [name for name, node in graph.values.items() if node.shape == shape]
    carried = [symbol for symbol in graph.cell.state_symbols[1:] if symbol in of_h and symbol not in trace]
    given = [name for name in of_h if name in trace.lines or (name in ("h", "c") and name in trace)]
    return {
        **{f"before.{symbol}": states[symbol] for symbol in carried},
        **{name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]},
        **{f"bound.{name}": bounds[name].astype(trace.hidden.dtype) for name in given},
    }


_KNOWN_SLOPES = ("sigmoid", "tanh")
"""Activations whose slope follows from their result."""


@np.errstate(all="ignore")
def lane_gradients(blocks: GradientBlocks, layer: int, direction: int, samples: Sequence[int]) -> dict[str, FloatArray]:
    """The backward pass of a lane for some samples, (T, N, U) or (T, N, K).

    "own.c" is the gradient of a state that the engine does not give, "slope.3" the slope of an activation that does not
    follow from its result, and "contribution.3" the gradient of a product that has other units than h.
    """
    inputs, graph, numbers = blocks.inputs, blocks.inputs.network.graph, _numbers(blocks.inputs.network.graph)
    read: dict[str, tuple[Node, Callable[[BackwardBlock], BoundedArray | None]]] = {}
    for symbol in graph.cell.state_symbols:
        node = graph.values[symbol]
        if gradient(symbol) not in blocks.trace:
            is_first = symbols_of(graph, node)[0] == symbol
            read[f"own.{symbol}"] = node, methodcaller("total", node) if is_first else methodcaller("own", symbol)
    for node in activation_nodes(graph):
        if node.activation is not None and node.activation.name not in _KNOWN_SLOPES:
            read[f"slope.{numbers[node]}"] = node, methodcaller("slope", node)
    for node in graph.nodes:
        if node.op in forward.PRODUCT_OPS and node.shape != graph.values[graph.cell.state_symbols[0]].shape:
            read[f"contribution.{numbers[node]}"] = node, methodcaller("gradient", node)
    sizes, shape = inputs.network.sizes(0), (inputs.timesteps, len(samples))
    found = {name: np.zeros((*shape, sizes.of(node.shape[0]))) for name, (node, _) in read.items()}
    for column, sample in enumerate(samples if read else ()):
        # Each from the engine's own states, as they are explained.
        for t in range(inputs.length(sample)):
            step = blocks.step(layer, direction, t, sample)
            for name, (_, number) in read.items():
                d = number(step)
                found[name][t, column] = 0.0 if d is None else d.value[0, 0]
    return found


def backward_lines(graph: Graph) -> dict[str, Any]:
    """The lines of the gradients of the units of h as JSON, in backward order, by the numbers of the nodes.

    `leaves` has the paths from the next step to each state, `u` and `v` the contributions through the weights.
    """
    numbers, symbols, states = _numbers(graph), gradient_symbols(graph), graph.cell.state_symbols

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
                "states": symbols_of(graph, node),
                "paths": [] if node.op == "state" else paths(node),
            }
            for node in symbols.lines
            if node.shape == graph.values[states[0]].shape
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
