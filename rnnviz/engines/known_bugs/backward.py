"""The backward pass of a network with a known bug in it: backpropagation through time, written plainly. The forward
pass is known. At each step of a lane the gradients of the new states follow the cell's graph to all that it reads."""

from collections.abc import Iterator, Mapping
from itertools import product, tee
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.arrays import ArrayLayer, leaf_of_step, product_weight
from rnnviz.cells.interpreters.backward_graph import backward_graph
from rnnviz.cells.interpreters.graph import LEAVES, Node, evaluate, trace
from rnnviz.core.config import parameter_name
from rnnviz.core.gradients import OF_INPUT, OF_OUTPUT, OF_PARAMETERS, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import reversed_within
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.manual import threads_for

Gradient: TypeAlias = tuple[str, tuple[Any, ...], FloatArray]
"""The name of a gradient in a trace, the index of a part of it, and this part: that of a lane, or the whole array."""

_BLOCK_VALUES = 1 << 18
"""Values of a state in the time steps whose forward values are in memory at once."""


class BackwardPasses:
    """Backward passes over one forward pass."""

    def __init__(self, inputs: Inputs, states: Mapping[str, FloatArray], dtype: str) -> None:
        """Begin with none. `states` is (L, D, T, N, U)."""
        self._inputs, self._states, self._dtype = inputs, states, dtype
        lanes = product(range(inputs.network.num_layers), range(inputs.network.directions))
        self._parameters = {
            lane: {name: np.asarray(array, dtype) for name, array in vars(inputs.parameters.layer(*lane)).items()}
            for lane in lanes
        }
        self._correct = self._lanes(BugVariant())

    def gradients(self, fault: BugVariant, most: int | None = None, *, keep: bool = False) -> Iterator[Gradient]:
        """The gradients with a fault, from the top layer to the input, in parts; with `most` of the first steps of each
        lane of the top layer. `keep` the loop over time without a bug for the next fault that leaves it as it is."""
        parts = self._lanes(fault, most)
        if keep and most is None and fault.gradient_loop == BugVariant():
            parts, self._correct = tee(self._correct)
        for part in parts:
            if isinstance(part, _Lane):
                yield from part.gradients(fault) if most is None else part.first_gradients(most)
            else:
                yield OF_INPUT, (), part

    def _lanes(self, fault: BugVariant, most: int | None = None) -> Iterator["_Lane | FloatArray"]:
        """Every lane after its backward pass, from the top, and without `most` the gradient of the input."""
        inputs, states, dtype = self._inputs, self._states, self._dtype
        network, loss = inputs.network, inputs.loss
        assert loss is not None
        above: FloatArray | None = None
        size, timesteps = network.output_size, range(inputs.timesteps)
        for layer in reversed(range(network.num_layers) if most is None else [network.num_layers - 1]):
            x = inputs.sequence if layer == 0 else np.concatenate(list(states["h"][layer - 1]), axis=-1)
            below = np.zeros(x.shape, dtype)
            for direction in range(network.directions):
                given = np.zeros(states["h"][layer, direction].shape, dtype)
                own = loss.direct(network, layer, direction, timesteps, inputs.batch_size)
                if own is not None:
                    given += own
                if above is not None:
                    given += above[..., direction * size : (direction + 1) * size]
                lane = _Lane(fault, inputs, (layer, direction), x, states, self._parameters[layer, direction], dtype)
                weights = self._parameters[layer, direction]["i2h_weight"].size
                with np.errstate(all="ignore"), threads_for(inputs.batch_size * weights, inputs.timesteps * weights):
                    below += lane.run(given, most)
                yield lane
            above = below
        if most is None and above is not None:
            yield above


