"""The loss of copies of the samples, in each of which one number is changed, in float64.

All copies are computed as the samples of one batch, by the cell's own lines. A change of a weight adds one term to one
sum of a copy, so that the copies share the products with the weights.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.arrays import ArrayLayer
from rnnviz.cells.interpreters.graph import Graph, Node, ordered
from rnnviz.core.config import lane_name
from rnnviz.core.gradients import OF_INPUT, OF_PARAMETERS, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place
from rnnviz.core.trace_index import time_blocks
from rnnviz.engines.manual import threads_for
from rnnviz.frozen import dataclass

_BLOCK_VALUES = 1 << 19

_LEAST = 2.0**-3
"""A state of which a smaller one may have the rounding: that of gates near 1, or of a sum."""

_NOISE = 4.0
"""Number of roundings that the noise of a copy imitates."""


@dataclass(frozen=True)
class Copy:
    """A sample with a step added to one number; with `draw` every state is rounded at random, the same way in a draw.

    `base` is the row of the copy that its loss is compared with, which has the same sample and draw.
    """

    sample: int
    base: int
    draw: int = 0
    entry: Place | None = None
    step: float = 0.0


class PerturbedLoss:
    """The losses of some copies."""

    def __init__(self, inputs: Inputs, copies: Sequence[Copy], eps: float) -> None:
        """Prepare the copies; `eps` is the rounding of those with a draw."""
        assert inputs.loss is not None
        self._inputs, self._loss, self._copies, self._eps = inputs, inputs.loss, copies, eps
        self._samples = np.array([copy.sample for copy in copies])
        self._base = np.array([copy.base for copy in copies])
        self._lengths = np.array([inputs.length(copy.sample) for copy in copies])
        self._noisy = np.flatnonzero([copy.draw > 0 for copy in copies])
        pairs = [(copies[row].draw, copies[row].sample) for row in self._noisy]
        places = {pair: place for place, pair in enumerate(dict.fromkeys(pairs))}
        self._pairs, self._pair = len(places), np.array([places[pair] for pair in pairs], np.intp)
        self._generator = np.random.default_rng(0)
        rows: dict[str, list[int]] = {}
        for row, copy in enumerate(copies):
            if copy.entry is not None:
                rows.setdefault(copy.entry.array, []).append(row)
        self._changed = {name: _Changes.of(found, copies) for name, found in rows.items()}
        self.differences = np.zeros(len(copies))
        """(R,): how much each copy's loss is above that of its base."""
        self.magnitudes = np.zeros(len(copies))
        """(R,): the sum of the magnitudes of the terms of each loss; a small state counts as `_LEAST`."""

    def run(self, progress: Callable[[float], None]) -> None:
        """Compute the losses."""
        weights = max(weight.size for weight in self._inputs.parameters.values())
        with threads_for(len(self._copies) * weights, len(self._copies) * self._inputs.timesteps * weights):
            self._run_layers(progress)

    def _run_layers(self, progress: Callable[[float], None]) -> None:
        network, below = self._inputs.network, None
        lanes = network.num_layers * network.directions
        for layer in range(network.num_layers):
            out = None
            if layer < network.num_layers - 1:
                shape = self._inputs.timesteps, len(self._copies), network.directions * network.output_size
                out = np.zeros(shape)
            for direction in range(network.directions):
                for done in self._run_lane(layer, direction, below, out):
                    progress((layer * network.directions + direction + done) / lanes)
            below = out

    def _run_lane(self, layer: int, direction: int, below: FloatArray | None, out: FloatArray | None) -> Any:
        inputs, network, rows = self._inputs, self._inputs.network, len(self._copies)
        lane, backward = layer * network.directions + direction, network.backward(direction)
        step = _PerturbedStep(inputs, layer, direction, self._changed, rows, self._round_activation)
        state = {
            s: array[lane][self._samples].astype(np.float64) for s, array in inputs.initial_state.by_symbol.items()
        }
        for s, array in state.items():
            if (name := gradient(f"{s}0")) in self._changed:
                self._changed[name].of_lane(lane).add_to(array)
        size = network.output_size
        columns = slice(direction * size, (direction + 1) * size)
        length = max(1, _BLOCK_VALUES // (rows * max(step.width, network.layer_input_size(layer))))
        for times in time_blocks(range(inputs.timesteps), length, backward=backward):
            x = self._layer_input(times, below)
            direct = self._loss.direct(network, layer, direction, range(times.start, times.stop), inputs.batch_size)
            hidden = np.zeros((len(x), rows, size))
            parts = step.input_parts(x)
            steps = range(times.start, times.stop)
            for t in reversed(steps) if backward else steps:
                new = step.run(parts[t - times.start], state)
                computed = (t < self._lengths)[:, np.newaxis]
                whole = bool(computed.all())
                for symbol, array in new.items():
                    self._round(array)
                    state[symbol] = array if whole else np.where(computed, array, state[symbol])
                hidden[t - times.start] = new["h"] if whole else np.where(computed, new["h"], 0.0)
            if direct is not None:
                self._add(hidden, direct[:, self._samples].astype(np.float64), (0, 2))
            if out is not None:
                out[times, :, columns] = hidden
            yield (inputs.timesteps - times.start if backward else times.stop) / inputs.timesteps
        for symbol, array in state.items():
            owed = self._loss.state[symbol][lane]
            if owed.any():
                self._add(array, owed[self._samples].astype(np.float64), (1,))

    def _add(self, values: FloatArray, factors: FloatArray, axes: tuple[int, ...]) -> None:
        """Add the terms `factors` times `values` to the losses."""
        self.differences += (factors * (values - values[..., self._base, :])).sum(axis=axes)
        self.magnitudes += (np.abs(factors) * np.maximum(np.abs(values), _LEAST)).sum(axis=axes)

    def _layer_input(self, times: slice, below: FloatArray | None) -> FloatArray:
        """(B, R, I)."""
        if below is not None:
            above: FloatArray = below[times]
            return above
        x = self._inputs.sequence[times][:, self._samples].astype(np.float64)
        if OF_INPUT in self._changed:
            changes = self._changed[OF_INPUT]
            t = changes.index[:, 0] - times.start
            here = (t >= 0) & (t < len(x))
            x[t[here], changes.rows[here], changes.index[here, 2]] += changes.steps[here]
        self._round(x)
        return x

    def _round(self, array: FloatArray) -> None:
        """Round the copies with a draw at random, as a correct engine may."""
        if len(self._noisy):
            shape = (*array.shape[:-2], self._pairs, array.shape[-1])
            noise = self._generator.uniform(-_NOISE * self._eps, _NOISE * self._eps, shape)
            array[..., self._noisy, :] *= 1.0 + noise[..., self._pair, :]

    def _round_activation(self, argument: FloatArray, value: FloatArray) -> None:
        """Round values of an activation (R, H) and its slopes at random.

        A slope is rounded as far as the value is: y · (1 - y) of a saturated gate has few digits. The slope at the
        argument of the base is changed, and not the value there.
        """
        rows = self._noisy
        # A value of parameters alone has no rows.
        if len(rows) and value.ndim == 2:
            limit = _NOISE * self._eps
            noise = self._generator.uniform(-limit, limit, (2, self._pairs, value.shape[-1]))[:, self._pair]
            value[rows] *= 1.0 + noise[0]
            value[rows] += noise[1] * (argument[rows] - argument[self._base[rows]])


@dataclass(frozen=True, eq=False)
class _Changes:
    """The rows of the copies in which one array is changed, at which index, by how much."""

    rows: NDArray[np.intp]
    index: NDArray[np.intp]
    steps: FloatArray

    @classmethod
    def of(cls, rows: Sequence[int], copies: Sequence[Copy]) -> "_Changes":
        entries = [copies[row].entry for row in rows]
        index = np.array([entry.index for entry in entries if entry is not None])
        return cls(np.array(rows), index, np.array([copies[row].step for row in rows]))

    def at(self, chosen: NDArray[np.bool_]) -> "_Changes":
        """Some of the changes."""
        return _Changes(self.rows[chosen], self.index[chosen], self.steps[chosen])

    def of_lane(self, lane: int) -> "_Changes":
        """The changes of one lane of an initial state."""
        return self.at(self.index[:, 0] == lane)

    def of_gate(self, place: int, size: int) -> "_Changes":
        """The changes of one gate's rows, which are counted from the gate's first one."""
        some = self.at(self.index[:, 0] // size == place)
        index = np.array(some.index)
        index[:, 0] -= place * size
        return _Changes(some.rows, index, some.steps)

    def add_to(self, array: FloatArray) -> None:
        """Change numbers of the rows, each (H,)."""
        array[self.rows, self.index[:, -1]] += self.steps

    def add_product(self, result: FloatArray, read: FloatArray) -> None:
        """Change W x + b (..., R, M) of x (..., R, K), where W (M, K) or b (M,) is changed."""
        terms = self.steps if self.index.shape[1] == 1 else self.steps * read[..., self.rows, self.index[:, 1]]
        result[..., self.rows, self.index[:, 0]] += terms


class _PerturbedStep:
    """The step of a lane, on the rows (R, H) of all copies."""

    def __init__(
        self,
        inputs: Inputs,
        layer: int,
        direction: int,
        changed: Mapping[str, _Changes],
        rows: int,
        round_activation: Callable[[FloatArray, FloatArray], None],
    ) -> None:
        cell = inputs.network.kind
        prefix = f"{OF_PARAMETERS}{lane_name(layer, direction)}_"
        self._cell, self._size, self._round_activation = cell, inputs.network.hidden_size, round_activation
        self._changed = {name.removeprefix(prefix): c for name, c in changed.items() if name.startswith(prefix)}
        self._parameters = {n: a.astype(np.float64) for n, a in vars(inputs.parameters.layer(layer, direction)).items()}
        self._layer = ArrayLayer.of(cell, self._parameters)
        self._graph = inputs.network.graph
        self.width = cell.gate_count * self._size
        self._known: dict[Node, Any] = {}
        for node in _plan(self._graph):
            if node.op == "number":
                self._known[node] = node.number
            elif node.op == "parameter":
                value = self._parameters[node.name]
                if node.name in self._changed and value.ndim == 1:
                    value = np.array(np.broadcast_to(value, (rows, len(value))))
                    self._changed[node.name].add_to(value)
                self._known[node] = value

    def input_parts(self, x: FloatArray) -> FloatArray:
        """W_i2h x + b_i2h of a block of time steps: (B, R, G·H) from (B, R, I)."""
        return self._product("i2h", x)

    def run(self, parts: FloatArray, state: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """The new states by symbol, from the input parts (R, G·H) and the previous states."""
        values, cell = dict(self._known), self._cell
        recurrent: FloatArray | None = None
        for node in _plan(self._graph):
            match node.op:
                case "u":
                    values[node] = self._of_gate(parts, cell.gate_symbols, node.name)
                case "v":
                    if recurrent is None:
                        recurrent = self._product("h2h", state[cell.state_symbols[0]])
                    values[node] = self._of_gate(recurrent, cell.recurrent_gates, node.name)
                case "state":
                    values[node] = state[node.name]
                case "number" | "parameter":
                    pass
                case _:
                    values[node] = self._apply(node, [values[arg] for arg in node.args])
        # A state may be another value of the step, which is rounded in place, or one of parameters alone.
        states = zip(cell.state_symbols, self._graph.states, strict=True)
        return {symbol: np.array(np.broadcast_to(values[node], state[symbol].shape)) for symbol, node in states}

    def _of_gate(self, parts: FloatArray, gates: tuple[str, ...], gate: str) -> FloatArray:
        start = gates.index(gate) * self._size
        return parts[:, start : start + self._size]

    def _product(self, kind: str, read: FloatArray) -> FloatArray:
        weight, bias = self._parameters[f"{kind}_weight"], self._parameters[f"{kind}_bias"]
        flat = read.reshape(-1, read.shape[-1]) @ weight.T + bias
        result: FloatArray = flat.reshape(*read.shape[:-1], len(weight))
        for name in (f"{kind}_weight", f"{kind}_bias"):
            if name in self._changed:
                self._changed[name].add_product(result, read)
        return result

    def _apply(self, node: Node, args: Sequence[Any]) -> Any:
        result = self._layer.apply(node, args)
        if node.op == "activation":
            self._round_activation(args[0], result)
        elif node.op == "recurrent":
            place = self._cell.recurrent_gates.index(node.name)
            for name in ("h2h_weight", "h2h_bias"):
                if name in self._changed:
                    self._changed[name].of_gate(place, self._size).add_product(result, args[0])
        elif node.op == "matrix" and node.args[0].name in self._changed:
            self._changed[node.args[0].name].add_product(result, args[1])
        return result


@lru_cache(maxsize=256)
def _plan(graph: Graph) -> list[Node]:
    """The nodes that the new states depend on, each after those that it reads."""
    return ordered(graph.states)
