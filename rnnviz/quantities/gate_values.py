"""The gates and states at one place, by unit: computed for the units that are looked at, and not before."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import Location
from rnnviz.quantities.catalog import Quantity
from rnnviz.quantities.gates import GateReader
from rnnviz.verify.result import RunResult

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
