"""Arrays of engines by name: stored ones, and gates, pre-activations and states that are computed from its hidden
states and the true parameters in float64, for what is looked at."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from math import floor, log10
from threading import Lock, local
from typing import Any, NamedTuple

import numpy as np

from rnnviz.cells.interpreters.arrays import ArrayBlock, ArrayLayer
from rnnviz.cells.interpreters.graph import PRODUCTS, Node
from rnnviz.core.byte_cache import ByteCache
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray, release_pages
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location, padding_mask, time_blocks
from rnnviz.explain.lines import Floats
from rnnviz.frozen import dataclass
from rnnviz.reading.quantities import PRE, Quantity, gate_quantities, gradient_quantities, is_gradient, stored_array
from rnnviz.steps.inputs import layer_input, previous_hidden, previous_state
from rnnviz.steps.states import CellStates, SampleUnitBlock
from rnnviz.verify.metrics import largest_magnitude
from rnnviz.verify.result import RunResult

NAN = float("nan")
_BLOCK_VALUES = 1 << 18
_EXPORTED_VALUES = 1 << 20


class ArrayReader:
    """The arrays of one engine's trace, stored or computed; keeps the weights and cell states that it needed last."""

    def __init__(self, inputs: Inputs, trace: Trace) -> None:
        self.inputs, self.trace = inputs.of_engine(trace.engine), trace
        self.cell, self.graph = inputs.network.kind, inputs.network.graph
        self._rows: ByteCache[tuple[int, int, str, int, int], dict[str, tuple[Floats, Floats]]] = ByteCache("weights")

    @cached_property
    def cell_states(self) -> CellStates:
        return CellStates(self.inputs, self.trace, blocks=self._block)

    def lane(
        self, layer: int, direction: int, sample: int, name: Quantity, times: slice, units: slice, padding: float = NAN
    ) -> FloatArray:
        """(T', U') in the trace's dtype: a quantity of one lane; (T', 1), if it is not per unit."""
        return self.samples(layer, direction, slice(sample, sample + 1), (name,), times, units, padding)[name][:, 0]

    def samples(
        self,
        layer: int,
        direction: int,
        samples: slice,
        names: Sequence[Quantity],
        times: slice,
        units: slice,
        padding: float = NAN,
    ) -> dict[Quantity, FloatArray]:
        """(T', S, U') or (T', S, 1) by name, of several samples; KeyError if the cell has no such quantity.

        The slices have both ends and no step. Nothing stays mapped.
        """
        network, dtype, lengths = self.inputs.network, self.trace.hidden.dtype, self.inputs.lengths[samples]
        steps, count, width = (part.stop - part.start for part in (times, samples, units))
        out = {name: np.empty((steps, count, 1 if name == "norm" else width), dtype) for name in names}
        read = slice(times.start, max(times.start, min(times.stop, max(lengths, default=times.stop))))
        stored = {name: found for name in names if (found := stored_array(name, self.trace)) is not None}
        for name, found in stored.items():
            part = self.trace[found][layer, direction, read, samples, units]
            out[name][: len(part)] = part
            release_pages(part)
        if computed := [name for name in names if name not in stored]:
            known = {own.name for own in (*gate_quantities(self.cell), *gradient_quantities(self.cell))}
            if lacking := [name for name in computed if name not in known]:
                has = ", ".join(own.name for own in gate_quantities(self.cell))
                raise KeyError(f"{lacking[0]} is not a quantity of the cell {self.cell.name}: it has {has}")
            length = max(
                1, _BLOCK_VALUES // (max(network.directions * network.hidden_size, network.input_size) * count)
            )
            with np.errstate(all="ignore"):
                # In the order of computation, so that a cell state is carried from one block to the next.
                for block in time_blocks(read, length, backward=network.backward(direction)):
                    rows = _Block(self, layer, direction, samples, block, units)
                    for name in computed:
                        out[name][block.start - times.start : block.stop - times.start] = rows.quantity(name)
            release_pages(self.trace.hidden[layer, direction, read])
        if lengths:
            mask = padding_mask(lengths, times)
            for array in out.values():
                array[mask] = padding
        return out

    def before(self, symbol: str, layer: int, direction: int, times: slice, samples: slice, units: slice) -> Floats:
        """(B, S, U): a state before each of some time steps, in float64."""
        if self.trace.stored(symbol) is None:
            return self.cell_states.previous(layer, direction, times, samples, units)
        found = previous_state(self.inputs, self.trace, symbol, layer, direction, times, samples)
        return found[..., units].astype(np.float64)

    def _block(self, columns: SampleUnitBlock, times: slice) -> "_Block":
        return _Block(self, columns.layer, columns.direction, slice(*columns.samples), times, slice(*columns.units))

    def rows_of(self, layer: int, direction: int, symbol: str, units: slice) -> dict[str, tuple[Floats, Floats]]:
        """The weights (U, K) and biases (U,) of a gate's rows in float64, by "i2h" and, where there are any, "h2h"."""
        key = layer, direction, symbol, units.start, units.stop
        rows = self._rows.get(key)
        if rows is None:
            p = vars(self.inputs.parameters.layer(layer, direction))
            rows = {}
            for kind, gates in (("i2h", self.cell.gate_symbols), ("h2h", self.cell.recurrent_gates)):
                if symbol in gates:
                    first = gates.index(symbol) * self.inputs.network.hidden_size
                    own = slice(first + units.start, first + units.stop)
                    weight, bias = (p[f"{kind}_{part}"][own].astype(np.float64) for part in ("weight", "bias"))
                    rows[kind] = weight, bias
            self._rows.put(key, rows, sum(weight.nbytes for weight, _ in rows.values()))
        return rows


