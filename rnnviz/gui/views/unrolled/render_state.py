"""What the picture shows: one sample of a result, of one engine or two, in one theme. Read by every part that draws."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from rnnviz.core import number_format
from rnnviz.core.display_names import display_name
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import Lane, lanes_of
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.unrolled.colormap import difference_scale, gate_scale, value_scale, violation_scale
from rnnviz.gui.views.unrolled.geometry import Scene, scene_of
from rnnviz.gui.views.unrolled.tiles import Paint, Tiles, TileStyle
from rnnviz.multiscale.chunk_cache import ChunkCache
from rnnviz.multiscale.reader import MultiscaleReader
from rnnviz.quantities.catalog import Quantity, gate_quantity, heading_of, quantity_for
from rnnviz.quantities.gate_cache import LaneGates
from rnnviz.quantities.gates import GateQuantity
from rnnviz.quantities.unit_order import LaneOrders
from rnnviz.verify.compare import Comparison, compared
from rnnviz.verify.result import RunResult

_FEWEST_DIGITS = len("-0.000")
S = TypeVar("S")


def split_at(sides: Sequence[S], split: int, lane: Lane, steps: range) -> list[tuple[S, range]]:
    """Which side the timesteps of a lane belong to, from left to right; without those that have none."""
    if len(sides) == 1 or lane.layer is None:
        return [(side, steps) for side in sides[:1]]
    edge = min(max(split, steps.start), steps.stop)
    parts = (sides[0], range(steps.start, edge)), (sides[1], range(edge, steps.stop))
    return [(side, part) for side, part in parts if len(part)]


@dataclass(frozen=True, eq=False)
class EngineSide:
    """One engine's share of the picture: what is written, what is colored, and the images of the latter."""

    engine: str
    values: MultiscaleReader
    colors: MultiscaleReader
    tiles: Tiles


@dataclass(frozen=True, eq=False)
class RenderState:
    """One engine's numbers of one sample: values, colored as such or by the candidate's violation, its differences,
    or what is computed from the values: gates, states, changes, norms.

    With `right` another engine's numbers stand in the hidden lanes from the timestep `split` on.
    """

    result: RunResult
    candidate: str | None
    sample: int
    quantity: Quantity
    theme: Theme
    paint: Paint
    left: EngineSide
    right: EngineSide | None = None
    split: int = 0
    orders: LaneOrders | None = None
    exact: bool = True
    """Whether the colors reach as far as the numbers do; else these were looked at in a few places only."""

    @property
    def engine(self) -> str:
        """The engine whose values are drawn; where two are, the one on the left."""
        return self.left.engine

    @property
    def sides(self) -> tuple[EngineSide, ...]:
        """The left one, and the right one if there are two."""
        return (self.left,) if self.right is None else (self.left, self.right)

    @property
    def tiles(self) -> tuple[Tiles, ...]:
        """Those of the sides."""
        return tuple(side.tiles for side in self.sides)

    @property
    def comparison(self) -> Comparison | None:
        """The candidate held against the reference."""
        return None if self.candidate is None else self.result.comparison(self.candidate)

    @property
    def seen(self) -> set[int]:
        """The indices of the special colors that occurred."""
        return {index for tiles in self.tiles for index in tiles.seen}

    def with_split(self, timestep: int) -> "RenderState":
        """The same numbers and images, parted at another timestep."""
        return self if self.right is None or timestep == self.split else replace(self, split=timestep)

    def parts(self, lane: Lane, steps: range) -> list[tuple[EngineSide, range]]:
        """Which side the timesteps of a lane belong to, from left to right; without those that have none."""
        return split_at(self.sides, self.split, lane, steps)

    def engine_at(self, timestep: int) -> str:
        """Whose values stand in the hidden lanes at a timestep."""
        return self.left.engine if self.right is None or timestep < self.split else self.right.engine

    def differs(self, lane: Lane) -> bool:
        """Whether the numbers of a lane are differences."""
        return self.quantity == "difference" and lane.layer is not None

    @property
    def gate(self) -> GateQuantity | None:
        """What is computed from the values, if anything is."""
        return gate_quantity(self.quantity, self.cell)

    @property
    def per_unit(self) -> bool:
        """Whether each unit has a number of its own."""
        return self.gate is None or self.gate.per_unit

    @property
    def cell(self) -> str:
        """The name of the network's cell."""
        return self.result.config.network.cell

    def rows(self, lane: Lane) -> int:
        """How many numbers a lane has for each timestep."""
        if lane.layer is None:
            return self.result.config.network.input_size
        return self.result.shape[4] if self.gate is None or self.gate.per_unit else 1

    def heading(self) -> tuple[str, ...]:
        """What the numbers in the hidden lanes are, in few words, line by line."""
        if self.gate is not None:
            return heading_of(self.quantity, self.cell)
        if self.quantity == "value":
            return ("h",)
        return self.subtraction() if self.quantity == "difference" else ("violation",)

    def subtraction(self) -> tuple[str, str]:
        """ "candidate" and "− reference" by the names of the engines."""
        assert self.comparison is not None
        return display_name(self.comparison.candidate), f"− {display_name(self.comparison.reference)}"

    def words(self) -> str:
        """What stands in the hidden lanes, in one sentence."""
        name = display_name(self.engine)
        if self.right is not None:
            other = display_name(self.right.engine)
            return f"The values of {name} before the cursor's timestep, those of {other} from it on."
        if self.quantity == "difference":
            return f"The differences {' '.join(self.subtraction())}."
        if self.quantity == "violation":
            return f"The values of {name}, colored by the violation of the tolerance."
        if self.gate is not None:
            reach = "" if self.exact else " Color range estimated from a subset; values outside it are dotted."
            return f"{self.quantity}, the {self.gate.title}, computed from the values of {name}.{reach}"
        return f"The values of {name}."

    def picture(self) -> Scene:
        """Lanes, rows, timesteps, and how wide the widest number is of any engine: they all lie in the same places."""
        layers, directions, timesteps, _, _ = self.result.shape
        rows = [
            (lane, self.rows(lane)) for lane in lanes_of(layers, directions, reverse=self.result.inputs.network.reverse)
        ]
        largest = max(self.result.extents.values())
        if self.gate is not None:
            largest = max(largest, self.paint.hidden.high)
        return scene_of(rows, timesteps, max(_FEWEST_DIGITS, len(number_format.short(-largest))), self.orders)

    @property
    def initial_name(self) -> str:
        """What the state before a lane's first step is called, of the kind that is shown; empty if there is none."""
        if self.gate is None:
            return "h0"
        return {"c": "c0", "norm": "‖h0‖"}.get(self.quantity, "")

    def initial(self, lane: Lane) -> FloatArray | None:
        """(rows,): the state before a hidden lane's first step; None if what is shown has none."""
        assert lane.layer is not None
        row = lane.layer * self.result.config.network.directions + lane.direction
        state = self.result.inputs.initial_state
        if not self.initial_name:
            return None
        if self.quantity == "c":
            assert state.c is not None, "only an LSTM has c"
            return np.asarray(state.c[row, self.sample])
        h: FloatArray = state.h[row, self.sample]
        return np.asarray(np.linalg.norm(h.astype(np.float64), keepdims=True)) if self.quantity == "norm" else h

    def mismatched(self, lane: Lane) -> int | None:
        """How many values of a lane mismatch, over all samples; None for the input and without a candidate."""
        if lane.layer is None or self.comparison is None:
            return None
        return int(self.comparison.lane_mismatched[lane.layer, lane.direction])

    def compared(self, lane: Lane) -> range:
        """The timesteps of a hidden lane of which the reference and the candidate both have numbers."""
        assert lane.layer is not None
        assert self.candidate is not None
        return compared(self.result.reference, self.result[self.candidate], lane.layer, lane.direction)


