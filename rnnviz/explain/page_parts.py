"""The arithmetic and the backward pass of all steps of a lane: numbers that `explain` gives for one value, as arrays.

Only numbers that sums and products of others do not give: the results of activations, the values of all units that a
product in the step reads, slopes that do not follow from results, and rounding bounds. Sums are added up in the order
of `explain`, which no matrix product keeps. Besides them, the lines that a page's script computes, by numbers of nodes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.arrays import ArrayLayer
from rnnviz.cells.interpreters.backward_graph import PRODUCTS, symbols_of
from rnnviz.cells.interpreters.bounded import BoundedBlock
from rnnviz.cells.interpreters.graph import Graph, Node, evaluate, ordered
from rnnviz.cells.interpreters.running_error import BoundedArray, storage_bound
from rnnviz.cells.interpreters.symbols import Equation, Symbol, expression, short_equations
from rnnviz.core.config import Network
from rnnviz.core.gradients import gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import time_blocks
from rnnviz.explain.backward_blocks import GradientBlocks
from rnnviz.explain.backward_symbols import Path, gradient_symbols, in_brackets, later, texts, through_weights
from rnnviz.explain.forward import (
    PRODUCT_OPS,
    PartNodes,
    first_names,
    nodes_of_unit,
    parts_of_gate,
    summands,
    symbol_of,
    values_of_all_units,
)
from rnnviz.explain.lines import Floats
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import bounded_layer, layer_input, previous_state
from rnnviz.steps.states import CellStates

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


def lines_of_unit(cell: CellSpec, graph: Graph) -> tuple[Equation, ...]:
    """The equations whose values belong to the units of h; the gates of a projected h do not."""
    return tuple(line for line in short_equations(cell) if line.node.shape == graph.values["h"].shape)


def _nodes_of_lines(cell: CellSpec, graph: Graph) -> list[Node]:
    found = nodes_of_unit([line.node for line in lines_of_unit(cell, graph)])
    return [node for node in graph.nodes if node in found]


def activation_nodes(cell: CellSpec, graph: Graph) -> list[Node]:
    """The activations in the equations of a unit."""
    return [node for node in _nodes_of_lines(cell, graph) if node.op == "activation"]


def across_nodes(cell: CellSpec, graph: Graph) -> list[Node]:
    """The values of all units that products in the equations of a unit read, then other ones behind these products."""
    read = [node.args[-1] for node in _nodes_of_lines(cell, graph) if node.op in ("recurrent", "matrix")]
    return list(dict.fromkeys([*read, *values_behind(cell, graph).values()]))


def values_behind(cell: CellSpec, graph: Graph) -> dict[str, Node]:
    """The named values behind a product with a matrix, with other units than h: i, f, g, o, c, m of an LSTM."""
    read = ordered([node.args[-1] for node in _nodes_of_lines(cell, graph) if node.op == "matrix"])
    return {name: node for name, node in graph.values.items() if node in read and node.shape != graph.values["h"].shape}


def forward_lines(network: Network, numbers: Mapping[Node, int]) -> list[dict[str, Any]]:
    """The lines of a step as JSON, by the numbers of the nodes: their symbols, and the terms that they add up.

    `parts` are those of a pre-activation or of a product with a matrix, with the symbols of their sum in `argument`;
    other lines have `products`. A part is a sum of the step with its factor, or a weight times a value.
    """
    cell, graph = network.kind, network.graph
    names = first_names(graph)

    def weighted(weight: Node | None) -> dict[str, Any]:
        return {} if weight is None else {"weight": numbers[weight]}

    def part(nodes: PartNodes) -> dict[str, Any]:
        by = nodes.factor
        if nodes.product is None:
            return {"name": symbol_of(names, nodes.value), **weighted(by), "value": numbers[nodes.value]}
        factor = {} if by is None else {"factor": numbers[by], "factorName": names.get(by, "")}
        return {"sum": numbers[nodes.product], **factor}

    def product(node: Node) -> dict[str, Any]:
        weight, value = node.args if node.op == "times" else (None, node)
        text = "".join(own.text for own in expression(cell, node))
        return {"name": text, "value": numbers[value], **weighted(weight)}

    def numbered(symbol: Symbol) -> int | None:
        """The number of a symbol's node, if the symbol has one value."""
        node = symbol.node
        return None if node is None or node.op == "number" or symbol.across or len(node.shape) == 2 else numbers[node]

    def written(line: Equation) -> dict[str, Any]:
        texts = [own.text for own in line.symbols]
        found = parts_of_gate(cell, line)
        argument = "".join(texts[1:-1] if line.node.op == "activation" else texts)
        terms = {"parts": [*map(part, found)]} if found else {"products": [*map(product, summands(line.node))]}
        symbols = [[own.text, numbered(own)] for own in line.symbols]
        return {"name": line.name, "node": numbers[line.node], **terms, "argument": argument, "symbols": symbols}

    return [written(line) for line in lines_of_unit(cell, graph)]


