"""Gates, states and changes of one unit over the whole sequence, and of one time step by unit.

They are computed block by block, for the units that are looked at, and not before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray, release_pages
from rnnviz.core.trace_index import Location
from rnnviz.quantities.catalog import Quantity
from rnnviz.quantities.gates import GateReader
from rnnviz.verify.result import RunResult

_BLOCK = 2048


@dataclass(frozen=True)
class SeriesKey:
    """Which series: of which engine, lane, sample and unit, and by which quantity."""

    engine: str
    layer: int
    direction: int
    sample: int
    unit: int
    quantity: Quantity


def series_key(engine: str, where: Location, unit: int, quantity: Quantity) -> SeriesKey:
    """The series of a unit in the lane and sample of a place."""
    return SeriesKey(engine, where.layer, where.direction, where.sample, unit, quantity)


def series_effort(result: RunResult, key: SeriesKey) -> int:
    """About how many numbers have to be read and multiplied for a series."""
    network = result.inputs.network
    return result.shape[2] * (network.layer_input_size(key.layer) + network.output_size)


def gate_series(result: RunResult, key: SeriesKey, check: Callable[[], None]) -> FloatArray:
    """(T,) in the trace's dtype; `check` is called between blocks, and may raise what ends the work."""
    trace, timesteps = result[key.engine], result.shape[2]
    reader = GateReader(result.inputs, trace)
    values = np.empty(timesteps, trace.hidden.dtype)
    starts = range(0, timesteps, _BLOCK)
    # In the order of computation, in which a cell state is carried from block to block.
    for start in reversed(starts) if trace.backward(key.direction) else starts:
        check()
        times = slice(start, min(start + _BLOCK, timesteps))
        lane = key.layer, key.direction, key.sample
        values[times] = reader.lane(*lane, key.quantity, times, slice(key.unit, key.unit + 1))[:, 0]
        release_pages(trace.hidden[key.layer, key.direction, times])
    return values


_UNITS = 64
"""This many units are computed together: about as many as a table has in sight."""


class GateVector:
    """Gates and states of an engine at one time step of a lane."""

    def __init__(self, read: Callable[[Quantity, slice], FloatArray], units: int) -> None:
        self._read, self._size = read, units
        self._known: dict[tuple[Quantity, int], FloatArray] = {}

    def value(self, quantity: Quantity, unit: int) -> np.floating[Any]:
        """One unit's, in the trace's precision."""
        block = unit // _UNITS
        if (quantity, block) not in self._known:
            units = slice(block * _UNITS, min((block + 1) * _UNITS, self._size))
            self._known[quantity, block] = self._read(quantity, units)
        value: np.floating[Any] = self._known[quantity, block][unit - block * _UNITS]
        return value


class GateVectors:
    """The gate vectors of one result's reference; keeps what it needs for the next one."""

    def __init__(self, result: RunResult) -> None:
        self.result = result
        self._reader = GateReader(result.inputs, result.reference)

    def at(self, where: Location) -> GateVector:
        """The one at a place."""
        times = slice(where.timestep, where.timestep + 1)

        def read(quantity: Quantity, units: slice) -> FloatArray:
            lane = where.layer, where.direction, where.sample
            return np.asarray(self._reader.lane(*lane, quantity, times, units)[0])

        return GateVector(read, self.result.shape[4])