def shown_of(
    result: RunResult,
    engine: str,
    other: str | None,
    candidate: str | None,
    sample: int,
    color_by: Quantity,
    theme: Theme,
    cache: ChunkCache,
    gates: LaneGates,
    turn: int,
    orders: LaneOrders | None = None,
) -> RenderState:
    """What there is to show: values, where there is no candidate or gate to show; two engines by value only.

    `cache`, `gates` and `turn` are those of the result, and so are `orders`, if the units stand in another order.
    """
    comparison = None if candidate is None else result.comparison(candidate)
    quantity = quantity_for(color_by, result.config.network.cell, compared=comparison is not None)
    gate, exact = gate_quantity(quantity, result.config.network.cell), True
    engines = [engine]
    if other is not None and other != engine and quantity == "value":
        engines.append(other)
    by_value = value_scale(
        # One scale for both sides of a swipe: else equal numbers would differ in color.
        max(result.extents[name] for name in engines),
        bounded=result.config.network.cell != "rnn_relu",
    )
    if gate is not None:
        largest = gate.high
        if largest is None:
            extent = gates.extent(engine, quantity)
            largest, exact = extent.largest, extent.exact
        scale = gate_scale(gate, largest)
    elif comparison is not None and quantity == "violation":
        scale = violation_scale(comparison.max_error_ratio)
    elif comparison is not None and quantity == "difference":
        scale = difference_scale(comparison.max_abs_error)
    else:
        scale = by_value
    paint = Paint(theme, scale, value_scale(result.extents["input"]))

    order = None if orders is None else orders.key

    def side(name: str) -> EngineSide:
        values = MultiscaleReader(result, name, candidate, sample, "value", cache, gates, orders)
        colors = values
        if gate is not None:
            values = colors = MultiscaleReader(result, name, candidate, sample, quantity, cache, gates, orders)
        elif quantity != "value":
            # Who is drawn plays no part in these: the reduced copies serve every engine.
            colors = MultiscaleReader(
                result, result.reference.engine, candidate, sample, quantity, cache, gates, orders
            )
        drawn = result.reference.engine if quantity in ("violation", "difference") else name
        look = TileStyle(turn, drawn, candidate, sample, quantity, theme.name, scale.low, scale.high, order)
        return EngineSide(name, colors if quantity == "difference" else values, colors, Tiles(colors, paint, look))

    left, *right = (side(name) for name in engines)
    return RenderState(
        result, candidate, sample, quantity, theme, paint, left, right[0] if right else None, orders=orders, exact=exact
    )
