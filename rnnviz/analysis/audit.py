"""The step audit: every step of an engine is checked by itself.

From the engine's own previous state and its own layer input, the next hidden vector is computed in float64 and
must be met within eight running rounding bounds (`running_error`). Errors of earlier steps do not add up, so the
audit tells which of two engines is wrong, and a chaotic network, in which two right engines drift apart, is still
found right. The cell state of an LSTM is the exception: it is not part of a trace, so it is carried along in
float64, and so is its bound.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.analysis.audit_plan import Columns, plan_lane
from rnnviz.analysis.compare import Comparison
from rnnviz.analysis.running_error import ALLOWED, Running, exact
from rnnviz.analysis.step import AuditedLayer, audited_layer, lstm_cell, lstm_gates, lstm_hidden, next_hidden
from rnnviz.model.arrays import FloatArray
from rnnviz.model.inputs import Inputs
from rnnviz.model.location import Location
from rnnviz.model.trace import Trace

_BLOCK_VALUES = 1 << 19


@dataclass(frozen=True)
class WrongStep:
    """A step outside its bound: what the engine has there, and what the step gives from the engine's own state."""

    where: Location
    value: float
    expected: float


@dataclass(frozen=True)
class Audit:
    """What the audit of one engine found.

    `worst_ratio` is the largest |h - step| / bound, infinite where a NaN or an infinity is out of place;
    `coverage` the fraction of hidden values that were looked at. `ratio_over_time` and `error_over_time`, both
    (L, D, T), hold the largest ratio and the largest |h - step| of each lane and timestep.
    """

    engine: str
    worst_ratio: float
    worst_at: Location
    wrong: int
    first_wrong: WrongStep | None
    audited: int
    elements: int
    ratio_over_time: NDArray[np.float64] = field(repr=False)
    error_over_time: NDArray[np.float64] = field(repr=False)

    @property
    def verdict(self) -> str:
        """ "right", or "wrong" if a step is outside its bound."""
        return "wrong" if self.wrong else "right"

    @property
    def coverage(self) -> float:
        """The fraction of hidden values that were looked at, 0 to 1."""
        return self.audited / self.elements


