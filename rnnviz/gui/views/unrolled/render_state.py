"""Render state of the lanes: one sample of a result, for one or two engines, in one theme."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CellSpec
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import GRADIENT, OF_INPUT, gradient
from rnnviz.core.masks import DIFFERENCE, VERDICT, Mask, is_masked, masked_in_lane, masks_any
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import INPUT_VALUES, Place, entry_place
from rnnviz.core.trace_index import Lane, Location, lanes_of
from rnnviz.core.words import plural
from rnnviz.explain.value_sources import quantity_place
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.seams import SeamsInView, seams_in_view, seams_in_words
from rnnviz.gui.views.unrolled.colormap import (
    DECADES,
    ENDS,
    MISSING,
    PADDING,
    difference_scale,
    error_ratio_scale,
    gate_scale,
    rounded_up,
    value_scale,
)
from rnnviz.gui.views.unrolled.geometry import CellGeometry, Geometry, Scene
from rnnviz.gui.views.unrolled.tiles import LaneColors, Paint, Tiles, TileStyle
from rnnviz.reading.arrays import ResultReader
from rnnviz.reading.lane_reader import LaneReader
from rnnviz.reading.quantities import (
    GateQuantity,
    Quantity,
    gate_quantity,
    gradients_of,
    is_bounded,
    is_gradient,
    is_recomputed,
    quantity_for,
)
from rnnviz.reading.units import LaneOrders, OrderKey
from rnnviz.verify.compare import LaneComparison
from rnnviz.verify.metrics import BoolArray, compared_steps
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    # It computes gradients, and is imported when the first ones are wanted.
    from rnnviz.reading.parameter_gradients import Contributions

S = TypeVar("S")


def split_at(sides: Sequence[S], split: int, lane: Lane, steps: range) -> list[tuple[S, range]]:
    """The side of each time step of a lane, from left to right; empty sides are left out."""
    if len(sides) == 1 or lane.layer is None:
        return [(side, steps) for side in sides[:1]]
    edge = min(max(split, steps.start), steps.stop)
    parts = (sides[0], range(steps.start, edge)), (sides[1], range(edge, steps.stop))
    return [(side, part) for side, part in parts if len(part)]


@dataclass(frozen=True, eq=False)
class EngineSide:
    """One engine's side of the picture: the numbers that are written and colored, and the tiles of the colors."""

    engine: str
    colors: LaneReader
    tiles: Tiles


class Look(NamedTuple):
    """Additions of the window to a result: lanes without difference that are unfolded, a lesson, and masked numbers."""

    opened: frozenset[Lane] = frozenset()
    lesson: bool = False
    masks: tuple[Mask, ...] = ()


