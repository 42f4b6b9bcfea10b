"""The terms of a gradient, in float64 from one engine's own gradients of later steps: the chain rule with its numbers.

A gradient is a sum of products of a local derivative and another gradient. Those of an output come from the loss and
from the layer above; those of a hidden state from the output and from the next step; those of a gate from the states of
the same step; those of a parameter from every time step and sample.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from rnnviz.cells.interpreters.backward_graph import PRODUCTS
from rnnviz.cells.interpreters.graph import Graph, Node
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.running_error import BoundedArray, exact, storage_bound, stored
from rnnviz.core.gradients import OF_INPUT, OF_OUTPUT, gradient, gradient_names
from rnnviz.core.places import LOSS, Place, parameter_place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import ARROWS, Location, carried_to, state_row
from rnnviz.explain.backward_blocks import BackwardBlock, GradientBlocks
from rnnviz.explain.backward_symbols import (
    GradientSymbol,
    GradientSymbols,
    Path,
    gate_name,
    gradient_symbols,
    later,
    texts,
    through_weights,
)
from rnnviz.explain.lines import Breakdown, EquationLine, Floats, Line, Part, StoredValue, Token, Way
from rnnviz.explain.value_sources import notation
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import rounded_once


def line_name(place: Place) -> str:
    """The name of the line that gives a gradient: "grad.h", "grad.i"."""
    if place.kind == "input":
        return gradient("x")
    return notation(place) if place.kind == "parameter" else place.array


def line_of(breakdown: Breakdown) -> Line:
    """The line of a gradient itself."""
    return breakdown.by_name.get(line_name(breakdown.place), breakdown.lines[0])


class LineOfGradient:
    """Collects the parts and tokens of a gradient's line, and its value with the rounding bound."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[Part] = []
        self._pieces: list[Token | str] = []
        self.total: BoundedArray | None = None

    def add(self, pieces: Sequence[Token | str], *, negative: bool = False) -> None:
        """Add a summand to the equation."""
        if self._pieces or negative:
            self._pieces.append((" - " if negative else " + ") if self._pieces else "-")
        self._pieces += pieces

    def add_vector(self, part: Part, place: Place | None) -> None:
        """Add a part whose sum is one number of the equation."""
        self.parts.append(part)
        self.add([Token(part.text, part.total, place)])

    def add_sum(self, text: str, parts: Sequence[Part], place: Place | None) -> None:
        """Add parts that are together one number of the equation; a single part by its own name."""
        name = parts[0].text if len(parts) == 1 and parts[0].way == "next" else text
        self.add([Token(name, sum(part.total for part in parts), place)])

    def add_to_total(self, value: BoundedArray | None) -> None:
        if value is not None:
            self.total = value if self.total is None else self.total + value

    def finished(self, trace: Trace, array: str, index: tuple[int, ...]) -> Line:
        """The line, with the engine's own gradient at an index of the array of this name, where it gives it."""
        value = 0.0 if self.total is None else float(self.total.value)
        own = None
        if array in trace:
            stored = float(trace[array][index])
            bound = 0.0 if self.total is None else float(self.total.bound)
            bound += float(storage_bound(np.array([stored]), trace.stored_as)[0])
            own = StoredValue(self.name, stored, value, bound)
        equation = EquationLine.of((Token(self.name, value), " = ", *(self._pieces or [Token("0", 0.0)])))
        several = len(self.parts) > 1
        parts = tuple(replace(p, subtotal=True) if several and len(p.factors) > 1 else p for p in self.parts)
        return Line(self.name, "gradient", equation, parts, value, self.name, own=own)


def terms_of(
    way: Way,
    text: str,
    factors: Floats,
    gradients: Floats,
    name: Callable[[int], str],
    source: Callable[[int], Place | None],
    weight: Callable[[int], Place | None] = lambda _: None,
) -> Part:
    """A part whose sum is that of NumPy."""
    return Part(way, text, factors, gradients, float((factors * gradients).sum()), name, source, weight)


@dataclass(frozen=True)
class WeightColumn:
    """A column of a weight in the rows of a gate, "" of a matrix, which a step multiplies with its gradients."""

    parameter: str
    gate: str
    column: int
    where: Location

    def place(self, row: int) -> Place:
        return parameter_place(self.where.lane, self.parameter, (row, self.column))


