"""Every value of a step in float64, with the bound on the rounding that an engine may have put into it.

A layer is taken as its own engine had it: its input and its hidden values are read from a trace, so that all steps of a
block are computed at once. A state besides h, such as an LSTM's c, is carried from step to step; the rest that depends
on it is computed afterwards.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache, reduce

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.activations import FloatArray
from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.blocks import StepBlock, above
from rnnviz.cells.interpreters.graph import (
    ARITHMETIC,
    PRODUCTS,
    Graph,
    Limits,
    Node,
    evaluate,
    lone_sums,
    ordered,
    trace,
    value_limits,
)
from rnnviz.cells.interpreters.running_error import (
    ALLOWED,
    UNDERFLOW,
    BoundedArray,
    exact,
    pre_activation,
    rounded_when_read,
    storage_bound,
    stored,
)
from rnnviz.frozen import dataclass

_NARROWED = 17
"""After every how many time steps a carried state is narrowed; a prime, since sequences repeat themselves."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of a weight in float64, transposed (K, R), their finite magnitudes in the engine's type, the bias (R,)."""

    weight: FloatArray
    magnitude: FloatArray
    bias: FloatArray


@dataclass(frozen=True, eq=False)
class _Terms:
    """Sums W x + b (M, R), sums of their terms' magnitudes, the reach of x's bounds, and what is rounded to half."""

    value: FloatArray
    magnitude: FloatArray
    reach: FloatArray | None = None
    rounded: FloatArray | None = None

    def at(self, rows: slice) -> "_Terms":
        """Some of the R sums."""
        reach, rounded = (None if array is None else array[:, rows] for array in (self.reach, self.rounded))
        return _Terms(self.value[:, rows], self.magnitude[:, rows], reach, rounded)