@dataclass(frozen=True, eq=False)
class RenderState:
    """Numbers and colors of one sample.

    The quantity is the values of one engine, colored as such or by error ratio; the candidate's differences; or an
    array computed from the values: gates, states, changes, norms. With `right`, hidden lanes show another engine
    from time step `split` on. Or one lane shows `contributions` to the gradient of a parameter, the others nothing.
    Its methods answer one question of the painter each.
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
    """Whether the color scale covers all values; else it is estimated from some of them."""
    logarithmic: bool = False
    """Whether a logarithmic scale is wanted; scales with fixed ends have none."""
    hot: NDArray[np.int64] | None = None
    """(T,): the feature that is 1, of an input whose other features are 0; its lane has one row."""
    look: Look = Look()
    contributions: "Contributions | None" = None

    @property
    def length(self) -> int:
        """Number of time steps of the sample, or of the longest of those that are summed; the others are padding."""
        return self.left.colors.length

    @property
    def engine(self) -> str:
        """The engine at the left of the split, or of the whole picture."""
        return self.left.engine

    @property
    def sides(self) -> tuple[EngineSide, ...]:
        return (self.left,) if self.right is None else (self.left, self.right)

    @property
    def tiles(self) -> tuple[Tiles, ...]:
        return tuple(side.tiles for side in self.sides)

    @property
    def comparison(self) -> LaneComparison | None:
        """Comparison of the candidate with the reference, or None: of the shown array, or of h if that has none."""
        return self.left.colors.comparison

    @property
    def seen(self) -> set[int]:
        """Indices of the visible special colors."""
        return {index for tiles in self.tiles for index in tiles.seen}

    def with_split(self, timestep: int) -> "RenderState":
        """The same state, split at another time step."""
        return self if self.right is None or timestep == self.split else replace(self, split=timestep)

    def parts(self, lane: Lane, steps: range) -> list[tuple[EngineSide, range]]:
        """The side of each time step of a lane, from left to right; empty sides are left out."""
        return split_at(self.sides, self.split, lane, steps)

    def engine_at(self, timestep: int) -> str:
        """Engine of the hidden lanes at a time step."""
        return self.left.engine if self.right is None or timestep < self.split else self.right.engine

    def differs(self, lane: Lane) -> bool:
        """Whether the numbers of a lane are differences."""
        return self.quantity == "difference" and lane.layer is not None

    @property
    def gradient(self) -> bool:
        """Whether the quantity is a gradient."""
        return is_gradient(self.quantity)

    @property
    def array(self) -> str:
        """The compared array of each engine that has one number for each cell: a gradient, else h."""
        return self.quantity if self.gradient and self.contributions is None else "h"

    @property
    def input_name(self) -> str:
        """Symbol of the input's numbers: x, or its gradient."""
        return OF_INPUT if self.input_gradient is not None else "x"

    @property
    def input_gradient(self) -> FloatArray | None:
        """(T, N, I): the gradient of the input, if the lane of the input shows it."""
        of_input = self.gradient and self.contributions is None
        return self.result[self.engine].get(OF_INPUT) if of_input else None

    @property
    def computed(self) -> bool:
        """Whether the numbers are computed from stored ones, which may take long."""
        return self.left.colors.computes(Lane(0))

    @property
    def gate(self) -> GateQuantity | None:
        if self.contributions is not None:
            return self.contributions.quantity
        return gate_quantity(self.quantity, self.cell)

    @property
    def per_unit(self) -> bool:
        """Whether each unit has a number."""
        return self.gate is None or self.gate.per_unit

    @property
    def cell(self) -> CellSpec:
        return self.result.config.network.kind

    @property
    def lanes(self) -> tuple[tuple[Lane, int], ...]:
        """Every lane of the network from the top down, with its rows, shown or not."""
        return tuple((lane, self.rows(lane)) for lane in lanes_of(self.result.inputs.network))

    def rows(self, lane: Lane) -> int:
        return 1 if lane.layer is None and self.hot is not None else self.left.colors.shape(lane)[1]

    @property
    def recomputed(self) -> bool:
        """Whether the numbers follow from the engine's h, because it gives none."""
        return is_recomputed(self.quantity, self.result[self.engine], self.cell)

    @property
    def derived(self) -> bool:
        """Whether the numbers are not the engine's, but follow from those that it gives."""
        return self.gate is not None and not self.gradient and self.quantity not in self.result[self.engine]

    def subtraction(self) -> tuple[str, str]:
        """ "candidate" and "− reference" by the names of the engines."""
        assert self.comparison is not None
        return display_name(self.comparison.candidate), f"− {display_name(self.comparison.reference)}"

    def words(self) -> str:
        """Sentences on the quantity of the hidden lanes, and on the seams."""
        seams = seams_in_words(self.result.inputs.seams, self.result.shape[2])
        return f"{self._quantity_in_words()} {seams}".strip()

    def _quantity_in_words(self) -> str:
        name = display_name(self.engine)
        if self.right is not None:
            other = display_name(self.right.engine)
            return f"The values of {name} before the selected time step, and of {other} from it on."
        if self.quantity == "difference":
            return f"The differences {' '.join(self.subtraction())}."
        if self.quantity == "error_ratio":
            return f"The values of {name}, colored by error ratio."
        if self.contributions is not None:
            samples = plural(self.contributions.samples, "sample")
            of_units = "A row is the weight or bias of one unit in the same gate and column."
            return f"Contributions of the time steps to {self.quantity}, summed over {samples}, by {name}. {of_units}"
        if self.gate is not None and self.gradient:
            return f"{self.quantity}, the {self.gate.title}, by {name}."
        if self.gate is not None:
            reach = "" if self.exact else " Color range estimated from a subset; values outside it are dotted."
            how = (
                "recomputed from h" if self.recomputed else "computed from the values" if self.derived else "the values"
            )
            return f"{self.quantity}, the {self.gate.title}, {how} of {name}.{reach}"
        return f"The values of {name}."

    def picture(self) -> Scene:
        """Scene of the lanes. Neither the input nor an initial state has a difference."""
        lanes = [own for own in self.lanes if own[0].layer is not None or not self.compared_values]
        return Scene(
            tuple(lanes),
            self.result.shape[2],
            self.orders,
            self.length,
            self.bands,
            initial=bool(self.initial_name),
            lesson=self.look.lesson,
        )

    @property
    def bands(self) -> frozenset[Lane]:
        """Lanes without difference, if there are others: they are folded until the user opens them."""
        if not self.compared_values or self.comparison is None or not self.comparison.mismatched:
            return frozenset()
        lanes = [lane for lane, _ in self.lanes if lane.layer is not None]
        return frozenset(lane for lane in lanes if not self.mismatched(lane)) - self.look.opened

    @property
    def compared_values(self) -> bool:
        """Whether the numbers are differences or error ratios, which the input and an initial state do not have."""
        return self.quantity in ("difference", "error_ratio")

    @property
    def initial_name(self) -> str:
        """Name of the shown initial state; empty if the quantity has none."""
        if self.compared_values:
            return ""
        if self.gate is None:
            return "h0"
        if self.gradient:
            name = f"{self.quantity}0"
            return name if name in self.result[self.engine] else ""
        return {"c": "c0", "norm": "‖h0‖"}.get(self.quantity, "")

    def initial(self, lane: Lane) -> FloatArray | None:
        """Initial state of a hidden lane, of shape (rows,); None if the quantity has none."""
        assert lane.layer is not None
        row = lane.layer * self.result.config.network.directions + lane.direction
        state = self.result.inputs.initial_state
        if not self.initial_name:
            return None
        if self.gradient:
            return np.asarray(self.result[self.engine][self.initial_name][row, self.sample])
        if self.quantity == "c":
            return np.asarray(state["c"][row, self.sample])
        h: FloatArray = state["h"][row, self.sample]
        return np.asarray(np.linalg.norm(h.astype(np.float64), keepdims=True)) if self.quantity == "norm" else h

    def mismatched(self, lane: Lane) -> int | None:
        """Number of mismatches of a lane over all samples; None for the input and without a candidate."""
        if lane.layer is None:
            compared = self.left.colors.input_comparison
            return None if compared is None else compared.mismatched
        if self.comparison is None:
            return None
        return int(self.comparison.lane_mismatched[lane.layer, lane.direction])

    @property
    def verdict_masked(self) -> bool:
        """Whether an open question asks for what the comparison found."""
        return any(masks_any(self.look.masks, name) for name in (VERDICT, DIFFERENCE))

    def masked(self, lane: Lane, steps: range, units: range) -> BoolArray | None:
        """(len(steps), len(units)): the numbers that an open question asks for; None without any."""
        if not self.look.masks:
            return None
        if self.compared_values and masks_any(self.look.masks, DIFFERENCE):
            return np.ones((len(steps), len(units)), np.bool_)
        array = INPUT_VALUES if lane.layer is None else quantity_place(Location(), self.quantity).array
        return masked_in_lane(self.look.masks, array, lane, steps, self.sample, units)

    def is_masked(self, cell: CellGeometry) -> bool:
        """Whether an open question asks for the number of a cell."""
        if self.compared_values and masks_any(self.look.masks, DIFFERENCE):
            return True
        at = Location(sample=self.sample)
        return bool(self.look.masks) and is_masked(self.look.masks, place_of(self, at, cell))

    def framed(self, lane: Lane) -> BoolArray | None:
        """(T,): the time steps of a lane at which nearly all units mismatch; None if there are none."""
        return None if self.verdict_masked else self.left.tiles.framed.get(lane)

    def compared(self, lane: Lane) -> range:
        """Time steps of a hidden lane for which both reference and candidate have values."""
        assert lane.layer is not None
        assert self.candidate is not None
        if self.gradient:
            return range(self.result.shape[2])
        return compared_steps(self.result.reference, self.result[self.candidate], lane.layer, lane.direction)


