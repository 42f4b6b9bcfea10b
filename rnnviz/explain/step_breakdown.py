"""The computation of one hidden value, repeated in float64 from one engine's own previous state and input.

The previous state and the layer's input are the engine's own, the parameters the true ones: an engine that computes
something else, or rounds, is seen in the difference between what it stored and what this arithmetic gives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from math import inf, isfinite, isnan
from types import MappingProxyType

import numpy as np

from rnnviz.cells import CellSpec, Gate
from rnnviz.cells.interpreters.arrays import ArrayLayer
from rnnviz.cells.interpreters.bounded import BoundedBlock
from rnnviz.cells.interpreters.graph import Graph, Node, evaluate
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, exact, storage_bound
from rnnviz.core.axis_labels import UNNAMED, Names
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location, read_after
from rnnviz.explain.worked_step import Floats, PreActivation, worked_step
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import bounded_layer, layer_input, previous_hidden, previous_state
from rnnviz.steps.states import CellStates


@dataclass(frozen=True, eq=False)
class GateArithmetic:
    """One gate of one unit: its pre-activation and its value.

    `gate` is its entry in the cell, `activation` the text of its activation, `pre` the pre-activation with its terms,
    and `value` the activation of `pre.sum`.
    """

    gate: Gate
    activation: str
    pre: PreActivation
    value: float

    @property
    def symbol(self) -> str:
        return self.gate.symbol

    @property
    def scaled(self) -> bool:
        """Whether the recurrent part is multiplied before it is added: only that of a GRU's candidate n, by r."""
        return bool(self.pre.v.factor_name)


@dataclass(frozen=True)
class PreviousState:
    """The unit's own h[t-1], c[t-1] of an LSTM, and the time step that they are of (None: h0, c0).

    A state whose units are others, as h and c besides a projection, is None. `further` has the other states of a custom
    cell that belong to the unit.
    """

    timestep: int | None
    h: float | None
    c: float | None = None
    further: Mapping[str, float] = field(default_factory=dict)

    @property
    def by_symbol(self) -> dict[str, float]:
        """Every state of the unit."""
        states = {"h": self.h, "c": self.c}
        return {symbol: value for symbol, value in states.items() if value is not None} | {**self.further}


@dataclass(frozen=True)
class StoredValue:
    """An engine's own value of `symbol`, besides the equations' value and its rounding bound.

    `symbol` is "h", "c" or the name of a line that a custom step returned.
    """

    symbol: str
    stored: float
    computed: float
    bound: float

    @property
    def difference(self) -> float:
        """stored - computed; 0 where both are NaN or the same infinity."""
        return 0.0 if _same(self.stored, self.computed) else float(np.subtract(self.stored, self.computed))

    @property
    def ratio(self) -> float:
        """|difference| in rounding bounds, as the audit counts them."""
        if _same(self.stored, self.computed) or not isfinite(self.bound):
            return 0.0
        # No bound is left where relu cuts off what is not a number.
        ratio = abs(self.difference) / self.bound if self.bound else inf
        return ratio if isfinite(ratio) else inf

    @property
    def right(self) -> bool:
        """Whether rounding explains the difference."""
        return self.ratio <= ALLOWED