class StepGradients:
    """The gradients of a step's unit, of the input and of the initial states, of one engine."""

    def __init__(self, blocks: GradientBlocks) -> None:
        self._blocks, self._inputs, self._trace = blocks, blocks.inputs, blocks.trace
        assert blocks.inputs.loss is not None, "the run has no backward pass"
        self._loss = blocks.inputs.loss
        self._network = blocks.inputs.network
        self._graph: Graph = graph_of(self._network.kind)
        self._symbols: GradientSymbols = gradient_symbols(self._graph)

    # One step

    def lines(self, where: Location, size: str = "") -> tuple[Line, ...]:
        """The lines of a step's unit, which is counted in `size`, by default like the units of h."""
        shape = (size,) if size else self._graph.values[self._network.kind.state_symbols[0]].shape
        step = self._blocks.step(where.layer, where.direction, where.timestep, where.sample)
        lines = []
        for node in self._symbols.lines:
            if node.shape != shape:
                continue
            first, *copies = [s for s in self._network.kind.state_symbols if self._graph.values[s] is node] or [""]
            for symbol in copies:
                line = LineOfGradient(gradient(symbol))
                self._add_outer(line, where, symbol)
                lines.append(line.finished(self._trace, line.name, where.index))
            line = LineOfGradient(gradient(self._symbols.names[node]))
            if first == self._network.kind.state_symbols[0]:
                output = self._output(where)
                lines.append(output.finished(self._trace, OF_OUTPUT, where.index))
                self._add_output(line, where, output.total)
            if first:
                self._add_outer(line, where, first)
            for symbol in copies:
                # The same value under another name.
                d = self._at(step.own(symbol), where.unit)
                self._add_given(line, "step", gradient(symbol), d, Place.at(gradient(symbol), where))
            if node.op != "state":
                self._add_inner(line, step, node, where)
            # A value of a step may be called "input".
            given = line.name if line.name in gradient_names(self._network) else ""
            lines.append(line.finished(self._trace, given, where.index))
        return tuple(lines)

    def _add_outer(self, line: LineOfGradient, where: Location, state: str) -> None:
        """Add the terms of a state that come from the next step, or from the loss of its final state."""
        after = carried_to(self._network, where, self._inputs.length(where.sample))
        if after is None:
            value = self._loss.state[state][state_row(self._network, where), where.sample, where.unit]
            self._add_loss(line, "final", float(value), Place.at(f"{LOSS}{state}", where))
        elif not self._blocks.cut_before(where.direction, after):
            self._add_next(line, where.moved(timestep=after), state)

    def _output(self, where: Location) -> LineOfGradient:
        """The terms of the output of a layer, which come from the loss and from the layer above."""
        line = LineOfGradient(OF_OUTPUT)
        self._add_direct(line, where)
        self._add_above(line, where)
        if line.total is not None:
            line.total = rounded_once(self._trace, line.total)
        return line

    def _add_output(self, line: LineOfGradient, where: Location, found: BoundedArray | None) -> None:
        """Add the engine's own gradient of the output, or the `found` one where it gives none."""
        if OF_OUTPUT in self._trace:
            own = np.array([self._trace[OF_OUTPUT][where.index]], np.float64)
            found = stored(own, self._trace.stored_as, self._trace.eps)[0]
        self._add_given(line, "out", OF_OUTPUT, found, Place.at(OF_OUTPUT, where))

    def _add_direct(self, line: LineOfGradient, where: Location) -> None:
        times = range(where.timestep, where.timestep + 1)
        direct = self._loss.direct(self._network, where.layer, where.direction, times, self._inputs.batch_size)
        if direct is not None:
            self._add_loss(line, "direct", float(direct[0, where.sample, where.unit]), Place.at(f"{LOSS}out", where))

    def _add_loss(self, line: LineOfGradient, text: str, value: float, place: Place) -> None:
        self._add_given(line, "loss", text, exact(np.array(value), self._trace.eps), place)

    def _add_given(self, line: LineOfGradient, way: Way, text: str, d: BoundedArray | None, place: Place) -> None:
        """Add a gradient as it is, with the factor 1."""
        value = np.zeros(1) if d is None else d.value.reshape(1)
        line.add_vector(terms_of(way, text, np.ones(1), value, lambda _: text, lambda _: place), place)
        line.add_to_total(d)

    def _add_above(self, line: LineOfGradient, where: Location) -> None:
        if where.layer + 1 == self._network.num_layers:
            return
        column = where.direction * self._network.output_size + where.unit
        self._add_input_parts(line, where.moved(layer=where.layer + 1), column, "above")

    def _add_input_parts(self, line: LineOfGradient, reader: Location, column: int, text: str) -> None:
        """Add the terms of a column of the layer input: from the steps of every direction at `reader`."""
        for direction in range(self._network.directions):
            there = reader.moved(direction=direction)
            step = self._blocks.step(there.layer, direction, there.timestep, there.sample)
            arrow = f" {ARROWS[self._network.backward(direction)]}" if self._network.directions > 1 else ""
            parts = self._parts("u", step)
            by_gate = {node.name: d for node, d in parts.items()}
            found = self._blocks.layer(there.layer, direction).gradient_of_input(by_gate)
            line.add_to_total(None if found is None else found[0, 0, column])
            mark = f" {'↑' if text else ''}{arrow.strip()}".rstrip()
            first = len(line.parts)
            for node, d in parts.items():
                symbol = self._symbols.named(node)
                name = f"{through_weights((symbol,))}{mark}"
                weights = WeightColumn("i2h_weight", node.name, column, there)
                line.parts.append(self._vector("above", name, weights, d, symbol.text, mark))
            name = f"{text}{arrow}" if text else f"Wᵀ {gradient('u')}{arrow}"
            line.add_sum(name, line.parts[first:], Place.at(gradient("h"), there) if text else None)

    def _add_next(self, line: LineOfGradient, there: Location, state: str) -> None:
        """Add the terms of a state that come from the next step."""
        step = self._blocks.step(there.layer, there.direction, there.timestep, there.sample)
        if state == self._network.kind.state_symbols[0]:
            parts = {node.name: (node, d) for node, d in self._parts("v", step).items()}
            by_gate = {gate: d for gate, (_, d) in parts.items()}
            found = self._blocks.layer(there.layer, there.direction).gradient_of_hidden(by_gate)
            line.add_to_total(None if found is None else found[0, 0, there.unit])
            first = len(line.parts)
            for gate in (g for g in self._network.kind.recurrent_gates if g in parts):
                node, d = parts[gate]
                read = self._symbols.equation(node)
                text = through_weights(later(read))
                weights = WeightColumn("h2h_weight", gate, there.unit, there)
                line.parts.append(self._vector("next", text, weights, d, texts(read)))
            if parts:
                line.add_sum(f"Wᵀ {gradient('v')}[t+1]", line.parts[first:], Place.at(gradient("h"), there))
        leaf = next((n for n in self._graph.nodes if (n.op, n.name) == ("state", state)), None)
        if leaf is not None:
            line.add_to_total(self._at(step.gradient(leaf), there.unit))
            if leaf in self._graph.states:
                # A state that the step does not change.
                line.parts.append(self._single("next", step, Path(leaf, ()), there, moved=True))
                line.add([self._piece(step, s, there) for s in later((self._symbols.named(leaf),))])
            self._add_inner(line, step, leaf, there, moved=True)

    def _add_inner(
        self, line: LineOfGradient, step: BackwardBlock, node: Node, where: Location, *, moved: bool = False
    ) -> None:
        """Add the terms of a value that come from a step; `moved` if that is the next one."""
        of_state = node in self._graph.states
        for consumer, place in self._symbols.consumers.get(node, ()):
            symbols, negative = self._symbols.contribution(consumer, place)
            line.add([self._piece(step, s, where) for s in (later(symbols) if moved else symbols)], negative=negative)
            if of_state and not moved:
                # The engine's own gradient of the state is that of all ways.
                line.add_to_total(self._at(step.contribution(consumer, place), where.unit))
            for path in self._symbols.paths_by(consumer, place):
                if path.origin.op in PRODUCTS:
                    line.parts.append(self._product("next" if moved else "step", step, path, where))
                else:
                    line.parts.append(self._single("next" if moved else "step", step, path, where, moved=moved))
        if not of_state and not moved:
            line.add_to_total(self._at(step.gradient(node), where.unit))

    def _single(self, way: Way, step: BackwardBlock, path: Path, where: Location, *, moved: bool = False) -> Part:
        """A part with one term: the local derivatives on a path times a named gradient."""
        d = self._at(step.total(path.origin), where.unit)
        symbols = self._symbols.path(path)
        text = texts(later(symbols) if moved else symbols)
        source = self._gradient_place(path.origin, where)
        return terms_of(
            way,
            text,
            np.array([self._factor(step, path, where.unit)]),
            np.array([0.0 if d is None else float(d.value)]),
            lambda _: text,
            lambda _: source,
        )

    def _product(self, way: Way, step: BackwardBlock, path: Path, where: Location) -> Part:
        """A part with a term for each row of a matrix, from a product that reads the unit."""
        node = path.origin
        gate = node.name if node.op == "recurrent" else ""
        weights = WeightColumn("h2h_weight" if gate else node.args[0].name, gate, where.unit, where)
        d = step.gradient(node)
        assert d is not None
        text, read = self._symbols.product(node).text, texts(self._symbols.short(node))
        return self._vector(way, text, weights, d, read, scale=self._factor(step, path, where.unit))

    def _vector(
        self, way: Way, text: str, of: WeightColumn, d: BoundedArray, read: str, mark: str = "", scale: float = 1.0
    ) -> Part:
        """A part with a term for each unit of a step: a column of a weight times the gradients d (1, 1, H).

        `read` names the gradients.
        """
        kind, size, where = self._network.kind, d.value.shape[-1], of.where
        gates = kind.gate_symbols if of.parameter == "i2h_weight" else kind.recurrent_gates
        first = gates.index(of.gate) * size if of.gate else 0
        weights = vars(self._inputs.parameters.layer(where.layer, where.direction))[of.parameter]
        name = read if read.count(".") == 1 and " " not in read else f"({read})"

        def source(unit: int) -> Place | None:
            if unit >= self._network.output_size:
                return None
            return Place.at(gradient(gate_name(kind, of.gate) if of.gate else "h"), where.moved(unit=unit))

        return terms_of(
            way,
            text,
            scale * weights[first : first + size, of.column].astype(np.float64),
            d.value.reshape(-1).astype(np.float64),
            lambda unit: f"{name}[t={where.timestep}, u={unit}]{mark}",
            source,
            lambda unit: of.place(first + unit),
        )

    # Numbers and places

    def _parts(self, op: str, step: BackwardBlock) -> dict[Node, BoundedArray]:
        """The gradients of the input parts "u" or of the recurrent parts "v" of a step, as far as it has any."""
        found = ((node, step.gradient(node)) for node in self._graph.nodes if node.op == op)
        return {node: d for node, d in found if d is not None}

    def _at(self, d: BoundedArray | None, unit: int) -> BoundedArray | None:
        """One unit of an array (1, 1, U)."""
        if d is None:
            return None
        value, bound = (np.broadcast_to(a, d.value.shape).reshape(-1, d.value.shape[-1])[0] for a in (d.value, d.bound))
        return BoundedArray(np.array(value[unit]), np.array(bound[unit]), d.eps)

    def _factor(self, step: BackwardBlock, path: Path, unit: int) -> float:
        """The product of the local derivatives on a path."""
        return prod((self._number(step, symbol, unit) for symbol in path.factors), start=-1.0 if path.negative else 1.0)

    def _number(self, step: BackwardBlock, symbol: GradientSymbol, unit: int) -> float:
        node = symbol.node
        assert node is not None
        match symbol.role:
            case "value":
                found: BoundedArray | None = step.value(node)
            case "slope":
                found = step.slope(node)
            case "gradient":
                found = step.total(node)
            case _:
                found = step.contribution(node, len(node.args) - 1)
        if found is None:
            return 0.0
        value = np.asarray(found.value)
        return float(value) if value.ndim == 0 else float(value.reshape(-1)[unit])

    def _piece(self, step: BackwardBlock, symbol: GradientSymbol, where: Location) -> Token | str:
        if symbol.role == "sign" or symbol.node is None:
            return symbol.text
        return Token(symbol.text, self._number(step, symbol, where.unit), self._source(symbol, where))

    def _source(self, symbol: GradientSymbol, where: Location) -> Place | None:
        node = symbol.node
        assert node is not None
        if symbol.role == "gradient":
            return self._gradient_place(node, where)
        if symbol.role != "value":
            return None
        kind, names = self._network.kind, {n: name for name, n in self._graph.values.items()}
        name = names.get(node, "")
        return Place.at(name, where) if name in (*kind.state_symbols, *kind.gate_symbols) else None

    def _gradient_place(self, node: Node, where: Location) -> Place:
        return Place.at(gradient(self._symbols.names.get(node, "")), where)

    # What no step computed

    def of_input(self, place: Place) -> Line:
        """The line of a number of the sequence."""
        line = LineOfGradient(gradient("x"))
        timestep, sample, feature = place.index
        reader = Location(0, 0, timestep, sample, reverse=self._network.reverse)
        self._add_input_parts(line, reader, feature, "")
        return line.finished(self._trace, OF_INPUT, place.index)

    def of_initial(self, place: Place) -> Line:
        """The line of a number of an initial state."""
        line = LineOfGradient(place.array)
        row, sample, unit = place.index
        layer, direction = divmod(row, self._network.directions)
        first = self._inputs.length(sample) - 1 if self._network.backward(direction) else 0
        there = Location(layer, direction, first, sample, unit, reverse=self._network.reverse)
        self._add_next(line, there, place.symbol.removesuffix("0"))
        return line.finished(self._trace, place.array, place.index)
