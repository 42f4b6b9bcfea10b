"""The computation of one unit's values in one time step, repeated in float64 from an engine's own state and input.

The previous state and the layer's input are the engine's own, the parameters the true ones: an engine that computes
something else, or rounds, is seen in the difference between what it stored and what this arithmetic gives.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.arrays import ArrayLayer, gate_parts
from rnnviz.cells.interpreters.bounded import BoundedBlock
from rnnviz.cells.interpreters.graph import Graph, Node, evaluate, ordered
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.running_error import exact, storage_bound
from rnnviz.cells.interpreters.symbols import Equation, expression, short_equations
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import INPUT_VALUES, Place, parameter_place
from rnnviz.core.sequence import UNNAMED, Names
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import ARROWS, Location, read_after, state_row
from rnnviz.explain.lines import (
    Bias,
    Breakdown,
    EquationLine,
    Floats,
    Line,
    Part,
    PreviousValue,
    ReadVector,
    StoredValue,
    Token,
    Way,
)
from rnnviz.explain.value_sources import notation, unit_size, value_place
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import bounded_layer, layer_input, previous_state
from rnnviz.steps.states import CellStates


def values_of_all_units(
    cell: CellSpec,
    parameters: Mapping[str, FloatArray],
    x: Floats,
    state: Mapping[str, Floats],
    roots: Sequence[Node],
) -> dict[Node, Floats]:
    """(K,): the values that products in a step read of all units, and the named ones on which they depend."""
    read = [node.args[-1] for node in ordered(roots) if node.op in ("recurrent", "matrix")]
    if not read:
        return {}
    p = {name: np.asarray(array, np.float64) for name, array in parameters.items()}
    u = gate_parts(cell.gate_symbols, p, "i2h", x)
    v = gate_parts(cell.recurrent_gates, p, "h2h", state[cell.state_symbols[0]])
    leaves = {"u": u, "v": v, "state": state, "parameter": p}

    def leaf(node: Node) -> FloatArray | float:
        return node.number if node.op == "number" else leaves[node.op][node.name]

    values = evaluate(read, leaf, ArrayLayer.of(cell, p).apply)
    named = set(graph_of(cell).values.values())
    return {node: np.asarray(value) for node, value in values.items() if node in read or node in named}


def nodes_of_unit(roots: Sequence[Node]) -> set[Node]:
    """The nodes of a unit on which some others depend: not those that only a product reads, of all units."""
    found: set[Node] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += () if node.op in ("recurrent", "matrix") else node.args
    return found


@dataclass(frozen=True)
class PartNodes:
    """A part of a sum by its nodes: `value`, or the product with a row of a matrix, `product`, times a `factor`."""

    value: Node
    factor: Node | None = None
    product: Node | None = None


_BEFORE = "[t-1]"
PRODUCT_OPS = ("u", "v", "recurrent", "matrix")
"""The operations that are a row of a matrix times a vector."""


def parts_of_gate(cell: CellSpec, line: Equation) -> list[PartNodes]:
    """The parts of a gate's pre-activation, or of a projection; none of other values."""
    node, is_gate, names = line.node, line.name in cell.gate_symbols, first_names(graph_of(cell))
    if not is_gate and not (cell.projects and line.name == cell.state_symbols[0]):
        return []
    match node.op:
        case "matrix":
            return [PartNodes(node, product=node)]
        case "plus" if is_gate:
            # A gate with the activation "linear".
            return [part for arg in node.args for part in _parts_of_sum(arg, names)]
        case "activation":
            argument = node.args[0]
            while argument.op == "activation" and argument not in names:
                # An activation cut to a limit: its sum is what is cut.
                argument = argument.args[0]
            return _parts_of_sum(argument, names)
    return []


def _parts_of_sum(node: Node, names: Mapping[Node, str]) -> list[PartNodes]:
    """The parts of a sum, each with what it is multiplied with."""
    if node.op == "plus" and node not in names:
        return [part for arg in node.args for part in _parts_of_sum(arg, names)]
    if node.op in PRODUCT_OPS:
        return [PartNodes(node, product=node)]
    if node.op != "times" or node in names:
        return [PartNodes(node)]
    for product, factor in (node.args[::-1], node.args):
        if product.op in PRODUCT_OPS:
            return [PartNodes(product, factor, product)]
    return [PartNodes(node.args[1], node.args[0])]