class _Block(ArrayBlock):
    """Some time steps of one lane (B, S, U)."""

    layer = ArrayLayer()

    def __init__(
        self, reader: ArrayReader, layer: int, direction: int, samples: slice, times: slice, units: slice
    ) -> None:
        super().__init__(reader.graph, times.stop - times.start)
        self._inputs, self._trace, self._reader, self._units = reader.inputs, reader.trace, reader, units
        self._lane, self._at = (layer, direction), (layer, direction, times, samples)
        if reader.graph.mixes_units:  # Most cells have no product in a step.
            self.layer = ArrayLayer.of(reader.cell, vars(reader.inputs.parameters.layer(layer, direction)))

    def quantity(self, name: Quantity) -> FloatArray:
        """(B, S, U) or (B, S, 1) of a quantity that is not stored."""
        if is_gradient(name):
            # The engine does not give it.
            return np.asarray(np.nan)
        if name == "c":
            return self._reader.cell_states.after(*self._at, self._units).value
        if name == "norm":
            return np.asarray(np.sqrt(np.square(self._hidden).sum(axis=-1, keepdims=True)))
        if name == "change":
            return self._hidden[..., self._units] - self._before[..., self._units]
        node = self.graph.values[name] if not name.startswith(PRE) else self.graph.pre_activation(name[len(PRE) :])
        assert node is not None, name
        if self._units != self._all_units and self.graph.depends(node, lambda other: other.op in PRODUCTS):
            # A unit is computed from others.
            layer, direction, times, samples = self._at
            whole = _Block(self._reader, layer, direction, samples, times, self._all_units)
            return np.asarray(whole.value(node))[..., self._units]
        return np.asarray(self.value(node))

    def leaf(self, node: Node) -> Floats | float:
        match node.op:
            case "number":
                return node.number
            case "parameter":
                array = vars(self._inputs.parameters.layer(*self._lane))[node.name].astype(np.float64)
                return np.asarray(array[self._units] if array.ndim == 1 else array)
            case "u":
                return _affine(self._x, *self._reader.rows_of(*self._lane, node.name, self._units)["i2h"])
            case "v":
                return _affine(self._before, *self._reader.rows_of(*self._lane, node.name, self._units)["h2h"])
        if node.name == "h":
            return self._before if self._units == self._all_units else self._before[..., self._units]
        layer, direction, times, samples = self._at
        return self._reader.before(node.name, layer, direction, times, samples, self._units)

    @property
    def _all_units(self) -> slice:
        return slice(0, self._inputs.network.hidden_size)

    @property
    def _hidden(self) -> Floats:
        hidden: Floats = self._trace.hidden[self._at].astype(np.float64)
        return hidden

    @cached_property
    def _before(self) -> Floats:
        return previous_hidden(self._inputs, self._trace, *self._at).astype(np.float64)

    @cached_property
    def _x(self) -> Floats:
        layer, _, times, samples = self._at
        return layer_input(self._inputs, self._trace, layer, times, samples).astype(np.float64)


