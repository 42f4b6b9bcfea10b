"""Free runs: a lane is computed from its initial state with many changes at once, where a recording lacks the hidden
values from which each step could be tried by itself.

Changes of numbers, activations and states are computed together, with an axis K before all others; those that compute
other lines, each by themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CellSpec
from rnnviz.cells.activations import Activation
from rnnviz.cells.interpreters.arrays import ArrayLayer, Library, leaf_of_parts
from rnnviz.cells.interpreters.graph import LEAVES, Node, ordered
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.hypotheses import BIASES, EVERY, WEIGHTS, LaneReads, handed
from rnnviz.frozen import dataclass
from rnnviz.verify.metrics import BoolArray
from rnnviz.verify.wrong_lane import lane_reads

_AS_IS = BugVariant()

_MOST_WEIGHTS, _MOST_VALUES = 1 << 20, 1 << 23
"""How many weights and pre-activations are computed together."""

_LARGE = 1 << 14
"""The number of weights of a lane from which on they are not copied without need."""


States: TypeAlias = Mapping[str, FloatArray]
"""States by symbol."""


class _Stacked(Library):
    """NumPy on arrays with an axis K before all others."""

    def product(self, x: Any, weight: Any) -> Any:
        return np.matmul(x, np.swapaxes(weight, -1, -2))


@dataclass(frozen=True, eq=False)
class _Lines:
    """The operations of a cell's step in the order of computation, the states that it gives, and the activations.

    `key` has each operation on the places of earlier ones: it is the same for cells that differ in activations alone.
    """

    nodes: list[Node]
    symbols: Mapping[str, Node]
    functions: list[Activation | None]
    key: tuple[Any, ...]


@lru_cache(maxsize=256)
def _lines(cell: CellSpec) -> _Lines:
    graph = graph_of(cell)
    symbols = {symbol: graph.values[symbol] for symbol in cell.state_symbols}
    nodes = ordered([*symbols.values()])
    places = {node: k for k, node in enumerate(nodes)}
    key = *((n.op, n.name, n.number, *(places[a] for a in n.args)) for n in nodes), *map(places.get, symbols.values())
    return _Lines(nodes, symbols, [node.activation for node in nodes], key)


class _Steps:
    """The steps of changed lanes with the same operations, K of them or one for all, on other numbers."""

    def __init__(self, lanes: Sequence[LaneReads], right: LaneReads, dtype: str, span: slice) -> None:
        first = self._first = lanes[0]
        self._count, self._dtype = len(lanes), dtype
        self.initial = {s: self._stacked([lane.initial[s] for lane in lanes]) for s in first.cell.state_symbols}
        rows = {
            name: self._rows([lane.parameters[name] for lane in lanes], right.parameters[name])
            for name in first.parameters
        }
        x = self._stacked([lane.x for lane in lanes])[:, span]
        self._u = self._by_gate(x, rows, "i2h", first.cell.gate_symbols)
        gates = first.cell.recurrent_gates
        self._recurrent = {name: rows[name] for name in (WEIGHTS[1], BIASES[1]) if gates}
        own = {name: self._stacked([lane.own[name] for lane in lanes]) for name in first.own}
        # A number of each unit is read by all samples.
        self._own = {name: a[:, np.newaxis] if first.own[name].ndim == 1 else a for name, a in own.items()}
        weights = {g: self._recurrent[WEIGHTS[1]][:, k] for k, g in enumerate(gates)}
        biases = {g: self._recurrent[BIASES[1]][:, k, np.newaxis] for k, g in enumerate(gates)}
        self._layer = ArrayLayer(_Stacked(), weights, biases)
        lines = [_lines(lane.cell) for lane in lanes]
        self._symbols = lines[0].symbols
        known: dict[Any, Any] = {}
        self._others = _by_value([known.setdefault(of, of) for of in ((lane.state, lane.of) for lane in lanes)])
        functions = zip(*(each.functions for each in lines), strict=True)
        self._operations = [
            (node, _by_value(each) if node.activation is not None else [])
            for node, each in zip(lines[0].nodes, functions, strict=True)
        ]

    def _stacked(self, arrays: Sequence[FloatArray]) -> FloatArray:
        """Arrays with an axis K before all others, of one if all are the same."""
        if all(array is arrays[0] for array in arrays):
            arrays = arrays[:1]
        return np.stack([np.asarray(array, self._dtype) for array in arrays])

    def _rows(self, readings: Sequence[Any], right: Any) -> FloatArray:
        """(K, G, H, ...), one for all where none is changed."""
        changed = any(each is not right for each in readings)
        return self._stacked([each(EVERY) for each in (readings if changed else readings[:1])])

    def _by_gate(
        self, x: FloatArray, rows: dict[str, FloatArray], kind: str, gates: tuple[str, ...]
    ) -> dict[str, FloatArray]:
        """W x + b by gate, (K, ..., N, H), of x (K, ..., N, I)."""
        if not gates:
            return {}
        weight, bias = (rows[f"{kind}_{part}"] for part in ("weight", "bias"))
        count, gate_count, size, width = weight.shape
        flat = np.matmul(
            x.reshape(len(x), -1, width), np.swapaxes(weight.reshape(count, gate_count * size, width), 1, 2)
        )
        flat = flat + bias.reshape(len(bias), 1, -1)
        found = flat.reshape(len(flat), *x.shape[1:-1], gate_count, size)
        return {gate: found[..., k, :] for k, gate in enumerate(gates)}

    def at(self, s: int, history: Mapping[str, Sequence[FloatArray]]) -> dict[str, FloatArray]:
        """The states (K, N, U) after a step, from the last two before it."""
        state = {symbol: self._read(symbol, last[-2:]) for symbol, last in history.items()}
        v = self._by_gate(state["h"], self._recurrent, "h2h", self._first.cell.recurrent_gates)
        leaf = leaf_of_parts(self._own, {gate: u[:, s] for gate, u in self._u.items()}, v, state)
        values: dict[Any, Any] = {}
        for node, functions in self._operations:
            if node.op in LEAVES:
                values[node] = leaf(node)
            elif node.activation is None:
                values[node] = self._layer.apply(node, [values[a] for a in node.args])
            else:
                (most, _), *others = functions
                values[node] = self._but(most.values(values[node.args[0]]), others, values[node.args[0]])
        return {symbol: values[node] for symbol, node in self._symbols.items()}

    def _but(self, made: FloatArray, others: Sequence[tuple[Any, Any]], x: FloatArray) -> FloatArray:
        """The values of an activation, with other activations in some rows."""
        if others:
            made, x = self._each(made), self._each(x)
            for function, rows in others:
                made[rows] = function.values(x[rows])
        return made

    def _each(self, array: FloatArray) -> FloatArray:
        """An array of each of the K lanes."""
        return np.broadcast_to(array, (self._count, *array.shape[1:])).copy() if len(array) < self._count else array

    def _read(self, symbol: str, last: Sequence[FloatArray]) -> FloatArray:
        """A state (K, N, U) as the lanes read it."""
        if len(self._others) == 1:
            ((change, of), _) = self._others[0]
            return handed(change, self.initial[symbol], last) if symbol in of else last[-1]
        read = np.array(self._each(last[-1]))
        last, initial = [self._each(array) for array in last], self._each(self.initial[symbol])
        for (change, of), rows in self._others:
            if symbol in of:
                read[rows] = handed(change, initial[rows], [array[rows] for array in last])
        return read


def _by_value(values: Sequence[Any]) -> list[tuple[Any, NDArray[np.intp]]]:
    """The different objects, the most frequent first, with the places of each."""
    places: dict[int, list[int]] = {}
    for k, value in enumerate(values):
        places.setdefault(id(value), []).append(k)
    return sorted(((values[at[0]], np.array(at)) for at in places.values()), key=lambda pair: -len(pair[1]))


@dataclass(frozen=True, eq=False)
class FreeLane:
    """A lane that is computed from its initial state, for some samples: what it reads, which steps a sample has (S, N),
    and their time steps."""

    reads: LaneReads
    computed: BoolArray
    stored: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        inputs: Inputs,
        trace: Trace,
        place: tuple[int, int],
        samples: Sequence[int],
        walk: BugVariant | None = None,
    ) -> "FreeLane":
        """A lane above layers whose hidden values the trace has."""
        return cls(*lane_reads(inputs, trace, *place, samples, inputs.timesteps, walk or BugVariant()))

    def run(
        self,
        changed: Sequence[LaneReads],
        dtype: str,
        *,
        kept: Sequence[str] = ("h",),
        here: BoolArray | None = None,
        unchanged: Sequence[LaneReads] = (),
        begin: int = 0,
        count: int | None = None,
        before: States | None = None,
    ) -> tuple[States, States]:
        """Run K changed lanes, `count` steps from `begin` on: the `kept` states over time, (K, S, N, U), and the final
        ones, (K, N, U).

        The changes are made at the steps `here` (K, S); elsewhere a lane reads what the `unchanged` ones do, by default
        what it should. `before` (2, N, U) are the two states before a step other than the first.
        """
        size = len(self.computed) - begin if count is None else min(count, len(self.computed) - begin)
        span = slice(begin, begin + size)
        shapes = {s: (len(changed), array.shape[0], array.shape[-1]) for s, array in self.reads.initial.items()}
        over_time = {s: np.empty((shapes[s][0], size, *shapes[s][1:]), dtype) for s in kept}
        finals = {s: np.empty(shape, dtype) for s, shape in shapes.items()}
        unchanged = unchanged or [self.reads] * len(changed)
        with np.errstate(all="ignore"):
            for rows in self._together(changed, size):
                steps = _Steps([changed[k] for k in rows], self.reads, dtype, span)
                on = None if here is None or here[rows].all() else here[rows]
                right = None if on is None else _Steps([unchanged[k] for k in rows], self.reads, dtype, span)
                for s, states in enumerate(self._follow(steps, right, on, self.computed[span], before)):
                    for symbol, series in over_time.items():
                        series[rows, s] = states[symbol]
                for symbol, final in finals.items():
                    final[rows] = states[symbol]
        return over_time, finals

    def _together(self, changed: Sequence[LaneReads], steps: int) -> Iterator[list[int]]:
        """Those that can be computed at once."""
        own = self.reads
        sizes = {name: int(np.prod(own.sizes(name))) for name in own.parameters}
        large = sum(sizes.values()) > _LARGE

        def key(k: int) -> tuple[int, tuple[str, ...]]:
            # Large weights that none changes are read once for all.
            read = changed[k].parameters
            return lines[k], tuple(n for n in read if not large or read[n] is not own.parameters[n])

        known: dict[Any, int] = {}
        lines = [known.setdefault(_lines(lane.cell).key, len(known)) for lane in changed]
        values = steps * self.computed.shape[1] * own.cell.gate_count * own.sizes(BIASES[0])[1]
        for (_, kinds), group in groupby(sorted(range(len(changed)), key=key), key):
            most = max(1, min(_MOST_WEIGHTS // max(1, sum(sizes[n] for n in kinds)), _MOST_VALUES // values))
            rows = [*group]
            for start in range(0, len(rows), most):
                yield rows[start : start + most]

    def _follow(
        self,
        changed: _Steps,
        right: _Steps | None,
        here: BoolArray | None,
        computed: BoolArray,
        before: States | None,
    ) -> Iterator[States]:
        """The states (K, N, U) after each step."""
        history = {symbol: [array] for symbol, array in changed.initial.items()}
        if before is not None:
            history = {symbol: [array[k, np.newaxis] for k in (0, 1)] for symbol, array in before.items()}
        elif right is not None and here is not None:
            begun = here[:, 0, np.newaxis, np.newaxis]
            history = {s: [np.where(begun, last[-1], right.initial[s])] for s, last in history.items()}
        for s, there in enumerate(computed):
            on = np.ones(1, np.bool_) if here is None else here[:, s]
            made = changed.at(s, history) if on.any() else {}
            if not on.all():
                assert right is not None
                where = on[:, np.newaxis, np.newaxis]
                other = right.at(s, history)
                made = {symbol: np.where(where, made.get(symbol, array), array) for symbol, array in other.items()}
            for symbol, array in made.items():
                old = history[symbol][-1]
                history[symbol] = [old, array if there.all() else np.where(there[:, np.newaxis], array, old)]
            yield {symbol: last[-1] for symbol, last in history.items()}

    def one_after_another(self, dtype: str) -> tuple[FloatArray, States]:
        """The hidden values (1, S, N, U) and the final states (1, N, U) where each sample begins with the final state
        of the sample before it."""
        samples, steps = np.nonzero(self.computed.T)
        ends = np.flatnonzero(np.append(np.diff(samples), 1))
        own = self.reads
        first = {s: array[:1] for s, array in own.initial.items()}
        joined = replace(own, x=own.x[steps, samples][:, np.newaxis], initial=first)
        alone = FreeLane(joined, np.ones((len(steps), 1), np.bool_), steps[:, np.newaxis])
        over_time, _ = alone.run([joined], dtype, kept=own.cell.state_symbols)
        hidden = np.zeros((1, *self.computed.shape, over_time["h"].shape[-1]), dtype)
        hidden[:, steps, samples] = over_time["h"][:, :, 0]
        return hidden, {s: array[:, ends, 0] for s, array in over_time.items()}

    def in_time(self, hidden: FloatArray, timesteps: int) -> FloatArray:
        """Values (K, S, N, U) in the order of the time steps, (K, T, N, U)."""
        found = np.zeros((len(hidden), timesteps, *hidden.shape[2:]), hidden.dtype)
        found[:, self.stored, np.arange(hidden.shape[2])] = hidden
        return found

    def in_order(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values (K, T, N, U) in the order of computation, (K, S, N, U)."""
        return np.asarray(values[:, self.stored, np.arange(values.shape[2])])
