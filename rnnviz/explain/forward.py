"""The computation of one unit's values in one time step, in float64 from an engine's own state and input.

The parameters are the true ones: an engine that computes something else differs from this arithmetic.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial, reduce
from types import MappingProxyType
from typing import cast

import numpy as np

from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.arrays import ArrayLayer, leaf_of_step
from rnnviz.cells.interpreters.bounded import BoundedBlock
from rnnviz.cells.interpreters.graph import Graph, Node, evaluate
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.running_error import BoundedArray, exact, storage_bound
from rnnviz.cells.interpreters.symbols import Equation, expression, short_equations
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import INPUT_VALUES, Place, parameter_place
from rnnviz.core.sequence import UNNAMED, Names
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import ARROWS, Location, read_after, state_row
from rnnviz.explain.lines import (
    Breakdown,
    EquationLine,
    Floats,
    Line,
    Part,
    ReadVector,
    Scalar,
    StoredValue,
    Token,
    Way,
)
from rnnviz.explain.value_sources import notation, unit_size, value_place
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import bounded_layer, layer_input, previous_state
from rnnviz.steps.states import CellStates

_BEFORE = "[t-1]"
PRODUCT_OPS = ("u", "v", "recurrent", "matrix")
"""The operations that are a row of a matrix times a vector."""


@dataclass(frozen=True)
class PartNodes:
    """A part of a sum by its nodes: the products of a row of a matrix, or one `value`, times a `factor`.

    A part with one term reads the value `symbol`, by whose place it is called unless it has a `label`.
    """

    value: Node
    way: Way
    factor: Node | None = None
    text: str = ""
    symbol: str = ""
    label: str = ""


@dataclass(frozen=True)
class LineNodes:
    """An equation of a unit with the parts that it adds up; a gate and a projection have a `title`."""

    equation: Equation
    parts: tuple[PartNodes, ...]
    title: str = ""

    @property
    def sum_text(self) -> str:
        """The sum of the parts: "u + v" of a gate, without its activation and bracket, else the name."""
        symbols = self.equation.symbols[1:-1] if self.equation.node.op == "activation" else self.equation.symbols
        return "".join(symbol.text for symbol in symbols) if self.title else self.equation.name


@lru_cache(maxsize=256)
def lines_of_units(graph: Graph, size: str) -> tuple[LineNodes, ...]:
    """The equations whose values have units of a size: the size of h, or of the gates of a projected h."""
    cell = graph.cell
    titles = {gate.symbol: gate.name for gate in cell.gates}
    if cell.projects:
        titles[cell.state_symbols[0]] = "projection"
    names = first_names(graph)
    found = []
    for line in short_equations(graph):
        if line.node.shape == (size,):
            terms = _gate_sum(line, names, line.name in cell.gate_symbols) if line.name in titles else []
            parts = [_part_nodes(term, names) for term in terms]
            if parts:
                found.append(LineNodes(line, _halves_first(parts, line.name, names), titles[line.name]))
            else:
                found.append(LineNodes(line, tuple(_product_nodes(cell, term, names) for term in _summands(line.node))))
    return tuple(found)


def _gate_sum(line: Equation, names: Mapping[Node, str], is_gate: bool) -> list[Node]:
    node = line.node
    match node.op:
        case "matrix":
            return [node]
        case "plus" if is_gate:
            # A gate with the activation "linear".
            return [term for arg in node.args for term in _summands(arg, names)]
        case "activation":
            argument = node.args[0]
            while argument.op == "activation" and argument not in names:
                # An activation cut to a limit: its sum is what is cut.
                argument = argument.args[0]
            return [*_summands(argument, names)]
    return []


def _summands(node: Node, names: Mapping[Node, str] = MappingProxyType({})) -> Iterator[Node]:
    """The terms that a sum adds up, of which a named one is one term."""
    if node.op == "plus" and node not in names:
        for arg in node.args:
            yield from _summands(arg, names)
    else:
        yield node


def _part_nodes(node: Node, names: Mapping[Node, str]) -> PartNodes:
    """A term of a gate's sum with what it is multiplied with."""
    value, factor = node, None
    if node.op == "times" and node not in names:
        factor, value = node.args
        if factor.op in PRODUCT_OPS and value.op not in PRODUCT_OPS:
            value, factor = factor, value
    if value.op in PRODUCT_OPS:
        return PartNodes(value, _WAYS.get(value.op, "h2h"), factor)
    return PartNodes(value, "value", factor, symbol=_symbol_of(names, value))