Reach: TypeAlias = tuple[float, float] | None
"""Ends of the color scale, or None for those of the quantity."""
Reaches: TypeAlias = dict[object, Reach]
_FIRST_STEPS, _ORDERS_KEPT = 64, 8
_NEARLY_ALL = 0.9
"""Share of the units that mismatch at a time step from which a frame is around it, and not around each value."""


class LaneCaches:
    """Values of one result that were read or computed. `turn` counts the results."""

    def __init__(self, result: RunResult, turn: int) -> None:
        self.arrays, self.turn = ResultReader(result), turn
        self.reaches: Reaches = {}
        """Ends of the color scale by what determines them."""
        self.orders: dict[OrderKey, LaneOrders] = {}
        """The orders of units that were found."""
        self._hot: dict[int, NDArray[np.int64] | None] = {}
        self._framed: dict[tuple[str, str, int], dict[Lane, BoolArray]] = {}

    def keep_order(self, order: LaneOrders) -> LaneOrders:
        """Remember an order of units, among the few that were found last."""
        while len(self.orders) >= _ORDERS_KEPT:
            self.orders.pop(next(iter(self.orders)))
        self.orders[order.key] = order
        return order

    def hot(self, sample: int) -> NDArray[np.int64] | None:
        """(T,): the index of the one feature of each time step that is 1; None if others are not 0."""
        if sample not in self._hot:
            inputs = self.arrays.result.inputs
            x = inputs.sequence[: inputs.length(sample), sample]
            # Of most sequences the first time steps decide.
            one_hot = x.shape[1] > 1 and all(_is_one_hot(part) for part in (x[:_FIRST_STEPS], x))
            index = np.zeros(len(inputs.sequence), np.int64)
            index[: len(x)] = x.argmax(axis=1) if one_hot else 0
            self._hot[sample] = index if one_hot else None
        return self._hot[sample]

    def framed(self, comparison: LaneComparison | None, sample: int, names: Sequence[Lane]) -> dict[Lane, BoolArray]:
        """(T,) of each lane with any: the time steps at which nearly all units of a sample mismatch."""
        if comparison is None:
            return {}
        key = comparison.candidate, comparison.name, sample
        if key not in self._framed:
            units = comparison.error_ratio_by_column.shape[3]
            # Also of NaN, which is compared with nothing, False.
            wrong = (comparison.error_ratio_by_column > 1.0).any(axis=3)
            least = _NEARLY_ALL * units * np.maximum(wrong.sum(axis=2), 1)[:, :, np.newaxis]
            steps = (comparison.mismatched_over_time >= least) & wrong[:, :, sample, np.newaxis]
            places = [(lane, (lane.layer or 0, lane.direction)) for lane in names]
            self._framed[key] = {lane: steps[place] for lane, place in places if steps[place].any()}
        return self._framed[key]


