"""The weights of one gate that a wrong lane was computed with, solved from its values.

With the other gates right, the hidden values say what the pre-activation of one gate was at every step. Weighted least
squares over the steps gives the rows that were used. They describe an error that no hypothesis explains; that they fit
names no cause, since several wrong gates can look like another one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CELLS
from rnnviz.cells.activations import Activation, relu, sigmoid, tanh
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.engines.known_bugs.hypotheses import EVERY, WEIGHTS, Hypothesis, LaneReads, reading
from rnnviz.frozen import dataclass
from rnnviz.verify.metrics import BoolArray
from rnnviz.verify.wrong_lane import WrongLane

_FITTING, _PRECISE = 3.0, 0.02
"""The largest residual of a gate, in roundings, and the largest standard error of a weight."""

_ROUNDINGS, _UNSURE = 4.0, 0.05
"""How many roundings a hidden value may be off, and the error of a pre-activation from which on it says nothing."""

_ROWS_PER_WEIGHT, _MOST_WORK = 8, 1 << 31
"""How many steps are read for each weight, and the largest number of multiplications."""


@dataclass(frozen=True)
class FittedGate:
    """Other weights of one gate with which a lane follows: the parameters and units that differ. `column` and `by` are
    those of a single weight that does; `rows_of` are the units whose rows these units have, if they have others'."""

    gate: str
    parameters: tuple[str, ...]
    units: tuple[int, ...]
    column: int | None = None
    by: float | None = None
    rows_of: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class _PreActivation:
    """The pre-activation (S, N, H) of a gate that the hidden values imply, with its error; NaN where they do not."""

    value: FloatArray
    error: FloatArray

    @classmethod
    def of(cls, activation: Activation, value: FloatArray, error: FloatArray) -> "_PreActivation":
        """The pre-activation from the value of an activation."""
        if activation == relu:
            return cls(np.where(value > 0.0, value, np.nan), error)
        slope = value * (1.0 - value) if activation == sigmoid else 1.0 - value * value
        argument = np.log(value / (1.0 - value)) if activation == sigmoid else np.arctanh(value)
        error = np.abs(error / slope)
        return cls(np.where(error < _UNSURE, argument, np.nan), error)


def fitted_gate(lane: WrongLane) -> tuple[FittedGate, float] | None:
    """The gate of a lane that was computed with other weights, and how far its first wrong steps are from those with
    them, in limits; None where no gate is, or the steps are too few."""
    if lane.reads.cell not in (CELLS["lstm"], CELLS["gru"], CELLS["rnn_tanh"], CELLS["rnn_relu"]):
        return None
    with np.errstate(all="ignore"):
        found = [found for gate in _implied(lane) if (found := _fitted(lane, *gate)) is not None]
    return min(found, key=lambda each: each[1], default=None)


def _implied(lane: WrongLane) -> Iterator[tuple[str, _PreActivation, FloatArray | None]]:
    """Each gate with its pre-activation if it alone is wrong, and the factor of its recurrent part."""
    reads, e = lane.reads, np.asarray(_ROUNDINGS * max(lane.trace.spacing, lane.trace.eps))
    h, before = reads.after["h"], reads.before("h", reads.after["h"])
    u, v = _parts(reads, "i2h", reads.x), _parts(reads, "h2h", before)
    if reads.cell.name.startswith("rnn"):
        (gate,) = reads.cell.gate_symbols
        yield gate, _PreActivation.of(relu if reads.cell == CELLS["rnn_relu"] else tanh, h, e + 0.0 * h), None
    elif reads.cell.name == "gru":
        r, z = (sigmoid.values(u[gate] + v[gate]) for gate in "rz")
        n = tanh.values(u["n"] + r * v["n"])
        other = (h - z * before) / (1.0 - z)
        yield "z", _PreActivation.of(sigmoid, (h - n) / (before - n), e / np.abs(before - n)), None
        yield "n", _PreActivation.of(tanh, other, e / (1.0 - z)), r
        argument = _PreActivation.of(tanh, other, e / (1.0 - z))
        yield "r", _PreActivation.of(sigmoid, (argument.value - u["n"]) / v["n"], argument.error / np.abs(v["n"])), None
    else:
        i, f, o = (sigmoid.values(u[gate] + v[gate]) for gate in "ifo")
        g = tanh.values(u["g"] + v["g"])
        carried = reads.after.get("c", lane.states["c"])
        yield "o", _PreActivation.of(sigmoid, h / tanh.values(carried), e / np.abs(tanh.values(carried))), None
        now = _PreActivation.of(tanh, h / o, e / o)
        if "c" in reads.after:
            now = _PreActivation(reads.after["c"], e + 0.0 * h)
        c, past = now.value, reads.before("c", now.value)
        error = now.error + np.concatenate([0.0 * now.error[:1], now.error[:-1]])
        yield "f", _PreActivation.of(sigmoid, (c - i * g) / past, error / np.abs(past)), None
        yield "i", _PreActivation.of(sigmoid, (c - f * past) / g, error / np.abs(g)), None
        yield "g", _PreActivation.of(tanh, (c - f * past) / i, error / i), None


def _parts(reads: LaneReads, kind: str, read: FloatArray) -> dict[str, FloatArray]:
    """The input parts or the recurrent parts (S, N, H) by gate."""
    weight, bias = (reads.parameters[f"{kind}_{part}"](EVERY) for part in ("weight", "bias"))
    return {gate: read @ weight[k].T + bias[k] for k, gate in enumerate(reads.gates(f"{kind}_weight"))}


