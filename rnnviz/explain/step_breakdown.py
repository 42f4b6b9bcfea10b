"""How one hidden value came about, computed once more in float64 from what one engine itself had.

The previous state and the layer's input are the engine's own, the parameters the true ones: an engine that computes
something else, or rounds, is seen in the difference between what it stored and what this arithmetic gives.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, isfinite, isnan

import numpy as np

from rnnviz.core.axis_labels import UNNAMED, Names
from rnnviz.core.cells import Cell, Gate
from rnnviz.core.indexing import read_after
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import LayerParameters
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.explain.terms import Floats, PreActivation, side
from rnnviz.verify.cell_states import CellStates
from rnnviz.verify.running_error import ALLOWED, BoundedArray, storage_bound
from rnnviz.verify.step_bounds import audited_layer, lstm_cell, lstm_gates, lstm_hidden, next_hidden
from rnnviz.verify.step_inputs import layer_input, previous_hidden


@dataclass(frozen=True, eq=False)
class GateArithmetic:
    """One gate of one unit: its argument and its value.

    `cell` is the cell's name and `gate` its own entry there; `pre` is the argument with its terms, and `value` the
    activation of `pre.sum`.
    """

    cell: str
    gate: Gate
    pre: PreActivation
    value: float

    @property
    def symbol(self) -> str:
        """Its symbol in the equations: i, f, g, o; r, z, n; h of an RNN."""
        return self.gate.symbol

    @property
    def scaled(self) -> bool:
        """Whether the argument is a_n + r · b_n: only of a GRU's candidate n."""
        return (self.cell, self.symbol) == ("gru", "n")


@dataclass(frozen=True)
class PreviousState:
    """What the step carried on: the unit's own h', c' of an LSTM, and the timestep that left them (None: h0, c0)."""

    timestep: int | None
    h: float
    c: float | None = None


@dataclass(frozen=True, eq=False)
class StepBreakdown:
    """The arithmetic of one hidden value of one engine, in float64.

    Attributes
    ----------
    where, engine, cell:
        Which value, whose, and of which cell.
    x, h_previous:
        (I,) or (D·H,), and (H,): the layer's input and the previous hidden vector, the engine's own.
    gates:
        In the order of the weights' rows.
    previous:
        The unit's own previous state.
    c, h:
        What the equations give: c of an LSTM, and h.
    stored:
        What the engine has for h; `stored_c` for c, where the engine knows it.
    bound:
        The audit's rounding bound of this step; a right step is at most eight of them off.
    timesteps:
        T, which tells where the lane begins.
    names:
        What the sequence's timesteps and features are called.
    """

    where: Location
    engine: str
    cell: Cell
    x: Floats
    h_previous: Floats
    gates: tuple[GateArithmetic, ...]
    previous: PreviousState
    c: float | None
    h: float
    stored: float
    stored_c: float | None
    bound: float
    timesteps: int
    names: Names = UNNAMED

    @cached_property
    def by_symbol(self) -> dict[str, GateArithmetic]:
        """The gates by their symbols."""
        return {gate.symbol: gate for gate in self.gates}

    @property
    def difference(self) -> float:
        """What the engine stored less what the arithmetic gives; 0 where both are NaN or the same infinity."""
        if _same(self.stored, self.h):
            return 0.0
        return float(np.subtract(self.stored, self.h))

    @property
    def ratio(self) -> float:
        """|difference| in rounding bounds, as the audit counts them."""
        if _same(self.stored, self.h) or not isfinite(self.bound):
            return 0.0
        # No bound is left where relu cuts off what is not a number.
        ratio = abs(self.difference) / self.bound if self.bound else inf
        return ratio if isfinite(ratio) else inf

    @property
    def right(self) -> bool:
        """Whether rounding explains the difference."""
        return self.ratio <= ALLOWED


