"""Backpropagation through time of one layer, on arrays, over a block of time steps.

The forward pass is known, so that all partial derivatives of the block are computed at once. A time step then takes the
products and sums of the chain rule and one matrix product, as in a textbook:

    dh = direct + carried          the gradient of h, from the layer above and from the next step
    dc = carried + dh · ∂h/∂c
    dv = dc · ∂c/∂v                the gradient of each recurrent part
    carried = dv W_h2h             the gradient of the previous h

They are written as the source of a loop, whose arrays are allocated before it. The gradients of the parameters and of
the layer input are sums over the block, and large products.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, lru_cache, reduce
from itertools import groupby, pairwise
from math import prod
from typing import Any

import numpy as np

from rnnviz.cells.activations import FloatArray
from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.arrays import ArrayLayer, gate_rows, product_weight, reordered_rows
from rnnviz.cells.interpreters.backward_graph import SharedNode, backward_graph
from rnnviz.cells.interpreters.generator import LoopWriter
from rnnviz.cells.interpreters.graph import LEAVES, Graph, Node, lone_sums, ordered, trace
from rnnviz.cells.interpreters.layout import SMALL_PRODUCT, choose_order, has_small_products, tile_columns
from rnnviz.frozen import dataclass

_CACHED_VALUES = 1 << 14
"""Values of an array: some twenty of them fit into the cache of a core."""


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """The gradients of a block of B time steps, in the order of the forward pass, and sums of parameters' gradients.

    `states` (B, N, H) belong to the new states by name, `x` (B, N, I) to the layer input, `before` (N, H) to the state
    before the block. `u` and `v` (B, N, H) belong to the parts by gate, as far as the step reads them; where it adds u
    to v, both are the gradient of the pre-activation.
    """

    states: dict[str, FloatArray]
    u: dict[str, FloatArray]
    v: dict[str, FloatArray]
    x: FloatArray
    before: dict[str, FloatArray]
    parameters: dict[str, FloatArray]


class NumpyBackward:
    """The backward pass of one layer in one direction."""

    def __init__(self, cell: CellSpec, parameters: Mapping[str, FloatArray]) -> None:
        """Prepare the layer; `parameters` are of the shapes of `CellSpec.parameter_shapes`."""
        self.cell, self.graph, self.parameters = cell, trace(cell), parameters
        self.layer = ArrayLayer.of(cell, parameters)
        self.size = len(parameters["i2h_bias"]) // cell.gate_count
        self.plan = _plan(self.graph)
        self._tiles: dict[int, FloatArray] = {}
        self._weights: dict[tuple[str, tuple[str, ...]], FloatArray] = {}

    def rows(self, array: str, op: str, gates: tuple[str, ...]) -> list[FloatArray]:
        """The rows of some gates of "weight" or "bias", i2h for "u", h2h for "v", and both for "plus"."""
        of_gates = {"i2h": self.cell.gate_symbols, "h2h": self.cell.recurrent_gates}
        kinds = {"plus": ("i2h", "h2h"), "u": ("i2h",), "v": ("h2h",)}[op]
        return [reordered_rows(self.parameters[f"{kind}_{array}"], of_gates[kind], gates) for kind in kinds]

    def weight(self, op: str, gates: tuple[str, ...]) -> FloatArray:
        """The rows of some gates of W_i2h for "u", of W_h2h for "v", and of both side by side for "plus"."""
        if (op, gates) not in self._weights:
            rows = self.rows("weight", op, gates)
            joined = np.concatenate(rows, axis=1) if len(rows) > 1 else np.ascontiguousarray(rows[0])
            self._weights[op, gates] = joined
        return self._weights[op, gates]

    @cached_property
    def turned_weight(self) -> FloatArray:
        """The rows of W_h2h, transposed: (H, R·H)."""
        return np.ascontiguousarray(self.weight("v", self.plan.v).T)

    def tiles(self, columns: int) -> FloatArray:
        """The rows of W_h2h by gate and tile of columns: (R, H / columns, H, columns)."""
        if columns not in self._tiles:
            weight = self.weight("v", self.plan.v)
            by_tile = weight.reshape(-1, self.size, weight.shape[1] // columns, columns).swapaxes(1, 2)
            self._tiles[columns] = np.ascontiguousarray(by_tile)
        return self._tiles[columns]

    def run(
        self,
        x: FloatArray,
        before: Mapping[str, FloatArray],
        after: Mapping[str, FloatArray],
        direct: FloatArray | None,
        carried: Mapping[str, FloatArray],
        pass_on: Mapping[int, Callable[[Mapping[str, FloatArray]], None]] = {},
        *,
        reverse: bool = False,
        during_steps: AbstractContextManager[object] | None = None,
    ) -> LayerGradients:
        """Compute a block: x (B, N, I), states and direct gradients (B, N, H), carried ones (N, H)."""
        block = _Block(self, x, before, after, direct, carried)
        return block.gradients(pass_on, reverse=reverse, during_steps=during_steps or nullcontext())


@dataclass(frozen=True, eq=False)
class _Plan:
    """The gates whose parts the states depend on, in the order of their slots.

    Those in `joined` have one gradient for both parts: they are the last of `u` and the first of `v`, in a row. In each
    range of `runs` the slots of v depend on one shared node only. The partial derivatives and what matrix products read
    is `wanted`.
    """

    u: tuple[str, ...]
    v: tuple[str, ...]
    joined: tuple[str, ...]
    leaves: Mapping[tuple[str, str], Node]
    shared: tuple[SharedNode, ...]
    runs: Sequence[tuple[range, int]]
    wanted: Mapping[Node, None]


@lru_cache(maxsize=256)
def _plan(graph: Graph) -> _Plan:
    shared = backward_graph(graph).shared
    reached = {node for one in shared for node in one.partial}
    leaves: dict[tuple[str, str], Node] = {
        (node.op, node.name): node for node in graph.nodes if node.op in ("u", "v", "state", "parameter")
    }

    def of_gates(op: str, gates: Sequence[str]) -> list[str]:
        return [gate for gate in gates if (op, gate) in leaves and leaves[op, gate] in reached]

    u, v = of_gates("u", graph.cell.gate_symbols), of_gates("v", graph.cell.recurrent_gates)

    def same(gate: str) -> bool:
        pair = [leaves[op, gate] for op in ("u", "v")]
        return all(one.partial.get(pair[0]) is one.partial.get(pair[1]) for one in shared)

    joined = [gate for gate in v if gate in u and same(gate)]
    slots = (*joined, *(gate for gate in v if gate not in joined))
    readers = [[k for k, one in enumerate(shared) if leaves["v", gate] in one.partial] for gate in slots]
    runs = []
    for only, group in groupby(range(len(readers)), lambda slot: readers[slot]):
        several = list(group)
        if len(only) == 1 and len(several) > 1:
            runs.append((range(several[0], several[-1] + 1), only[0]))
    operands = (one.node.args[-1] for one in shared if one.is_product)
    return _Plan(
        u=(*(gate for gate in u if gate not in joined), *joined),
        v=slots,
        joined=tuple(joined),
        leaves=leaves,
        shared=shared,
        runs=runs,
        wanted=dict.fromkeys((*(d for one in shared for d in one.partial.values()), *operands)),
    )


@lru_cache(maxsize=256)
def _calculation(graph: Graph, known: tuple[Node, ...]) -> tuple[list[Node], list[Node]]:
    """The values that partial derivatives and operands of products are made of, and the operations that give these.

    The values of `known` nodes are read, and so are leaves, and sums u.k + v.k of which nothing else reads the parts.
    """
    given = dict.fromkeys((*known, *lone_sums(graph)))
    nodes = ordered(_plan(graph).wanted, given)
    given |= dict.fromkeys(node for node in nodes if node.op in LEAVES)
    needed = set(_plan(graph).wanted)
    for node in reversed(nodes):
        if node in needed and node not in given:
            needed.update(_operands(node))
    return [node for node in given if node in needed], [node for node in nodes if node in needed - given.keys()]


def _operands(node: Node) -> tuple[Node, ...]:
    """The operands of a node; the slope of relu is read from its value, which is positive where its argument is."""
    by_value = node.op == "slope" and node.activation is not None and node.activation.name == "relu"
    return node.args[-1:] * 2 if by_value else node.args


class _Block:
    """The backward pass of one block, whose arrays (B, N, H) are rows (B·N, H) where time does not matter."""

    def __init__(
        self,
        of: NumpyBackward,
        x: FloatArray,
        before: Mapping[str, FloatArray],
        after: Mapping[str, FloatArray],
        direct: FloatArray | None,
        carried: Mapping[str, FloatArray],
    ) -> None:
        self._of, self._plan, self._x, self._dtype = of, of.plan, _flat(x), x.dtype
        self._shape = x.shape[:2]
        self._before = {name: _flat(array) for name, array in before.items()}
        self._direct, self._carried = direct, {name: np.array(array) for name, array in carried.items()}
        nodes = of.graph.values
        self._known = {nodes[name]: _flat(array) for name, array in after.items() if nodes[name].op not in LEAVES}
        self._vectors: list[FloatArray] = []
        self._totals: list[FloatArray] = []
        self._source = LoopWriter()
        self._factors: list[tuple[range, int, FloatArray]] = []
        self._found: dict[Node, Any] = {}
        self._compute()
        # A contribution is a partial derivative times the vector over time (B, N, H) of its shared node.
        self._partial = [{node: self._found[d] for node, d in one.partial.items()} for one in self._plan.shared]

    def _compute(self) -> None:
        """Compute the partial derivatives, side by side those of slots that depend on one shared node only."""
        of, plan, rows = self._of, self._plan, prod(self._shape)
        read, operations = _calculation(of.graph, tuple(self._known))
        given = self._given(read)
        copies: list[tuple[Node, FloatArray]] = []
        for slots, only in plan.runs:
            factor = np.empty((rows, len(slots), of.size), self._dtype)
            self._factors.append((slots, only, factor))
            partial = plan.shared[only].partial
            copies += [(partial[plan.leaves["v", plan.v[slot]]], factor[:, k]) for k, slot in enumerate(slots)]
        beside = dict(reversed(copies))
        chunk = max(1, _CACHED_VALUES // max(of.size, *(array.shape[1] for array in self._carried.values())))
        for start in range(0, rows, chunk):
            part = slice(start, start + chunk)
            values = {node: a if node.op in ("number", "parameter") else a[part] for node, a in given.items()}
            for node in operations:
                values[node] = of.layer.apply(node, [values[arg] for arg in _operands(node)])
            for node, array in copies:
                array[part] = values[node]
            for node in plan.wanted:
                value = values[node]
                if node in given or np.ndim(value) < 2:
                    self._found[node] = given.get(node, value)
                elif node in beside:
                    self._found[node] = beside[node]
                else:
                    if start == 0:
                        self._found[node] = np.empty((rows, value.shape[1]), self._dtype)
                    self._found[node][part] = value

    def _given(self, nodes: Sequence[Node]) -> dict[Node, Any]:
        """The values (B·N, H) that are read: known ones, leaves and sums; those of parameters have no rows."""
        of, h = self._of, self._before[self._of.cell.state_symbols[0]]
        found: dict[Node, Any] = {}
        for node in nodes:
            match node.op:
                case _ if node in self._known:
                    found[node] = self._known[node]
                case "state":
                    found[node] = self._before[node.name]
                case "parameter":
                    found[node] = of.parameters[node.name]
                case "number":
                    found[node] = node.number
        for op in ("plus", "u", "v"):
            chosen = [node for node in nodes if node.op == op and node not in found]
            if chosen:
                read = self._joined if op == "plus" else self._x if op == "u" else h
                gates = tuple((node.args[0] if op == "plus" else node).name for node in chosen)
                product = read @ of.weight(op, gates).T
                product += reduce(np.add, of.rows("bias", op, gates))
                found |= {node: product[:, k * of.size : (k + 1) * of.size] for k, node in enumerate(chosen)}
        return found

    @cached_property
    def _joined(self) -> FloatArray:
        """The layer input and the previous h as one row."""
        return np.concatenate([self._x, self._before[self._of.cell.state_symbols[0]]], axis=1)

    def _rows(self, product: Node) -> FloatArray:
        """The operand of a matrix product as rows (B·N, H), also one of parameters alone."""
        operand = self._found[product.args[-1]]
        return np.broadcast_to(operand, (prod(self._shape), operand.shape[-1]))

    def gradients(
        self,
        pass_on: Mapping[int, Callable[[Mapping[str, FloatArray]], None]],
        *,
        reverse: bool,
        during_steps: AbstractContextManager[object],
    ) -> LayerGradients:
        """Run the loop, and compute what follows from all steps."""
        plan, of, size = self._plan, self._of, self._of.size
        own = len(plan.u) - len(plan.joined)
        slots = np.empty((*self._shape, own + len(plan.v), size), self._dtype)
        states = self._write_loop(slots[:, :, own:])
        count, last_first = self._shape[0], slice(None, None, 1 if reverse else -1)
        with during_steps:
            for start, stop in reversed([*pairwise([0, *sorted(pass_on), count])]):
                self._source.run(slice(count - stop, count - start), last_first)
                if start in pass_on:
                    pass_on[start](self._carried)
        for k, gate in enumerate(plan.u[:own]):
            slots[:, :, k] = self._sum(plan.leaves["u", gate])
        rows = slots.reshape(prod(self._shape), -1)
        d_u, d_v = rows[:, : len(plan.u) * size], rows[:, own * size :]
        # A product with ones is faster than a sum over rows.
        sums = np.ones(len(rows), self._dtype) @ rows
        h = self._before[of.cell.state_symbols[0]]
        if plan.joined == plan.u == plan.v:
            both = rows.T @ self._joined
            weights = both[:, : self._x.shape[1]], both[:, self._x.shape[1] :]
        else:
            weights = d_u.T @ self._x, d_v.T @ h
        gates = of.cell.gate_symbols, of.cell.recurrent_gates
        found = {"i2h_weight": weights[0], "i2h_bias": sums[: len(plan.u) * size]}
        found |= {"h2h_weight": weights[1], "h2h_bias": sums[own * size :]} if gates[1] else {}
        parameters: dict[str, FloatArray] = {}
        for name, array in found.items():
            slots_of, gates_of = (plan.u, gates[0]) if name.startswith("i2h") else (plan.v, gates[1])
            zeros = np.zeros_like(of.parameters[name])
            parameters[name] = reordered_rows(array, slots_of, gates_of) if slots_of else zeros
        parameters |= {name: np.zeros_like(of.parameters[name]) for name in of.cell.own_parameters}
        for shared, total in zip(plan.shared, self._totals, strict=True):
            d, node = _flat(total), shared.node
            if node.op == "recurrent":
                gate_rows(parameters["h2h_weight"], gates[1])[node.name][...] += d.T @ self._rows(node)
                gate_rows(parameters["h2h_bias"], gates[1])[node.name][...] += d.sum(axis=0)
            elif node.op == "matrix":
                parameters[node.args[0].name] += d.T @ self._rows(node)
        for (op, name), node in plan.leaves.items():
            if op == "parameter" and any(node in partial for partial in self._partial):
                parameters[name] += _flat(self._sum(node)).sum(axis=0)
        x = d_u @ of.weight("u", plan.u) if plan.u else np.zeros_like(self._x)
        return LayerGradients(
            states,
            {gate: slots[:, :, k] for k, gate in enumerate(plan.u)},
            {gate: slots[:, :, own + k] for k, gate in enumerate(plan.v)},
            x.reshape(*self._shape, -1),
            self._carried,
            parameters,
        )

    def _write_loop(self, slots: FloatArray) -> dict[str, FloatArray]:
        """Write the lines of a step, which fill the `slots` of v (B, N, R, H); returns the states' gradients."""
        plan, source, cell = self._plan, self._source, self._of.cell
        first = cell.state_symbols[0]
        states: dict[str, FloatArray] = {}
        carried = {name: source.name(array, over_time=False) for name, array in self._carried.items()}
        for shared in plan.shared:
            symbols, node = shared.symbols, shared.node
            given = [carried[symbol] for symbol in symbols]
            if first in symbols and self._direct is not None:
                given.append(source.name(self._direct, over_time=True))
            for symbol in symbols[1:]:
                states[symbol] = self._empty(self._carried[symbol].shape[1])
                source.call("copyto", source.name(states[symbol], over_time=True), carried[symbol])
            total = self._empty(self._carried[symbols[0]].shape[1] if symbols else self._of.size)
            states |= dict.fromkeys(symbols[:1], total)
            # A leaf that is a new state contributes its gradient to itself.
            self._add_up(total, source.name(total, over_time=True), None if node.op in LEAVES else node, given)
            self._totals.append(total)
            self._vectors.append(self._through(node, total) if shared.is_product else total)
        self._fill_slots(slots)
        for symbol, array in self._carried.items():
            given = []
            if symbol == first and plan.v:
                self._write_product(slots, array, carried[symbol])
                given = [carried[symbol]]
            self._add_up(array, carried[symbol], plan.leaves.get(("state", symbol)), given)
        return states

    def _write_product(self, slots: FloatArray, out: FloatArray, name: str) -> None:
        """Write dv W_h2h in the order that suits the sizes: by tiles, where these keep the products small."""
        source, weight, (samples, size) = self._source, self._of.weight("v", self._plan.v), out.shape
        gates, units = slots.shape[2:]
        small = samples > 1 and samples * len(weight) * size > SMALL_PRODUCT and has_small_products()
        columns = tile_columns(samples, units, size) if small else 0
        if not columns:
            row = slots.reshape(*self._shape, -1)
            if choose_order(samples, 1, len(weight), size, self._dtype) == "samples":
                source.call("dot", source.name(row, over_time=True), source.name(weight, over_time=False), name)
                return
            turned, product = self._of.turned_weight, np.empty((size, samples), self._dtype)
            column = source.name(row.swapaxes(1, 2), over_time=True)
            source.call("dot", source.name(turned, over_time=False), column, source.name(product, over_time=False))
            source.call("copyto", name, source.name(product.T, over_time=False))
            return
        tiles = self._of.tiles(columns)
        parts = np.empty((gates, samples, size), self._dtype)
        by_gate = slots.swapaxes(1, 2)[:, :, np.newaxis]
        by_tile = parts.reshape(gates, samples, -1, columns).swapaxes(1, 2)
        arrays = source.name(tiles, over_time=False), source.name(by_tile, over_time=False)
        source.call("matmul", source.name(by_gate, over_time=True), *arrays)
        source.call("add_reduce", source.name(parts, over_time=False), "0", "None", name)

    def _empty(self, size: int) -> FloatArray:
        return np.empty((*self._shape, size), self._dtype)

    def _through(self, product: Node, total: FloatArray) -> FloatArray:
        """The gradient of a matrix product's operand."""
        weight = product_weight(product, self._of.layer.weights, self._of.parameters)
        vector = self._empty(weight.shape[1])
        names = self._source.name(total, over_time=True), self._source.name(weight, over_time=False)
        self._source.call("dot", *names, self._source.name(vector, over_time=True))
        return vector

    def _terms(self, node: Node | None) -> list[tuple[Any, FloatArray]]:
        """The partial derivatives of the shared nodes so far by a node, each with its vector."""
        readers = zip(self._partial, self._vectors, strict=False)
        return [(partial[node], vector) for partial, vector in readers if node in partial]

    def _sum(self, node: Node) -> FloatArray:
        """The gradient of a node at every step, (B, N, H), after the loop."""
        terms = [self._over_time(partial) * vector for partial, vector in self._terms(node)]
        return reduce(np.add, terms)

    def _over_time(self, partial: Any) -> Any:
        return partial.reshape(*self._shape, -1) if np.ndim(partial) == 2 else partial

    def _add_up(self, out: FloatArray, name: str, node: Node | None, given: Sequence[str]) -> None:
        """Write the lines that set `out` to the gradient of a node: the contributions of its readers and `given`."""
        source, terms = self._source, self._terms(node)
        summands = [*given, *(source.name(vector, over_time=True) for partial, vector in terms if _is_one(partial))]
        begun = name in summands
        summands = [summand for summand in summands if summand != name]
        for partial, vector in terms:
            if not _is_one(partial):
                factors = self._factor(partial), source.name(vector, over_time=True)
                scratch = np.empty((self._shape[1], out.shape[-1]), self._dtype)
                room = source.name(scratch, over_time=False) if begun else name
                source.call("multiply", *factors, room)
                if begun:
                    source.call("add", name, room, name)
                begun = True
        if not begun and len(summands) > 1:
            source.call("add", summands.pop(0), summands.pop(0), name)
        elif not begun:
            source.call("copyto", name, summands.pop() if summands else source.name(_ZERO, over_time=False))
        for summand in summands:
            source.call("add", name, summand, name)

    def _factor(self, partial: Any) -> str:
        array = self._over_time(partial)
        if isinstance(array, float):
            array = np.array(array, self._dtype)
        return self._source.name(array, over_time=array.ndim == 3)

    def _fill_slots(self, slots: FloatArray) -> None:
        """Write the lines for the gradients of v: in one call those of slots that depend on one shared node only."""
        plan, source = self._plan, self._source
        alone = set(range(len(plan.v)))
        for run, only, factor in self._factors:
            alone -= set(run)
            out, vector = slots[:, :, run.start : run.stop], self._vectors[only][:, :, np.newaxis]
            arrays = factor.reshape(*self._shape, len(run), -1), vector, out
            source.call("multiply", *(source.name(array, over_time=True) for array in arrays))
        for slot in sorted(alone):
            out = slots[:, :, slot]
            self._add_up(out, source.name(out, over_time=True), plan.leaves["v", plan.v[slot]], [])


def pass_nothing(carried: Mapping[str, FloatArray]) -> None:
    """Truncate: set the carried gradients of the states to 0."""
    for array in carried.values():
        array[...] = 0.0


_ZERO = np.zeros(())


def _is_one(partial: Any) -> bool:
    return isinstance(partial, float) and partial == 1.0


def _flat(array: FloatArray) -> FloatArray:
    """(B, N, H) as rows (B·N, H)."""
    return array.reshape(-1, array.shape[-1])
