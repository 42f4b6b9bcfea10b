"""Hypotheses: small changes of what the steps of one lane read or compute, which a diagnosis tries on a wrong lane.

A hypothesis says what changes, never where in time, in which samples or units: the audit knows which values are wrong,
and the place is read off. Known bugs that change a step are among them, under their own names.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import lru_cache, partial
from itertools import combinations, permutations
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CELLS, CellSpec, Step, Values
from rnnviz.cells.activations import (
    ACTIVATIONS,
    Activation,
    Function,
    affine,
    clip,
    hard_sigmoid,
    hard_tanh,
    keras_hard_sigmoid,
    linear,
    relu,
    sigmoid,
    softsign,
    tanh,
    without_clip,
)
from rnnviz.cells.base import Gate, StepFunction, recurrent
from rnnviz.cells.interpreters.arrays import ArrayLayer, leaf_of_parts
from rnnviz.cells.interpreters.graph import evaluate, trace
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import LayerParameters
from rnnviz.core.resources import resource_path
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.frozen import dataclass

WEIGHTS = "i2h_weight", "h2h_weight"
BIASES = "i2h_bias", "h2h_bias"

Units: TypeAlias = slice | NDArray[np.intp]
"""Which units of a layer are read."""

Reading: TypeAlias = Callable[[Units], FloatArray]
"""The rows of a parameter by gate, for some units: (G, U, K) of a weight, (G, U) of a bias. A large weight is never
copied as a whole: a hypothesis is refuted by a few units."""

StateChange: TypeAlias = Literal["", "zeros", "initial", "two-before", "doubled", "next-sample", "reversed"]
"""The replacement of a state that a step reads."""

EVERY = slice(None)


@dataclass(frozen=True, eq=False)
class LaneReads:
    """The numbers that the steps of a lane read, in its order of computation: S steps of N samples.

    `x` (S, N, I) is the layer input, `initial` (N, U) the initial states, and `after` (S, N, U) the recorded states
    after each step. `parameters` gives rows of the four parameters that every cell has, `own` the others. A step reads
    a state of `of` as `state` says. `others` and `starts` are the parameters and the
    initial states of other lanes by their relation to this one.
    """

    cell: CellSpec
    layer: int
    direction: int
    parameters: Mapping[str, Reading]
    own: Mapping[str, FloatArray]
    x: FloatArray
    initial: Mapping[str, FloatArray]
    after: Mapping[str, FloatArray]
    state: StateChange = ""
    of: tuple[str, ...] = ()
    others: Mapping[str, Mapping[str, Reading]] = field(default_factory=dict)
    starts: Mapping[str, Mapping[str, FloatArray]] = field(default_factory=dict)

    def sizes(self, name: str) -> tuple[int, ...]:
        """(G, H, K) of a weight, (G, H) of a bias."""
        return self.parameters[name](EVERY).shape

    def gates(self, name: str) -> tuple[str, ...]:
        """The gates of a parameter's rows."""
        return self.cell.gate_symbols if name.startswith("i2h") else self.cell.recurrent_gates

    def reading(self, **changed: Reading) -> "LaneReads":
        """The lane with other rows."""
        return replace(self, parameters={**self.parameters, **changed})

    def layer_parameters(self, dtype: Any) -> dict[str, FloatArray]:
        """All parameters as the layer's own arrays: weights (G·H, K), biases (G·H,)."""
        rows = {name: read(EVERY) for name, read in self.parameters.items()}
        flat = {name: array.reshape(-1, *array.shape[2:]) for name, array in rows.items()}
        return {name: np.asarray(array, dtype) for name, array in (flat | dict(self.own)).items()}

    def before(self, symbol: str, after: FloatArray) -> FloatArray:
        """A state as each step reads it, (S, N, U), from the states after each step."""
        full = np.concatenate([self.initial[symbol][np.newaxis], after])
        if symbol not in self.of:
            return np.asarray(full[:-1])
        if self.state == "two-before":
            return np.concatenate([full[:1], full[:-2]])
        return np.stack([handed(self.state, full[0], full[k : k + 1]) for k in range(len(after))])