def _is_one_hot(x: FloatArray) -> bool:
    return bool(((x == 0.0) | (x == 1.0)).all() and (x.sum(axis=1) == 1.0).all())


def render_state_of(
    result: RunResult,
    engine: str,
    other: str | None,
    candidate: str | None,
    sample: int,
    color_by: Quantity,
    theme: Theme,
    caches: LaneCaches,
    orders: LaneOrders | None = None,
    reach: Reach = None,
    *,
    logarithmic: bool = False,
    contributions: "Contributions | None" = None,
) -> RenderState:
    """Create a render state. It shows values if the quantity is not available; two engines by value only.

    The parameters are those fields of the window's state that it shows. With `contributions`, it shows these.

    `reach` are the ends of the color scale in place of the quantity's own, and with `logarithmic` it is symmetric
    and logarithmic; scales with fixed ends stay as they are.

    `caches` and `orders` belong to the result; `orders` is None for units in order of their index.
    """
    if contributions is not None:
        quantity, engine, candidate, other = contributions.name, contributions.engine, None, None
        if contributions.values.shape[1] != result.shape[4]:
            # Gates of a projection have other units than h.
            orders = None
    else:
        quantity, engine = shown_in(result, engine, candidate, color_by)
    comparison, cell = None if candidate is None else result.comparison(candidate), result.config.network.kind
    gate, exact = None if contributions is not None else gate_quantity(quantity, cell), True
    engines = [engine]
    if other is not None and other != engine and quantity == "value":
        engines.append(other)
    if contributions is not None:
        scale = value_scale(contributions.largest)
    elif gate is not None:
        end = gate.high
        if end is None:
            extent = caches.arrays.extent(engine, quantity)
            end, exact = extent.largest, extent.exact
        scale = gate_scale(gate, end)
    elif comparison is not None and quantity == "error_ratio":
        scale = error_ratio_scale(comparison.max_error_ratio)
    elif comparison is not None and quantity == "difference":
        scale = difference_scale(comparison.max_abs_error)
    else:
        # One scale for both sides of a swipe: else equal numbers would differ in color.
        largest = max(result.extents[name] for name in engines)
        scale = value_scale(largest, bounded=is_bounded(result.config.network.graph))
    if not scale.error_ratio and (gate is None or gate.high is None):
        scale = scale if reach is None else scale.within(*reach)
        scale = replace(scale, decades=DECADES) if logarithmic else scale
    of_input = f"{engine}.{OF_INPUT}" if is_gradient(quantity) and contributions is None else ""
    input_extent = result.extents.get(of_input, result.extents["input"])
    input_scale = value_scale(rounded_up(input_extent, ENDS) if 0.0 < input_extent < inf else input_extent)
    if of_input in result.extents:
        input_scale = replace(input_scale, decades=scale.decades)
    paint = Paint(theme, LaneColors(scale, theme), LaneColors(input_scale, theme))
    order = None if orders is None else orders.key

    def reader(of: str, quantity: Quantity) -> LaneReader:
        if contributions is None:
            return LaneReader(result, of, candidate, sample, quantity, caches.arrays, orders)
        from rnnviz.reading.parameter_gradients import ContributionReader

        return ContributionReader(result, contributions, sample, caches.arrays, orders)

    def side(name: str) -> EngineSide:
        colors = reader(name, "value" if gate is None else quantity)
        drawn = result.reference.engine if quantity in ("error_ratio", "difference") else name
        if gate is None and quantity != "value":
            # Who is drawn plays no part in these: the reduced copies serve every engine.
            colors = reader(drawn, quantity)
        style = TileStyle(caches.turn, drawn, candidate, sample, quantity, theme.name, scale, order)
        lanes = lanes_of(result.inputs.network)
        framed = caches.framed(colors.comparison, sample, [lane for lane in lanes if lane.layer is not None])
        tiles = Tiles(colors, paint, style, framed)
        # Known before it is painted, so that the legend does not change with what is in view.
        tiles.seen.update({PADDING} if colors.length < result.shape[2] else ())
        tiles.seen.update({MISSING} if contributions is not None else ())
        return EngineSide(name, colors, tiles)

    left, right = side(engines[0]), side(engines[1]) if len(engines) > 1 else None
    return RenderState(
        result,
        candidate,
        sample,
        quantity,
        theme,
        paint,
        left,
        right,
        orders=orders,
        exact=exact,
        logarithmic=logarithmic,
        hot=None if of_input in result.extents or contributions is not None else caches.hot(sample),
        contributions=contributions,
    )