@dataclass(frozen=True, eq=False)
class StepBreakdown:
    """The arithmetic of one unit of one engine, in float64; what is stored or previous is the engine's own.

    x is (I,) or (D·H,), `h_previous` (H,) or (P,). `size` says what the unit of `where` is counted in: "H", or "P" of
    an h that is projected. `gates` are in the order of the weights' rows. `c`, of an LSTM, and `h` are what the
    equations give; `stored` and `stored_c` are the engine's, None where it does not give its cell states. All four are
    None of a state that is counted in the other size. `bound` and `c_bound` are the audit's rounding bounds: a correct
    step differs by at most eight of them. `numbers` has every value of the step that a line of the unit reads, `across`
    the named values of all units (H,) behind a product in them, `returned` the lines that a custom step returned.
    `recomputed` has the names of the values that the engine does not give.
    """

    where: Location
    engine: str
    cell: CellSpec
    x: Floats
    h_previous: Floats
    gates: tuple[GateArithmetic, ...]
    previous: PreviousState
    c: float | None
    h: float | None
    stored: float | None
    stored_c: float | None
    bound: float | None
    c_bound: float | None
    names: Names = UNNAMED
    numbers: Mapping[Node, float] = field(default_factory=dict, repr=False)
    across: Mapping[str, Floats] = field(default_factory=dict, repr=False)
    returned: tuple[StoredValue, ...] = ()
    recomputed: frozenset[str] = frozenset()
    size: str = "H"
    hidden_size: int = 0
    directions: int = 1

    @cached_property
    def by_symbol(self) -> dict[str, GateArithmetic]:
        return {gate.symbol: gate for gate in self.gates}

    @property
    def graph(self) -> Graph:
        return graph_of(self.cell)

    @property
    def lines(self) -> tuple[str, ...]:
        """The names of the values that its lines give, in the order of computation.

        Gates do not belong to a unit of an h that is projected.
        """
        return tuple(name for name, node in self.graph.values.items() if node.shape == (self.size,))

    def number(self, node: Node) -> float:
        """The number of a value of the step: of a named one its own, of others what their operation gives."""
        values = self.graph.values
        across = {n: np.float64(v) for n, v in self.numbers.items() if n.op in ("recurrent", "matrix")}
        named = {"h": self.h, "c": self.c} | {gate.symbol: gate.value for gate in self.gates}
        known = {values[name]: np.float64(number) for name, number in named.items() if number is not None}
        with np.errstate(all="ignore"):
            return float(evaluate([node], self._leaf, ArrayLayer().apply, across | known)[node])

    def _leaf(self, node: Node) -> np.float64:
        match node.op:
            case "number":
                return np.float64(node.number)
            case "u" if node.name in self.by_symbol:
                return np.float64(self.by_symbol[node.name].pre.u.total)
            case "v" if node.name in self.by_symbol:
                return np.float64(self.by_symbol[node.name].pre.v.total)
            case "u" | "v" | "parameter":
                return np.float64(self.numbers[node])
        return np.float64(self.previous.by_symbol[node.name])

    @cached_property
    def outcomes(self) -> tuple[StoredValue, ...]:
        """The returned lines, the engine's own c, where it gives one, and its own h, besides the equations' values."""
        states = ("c", self.stored_c, self.c, self.c_bound), ("h", self.stored, self.h, self.bound)
        return (
            *self.returned,
            *(
                StoredValue(symbol, stored, computed, bound)
                for symbol, stored, computed, bound in states
                if stored is not None and computed is not None and bound is not None
            ),
        )


def own_symbols(each: Sequence[StepBreakdown]) -> list[str]:
    """The symbols of the values that any of some engines gives, in the order of computation."""
    given = {own.symbol for arithmetic in each for own in arithmetic.outcomes}
    return [symbol for symbol in each[0].lines if symbol in given]


