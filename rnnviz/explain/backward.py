"""The terms of a gradient, in float64 from one engine's own gradients of later steps: the chain rule with its numbers.

A gradient is a sum of products of a local derivative and another gradient: of the loss, of the layer above, of the
output, of the same or the next step, and for a parameter of every time step and sample.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Literal

import numpy as np

from rnnviz.cells.interpreters.graph import PRODUCTS, Node
from rnnviz.cells.interpreters.running_error import BoundedArray, exact, storage_bound, stored
from rnnviz.core.gradients import OF_INPUT, OF_OUTPUT, gradient, gradient_names
from rnnviz.core.mmap_arrays import FloatArray, allocate_array
from rnnviz.core.places import LOSS, Place, parameter_place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import ARROWS, Location, carried_to, state_row, time_blocks
from rnnviz.explain.backward_blocks import BackwardBlock, GradientBlocks
from rnnviz.explain.backward_symbols import GradientSymbol, Path, gate_name, gradient_symbols, in_brackets, later, texts
from rnnviz.explain.forward import MatrixRows
from rnnviz.explain.lines import Breakdown, EquationLine, Floats, Line, Part, StoredValue, Token, Way
from rnnviz.explain.value_sources import notation
from rnnviz.steps.inputs import rounded_once


class LineOfGradient:
    """Collects the parts and tokens of a gradient's line, and its value with the rounding bound."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[Part] = []
        self._pieces: list[Token | str] = []
        self.total: BoundedArray | None = None

    def add(self, pieces: Sequence[Token | str], *, negative: bool = False) -> None:
        if self._pieces or negative:
            self._pieces.append((" - " if negative else " + ") if self._pieces else "-")
        self._pieces += pieces

    def add_sum(self, text: str, parts: Sequence[Part], place: Place | None) -> None:
        self.parts += parts
        self.add([Token(text, sum(part.total for part in parts), place)])

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
        return Line(self.name, "gradient", equation, tuple(self.parts), value, self.name, own=own)


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


def single_term(way: Way, text: str, factor: float, d: BoundedArray | None, source: Place | None) -> Part:
    value = np.array([0.0 if d is None else float(d.value.item())])
    return terms_of(way, text, np.array([factor]), value, lambda _: text, lambda _: source)