def handed(change: StateChange, initial: FloatArray, last: Sequence[FloatArray]) -> FloatArray:
    """A state (..., N, U) as a step reads it, from the `last` two states, or the only one."""
    now = last[-1]
    match change:
        case "zeros":
            now = np.zeros_like(now)
        case "initial":
            now = initial
        case "two-before":
            now = last[0]
        case "doubled":
            now = 2.0 * now
        case "next-sample":
            now = np.roll(now, -1, axis=-2)
        case "reversed":
            now = now[..., ::-1]
    return now


def step_values(
    reads: LaneReads, x: FloatArray, state: Mapping[str, FloatArray], units: Units
) -> dict[str, FloatArray]:
    """The values of one step (M, U) by name, from its layer input (M, I) and the states before it."""
    cell = reads.cell
    graph = trace(cell)
    kinds: dict[str, dict[str, FloatArray]] = {}
    for kind, read in (("i2h", x), ("h2h", state["h"])):
        gates = reads.gates(f"{kind}_weight")
        kinds[kind] = {}
        if not gates:
            continue
        weight, bias = (
            np.asarray(reads.parameters[f"{kind}_{part}"](units), np.float64) for part in ("weight", "bias")
        )
        count, size, width = weight.shape
        rows = (read @ weight.reshape(count * size, width).T + bias.reshape(-1)).reshape(len(read), count, size)
        kinds[kind] = {gate: rows[:, k] for k, gate in enumerate(gates)}
    own = {name: a if units is EVERY or a.ndim > 1 else a[units] for name, a in reads.own.items()}
    states = {s: a if units is EVERY else a[:, units] for s, a in state.items()}
    leaf = leaf_of_parts(own, kinds["i2h"], kinds["h2h"], states)
    layer = ArrayLayer()
    if graph.mixes_units and cell.recurrent_gates:
        layer = ArrayLayer.of(cell, reads.layer_parameters(np.float64))
    found = evaluate([graph.values[s] for s in cell.state_symbols], leaf, layer.apply)
    return {s: np.asarray(found[graph.values[s]]) for s in cell.state_symbols}


def values_at(
    reads: LaneReads, steps: NDArray[np.intp], samples: NDArray[np.intp], units: Units = EVERY
) -> dict[str, FloatArray]:
    """The values of some steps of some samples (M,), each from the states before it, which `after` has."""
    state = {s: reads.before(s, reads.after[s])[steps, samples] for s in reads.cell.state_symbols}
    return step_values(reads, reads.x[steps, samples], state, units)


@dataclass(frozen=True)
class _Texts:
    """A row of the file: what is wrong, and what to change; see there."""

    name: str
    cause: str
    fix: str


@lru_cache(maxsize=1)
def _texts() -> list[_Texts]:
    rows = tomllib.loads(resource_path("hypotheses.toml").read_text(encoding="utf-8"))["hypotheses"]
    return [_Texts(**row) for row in rows]


_WORDS = {"i2h": "input-to-hidden", "h2h": "hidden-to-hidden"}


def _in_words(part: str) -> str:
    """A part of a name: "layer-below-other-direction", "hard_sigmoid"."""
    return part.replace("-other-direction", ", other direction").replace("-", " ").replace("_", " ")


def texts_of(name: str) -> tuple[str, str]:
    """The cause, a noun phrase, and the fix of a hypothesis or a known bug."""
    if name in KNOWN_BUGS:
        return KNOWN_BUGS[name].cause, KNOWN_BUGS[name].fix
    for row in _texts():
        found = re.fullmatch(row.name, name)
        if found:
            parts = found.groups()
            if name.startswith("gates-"):
                parts = tuple(part.replace("-", ", ") for part in parts)
            words = [_WORDS.get(part) or _in_words(part) for part in parts]
            return row.cause.format(*words), row.fix
    return name, ""


def is_hypothesis(name: str) -> bool:
    """Whether a change has this name."""
    return bool(texts_of(name)[1])