class _Lane:
    """The backward pass of one layer in one direction."""

    def __init__(
        self,
        fault: BugVariant,
        inputs: Inputs,
        lane: tuple[int, int],
        x: FloatArray,
        states: Mapping[str, FloatArray],
        parameters: dict[str, FloatArray],
        dtype: str,
    ) -> None:
        network, loss = inputs.network, inputs.loss
        assert loss is not None
        self._fault, self._lane, self._loss, self._x, self._dtype = fault, lane, loss, x, dtype
        layer, direction = lane
        self._row = layer * network.directions + direction
        self._cell, self._graph = network.kind, trace(network.kind)
        self._contributions = backward_graph(self._graph)
        self._backward = network.backward(direction)
        # In which order the steps are followed: that of the forward direction is from T-1 to 0.
        self._ascends = self._backward and not fault.from_end
        self._p = parameters
        self._layer = ArrayLayer.of(self._cell, self._p)
        self._above = not fault.direct_above or layer == network.num_layers - 1
        self._lengths = np.array(inputs.places.every_length)
        self._after = {s: states[s][layer, direction] for s in network.kind.state_symbols}
        self._initial = {s: array[self._row] for s, array in inputs.initial_state.items()}
        shapes = {s: (*x.shape[:2], array.shape[-1]) for s, array in self._after.items()}
        self._size = len(self._p["i2h_bias"]) // self._cell.gate_count
        gates = dict.fromkeys(self._cell.gate_symbols, (*x.shape[:2], self._size))
        self._found = {name: np.zeros(shape, dtype) for name, shape in {**shapes, **gates, **shapes}.items()}
        self._of_out: FloatArray
        # The gradients of the parameters of all steps, and of the last and the first step of each sample.
        self._sums: dict[str, dict[str, FloatArray]] = {}
        self._known: dict[Node, Any] = {}
        self._to_initial = {s: np.zeros(array.shape, dtype) for s, array in self._initial.items()}
        self._at = 0

    def gradients(self, fault: BugVariant) -> Iterator[Gradient]:
        """The gradients after `run`, of a fault that has the same loop over time."""
        yield OF_OUTPUT, self._lane, self._of_out
        for symbol, array in self._found.items():
            yield gradient(symbol), self._lane, self._reversed("stored", array)
        for symbol, array in self._to_initial.items():
            missing = symbol in fault.without_initial
            yield gradient(f"{symbol}0"), (self._row,), np.zeros_like(array) if missing else array
        for name in self._p:
            array = self._sums[fault.kept_step if name in fault.kept else "all"][name]
            twice = name in fault.doubled and not (fault.doubled_forward and self._backward)
            yield f"{OF_PARAMETERS}{parameter_name(*self._lane, name)}", (), 2.0 * array if twice else array

    def first_gradients(self, most: int) -> Iterator[Gradient]:
        """The gradients over time of the first `most` steps."""
        part = slice(0, most) if self._ascends else slice(max(0, len(self._x) - most), len(self._x))
        for symbol, array in self._found.items():
            yield gradient(symbol), (*self._lane, part), array[part]

    def run(self, direct: FloatArray, most: int | None = None) -> FloatArray:
        """Follow every step, or the first `most`, from `direct` (T, N, H); returns the gradient of x, (T, N, I)."""
        timesteps, samples, _ = self._x.shape
        if most is None:
            kinds = ("all", "last", "first")
            self._sums = {kind: {n: np.zeros_like(a) for n, a in self._p.items()} for kind in kinds}
        self._of_out, direct = direct, self._reversed("output", direct)
        carried = {s: np.zeros_like(array) for s, array in self._to_initial.items()}
        below = np.zeros(self._x.shape, self._dtype)
        steps = (range(timesteps) if self._ascends else range(timesteps)[::-1])[:most]
        block = max(1, _BLOCK_VALUES // (samples * self._size))
        for begin in range(0, len(steps), block):
            part = steps[begin : begin + block]
            rows = np.array(part)
            self._read(rows)
            both = self._cell.gate_symbols, self._cell.recurrent_gates
            u, v = (np.zeros((len(rows), samples, len(gates), self._size), self._dtype) for gates in both)
            for self._at, t in enumerate(part):
                self._step(t, direct[t], carried, u[self._at], v[self._at])
            self._add_products(rows, u, v)
            below[rows] = u.reshape(*u.shape[:2], -1) @ self._p["i2h_weight"]
        self._known = {}
        return self._reversed("input", below)

    def _step(self, t: int, direct: FloatArray, carried: dict[str, FloatArray], u: FloatArray, v: FloatArray) -> None:
        """Follow one step: `carried` is what the next step contributes to the states, and then what this one does."""
        fault, h = self._fault, self._cell.state_symbols[0]
        ends = self._lengths[:, np.newaxis] - 1
        computed = t <= ends
        last, first = computed & (t == (0 if self._ascends else ends)), computed & (t == (ends if self._ascends else 0))
        for symbol, array in self._loss.state.items():
            final = array[self._row] if not (fault.cut_final and symbol in fault.cut) else 0.0
            carried[symbol] = np.where(last, final, carried[symbol])
        if fault.direct == "none" and self._above:
            direct = np.zeros_like(direct)
        elif fault.direct == "last" and self._above:
            direct = np.where(last, direct, 0.0)
        given = {s: np.where(computed, array, 0.0) for s, array in carried.items()}
        given[h] = given[h] + np.where(computed, direct, 0.0)
        found = self._leaves_of_step(t, given)
        for k, gate in enumerate(self._cell.gate_symbols):
            u[:, k] = np.where(computed, found.get(("u", gate), 0.0), 0.0)
            if gate not in self._found or gate not in self._cell.state_symbols:
                self._found[gate][t] = u[:, k]
        for k, gate in enumerate(self._cell.recurrent_gates):
            part = found.get(("u" if gate in fault.unscaled else "v", gate), 0.0)
            v[:, k] = np.where(computed, part, 0.0)
        before = {s: found.get(("state", s), np.zeros_like(array)) for s, array in carried.items()}
        if self._cell.recurrent_gates:
            passed = np.array([gate not in fault.not_passed for gate in self._cell.recurrent_gates])
            rows = np.where(passed[:, np.newaxis], v, 0.0).reshape(len(v), -1)
            before[h] = before[h] + rows @ self._p["h2h_weight"]
        cut = self._loss.cuts(t + 1 if self._ascends else t)
        for symbol, array in before.items():
            if symbol in fault.cut and fault.cut_initial:
                array = np.zeros_like(array)
            self._to_initial[symbol] = np.where(first, array, self._to_initial[symbol])
            carried[symbol] = np.zeros_like(array) if cut or symbol in fault.cut else array

    def _leaves_of_step(self, t: int, given: Mapping[str, FloatArray]) -> dict[tuple[str, str], Any]:
        """The gradients of the leaves of a step by their kind and name, from its states' gradients."""
        found: dict[Node, Any] = {}

        def add(node: Node, term: Any) -> None:
            found[node] = found[node] + term if node in found else term

        for symbol, array in given.items():
            add(self._graph.values[symbol], array)
        known = {n: array[self._at] if np.ndim(array) == 3 else array for n, array in self._known.items()}
        for shared in self._contributions.shared:
            node, d = shared.node, found.pop(shared.node, None)
            if d is None:
                continue
            for symbol in shared.symbols:
                self._found[symbol][t] = d
            if node.op == "recurrent":
                place = self._cell.recurrent_gates.index(node.name) * self._size
                rows = slice(place, place + self._size)
                self._add(t, "h2h_weight", d, known[node.args[0]], rows)
                self._add(t, "h2h_bias", d, None, rows)
            elif node.op == "matrix":
                self._add(t, node.args[0].name, d, known[node.args[1]])
            if shared.is_product:
                d = d @ product_weight(node, self._layer.weights, self._p)
            made = shared.contributions
            terms = evaluate([term for _, term in made.terms], _number, self._layer.apply, {**known, made.gradient: d})
            for other, term in made.terms:
                add(other, terms[term])
        leaves: dict[tuple[str, str], Any] = {(node.op, node.name): array for node, array in found.items()}
        for (op, name), array in leaves.items():
            if op == "parameter":
                self._add(t, name, array)
        return leaves

    def _add_products(self, rows: NDArray[np.intp], u: FloatArray, v: FloatArray) -> None:
        """Add the gradients of the weights and biases of some time steps, from those of their rows."""
        if not self._sums:
            return
        parts = [("i2h", u, self._x[rows])]
        if self._cell.recurrent_gates:
            parts.append(("h2h", v, self._state_before(rows, self._cell.state_symbols[0])))
        for kind, d, read in parts:
            d, read = d.reshape(*d.shape[:2], -1), np.asarray(read, self._dtype)
            whole = [array.reshape(-1, array.shape[-1]) for array in (d, read)]
            self._sums["all"][f"{kind}_weight"] += whole[0].T @ whole[1]
            self._sums["all"][f"{kind}_bias"] += whole[0].sum(axis=0)
            for place, t in enumerate(rows.tolist()):
                self._add_ends(t, f"{kind}_weight", d[place], read[place])
                self._add_ends(t, f"{kind}_bias", d[place])

    def _add(
        self, t: int, name: str, d: FloatArray, operand: FloatArray | None = None, rows: slice = slice(None)
    ) -> None:
        """Add d (N, R) times the operand (N, K) of a time step, or d of a vector, to the gradient of a parameter."""
        if self._sums:
            self._sums["all"][name][rows] += _product(d, operand)
            self._add_ends(t, name, d, operand, rows)

    def _add_ends(
        self, t: int, name: str, d: FloatArray, operand: FloatArray | None = None, rows: slice = slice(None)
    ) -> None:
        """Add the part of the samples of which a time step is the last or the first one of the backward pass."""
        if t and t + 1 not in self._lengths:
            return
        ends = np.zeros_like(self._lengths), self._lengths - 1
        for step, end in zip(("last", "first"), ends[::-1] if self._ascends else ends, strict=True):
            samples = np.flatnonzero(end == t)
            if len(samples):
                self._sums[step][name][rows] += _product(d[samples], None if operand is None else operand[samples])

    def _read(self, rows: NDArray[np.intp]) -> None:
        """Compute the forward values of some time steps, and the slopes of their activations."""
        self._known = self._values(rows)
        fault, known = self._fault, self._known
        # Python's index -1 is the last step.
        count = len(self._x)
        earlier = self._values((rows + (1 if self._backward else -1)) % count) if fault.slope == "previous" else {}
        names = {node: name for name, node in self._graph.values.items() if name in self._cell.gate_symbols}
        for node in self._graph.nodes:
            if node.activation is None:
                continue
            argument, value = known[node.args[0]], known[node]
            name = names.get(node, "")
            if (not fault.slope_of or name in fault.slope_of) and node.activation.name != "clip":
                if fault.slope == "value":
                    argument, value = value, node.activation.values(value)
                elif fault.slope == "formula":
                    value = argument
                elif fault.slope == "previous":
                    argument, value = earlier[node.args[0]], earlier[node]
                elif fault.slope == "input" and name:
                    argument = known[next(n for n in self._graph.nodes if (n.op, n.name) == ("u", name))]
                    value = node.activation.values(argument)
            slopes = node.activation.slopes(argument, value)
            known[self._contributions.slope(node)] = np.zeros_like(slopes) if name in fault.constant else slopes

    def _values(self, rows: NDArray[np.intp]) -> dict[Node, Any]:
        """The values of every node at some time steps, (B, N, U) each, but for parameters and numbers."""
        state = {s: self._state_before(rows, s) for s in self._after}
        leaf = leaf_of_step(self._cell, self._p, np.asarray(self._x[rows], self._dtype), state)
        after = {self._graph.values[s]: np.asarray(array[rows], self._dtype) for s, array in self._after.items()}
        known = {node: array for node, array in after.items() if node.op not in LEAVES}
        with np.errstate(all="ignore"):
            return evaluate(self._graph.nodes, leaf, self._layer.apply, known)

    def _state_before(self, rows: NDArray[np.intp], symbol: str) -> FloatArray:
        """A state before some time steps, (B, N, U)."""
        after = self._after[symbol]
        earlier = after[np.clip(rows + (1 if self._backward else -1), 0, len(after) - 1)]
        first = rows[:, np.newaxis] == (self._lengths - 1 if self._backward else 0)
        return np.where(first[..., np.newaxis], self._initial[symbol], earlier).astype(self._dtype)

    def _reversed(self, name: str, array: FloatArray) -> FloatArray:
        """The array (T, N, U), with the time steps of each sample reversed if the backward direction leaves them so."""
        if self._backward and name in self._fault.unreversed:
            return reversed_within(self._lengths.tolist(), array)
        return array


def _number(node: Node) -> float:
    return node.number


def _product(d: FloatArray, operand: FloatArray | None) -> FloatArray:
    """The sum over the samples, (R, K) or (R,)."""
    summed: FloatArray = d.sum(axis=0) if operand is None else d.T @ operand
    return summed
