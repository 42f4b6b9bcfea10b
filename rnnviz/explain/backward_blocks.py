"""Steps of the backward pass in float64, each from the engine's own states and gradients, as the audit does it.

Where an engine gives no grad.c, it is carried from the steps that are computed later.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from rnnviz.cells.interpreters.backward_graph import symbols_of
from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer
from rnnviz.cells.interpreters.bounded_backward import BoundedBackward, BoundedGradients
from rnnviz.cells.interpreters.graph import LEAVES, PRODUCTS, Node
from rnnviz.cells.interpreters.running_error import BoundedArray, exact
from rnnviz.core.byte_cache import ByteCache
from rnnviz.core.gradients import gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import time_blocks
from rnnviz.steps.inputs import bounded_layer, layer_input, previous_hidden, previous_state
from rnnviz.steps.states import CellStates

_BLOCK_VALUES = 1 << 18
_FIRST_LOOK = 64
_ENOUGH = 64.0
Layers: TypeAlias = ByteCache[tuple[object, ...], BoundedLayer]
"""The parameters of the latest lanes, which the engines of a run share."""


class BackwardBlock(BoundedBackward):
    """The gradients of every value of a block of B steps, (B, S, U), with their rounding bounds."""

    def __init__(self, layer: BoundedLayer, block: BoundedBlock, x: FloatArray, before: FloatArray) -> None:
        super().__init__(layer, block, x, before)
        self._found: dict[Node, BoundedArray] = {}
        self._by_consumer: dict[tuple[Node, int], BoundedArray] = {}

    def solve(
        self,
        given: Mapping[str, FloatArray],
        carried: Mapping[str, BoundedArray],
        cuts: Sequence[int],
        *,
        backward: bool,
    ) -> dict[str, BoundedArray]:
        """Compute the gradients from the states' gradients; returns what is carried to the step before the block."""
        found = self.gradients(given, carried, backward=backward, cuts=cuts, stored_as=self._layer.stored_as)
        graph = self._layer.graph
        for node in reversed(graph.nodes):
            if node in self._totals and symbols_of(graph, node):
                # A new state that is the previous one contributes its gradient to it.
                known = self._found.get(node) if node.op in LEAVES else None
                self._found[node] = self._totals[node] if known is None else known + self._totals[node]
            if node not in self._found or node.op in LEAVES:
                continue
            if node.op in PRODUCTS:
                terms = [(node.args[-1], self._layer.gradient_of_operand(node, self._found[node]))]
            else:
                terms = self.contributed(self._backward.of_operation[node], self._found[node])
            for place, (operand, term) in enumerate(terms):
                self._by_consumer[node, len(node.args) - 1 if node.op in PRODUCTS else place] = term
                known = self._found.get(operand)
                self._found[operand] = term if known is None else known + term
        return found.carried

    def gradient(self, node: Node) -> BoundedArray | None:
        """The gradient of a node, (B, S, U); of a state the engine's own. None where the loss does not depend on it."""
        return self._found.get(node)

    def slope(self, node: Node) -> BoundedArray:
        return self.value(self._backward.slope(node))

    def own(self, symbol: str) -> BoundedArray:
        """The engine's own gradient of a state, or the carried one, (B, S, U)."""
        return self._own[symbol]

    def total(self, node: Node) -> BoundedArray | None:
        """The gradient of a node, (B, S, U); of the new state where a step does not change a state."""
        return self._totals[node] if node in self._totals and node.op in LEAVES else self._found.get(node)

    def read(self, part: str) -> FloatArray:
        """The layer input (B, S, I), which the parts "u" read, or h[t-1] (B, S, H), which "v" reads."""
        return (self._x if part == "u" else self._before).value

    def contribution(self, consumer: Node, place: int) -> BoundedArray | None:
        """The term of an operation in the gradient of its operand at a place, (B, S, U)."""
        return self._by_consumer.get((consumer, place))

    def _result(self, carried: dict[str, BoundedArray], cuts: Sequence[int]) -> BoundedGradients:
        # All else is read node by node.
        return BoundedGradients({}, {}, {}, {}, {}, self._layer.leaf(np.zeros(0)), carried)