def _fitted(
    lane: WrongLane, gate: str, implied: _PreActivation, factor: FloatArray | None
) -> tuple[FittedGate, float] | None:
    """The rows of a gate that give its pre-activations, where they do."""
    reads, k = lane.reads, lane.reads.cell.gate_symbols.index(gate)
    width = reads.after["h"].shape[-1]
    units = np.flatnonzero(lane.wrong.any(axis=(0, 1))[:width])
    weights = [reads.parameters[name](EVERY)[k] for name in WEIGHTS]
    biases = [reads.parameters[name](EVERY)[k][:, np.newaxis] for name in ("i2h_bias", "h2h_bias")]
    own = np.concatenate([*weights, *(biases if factor is not None else [sum(biases, np.zeros(1))])], axis=1)
    count = own.shape[1]
    if len(units) * _ROWS_PER_WEIGHT * count**3 > _MOST_WORK:
        return None
    rows, errors = own.copy(), np.zeros_like(own)
    for unit in units:
        found = _solved(lane, implied, factor, unit, count)
        if found is None:
            return None
        rows[unit], errors[unit] = found
    differs = np.abs(rows - own) > np.maximum(3.0 * errors, 1e-5)
    sources = _sources(own, rows, errors, units)
    changed = rows if not sources else np.where(np.isin(np.arange(width), units)[:, np.newaxis], 0.0, own)
    for unit, source in zip(units, sources, strict=False):
        changed[unit] = own[source]
    distance = next(lane.distances([Hypothesis("", lambda reads: _with_rows(reads, k, changed, own))]))
    return _described(gate, reads.x.shape[-1], width, differs, rows - own, sources), distance


def _solved(
    lane: WrongLane, implied: _PreActivation, factor: FloatArray | None, unit: int, count: int
) -> tuple[FloatArray, FloatArray] | None:
    """The row of a unit and its standard errors; None where it does not fit or is not determined."""
    known = np.isfinite(implied.value[..., unit]) & lane.computed
    if known.sum() < 2 * count:
        return None
    at = tuple(axis[: _ROWS_PER_WEIGHT * count] for axis in np.nonzero(known))
    before, ones = lane.reads.before("h", lane.reads.after["h"])[at], np.ones((len(at[0]), 1))
    columns = [lane.reads.x[at], before, ones]
    if factor is not None:
        scale = factor[(*at, unit)][:, np.newaxis]
        columns = [columns[0], scale * before, ones, scale]
    weight = 1.0 / np.maximum(implied.error[(*at, unit)], 1e-12)
    a, y = np.concatenate(columns, axis=1) * weight[:, np.newaxis], implied.value[(*at, unit)] * weight
    row = np.linalg.lstsq(a, y, rcond=None)[0]
    residual = float(np.sqrt(np.sum((a @ row - y) ** 2) / (len(y) - count)))
    errors = np.sqrt(np.abs(np.diag(np.linalg.pinv(a.T @ a))))
    return (row, errors) if residual <= _FITTING and errors.max() < _PRECISE else None


def _sources(own: FloatArray, rows: FloatArray, errors: FloatArray, units: NDArray[np.intp]) -> tuple[int, ...]:
    """The units whose rows the fitted ones are; () where others have none of these."""
    found = []
    for unit in units:
        near = (np.abs(own - rows[unit]) <= np.maximum(3.0 * errors[unit], 1e-5)).all(axis=1)
        found += np.flatnonzero(near)[:1].tolist()
    return tuple(found) if len(found) == len(units) and found != units.tolist() else ()


def _with_rows(reads: LaneReads, k: int, rows: FloatArray, own: FloatArray) -> LaneReads:
    """The lane with other rows of its gate `k`: [i2h weights, h2h weights, biases]."""
    ends = np.cumsum([reads.sizes(name)[-1] for name in WEIGHTS])
    i2h, h2h, biases = np.split(rows, ends, axis=1)
    shift = biases - own[:, ends[-1] :]
    changed = {name: np.array(read(EVERY), np.float64) for name, read in reads.parameters.items()}
    changed["i2h_weight"][k], changed["h2h_weight"][k] = i2h, h2h
    changed["i2h_bias"][k] += shift[:, 0]
    changed["h2h_bias"][k] += shift[:, 1] if shift.shape[1] > 1 else 0.0
    return replace(reads, parameters={name: reading(array) for name, array in changed.items()})


def _described(
    gate: str, inputs: int, width: int, differs: BoolArray, change: FloatArray, sources: Sequence[int]
) -> FittedGate:
    kinds = np.array(["i2h_weight"] * inputs + ["h2h_weight"] * width + ["i2h_bias", "h2h_bias"])[: differs.shape[1]]
    units, columns = np.nonzero(differs)
    parameters = tuple(dict.fromkeys(kinds[columns].tolist()))
    every = tuple(np.unique(units).tolist())
    if len(units) != 1:
        return FittedGate(gate, parameters, every, rows_of=tuple(sources))
    column = int(columns[0]) - (inputs if parameters == ("h2h_weight",) else 0)
    by = float(change[units[0], columns[0]])
    return FittedGate(gate, parameters, every, column if parameters[0] in WEIGHTS else None, by)
