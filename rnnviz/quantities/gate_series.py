"""One unit's gate, state or change over the whole sequence, computed block by block."""

from collections.abc import Callable
from dataclasses import dataclass

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