def explain(
    inputs: Inputs,
    trace: Trace,
    where: Location,
    cells: CellStates | None = None,
    size: str = "",
    read: Mapping[str, FloatArray] = MappingProxyType({}),
) -> StepBreakdown:
    """The arithmetic of `trace.hidden[where.index]`, which must lie in the trace.

    `cells` are the engine's cell states, if the caller keeps them for the next value, too; only an LSTM has any. `size`
    is what the unit is counted in, by default like the units of h. `read` has values to use in place of the layer input
    "x" (I,) and of previous states (U,) by symbol.
    """
    network = inputs.network
    size = size or network.kind.states[0].size
    where = replace(where, reverse=network.reverse)
    layer, direction, timestep, sample, unit = where.index
    times, samples = slice(timestep, timestep + 1), slice(sample, sample + 1)
    x = layer_input(inputs, trace, layer, times, samples)
    before = previous_hidden(inputs, trace, layer, direction, times, samples)
    x, before = (read[s][None, None] if s in read else array for s, array in (("x", x), ("h", before)))
    p = inputs.parameters.layer(layer, direction)
    row, h_before = x[0, 0].astype(np.float64), before[0, 0].astype(np.float64)
    graph = graph_of(network.kind)
    # A unit that is computed from others needs their states. A unit of a projected h has none.
    units = slice(0, network.hidden_size) if graph.mixes_units else slice(unit, unit + 1)
    c_before: BoundedArray | None = None
    state: dict[str, FloatArray] = {"h": h_before}
    if network.kind.has_cell_state:
        if "c" in read:
            c_before = exact(read["c"][None, units].astype(np.float64), trace.eps)
        else:
            own = CellStates(inputs, trace) if cells is None else cells
            c_before = own.before(layer, direction, timestep, samples, units)
        state["c"] = np.broadcast_to(c_before.value[0], (network.hidden_size,))
    carried = {
        symbol: (
            read[symbol][None]
            if symbol in read
            else previous_state(inputs, trace, symbol, layer, direction, times, samples)[0]
        ).astype(np.float64)
        for symbol in network.kind.further_states
    }
    state |= {symbol: array[0] for symbol, array in carried.items()}
    has_h, has_c = (symbol in graph.values and graph.values[symbol].shape == (size,) for symbol in ("h", "c"))
    has_c = has_c and c_before is not None
    further = {s: float(a[0, unit]) for s, a in carried.items() if graph.values[s].shape == (size,)}
    h_own = float(h_before[unit]) if has_h else None
    c_own = float(state["c"][unit]) if has_c else None
    worked = worked_step(network.kind, vars(p), row, state, unit, size)
    lines = {line.equation.name: line for line in worked.lines}
    gates = tuple(
        GateArithmetic(gate, graph.activation(gate.symbol), PreActivation.of(line.parts), line.value)
        for gate in (*network.kind.gates, *((Gate("h", "projection"),) if network.kind.projects else ()))
        if (line := lines.get(gate.symbol)) is not None and line.parts
    )
    with np.errstate(all="ignore"):
        bounds = _bounds(inputs, trace, where, x, before, c_before, carried, size)
    return StepBreakdown(
        where=where,
        engine=trace.engine,
        cell=network.kind,
        x=row,
        h_previous=h_before,
        gates=gates,
        previous=PreviousState(read_after(network, where, inputs.length(sample)), h_own, c_own, further),
        c=lines["c"].value if "c" in lines else None,
        h=lines["h"].value if has_h else None,
        stored=float(trace.hidden[where.index]) if has_h else None,
        stored_c=None if trace.cell is None or not has_c else float(trace.cell[where.index]),
        bound=bounds.get("h"),
        c_bound=bounds.get("c") if has_c else None,
        names=inputs.names.of_sample(where.sample),
        numbers=worked.numbers,
        across=worked.across,
        recomputed=frozenset(name for name in graph.values if name not in trace and name not in trace.lines),
        size=size,
        hidden_size=network.hidden_size,
        directions=network.directions,
        returned=tuple(
            StoredValue(name, float(trace.lines[name][where.index]), line.value, bounds[name])
            for name, line in lines.items()
            if name in trace.lines and name in bounds
        ),
    )


def _bounds(
    inputs: Inputs,
    trace: Trace,
    where: Location,
    x: FloatArray,
    before: FloatArray,
    c: BoundedArray | None,
    further: Mapping[str, FloatArray],
    size: str,
) -> dict[str, float]:
    """The audit's bounds of the unit's states by name, from its own equations; x (1, 1, I) and before (1, 1, H)."""
    graph = graph_of(inputs.network.kind)
    of_others = graph.mixes_units
    units = None if of_others else np.array([where.unit])
    layer = bounded_layer(inputs, trace, where.layer, where.direction, units)
    chosen = slice(None) if of_others else slice(where.unit, where.unit + 1)
    carried = {} if c is None else {"c": c}
    carried |= {symbol: layer.leaf(array[:, chosen], trace.stored_as) for symbol, array in further.items()}
    every = (*inputs.network.kind.state_symbols, *trace.lines)
    names = [name for name in every if graph.values[name].shape == (size,)]
    values, _ = BoundedBlock(layer, x, before, {}, 0).follow(carried, every)
    place = where.unit if of_others else 0
    bounds = {name: values[name].bound[0, 0, place].item() for name in names}
    stored = {name: np.atleast_1d(trace[name][where.index]) if name in trace else np.zeros(1) for name in bounds}
    return {name: bound + storage_bound(stored[name], trace.stored_as).item() for name, bound in bounds.items()}


def _same(a: float, b: float) -> bool:
    return a == b or (isnan(a) and isnan(b))


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


def activation_curve(each: Sequence[StepBreakdown], line: str) -> ActivationCurve | None:
    """The curve of the line that gives `line`: a gate's, or tanh of an LSTM's h; None where there is none."""
    named = each[0].graph.values
    if line not in named:
        return None
    node = named[line]
    inner = [arg for arg in node.args if arg not in named.values()]
    found = next((n for n in (node, *inner) if n.activation is not None), None)
    if found is None or found.activation is None:
        return None
    points = tuple((arithmetic.number(found.args[0]), arithmetic.number(found)) for arithmetic in each)
    finite = [abs(x) for x, _ in points if np.isfinite(x) and abs(x) < _LARGEST]
    reach = max(_LEAST_REACH.get(found.activation.name, _REACH), _BEYOND * max(finite, default=0.0))
    x = np.linspace(-reach, reach, _POINTS)
    return ActivationCurve(found.activation.name, x, found.activation.values(x), points)