def explain(inputs: Inputs, trace: Trace, where: Location, cells: CellStates | None = None) -> StepBreakdown:
    """The arithmetic of `trace.hidden[where.index]`, which must lie in the trace.

    `cells` are the engine's cell states, if the caller keeps them for the next value, too; only an LSTM has any.
    """
    network, timesteps = inputs.network, trace.shape[2]
    where = replace(where, reverse=network.reverse)
    layer, direction, timestep, sample, unit = where.index
    times, samples = slice(timestep, timestep + 1), slice(sample, sample + 1)
    x = layer_input(inputs, trace, layer, times, samples)[0]
    before = previous_hidden(inputs, trace, layer, direction, times, samples)[0]
    p = inputs.parameters.layer(layer, direction)
    row, h_before = x[0].astype(np.float64), before[0].astype(np.float64)
    gates = _gates(network.kind, p, row, h_before, unit)
    h_own = float(h_before[unit])
    c_before: BoundedArray | None = None
    if network.kind.has_cell_state:
        own = CellStates(inputs, trace) if cells is None else cells
        c_before = own.before(layer, direction, timestep, samples, slice(unit, unit + 1))
    c_own = None if c_before is None else c_before.value.item()
    with np.errstate(all="ignore"):
        c, h = _next(network.kind, {gate.symbol: gate.value for gate in gates}, h_own, c_own)
        bound = _bound(network.kind, p, x, before, where, c_before, trace)
    return StepBreakdown(
        where=where,
        engine=trace.engine,
        cell=network.kind,
        x=row,
        h_previous=h_before,
        gates=gates,
        previous=PreviousState(read_after(network, where, timesteps), h_own, c_own),
        c=c,
        h=h,
        stored=float(trace.hidden[where.index]),
        stored_c=None if trace.cell is None else float(trace.cell[where.index]),
        bound=bound,
        timesteps=timesteps,
        names=inputs.names,
    )


def _gates(cell: Cell, p: LayerParameters, x: Floats, h: Floats, unit: int) -> tuple[GateArithmetic, ...]:
    size = len(h)
    gates: list[GateArithmetic] = []
    for place, gate in enumerate(cell.gates):
        row = place * size + unit
        # The reset gate stands before the candidate, whose product with the state it scales.
        factor = gates[0].value if (cell.name, gate.symbol) == ("gru", "n") else 1.0
        a = side("i2h", p.i2h_weight[row].astype(np.float64), x, float(p.i2h_bias[row]))
        b = side("h2h", p.h2h_weight[row].astype(np.float64), h, float(p.h2h_bias[row]), factor)
        pre = PreActivation(a, b)
        gates.append(GateArithmetic(cell.name, gate, pre, activate(gate.activation, pre.sum)))
    return tuple(gates)


def activate(activation: str, v: float) -> float:
    """sigmoid, tanh or relu of one number; a NaN stays a NaN."""
    if activation == "sigmoid":
        return float(0.5 * (1.0 + np.tanh(0.5 * v)))
    return float(np.tanh(v)) if activation == "tanh" else float(np.maximum(v, 0.0))


def _next(cell: Cell, gates: dict[str, float], h: float, c: float | None) -> tuple[float | None, float]:
    if c is not None:
        c_next = float(np.multiply(gates["f"], c) + np.multiply(gates["i"], gates["g"]))
        return c_next, float(np.multiply(gates["o"], np.tanh(c_next)))
    if cell.name == "gru":
        return None, float(np.multiply(1.0 - gates["z"], gates["n"]) + np.multiply(gates["z"], h))
    return None, gates["h"]


def _bound(
    cell: Cell,
    p: LayerParameters,
    x: FloatArray,
    before: FloatArray,
    where: Location,
    c: BoundedArray | None,
    trace: Trace,
) -> float:
    """The audit's bound of the step, from its own equations."""
    x_stored_as = trace.stored_as if where.layer else ""
    units = np.array([where.unit])
    layer = audited_layer(cell.name, cell.gate_count, p, units, trace.eps, trace.stored_as, x_stored_as)
    stored = storage_bound(np.atleast_1d(trace.hidden[where.index]), trace.stored_as).item()
    if c is None:
        return next_hidden(layer, x, before, before[:, units].astype(np.float64)).bound.item() + stored
    f, i_g, o = lstm_gates(layer, x, before)
    return lstm_hidden(o, lstm_cell(f, i_g, c)).bound.item() + stored


def _same(a: float, b: float) -> bool:
    return a == b or (isnan(a) and isnan(b))
