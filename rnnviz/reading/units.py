"""The units of a lane in another order than by index, and the units that are on together over a range of time steps.

A unit is on where its value is at least the threshold. The units of a query are on at every time step of its range, as
in LSTMVis (Strobelt et al., 2018), and on request off at the one computed before it: a cell state keeps many on for
long. Other ranges are longest runs in which at least `MOST` of these are on, scored by the mean Jaccard index of them
and all that are on (or them alone, if off before), times the shorter length over the longer.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from math import ceil
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CellSpec
from rnnviz.core.mmap_arrays import FloatArray, release_pages
from rnnviz.core.trace_index import time_blocks
from rnnviz.frozen import dataclass
from rnnviz.reading.arrays import ArrayReader
from rnnviz.reading.level_of_detail import IntArray
from rnnviz.reading.quantities import Quantity, gate_quantity, is_gradient
from rnnviz.verify.result import RunResult

OrderName: TypeAlias = Literal["index", "component", "activity", "difference"]
SAMPLED = 512
"""An order is found from at most this many time steps at equal distances."""
ORDERS: dict[OrderName, tuple[str, str]] = {
    "index": ("index", "Sorted by index."),
    "component": (
        "first component",
        "Sorted by weight in the first principal component of {array} over time, largest first.",
    ),
    "activity": ("activity", "Sorted by mean |{array}| over time, largest first."),
    "difference": (
        "difference",
        "Sorted by mean difference of {array} between the candidate and the reference over time, largest first.",
    ),
}
"""Title and description of each order."""

Check: TypeAlias = Callable[[], None]


@dataclass(frozen=True, eq=False)
class UnitOrder:
    """A permutation: `units[row]` is the unit that is in a row, from the top."""

    units: IntArray

    @cached_property
    def rows(self) -> IntArray:
        rows = np.empty_like(self.units)
        rows[self.units] = np.arange(len(self.units))
        return rows


@dataclass(frozen=True)
class OrderKey:
    """Request of an order: its kind, engine, sample and array, and the candidate of an order by difference."""

    name: OrderName
    engine: str
    sample: int
    array: str = "h"
    candidate: str = ""


@dataclass(frozen=True, eq=False)
class LaneOrders:
    """The orders of all hidden lanes, by (layer, direction)."""

    key: OrderKey
    orders: Mapping[tuple[int, int], UnitOrder]

    def of(self, layer: int | None, direction: int) -> UnitOrder | None:
        """A lane's order; None for the input, which has none."""
        return None if layer is None else self.orders[layer, direction]


def find_orders(result: RunResult, key: OrderKey, check: Check) -> LaneOrders:
    """The orders of all lanes; `check` is called between lanes, and may raise an exception to cancel."""
    found = {}
    for layer, direction in np.ndindex(result.shape[:2]):
        check()
        if key.name != "difference":
            values = _sampled(result, key.engine, key, layer, direction)
        elif key.candidate and all(key.array in own for own in (result.reference, result[key.candidate])):
            one, other = (
                _sampled(result, engine, key, layer, direction) for engine in (result.reference.engine, key.candidate)
            )
            values = other - one
        else:
            values = np.zeros((1, result.shape[4]))
        found[layer, direction] = UnitOrder(order_of(values, key.name))
    return LaneOrders(key, found)