def first_names(graph: Graph) -> dict[Node, str]:
    """The names of values; one with two names is called by the first, as in the equations."""
    return {node: name for name, node in reversed(list(graph.values.items()))}


def symbol_of(names: Mapping[Node, str], node: Node) -> str:
    """The name of a value in the equations: "c", or "c[t-1]" of a state."""
    return f"{node.name}{_BEFORE}" if node.op == "state" else names.get(node, node.name)


def summands(node: Node) -> Iterator[Node]:
    """The products that a sum adds up, and its other terms."""
    if node.op == "plus":
        for arg in node.args:
            yield from summands(arg)
    else:
        yield node


@dataclass(frozen=True)
class StepReads:
    """Inputs of a step: parameters, the layer input x (I,) and the previous states (H,) or (P,) by symbol.

    `before` is the time step of these states, None for the initial ones, where they are in row `row`.
    """

    cell: CellSpec
    parameters: Mapping[str, FloatArray]
    x: Floats
    state: Mapping[str, Floats]
    where: Location
    before: int | None = None
    row: int = 0
    names: Names = UNNAMED

    def input_source(self, column: int) -> Place:
        """Where column `column` of W_i2h reads: the sequence, or the directions of the layer below side by side."""
        where, first = self.where, self.cell.state_symbols[0]
        if where.layer == 0:
            return Place(INPUT_VALUES, (where.timestep, where.sample, column), names=self.names)
        direction, unit = divmod(column, len(self.state[first]))
        return Place.at(first, where.moved(layer=where.layer - 1, direction=direction, unit=unit))

    def previous_source(self, symbol: str, unit: int | None = None) -> Place:
        """Where a previous state of the unit comes from, or of another unit of its lane."""
        where = self.where if unit is None else self.where.moved(unit=unit)
        if self.before is None:
            return Place(f"{symbol}0", (self.row, where.sample, where.unit), where.lane)
        return Place.at(symbol, where.moved(timestep=self.before))

    def hidden_source(self, column: int) -> Place:
        """Where column `column` of W_h2h reads."""
        return self.previous_source(self.cell.state_symbols[0], column)