_WAYS: dict[str, Way] = {"u": "i2h", "matrix": "matrix"}


def _halves_first(parts: list[PartNodes], gate: str, names: Mapping[Node, str]) -> tuple[PartNodes, ...]:
    """The parts u and v first, each with its sum: "u_n" and "v_n" where something scales v."""
    first = [next((part for part in parts if part.way == way), None) for way in ("i2h", "h2h")]
    u, v = first
    scaled = v is not None and v.factor is not None and v.factor in names
    suffix = f"_{gate}" if scaled else ""
    halves = [replace(part, text=text + suffix) for part, text in ((u, "u"), (v, "v")) if part is not None]
    return (*halves, *(part for part in parts if part is not u and part is not v))


def _product_nodes(cell: CellSpec, term: Node, names: Mapping[Node, str]) -> PartNodes:
    """A product that a state adds up, or another term of it."""
    factor, value = term.args if term.op == "times" else (None, term)
    label = "".join(symbol.text for symbol in expression(cell, term))
    # Of tanh(c) it comes from where c does.
    of = term.args[-1] if term.args else term
    symbol = _symbol_of(names, of) if of.op == "state" else names.get(of, "c")
    return PartNodes(value, "value", factor, symbol=symbol, label=label)


@lru_cache(maxsize=256)
def first_names(graph: Graph) -> dict[Node, str]:
    """The names of values; one with two names is called by the first, as in the equations."""
    return {node: name for name, node in reversed(list(graph.values.items()))}


def _symbol_of(names: Mapping[Node, str], node: Node) -> str:
    return f"{node.name}{_BEFORE}" if node.op == "state" else names.get(node, node.name)


@dataclass(frozen=True)
class MatrixRows:
    """The rows, from `first` on, of a matrix that multiplies the layer input, the previous state or all of `read`."""

    way: Way
    matrix: str
    first: int = 0
    bias: str = ""
    read: Node | None = None

    @classmethod
    def of(cls, cell: CellSpec, node: Node, hidden_size: int) -> "MatrixRows":
        """The rows of an input part, a recurrent part or a product with a matrix of the cell."""
        if node.op == "matrix":
            return cls("matrix", node.args[0].name, read=node.args[1])
        way, gates = ("i2h", cell.gate_symbols) if node.op == "u" else ("h2h", cell.recurrent_gates)
        first, read = gates.index(node.name) * hidden_size, node.args[0] if node.op == "recurrent" else None
        return cls(cast("Way", way), f"{way}_weight", first, f"{way}_bias", read)


class StepValues:
    """The values of units of some steps by node, (B, N, U) in float64, from x (B, N, I) and states (B, N, H)."""

    def __init__(
        self,
        cell: CellSpec,
        parameters: Mapping[str, FloatArray],
        x: Floats,
        state: Mapping[str, Floats],
        size: str,
        units: slice = slice(None),
    ) -> None:
        self._cell, self._parameters, self._x, self._state, self._units = cell, parameters, x, state, units
        self.graph = graph_of(cell)
        self.lines = lines_of_units(self.graph, size)
        nodes = nodes_of_unit([line.equation.node for line in self.lines])
        # The values (B, N, K) of all units that products read, and the named ones on which these depend.
        self.across = self._of_all_units([n.args[-1] for n in nodes if n.op in ("recurrent", "matrix")])
        self._rows_of_gate = size_of_gate = len(parameters["i2h_bias"]) // len(cell.gates)
        self.rows = {node: MatrixRows.of(cell, node, size_of_gate) for node in nodes if node.op in PRODUCT_OPS}
        sums = {node: self._sum(rows) for node, rows in self.rows.items()}
        self.by_node = evaluate([line.equation.node for line in self.lines], self._leaf, ArrayLayer().apply, sums)

    def read(self, rows: MatrixRows) -> Floats:
        if rows.read is not None:
            return self.across[rows.read]
        return self._x if rows.way == "i2h" else self._state[self._cell.state_symbols[0]]

    def of_units(self, name: str, rows: MatrixRows) -> Floats:
        """The rows of the units of a weight (U, K) or a bias (U,)."""
        found = self._parameters[name][rows.first :]
        # A matrix of the cell has no other rows.
        found = found if rows.way == "matrix" else found[: self._rows_of_gate]
        return found[self._units].astype(np.float64)

    def _sum(self, rows: MatrixRows) -> Floats:
        """(B, N, U): the sums of the products in the order of the terms, and last of the bias."""
        products = self.read(rows)[:, :, np.newaxis] * self.of_units(rows.matrix, rows)
        bias = self.of_units(rows.bias, rows)[:, np.newaxis] if rows.bias else 0.0
        bias = np.broadcast_to(bias, (*products.shape[:3], 1))
        sums: Floats = np.cumsum(np.concatenate([products, bias], axis=-1), axis=-1)[..., -1]
        return sums

    def _leaf(self, node: Node) -> Floats | float:
        if node.op == "number":
            return node.number
        if node.op == "state":
            return self._state[node.name][..., self._units]
        return self._parameters[node.name][self._units].astype(np.float64)

    def _of_all_units(self, read: Sequence[Node]) -> dict[Node, Floats]:
        if not read:
            return {}
        p = {name: np.asarray(array, np.float64) for name, array in self._parameters.items()}
        apply, named = ArrayLayer.of(self._cell, p).apply, {*self.graph.values.values(), *read}
        steps = []
        # Step by step: a product of many rows is added up in another order.
        for at in np.ndindex(self._x.shape[:2]):
            state = {symbol: array[at] for symbol, array in self._state.items()}
            steps.append(evaluate(read, leaf_of_step(self._cell, p, self._x[at], state), apply))
        return {
            node: np.array([step[node] for step in steps]).reshape(*self._x.shape[:2], -1)
            for node in steps[0]
            if node in named
        }


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


