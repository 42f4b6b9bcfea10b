"""The terms of a gradient, in float64 from one engine's own gradients of later steps: the chain rule with its numbers.

A gradient is a sum of products of a local derivative and another gradient. Those of an output come from the loss and
from the layer above; those of a hidden state from the output and from the next step; those of a gate from the states of
the same step; those of a parameter from every time step and sample.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from functools import cached_property
from math import prod
from typing import Literal, TypeAlias

import numpy as np

from rnnviz.cells import CellSpec
from rnnviz.cells.interpreters.backward_graph import PRODUCTS
from rnnviz.cells.interpreters.graph import Graph, Node
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.running_error import BoundedArray, exact, storage_bound, stored
from rnnviz.core.axis_labels import Names
from rnnviz.core.gradients import OF_INPUT, OF_OUTPUT, gradient, gradient_names
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray, allocate_array
from rnnviz.core.places import LOSS, Place, parameter_place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import ARROWS, Location, carried_to, state_row
from rnnviz.explain.equations import EquationLine, Token
from rnnviz.explain.gradient_blocks import BackwardBlock, GradientBlocks
from rnnviz.explain.gradient_symbols import (
    GradientSymbol,
    GradientSymbols,
    Path,
    gate_name,
    gradient_symbols,
    later,
    texts,
    through_weights,
)
from rnnviz.explain.step_breakdown import StoredValue
from rnnviz.explain.value_sources import notation
from rnnviz.explain.worked_step import Floats
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import rounded_once

_BLOCK_VALUES = 1 << 21
"""Numbers of a block of time steps that are in memory at once, for the gradient of a parameter."""

Way: TypeAlias = Literal["loss", "above", "out", "step", "next", "time"]
"""How a gradient comes: from the loss, the layer above, the output, the same step, the next step; "time" of a
parameter's terms."""


@dataclass(frozen=True, eq=False)
class GradientPart:
    """A part of a gradient: the sum of factors · gradients, both (K,).

    `text` is its name, such as "Wᵀ grad.i[t+1]". `name` and `source` say which gradient each term reads, and `weight`
    which weight its factor is.
    """

    way: Way
    text: str
    factors: Floats
    gradients: Floats
    name: Callable[[int], str] = field(repr=False)
    source: Callable[[int], Place | None] = field(repr=False)
    weight: Callable[[int], Place | None] = field(default=lambda _: None, repr=False)

    @cached_property
    def products(self) -> Floats:
        """(K,): factors · gradients."""
        with np.errstate(all="ignore"):
            return self.factors * self.gradients

    @property
    def total(self) -> float:
        with np.errstate(all="ignore"):
            return float(self.products.sum())


@dataclass(frozen=True, eq=False)
class GradientLine:
    """One gradient: its equation, its parts, and its value, which is their sum.

    `sources` has the source of each token of the equation. `own` is the engine's own value besides this one, if it
    gives the gradient.
    """

    name: str
    equation: EquationLine
    parts: tuple[GradientPart, ...]
    value: float
    sources: tuple[Place | None, ...]
    own: StoredValue | None = None

    def __len__(self) -> int:
        return sum(len(part.factors) for part in self.parts)


@dataclass(frozen=True, eq=False)
class GradientBreakdown:
    """The gradients of one step's unit for one engine, in the order of the backward pass: each uses only earlier ones.

    Of an input value, an initial state or a parameter `place` there is one line. `contributions` (T,) are then those of
    each time step, of a parameter.
    """

    place: Place
    engine: str
    cell: CellSpec
    lines: tuple[GradientLine, ...]
    names: Names
    contributions: Floats | None = None

    @property
    def by_name(self) -> dict[str, GradientLine]:
        return {line.name: line for line in self.lines}

    @property
    def outcomes(self) -> tuple[StoredValue, ...]:
        """The engine's own gradients besides the equations' gradients."""
        return tuple(line.own for line in self.lines if line.own is not None)

    @property
    def line(self) -> GradientLine:
        """The line of `place`."""
        return self.by_name.get(line_name(self.place), self.lines[0])