class UnitArithmetic:
    """The numbers of one unit by node, and the lines made of them; its equations are those whose values have `size`."""

    def __init__(self, reads: StepReads, size: str = "H") -> None:
        self._reads, self._cell, self._parameters = reads, reads.cell, reads.parameters
        self._where, self._unit = reads.where, reads.where.unit
        self._graph = graph_of(reads.cell)
        self._names = first_names(self._graph)
        self._equations = [line for line in short_equations(reads.cell) if line.node.shape == (size,)]
        roots = [line.node for line in self._equations]
        self._inputs = values_of_all_units(reads.cell, reads.parameters, reads.x, reads.state, roots)
        self._parts = {n: self._product_part(n) for n in nodes_of_unit(roots) if n.op in PRODUCT_OPS}
        known = {node: np.float64(part.total) for node, part in self._parts.items()}
        values = evaluate(roots, self._leaf, ArrayLayer().apply, known)
        self._numbers = {node: float(value) for node, value in values.items()}
        self._gates = {line.name: self._gate_parts(line) for line in self._equations}

    @property
    def across(self) -> dict[str, Floats]:
        """The named values of all units behind a product, in the order of computation."""
        return {name: self._inputs[node] for name, node in self._graph.values.items() if node in self._inputs}

    def lines(self, own: Mapping[str, StoredValue] = MappingProxyType({})) -> tuple[Line, ...]:
        """The equations of the unit in the order of computation; `own` has the engine's own values by name."""
        return tuple(self._line(equation, own.get(equation.name)) for equation in self._equations)

    @property
    def values(self) -> dict[str, float]:
        """The value of each line by its name."""
        return {equation.name: self._numbers[equation.node] for equation in self._equations}

    def _leaf(self, node: Node) -> np.float64:
        if node.op == "number":
            return np.float64(node.number)
        return np.float64((self._reads.state if node.op == "state" else self._parameters)[node.name][self._unit])

    # Lines

    def _line(self, equation: Equation, own: StoredValue | None) -> Line:
        name, node = equation.name, equation.node
        value, written = self._numbers[node], EquationLine.of(tuple(self._tokens(equation)))
        unnamed = (node, *(arg for arg in node.args if arg not in self._names))
        found = next((n for n in unnamed if n.activation is not None), None)
        point = None
        if found is not None and found.activation is not None:
            point = found.activation, self._numbers[found.args[0]], self._numbers[found]
        if not (parts := self._gates[name]):
            return Line(name, "state", written, tuple(self._products(node)), value, name, own=own, point=point)
        # Without the activation and its bracket.
        symbols = equation.symbols[1:-1] if node.op == "activation" else equation.symbols
        title = next((gate.name for gate in self._cell.gates if gate.symbol == name), "projection")
        text = "".join(symbol.text for symbol in symbols)
        return Line(name, "gate", written, parts, value, text, title, _total(parts), own, point)

    def _tokens(self, equation: Equation) -> Iterator[Token | str]:
        yield Token(equation.name, self._numbers[equation.node])
        yield " = "
        for symbol in equation.symbols:
            node = symbol.node
            if node is None or node.op == "number" or symbol.across or len(node.shape) == 2:
                yield symbol.text
            else:
                yield Token(symbol.text, self._numbers[node], self._token_source(symbol.text))

    def _token_source(self, text: str) -> Place | None:
        """Where a number of an equation comes from; None for u and v, which the gate's own terms make."""
        if text.endswith(_BEFORE):
            return self._named_source(text)
        named = self._gates.get(text) or text in self._cell.state_symbols[1:]
        return value_place(self._cell, self._where, text) if named else None

    def _named_source(self, symbol: str) -> Place:
        """Where a value comes from by its symbol: "c", or "c[t-1]" of a state before the step."""
        previous = symbol.removesuffix(_BEFORE)
        if previous != symbol:
            return self._reads.previous_source(previous)
        return value_place(self._cell, self._where, symbol)

    # Parts

    def _gate_parts(self, line: Equation) -> tuple[Part, ...]:
        """The parts of a gate's pre-activation, u and v first, or of a projection; none of other values."""
        parts = [self._part(nodes) for nodes in parts_of_gate(self._cell, line)]
        first = {way: next((part for part in parts if part.way == way), None) for way in ("i2h", "h2h")}
        below = f"_{line.name}" if first["h2h"] is not None and first["h2h"].scale_name else ""
        halves = [replace(p, text=p.text + below, subtotal=True) for p in first.values() if p is not None]
        return (*halves, *(replace(part, bias=None) for part in parts if part not in first.values()))

    def _part(self, nodes: PartNodes) -> Part:
        scale = nodes.factor
        if nodes.product is None:
            symbol = symbol_of(self._names, nodes.value)
            source = self._named_source(symbol)
            factor = 1.0 if scale is None else self._numbers[scale]
            return _number_part(symbol, factor, self._numbers[nodes.value], self._term_name(source), source)
        part = self._parts[nodes.product]
        if scale is None:
            return part
        return replace(part, scale=self._numbers[scale], scale_name=self._names.get(scale, ""))

    def _products(self, node: Node) -> Iterator[Part]:
        """The products that a value adds up, and its other terms."""
        named = {value: name for name, value in self._graph.values.items()}
        for term in summands(node):
            factor, read = (self._numbers[term.args[0]], term.args[1]) if term.op == "times" else (1.0, term)
            name = "".join(symbol.text for symbol in expression(self._cell, term))
            # Of tanh(c) it comes from where c does.
            of = term.args[-1] if term.args else term
            if of.op == "state":
                symbol, source = f"{of.name}{_BEFORE}", self._reads.previous_source(of.name)
            else:
                symbol, source = "", Place.at(named.get(of, "c"), self._where)
            yield _number_part(symbol, factor, self._numbers[read], name, source)

    def _product_part(self, node: Node) -> Part:
        """The sum that gives an input part, a recurrent part or a product with a matrix."""
        if node.op == "matrix":
            return self._matrix_part(node)
        way: Way = "i2h" if node.op == "u" else "h2h"
        if node.op == "recurrent":
            read = self._inputs[node.args[0]]
        else:
            read = self._reads.x if way == "i2h" else self._reads.state[self._cell.state_symbols[0]]
        gates = self._cell.gate_symbols if way == "i2h" else self._cell.recurrent_gates
        size = len(self._parameters["i2h_bias"]) // len(self._cell.gates)
        row, name = gates.index(node.name) * size + self._unit, f"{way}_bias"
        weights = np.asarray(self._parameters[f"{way}_weight"][row], np.float64)
        bias = Bias(f"b_{way}", float(self._parameters[name][row]), self._parameter(name, row))
        source = self._reads.input_source if way == "i2h" else self._reads.hidden_source
        return Part(
            way,
            "u" if way == "i2h" else "v",
            weights,
            read,
            _added_up(weights, read, bias.value),
            lambda k: self._term_name(source(k)),
            source,
            lambda k: self._parameter(f"{way}_weight", row, k),
            bias,
        )

    def _matrix_part(self, node: Node) -> Part:
        matrix, operand = node.args
        weights = np.asarray(self._parameters[matrix.name][self._unit], np.float64)
        read, reads = self._inputs[operand], self._names.get(operand, "")

        def source(unit: int) -> Place:
            there = self._where.moved(unit=unit)
            return Place.at(reads, there) if reads else Place.at(self._cell.state_symbols[0], self._where)

        def name(unit: int) -> str:
            # Other units' values that have no name but the matrix's.
            return self._term_name(source(unit)) if reads else f"{matrix.name}[u={self._unit}, {unit}]"

        def weight(unit: int) -> Place:
            return self._parameter(matrix.name, self._unit, unit)

        return Part("matrix", "", weights, read, _added_up(weights, read, 0.0), name, source, weight)

    def _parameter(self, name: str, *index: int) -> Place:
        return parameter_place(self._where.lane, name, index)

    def _term_name(self, place: Place) -> str:
        """Name of a number that a term reads, with its direction if the layer below has two: "h[t=1, u=3] ←"."""
        one_below = len(self._reads.x) == len(self._reads.state[self._cell.state_symbols[0]])
        if place.lane is None or place.layer == self._where.layer or one_below:
            return notation(place)
        return f"{notation(place)} {ARROWS[place.lane.backward]}"