def audit(
    inputs: Inputs,
    trace: Trace,
    comparisons: Sequence[Comparison] = (),
    *,
    full: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> Audit:
    """Audit one engine's trace, all of it if `full` or if it is small; see `audit_plan` for what else."""
    layers, directions, *_ = trace.shape
    tally = _Tally(trace.shape)
    near = _violations(trace.engine, comparisons)
    with np.errstate(all="ignore"):
        for layer in range(layers):
            for direction in range(directions):
                lane = layer * directions + direction
                plan = plan_lane(trace.shape, None if near is None else near[layer, direction], full=full)
                whole = sum(columns.count for columns in plan)
                before = 0
                for columns in plan:
                    for done in _audit_columns(inputs, trace, layer, direction, columns, tally):
                        progress((lane + (before + done * columns.count) / whole) / (layers * directions))
                    before += columns.count
    return tally.audit(trace)


def _violations(engine: str, comparisons: Sequence[Comparison]) -> NDArray[Any] | None:
    """(L, D, N, H): the largest violation of each column in the comparisons that the engine takes part in."""
    own = [c.violation_by_column for c in comparisons if engine in (c.reference, c.candidate)]
    return np.maximum.reduce(own) if own else None


def _audit_columns(
    inputs: Inputs, trace: Trace, layer: int, direction: int, columns: Columns, tally: "_Tally"
) -> Iterator[float]:
    """Follow columns of one lane through time, block by block, and yield the fraction that is done."""
    network = inputs.network
    prepared = audited_layer(
        network.cell, network.kind.gate_count, inputs.parameters.layer(layer, direction), columns.units
    )
    k = layer * network.directions + direction
    own = np.ix_(columns.samples, columns.units)
    c = None
    if inputs.initial_state.c is not None:
        c = exact(inputs.initial_state.c[k][own].astype(np.float64), prepared.eps)
    for times in _blocks(inputs, columns, backward=direction == 1):
        x = _layer_input(inputs, trace, layer, times, columns)
        before = _previous(inputs, trace, layer, direction, times, columns)
        h = np.asarray(trace.hidden[layer, direction, times])[:, columns.samples][:, :, columns.units]
        if c is None:
            step = _recurrent_block(prepared, x, before, columns)
        else:
            step, c = _lstm_block(prepared, x, before, c, backward=direction == 1)
        odd = ~(np.isfinite(x).all(axis=2) & np.isfinite(before).all(axis=2))
        tally.add(layer, direction, times, columns, h, step, odd)
        yield (inputs.timesteps - times.start if direction else times.stop) / inputs.timesteps


def _blocks(inputs: Inputs, columns: Columns, *, backward: bool) -> Iterator[slice]:
    """Slices of time in the order of computation, small enough for the temporaries to stay in the cache."""
    widest = max(inputs.network.kind.gate_count * len(columns.units), inputs.network.hidden_size)
    length = max(1, _BLOCK_VALUES // (len(columns.samples) * widest))
    starts = range(0, inputs.timesteps, length)
    for start in reversed(starts) if backward else starts:
        yield slice(start, min(start + length, inputs.timesteps))


def _layer_input(inputs: Inputs, trace: Trace, layer: int, times: slice, columns: Columns) -> FloatArray:
    """(B, S, I): the sequence, or what the engine itself computed in the layer below."""
    if layer == 0:
        return inputs.sequence[times][:, columns.samples]
    below = [np.asarray(lane[times])[:, columns.samples] for lane in trace.hidden[layer - 1]]
    return np.concatenate(below, axis=-1)


def _previous(inputs: Inputs, trace: Trace, layer: int, direction: int, times: slice, columns: Columns) -> FloatArray:
    """(B, S, H): the engine's own hidden vector before each step; before the first one, the initial state."""
    lane = trace.hidden[layer, direction]
    h0 = inputs.initial_state.h[layer * inputs.network.directions + direction][columns.samples][np.newaxis]
    if direction:
        after = np.asarray(lane[times.start + 1 : times.stop + 1])[:, columns.samples]
        return np.concatenate([after, h0]) if times.stop == len(lane) else after
    if times.start == 0:
        return np.concatenate([h0, np.asarray(lane[: times.stop - 1])[:, columns.samples]])
    return np.asarray(lane[times.start - 1 : times.stop - 1])[:, columns.samples]


def _recurrent_block(layer: AuditedLayer, x: FloatArray, before: FloatArray, columns: Columns) -> Running:
    steps, samples, _ = x.shape
    own = before[:, :, columns.units].astype(np.float64).reshape(steps * samples, -1)
    h = next_hidden(layer, x.reshape(steps * samples, -1), before.reshape(steps * samples, -1), own)
    return Running(h.value.reshape(steps, samples, -1), h.bound.reshape(steps, samples, -1), h.eps)


def _lstm_block(
    layer: AuditedLayer, x: FloatArray, before: FloatArray, c: Running, *, backward: bool
) -> tuple[Running, Running]:
    """h of a block (B, S, U), and the cell state that the next block starts from (S, U)."""
    steps, samples, _ = x.shape
    f, i_g, o = (
        Running(v.value.reshape(steps, samples, -1), v.bound.reshape(steps, samples, -1), v.eps)
        for v in lstm_gates(layer, x.reshape(steps * samples, -1), before.reshape(steps * samples, -1))
    )
    cells = Running(np.empty_like(f.value), np.empty_like(f.bound), f.eps)
    for t in reversed(range(steps)) if backward else range(steps):
        c = lstm_cell(_at(f, t), _at(i_g, t), c)
        cells.value[t], cells.bound[t] = c.value, c.bound
    return lstm_hidden(o, cells), c


def _at(running: Running, t: int) -> Running:
    return Running(running.value[t], running.bound[t], running.eps)


class _Tally:
    """The running figures of one audit."""

    def __init__(self, shape: tuple[int, int, int, int, int]) -> None:
        self._ratio_over_time = np.zeros(shape[:3])
        self._error_over_time = np.zeros(shape[:3])
        self._worst, self._worst_at = -1.0, Location()
        self._wrong = self._audited = 0
        self._first: tuple[tuple[int, ...], WrongStep] | None = None

    def add(
        self,
        layer: int,
        direction: int,
        times: slice,
        columns: Columns,
        h: FloatArray,
        step: Running,
        odd: NDArray[np.bool_],
    ) -> None:
        """Count a block: h and step are (B, S, U); `odd` (B, S) says where an operand was not finite."""
        error = np.abs(h - step.value)
        ratio = error / step.bound
        _settle_nonfinite(error, ratio, h, step, odd)
        at = layer, direction, times
        self._ratio_over_time[at] = np.maximum(self._ratio_over_time[at], ratio.max(axis=(1, 2)))
        self._error_over_time[at] = np.maximum(self._error_over_time[at], error.max(axis=(1, 2)))
        self._audited += h.size
        flat = int(ratio.argmax())
        if ratio.flat[flat] > self._worst:
            self._worst = float(ratio.flat[flat])
            self._worst_at = _location(layer, direction, times, columns, np.unravel_index(flat, ratio.shape))
        wrong = ratio > ALLOWED
        if wrong.any():
            self._wrong += int(wrong.sum())
            self._first_wrong(layer, direction, times, columns, h, step, wrong)

    def _first_wrong(
        self,
        layer: int,
        direction: int,
        times: slice,
        columns: Columns,
        h: FloatArray,
        step: Running,
        wrong: NDArray[np.bool_],
    ) -> None:
        steps = np.flatnonzero(wrong.any(axis=(1, 2)))
        t = int(steps[-1] if direction else steps[0])
        sample, unit = (int(i) for i in np.argwhere(wrong[t])[0])
        where = _location(layer, direction, times, columns, (t, sample, unit))
        order = layer, direction, -where.timestep if direction else where.timestep, where.sample, where.unit
        if self._first is None or order < self._first[0]:
            index = t, sample, unit
            self._first = order, WrongStep(where, float(h[index]), float(step.value[index]))

    def audit(self, trace: Trace) -> Audit:
        """The figures, once every block has been counted."""
        return Audit(
            engine=trace.engine,
            worst_ratio=max(self._worst, 0.0),
            worst_at=self._worst_at,
            wrong=self._wrong,
            first_wrong=None if self._first is None else self._first[1],
            audited=self._audited,
            elements=trace.hidden.size,
            ratio_over_time=self._ratio_over_time,
            error_over_time=self._error_over_time,
        )


def _location(layer: int, direction: int, times: slice, columns: Columns, index: Sequence[Any]) -> Location:
    t, sample, unit = (int(i) for i in index)
    return Location(layer, direction, times.start + t, int(columns.samples[sample]), int(columns.units[unit]))


def _settle_nonfinite(
    error: FloatArray, ratio: FloatArray, h: FloatArray, step: Running, odd: NDArray[np.bool_]
) -> None:
    """Decide where arithmetic on NaN and infinity does not.

    From an operand that is not finite, the step's NaN or infinity is as definite as a number, and the engine
    must have the same. From finite operands whose sum leaves the working precision's range, an infinite bound
    says that nothing can be known.
    """
    strange = ~np.isfinite(ratio) | ~np.isfinite(step.bound)
    if not strange.any():
        return
    same = (h == step.value) | (np.isnan(h) & np.isnan(step.value))
    definite = odd[..., np.newaxis] | np.isfinite(step.bound)
    verdict = np.where(same | ~definite, 0.0, np.inf)
    np.copyto(ratio, verdict, where=strange)
    np.copyto(error, verdict, where=strange & ~np.isfinite(error))
