"""Gates and states of a result's engines as lanes: computed for what is shown, and how far they reach."""

from dataclasses import dataclass
from math import floor, log10
from threading import Lock, local

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.quantities.catalog import Quantity, stored_array
from rnnviz.quantities.gates import GateReader
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
        """(T', U') in the trace's dtype; (T', 1) of a norm. The slices have both ends and no step."""
        return self._reader(engine).lane(layer, direction, sample, quantity, times, units)

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
        reader = self._reader(engine)
        largest = 0.0
        for layer in range(layers):
            for direction in range(directions):
                for times in self._looked_at(direction, quantity, exact=exact):
                    values = reader.samples(layer, direction, looked, (quantity,), times, wide)[quantity]
                    largest = max(largest, float(np.abs(values).max(where=np.isfinite(values), initial=0.0)))
        return Extent(largest if exact else _round_above(largest * _BEYOND), exact)

    def _looked_at(self, direction: int, quantity: Quantity, *, exact: bool) -> list[slice]:
        timesteps = self._result.shape[2]
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
