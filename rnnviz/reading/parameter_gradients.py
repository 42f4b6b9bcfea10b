"""Gradients of parameters and initial states: each array's largest error, its entries, and contributions over time."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.gradients import GRADIENT, OF_PARAMETERS, gradient
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.engines.base import Progress
from rnnviz.explain.lines import Floats
from rnnviz.explain.value_sources import notation
from rnnviz.frozen import dataclass
from rnnviz.reading.arrays import ResultReader
from rnnviz.reading.lane_reader import LaneReader, Tile
from rnnviz.reading.quantities import GateQuantity
from rnnviz.reading.units import LaneOrders
from rnnviz.verify.compare import ArrayComparison
from rnnviz.verify.metrics import abs_error, error_ratio_of, largest_magnitude, tolerance
from rnnviz.verify.result import RunResult

LISTED = 1000
"""Limit of the listed entries of an array."""
_BLOCK_VALUES = 1 << 20


@dataclass(frozen=True)
class ArrayRow:
    """One array: `largest` is the largest magnitude by `engine`, and `comparison` None if only one engine has it."""

    name: str
    shape: tuple[int, ...]
    engine: str
    largest: float
    comparison: ArrayComparison | None

    @property
    def title(self) -> str:
        """The name of the parameter, or of the gradient of an initial state."""
        return self.name.removeprefix(OF_PARAMETERS)


@dataclass(frozen=True, eq=False)
class Entries:
    """The entries of one array by error or magnitude: `index` (K, axes), others (K,), None if not compared."""

    row: ArrayRow
    index: NDArray[np.int64]
    reference: FloatArray
    candidate: FloatArray | None = None
    error: NDArray[np.float64] | None = None
    error_ratio: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.index)


def array_rows(result: RunResult, candidate: str | None) -> list[ArrayRow]:
    """The arrays that the reference has, or else any engine: the largest error ratio first."""
    engine = next((name for name in (result.reference.engine, *result.traces) if result[name].has_gradients), None)
    if engine is None:
        return []
    compared: Mapping[str, ArrayComparison] = {} if candidate is None else result.comparison(candidate)
    over_time = result[engine].gradients_over_time()
    rows = [
        ArrayRow(name, array.shape, engine, result.extents.get(f"{engine}.{name}", 0.0), compared.get(name))
        for name, array in result[engine].items()
        if name.startswith(GRADIENT) and name not in over_time
    ]

    def rank(row: ArrayRow) -> float:
        own = row.comparison
        return -1.0 if own is None else np.inf if own.nonfinite_apart else own.max_error_ratio

    return sorted(rows, key=rank, reverse=True)


def entries_of(result: RunResult, row: ArrayRow, check: Callable[[], None]) -> Entries:
    """The `LISTED` entries of the largest errors, and of equal ones of the largest magnitudes; `check` may raise."""
    size = result[row.engine][row.name].size
    found = np.zeros(0, np.int64)
    for start in range(0, size, _BLOCK_VALUES):
        check()
        block = np.concatenate([found, np.arange(start, min(start + _BLOCK_VALUES, size))])
        entries = _entries(result, row, block)
        keys = [np.abs(entries.reference.astype(np.float64))]
        if entries.error_ratio is not None:
            keys.append(entries.error_ratio)
        # NaN is the largest.
        order = np.lexsort([-np.where(np.isnan(key), np.inf, key) for key in keys])
        found = block[order[:LISTED]]
    return _entries(result, row, found)


def _entries(result: RunResult, row: ArrayRow, places: NDArray[np.int64]) -> Entries:
    """The entries at some places of an array, in this order."""
    index = np.stack(np.unravel_index(places, row.shape), axis=-1).astype(np.int64)
    r, comparison = np.asarray(result[row.engine][row.name].reshape(-1)[places]), row.comparison
    if comparison is None:
        return Entries(row, index, r)
    c = np.asarray(result[comparison.candidate][row.name].reshape(-1)[places])
    error = abs_error(r, c)
    return Entries(row, index, r, c, error, error_ratio_of(error, tolerance(r, comparison.rtol, comparison.atol)))


@dataclass(frozen=True, eq=False)
class Contributions:
    """The contributions (T, U) of time steps to gradients of a parameter's numbers in a gate and column, by unit.

    `gate` is the gate's name in a gradient, "" of a parameter without gates; `largest` the largest finite magnitude.
    """

    engine: str
    parameter: Place
    gate: str
    samples: int
    values: Floats
    largest: float

    @property
    def name(self) -> str:
        """The gradient that the contributions sum to, such as "grad.l0_i2h_weight[3, 2]"."""
        return notation(self.parameter.gradient)

    @property
    def quantity(self) -> GateQuantity:
        return GateQuantity(self.name, "contribution of each time step")

    @property
    def lane(self) -> Lane:
        return self.parameter.lane or INPUT

    @property
    def unit(self) -> int:
        return self.parameter.index[0] % self.values.shape[1]

    def number_of(self, unit: int) -> Place:
        row, *column = self.parameter.index
        return replace(self.parameter, index=(row - self.unit + unit, *column))

    def source(self, where: Location) -> Place:
        """The gradient that the contribution of a step of the lane is a multiple of."""
        return Place.at(gradient(self.gate or "h"), where)


def contributions(
    result: RunResult, parameter: Place, engine: str | None = None, check: Progress = lambda fraction: None
) -> Contributions:
    """The contributions of time steps to a number's gradient; rnnviz.InputError if the engine lacks gradients."""
    from rnnviz.explain.backward_symbols import gate_name
    from rnnviz.explain.explanation import contributions_over_time

    engine, kind = result.reference.engine if engine is None else engine, result.inputs.network.kind
    values = contributions_over_time(result, engine, parameter, check)
    gate = ""
    if parameter.name_in_lane not in kind.own_parameters:
        gates = kind.gate_symbols if parameter.name_in_lane.startswith("i2h_") else kind.recurrent_gates
        gate = gate_name(kind, gates[parameter.index[0] // values.shape[1]])
    return Contributions(engine, parameter, gate, result.inputs.batch_size, values, largest_magnitude(values))


class ContributionReader(LaneReader):
    """Contributions as the values of their lane; the other lanes and the input have none."""

    def __init__(
        self, result: RunResult, found: Contributions, sample: int, arrays: ResultReader, orders: LaneOrders | None
    ) -> None:
        super().__init__(result, found.engine, None, sample, "value", arrays, orders)
        # The name in the cache, which no array of a trace has.
        self._quantity, self._found = found.name, found

    def shape(self, lane: Lane) -> tuple[int, int]:
        timesteps, units = super().shape(lane)
        return timesteps, self._found.values.shape[1] if lane == self._found.lane else units

    def cells(self, lane: Lane, times: slice, units: slice) -> Tile:
        if lane != self._found.lane:
            return Tile(np.zeros((units.stop - units.start, times.stop - times.start)), None)
        return Tile(np.ascontiguousarray(self._found.values[times, units].T), None)

    @property
    def length(self) -> int:
        """The number of time steps of the longest sample, for the samples are summed."""
        return max(map(self._result.inputs.length, range(self._found.samples)))

    def recorded(self, lane: Lane) -> range:
        return range(self._result.shape[2] if lane == self._found.lane else 0)