class BoundedLayer:
    """The parameters of one layer in one direction, for some of its units: all of them, if its steps mix units."""

    def __init__(
        self,
        cell: CellSpec,
        parameters: Mapping[str, FloatArray],
        units: NDArray[np.intp] | None = None,
        eps: float = 0.0,
        stored_as: str = "",
        x_stored_as: str = "",
        half: str = "",
    ) -> None:
        """Prepare a layer for its `units` (U,), by default all; ValueError if others are mixed: `Graph.mixes_units`.

        `parameters` are in the engine's type, whose precision counts unless `eps` is coarser. Hidden values and the
        layer input were rounded to the types `stored_as` and `x_stored_as` when they were stored, and the engine
        computes in the type of half precision `half`; "" for none.
        """
        self.cell, self.graph = cell, trace(cell)
        if units is not None and self.graph.mixes_units:
            raise ValueError(f"A unit of the cell {cell.name} is computed from others: all of them are needed.")
        limits = np.finfo(parameters["i2h_weight"].dtype)
        self._dtype, self._largest = limits.dtype, float(limits.max)
        self._sum_eps = float(limits.eps)
        self.eps, self.half = max(eps, self._sum_eps), half
        self.stored_as, self._x_stored_as = stored_as, x_stored_as
        size = len(parameters["i2h_bias"]) // len(cell.gates)
        self.units = np.arange(size) if units is None else units
        self._every = np.array_equal(self.units, np.arange(size))
        live = self.graph.nodes
        self._sums = lone_sums(self.graph)
        joined = [node.args[0].name for node in self._sums]
        own = {op: [n for n in live if n.op == op and n.name not in joined] for op in ("u", "v")}
        self._separate = own
        self._gates = rows = {op: [*joined, *(node.name for node in nodes)] for op, nodes in own.items()}
        self._input = self._rows(parameters, "i2h", cell.gate_symbols, rows["u"])
        self._recurrent = self._rows(parameters, "h2h", cell.recurrent_gates, rows["v"]) if rows["v"] else None
        self._terms = parameters["i2h_weight"].shape[1]
        if cell.recurrent_gates:
            self._terms += parameters["h2h_weight"].shape[1]
        # Vectors are read for some units, matrices as a whole.
        self._parameters = {
            p.name: parameters[p.name].astype(np.float64)[self.units if len(p.shape) == 1 else slice(None)]
            for p in cell.parameters
        }
        self._products = {node: self._product_rows(parameters, node) for node in live if node.op in PRODUCTS}

    def _product_rows(self, parameters: Mapping[str, FloatArray], product: Node) -> _Rows:
        if product.op == "recurrent":
            return self._rows(parameters, "h2h", self.cell.recurrent_gates, [product.name])
        weight = self._parameters[product.args[0].name].T
        return _Rows(weight, self._magnitude(weight), np.zeros(weight.shape[1]))

    def _rows(
        self, parameters: Mapping[str, FloatArray], kind: str, gates: tuple[str, ...], chosen: Sequence[str]
    ) -> _Rows:
        size = len(parameters["i2h_bias"]) // len(self.cell.gates)
        rows = np.array([gates.index(gate) * size + self.units for gate in chosen], np.intp).ravel()
        weight = parameters[f"{kind}_weight"][rows].astype(np.float64).T
        return _Rows(weight, self._magnitude(weight), parameters[f"{kind}_bias"][rows].astype(np.float64))

    def parts(self, x: FloatArray, h: FloatArray) -> dict[Node, BoundedArray]:
        """u and v of a step (..., U), or u + v where nothing reads them alone, from x (..., I) and h (..., H)."""
        u = self._terms_of(x, self._input, self._reading(x, self._x_stored_as))
        if self._recurrent is None:
            return self._by_node(self._bounded(u), self._separate["u"], x.shape[:-1])
        v = self._terms_of(h, self._recurrent, self._reading(h, self.stored_as))
        joined, own = (slice(0, len(self._sums) * len(self.units)), slice(len(self._sums) * len(self.units), None))
        found = self._by_node(self._bounded(u.at(joined), v.at(joined)), self._sums, x.shape[:-1])
        for terms, nodes in ((u, self._separate["u"]), (v, self._separate["v"])):
            if nodes:
                found |= self._by_node(self._bounded(terms.at(own)), nodes, x.shape[:-1])
        return found

    def _reading(self, x: FloatArray, stored_as: str) -> FloatArray | None:
        """The bound of numbers that were rounded when they were stored, or are rounded when they are read."""
        if stored_as or not self.half:
            return storage_bound(x, stored_as) if stored_as else None
        rounded = rounded_when_read(x, self.half)
        return np.where(rounded, storage_bound(x, self.half), 0.0) if rounded.any() else None

    def _by_node(self, s: BoundedArray, nodes: Sequence[Node], shape: tuple[int, ...]) -> dict[Node, BoundedArray]:
        """Rows (M, K·U) of some nodes, each as (..., U)."""
        size = len(self.units)
        return {node: s[..., slice(k * size, (k + 1) * size)].reshaped(*shape, size) for k, node in enumerate(nodes)}

    @cached_property
    def hidden_scale(self) -> FloatArray:
        """The largest magnitude, () or (U,), of a hidden value after one of 0; see `largest_magnitude`."""
        return largest_magnitude(self.hidden_limits(np.zeros(())))

    def hidden_limits(self, before: FloatArray) -> Limits:
        """The limits of a hidden value, (), (U,) or (..., U), after previous ones (..., H); see `value_limits`."""
        reach = np.abs((self.own_units(before) if before.ndim else before).astype(np.float64))
        h = self.cell.state_symbols[0]
        known = {node: (-reach, reach) for node in self.graph.nodes if (node.op, node.name) == ("state", h)}
        leaves = (node for node in self.graph.nodes if node.op == "parameter")
        known |= {node: (self._parameters[node.name], self._parameters[node.name]) for node in leaves}
        return value_limits(self.graph.values[h], known)

    def own_units(self, hidden: FloatArray) -> FloatArray:
        """Those hidden values (..., U) among (..., H) that belong to the layer's units."""
        return hidden if self._every else hidden[..., self.units]

    def leaf(self, value: FloatArray, stored_as: str = "") -> BoundedArray:
        """A value of this layer that is read, such as a state."""
        return stored(np.asarray(value, np.float64), stored_as, self.eps)

    def read_input(self, x: FloatArray) -> BoundedArray:
        return self.leaf(x, self._x_stored_as)

    def parameter(self, name: str) -> BoundedArray:
        """A parameter of the cell, (U,) or a matrix."""
        return exact(self._parameters[name], self.eps)

    def product(self, node: Node, x: BoundedArray) -> BoundedArray:
        """A matrix product of a step: the recurrent part (M, H) of a gate, or a parameter W (P, H) times x (M, H)."""
        rows = self._products[node]
        found = self._bounded(self._terms_of(x.value, rows, x.bound))
        # A parameter's product is no part of a gate's pre-activation.
        found.partial = node.op == "recurrent"
        return found.reshaped(*x.value.shape[:-1], rows.weight.shape[1])

    def gradient_of_input(self, u: Mapping[str, BoundedArray]) -> BoundedArray | None:
        """The gradient of the layer input, (..., I), from the gradients of the input parts, each (..., H)."""
        return self._through_rows(u, self._input, self._gates["u"])

    def gradient_of_hidden(self, v: Mapping[str, BoundedArray]) -> BoundedArray | None:
        """The gradient of the previous h by way of the recurrent parts, from their gradients, each (..., H)."""
        return None if self._recurrent is None else self._through_rows(v, self._recurrent, self._gates["v"])

    def gradient_of_operand(self, product: Node, d: BoundedArray) -> BoundedArray:
        """The gradient of the operand of `recurrent` or of a matrix product, from that of its result."""
        return self._transposed(d, self._products[product])

    def _through_rows(
        self, parts: Mapping[str, BoundedArray], rows: _Rows, gates: Sequence[str]
    ) -> BoundedArray | None:
        if not self._every:
            raise ValueError("The gradient of a layer's input needs all units of the layer.")
        chosen = [gate for gate in gates if gate in parts]
        if not chosen:
            return None
        if chosen != list(gates):
            size = len(self.units)
            columns = np.concatenate([np.arange(size) + gates.index(gate) * size for gate in chosen])
            rows = _Rows(rows.weight[:, columns], rows.magnitude[:, columns], rows.bias)
        value = np.concatenate([parts[gate].value for gate in chosen], axis=-1)
        bound = np.concatenate([parts[gate].bound for gate in chosen], axis=-1)
        return self._transposed(BoundedArray(value, bound, self.eps), rows)

    def _transposed(self, d: BoundedArray, rows: _Rows) -> BoundedArray:
        """d (..., R) times the rows (R, K): (..., K)."""
        flat = d.value.reshape(-1, d.value.shape[-1])
        magnitude = self.spread(flat, d.bound.reshape(flat.shape)) @ rows.magnitude.T
        result = self.gradient_sum(flat @ rows.weight.T, magnitude, flat.shape[1])
        return result.reshaped(*d.value.shape[:-1], -1)

    def spread(self, value: FloatArray, bound: FloatArray) -> FloatArray:
        """Magnitudes plus bounds in units of the precision of sums; a bound needs no more digits than the engine's."""
        magnitude = self._magnitude(value)
        magnitude += np.asarray(bound / self._accumulated, self._dtype)
        return magnitude

    def forget_overflow(self, d: BoundedArray) -> None:
        """Set the bound to infinity where a number may have left the engine's range."""
        if not np.abs(d.value).max(initial=0.0) < self._largest / 4.0:
            np.copyto(d.bound, np.inf, where=~(np.abs(d.value) < self._largest / 4.0) & np.isfinite(d.bound))

    def gradient_sum(
        self, value: FloatArray, magnitude: FloatArray, count: int, reach: FloatArray | None = None
    ) -> BoundedArray:
        """A sum of `count` gradients; `reach` the terms' bounds' reach, None if `magnitude` sums their `spread`."""
        # Times a weight of zero, an unknown number is zero or a NaN, which is unknown as well.
        magnitude = np.where(np.isnan(magnitude), np.inf, magnitude.astype(np.float64))
        s = pre_activation(value, magnitude, count, self._largest, self._accumulated, least=0.0)
        bound = s.bound + count * UNDERFLOW if reach is None else s.bound + (reach + count * UNDERFLOW)
        if self.half:
            bound = bound + np.where(np.isfinite(value), self.eps * np.abs(value), 0.0)
        return BoundedArray(s.value, bound, self.eps)

    def _terms_of(self, x: FloatArray, rows: _Rows, bound: FloatArray | None) -> _Terms:
        """W x + b of x (..., K); `bound` is that of x, None where it is 0."""
        flat = x.reshape(-1, x.shape[-1])
        value = flat.astype(np.float64, copy=False) @ rows.weight
        value += rows.bias
        magnitude = self._magnitude(flat) @ rows.magnitude
        magnitude += self._magnitude(rows.bias)
        rounded = np.abs(value) + np.abs(rows.bias) if self.half else None
        if bound is None:
            return _Terms(value, magnitude, None, rounded)
        # Times a weight of zero, an unknown number is zero or a NaN, which is unknown as well.
        reach = bound.reshape(flat.shape) @ rows.magnitude
        reach[np.isnan(reach)] = np.inf
        return _Terms(value, magnitude, reach, rounded)

    def _bounded(self, s: _Terms, added: _Terms | None = None) -> BoundedArray:
        """One sum with its bound, or two that are added."""
        # An engine may go on summing from the input part to the recurrent part, so that both are one sum.
        if added is None:
            result = pre_activation(s.value, s.magnitude, self._terms, self._largest, self._accumulated)
        else:
            magnitude = np.add(s.magnitude, added.magnitude, out=s.magnitude)
            result = pre_activation(s.value, magnitude, self._terms, self._largest, self._accumulated, added.value)
        result.eps = self.eps
        for rounded in (s.rounded, None if added is None else added.rounded):
            if rounded is not None:
                # An infinity or a NaN is decided by the sum.
                result.bound += np.where(np.isfinite(rounded), self.eps * rounded, 0.0)
        for reach in (s.reach, None if added is None else added.reach):
            if reach is not None:
                np.add(result.bound, reach, out=result.bound)
        return result

    @property
    def _accumulated(self) -> float:
        """The epsilon of sums."""
        return self._sum_eps if self.half else self.eps

    def _magnitude(self, v: FloatArray) -> FloatArray:
        """|v|, and 0 for what is not finite: terms that are not decide a sum without leaving any precision's range."""
        magnitude = np.abs(v)
        if not np.isfinite(magnitude).all():
            magnitude[~np.isfinite(magnitude)] = 0.0
        result: FloatArray = magnitude.astype(self._dtype, copy=False)
        return result


