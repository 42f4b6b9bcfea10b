"""The terms of any gradient of an engine; that of a parameter's number has one for every time step and sample."""

from collections.abc import Callable, Iterator

import numpy as np

from rnnviz.cells.interpreters.backward_graph import PRODUCTS
from rnnviz.cells.interpreters.graph import Node
from rnnviz.core.gradients import OF_OUTPUT, gradient
from rnnviz.core.mmap_arrays import FloatArray, allocate_array
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.explain.backward import LineOfGradient, StepGradients, terms_of
from rnnviz.explain.backward_blocks import BackwardBlock, GradientBlocks
from rnnviz.explain.backward_symbols import gate_name, gradient_symbols, texts
from rnnviz.explain.lines import Breakdown, Floats, Line
from rnnviz.explain.value_sources import notation

_BLOCK_VALUES = 1 << 21
"""Numbers of a block of time steps that are in memory at once."""


class ParameterGradient:
    """The gradient of one number of a parameter, of one engine."""

    def __init__(self, blocks: GradientBlocks, place: Place) -> None:
        self._blocks, self._place = blocks, place
        self._inputs, self._network = blocks.inputs, blocks.inputs.network
        self._graph = self._network.graph
        self._nodes = self._contributing()

    def line(self) -> tuple[Line, Floats]:
        """The line of the gradient, and the contribution (T,) of each time step."""
        place, symbols = self._place, gradient_symbols(self._graph)
        timesteps, samples = self._inputs.timesteps, self._inputs.batch_size
        factors, gradients, bounds = (np.zeros((timesteps, samples)) for _ in range(3))
        gate, unit, text = "", place.index[0], "grad"
        for node in self._nodes:
            gate = node.name if node.op in ("u", "v", "recurrent") else ""
            unit = place.index[0] % self._network.hidden_size if gate else place.index[0]
            text = texts(symbols.short(node))
            for times, group, step, column in self._over_time(unit):
                d, read = step.gradient(node), self._read(node, step)
                if d is None:
                    continue
                shape = times.stop - times.start, group.stop - group.start, d.value.shape[-1]
                value, bound = (np.broadcast_to(a, shape)[..., column] for a in (d.value, d.bound))
                factors[times, group] = read
                gradients[times, group] = value
                bounds[times, group] = bound * np.abs(read)
        products = factors * gradients
        line = LineOfGradient(notation(place))

        def where(k: int) -> Location:
            t, n = divmod(k, samples)
            return Location(place.layer, place.direction, t, n, unit, reverse=self._network.reverse)

        def name(k: int) -> str:
            t, n = divmod(k, samples)
            return f"t={t}" if samples == 1 else f"t={t}, n={n}"

        part = terms_of(
            "time",
            f"Σ {text}{'' if place.name_in_lane.endswith('bias') else ' · ' + self._read_name()}",
            factors.reshape(-1),
            gradients.reshape(-1),
            name,
            lambda k: Place.at(gradient(gate_name(self._network.kind, gate) if gate else "h"), where(k)),
        )
        line.add_vector(part, None)
        layer = self._blocks.layer(place.layer, place.direction, np.array([0]))
        summed, magnitude, reach = (np.array(a.sum()) for a in (products, np.abs(products), bounds))
        line.add_to_total(layer.gradient_sum(summed, magnitude, products.size, reach))
        return line.finished(self._blocks.trace, place.array, place.index), products.sum(axis=1)

    def _contributing(self) -> list[Node]:
        """The nodes of a step whose gradients contribute to the number's, times what it is multiplied with."""
        place = self._place
        kind, size = self._network.kind, self._network.hidden_size
        if place.name_in_lane not in kind.own_parameters:
            of_input = place.name_in_lane.startswith("i2h_")
            gate = (kind.gate_symbols if of_input else kind.recurrent_gates)[place.index[0] // size]
            ops = ("u",) if of_input else ("v", "recurrent")
            return [n for n in self._graph.nodes if n.op in ops and n.name == gate]
        return [
            n
            for n in self._graph.nodes
            if (n.op == "matrix" and n.args[0].name == place.name_in_lane)
            or ((n.op, n.name) == ("parameter", place.name_in_lane) and len(n.shape) == 1)
        ]

    def unit_contributions(self, check: Callable[[float], None] = lambda fraction: None) -> Floats:
        """(T, U): the contributions of the time steps to the numbers of all units in the same gate and column.

        They are summed over the samples; the sum over time of a column is the gradient of the number of this unit.
        """
        place, timesteps = self._place, self._inputs.timesteps
        rows = self._inputs.parameters[place.parameter].shape[0]
        units = rows if place.name_in_lane in self._network.kind.own_parameters else self._network.hidden_size
        values: Floats = np.asarray(allocate_array("float64", (timesteps, units)))
        values[...] = 0.0
        done, steps = 0, sum(map(self._inputs.length, range(self._inputs.batch_size)))
        for times, group, step, _ in self._over_time(None):
            shape = times.stop - times.start, group.stop - group.start, units
            for node in self._nodes:
                d = step.gradient(node)
                if d is not None:
                    read = np.broadcast_to(self._read(node, step), shape[:2])
                    values[times] += np.einsum("tnu,tn->tu", np.broadcast_to(d.value, shape), read)
            done += shape[0] * shape[1]
            check(done / steps)
        return values

    def _over_time(self, unit: int | None) -> Iterator[tuple[slice, slice, BackwardBlock, int]]:
        """Blocks of all steps: time steps, samples, gradients of a unit or of all, and the unit's column in them."""
        place, mixes = self._place, unit is None or self._graph.mixes_units
        units = None if mixes else np.array([unit])
        width = self._network.hidden_size if mixes else 1
        step_values = sum(layer.shape[1] for layer in self._weights()) + width * len(self._graph.nodes)
        for group in self._groups():
            length = self._inputs.length(group.start)
            count = max(1, _BLOCK_VALUES // (step_values * (group.stop - group.start)))
            backward = self._network.backward(place.direction)
            pick = np.arange(width) if mixes else np.array([unit])
            carried = self._blocks.carried_final(place.layer, place.direction, group, pick)
            starts = range(0, length, count)
            for start in starts if backward else reversed(starts):
                times = slice(start, min(start + count, length))
                step, carried = self._blocks.block(place.layer, place.direction, times, group, carried, units)
                yield times, group, step, (unit or 0) if mixes else 0

    def _weights(self) -> list[FloatArray]:
        """The weights that a step of the lane reads its inputs through."""
        arrays = vars(self._inputs.parameters.layer(self._place.layer, self._place.direction))
        return [arrays[name] for name in ("i2h_weight", "h2h_weight") if name in arrays]

    def _groups(self) -> list[slice]:
        """Samples of the same length, side by side."""
        if not self._inputs.lengths:
            return [slice(0, self._inputs.batch_size)]
        return [slice(n, n + 1) for n in range(self._inputs.batch_size)]

    def _read(self, node: Node, step: BackwardBlock) -> FloatArray | float:
        """(B, S): what the parameter's number is multiplied with; 1 for a bias and for a number of each unit."""
        if len(self._place.index) == 1:
            return 1.0
        column = self._place.index[1]
        if node.op in PRODUCTS:
            return step.value(node.args[-1]).value[..., column]
        return step.read(node.op)[..., column]

    def _read_name(self) -> str:
        place = self._place
        if len(place.index) == 1:
            return "1"
        read = (
            "x" if place.name_in_lane == "i2h_weight" else "h[t-1]" if place.name_in_lane == "h2h_weight" else "operand"
        )
        return f"{read}[{place.index[1]}]"


def gradient_breakdown(blocks: GradientBlocks, place: Place) -> Breakdown:
    """The terms of a gradient of one engine.

    Its lines are the gradients of one step's unit in the order of the backward pass, each of which uses only earlier
    ones; of an input value, an initial state or a parameter there is one line.
    """
    cell, contributions, step = blocks.inputs.network.kind, None, StepGradients(blocks)
    with np.errstate(all="ignore"):
        match place.kind:
            case "parameter":
                line, contributions = ParameterGradient(blocks, place).line()
                lines: tuple[Line, ...] = (line,)
            case "input":
                lines = (step.of_input(place),)
            case "initial":
                lines = (step.of_initial(place),)
            case _:
                assert place.location is not None
                # A gate or a cell state belongs to another unit than an h that is projected.
                of_h = place.array in (gradient(cell.state_symbols[0]), OF_OUTPUT)
                lines = step.lines(place.location, "" if of_h else "H")
    names = blocks.inputs.names.of_sample(place.sample or 0)
    return Breakdown(place, blocks.trace.engine, cell, lines, names, contributions=contributions)
