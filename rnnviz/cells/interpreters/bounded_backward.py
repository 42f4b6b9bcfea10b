"""Every gradient of a step in float64, with the bound on the rounding that an engine may have put into it.

The gradients of the engine's states are read from a trace, so that all steps of a block are computed at once. The
gradient of a state that the engine does not give, such as c, is carried from step to step, against the order of time.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnviz.cells.activations import FloatArray
from rnnviz.cells.interpreters.backward_graph import Contributions, SharedNode, backward_graph
from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer
from rnnviz.cells.interpreters.graph import LEAVES, Node, evaluate
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray
from rnnviz.frozen import dataclass


@dataclass(frozen=True, eq=False)
class BoundedGradients:
    """The gradients of a block of B time steps with their bounds, in the order of time.

    `states` (B, N, H) by name are the engine's own, or carried ones; `within` their parts from other states of the same
    step, such as from h to c; `before` those that the step gives to the previous state. The gradient of a state is
    `before` of the step that reads it, plus `within` of the same step, plus what the loss and the layer above add. `u`
    and `v` (B, N, H) belong to the parts by gate, as far as they are read, `x` (B, N, I) to the layer input, through
    this lane, and `carried` (N, H) are the parts of `before` that the engine does not return, after the block.
    """

    states: dict[str, BoundedArray]
    within: dict[str, BoundedArray]
    before: dict[str, BoundedArray]
    u: dict[str, BoundedArray]
    v: dict[str, BoundedArray]
    x: BoundedArray
    carried: dict[str, BoundedArray]


class BoundedBackward:
    """The backward pass of a block whose forward pass was followed with `whole`."""

    def __init__(self, layer: BoundedLayer, block: BoundedBlock, x: FloatArray, before: FloatArray) -> None:
        """Prepare a block. `x` and `before` are (B, N, I)."""
        self._layer, self._block, self._known = layer, block, dict(block.computed)
        self._x, self._before = layer.read_input(x), layer.leaf(before, layer.stored_as)
        self._shape = x.shape[:2]
        self._backward = backward_graph(layer.graph)
        self._shared = self._backward.shared
        self._contributed: dict[Node, BoundedArray] = {}
        self._own: dict[str, BoundedArray] = {}
        self._totals: dict[Node, BoundedArray] = {}

    def value(self, node: Node) -> BoundedArray:
        """A value of the forward pass or a slope over time."""
        if node not in self._known:
            self._known = evaluate([node], self._block.leaf, self._block.apply, self._known)
        return self._known[node]

    def gradients(
        self,
        given: Mapping[str, FloatArray],
        carried: Mapping[str, BoundedArray] = {},
        *,
        backward: bool = False,
        cuts: Sequence[int] = (),
        stored_as: str = "",
    ) -> BoundedGradients:
        """Compute the gradients of the block. `given` is (B, N, H); `carried` is (N, H)."""
        layer = self._layer
        self._own = {symbol: layer.leaf(array, stored_as) for symbol, array in given.items()}
        first = {one.symbols[0]: one.node for one in self._shared if one.symbols}
        self._totals |= {first[symbol]: d for symbol, d in self._own.items() if symbol in first}
        late = self._late()
        for shared in self._shared:
            if shared not in late:
                self._pass_on(shared)
        carried = self._carry(late, carried, backward=backward, cuts=cuts)
        for shared in late:
            self._pass_on(shared)
        return self._result(carried, cuts)

    def _late(self) -> list[SharedNode]:
        """The shared nodes whose gradients wait for a carried one, the last computed one first."""
        late: list[SharedNode] = []
        for shared in self._shared:
            waits = shared.symbols or any(shared.node in other.partial for other in late)
            if waits and shared.node not in self._totals:
                late.append(shared)
        return late

    def _pass_on(self, shared: SharedNode) -> None:
        """Add what a shared node contributes to others, once its own gradient is complete."""
        node = shared.node
        if node not in self._totals:
            if node not in self._contributed:
                return
            self._totals[node] = self._contributed[node]
        elif node in self._contributed and shared.symbols:
            self._totals[node] = self._as_used(self._totals[node], self._contributed[node])
        d = self._totals[node]
        if shared.is_product:
            d = self._layer.gradient_of_operand(node, d)
        for other, term in self.contributed(shared.contributions, d):
            self._layer.forget_overflow(term)
            known = self._contributed.get(other)
            self._contributed[other] = term if known is None else known + term

    def contributed(self, made: Contributions, d: BoundedArray) -> list[tuple[Node, BoundedArray]]:
        """The contributions of a gradient d to others."""
        for node in made.read:
            self.value(node)
        terms, known = [term for _, term in made.terms], {**self._known, made.gradient: d}
        found = evaluate(terms, self._block.leaf, self._block.apply, known)
        return [(node, found[term]) for node, term in made.terms]

    def _partial(self, shared: SharedNode) -> dict[Node, BoundedArray]:
        """The partial derivatives over time by node; of what they are made of, only values and slopes are kept."""
        for node in shared.contributions.read:
            self.value(node)
        found = evaluate([*shared.partial.values()], self._block.leaf, self._block.apply, self._known)
        return {node: found[derivative] for node, derivative in shared.partial.items()}

    def _as_used(self, own: BoundedArray, within: BoundedArray) -> BoundedArray:
        """The engine's own gradient, with the rounding of a second sum: kernels add up the gradient of c again."""
        rest = np.abs(own.value - within.value)
        bound = own.bound + within.bound + own.eps * np.where(np.isfinite(rest), rest, 0.0)
        return BoundedArray(own.value, bound, own.eps)

    def _carry(
        self, late: Sequence[SharedNode], carried: Mapping[str, BoundedArray], *, backward: bool, cuts: Sequence[int]
    ) -> dict[str, BoundedArray]:
        """The gradients of late nodes over time, from step to step; returns those before the block."""
        layer, graph, carried = self._layer, self._layer.graph, dict(carried)
        if not carried:
            return {}
        partial = [self._partial(shared) for shared in late]
        leaves = {node.name: node for node in graph.nodes if node.op == "state" and node.name in carried}
        zeros = {name: layer.leaf(np.zeros(state.value.shape)) for name, state in carried.items()}
        rooms: dict[Any, list[BoundedArray]] = {key: [] for key in (*(shared.node for shared in late), *carried)}

        def at(value: BoundedArray, t: int) -> BoundedArray:
            return value[t] if value.value.ndim == 3 else value

        steps = range(self._shape[0])
        for t in steps if backward else reversed(steps):
            vectors: list[BoundedArray] = []

            def total(node: Node | None, given: list[BoundedArray], vectors: list[BoundedArray], t: int) -> Any:
                known = None if node is None else self._contributed.get(node)
                terms = given if known is None else [*given, known[t]]
                readers = zip(partial, vectors, strict=False)
                terms += [at(of_reader[node], t) * vector for of_reader, vector in readers if node in of_reader]
                return sum(terms[1:], start=terms[0]) if terms else None

            for shared in late:
                node = shared.node
                given = [carried[symbol] if symbol in carried else self._own[symbol][t] for symbol in shared.symbols]
                found = total(None if node.op in LEAVES else node, given, vectors, t)
                rooms[node].append(found)
                vectors.append(layer.gradient_of_operand(node, found) if shared.is_product else found)
            for name, value in carried.items():
                rooms[name].append(value)
            for name in carried:
                found = total(leaves.get(name), [], vectors, t)
                carried[name] = zeros[name] if found is None or t in cuts else found
        for key, room in rooms.items():
            rows = room if backward else room[::-1]
            shape = self._shape[1], rows[0].value.shape[-1]
            value, bound = (
                np.stack([np.broadcast_to(getattr(row, name), shape) for row in rows]) for name in ("value", "bound")
            )
            over_time = BoundedArray(value, bound, layer.eps)
            if isinstance(key, str):
                self._own[key] = over_time
            else:
                self._totals[key] = over_time
        return carried

    def _result(self, carried: dict[str, BoundedArray], cuts: Sequence[int]) -> BoundedGradients:
        layer, graph = self._layer, self._layer.graph
        parts: dict[str, dict[str, BoundedArray]] = {
            op: {node.name: d for node, d in self._contributed.items() if node.op == op} for op in ("u", "v", "state")
        }
        before, first = parts["state"], graph.cell.state_symbols[0]
        by_rows = layer.gradient_of_hidden(parts["v"])
        if by_rows is not None:
            before[first] = before[first] + by_rows if first in before else by_rows
        sizes = {symbol: self._totals[graph.values[symbol]].value.shape[-1] for symbol in graph.cell.state_symbols}
        for symbol, size in sizes.items():
            if symbol not in before:
                before[symbol] = layer.leaf(np.zeros((*self._shape, size)))
            if cuts:
                before[symbol] = d = BoundedArray(before[symbol].value.copy(), before[symbol].bound.copy(), layer.eps)
                d.value[[*cuts]], d.bound[[*cuts]] = 0.0, 0.0
        states: dict[str, BoundedArray] = {}
        within: dict[str, BoundedArray] = {}
        for shared in self._shared:
            # Of two states that are the same value, the second is a copy of the first.
            for k, symbol in enumerate(shared.symbols):
                states[symbol] = self._own[symbol] if k else self._totals[shared.node]
                of_others = None if shared.node.op in LEAVES else self._contributed.get(shared.node)
                added = self._own[symbol] if k else of_others
                if added is not None:
                    original = shared.symbols[0]
                    within[original] = within[original] + added if original in within else added
        x = layer.gradient_of_input(parts["u"])
        if x is None:
            x = layer.leaf(np.zeros(self._x.value.shape))
        return BoundedGradients(states, within, before, parts["u"], parts["v"], x, carried)

    def add_parameters(self, found: BoundedGradients, sums: dict[str, "BoundedSum"]) -> None:
        """Add the block's gradients to `sums` by parameter; gradients of gates as "i2h_weight.i" (H, I)."""

        def add(name: str, d: BoundedArray, read: BoundedArray | None) -> None:
            sums.setdefault(name, BoundedSum(self._layer)).add(d, read)

        for kind, parts, read in (("i2h", found.u, self._x), ("h2h", found.v, self._before)):
            for gate, d in parts.items():
                add(f"{kind}_weight.{gate}", d, read)
                add(f"{kind}_bias.{gate}", d, None)
        for product, d in self._totals.items():
            if product.op == "recurrent":
                add(f"h2h_weight.{product.name}", d, self.value(product.args[0]))
                add(f"h2h_bias.{product.name}", d, None)
            elif product.op == "matrix":
                add(product.args[0].name, d, self.value(product.args[1]))
        for node, d in self._contributed.items():
            if node.op == "parameter":
                add(node.name, d, None)


