"""The contributions of the time steps to the gradient of a parameter, and a reader of them as values of a lane."""

from dataclasses import replace

import numpy as np

from rnnviz.core.gradients import GRADIENT, gradient
from rnnviz.core.places import Place
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.engines.base import Progress
from rnnviz.explain.backward_symbols import gate_name
from rnnviz.explain.explanation import contributions_over_time
from rnnviz.explain.lines import Floats
from rnnviz.explain.value_sources import notation
from rnnviz.frozen import dataclass
from rnnviz.reading.gate_lanes import LaneGates
from rnnviz.reading.gates import GateQuantity
from rnnviz.reading.lane_reader import Chunks, MultiscaleReader, Tile
from rnnviz.reading.units import LaneOrders
from rnnviz.verify.metrics import largest_magnitude
from rnnviz.verify.result import RunResult


@dataclass(frozen=True, eq=False)
class Contributions:
    """The contributions of the time steps to the gradient of one number of a parameter, summed over the samples.

    Attributes
    ----------
    engine:
        The engine whose gradients are read.
    parameter:
        The number.
    gate:
        The name of its gate in a gradient; "" of a parameter without gates.
    samples:
        How many samples are summed.
    values:
        (T, U): in the column of a unit those to its number in the same gate and column of the parameter.
    largest:
        The largest finite magnitude.
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
        """The unit of the number."""
        return self.parameter.index[0] % self.values.shape[1]

    def number_of(self, unit: int) -> Place:
        """The number of another unit in the same gate and column."""
        row, *column = self.parameter.index
        return replace(self.parameter, index=(row - self.unit + unit, *column))

    def source(self, where: Location) -> Place:
        """The gradient that the contribution of a step of the lane is a multiple of."""
        return Place.at(gradient(self.gate or "h"), where)


def contributions(
    result: RunResult, parameter: Place, engine: str | None = None, check: Progress = lambda fraction: None
) -> Contributions:
    """The contributions of the time steps to the gradient of a number of a parameter.

    Raises rnnviz.InputError if the engine does not give the gradients.
    """
    engine, kind = result.reference.engine if engine is None else engine, result.inputs.network.kind
    values = contributions_over_time(result, engine, parameter, check)
    gate = ""
    if parameter.name_in_lane not in kind.own_parameters:
        gates = kind.gate_symbols if parameter.name_in_lane.startswith("i2h_") else kind.recurrent_gates
        gate = gate_name(kind, gates[parameter.index[0] // values.shape[1]])
    return Contributions(engine, parameter, gate, result.inputs.batch_size, values, largest_magnitude(values))


class ContributionReader(MultiscaleReader):
    """Contributions as the values of their lane; the other lanes and the input have none."""

    def __init__(
        self,
        result: RunResult,
        found: Contributions,
        sample: int,
        cache: Chunks,
        gates: LaneGates,
        orders: LaneOrders | None,
    ) -> None:
        super().__init__(result, found.engine, None, sample, "value", cache, gates, orders)
        # The name in the cache, which no array of a trace has.
        self._quantity = found.name
        assert self._quantity.startswith(GRADIENT)
        self._found = found

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
