"""The units of each lane in another order than that of their indices, so that those that behave alike are together.

An order is found from one engine's hidden values of one sample. Of a long sequence at most `SAMPLED` time steps at
equal distances are looked at, which is reported wherever an order is named.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray, release_pages
from rnnviz.quantities.level_of_detail import IntArray
from rnnviz.verify.result import RunResult

OrderName: TypeAlias = Literal["index", "component", "activity"]
SAMPLED = 512
ORDERS: dict[OrderName, tuple[str, str]] = {
    "index": ("index", "Sorted by index."),
    "component": (
        "first component",
        "Sorted by weight in the first principal component of h over time, largest first.",
    ),
    "activity": ("activity", "Sorted by mean |h| over time, largest first."),
}
"""Title and description of each order."""

Check: TypeAlias = Callable[[], None]


@dataclass(frozen=True, eq=False)
class UnitOrder:
    """A permutation: `units[row]` is the unit that is in a row, from the top."""

    units: IntArray

    @cached_property
    def rows(self) -> IntArray:
        """(U,): the row in which each unit is."""
        rows = np.empty_like(self.units)
        rows[self.units] = np.arange(len(self.units))
        return rows


@dataclass(frozen=True)
class OrderKey:
    """Request of an order: its kind, engine and sample."""

    name: OrderName
    engine: str
    sample: int


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
    layers, directions, *_ = result.shape
    found = {}
    for layer in range(layers):
        for direction in range(directions):
            check()
            lane = result[key.engine].hidden[layer, direction]
            values = np.asarray(lane[sampled_times(len(lane)), key.sample]).astype(np.float64)
            release_pages(lane)
            found[layer, direction] = UnitOrder(order_of(values, key.name))
    return LaneOrders(key, found)


def order_effort(result: RunResult, key: OrderKey) -> float:
    """About how many products it takes to find the orders of a result."""
    layers, directions, timesteps, _, units = result.shape
    times = min(timesteps, SAMPLED)
    inner = min(times, units)
    products = times * units * (inner if key.name == "component" else 1) + 20 * inner**3
    return float(layers * directions * products)


def sampled_times(timesteps: int) -> slice:
    """Which time steps are looked at: at equal distances, from the first on."""
    return slice(None, None, -(-timesteps // SAMPLED))


def order_of(values: FloatArray, name: OrderName) -> IntArray:
    """(U,): the units of values (T, U) from the top down; of equal ones the one with the lower index comes first."""
    if name == "index":
        return np.arange(values.shape[1], dtype=np.int64)
    weight = activity(values) if name == "activity" else first_component(values)
    # NaN, which sorts to the end, is no activity.
    return np.argsort(-weight, kind="stable").astype(np.int64)


def activity(values: FloatArray) -> NDArray[np.float64]:
    """(U,): the mean magnitude of each unit's numbers over time; NaN where there is one among them."""
    return np.asarray(np.abs(values).mean(axis=0), np.float64)


def first_component(values: FloatArray) -> NDArray[np.float64]:
    """(U,): each unit's weight in the first principal component, of length 1; NaN counts as 0.

    Its sign is such that the weight of the largest magnitude is positive.
    """
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