class BoundedSum:
    """The gradient of a parameter: a sum over time steps and samples, with its bound."""

    def __init__(self, layer: BoundedLayer) -> None:
        self._layer, self._count = layer, 0
        self._value: Any = 0.0
        self._magnitude: Any = 0.0

    def add(self, d: BoundedArray, read: BoundedArray | None) -> None:
        """Add the sum of d (B, N, H), or of d readᵀ for the numbers (B, N, K) that a weight reads."""
        value, bound = (a.reshape(-1, a.shape[-1]) for a in (d.value, d.bound))
        self._count += len(value)
        spread = self._layer.spread(value, bound)
        if read is None:
            self._value = self._value + value.sum(axis=0)
            self._magnitude = self._magnitude + spread.sum(axis=0)
            return
        shape = len(value), read.value.shape[-1]
        x, of_x = (np.broadcast_to(a, (*d.value.shape[:-1], shape[1])).reshape(shape) for a in (read.value, read.bound))
        self._value = self._value + value.T @ x
        exact, zeros = np.zeros(()), np.zeros_like(x)
        if of_x.any():
            self._magnitude = self._magnitude + self._layer.spread(value, exact).T @ self._layer.spread(zeros, of_x)
            x = np.abs(x) + ALLOWED * of_x
        self._magnitude = self._magnitude + spread.T @ self._layer.spread(x, exact)

    def bounded(self) -> BoundedArray:
        """The sum so far: (H,), or (H, K) of a weight."""
        return self._layer.gradient_sum(np.array(self._value), np.array(self._magnitude), self._count)