def _sampled(result: RunResult, engine: str, key: OrderKey, layer: int, direction: int) -> NDArray[np.float64]:
    """(T, U): values of a lane of one engine at time steps at equal distances."""
    lane, length = result[engine][key.array][layer, direction], result.inputs.length(key.sample)
    values = np.asarray(lane[: length : -(-length // SAMPLED), key.sample]).astype(np.float64)
    release_pages(lane)
    return values


def order_effort(result: RunResult, key: OrderKey) -> float:
    layers, directions, _, _, units = result.shape
    times = min(result.inputs.length(key.sample), SAMPLED)
    inner = min(times, units)
    products = times * units * (inner if key.name == "component" else 1) + 20 * inner**3
    return float(layers * directions * products)


def order_of(values: FloatArray, name: OrderName) -> IntArray:
    """(U,): the units of values (T, U) from the top down; of equal ones the one with the lower index comes first."""
    if name == "index":
        return np.arange(values.shape[1], dtype=np.int64)
    weight = first_component(values) if name == "component" else activity(values)
    # NaN, which sorts to the end, is no activity.
    return np.argsort(-weight, kind="stable").astype(np.int64)


def activity(values: FloatArray) -> NDArray[np.float64]:
    """(U,): the mean magnitude of each unit's numbers over time; NaN where there is one among them."""
    return np.asarray(np.abs(values).mean(axis=0), np.float64)


def first_component(values: FloatArray) -> NDArray[np.float64]:
    """(U,): weights in the first principal component, of length 1, the largest positive; NaN counts as 0."""
    finite = np.where(np.isfinite(values), values, 0.0).astype(np.float64)
    centered = finite - finite.mean(axis=0)
    largest = float(np.abs(centered).max())
    if largest == 0.0:
        return np.zeros(values.shape[1])
    centered /= largest
    times, units = centered.shape
    if times < units:
        _, vectors = np.linalg.eigh(centered @ centered.T)
        weight = centered.T @ vectors[:, -1]
    else:
        _, vectors = np.linalg.eigh(centered.T @ centered)
        weight = vectors[:, -1]
    weight /= np.linalg.norm(weight) * np.sign(weight[np.argmax(np.abs(weight))])
    return np.asarray(weight)


MOST = 0.8
"""The share of a query's units that have to be on."""
THRESHOLD = 0.3
RANGES = 50
"""This many ranges are reported, the best ones."""
_BLOCK_VALUES = 1 << 20


@dataclass(frozen=True)
class Query:
    """A range of time steps in one lane of one engine's values of one sample, searched by h or another quantity."""

    engine: str
    layer: int
    direction: int
    sample: int
    times: range
    threshold: float = THRESHOLD
    quantity: Quantity = "value"
    onset: bool = False
    """Whether the units are off at the time step that is computed before the range."""


def searched(quantity: Quantity, cell: CellSpec) -> Quantity:
    """The quantity by which units are searched while the lanes show one: h, if that has no value for each unit."""
    found = gate_quantity(quantity, cell)
    return quantity if found is not None and found.per_unit else "value"


def reach(result: RunResult, query: Query) -> float:
    """How far usual thresholds of a query's quantity lie from 0: as far as the values of a gradient, else 1."""
    extent = result.extents.get(f"{query.engine}.{query.quantity}") if is_gradient(query.quantity) else None
    return extent or 1.0


@dataclass(frozen=True)
class Match:
    """A range in which at least most of a query's units are on, and how like the query it is, from 0 to 1."""

    times: range
    score: float


@dataclass(frozen=True)
class Selection:
    """The units on throughout a query's range, other ranges, best first, and the highest threshold that finds any."""

    query: Query
    units: tuple[int, ...]
    matches: tuple[Match, ...]
    highest: float | None = None


def select(result: RunResult, query: Query, check: Check) -> Selection:
    """Answer a query, a block of time steps at a time; `check` is called between blocks, and may raise."""
    least = _least(result, query, query.times, check)
    on = least >= query.threshold
    if query.onset:
        # The backward pass goes through the time steps in the other order.
        later = result.inputs.network.backward(query.direction) != is_gradient(query.quantity)
        end = query.times.stop if later else query.times.start - 1
        before = _least(result, query, range(end, end + 1), check) if end >= 0 else np.full_like(least, np.nan)
        on &= ~(before >= query.threshold)
        least = np.where(before >= least, np.nan, least)
    units = tuple(int(unit) for unit in np.flatnonzero(on))
    known = least[~np.isnan(least)]
    highest = float(known.max()) if len(known) else None
    return Selection(query, units, find_ranges(result, query, units, check) if units else (), highest)


def _least(result: RunResult, query: Query, times: range, check: Check) -> FloatArray:
    """(H,): each unit's least value at some time steps before padding; NaN if one is, or if there are none."""
    times = times[: max(0, result.inputs.length(query.sample) - times.start)]
    least: FloatArray = np.full(result.shape[4], np.inf if len(times) else np.nan)
    for _, values in _blocks(result, query, times, check):
        least = np.minimum(least, values.min(axis=0))
    return least


def find_ranges(result: RunResult, query: Query, units: tuple[int, ...], check: Check) -> tuple[Match, ...]:
    """The best other ranges of the whole sample in which most of some units are on, the best first."""
    own = query.times
    entries = (
        # Of equal ones the earlier is the better.
        (likeness / length * min(length, len(own)) / max(length, len(own)), -start, start + length)
        for start, length, likeness in _runs(result, query, units, check)
        if start >= own.stop or own.start >= start + length
    )
    return tuple(Match(range(-start, stop), score) for score, start, stop in heapq.nlargest(RANGES, entries))


def _runs(result: RunResult, query: Query, units: tuple[int, ...], check: Check) -> Iterator[tuple[int, int, float]]:
    """Start and length of each run in which most of some units are on, and the sum of its Jaccard indices."""
    needed, columns = ceil(MOST * len(units) - 1e-9), list(units)
    start: int | None = None
    likeness = 0.0
    length = result.inputs.length(query.sample)
    for first, values in _blocks(result, query, range(length), check):
        on = values >= query.threshold
        shared = np.count_nonzero(on[:, columns], axis=1)
        others = 0 if query.onset else np.count_nonzero(on, axis=1) - shared
        jaccard = shared / (len(units) + others)
        for place in np.flatnonzero(np.diff(shared >= needed, prepend=start is not None)):
            timestep = first + int(place)
            if start is None:
                start, likeness = timestep, 0.0
            else:
                begun = max(start - first, 0)
                yield start, timestep - start, likeness + float(jaccard[begun:place].sum())
                start = None
        if start is not None:
            likeness += float(jaccard[max(start - first, 0) :].sum())
    if start is not None:
        yield start, length - start, likeness


def _blocks(result: RunResult, query: Query, times: range, check: Check) -> Iterator[tuple[int, FloatArray]]:
    """First time step and values (B, H) of each block of some time steps."""
    reader = ArrayReader(result.inputs, result[query.engine])
    length, units = max(1, _BLOCK_VALUES // result.shape[4]), slice(0, result.shape[4])
    for block in time_blocks(times, length, backward=False):
        check()
        yield block.start, reader.lane(query.layer, query.direction, query.sample, query.quantity, block, units)