def rows_of(parameters: LayerParameters, cell: CellSpec) -> tuple[dict[str, Reading], dict[str, FloatArray]]:
    """The four parameters of a layer as readings, and its further ones."""
    readings, own = dict[str, Reading](), dict[str, FloatArray]()
    for name, array in vars(parameters).items():
        if name in (*WEIGHTS, *BIASES):
            gates = cell.gate_symbols if name.startswith("i2h") else cell.recurrent_gates
            readings[name] = reading(array.reshape(len(gates), -1, *array.shape[1:]))
        else:
            own[name] = array
    return readings, own


def reading(array: FloatArray) -> Reading:
    """The reading of a whole array, (G, H, K) or (G, H)."""
    return lambda units: array[:, units]


Change: TypeAlias = Callable[[LaneReads], LaneReads]


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A change of one lane.

    name: Its name; that of a known bug, if it is one.
    change: What the lane reads with it.
    gates, parameters: What it concerns; () for all.
    rare: Whether it is not tried together with a second one.
    scope: Whether it changes steps, the initial state, the walk of a lane through the sequence, as `walk` says, or the
        whole lane: its samples are one sequence, or it hands its input on.
    """

    name: str
    change: Change
    gates: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    rare: bool = False
    scope: Literal["steps", "start", "walk", "samples", "lane"] = "steps"
    walk: BugVariant = field(default_factory=BugVariant)

    @property
    def key(self) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """The same for the same hypothesis in different lanes."""
        return self.name, self.gates, self.parameters


Make: TypeAlias = Callable[[LaneReads], Reading]
"""How the rows of a parameter follow from what a lane reads."""


def _rows(name: str, new: Mapping[str, Make], gates: tuple[str, ...] = (), *, rare: bool = False) -> Hypothesis:
    """Other rows of some parameters, of all gates or of some."""

    def change(lane: LaneReads) -> LaneReads:
        return lane.reading(**{kind: _of_gates(lane, kind, make(lane), gates) for kind, make in new.items()})

    return Hypothesis(name, change, gates, tuple(new), rare)


def _of_gates(lane: LaneReads, kind: str, new: Reading, gates: tuple[str, ...]) -> Reading:
    """The new rows of some gates, and the lane's own of the others."""
    if not gates:
        return new
    own, at = lane.parameters[kind], [k for k, gate in enumerate(lane.gates(kind)) if gate in gates]

    def rows(units: Units) -> FloatArray:
        array = np.array(own(units))
        array[at] = new(units)[at]
        return array

    return rows


def _zeros(kind: str) -> Make:
    return lambda lane: lambda units: np.zeros_like(lane.parameters[kind](units))


def _from(kind: str) -> Make:
    return lambda lane: lane.parameters[kind]


def _mapped(kind: str, function: Callable[[FloatArray], FloatArray]) -> Make:
    return lambda lane: lambda units: function(lane.parameters[kind](units))


def _transposed(kind: str) -> Make:
    """The numbers of each gate's block, written along its columns, as they are read along its rows."""

    def make(lane: LaneReads) -> Reading:
        array = lane.parameters[kind](EVERY)
        return lambda units: array.transpose(0, 2, 1).reshape(array.shape)[:, units]

    return make