class BoundedBlock(StepBlock[BoundedArray]):
    """The values (B, N, U) of a block of time steps B with their bounds, and its carried states (N, U)."""

    def __init__(
        self, layer: BoundedLayer, x: FloatArray, before: FloatArray, own: Mapping[str, FloatArray], first: int
    ) -> None:
        """Prepare a block. `x` and `before` are (B, N, I); `own` is (B, N, U)."""
        super().__init__(layer.graph, len(x))
        self._layer, self._before = layer, before
        self._own, self._first = own, first
        self.known.update(layer.parts(x, before))
        self._limits: dict[str, dict[int, Limits]] = {}

    def leaf(self, node: Node) -> BoundedArray:
        match node.op:
            case "number":
                return self._layer.leaf(np.array(node.number))
            case "parameter":
                return self._layer.parameter(node.name)
        assert node.name == self._layer.cell.state_symbols[0], node
        return self._layer.leaf(self._layer.own_units(self._before), self._layer.stored_as)

    def apply(self, node: Node, args: Sequence[BoundedArray]) -> BoundedArray:
        if node.activation is not None:
            is_slope = node.op == "slope"
            return args[0].slopes(node.activation, args[1]) if is_slope else args[0].activated(node.activation)
        if node.op in PRODUCTS:
            return self._layer.product(node, args[-1])
        result: BoundedArray = ARITHMETIC[node.op](*args)
        return result

    def room(self, value: BoundedArray) -> BoundedArray:
        shape = self.steps, *value.value.shape
        return BoundedArray(np.empty(shape), np.empty(shape), value.eps)

    def narrowed(self, symbol: str, t: int, value: BoundedArray) -> BoundedArray:
        """Narrow a state to what the engine's own can have been, after every few steps."""
        if (self._first + t) % _NARROWED != _NARROWED - 1:
            return value
        if symbol not in self._limits:
            self._limits[symbol] = self._limits_of(symbol)
        limits = self._limits[symbol].get(t)
        if limits is not None:
            value = value.narrowed(*limits)
        gate, hidden = _output_gate(self.graph, symbol), self._own.get(self.graph.cell.state_symbols[0])
        if gate is not None and hidden is not None and self._sees(gate, symbol):
            # A gate with a peephole is known as far as the state is.
            o = self._at(t, gate, {self.graph.values[symbol]: value})
            value = value.narrowed(*_limits_by_output(self._layer, o, hidden[t].astype(np.float64)))
        return value

    def _sees(self, gate: Node, symbol: str) -> bool:
        """Whether a gate is computed from a new state."""
        return self.graph.depends(gate, lambda other: other is self.graph.values[symbol])

    def _at(self, t: int, node: Node, known: dict[Node, BoundedArray]) -> BoundedArray:
        """The value of a node at one time step, where it reads no carried state but those that are known."""
        for read in ordered([node]):
            if read in self.known and read not in known:
                value = self.known[read]
                known[read] = value if value.value.ndim < 3 else value[t]
        bounded: BoundedArray = evaluate([node], self.leaf, self.apply, known)[node]
        return bounded

    def _limits_of(self, symbol: str) -> dict[int, Limits]:
        """The limits of the engine's own state, in eight bounds, after every few steps of the block.

        They follow from its hidden values where these are h = o · tanh(c) with a known o, and from its own states;
        infinite where the output gate is closed, or tanh is flat.
        """
        layer, own = self._layer, self._own
        places = range(_NARROWED - 1 - self._first % _NARROWED, self.steps, _NARROWED)
        found: list[Limits] = []
        h = layer.cell.state_symbols[0]
        gate = _output_gate(layer.graph, symbol)
        if gate is not None and h in own and not self._sees(gate, symbol):
            found.append(_limits_by_output(layer, self.value(gate)[places], own[h][places].astype(np.float64)))
        if symbol in own:
            state = own[symbol][places].astype(np.float64)
            reach = ALLOWED * (np.abs(state) * layer.eps + storage_bound(state, layer.stored_as))
            found.append((state - reach, state + reach))
        if not found:
            return {}
        low, high = reduce(np.fmax, (low for low, _ in found)), reduce(np.fmin, (high for _, high in found))
        return {place: (low[row], high[row]) for row, place in enumerate(places)}