class GradientBlocks:
    """Blocks of the backward pass of one engine. Keeps the parameters of the latest lanes. Not thread-safe."""

    def __init__(
        self, inputs: Inputs, trace: Trace, cells: CellStates | None = None, layers: Layers | None = None
    ) -> None:
        assert inputs.loss is not None, "the run has no backward pass"
        self.inputs, self.trace = inputs.of_engine(trace.engine), trace
        self._weights = trace.engine if trace.engine in inputs.weights else ""
        self._loss = inputs.loss
        self._cells = cells
        if cells is None and inputs.network.kind.has_cell_state:
            self._cells = CellStates(inputs, trace)
        self._layers: Layers = ByteCache("bounds") if layers is None else layers
        self._missing = [s for s in inputs.network.kind.state_symbols if gradient(s) not in trace]
        self.interrupt: Callable[[], None] = lambda: None

    def layer(self, layer: int, direction: int, unit: int | None = None) -> BoundedLayer:
        if unit is not None and not self.inputs.network.graph.mixes_units:
            return bounded_layer(self.inputs, self.trace, layer, direction, np.array([unit]))
        key = self._weights, layer, direction, self.trace.eps, self.trace.stored_as, self.trace.half
        found = self._layers.get(key)
        if found is None:
            found = bounded_layer(self.inputs, self.trace, layer, direction, None)
            size = sum(array.nbytes for array in vars(self.inputs.parameters.layer(layer, direction)).values())
            self._layers.put(key, found, 3 * size)
        return found

    def step(self, layer: int, direction: int, timestep: int, sample: int) -> BackwardBlock:
        samples = slice(sample, sample + 1)
        carried = self._carried(layer, direction, timestep, samples)
        return self.block(layer, direction, slice(timestep, timestep + 1), samples, carried)[0]

    def block(
        self,
        layer: int,
        direction: int,
        times: slice,
        samples: slice,
        carried: Mapping[str, BoundedArray],
        unit: int | None = None,
    ) -> tuple[BackwardBlock, dict[str, BoundedArray]]:
        """A block of steps of `samples` with the same length, and the gradients that it passes on to the states before.

        `carried` are the contributions, (S, U) by name, of later steps to the states whose gradients are not given.
        """
        self.interrupt()
        inputs, trace, network = self.inputs, self.trace, self.inputs.network
        lane, units = self.layer(layer, direction, unit), self.units(unit)
        x = layer_input(inputs, trace, layer, times, samples)
        before = previous_hidden(inputs, trace, layer, direction, times, samples)
        own = {"h": np.asarray(trace.hidden[layer, direction, times, samples])[..., units]}
        block = BoundedBlock(lane, x, before, own, times.start)
        backward = network.backward(direction)
        first = times.stop - 1 if backward else times.start
        states: dict[str, BoundedArray] = {}
        if self._cells is not None:
            states["c"] = self._cells.before(layer, direction, first, samples, units)
        for symbol in network.kind.further_states:
            at = slice(first, first + 1)
            previous = previous_state(inputs, trace, symbol, layer, direction, at, samples)[0]
            states[symbol] = lane.leaf(previous[:, units], trace.stored_as)
        block.follow(states, backward=backward, whole=True)
        found = BackwardBlock(lane, block, x, before)
        given = {
            s: np.asarray(trace[gradient(s)][layer, direction, times, samples])[..., units]
            for s in network.kind.state_symbols
            if s not in self._missing
        }
        cuts = [t - times.start for t in range(times.start, times.stop) if self.cut_before(direction, t)]
        return found, found.solve(given, carried, cuts, backward=backward)

    def units(self, unit: int | None) -> slice:
        """The units that are computed for one: all, if steps mix them."""
        every = unit is None or self.inputs.network.graph.mixes_units
        return slice(0, self.inputs.network.hidden_size) if every or unit is None else slice(unit, unit + 1)

    def cut_before(self, direction: int, timestep: int) -> bool:
        """Whether truncation stops the gradient of a step from passing to the state before the step."""
        return self._loss.cuts(timestep + 1 if self.inputs.network.backward(direction) else timestep)

    def carried_final(self, layer: int, direction: int, samples: slice, units: slice) -> dict[str, BoundedArray]:
        """The gradients of the final states of some units, where they are carried: (S, U) by name."""
        row = layer * self.inputs.network.directions + direction
        return {
            s: exact(self._loss.state[s][row, samples, units].astype(np.float64), self.trace.eps) for s in self._missing
        }

    def _carried(self, layer: int, direction: int, timestep: int, samples: slice) -> dict[str, BoundedArray]:
        """(1, U) by state: the terms of as many later steps as count, where the engine gives no gradient."""
        if not self._missing:
            return {}
        backward, length = self.inputs.network.backward(direction), self.inputs.length(samples.start)
        later = range(timestep) if backward else range(timestep + 1, length)
        final = self.carried_final(layer, direction, samples, self.units(None))
        own = np.asarray(self.trace[gradient("h")][layer, direction, :, samples.start])
        largest = float(np.abs(own).max(initial=0.0, where=np.isfinite(own))) * len(later)
        largest += max(float(np.abs(d.value).max(initial=0.0)) for d in final.values())
        size = max(1, _BLOCK_VALUES // (4 * self.inputs.network.hidden_size))
        look = _FIRST_LOOK
        while True:
            whole = look >= len(later)
            near = later if whole else later[-look:] if backward else later[:look]
            found = {
                s: d if whole else BoundedArray(np.zeros_like(d.value), np.full_like(d.value, largest), d.eps)
                for s, d in final.items()
            }
            # The last computed step first.
            for times in time_blocks(near, size, backward=not backward):
                found = self.block(layer, direction, times, samples, found)[1]
            reach = max(float(d.bound.max(initial=0.0)) for d in found.values())
            scale = max(float(np.abs(d.value).max(initial=0.0)) for d in found.values())
            if whole or reach <= _ENOUGH * self.trace.eps * scale:
                return found
            look *= 4