def _number_part(text: str, factor: float, value: float, name: str, source: Place) -> Part:
    """A part with one term."""
    total = float(np.multiply(factor, value))
    return Part("value", text, np.array([factor]), np.array([value]), total, lambda _: name, lambda _: source)


def _added_up(weights: Floats, read: Floats, bias: float) -> float:
    """The sum of the products in index order, and last of the bias."""
    return float(np.cumsum(np.append(weights * read, bias))[-1])


def _total(parts: Sequence[Part]) -> float:
    """The argument of a gate's activation: u + v, u_n + r · v_n for a GRU's candidate, and for some cells more."""
    u, v = (next((part for part in parts if part.way == way), None) for way in ("i2h", "h2h"))
    total = np.float64(u.total if u else 0.0) + np.float64(v.scale if v else 1.0) * (v.total if v else 0.0)
    for part in parts:
        if part is not u and part is not v:
            total += np.float64(part.scale) * part.total
    return float(total)


@np.errstate(all="ignore")
def value_breakdown(
    inputs: Inputs,
    trace: Trace,
    place: Place,
    cells: CellStates | None = None,
    read: Mapping[str, FloatArray] = MappingProxyType({}),
) -> Breakdown:
    """The arithmetic of the step that computes `place`, which must lie in the trace.

    `cells` are the engine's cell states, if the caller keeps them for the next value, too; only an LSTM has any. `read`
    has values to use in place of the layer input "x" (I,) and of previous states (U,) by symbol.
    """
    network, cell, size = inputs.network, inputs.network.kind, unit_size(inputs.network.kind, place)
    graph, step = graph_of(cell), place.location
    assert step is not None, "no step computes this place"
    where = inputs.places.location(*step.index)
    layer, direction, timestep, sample, unit = where.index
    times, samples = slice(timestep, timestep + 1), slice(sample, sample + 1)
    # A unit that is computed from others needs their states. A unit of a projected h has none.
    units = slice(0, network.hidden_size) if graph.mixes_units else slice(unit, unit + 1)
    x = read["x"][None, None] if "x" in read else layer_input(inputs, trace, layer, times, samples)
    before = {
        s: read[s][None, None] if s in read else previous_state(inputs, trace, s, layer, direction, times, samples)
        for s in cell.state_symbols
        if s != "c"
    }
    state: dict[str, FloatArray] = {symbol: array[0, 0].astype(np.float64) for symbol, array in before.items()}
    bounded = bounded_layer(inputs, trace, layer, direction, None if graph.mixes_units else np.array([unit]))
    carried = {s: bounded.leaf(state[s][np.newaxis, units], trace.stored_as) for s in cell.further_states}
    if cell.has_cell_state:
        if "c" in read:
            carried["c"] = exact(read["c"][None, units].astype(np.float64), trace.eps)
        else:
            states = CellStates(inputs, trace) if cells is None else cells
            carried["c"] = states.before(layer, direction, timestep, samples, units)
        state["c"] = np.broadcast_to(carried["c"].value[0], (network.hidden_size,))
    row, names = x[0, 0].astype(np.float64), inputs.names.of_sample(sample)
    reads = StepReads(
        cell=cell,
        parameters=vars(inputs.parameters.layer(layer, direction)),
        x=row,
        state=state,
        where=where,
        before=read_after(network, where, inputs.length(sample)),
        row=state_row(network, where),
        names=names,
    )
    unit_step = UnitArithmetic(reads, size)
    values, every = unit_step.values, (*cell.state_symbols, *trace.lines)
    # The audit's bounds, from the unit's own equations.
    found, _ = BoundedBlock(bounded, x, before["h"], {}, 0).follow(carried, every)
    column = unit if graph.mixes_units else 0
    own = {}
    for name, array in {**trace.lines, "c": trace.cell, "h": trace.hidden}.items():
        if array is not None and name in values and graph.values[name].shape == (size,):
            returned = np.atleast_1d(trace[name][where.index]) if name in trace else np.zeros(1)
            bound = found[name].bound[0, 0, column].item() + storage_bound(returned, trace.stored_as).item()
            source = Place.at(name, where) if name in cell.state_symbols[1:] else None
            own[name] = StoredValue(name, float(array[where.index]), values[name], bound, source)
    of_unit = [symbol for symbol in cell.state_symbols if symbol in values]
    return Breakdown(
        place=Place.at(of_unit[0], where) if of_unit else place,
        engine=trace.engine,
        cell=cell,
        lines=unit_step.lines(own),
        names=names,
        read=(ReadVector("i2h", row, reads.input_source), ReadVector("h2h", state["h"], reads.hidden_source)),
        previous=tuple(PreviousValue(s, float(state[s][unit]), reads.previous_source(s)) for s in of_unit),
        before=reads.before,
        across=unit_step.across,
        recomputed=frozenset(name for name in graph.values if name not in trace and name not in trace.lines),
        hidden_size=network.hidden_size,
    )


_POINTS = 97
_LEAST_REACH, _REACH = {"sigmoid": 6.0, "relu": 2.0}, 3.0
_BEYOND = 1.15
_LARGEST = 1e30


@dataclass(frozen=True, eq=False)
class ActivationCurve:
    """y = activation(x) at (n,) places that reach as far on both sides of 0, and a point (x, y) for each engine."""

    activation: str
    x: Floats
    y: Floats
    points: tuple[tuple[float, float], ...]


def activation_curve(lines: Sequence[Line]) -> ActivationCurve | None:
    """The curve of one line of some engines: a gate's, or tanh of an LSTM's h; None where it has no activation."""
    if lines[0].point is None:
        return None
    activation = lines[0].point[0]
    points = tuple(line.point[1:] for line in lines if line.point is not None)
    finite = [abs(x) for x, _ in points if np.isfinite(x) and abs(x) < _LARGEST]
    reach = max(_LEAST_REACH.get(activation.name, _REACH), _BEYOND * max(finite, default=0.0))
    x = np.linspace(-reach, reach, _POINTS)
    return ActivationCurve(activation.name, x, activation.values(x), points)