@dataclass(frozen=True, eq=False)
class UnitArithmetic:
    """The numbers of one unit by node, and the lines made of them; its equations are those whose values have `size`.

    A step reads its parameters, the layer input x (I,) and the previous states (H,) or (P,) by symbol. `before` is the
    time step of these states, None for the initial ones, where they are in row `row`.
    """

    cell: CellSpec
    parameters: Mapping[str, FloatArray]
    x: Floats
    state: Mapping[str, Floats]
    where: Location
    size: str = "H"
    before: int | None = None
    row: int = 0
    names: Names = UNNAMED

    @cached_property
    def _step(self) -> StepValues:
        state = {symbol: array[np.newaxis, np.newaxis] for symbol, array in self.state.items()}
        x, unit = self.x[np.newaxis, np.newaxis], slice(self.where.unit, self.where.unit + 1)
        return StepValues(self.cell, self.parameters, x, state, self.size, unit)

    @cached_property
    def _numbers(self) -> dict[Node, float]:
        return {node: float(np.asarray(value).item()) for node, value in self._step.by_node.items()}

    @property
    def _names(self) -> dict[Node, str]:
        return first_names(self._step.graph)

    @property
    def across(self) -> dict[str, Floats]:
        """The named values of all units behind a product, in the order of computation."""
        across = self._step.across
        return {name: across[node][0, 0] for name, node in self._step.graph.values.items() if node in across}

    def lines(self, own: Mapping[str, StoredValue] = MappingProxyType({})) -> tuple[Line, ...]:
        """The equations of the unit in the order of computation; `own` has the engine's own values by name."""
        return tuple(self._line(line, own.get(line.equation.name)) for line in self._step.lines)

    @property
    def values(self) -> dict[str, float]:
        return {line.equation.name: self._numbers[line.equation.node] for line in self._step.lines}

    # Sources

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
        return self.previous_source(self.cell.state_symbols[0], column)

    # Lines

    def _line(self, line: LineNodes, own: StoredValue | None) -> Line:
        equation, parts = line.equation, tuple(map(self._part, line.parts))
        name, node = equation.name, equation.node
        value, written = self._numbers[node], EquationLine.of(tuple(self._tokens(equation)))
        unnamed = (node, *(arg for arg in node.args if arg not in self._names))
        found = next((n for n in unnamed if n.activation is not None), None)
        point = None
        if found is not None and found.activation is not None:
            point = found.activation, self._numbers[found.args[0]], self._numbers[found]
        argument = float(reduce(np.add, (np.multiply(p.scale, p.total) for p in parts))) if line.title else None
        of_sum = parts, value, line.sum_text, line.title, argument
        return Line(name, "gate" if line.title else "state", written, *of_sum, own, point)

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
        gates = (line.equation.name for line in self._step.lines if line.title)
        known = text.endswith(_BEFORE) or text in gates or text in self.cell.state_symbols[1:]
        return self._named_source(text) if known else None

    def _named_source(self, symbol: str) -> Place:
        """Where a value comes from by its symbol: "c", or "c[t-1]" of a state before the step."""
        if symbol.endswith(_BEFORE):
            return self.previous_source(symbol.removesuffix(_BEFORE))
        return value_place(self.cell, self.where, symbol)

    # Parts

    def _part(self, nodes: PartNodes) -> Part:
        scale = 1.0 if nodes.factor is None else self._numbers[nodes.factor]
        if nodes.way == "value":
            value, source = self._numbers[nodes.value], self._named_source(nodes.symbol)
            name, total = nodes.label or self._term_name(source), float(np.multiply(scale, value))
            factors, values = np.array([scale]), np.array([value])
            return Part("value", nodes.symbol, factors, values, total, lambda _: name, lambda _: source)
        rows, total = self._step.rows[nodes.value], self._numbers[nodes.value]
        row, lane, bias = rows.first + self.where.unit, self.where.lane, None
        if nodes.text:
            number = self._step.of_units(rows.bias, rows).item()
            bias = Scalar(f"b_{rows.way}", number, parameter_place(lane, rows.bias, (row,)))
        return Part(
            nodes.way,
            nodes.text,
            self._step.of_units(rows.matrix, rows)[0],
            self._step.read(rows)[0, 0],
            total,
            partial(self._column_name, rows),
            partial(self._column_source, rows),
            lambda k: parameter_place(lane, rows.matrix, (row, k)),
            bias,
            scale,
            "" if nodes.factor is None else self._names.get(nodes.factor, ""),
        )

    def _column_source(self, rows: MatrixRows, k: int) -> Place:
        if rows.read is None or rows.way == "h2h":
            return self.input_source(k) if rows.way == "i2h" else self.hidden_source(k)
        reads = self._names.get(rows.read)
        there = self.where if reads is None else self.where.moved(unit=k)
        return Place.at(reads or self.cell.state_symbols[0], there)

    def _column_name(self, rows: MatrixRows, k: int) -> str:
        if rows.way == "matrix" and rows.read not in self._names:
            # Other units' values that have no name but the matrix's.
            return f"{rows.matrix}[u={self.where.unit}, {k}]"
        return self._term_name(self._column_source(rows, k))

    def _term_name(self, place: Place) -> str:
        """Name of a number that a term reads, with its direction if the layer below has two: "h[t=1, u=3] ←"."""
        one_below = len(self.x) == len(self.state[self.cell.state_symbols[0]])
        if place.lane is None or place.layer == self.where.layer or one_below:
            return notation(place)
        return f"{notation(place)} {ARROWS[place.lane.backward]}"