def shown_in(result: RunResult, engine: str, candidate: str | None, color_by: Quantity) -> tuple[Quantity, str]:
    """The quantity that a result has, and the engine: another one if it lacks the gradient."""
    cell = result.config.network.kind
    gradients = gradients_of(result.traces.values(), cell)
    quantity = quantity_for(color_by, cell, compared=candidate is not None, gradients=gradients)
    if is_gradient(quantity) and quantity not in result[engine]:
        engine = next(name for name, trace in result.traces.items() if quantity in trace)
    return quantity, engine


def pointed_at(shown: RenderState, at: Location, cell: CellGeometry) -> Location:
    """New selection for a click on a cell. Of the input only the time step applies, of a norm not the unit."""
    # The initial state's column counts as the step next to it.
    where = at.moved(timestep=min(max(cell.timestep, 0), shown.length - 1))
    if cell.lane.layer is None:
        return where
    where = where.moved(layer=cell.lane.layer, direction=cell.lane.direction)
    return where.moved(unit=cell.unit) if shown.per_unit else where


def unit_beside(shown: RenderState, at: Location, by: int) -> Location:
    """The unit `by` rows below (negative: above) the selection, in the shown order."""
    picture, lane = shown.picture(), Lane(at.layer, at.direction)
    row = min(max(picture.row_of(lane, at.unit) + by, 0), shown.result.shape[4] - 1)
    return at.moved(unit=picture.unit_at(lane, row))


