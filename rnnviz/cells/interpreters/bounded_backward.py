"""Every gradient of a step in float64, with the bound on the rounding that an engine may have put into it.

A backward pass is taken as its own engine had it: the gradients of its states are read from a trace, so that no time
step waits for another, and all of a block are computed at once. The gradient of a state that the engine does not give,
such as that of c, is carried from step to step, against the order of time; what else follows from it is computed at
once afterwards.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnviz.cells.activations import FloatArray
from rnnviz.cells.interpreters.backward import PRODUCTS, Derivatives, hubs, symbols_of
from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer
from rnnviz.cells.interpreters.graph import LEAVES, Node, evaluate
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray
from rnnviz.frozen import dataclass


@dataclass(frozen=True, eq=False)
class BoundedGradients:
    """The gradients of a block of B time steps with their bounds, in the order of time.

    Attributes
    ----------
    states:
        Those of the new states, (B, N, H) or (B, N, P) by name: the engine's own, or carried ones.
    within:
        Gradients from the other states of the same step, such as that from h to c, by name; a state without some is
        left out.
    before:
        Gradients that the step gives to the previous state on all paths, (B, N, H) or (B, N, P) by name. The gradient
        of a state is `before` of the step that reads it, plus `within` of the same step, plus what the loss and the
        layer above add.
    u, v:
        Those of the input parts and the recurrent parts, (B, N, H) by gate; a gate is left out that is not read.
    x:
        That of the layer input, (B, N, I), by way of this lane.
    carried:
        Those of `before` that the engine does not give, after the block, (N, H) by name.
    """

    states: dict[str, BoundedArray]
    within: dict[str, BoundedArray]
    before: dict[str, BoundedArray]
    u: dict[str, BoundedArray]
    v: dict[str, BoundedArray]
    x: BoundedArray
    carried: dict[str, BoundedArray]


class BoundedBackward(Derivatives[BoundedArray]):
    """The backward pass of a block whose forward pass was followed with `whole`."""

    def __init__(self, layer: BoundedLayer, block: BoundedBlock, x: FloatArray, before: FloatArray) -> None:
        """Prepare a block. `x` and `before` are (B, N, I)."""
        super().__init__()
        self._layer, self._block, self._known = layer, block, dict(block.computed)
        self._x, self._before = layer.read_input(x), layer.leaf(before, layer.stored_as)
        self._shape = x.shape[:2]
        self._hubs = hubs(layer.graph)
        self._owed: dict[Node, BoundedArray] = {}
        self._own: dict[str, BoundedArray] = {}
        self._totals: dict[Node, BoundedArray] = {}

    def value(self, node: Node) -> BoundedArray:
        if node not in self._known:
            self._known = evaluate([node], self._block.leaf, self._block.apply, self._known)
        return self._known[node]

    def activation_slope(self, node: Node) -> BoundedArray:
        assert node.activation is not None, node
        if node.activation.name in ("sigmoid", "tanh"):
            return self.value(node).slopes(node.activation, self.value(node))
        return self.value(node.args[0]).slopes(node.activation, self.value(node))

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
        layer, graph = self._layer, self._layer.graph
        self._own = {symbol: layer.leaf(array, stored_as) for symbol, array in given.items()}
        self._totals |= {graph.values[s]: d for s, d in self._own.items() if symbols_of(graph, graph.values[s])[0] == s}
        late = self._late()
        for hub in self._hubs:
            if hub not in late:
                self._pass_on(hub)
        carried = self._carry(late, carried, backward=backward, cuts=cuts)
        for hub in late:
            self._pass_on(hub)
        return self._result(carried, cuts)

    def _late(self) -> list[Node]:
        """The hubs whose gradients wait for a carried one, the last computed one first."""
        late: list[Node] = []
        for hub in self._hubs:
            waits = symbols_of(self._layer.graph, hub) or any(self._reaches(other, hub) for other in late)
            if waits and hub not in self._totals:
                late.append(hub)
        return late

    def _reaches(self, hub: Node, other: Node) -> bool:
        waiting = list(hub.args)
        while waiting:
            node = waiting.pop()
            if node is other:
                return True
            if node not in self._hubs:
                waiting += node.args
        return False

    def _pass_on(self, hub: Node) -> None:
        """Add what a hub owes to others, once its own gradient is complete."""
        if hub not in self._totals:
            if hub not in self._owed:
                return
            self._totals[hub] = self._owed[hub]
        elif hub in self._owed and symbols_of(self._layer.graph, hub):
            self._totals[hub] = self._as_used(self._totals[hub], self._owed[hub])
        d = self._totals[hub]
        if hub.op in PRODUCTS:
            d = self._layer.owed_to_operand(hub, d)
        for node, term in self.owed(self._layer.graph, hub, d, self._hubs).items():
            self._layer.forget_overflow(term)
            self._owed[node] = self._owed[node] + term if node in self._owed else term

    def _as_used(self, own: BoundedArray, within: BoundedArray) -> BoundedArray:
        """An engine's own gradient of a state with a bound on how far it is from the one that the engine goes on with.

        A kernel of a whole step adds up the gradient of c by itself, and what is stored may have been added up again.
        """
        rest = np.abs(own.value - within.value)
        bound = own.bound + within.bound + own.eps * np.where(np.isfinite(rest), rest, 0.0)
        return BoundedArray(own.value, bound, own.eps)

    def _carry(
        self, late: Sequence[Node], carried: Mapping[str, BoundedArray], *, backward: bool, cuts: Sequence[int]
    ) -> dict[str, BoundedArray]:
        """The gradients of late hubs over time, from step to step; returns those before the block."""
        layer, graph, carried = self._layer, self._layer.graph, dict(carried)
        if not carried:
            return {}
        partial = [self.owed(graph, hub, 1.0, self._hubs) for hub in late]
        leaves = {node.name: node for node in graph.nodes if node.op == "state" and node.name in carried}
        zeros = {name: layer.leaf(np.zeros(state.value.shape)) for name, state in carried.items()}
        rooms: dict[Any, list[BoundedArray]] = {key: [] for key in (*late, *carried)}

        def at(value: Any, t: int) -> Any:
            return value[t] if isinstance(value, BoundedArray) and value.value.ndim == 3 else value

        steps = range(self._shape[0])
        for t in steps if backward else reversed(steps):
            vectors: list[BoundedArray] = []

            def total(node: Node | None, given: list[BoundedArray], vectors: list[BoundedArray], t: int) -> Any:
                terms = given if node is None or node not in self._owed else [*given, self._owed[node][t]]
                owing = zip(partial, vectors, strict=False)
                terms += [at(terms_of[node], t) * vector for terms_of, vector in owing if node in terms_of]
                return sum(terms[1:], start=terms[0]) if terms else None

            for hub in late:
                symbols = symbols_of(graph, hub)
                given = [carried[symbol] if symbol in carried else self._own[symbol][t] for symbol in symbols]
                found = total(None if hub.op in LEAVES else hub, given, vectors, t)
                rooms[hub].append(found)
                vectors.append(layer.owed_to_operand(hub, found) if hub.op in PRODUCTS else found)
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
            op: {node.name: d for node, d in self._owed.items() if node.op == op} for op in ("u", "v", "state")
        }
        before, first = parts["state"], graph.cell.state_symbols[0]
        by_rows = layer.owed_to_hidden(parts["v"])
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
        for hub in self._hubs:
            # Of two states that are the same value, the second is a copy of the first.
            for k, symbol in enumerate(symbols_of(graph, hub)):
                states[symbol] = self._own[symbol] if k else self._totals[hub]
                owed = self._own[symbol] if k else self._owed.get(hub) if hub.op not in LEAVES else None
                if owed is not None:
                    original = symbols_of(graph, hub)[0]
                    within[original] = within[original] + owed if original in within else owed
        x = layer.owed_to_input(parts["u"])
        if x is None:
            x = layer.leaf(np.zeros(self._x.value.shape))
        return BoundedGradients(states, within, before, parts["u"], parts["v"], x, carried)

    def add_parameters(self, found: BoundedGradients, sums: dict[str, "BoundedSum"]) -> None:
        """Add what the block owes to each parameter; `sums` has some by the parameters' names, or gets them.

        The gradients of the weights and biases of the gates are by gate: "i2h_weight.i" (H, I), "i2h_bias.i" (H,).
        """

        def add(name: str, d: BoundedArray, read: BoundedArray | None) -> None:
            sums.setdefault(name, BoundedSum(self._layer)).add(d, read)

        for kind, parts, read in (("i2h", found.u, self._x), ("h2h", found.v, self._before)):
            for gate, d in parts.items():
                add(f"{kind}_weight.{gate}", d, read)
                add(f"{kind}_bias.{gate}", d, None)
        for hub, d in self._totals.items():
            if hub.op == "recurrent":
                add(f"h2h_weight.{hub.name}", d, self.value(hub.args[0]))
                add(f"h2h_bias.{hub.name}", d, None)
            elif hub.op == "matrix":
                add(hub.args[0].name, d, self.value(hub.args[1]))
        for node, d in self._owed.items():
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