def line_name(place: Place) -> str:
    """The name of the line that gives a gradient: "grad.h", "grad.i"."""
    if place.kind == "input":
        return gradient("x")
    return notation(place) if place.kind == "parameter" else place.array


def gradient_breakdown(blocks: GradientBlocks, place: Place) -> GradientBreakdown:
    """The terms of a gradient of one engine."""
    with np.errstate(all="ignore"):
        return _Explainer(blocks, place).explain()


def unit_contributions(
    blocks: GradientBlocks, place: Place, check: Callable[[float], None] = lambda fraction: None
) -> Floats:
    """The contribution of each time step to the gradient of a parameter's numbers, summed over the samples.

    Returns an array of float64: (T, U). The sum over time of a column is the gradient of the number of this unit.
    """
    with np.errstate(all="ignore"):
        return _Explainer(blocks, place.gradient).unit_contributions(place, check)


class _Line:
    """Collects the parts and tokens of a line."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[GradientPart] = []
        self._pieces: list[tuple[Token, Place | None]] = []
        self.total: BoundedArray | None = None

    def add(self, pieces: Sequence[tuple[Token, Place | None]], *, negative: bool = False) -> None:
        """Add a summand to the equation."""
        if self._pieces:
            self._sign(" - " if negative else " + ")
        elif negative:
            self._sign("-")
        for token, place in pieces:
            if token.value is None:
                self._sign(token.text)
            else:
                self._pieces.append((token, place))

    def add_vector(self, part: GradientPart, place: Place | None) -> None:
        """Add a part whose sum is one number of the equation."""
        self.parts.append(part)
        self.add([(Token(part.text, part.total), place)])

    def add_sum(self, text: str, parts: Sequence[GradientPart], place: Place | None) -> None:
        """Add parts that are together one number of the equation; a single part by its own name."""
        name = parts[0].text if len(parts) == 1 and parts[0].way == "next" else text
        self.add([(Token(name, sum(part.total for part in parts)), place)])

    def add_to_total(self, value: BoundedArray | None) -> None:
        if value is not None:
            self.total = value if self.total is None else self.total + value

    def _sign(self, text: str) -> None:
        if self._pieces and self._pieces[-1][0].value is None:
            text = self._pieces.pop()[0].text + text
        self._pieces.append((Token(text), None))

    @property
    def value(self) -> float:
        return 0.0 if self.total is None else float(self.total.value)

    @property
    def bound(self) -> float:
        return 0.0 if self.total is None else float(self.total.bound)

    def finished(self, own: StoredValue | None) -> GradientLine:
        pieces = self._pieces or [(Token("0", 0.0), None)]
        if pieces[0][0].value is None:
            (token, _), *rest = pieces
            pieces = [(Token(f" = {token.text}"), None), *rest]
        else:
            pieces = [(Token(" = "), None), *pieces]
        tokens = (Token(self.name, self.value), *(token for token, _ in pieces))
        sources = (None, *(place for _, place in pieces))
        return GradientLine(self.name, EquationLine(tokens), tuple(self.parts), self.value, sources, own)


class _Explainer:
    def __init__(self, blocks: GradientBlocks, place: Place) -> None:
        self._blocks, self._place = blocks, place
        self._inputs: Inputs = blocks.inputs
        self._trace: Trace = blocks.trace
        assert blocks.inputs.loss is not None, "the run has no backward pass"
        self._loss = blocks.inputs.loss
        self._network = blocks.inputs.network
        self._graph: Graph = graph_of(self._network.kind)
        self._symbols: GradientSymbols = gradient_symbols(self._graph)

    def explain(self) -> GradientBreakdown:
        place, contributions = self._place, None
        lines: tuple[GradientLine, ...]
        match place.kind:
            case "input":
                lines = (self._input(place),)
            case "initial":
                lines = (self._initial(place),)
            case "parameter":
                line, contributions = self._parameter(place)
                lines = (line,)
            case _:
                assert place.location is not None
                lines = self._step(place.location)
        return GradientBreakdown(
            self._place,
            self._trace.engine,
            self._network.kind,
            lines,
            self._inputs.names.of_sample(place.sample or 0),
            contributions,
        )

    # One step

    def _step(self, where: Location) -> tuple[GradientLine, ...]:
        # A gate or a cell state belongs to another unit than an h that is projected.
        of_gates = self._place.array not in (gradient(self._network.kind.state_symbols[0]), OF_OUTPUT)
        size = ("H",) if of_gates else self._graph.values[self._network.kind.state_symbols[0]].shape
        step = self._blocks.step(where.layer, where.direction, where.timestep, where.sample)
        lines = []
        for node in self._symbols.lines:
            if node.shape != size:
                continue
            first, *copies = [s for s in self._network.kind.state_symbols if self._graph.values[s] is node] or [""]
            for symbol in copies:
                line = _Line(gradient(symbol))
                self._add_outer(line, where, symbol)
                lines.append(self._finish(line, line.name, where.index))
            line = _Line(gradient(self._symbols.names[node]))
            if first == self._network.kind.state_symbols[0]:
                output = self._output(where)
                lines.append(self._finish(output, OF_OUTPUT, where.index))
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
            lines.append(self._finish(line, given, where.index))
        return tuple(lines)

    def _finish(self, line: _Line, array: str, index: tuple[int, ...]) -> GradientLine:
        """The line, with the engine's own gradient at an index of the array of this name, where it gives it."""
        if array not in self._trace:
            return line.finished(None)
        stored = float(self._trace[array][index])
        bound = line.bound + float(storage_bound(np.array([stored]), self._trace.stored_as)[0])
        return line.finished(StoredValue(line.name, stored, line.value, bound))

    def _add_outer(self, line: _Line, where: Location, state: str) -> None:
        """Add the terms of a state that come from the next step, or from the loss of its final state."""
        after = carried_to(self._network, where, self._inputs.length(where.sample))
        if after is None:
            value = self._loss.state[state][state_row(self._network, where), where.sample, where.unit]
            self._add_loss(line, "final", float(value), Place.at(f"{LOSS}{state}", where))
        elif not self._blocks.cut_before(where.direction, after):
            self._add_next(line, where.moved(timestep=after), state)

    def _output(self, where: Location) -> _Line:
        """The terms of the output of a layer, which come from the loss and from the layer above."""
        line = _Line(OF_OUTPUT)
        self._add_direct(line, where)
        self._add_above(line, where)
        if line.total is not None:
            line.total = rounded_once(self._trace, line.total)
        return line

    def _add_output(self, line: _Line, where: Location, found: BoundedArray | None) -> None:
        """Add the engine's own gradient of the output, or the `found` one where it gives none."""
        if OF_OUTPUT in self._trace:
            own = np.array([self._trace[OF_OUTPUT][where.index]], np.float64)
            found = stored(own, self._trace.stored_as, self._trace.eps)[0]
        self._add_given(line, "out", OF_OUTPUT, found, Place.at(OF_OUTPUT, where))

    def _add_direct(self, line: _Line, where: Location) -> None:
        times = range(where.timestep, where.timestep + 1)
        direct = self._loss.direct(self._network, where.layer, where.direction, times, self._inputs.batch_size)
        if direct is not None:
            self._add_loss(line, "direct", float(direct[0, where.sample, where.unit]), Place.at(f"{LOSS}out", where))

    def _add_loss(self, line: _Line, text: str, value: float, place: Place) -> None:
        self._add_given(line, "loss", text, exact(np.array(value), self._trace.eps), place)

    def _add_given(self, line: _Line, way: Way, text: str, d: BoundedArray | None, place: Place) -> None:
        """Add a gradient as it is, with the factor 1."""
        value = np.zeros(1) if d is None else d.value.reshape(1)
        line.add_vector(GradientPart(way, text, np.ones(1), value, lambda _: text, lambda _: place), place)
        line.add_to_total(d)

    def _add_above(self, line: _Line, where: Location) -> None:
        if where.layer + 1 == self._network.num_layers:
            return
        column = where.direction * self._network.output_size + where.unit
        self._add_input_parts(line, where.moved(layer=where.layer + 1), column, "above")

    def _add_input_parts(self, line: _Line, reader: Location, column: int, text: str) -> None:
        """Add the terms of a column of the layer input: from the steps of every direction at `reader`."""
        for direction in range(self._network.directions):
            there = reader.moved(direction=direction)
            step = self._blocks.step(there.layer, direction, there.timestep, there.sample)
            arrow = f" {ARROWS[self._network.backward(direction)]}" if self._network.directions > 1 else ""
            parts = self._parts("u", step)
            by_gate = {node.name: owed for node, owed in parts.items()}
            found = self._blocks.layer(there.layer, direction).gradient_of_input(by_gate)
            line.add_to_total(None if found is None else found[0, 0, column])
            mark = f" {'↑' if text else ''}{arrow.strip()}".rstrip()
            first = len(line.parts)
            for node, owed in parts.items():
                symbol = self._symbols.named(node)
                name = f"{through_weights((symbol,))}{mark}"
                part = self._vector("above", name, "i2h_weight", node.name, column, owed, symbol.text, there, mark)
                line.parts.append(part)
            name = f"{text}{arrow}" if text else f"Wᵀ {gradient('u')}{arrow}"
            line.add_sum(name, line.parts[first:], Place.at(gradient("h"), there) if text else None)

    def _add_next(self, line: _Line, there: Location, state: str) -> None:
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
                owed = self._symbols.equation(node)
                text = through_weights(later(owed))
                part = self._vector("next", text, "h2h_weight", gate, there.unit, d, texts(owed), there)
                line.parts.append(part)
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

    def _add_inner(self, line: _Line, step: BackwardBlock, node: Node, where: Location, *, moved: bool = False) -> None:
        """Add the terms of a value that come from a step; `moved` if that is the next one."""
        of_state = node in self._graph.states
        for consumer, place in self._symbols.consumers.get(node, ()):
            symbols, negative = self._symbols.owed(consumer, place)
            line.add([self._piece(step, s, where) for s in (later(symbols) if moved else symbols)], negative=negative)
            if of_state and not moved:
                # The engine's own gradient of the state is that of all ways.
                line.add_to_total(self._at(step.owed_by(consumer, place), where.unit))
            for path in self._symbols.paths_by(consumer, place):
                if path.origin.op in PRODUCTS:
                    line.parts.append(self._product("next" if moved else "step", step, path, where))
                else:
                    line.parts.append(self._single("next" if moved else "step", step, path, where, moved=moved))
        if not of_state and not moved:
            line.add_to_total(self._at(step.gradient(node), where.unit))

    def _single(
        self, way: Way, step: BackwardBlock, path: Path, where: Location, *, moved: bool = False
    ) -> GradientPart:
        """A part with one term: the local derivatives on a path times a named gradient."""
        d = self._at(step.total(path.origin), where.unit)
        symbols = self._symbols.path(path)
        text = texts(later(symbols) if moved else symbols)
        source = self._gradient_place(path.origin, where)
        return GradientPart(
            way,
            text,
            np.array([self._factor(step, path, where.unit)]),
            np.array([0.0 if d is None else float(d.value)]),
            lambda _: text,
            lambda _: source,
        )

    def _product(self, way: Way, step: BackwardBlock, path: Path, where: Location) -> GradientPart:
        """A part with a term for each row of a matrix, from a product that reads the unit."""
        node = path.origin
        owed = texts(self._symbols.short(node))
        gate = node.name if node.op == "recurrent" else ""
        name = "h2h_weight" if gate else node.args[0].name
        d = step.gradient(node)
        assert d is not None
        text = self._symbols.product(node).text
        return self._vector(
            way, text, name, gate, where.unit, d, owed, where, scale=self._factor(step, path, where.unit)
        )

    def _vector(
        self,
        way: Way,
        text: str,
        parameter: str,
        gate: str,
        column: int,
        d: BoundedArray,
        owed: str,
        where: Location,
        mark: str = "",
        scale: float = 1.0,
    ) -> GradientPart:
        """A part with a term for each unit of a step: a column of a weight times the gradients d (1, 1, H).

        `gate` is that of the weight's rows and of the gradients, "" for a matrix; `owed` names the gradients.
        """
        kind, size = self._network.kind, d.value.shape[-1]
        gates = kind.gate_symbols if parameter == "i2h_weight" else kind.recurrent_gates
        first = gates.index(gate) * size if gate else 0
        weights = vars(self._inputs.parameters.layer(where.layer, where.direction))[parameter]
        name = owed if owed.count(".") == 1 and " " not in owed else f"({owed})"

        def source(unit: int) -> Place | None:
            if unit >= self._network.output_size:
                return None
            return Place.at(gradient(gate_name(kind, gate) if gate else "h"), where.moved(unit=unit))

        def weight(unit: int) -> Place:
            return parameter_place(where.lane, parameter, (first + unit, column))

        return GradientPart(
            way,
            text,
            scale * weights[first : first + size, column].astype(np.float64),
            d.value.reshape(-1).astype(np.float64),
            lambda unit: f"{name}[t={where.timestep}, u={unit}]{mark}",
            source,
            weight,
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
                found = step.owed_by(node, len(node.args) - 1)
        if found is None:
            return 0.0
        value = np.asarray(found.value)
        return float(value) if value.ndim == 0 else float(value.reshape(-1)[unit])

    def _piece(self, step: BackwardBlock, symbol: GradientSymbol, where: Location) -> tuple[Token, Place | None]:
        if symbol.role == "sign" or symbol.node is None:
            return Token(symbol.text), None
        return Token(symbol.text, self._number(step, symbol, where.unit)), self._source(symbol, where)

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

    # What no step computed, and parameters

    def _input(self, place: Place) -> GradientLine:
        line = _Line(gradient("x"))
        t, sample, feature = place.index
        reader = Location(0, 0, t, sample, reverse=self._network.reverse)
        self._add_input_parts(line, reader, feature, "")
        return self._finish(line, OF_INPUT, place.index)

    def _initial(self, place: Place) -> GradientLine:
        line = _Line(place.array)
        row, sample, unit = place.index
        layer, direction = divmod(row, self._network.directions)
        first = self._inputs.length(sample) - 1 if self._network.backward(direction) else 0
        there = Location(layer, direction, first, sample, unit, reverse=self._network.reverse)
        self._add_next(line, there, place.symbol.removesuffix("0"))
        return self._finish(line, place.array, place.index)

    def _parameter(self, place: Place) -> tuple[GradientLine, Floats]:
        timesteps, samples = self._inputs.timesteps, self._inputs.batch_size
        factors, gradients, bounds = (np.zeros((timesteps, samples)) for _ in range(3))
        gate, unit, text = "", place.index[0], "grad"
        for node in self._owing(place):
            gate = node.name if node.op in ("u", "v", "recurrent") else ""
            unit = place.index[0] % self._network.hidden_size if gate else place.index[0]
            text = texts(self._symbols.short(node))
            for times, group, step, column in self._over_time(place, unit):
                d, read = step.gradient(node), self._read(place, node, step)
                if d is None:
                    continue
                shape = times.stop - times.start, group.stop - group.start, d.value.shape[-1]
                value, bound = (np.broadcast_to(a, shape)[..., column] for a in (d.value, d.bound))
                factors[times, group] = read
                gradients[times, group] = value
                bounds[times, group] = bound * np.abs(read)
        products = factors * gradients
        line = _Line(notation(self._place))

        def where(k: int) -> Location:
            t, n = divmod(k, samples)
            return Location(place.layer, place.direction, t, n, unit, reverse=self._network.reverse)

        def name(k: int) -> str:
            t, n = divmod(k, samples)
            return f"t={t}" if samples == 1 else f"t={t}, n={n}"

        part = GradientPart(
            "time",
            f"Σ {text}{'' if place.name_in_lane.endswith('bias') else ' · ' + self._read_name(place)}",
            factors.reshape(-1),
            gradients.reshape(-1),
            name,
            lambda k: Place.at(gradient(gate_name(self._network.kind, gate) if gate else "h"), where(k)),
        )
        line.add_vector(part, None)
        layer = self._blocks.layer(place.layer, place.direction, np.array([0]))
        summed, magnitude, reach = (np.array(a.sum()) for a in (products, np.abs(products), bounds))
        line.add_to_total(layer.gradient_sum(summed, magnitude, products.size, reach))
        return self._finish(line, place.array, place.index), products.sum(axis=1)

    def _owing(self, place: Place) -> list[Node]:
        """The node of a step whose gradient a parameter's number is owed, times what it is multiplied with."""
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

    def unit_contributions(self, place: Place, check: Callable[[float], None]) -> Floats:
        """(T, U): see the function of this name."""
        timesteps, nodes = self._inputs.timesteps, self._owing(place)
        rows = self._inputs.parameters[place.parameter].shape[0]
        units = rows if place.name_in_lane in self._network.kind.own_parameters else self._network.hidden_size
        values: Floats = np.asarray(allocate_array("float64", (timesteps, units)))
        values[...] = 0.0
        done, steps = 0, sum(map(self._inputs.length, range(self._inputs.batch_size)))
        for times, group, step, _ in self._over_time(place, None):
            shape = times.stop - times.start, group.stop - group.start, units
            for node in nodes:
                d = step.gradient(node)
                if d is not None:
                    read = np.broadcast_to(self._read(place, node, step), shape[:2])
                    values[times] += np.einsum("tnu,tn->tu", np.broadcast_to(d.value, shape), read)
            done += shape[0] * shape[1]
            check(done / steps)
        return values

    def _over_time(self, place: Place, unit: int | None) -> Iterator[tuple[slice, slice, BackwardBlock, int]]:
        """Blocks of all steps: time steps, samples, gradients of a unit or of all, and the unit's column in them."""
        mixes = unit is None or self._graph.mixes_units
        units = None if mixes else np.array([unit])
        width = self._network.hidden_size if mixes else 1
        step_values = sum(layer.shape[1] for layer in self._weights(place)) + width * len(self._graph.nodes)
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

    def _weights(self, place: Place) -> list[FloatArray]:
        """The weights that a step of the lane reads its inputs through."""
        arrays = vars(self._inputs.parameters.layer(place.layer, place.direction))
        return [arrays[name] for name in ("i2h_weight", "h2h_weight") if name in arrays]

    def _groups(self) -> list[slice]:
        """Samples of the same length, side by side."""
        if not self._inputs.lengths:
            return [slice(0, self._inputs.batch_size)]
        return [slice(n, n + 1) for n in range(self._inputs.batch_size)]

    def _read(self, place: Place, node: Node, step: BackwardBlock) -> FloatArray | float:
        """(B, S): what the parameter's number is multiplied with; 1 for a bias and for a number of each unit."""
        if len(place.index) == 1:
            return 1.0
        column = place.index[1]
        if node.op in PRODUCTS:
            return step.value(node.args[-1]).value[..., column]
        return step.read(node.op)[..., column]

    def _read_name(self, place: Place) -> str:
        if len(place.index) == 1:
            return "1"
        read = {"i2h_weight": "x", "h2h_weight": "h[t-1]"}.get(place.name_in_lane, "operand")
        return f"{read}[{place.index[1]}]"