def own_steps(
    inputs: Inputs,
    trace: Trace,
    lane: tuple[int, int],
    times: range,
    samples: Sequence[int],
    unit: int | None = None,
    cells: CellStates | None = None,
    read: Mapping[str, FloatArray] = MappingProxyType({}),
) -> tuple[Floats, dict[str, Floats], dict[str, Floats]]:
    """An engine's own numbers that steps of a lane read, in float64: x (B, N, I) and previous states (B, N, H).

    The third are the audit's rounding bounds (B, N, U) of the states and of returned lines, for all units, or for one
    that is not computed from others. `read` has values to use in place of the layer input "x" and of previous states.
    """
    network, cell, chosen = inputs.network, inputs.network.kind, np.asarray(samples, np.intp)
    every, steps = slice(times.start, times.stop), len(times) * len(samples)
    one = unit is not None and not network.graph.mixes_units
    units = slice(unit, unit + 1) if one and unit is not None else slice(0, network.hidden_size)
    x = read["x"][None, None] if "x" in read else layer_input(inputs, trace, lane[0], every, chosen)
    before = {
        s: read[s][None, None] if s in read else previous_state(inputs, trace, s, *lane, every, chosen)
        for s in cell.state_symbols
        if s != "c"
    }
    state: dict[str, Floats] = {symbol: array.astype(np.float64) for symbol, array in before.items()}
    bounded = bounded_layer(inputs, trace, *lane, np.array([unit]) if one else None)
    carried = {s: bounded.leaf(state[s].reshape(steps, -1)[:, units], trace.stored_as) for s in cell.further_states}
    if cell.has_cell_state:
        if "c" in read:
            carried["c"] = exact(read["c"][None, units].astype(np.float64), trace.eps)
        else:
            states, backward = cells or CellStates(inputs, trace), network.backward(lane[1])
            carried["c"] = _cell_states_before(states, lane, backward, times, samples, units)
        c = carried["c"].value.reshape(len(times), len(samples), -1)
        state["c"] = np.broadcast_to(c, (*c.shape[:2], network.hidden_size))
    # The audit's bounds of each step, computed as one time step of many samples.
    block = BoundedBlock(bounded, x.reshape(1, steps, -1), before["h"].reshape(1, steps, -1), {}, 0)
    bounds = {}
    for name, value in block.follow(carried, (*cell.state_symbols, *trace.lines))[0].items():
        bound = np.broadcast_to(value.bound, value.value.shape)[0].reshape(len(times), len(samples), -1)
        own = trace[name][*lane, every][:, chosen][..., units if one else slice(None)] if name in trace else np.zeros(1)
        bounds[name] = bound + storage_bound(own, trace.stored_as)
    return x.astype(np.float64), state, bounds