def _affine(v: Floats, weight: Floats, bias: Floats) -> Floats:
    """W v + b (B, S, U): one matrix product for all time steps and samples."""
    product = v.reshape(-1, v.shape[-1]) @ weight.T
    product += bias
    return product.reshape(*v.shape[:2], -1)


def gate_blocks(
    inputs: Inputs, trace: Trace, layer: int, direction: int, names: Sequence[Quantity], length: int | None = None
) -> Iterator[tuple[slice, dict[Quantity, FloatArray]]]:
    """Blocks of `length` time steps of a lane, and quantities by name, (B, N, H) or (B, N, 1); 0 in padding."""
    reader = ArrayReader(inputs, trace)
    sizes = {quantity.name: quantity.size for quantity in gate_quantities(inputs.network.kind)}
    size = inputs.network.sizes(layer).of(sizes[names[0]] if names else "H")
    timesteps, samples = inputs.timesteps, inputs.batch_size
    step = max(1, _EXPORTED_VALUES // (samples * size)) if length is None else length
    for start in range(0, timesteps, step):
        times = slice(start, min(start + step, timesteps))
        yield times, reader.samples(layer, direction, slice(0, samples), names, times, slice(0, size), padding=0.0)


def gradient_extents(trace: Trace) -> dict[str, float]:
    """The largest finite magnitude of each gradient of a trace; over time with the initial states' magnitude."""
    found = {}
    for name in filter(is_gradient, trace):
        array = trace[name]
        lanes = [array[lane] for lane in np.ndindex(array.shape[:2])] if array.ndim == 5 else [array]
        found[name] = max(map(largest_magnitude, lanes))
    return {name: max(largest, found.get(f"{name}0", 0.0)) for name, largest in found.items()}


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


class ResultReader:
    """The arrays of all engines of a result, which any thread may read; each keeps a reader of its latest engine."""

    def __init__(self, result: RunResult) -> None:
        self.result = result
        self.chunks: ByteCache[Hashable, Any] = ByteCache("chunks")
        """Reduced values of lanes."""
        self._of_thread = local()
        self._extents: dict[tuple[str, Quantity], Extent] = {}
        self._lock = Lock()

    def read(
        self, engine: str, layer: int, direction: int, sample: int, quantity: Quantity, times: slice, units: slice
    ) -> FloatArray:
        """(T', U'), (T', 1) of a norm, in the trace's dtype; 0 in padding. The slices have both ends and no step."""
        return self._reader(engine).lane(layer, direction, sample, quantity, times, units, padding=0.0)

    def effort(self, engine: str, layer: int, quantity: Quantity) -> float:
        """How much longer it takes to compute one number than to read one value."""
        network = self.result.inputs.network
        if quantity == "norm":
            return network.output_size / 4.0
        if quantity == "change" or (quantity == "c" and stored_array(quantity, self.result[engine]) is not None):
            return 1.0
        products = network.layer_input_size(layer) + network.output_size
        return products * {"c": 3, "n": 2, "pre_n": 2}.get(quantity, 1) / _PRODUCTS_A_READ

    def extent(self, engine: str, quantity: Quantity) -> Extent:
        """How far a quantity reaches from 0 in any lane and sample, found once; if large, a round number above."""
        if is_gradient(quantity):
            return Extent(self.result.extents.get(f"{engine}.{quantity}", 0.0), exact=True)
        key = engine, quantity
        with self._lock:
            if key not in self._extents:
                self._extents[key] = self._measured(engine, quantity)
            return self._extents[key]

    def _measured(self, engine: str, quantity: Quantity) -> Extent:
        layers, directions, timesteps, samples, units = self.result.shape
        effort = max(self.effort(engine, layer, quantity) for layer in range(layers)) * _PRODUCTS_A_READ
        exact = layers * directions * timesteps * samples * units * effort <= _EXACTLY
        looked = slice(0, samples if exact else min(samples, _SAMPLES))
        wide = slice(0, units if exact else min(units, _SAMPLED_UNITS))
        longest = max(map(self.result.inputs.length, range(looked.stop)))
        reader, largest = self._reader(engine), 0.0
        for layer, direction in np.ndindex(layers, directions):
            for times in self._looked_at(direction, quantity, longest, exact=exact):
                values = reader.samples(layer, direction, looked, (quantity,), times, wide)[quantity]
                largest = max(largest, float(np.abs(values).max(where=np.isfinite(values), initial=0.0)))
        return Extent(largest if exact else _round_above(largest * _BEYOND), exact)

    def _looked_at(self, direction: int, quantity: Quantity, timesteps: int, *, exact: bool) -> list[slice]:
        if exact or timesteps <= _SAMPLED_TIMES:
            return [slice(0, timesteps)]
        if quantity == "c":
            # It is followed from its first step on: one that lies far from it would take long.
            start = timesteps - _SAMPLED_TIMES if self.result.inputs.network.backward(direction) else 0
            return [slice(start, start + _SAMPLED_TIMES)]
        third = _SAMPLED_TIMES // 3
        starts = (0, (timesteps - third) // 2, timesteps - third)
        return [slice(start, start + third) for start in starts]

    def _reader(self, engine: str) -> ArrayReader:
        kept: tuple[str, ArrayReader] | None = getattr(self._of_thread, "reader", None)
        if kept is None or kept[0] != engine:
            kept = self._of_thread.reader = engine, ArrayReader(self.result.inputs, self.result[engine])
        return kept[1]


def _round_above(value: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, 50, ... and their tenths, hundredths, ... that is not below a number."""
    if value <= 0.0 or not np.isfinite(value):
        return value
    power = 10.0 ** floor(log10(value))
    return next((factor * power for factor in (1.0, 2.0, 5.0) if value <= factor * power), 10.0 * power)


_SERIES_TIMES = 2048


class SeriesKey(NamedTuple):
    """Which series: of which engine, lane, sample and unit, and by which quantity; the time step is not read."""

    engine: str
    where: Location
    quantity: Quantity


def series_key(engine: str, where: Location, unit: int, quantity: Quantity) -> SeriesKey:
    return SeriesKey(engine, where.moved(timestep=0, unit=unit), quantity)


def series_effort(result: RunResult, key: SeriesKey) -> int:
    """About how many numbers have to be read and multiplied for a series."""
    network = result.inputs.network
    return result.shape[2] * (network.layer_input_size(key.where.layer) + network.output_size)


def unit_series(result: RunResult, key: SeriesKey, check: Callable[[], None] = lambda: None) -> FloatArray:
    """(T,): a quantity at all time steps, NaN in padding; `check` may raise between blocks to end the work."""
    trace, times = result[key.engine], range(result.shape[2])
    layer, direction, _, sample, unit = key.where.index
    reader, values = ArrayReader(result.inputs, trace), np.empty(len(times), trace.hidden.dtype)
    length = _SERIES_TIMES if stored_array(key.quantity, trace) is None else len(times)
    # In the order of computation, in which a cell state is carried from block to block.
    for block in time_blocks(times, length, backward=trace.places.backward(direction)):
        check()
        part = reader.lane(layer, direction, sample, key.quantity, block, slice(unit, unit + 1))
        values[block] = part[:, 0]
    return values


_UNITS = 64
"""This many units are computed together: about as many as a table has in sight."""


class UnitVector:
    """Quantities of all units of an engine at one time step of a lane, read as they are asked for."""

    def __init__(self, reader: ArrayReader, where: Location) -> None:
        self._reader, self._where, self._size = reader, where, reader.trace.shape[4]
        self._known: dict[tuple[Quantity, int], FloatArray] = {}

    def value(self, quantity: Quantity, unit: int) -> np.floating[Any]:
        block = unit // _UNITS
        if (quantity, block) not in self._known:
            layer, direction, timestep, sample, _ = self._where.index
            units = slice(block * _UNITS, min((block + 1) * _UNITS, self._size))
            read = self._reader.lane(layer, direction, sample, quantity, slice(timestep, timestep + 1), units)
            self._known[quantity, block] = read[0]
        value: np.floating[Any] = self._known[quantity, block][unit - block * _UNITS]
        return value