def sum_of(network: Network, node: Node, numbers: Mapping[Node, int]) -> dict[str, Any]:
    """The row of a weight matrix that gives an input part, a recurrent part or a product with a matrix, as JSON.

    `row` is that of the first unit, of `rows`; `of` is the vector that it multiplies: x, h, or the number of a node.
    """
    cell, rows = network.kind, network.sizes(0).of(node.shape[0])
    if node.op == "matrix":
        matrix, read = node.args
        reads = next((name for name, value in network.graph.values.items() if value is read), "")
        own = {"kind": "matrix", "name": matrix.name, "reads": reads, "matrix": matrix.name, "row": 0}
        return {**own, "rows": rows, "of": numbers[read]}
    kind, gates = ("i2h", cell.gate_symbols) if node.op == "u" else ("h2h", cell.recurrent_gates)
    of = {"u": "x", "v": "h"}.get(node.op) or numbers[node.args[0]]
    own = {"kind": kind, "name": node.name, "matrix": f"{kind}_weight", "row": gates.index(node.name) * rows}
    return {**own, "rows": rows, "bias": f"{kind}_bias", "of": of}


@np.errstate(all="ignore")
def lane_arithmetic(inputs: Inputs, trace: Trace, layer: int, direction: int, samples: Sequence[int]) -> LaneArithmetic:
    """The arithmetic of a lane of an engine for some samples."""
    network, timesteps, chosen = inputs.network, inputs.timesteps, np.asarray(samples, np.intp)
    cell, every = network.kind, slice(0, timesteps)
    x = layer_input(inputs, trace, layer, every, chosen).astype(np.float64)
    bounded = bounded_layer(inputs, trace, layer, direction, None)
    before: dict[str, Floats] = {}
    carried: dict[str, BoundedArray] = {}
    for symbol in cell.state_symbols:
        if symbol == "c":
            c = _cell_states_before(inputs, trace, layer, direction, samples)
            before["c"] = c.value
            carried["c"] = BoundedArray(
                c.value.reshape(-1, c.value.shape[-1]), c.bound.reshape(-1, c.value.shape[-1]), c.eps
            )
            continue
        found = previous_state(inputs, trace, symbol, layer, direction, every, chosen)
        before[symbol] = found.astype(np.float64)
        if symbol != "h":
            carried[symbol] = bounded.leaf(before[symbol].reshape(-1, found.shape[-1]), trace.stored_as)
    # The audit's bounds of each step, computed as one time step of many samples.
    steps, units = timesteps * len(samples), trace.shape[-1]
    block = BoundedBlock(bounded, x.reshape(1, steps, -1), before["h"].reshape(1, steps, -1), {}, 0)
    bounds = {}
    for name, value in block.follow(carried, (*cell.state_symbols, *trace.lines))[0].items():
        bound = np.broadcast_to(value.bound, value.value.shape)[0].reshape(timesteps, len(samples), -1)
        if bound.shape[-1] == units:
            own = trace[name][layer, direction][:, chosen] if name in trace else np.zeros(1)
            bounds[name] = bound + storage_bound(own, trace.stored_as)
    lane = _Lane(cell, network.graph, vars(inputs.parameters.layer(layer, direction)))
    size = before["h"].shape[-1] * (1 + max(x.shape[-1], network.hidden_size)) * len(samples)
    blocks = [
        lane.block(x[times], {name: array[times] for name, array in before.items()})
        for times in time_blocks(every, max(1, _BLOCK_VALUES // size), backward=False)
    ]
    activations, across = ({n: np.concatenate([block[k][n] for block in blocks]) for n in blocks[0][k]} for k in (0, 1))
    return LaneArithmetic(before, activations, across, bounds)


def _cell_states_before(
    inputs: Inputs, trace: Trace, layer: int, direction: int, samples: Sequence[int]
) -> BoundedArray:
    """(T, N, H): c[t-1] of each step with its bound."""
    network, states = inputs.network, CellStates(inputs, trace)
    shape = inputs.timesteps, len(samples), network.hidden_size
    values, bounds = np.zeros(shape), np.zeros(shape)
    for column, sample in enumerate(samples):
        # In the order of computation, in which each state follows from the one before.
        for t in range(inputs.timesteps)[:: -1 if network.backward(direction) else 1]:
            c = states.before(layer, direction, t, slice(sample, sample + 1), slice(0, network.hidden_size))
            values[t, column], bounds[t, column] = c.value[0], c.bound[0]
    return BoundedArray(values, bounds, trace.eps)


class _Lane:
    """The activations and what products read of all units, of blocks of x (B, N, I) and previous states (B, N, U)."""

    def __init__(self, cell: CellSpec, graph: Graph, parameters: Mapping[str, FloatArray]) -> None:
        self._cell, self._roots = cell, [line.node for line in lines_of_unit(cell, graph)]
        self._activations, self._across = activation_nodes(cell, graph), across_nodes(cell, graph)
        self._sums = [n for n in nodes_of_unit(self._roots) if n.op in PRODUCT_OPS]
        self._parameters = {name: np.asarray(array, np.float64) for name, array in parameters.items()}
        self._size = len(parameters["i2h_bias"]) // len(cell.gates)

    def block(self, x: Floats, state: Mapping[str, Floats]) -> tuple[dict[Node, Floats], dict[Node, Floats]]:
        across: dict[Node, Floats] = {}
        if self._across:
            each = [
                values_of_all_units(
                    self._cell, self._parameters, x[at], {s: a[at] for s, a in state.items()}, self._roots
                )
                for at in np.ndindex(x.shape[:2])
            ]
            across = {n: np.array([found[n] for found in each]).reshape(*x.shape[:2], -1) for n in self._across}
        sums = {node: self._sum(node, x, state, across) for node in self._sums}

        def leaf(node: Node) -> Floats | float:
            if node.op == "number":
                return node.number
            return (state if node.op == "state" else self._parameters)[node.name]

        values = evaluate(self._roots, leaf, ArrayLayer().apply, sums)
        shape = *x.shape[:2], state["h"].shape[-1]
        return {node: np.broadcast_to(values[node], shape) for node in self._activations}, across

    def _sum(self, node: Node, x: Floats, state: Mapping[str, Floats], across: Mapping[Node, Floats]) -> Floats:
        """(B, N, U): the sum of the terms of a node, term by term, and last its bias."""
        if node.op == "matrix":
            return _added_up(self._parameters[node.args[0].name], across[node.args[1]])
        kind, gates = ("i2h", self._cell.gate_symbols) if node.op == "u" else ("h2h", self._cell.recurrent_gates)
        first = gates.index(node.name) * self._size
        weight, bias = (self._parameters[f"{kind}_{part}"][first : first + self._size] for part in ("weight", "bias"))
        read = x if node.op == "u" else state["h"] if node.op == "v" else across[node.args[0]]
        return _added_up(np.column_stack([weight, bias]), np.concatenate([read, np.ones((*read.shape[:2], 1))], -1))


def _added_up(weight: Floats, read: Floats) -> Floats:
    """(B, N, U): the sum of weight (U, K) times read (B, N, K), in the order of the columns."""
    sums: Floats = np.cumsum(read[:, :, np.newaxis] * weight, axis=-1)[..., -1]
    return sums


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
        for node in activation_nodes(graph.cell, graph)
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

    def parts(op: str, gates: Iterable[str]) -> list[dict[str, Any]]:
        by_gate = {node.name: node for node in graph.nodes if node.op == op and symbols.consumers.get(node)}
        found = []
        for gate in (gate for gate in gates if gate in by_gate):
            node = by_gate[gate]
            read = (symbols.named(node),) if op == "u" else symbols.equation(node)
            text = through_weights(read if op == "u" else later(read))
            row = sum_of(network, node, numbers)
            own = {name: row[name] for name in ("matrix", "row", "rows")}
            found.append({**own, "node": numbers[node], "text": text, "gradient": in_brackets(texts(read))})
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