def _cell_states_before(
    states: CellStates, lane: tuple[int, int], backward: bool, times: range, samples: Sequence[int], units: slice
) -> BoundedArray:
    """(B · N, U): c[t-1] of each step with its bound."""
    shape = len(times), len(samples), units.stop - units.start
    values, bounds, eps = np.zeros(shape), np.zeros(shape), 0.0
    for column, sample in enumerate(samples):
        # In the order of computation, in which each state follows from the one before.
        for k in range(len(times))[:: -1 if backward else 1]:
            c = states.before(*lane, times[k], slice(sample, sample + 1), units)
            values[k, column], bounds[k, column], eps = c.value[0], c.bound[0], c.eps
    return BoundedArray(values.reshape(-1, shape[2]), bounds.reshape(-1, shape[2]), eps)


@np.errstate(all="ignore")
def value_breakdown(
    inputs: Inputs,
    trace: Trace,
    place: Place,
    cells: CellStates | None = None,
    read: Mapping[str, FloatArray] = MappingProxyType({}),
) -> Breakdown:
    """The arithmetic of the step that computes `place`; `cells` are the engine's cell states, if the caller keeps them.

    `read` has values to use in place of the layer input "x" (I,) and of previous states (U,) by symbol.
    """
    network, cell, size = inputs.network, inputs.network.kind, unit_size(inputs.network.kind, place)
    graph, step = network.graph, place.location
    assert step is not None, "no step computes this place"
    where = inputs.places.location(*step.index)
    layer, direction, t, sample, unit = where.index
    lane, times = (layer, direction), range(t, t + 1)
    x, state, bounds = own_steps(inputs, trace, lane, times, [sample], unit, cells, read)
    reads = UnitArithmetic(
        cell,
        vars(inputs.of_engine(trace.engine).parameters.layer(*lane)),
        x[0, 0],
        {symbol: array[0, 0] for symbol, array in state.items()},
        where,
        size,
        read_after(network, where, inputs.length(sample)),
        state_row(network, where),
        inputs.names.of_sample(sample),
    )
    values = reads.values
    own = {}
    for name, array in {**trace.lines, "c": trace.cell, "h": trace.hidden}.items():
        if array is not None and name in values and graph.values[name].shape == (size,):
            bound = bounds[name][0, 0, unit if graph.mixes_units else 0].item()
            source = Place.at(name, where) if name in cell.state_symbols[1:] else None
            own[name] = StoredValue(name, float(array[where.index]), values[name], bound, source)
    of_unit = [symbol for symbol in cell.state_symbols if symbol in values]
    return Breakdown(
        place=Place.at(of_unit[0], where) if of_unit else place,
        engine=trace.engine,
        cell=cell,
        lines=reads.lines(own),
        names=reads.names,
        read=(ReadVector("i2h", reads.x, reads.input_source), ReadVector("h2h", reads.state["h"], reads.hidden_source)),
        previous=tuple(Scalar(s, float(reads.state[s][unit]), reads.previous_source(s)) for s in of_unit),
        before=reads.before,
        across=reads.across,
        recomputed=frozenset(name for name in graph.values if name not in trace and name not in trace.lines),
        hidden_size=network.hidden_size,
    )