def _column_major(kind: str) -> Make:
    """The numbers of the whole weight, written along its columns, as they are read along its rows."""

    def make(lane: LaneReads) -> Reading:
        array = lane.parameters[kind](EVERY)
        count, size, width = array.shape
        flat = array.reshape(count * size, width)

        def rows(units: Units) -> FloatArray:
            row = np.arange(count)[:, np.newaxis] * size + np.arange(size)[units]
            place = row[..., np.newaxis] * width + np.arange(width)
            return np.asarray(flat[place % len(flat), place // len(flat)])

        return rows

    return make


def _has(lane: LaneReads, *kinds: str) -> bool:
    return all(kind in lane.parameters for kind in kinds)


def _of_parameters(lane: LaneReads) -> Iterator[Hypothesis]:
    """Rows that are zeros, exchanged, used twice, transposed or in another order."""
    several = [(gate,) for gate in lane.cell.gate_symbols] if lane.cell.gate_count > 1 else []
    sizes = {kind: lane.sizes(kind) for kind in lane.parameters}
    for gates in ((), *several):
        yield _rows("no-i2h-bias", {"i2h_bias": _zeros("i2h_bias")}, gates)
        yield _rows("i2h-weight-not-loaded", {"i2h_weight": _zeros("i2h_weight")}, gates)
        yield _rows("parameters-not-loaded", {kind: _zeros(kind) for kind in lane.parameters}, gates)
        yield _rows("bias-one-added", {"i2h_bias": _mapped("i2h_bias", lambda b: b + 1.0)}, gates)
        yield _rows("gate-negated", {kind: _mapped(kind, np.negative) for kind in lane.parameters}, gates)
        if lane.cell.gate_count > 1:
            yield _rows("i2h-transposed", {"i2h_weight": _transposed("i2h_weight")}, gates)
    yield _rows("i2h-weight-column-major", {"i2h_weight": _column_major("i2h_weight")})
    yield _rows("i2h-features-reversed", {"i2h_weight": _mapped("i2h_weight", lambda w: w[..., ::-1])})
    if not _has(lane, "h2h_weight", "h2h_bias"):
        return
    recurrent = [gates for gates in several if gates[0] in lane.cell.recurrent_gates]
    same = lane.cell.recurrent_gates == lane.cell.gate_symbols
    for gates in ((), *recurrent):
        yield _rows("no-h2h-bias", {"h2h_bias": _zeros("h2h_bias")}, gates)
        yield _rows("h2h-weight-not-loaded", {"h2h_weight": _zeros("h2h_weight")}, gates)
        yield _rows("h2h-transposed", {"h2h_weight": _transposed("h2h_weight")}, gates)
        if same:
            yield _rows("no-bias", {"i2h_bias": _zeros("i2h_bias"), "h2h_bias": _zeros("h2h_bias")}, gates)
            yield _rows("biases-exchanged", {"i2h_bias": _from("h2h_bias"), "h2h_bias": _from("i2h_bias")}, gates)
            yield _rows("i2h-bias-twice", {"h2h_bias": _from("i2h_bias")}, gates)
            yield _rows("h2h-bias-twice", {"i2h_bias": _from("h2h_bias")}, gates)
        if same and sizes["i2h_weight"] == sizes["h2h_weight"]:
            yield _rows(
                "weights-exchanged", {"i2h_weight": _from("h2h_weight"), "h2h_weight": _from("i2h_weight")}, gates
            )
    yield _rows("h2h-weight-column-major", {"h2h_weight": _column_major("h2h_weight")})
    yield _rows("weights-column-major", {kind: _column_major(kind) for kind in WEIGHTS})


def _subsets(kinds: list[str]) -> Iterator[tuple[str, ...]]:
    """Subsets, the largest first."""
    for count in range(len(kinds), 0, -1):
        yield from combinations(kinds, count)


def _orders(lane: LaneReads) -> Iterator[Hypothesis]:
    """Every order of the gates in every subset of the four parameters, of cells of up to four gates."""
    gates = lane.cell.gate_symbols
    if not 1 < len(gates) <= 4 or lane.cell.recurrent_gates != gates:
        return
    kinds = [kind for kind in (*WEIGHTS, *BIASES) if np.any(lane.parameters[kind](EVERY))]
    for some in _subsets(kinds):
        for order in permutations(range(len(gates))):
            if list(order) != sorted(order):
                name = "gates-" + "-".join(gates[k] for k in order)
                yield _rows(name, {kind: _ordered(kind, order) for kind in some}, rare=len(some) < len(kinds))


def _other_gates(lane: LaneReads) -> Iterator[Hypothesis]:
    """The rows of another gate in one gate, in one parameter or in all."""
    gates = lane.cell.gate_symbols
    if len(gates) == 1 or lane.cell.recurrent_gates != gates:
        return
    kinds = (*WEIGHTS, *BIASES)
    for (q, gate), (r, other) in permutations(enumerate(gates), 2):
        order = tuple(r if k == q else k for k in range(len(gates)))
        for some in (kinds, *((kind,) for kind in kinds)):
            yield _rows(f"rows-of-gate-{other}", {kind: _ordered(kind, order) for kind in some}, (gate,), rare=True)


def _ordered(kind: str, order: tuple[int, ...]) -> Make:
    def make(lane: LaneReads) -> Reading:
        array = lane.parameters[kind](EVERY)
        return lambda units: array[:, units][list(order)]

    return make


def _bfloat16(w: FloatArray) -> FloatArray:
    bits = np.ascontiguousarray(w, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32).astype(np.float64)


def _int8(kind: str) -> Make:
    def make(lane: LaneReads) -> Reading:
        scale = float(np.abs(lane.parameters[kind](EVERY)).max(initial=0.0)) / 127.0 or 1.0
        return lambda units: np.round(lane.parameters[kind](units) / scale) * scale

    return make


_FRACTION_BITS = range(2, 13)


def _precisions(lane: LaneReads) -> Iterator[Hypothesis]:
    """Weights with fewer bits."""
    kinds = [kind for kind in WEIGHTS if kind in lane.parameters]
    for some in _subsets(kinds):
        for bits in _FRACTION_BITS:
            scale = 2.0**bits
            for name, function in (("rounded", np.round), ("truncated", np.floor)):
                fewer = partial(lambda w, function, scale: function(w * scale) / scale, function=function, scale=scale)
                new = {kind: _mapped(kind, fewer) for kind in some}
                yield _rows(f"weights-{name}-to-{bits}-bits", new, rare=True)
        half = {kind: _mapped(kind, lambda w: w.astype(np.float16).astype(np.float64)) for kind in some}
        yield _rows("weights-in-float16", half, rare=True)
        yield _rows("weights-in-bfloat16", {kind: _mapped(kind, _bfloat16) for kind in some}, rare=True)
        yield _rows("weights-in-int8", {kind: _int8(kind) for kind in some}, rare=True)


def _other_lanes(lane: LaneReads) -> Iterator[Hypothesis]:
    """Parameters of another lane, by its relation to this one."""
    for relation, others in lane.others.items():
        fit = [kind for kind in lane.parameters if others[kind](EVERY).shape == lane.sizes(kind)]
        for some in _subsets(fit):
            new: dict[str, Make] = {kind: partial(_of_other, relation=relation, kind=kind) for kind in some}
            yield _rows(f"parameters-of-{relation}", new, rare=len(some) < len(lane.parameters))


def _of_other(lane: LaneReads, relation: str, kind: str) -> Reading:
    return lane.others[relation][kind]


@dataclass(frozen=True)
class _InGate:
    """Another activation in one gate of a role, and the role's own in the others."""

    gate: str
    other: Function
    own: Function

    def __call__(self, x: Any) -> Any:
        return (self.other if self.gate in _slots(x) else self.own)(x)


def _slots(x: Any) -> set[str]:
    """The gates whose parts a pre-activation is a sum of."""
    if x.slot is not None:
        return {x.slot}
    return set().union(*map(_slots, x.args)) if x.op in ("plus", "minus", "times") else set()


_ACTIVATIONS: dict[Activation, tuple[Activation, ...]] = {
    sigmoid: (hard_sigmoid, keras_hard_sigmoid, tanh, linear, relu),
    hard_sigmoid: (sigmoid, keras_hard_sigmoid),
    keras_hard_sigmoid: (sigmoid, hard_sigmoid),
    tanh: (relu, linear, softsign, hard_tanh, sigmoid),
    relu: (tanh, sigmoid, linear),
}
"""By activation, those that other programs have in its place."""

_ONE = affine.with_constants(0.0, 1.0)
"""The value of a gate that a port leaves out."""

_DEFAULTS = sigmoid, tanh, relu, linear
"""Those that they have in place of any other."""


def _activations(lane: LaneReads) -> Iterator[Hypothesis]:
    """Another activation in one role, in one gate of a role, or in all roles that have the same."""
    cell = lane.cell
    by_function: dict[Function, list[str]] = {}
    for role, function in cell.activations:
        by_function.setdefault(function, []).append(role)
    for own, same in by_function.items():
        base = without_clip(own)
        for other in _ACTIVATIONS.get(base, _DEFAULTS):
            name, instead = f"{_activation_name(other)}-for-{_activation_name(base)}", _in_place_of(own, other)
            for some in (same, *([role] for role in same if len(same) > 1)):
                gates = () if len(some) == len(same) else _gates_of(cell, some[0])
                yield Hypothesis(name, partial(_with_functions, roles=dict.fromkeys(some, instead)), gates)
            for role in same:
                gates = _gates_of(cell, role)
                if role == "gate" and len(gates) > 1:
                    for gate in gates:
                        roles = {role: _InGate(gate, instead, own)}
                        yield Hypothesis(name, partial(_with_functions, roles=roles), (gate,))
    for gate in _gates_of(cell, "gate"):
        left_out = {"gate": _InGate(gate, _ONE, dict(cell.activations).get("gate", sigmoid))}
        if "gate" in dict(cell.activations):
            yield Hypothesis("gate-left-out", partial(_with_functions, roles=left_out), (gate,))


def _activation_name(activation: Activation) -> str:
    return next((name for name, known in ACTIVATIONS.items() if known == activation), activation.name)


def _in_place_of(own: Function, other: Activation) -> Function:
    """Another activation of an argument that is cut as that of `own`."""
    return other if isinstance(own, Activation) else replace(own, outer=_in_place_of(own.outer, other))


def _gates_of(cell: CellSpec, role: str) -> tuple[str, ...]:
    """The gates whose activation has a role; the name of the role itself for the output."""
    candidates = tuple(gate.symbol for gate in cell.gates if gate.name == "candidate")
    found = {"candidate": candidates, "gate": tuple(g for g in cell.gate_symbols if g not in candidates)}
    return found.get(role, (role,))


def _with_functions(lane: LaneReads, roles: Mapping[str, Any]) -> LaneReads:
    return replace(lane, cell=lane.cell.with_activations(**roles))


@lru_cache(maxsize=64)
def _coupled(step: StepFunction, clip_at: float) -> StepFunction:
    """The step of an LSTM with f = 1 - i, or, where `clip_at` is not 0, with c cut to it."""
    cut = clip.with_constants(clip_at)

    def changed(
        u: Values, v: Values, state: Values, p: Values, *, gate: Function, candidate: Function, output: Function
    ) -> Step:
        i = gate(u.i + v.i)
        f = gate(u.f + v.f) if clip_at else 1 - i
        g = candidate(u.g + v.g)
        o = gate(u.o + v.o)
        c = f * state.c + i * g
        c = cut(c) if clip_at else c
        h = o * output(c)
        return Step(i=i, f=f, g=g, o=o, c=c, h=h)

    def projected(u: Values, v: Values, state: Values, p: Values, **roles: Function) -> Step:
        lstm = changed(u, v, state, p, **roles)
        return Step(**{**lstm, "m": lstm.h, "h": p.h2r_weight @ lstm.h})

    return projected if step is CELLS["lstm_projection"].step else changed


def _lines(lane: LaneReads) -> Iterator[Hypothesis]:
    """Other lines of an LSTM."""
    if lane.cell.step in (CELLS["lstm"].step, CELLS["lstm_projection"].step):
        for name, limit in (
            ("forget-gate-coupled", 0.0),
            ("cell-state-clipped-at-1", 1.0),
            ("cell-state-clipped-at-2", 2.0),
        ):
            yield Hypothesis(name, partial(_with_step, clip_at=limit), rare=True)


def _with_step(lane: LaneReads, clip_at: float) -> LaneReads:
    return replace(lane, cell=replace(lane.cell, step=_coupled(lane.cell.step, clip_at)))


@lru_cache(maxsize=64)
def _fed_twice(cell: CellSpec) -> CellSpec:
    """The cell whose step first computes the step before it again; its layer input is that one's and its own."""

    def step(u: Values, v: Values, state: Values, p: Values, **roles: Function) -> Step:
        before = cell.step(Values("u", {gate: u[f"{gate}_before"] for gate in cell.gate_symbols}), v, state, p, **roles)
        after = Values("state", {symbol: before[symbol] for symbol in cell.state_symbols})
        v = Values("v", {gate: recurrent(gate, after.h) for gate in cell.recurrent_gates})
        return cell.step(u, v, after, p, **roles)

    return replace(cell, step=step, gates=(*(Gate(f"{g.symbol}_before", g.name) for g in cell.gates), *cell.gates))


def _repeated(lane: LaneReads) -> Iterator[Hypothesis]:
    """The step before is computed again."""
    yield Hypothesis("step-fed-twice", _with_step_before, rare=True)


def _with_step_before(lane: LaneReads) -> LaneReads:
    def before_and_now(weight: Reading) -> Reading:
        def rows(units: Units) -> FloatArray:
            own = weight(units)
            return np.concatenate([np.concatenate(pair, -1) for pair in ((own, 0.0 * own), (0.0 * own, own))])

        return rows

    weight, bias = lane.parameters["i2h_weight"], lane.parameters["i2h_bias"]
    changed = lane.reading(i2h_weight=before_and_now(weight), i2h_bias=lambda units: np.tile(bias(units), (2, 1)))
    x = np.concatenate([np.concatenate([lane.x[:1], lane.x[:-1]]), lane.x], axis=-1)
    return replace(changed, cell=_fed_twice(lane.cell), x=x)


_TRIED_APART = {"no-i2h-bias", "no-h2h-bias", "h2h-transposed", "wrong-activation", "state-not-carried"}
"""Known bugs that are tried by gate, role or state, with the other hypotheses."""


def _known(lane: LaneReads) -> Iterator[Hypothesis]:
    """Known bugs that change parameters or lines of the step."""
    for bug in KNOWN_BUGS.values():
        if bug.kind != "forward" or bug.needs not in ("", "clip") or bug.name in _TRIED_APART:
            continue
        for variant in bug.in_cell(lane.cell):
            change = step_change(variant)
            if change is not None and (bug.needs == "" or variant.changed(lane.cell) != lane.cell):
                kinds = tuple(
                    k for k in lane.parameters if any(re.fullmatch(change.names, k) for change in variant.parameters)
                )
                yield Hypothesis(bug.name, change, parameters=kinds)


def step_change(variant: BugVariant) -> Change | None:
    """The change of a lane that is a known bug; None if that is not one of its steps."""
    forgotten, instead = variant.forgotten, variant.forgotten_is
    plain = BugVariant(variant.parameters, variant.activations, variant.step, variant.unclipped, forgotten, instead)
    return partial(_with_variant, variant=variant) if variant == plain and instead != "swapped" else None


def _with_variant(lane: LaneReads, variant: BugVariant) -> LaneReads:
    changed = replace(lane, cell=variant.changed(lane.cell))
    if variant.forgotten and variant.forgotten_is != "swapped":
        changed = replace(changed, state=variant.forgotten_is, of=variant.forgotten)
    if not variant.parameters:
        return changed
    flat = {name: np.asarray(array) for name, array in lane.layer_parameters(np.float64).items()}
    readings, own = rows_of(variant.read(lane.cell, LayerParameters(**flat)), lane.cell)
    return replace(changed, parameters=readings, own=own)


def _states(lane: LaneReads) -> Iterator[Hypothesis]:
    """Another state before each step."""
    symbols = lane.cell.state_symbols
    parts = list(dict.fromkeys((symbols, *((symbol,) for symbol in symbols))))
    nonzero = any(np.any(array) for array in lane.initial.values())
    for part in parts:
        yield _state("state-not-carried", "zeros", part)
        if nonzero:
            yield _state("state-initial", "initial", part)
    yield _state("state-two-before", "two-before", symbols)
    if len(symbols) > 1:
        yield _state("state-two-before", "two-before", ("h",))
    yield _state("state-doubled", "doubled", ("h",))
    yield _state("state-reversed", "reversed", ("h",))
    if lane.x.shape[1] > 1:
        yield _state("state-of-next-sample", "next-sample", symbols)


def _state(name: str, change: StateChange, of: tuple[str, ...]) -> Hypothesis:
    return Hypothesis(name, lambda lane: replace(lane, state=change, of=of), parameters=of)


_INPUTS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "input-of-step-before": lambda x: np.concatenate([x[:1], x[:-1]]),
    "input-of-step-after": lambda x: np.concatenate([x[1:], x[-1:]]),
    "input-of-next-sample": lambda x: np.roll(x, -1, axis=1),
    "input-samples-reversed": lambda x: x[:, ::-1],
    "input-halves-exchanged": lambda x: np.concatenate(np.split(x, 2, -1)[::-1], -1),
    "input-first-half-only": lambda x: np.where(np.arange(x.shape[-1]) < x.shape[-1] // 2, x, 0.0),
}


def _inputs(lane: LaneReads) -> Iterator[Hypothesis]:
    """Another layer input."""
    for name, change in _INPUTS.items():
        # Of two samples, the next one is the other.
        fewest = {"input-of-next-sample": 2, "input-samples-reversed": 3}
        if lane.x.shape[1] < fewest.get(name, 1) or ("half" in name and lane.layer == 0):
            continue
        if name == "input-halves-exchanged" and (lane.x.shape[-1] % 2 or not any("other" in r for r in lane.others)):
            continue
        yield Hypothesis(name, partial(_with_input, change=change))


def _with_input(lane: LaneReads, change: Callable[[FloatArray], FloatArray]) -> LaneReads:
    return replace(lane, x=change(lane.x))


def step_hypotheses(lane: LaneReads) -> Iterator[Hypothesis]:
    """Every hypothesis that a single step can refute, those of whole networks and of whole parameters first."""
    makes = (
        _known,
        _of_parameters,
        _orders,
        _other_gates,
        _other_lanes,
        _activations,
        _lines,
        _states,
        _inputs,
        _repeated,
        _precisions,
    )
    for make in makes:
        yield from make(lane)


def start_hypotheses(lane: LaneReads) -> Iterator[Hypothesis]:
    """Other initial states."""
    symbols, initial = lane.cell.state_symbols, lane.initial
    nonzero = [symbol for symbol in symbols if np.any(initial[symbol])]
    for part in (symbols, *((symbol,) for symbol in nonzero if len(nonzero) > 1)) if nonzero else ():
        yield _start("initial-state-ignored", partial(_zero_states, part=part), part)
    if symbols == ("h", "c") and initial["h"].shape == initial["c"].shape:
        yield _start("initial-states-exchanged", lambda lane: {"h": lane.initial["c"], "c": lane.initial["h"]})
    for relation in lane.starts:
        yield _start(f"initial-state-of-{relation}", partial(_states_of, relation=relation))
    if len(initial["h"]) > 1:
        yield _start("initial-state-of-first-sample", _first_sample)


def _zero_states(lane: LaneReads, part: Sequence[str]) -> Mapping[str, FloatArray]:
    return {symbol: np.zeros_like(lane.initial[symbol]) for symbol in part}


def _states_of(lane: LaneReads, relation: str) -> Mapping[str, FloatArray]:
    return lane.starts[relation]


def _first_sample(lane: LaneReads) -> Mapping[str, FloatArray]:
    return {symbol: np.repeat(array[:1], len(array), 0) for symbol, array in lane.initial.items()}


def _start(
    name: str, start: Callable[[LaneReads], Mapping[str, FloatArray]], symbols: tuple[str, ...] = ()
) -> Hypothesis:
    def change(lane: LaneReads) -> LaneReads:
        return replace(lane, initial={**lane.initial, **start(lane)})

    return Hypothesis(name, change, parameters=symbols, scope="start")
