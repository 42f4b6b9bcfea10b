"""One vector of every engine at a place, a hidden state or an input of a step, and its place in `out` and `state`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Network
from rnnviz.core.indexing import out_columns, out_index, out_text, read_after, state_row, state_text
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import ARROWS, Location
from rnnviz.verify.invariants import lanes
from rnnviz.verify.metrics import abs_error, error_ratio_of, tolerance, ulp_distance
from rnnviz.verify.result import RunResult

VectorKind: TypeAlias = Literal["hidden", "cell", "input", "h0", "c0"]
_ARRAYS: dict[VectorKind, str] = {"hidden": "h", "cell": "c"}


@dataclass(frozen=True, eq=False)
class Difference:
    """A candidate's vector compared with the reference's: arrays of shape (n,).

    `signed` is candidate - reference in float64; it is NaN where only one of the two is, and 0 where both are.
    """

    signed: NDArray[np.float64]
    ulp: NDArray[np.uint64]
    error_ratio: NDArray[np.float64]
    mismatched: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Vector:
    """`columns` are (label, values of shape (n,)): engines, the reference first, or the one source that all share.

    `difference` is None where there is nothing to compare.
    """

    columns: tuple[tuple[str, FloatArray], ...]
    difference: Difference | None = None

    def __len__(self) -> int:
        return len(self.columns[0][1]) if self.columns else 0


def difference(reference: FloatArray, candidate: FloatArray, rtol: float, atol: float) -> Difference:
    """Difference of two vectors (H,)."""
    error, limit = abs_error(reference, candidate), tolerance(reference, rtol, atol)
    signed = np.where(candidate < reference, -error, error)
    signed[np.isnan(reference) != np.isnan(candidate)] = np.nan
    return Difference(
        signed, ulp_distance(reference, candidate), error_ratio_of(error, limit), np.asarray(~(error <= limit))
    )


def kinds_at(result: RunResult, where: Location) -> tuple[VectorKind, ...]:
    """Which vectors there are at a place; the initial state only where the step reads it."""
    lstm = result.inputs.network.kind.has_cell_state
    traces = result.traces.values()
    kinds: list[VectorKind] = [kind for kind, name in _ARRAYS.items() if any(name in trace for trace in traces)]
    kinds.append("input")
    if read_after(result.inputs.network, where, result.shape[2]) is None:
        kinds += ["h0", "c0"] if lstm else ["h0"]
    return tuple(kinds)


def vector_at(result: RunResult, candidate: str | None, where: Location, kind: VectorKind) -> Vector:
    """The vector of that kind at a place: (H,) values, or for the input (I,) or (D·H,).

    Engines that do not know the cell states have no column of them, and recordings none for missing values. Above the
    first layer the input is the hidden state of the engine's layer below at the same time step.
    """
    if kind == "h0" or kind == "c0":
        state = result.inputs.initial_state
        array = state.h if kind == "h0" else state.c
        assert array is not None, "kinds_at offers c0 for an LSTM only"
        return Vector((("every engine", array[state_row(result.inputs.network, where), where.sample]),))
    if kind == "input" and where.layer == 0:
        return Vector((("every engine", result.inputs.sequence[where.timestep, where.sample]),))
    columns = tuple(
        (engine, values)
        for engine in _engines(result, candidate)
        if (values := _values(result[engine], where, kind)) is not None
    )
    by_engine = dict(columns)
    reference = result.reference.engine
    if candidate is None or candidate not in by_engine or reference not in by_engine:
        return Vector(columns)
    comparison = result.comparison(candidate)
    return Vector(columns, difference(by_engine[reference], by_engine[candidate], comparison.rtol, comparison.atol))


def _engines(result: RunResult, candidate: str | None) -> list[str]:
    """The reference, the candidate that is compared with it, then the others."""
    first = [result.reference.engine] + ([candidate] if candidate is not None else [])
    return first + [engine for engine in result.traces if engine not in first]


def _values(trace: Trace, where: Location, kind: VectorKind) -> FloatArray | None:
    if kind == "input":
        directions = trace.shape[1]
        if not all(trace.holds(where.layer - 1, direction, where.timestep) for direction in range(directions)):
            return None
        below: FloatArray = trace.hidden[where.layer - 1, :, where.timestep, where.sample]
        return below.reshape(-1)
    if kind == "hidden" and not trace.holds(*where.index[:3]):
        return None
    array = trace.get(_ARRAYS[kind])
    return None if array is None else np.asarray(array[where.index[:-1]])


@dataclass(frozen=True)
class MapPart:
    """A vector in an array: its location, label, and features in the array."""

    where: Location
    text: str
    label: str
    array: str = "h"


@dataclass(frozen=True)
class MapRow:
    """One array of one sample: `out` at a time step, or the final states h or c of all lanes, in the array's order."""

    name: str
    why: str
    parts: tuple[MapPart, ...]


def map_rows(network: Network, here: Location, timesteps: int) -> tuple[MapRow, ...]:
    """`out` at the time step and sample of `here`, state[0], and of an LSTM state[1]."""
    top = network.num_layers - 1
    out = tuple(
        MapPart(where, out_text(network, where), _features(network, direction))
        for direction in range(network.directions)
        for where in (Location(top, direction, here.timestep, here.sample, reverse=network.reverse),)
    )
    rows = [MapRow(out_index(network, here), "Output of the network at the selected time step: the top layer.", out)]
    for cell, array in enumerate(network.kind.state_symbols):
        parts = tuple(
            MapPart(last, state_text(network, last, cell=cell), str(index), array)
            for index, last in enumerate(sorted(lanes(network, timesteps, here.sample)))
        )
        what = {"h": "hidden states", "c": "cell states"}.get(array, f"states {array}")
        why = f"The final {what}, one of each layer and direction."
        rows.append(MapRow(f"state[{cell}]", why, parts))
    return tuple(rows)


def nearest_part(rows: Sequence[MapRow], part: MapPart) -> MapPart | None:
    """The part that is where one was before the arrays changed; None if there are no arrays any more."""
    parts = [other for row in rows for other in row.parts]
    same = [other for other in parts if other.text == part.text]
    lane = [other for other in parts if (other.label, other.array) == (part.label, part.array)]
    return next(iter(same or lane or parts), None)


def lane_label(network: Network, where: Location) -> str:
    """A lane in little room: "layer 1 ←"."""
    return f"layer {lane_number(network, where)}"


def lane_number(network: Network, where: Location) -> str:
    """A lane under a heading that says layer: "1 ←"."""
    several = network.bidirectional or network.reverse
    return f"{where.layer} {ARROWS[network.backward(where.direction)]}" if several else f"{where.layer}"


def _features(network: Network, direction: int) -> str:
    columns = out_columns(network, direction)
    return f"[{columns.start or ''}:{columns.stop}]" if network.bidirectional else f"[:{columns.stop}]"