class StepGradients:
    """The gradients of a step's unit, of the input and of the initial states, of one engine."""

    def __init__(self, blocks: GradientBlocks) -> None:
        self._blocks, self._inputs, self._trace = blocks, blocks.inputs, blocks.trace
        assert blocks.inputs.loss is not None, "the run has no backward pass"
        self._loss = blocks.inputs.loss
        self._network, self._graph = blocks.inputs.network, blocks.inputs.network.graph
        self._symbols = gradient_symbols(self._graph)

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
                found = output.total
                if OF_OUTPUT in self._trace:
                    # The engine's own gradient of the output.
                    own = np.array([self._trace[OF_OUTPUT][where.index]], np.float64)
                    found = stored(own, self._trace.stored_as, self._trace.eps)[0]
                self._add_given(line, "out", OF_OUTPUT, found, Place.at(OF_OUTPUT, where))
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

    # What comes from the next step, the loss and the layer above

    def _add_outer(self, line: LineOfGradient, where: Location, state: str) -> None:
        """Add the terms of a state that come from the next step, or from the loss of its final state."""
        after = carried_to(self._network, where, self._inputs.length(where.sample))
        if after is None:
            value = self._loss.state[state][state_row(self._network, where), where.sample, where.unit]
            self._add_loss(line, "final", float(value), Place.at(f"{LOSS}{state}", where))
        elif not self._blocks.cut_before(where.direction, after):
            self._add_next(line, where.moved(timestep=after), state)

    def _output(self, where: Location) -> LineOfGradient:
        line, times = LineOfGradient(OF_OUTPUT), range(where.timestep, where.timestep + 1)
        direct = self._loss.direct(self._network, where.layer, where.direction, times, self._inputs.batch_size)
        if direct is not None:
            self._add_loss(line, "direct", float(direct[0, where.sample, where.unit]), Place.at(f"{LOSS}out", where))
        if where.layer + 1 < self._network.num_layers:
            column = where.direction * self._network.output_size + where.unit
            self._add_input_parts(line, where.moved(layer=where.layer + 1), column, "above")
        if line.total is not None:
            line.total = rounded_once(self._trace, line.total)
        return line

    def _add_loss(self, line: LineOfGradient, text: str, value: float, place: Place) -> None:
        self._add_given(line, "loss", text, exact(np.array(value), self._trace.eps), place)

    def _add_given(self, line: LineOfGradient, way: Way, text: str, d: BoundedArray | None, place: Place) -> None:
        line.add_sum(text, [single_term(way, text, 1.0, d, place)], place)
        line.add_to_total(d)

    def _add_input_parts(self, line: LineOfGradient, reader: Location, column: int, text: str) -> None:
        """Add the terms of a column of the layer input: from the steps of every direction at `reader`."""
        for direction in range(self._network.directions):
            there = reader.moved(direction=direction)
            arrow = f" {ARROWS[self._network.backward(direction)]}" if self._network.directions > 1 else ""
            parts = self._through_weights(line, there, "u", column, f" {'↑' if text else ''}{arrow.strip()}".rstrip())
            name = f"{text}{arrow}" if text else f"Wᵀ {gradient('u')}{arrow}"
            line.add_sum(name, parts, Place.at(gradient("h"), there) if text else None)

    def _add_next(self, line: LineOfGradient, there: Location, state: str) -> None:
        step = self._blocks.step(there.layer, there.direction, there.timestep, there.sample)
        if state == self._network.kind.state_symbols[0]:
            parts = self._through_weights(line, there, "v", there.unit)
            if parts:
                name = parts[0].text if len(parts) == 1 else f"Wᵀ {gradient('v')}[t+1]"
                line.add_sum(name, parts, Place.at(gradient("h"), there))
        leaf = next((n for n in self._graph.nodes if (n.op, n.name) == ("state", state)), None)
        if leaf is not None:
            line.add_to_total(self._at(step.gradient(leaf), there.unit))
            if leaf in self._graph.states:
                # A state that the step does not change.
                line.parts.append(self._on_path(step, Path(leaf, ()), there, moved=True))
                line.add([self._piece(step, s, there) for s in later((self._symbols.named(leaf),))])
            self._add_inner(line, step, leaf, there, moved=True)

    def _through_weights(
        self, line: LineOfGradient, there: Location, op: Literal["u", "v"], column: int, mark: str = ""
    ) -> list[Part]:
        """Parts of the gates of a step, from its input parts "u" or recurrent parts "v": columns of their weights."""
        step = self._blocks.step(there.layer, there.direction, there.timestep, there.sample)
        layer = self._blocks.layer(there.layer, there.direction)
        found = ((node, step.gradient(node)) for node in self._graph.nodes if node.op == op)
        by_gate = {node.name: d for node, d in found if d is not None}
        total = layer.gradient_of_input(by_gate) if op == "u" else layer.gradient_of_hidden(by_gate)
        line.add_to_total(None if total is None else total[0, 0, column])
        return [
            self._vector("above" if op == "u" else "next", text + mark, node, d, there.moved(unit=column), read, mark)
            for node, text, read in self._symbols.through_weights(op)
            if (d := by_gate.get(node.name)) is not None
        ]

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
            paths = self._symbols.paths_by(consumer, place)
            line.parts += (self._on_path(step, path, where, moved=moved) for path in paths)
        if not of_state and not moved:
            line.add_to_total(self._at(step.gradient(node), where.unit))

    def _on_path(self, step: BackwardBlock, path: Path, where: Location, *, moved: bool) -> Part:
        """The terms on a path: of all units through a matrix, or one gradient times the local derivatives."""
        way: Way = "next" if moved else "step"
        node, factor = path.origin, self._factor(step, path, where.unit)
        if node.op in PRODUCTS:
            d, text = step.gradient(node), self._symbols.product(node).text
            assert d is not None
            return self._vector(way, text, node, d, where, texts(self._symbols.short(node)), scale=factor)
        symbols, source = self._symbols.path(path), self._gradient_place(node, where)
        text = texts(later(symbols) if moved else symbols)
        return single_term(way, text, factor, self._at(step.total(node), where.unit), source)

    def _vector(
        self,
        way: Way,
        text: str,
        node: Node,
        d: BoundedArray,
        where: Location,
        read: str,
        mark: str = "",
        scale: float = 1.0,
    ) -> Part:
        """A part with a term for each unit: the column `where.unit` of a matrix times gradients (1, 1, H) `read`."""
        kind, name, column = self._network.kind, in_brackets(read), where.unit
        rows = MatrixRows.of(kind, node, self._network.hidden_size)
        weights = vars(self._inputs.parameters.layer(where.layer, where.direction))[rows.matrix]
        gate = "h" if node.op == "matrix" else gate_name(kind, node.name)

        def source(unit: int) -> Place | None:
            return Place.at(gradient(gate), where.moved(unit=unit)) if unit < self._network.output_size else None

        return terms_of(
            way,
            text,
            scale * weights[rows.first : rows.first + d.value.shape[-1], column].astype(np.float64),
            d.value.reshape(-1).astype(np.float64),
            lambda unit: f"{name}[t={where.timestep}, u={unit}]{mark}",
            source,
            lambda unit: parameter_place(where.lane, rows.matrix, (rows.first + unit, column)),
        )

    # Numbers and places

    def _at(self, d: BoundedArray | None, unit: int) -> BoundedArray | None:
        """One unit of an array (1, 1, U)."""
        if d is None:
            return None
        value, bound = (np.broadcast_to(a, d.value.shape).reshape(-1, d.value.shape[-1])[0] for a in (d.value, d.bound))
        return BoundedArray(np.array(value[unit]), np.array(bound[unit]), d.eps)

    def _factor(self, step: BackwardBlock, path: Path, unit: int) -> float:
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
        line = LineOfGradient(gradient("x"))
        timestep, sample, feature = place.index
        reader = self._inputs.places.location(0, 0, timestep, sample)
        self._add_input_parts(line, reader, feature, "")
        return line.finished(self._trace, OF_INPUT, place.index)

    def of_initial(self, place: Place) -> Line:
        line = LineOfGradient(place.array)
        row, sample, unit = place.index
        layer, direction = divmod(row, self._network.directions)
        first = self._inputs.length(sample) - 1 if self._network.backward(direction) else 0
        there = self._inputs.places.location(layer, direction, first, sample, unit)
        self._add_next(line, there, place.symbol.removesuffix("0"))
        return line.finished(self._trace, place.array, place.index)


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
            return self._inputs.places.location(place.layer, place.direction, t, n, unit)

        def name(k: int) -> str:
            t, n = divmod(k, samples)
            return f"t={t}" if samples == 1 else f"t={t}, n={n}"

        part = terms_of(
            "time",
            f"Σ {text}{self._read_text()}",
            factors.reshape(-1),
            gradients.reshape(-1),
            name,
            lambda k: Place.at(gradient(gate_name(self._network.kind, gate) if gate else "h"), where(k)),
        )
        line.add_sum(part.text, [part], None)
        layer = self._blocks.layer(place.layer, place.direction, 0)
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
        """(T, U): the contributions of the time steps, over all samples, to the numbers of all units."""
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
        place, inputs, units = self._place, self._inputs, self._blocks.units(unit)
        column = 0 if unit is None else unit - units.start
        arrays = vars(inputs.parameters.layer(place.layer, place.direction))
        weights = [arrays[name] for name in ("i2h_weight", "h2h_weight") if name in arrays]
        width = units.stop - units.start
        step_values = sum(weight.shape[1] for weight in weights) + width * len(self._graph.nodes)
        backward = self._network.backward(place.direction)
        # Samples of the same length, side by side.
        together = 1 if inputs.lengths else inputs.batch_size
        for first in range(0, inputs.batch_size, together):
            group = slice(first, first + together)
            carried = self._blocks.carried_final(place.layer, place.direction, group, units)
            count = max(1, _BLOCK_VALUES // (step_values * together))
            for times in time_blocks(range(inputs.length(first)), count, backward=not backward):
                step, carried = self._blocks.block(place.layer, place.direction, times, group, carried, unit)
                yield times, group, step, column

    def _read(self, node: Node, step: BackwardBlock) -> FloatArray | float:
        """(B, S): what the parameter's number is multiplied with; 1 for a bias and for a number of each unit."""
        if len(self._place.index) == 1:
            return 1.0
        column = self._place.index[1]
        if node.op in PRODUCTS:
            return step.value(node.args[-1]).value[..., column]
        return step.read(node.op)[..., column]

    def _read_text(self) -> str:
        place = self._place
        if place.name_in_lane.endswith("bias"):
            return ""
        if len(place.index) == 1:
            return " · 1"
        read = {"i2h_weight": "x", "h2h_weight": "h[t-1]"}.get(place.name_in_lane, "operand")
        return f" · {read}[{place.index[1]}]"


def gradient_breakdown(blocks: GradientBlocks, place: Place) -> Breakdown:
    """The terms of a gradient of one engine: the lines of its step in backward order, or its only line."""
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
