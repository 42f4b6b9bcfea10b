"""Gates and states of a result's engines where they are shown: of a part of the lanes, of a unit over time, of a step.

They are computed block by block, for what is looked at, and not before.
"""

from collections.abc import Callable
from math import floor, log10
from threading import Lock, local
from typing import Any

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray, release_pages
from rnnviz.core.trace_index import Location
from rnnviz.frozen import dataclass
from rnnviz.reading.gates import GateReader, Quantity, is_gradient, stored_array
from rnnviz.verify.result import RunResult

_EXACTLY = 1 << 24
"""With at most this many products in all, a quantity is looked at everywhere to find out how far it reaches."""
_SAMPLED_TIMES, _SAMPLED_UNITS, _SAMPLES = 48, 64, 2
_BEYOND = 1.25
"""How much farther than what was looked at a quantity may reach, it is supposed."""
_PRODUCTS_A_READ = 64.0
"""This many products take about as long as reading, reducing and coloring one value."""


@dataclass(frozen=True)
class Extent:
    """The largest finite magnitude of a quantity; not `exact` if it was looked at in a few places only."""

    largest: float
    exact: bool


class LaneGates:
    """The gates, states, changes and norms of all lanes of a result, which any thread may read.

    Each thread keeps what it needs for the next look at the engine that it looked at last.
    """

    def __init__(self, result: RunResult) -> None:
        self._result = result
        self._of_thread = local()
        self._extents: dict[tuple[str, Quantity], Extent] = {}
        self._lock = Lock()

    def read(
        self, engine: str, layer: int, direction: int, sample: int, quantity: Quantity, times: slice, units: slice
    ) -> FloatArray:
        """(T', U') in the trace's dtype; (T', 1) of a norm. The slices have both ends and no step.

        Padding is 0, as in a trace.
        """
        values = self._reader(engine).lane(layer, direction, sample, quantity, times, units)
        values[max(0, self._result.inputs.length(sample) - times.start) :] = 0
        return values

    def effort(self, engine: str, layer: int, quantity: Quantity) -> float:
        """How much longer it takes to compute one number than to read one value."""
        network = self._result.inputs.network
        match quantity:
            case "change":
                return 1.0
            case "norm":
                return network.output_size / 4.0
            case "c" if stored_array(quantity, self._result[engine]) is not None:
                return 1.0
        products = network.layer_input_size(layer) + network.output_size
        return products * {"c": 3, "n": 2, "pre_n": 2}.get(quantity, 1) / _PRODUCTS_A_READ

    def extent(self, engine: str, quantity: Quantity) -> Extent:
        """How far a quantity reaches from 0 in any lane and sample, found once and quickly.

        In a large result some time steps, units and samples are looked at, and a round number is reported that lies a
        little above.
        """
        if is_gradient(quantity):
            return Extent(self._result.extents.get(f"{engine}.{quantity}", 0.0), exact=True)
        key = engine, quantity
        with self._lock:
            if key not in self._extents:
                self._extents[key] = self._measured(engine, quantity)
            return self._extents[key]

    def _measured(self, engine: str, quantity: Quantity) -> Extent:
        layers, directions, timesteps, samples, units = self._result.shape
        effort = max(self.effort(engine, layer, quantity) for layer in range(layers)) * _PRODUCTS_A_READ
        exact = layers * directions * timesteps * samples * units * effort <= _EXACTLY
        looked = slice(0, samples if exact else min(samples, _SAMPLES))
        wide = slice(0, units if exact else min(units, _SAMPLED_UNITS))
        longest = max(map(self._result.inputs.length, range(looked.stop)))
        reader = self._reader(engine)
        largest = 0.0
        for layer in range(layers):
            for direction in range(directions):
                for times in self._looked_at(direction, quantity, longest, exact=exact):
                    values = reader.samples(layer, direction, looked, (quantity,), times, wide)[quantity]
                    largest = max(largest, float(np.abs(values).max(where=np.isfinite(values), initial=0.0)))
        return Extent(largest if exact else _round_above(largest * _BEYOND), exact)

    def _looked_at(self, direction: int, quantity: Quantity, timesteps: int, *, exact: bool) -> list[slice]:
        if exact or timesteps <= _SAMPLED_TIMES:
            return [slice(0, timesteps)]
        # A cell state is followed from its first step on: one that lies far from it would take long.
        first = (
            slice(timesteps - _SAMPLED_TIMES, timesteps)
            if self._result.inputs.network.backward(direction)
            else slice(0, _SAMPLED_TIMES)
        )
        if quantity == "c":
            return [first]
        third = _SAMPLED_TIMES // 3
        starts = (0, (timesteps - third) // 2, timesteps - third)
        return [slice(start, start + third) for start in starts]

    def _reader(self, engine: str) -> GateReader:
        kept: tuple[str, GateReader] | None = getattr(self._of_thread, "reader", None)
        if kept is None or kept[0] != engine:
            kept = self._of_thread.reader = engine, GateReader(self._result.inputs, self._result[engine])
        return kept[1]


def _round_above(value: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, 50, ... and their tenths, hundredths, ... that is not below a number."""
    if value <= 0.0 or not np.isfinite(value):
        return value
    power = 10.0 ** floor(log10(value))
    return next((factor * power for factor in (1.0, 2.0, 5.0) if value <= factor * power), 10.0 * power)


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
    return SeriesKey(engine, where.layer, where.direction, where.sample, unit, quantity)


def series_effort(result: RunResult, key: SeriesKey) -> int:
    """About how many numbers have to be read and multiplied for a series."""
    network = result.inputs.network
    return result.shape[2] * (network.layer_input_size(key.layer) + network.output_size)


def gate_series(result: RunResult, key: SeriesKey, check: Callable[[], None]) -> FloatArray:
    """(T,) in the trace's dtype, NaN in padding; `check` is called between blocks, and may raise to end the work."""
    trace, timesteps = result[key.engine], result.shape[2]
    reader = GateReader(result.inputs, trace)
    values = np.empty(timesteps, trace.hidden.dtype)
    starts = range(0, timesteps, _BLOCK)
    # In the order of computation, in which a cell state is carried from block to block.
    for start in reversed(starts) if trace.places.backward(key.direction) else starts:
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
        times = slice(where.timestep, where.timestep + 1)

        def read(quantity: Quantity, units: slice) -> FloatArray:
            lane = where.layer, where.direction, where.sample
            return np.asarray(self._reader.lane(*lane, quantity, times, units)[0])

        return GateVector(read, self.result.shape[4])