def largest_magnitude(limits: Limits) -> FloatArray:
    """The largest magnitude between two limits: infinite where there is none, and 1 where that is 0."""
    largest = np.maximum(*map(np.abs, limits))
    return np.where(largest == 0.0, 1.0, largest)


@lru_cache(maxsize=256)
def _output_gate(graph: Graph, symbol: str) -> Node | None:
    """o of a cell whose h is o · tanh(c), for the c of that symbol, if it follows from hidden values and c alone."""
    h, new = graph.cell.state_symbols[0], graph.values[symbol]
    node = graph.values[h]
    if node.op != "times":
        return None
    for gate, squashed in (node.args, node.args[::-1]):
        activation = squashed.activation
        if activation is not None and activation.name == "tanh" and squashed.args[0] is new:
            read = above([gate], {new})
            return None if any(other.op == "state" and other.name != h for other in read) else gate
    return None


def _limits_by_output(layer: BoundedLayer, o: BoundedArray, h: FloatArray) -> tuple[FloatArray, FloatArray]:
    gate, bound, magnitude = o.value, o.bound, np.abs(h)
    off = bound * np.fmin(magnitude / gate, 1.0) + o.eps * (gate + magnitude) + storage_bound(h, layer.stored_as)
    off *= ALLOWED / np.fmax(gate - ALLOWED * bound, 0.0)
    middle = h / gate
    return np.arctanh(np.fmax(middle - off, -1.0)), np.arctanh(np.fmin(middle + off, 1.0))
