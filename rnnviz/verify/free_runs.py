"""Free runs: a lane is computed from its initial state with many changes at once, where a recording lacks the hidden
values from which each step could be tried by itself.

Changes of numbers alone are computed together, with an axis K before all others; those that compute other lines, each
by themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.arrays import ArrayLayer, Library, leaf_of_parts
from rnnviz.cells.interpreters.graph import LEAVES, ordered
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


States: TypeAlias = Mapping[str, FloatArray]
"""States by symbol."""


class _Stacked(Library):
    """NumPy on arrays with an axis K before all others."""

    def product(self, x: Any, weight: Any) -> Any:
        return np.matmul(x, np.swapaxes(weight, -1, -2))


class _Steps:
    """The steps of changed lanes that compute the same lines, K of them or one for all, on other numbers."""

    def __init__(self, lanes: Sequence[LaneReads], right: LaneReads, dtype: str, span: slice) -> None:
        first = self.first = lanes[0]
        self._dtype = dtype
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
        graph = graph_of(first.cell)
        self._symbols = {symbol: graph.values[symbol] for symbol in first.cell.state_symbols}
        self._order = ordered([*self._symbols.values()])
        weights = {g: self._recurrent[WEIGHTS[1]][:, k] for k, g in enumerate(gates)}
        biases = {g: self._recurrent[BIASES[1]][:, k, np.newaxis] for k, g in enumerate(gates)}
        self._layer = ArrayLayer(_Stacked(), weights, biases)

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
        state = {
            symbol: handed(self.first.state, self.initial[symbol], last[-2:]) if symbol in self.first.of else last[-1]
            for symbol, last in history.items()
        }
        v = self._by_gate(state["h"], self._recurrent, "h2h", self.first.cell.recurrent_gates)
        leaf = leaf_of_parts(self._own, {gate: u[:, s] for gate, u in self._u.items()}, v, state)
        values: dict[Any, Any] = {}
        for node in self._order:
            values[node] = leaf(node) if node.op in LEAVES else self._layer.apply(node, [values[a] for a in node.args])
        return {symbol: values[node] for symbol, node in self._symbols.items()}


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
        begin: int = 0,
        count: int | None = None,
        before: States | None = None,
    ) -> tuple[States, States]:
        """Run K changed lanes, `count` steps from `begin` on: the `kept` states over time, (K, S, N, U), and the final
        ones, (K, N, U).

        The changes are made at the steps `here` (K, S), and elsewhere the lane is as it should be. `before` (2, N, U)
        are the two states before a step other than the first.
        """
        size = len(self.computed) - begin if count is None else min(count, len(self.computed) - begin)
        span = slice(begin, begin + size)
        shapes = {s: (len(changed), array.shape[0], array.shape[-1]) for s, array in self.reads.initial.items()}
        over_time = {s: np.empty((shapes[s][0], size, *shapes[s][1:]), dtype) for s in kept}
        finals = {s: np.empty(shape, dtype) for s, shape in shapes.items()}
        right = _Steps([self.reads], self.reads, dtype, span) if here is not None and not here.all() else None
        with np.errstate(all="ignore"):
            for rows in self._together(changed, size):
                steps = _Steps([changed[k] for k in rows], self.reads, dtype, span)
                on = None if here is None else here[rows]
                for s, states in enumerate(self._follow(steps, right, on, self.computed[span], before)):
                    for symbol, series in over_time.items():
                        series[rows, s] = states[symbol]
                for symbol, final in finals.items():
                    final[rows] = states[symbol]
        return over_time, finals

    def _together(self, changed: Sequence[LaneReads], steps: int) -> Iterator[list[int]]:
        """Those that can be computed at once."""
        own = self.reads

        def key(k: int) -> tuple[Any, ...]:
            lane = changed[k]
            kinds = tuple(name for name, read in lane.parameters.items() if read is not own.parameters[name])
            same = lane.x is own.x, *(lane.initial[s] is own.initial[s] for s in own.initial)
            return id(lane.cell), lane.state, lane.of, kinds, same

        weights = sum(int(np.prod(own.sizes(name))) for name in own.parameters)
        values = steps * self.computed.shape[1] * own.cell.gate_count * own.sizes(BIASES[0])[1]
        most = max(1, min(_MOST_WEIGHTS // weights, _MOST_VALUES // values))
        for _, group in groupby(sorted(range(len(changed)), key=key), key):
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

    def in_time(self, hidden: FloatArray, timesteps: int) -> FloatArray:
        """Values (K, S, N, U) in the order of the time steps, (K, T, N, U)."""
        found = np.zeros((len(hidden), timesteps, *hidden.shape[2:]), hidden.dtype)
        found[:, self.stored, np.arange(hidden.shape[2])] = hidden
        return found

    def in_order(self, values: FloatArray) -> FloatArray:
        """Values (K, T, N, U) in the order of computation, (K, S, N, U)."""
        return np.asarray(values[:, self.stored, np.arange(values.shape[2])])