def cell_at(shown: RenderState | None, at: Location) -> CellGeometry:
    """Cell of the selection. A lane of norms has one row for all units."""
    lane = Lane(at.layer, at.direction)
    return CellGeometry(lane, at.timestep, at.unit if shown is None else min(at.unit, shown.rows(lane) - 1))


def visible_seams(shown: RenderState, geometry: Geometry) -> SeamsInView:
    """The seams in view, without those in the padding of the sample."""
    times = geometry.timesteps_in_view()
    times = range(times.start, min(times.stop, shown.length))
    return seams_in_view(shown.result.inputs.seams, times, geometry.pitch)


def is_padding(shown: RenderState, cell: CellGeometry, *, boxes: bool) -> bool:
    """Whether a cell is behind the end of the sample, and not in the column of the initial state next to `boxes`."""
    initial = boxes and bool(shown.initial_name) and cell.lane.layer is not None and cell.lane.backward
    return cell.timestep > shown.length or (cell.timestep == shown.length and not initial)


def place_of(shown: RenderState, at: Location, cell: CellGeometry, *, boxes: bool = True) -> Place:
    """Place of `rnnviz.explain.value_sources` for a cell's number; `at` is the selection.

    For padding it is that of the sample's last time step.
    """
    lane, timesteps = cell.lane, shown.length
    if is_padding(shown, cell, boxes=boxes):
        cell = cell._replace(timestep=timesteps - 1)
    found = shown.contributions
    if found is not None and lane.layer is not None and lane == found.lane:
        where = at.moved(layer=lane.layer, direction=lane.direction, timestep=cell.timestep, unit=cell.unit)
        return found.source(where)
    if lane.layer is None:
        names, unit = shown.result.inputs.names.of_sample(at.sample), cell.unit
        if shown.hot is not None:
            unit = int(shown.hot[cell.timestep])
        place = Place(INPUT_VALUES, (cell.timestep, at.sample, unit), names=names)
        return place if shown.input_gradient is None else place.gradient
    if not 0 <= cell.timestep < timesteps:
        state = shown.quantity.removeprefix(GRADIENT)
        state = state if state in shown.cell.state_symbols else "h"
        network = shown.result.inputs.network
        row = lane.layer * network.directions + lane.direction
        initial = entry_place(network, f"{state}0", (row, at.sample, cell.unit))
        return initial.gradient if shown.gradient else initial
    # A norm belongs to all units, so the selected unit stays.
    unit = cell.unit if shown.per_unit else at.unit
    where = at.moved(layer=lane.layer, direction=lane.direction, timestep=cell.timestep, unit=unit)
    if found is not None:
        return Place.at(gradient("h"), where)
    return quantity_place(where, shown.quantity)
