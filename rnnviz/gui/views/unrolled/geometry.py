"""Geometry of the lanes in pixels from the upper left corner. Independent of Qt."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import NamedTuple

from rnnviz.core.trace_index import Lane
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.layout import TALLEST_ROW, LaneRect, Stack, hidden_row, number_row, stack_lanes
from rnnviz.gui.views.unrolled.pixel_grid import Scale
from rnnviz.gui.views.unrolled.viewport import Camera, CameraLimits
from rnnviz.quantities.units import LaneOrders, UnitOrder

DIGIT_SHARE = 0.62
"""Width of a digit in a monospace font, as a share of the font size."""
SMALLEST_FONT, LARGEST_FONT = 9, 15
FRAME = 4.0
"""Distance of a frame from its box, in pixels."""
_PADDING = 8.0
_FONT_SHARE = 0.85
"""Font size of a row's number, as a share of the row height."""
_DEEPEST_FIT = 3.0
_SHORTEST_ARROW, _ARROW_SHARE, _WIDEST_BOX = 18.0, 0.3, 180.0


class Rect(NamedTuple):
    """Left, top, width and height."""

    x: float
    y: float
    width: float
    height: float


class CellGeometry(NamedTuple):
    """A value: its lane, time step (-1 or T for the column of the initial state) and unit."""

    lane: Lane
    timestep: int
    unit: int


@dataclass(frozen=True)
class Scene:
    """Content of the picture: lanes with their rows, T, and the width of the numbers in digits."""

    lanes: tuple[tuple[Lane, int], ...]
    timesteps: int
    digits: int
    orders: LaneOrders | None = None

    def row_of(self, lane: Lane, unit: int) -> int:
        """Row of a unit, from the top of its lane."""
        order = self._order(lane)
        return unit if order is None else int(order.rows[unit])

    def holds(self, lane: Lane, units: range) -> bool:
        """Whether a lane exists and has these units. A lane with one row for all units has any."""
        rows = dict(self.lanes).get(lane)
        return rows is not None and (units.stop <= rows or (rows == 1 and self._order(lane) is None))

    def unit_at(self, lane: Lane, row: int) -> int:
        """Unit in a row of a lane."""
        order = self._order(lane)
        return row if order is None else int(order.units[row])

    def _order(self, lane: Lane) -> UnitOrder | None:
        # A lane of one row for all units has none.
        order = None if self.orders is None else self.orders.of(lane.layer, lane.direction)
        return order if order is not None and (lane, len(order.units)) in self.lanes else None

    @property
    def directions(self) -> frozenset[int]:
        """The directions of the network: 0 forward, 1 backward."""
        return frozenset(int(lane.backward) for lane, _ in self.lanes if lane.layer is not None)

    @property
    def box_pitch(self) -> float:
        """Pixels per column needed for boxes with arrows in between."""
        return self.digits * scaled(SMALLEST_FONT) * DIGIT_SHARE + _PADDING + _SHORTEST_ARROW


@dataclass(frozen=True)
class Geometry:
    """A scene in an area of `width` x `height` pixels, seen by a camera."""

    picture: Scene
    width: float
    height: float
    camera: Camera
    stack: Stack
    boxes: bool

    @property
    def pitch(self) -> float:
        """Pixels per time step."""
        return self.width / self.camera.span

    @property
    def box_width(self) -> float:
        """Width of a cell: the whole pitch in a heat map, less the arrows between boxes."""
        if not self.boxes:
            return self.pitch
        return min(self.pitch - max(_SHORTEST_ARROW, self.pitch * _ARROW_SHARE), _WIDEST_BOX)

    def x_of(self, time: float) -> float:
        """x of a time; time step t is centered at t."""
        return (time - self.camera.start) * self.pitch

    def time_at(self, x: float) -> float:
        """Time at x."""
        return self.camera.start + x / self.pitch

    def column(self, timestep: int) -> tuple[float, float]:
        """Left edge and width of a time step's cells."""
        center = self.x_of(timestep)
        return center - self.box_width / 2.0, self.box_width

    def edge(self, timestep: int) -> float:
        """Left edge of a time step's column, including its frame."""
        return self.column(timestep)[0] - (FRAME if self.boxes else 0.0)

    def top_of(self, lane_rect: LaneRect) -> float:
        """Top of a lane."""
        return lane_rect.top - self.camera.scroll

    @property
    def numbered(self) -> bool:
        """Whether the numbers of any visible hidden lane are written."""
        return any(
            self.font_pixels(lane_rect) for lane_rect in self.lane_rects_in_view() if lane_rect.lane.layer is not None
        )

    def rect(self, cell: CellGeometry) -> Rect:
        """Rectangle of a cell, vertically in whole pixels as in the heat map."""
        lane_rect = self.stack.lane_rect(cell.lane)
        # A norm has one row for all units.
        row = min(self.picture.row_of(cell.lane, cell.unit), lane_rect.rows - 1)
        first, stop = Scale(lane_rect.row, lane_rect.rows).span(row)
        x, width = self.column(cell.timestep)
        return Rect(x, self.top_of(lane_rect) + first, width, stop - first)

    def around(self, lane: Lane, times: range, units: range) -> Rect:
        """The bounding rectangle of the cells of some time steps and units."""
        rows = [self.picture.row_of(lane, unit) for unit in units]
        lane_rect = self.stack.lane_rect(lane)
        scale = Scale(lane_rect.row, lane_rect.rows)
        top, bottom = (min(row, lane_rect.rows - 1) for row in (min(rows), max(rows)))
        left, right = self.column(times.start)[0], sum(self.column(times.stop - 1))
        first, stop = scale.span(top)[0], scale.span(bottom)[1]
        return Rect(left, self.top_of(lane_rect) + first, right - left, stop - first)

    def timesteps_in_view(self) -> range:
        """Time steps that are at least partly visible."""
        first = max(0, floor(self.camera.start + 0.5))
        stop = min(self.picture.timesteps, ceil(self.camera.start + self.camera.span + 0.5 - 1e-9))
        return range(first, max(stop, first))

    def lane_rects_in_view(self) -> list[LaneRect]:
        """Lanes that are at least partly visible."""
        return [
            b
            for b in self.stack.lane_rects
            if b.bottom > self.camera.scroll and b.top < self.camera.scroll + self.height
        ]

    def rows_in_view(self, lane_rect: LaneRect) -> range:
        """Rows of a lane that are at least partly visible."""
        scale, top = Scale(lane_rect.row, lane_rect.rows), self.top_of(lane_rect)
        return range(scale.cell_at(max(-top, 0.0)), scale.cell_at(min(self.height - top, lane_rect.height) - 1e-6) + 1)

    def hit(self, x: float, y: float) -> CellGeometry | None:
        """The cell at a point, with the nearest lane and unit; None outside the columns."""
        if not (0.0 <= x < self.width and 0.0 <= y < self.height):
            return None
        lane_rect = self.stack.nearest(y + self.camera.scroll)
        unit = self.picture.unit_at(
            lane_rect.lane, Scale(lane_rect.row, lane_rect.rows).cell_at(y - self.top_of(lane_rect))
        )
        timestep = floor(self.time_at(x) + 0.5)
        return CellGeometry(lane_rect.lane, min(max(timestep, -1), self.picture.timesteps), unit)

    def font_pixels(self, lane_rect: LaneRect) -> int:
        """Font size of a lane's numbers in pixels; 0 if they do not fit."""
        by_width = (self.box_width - _PADDING / 2.0) / (self.picture.digits * DIGIT_SHARE)
        smallest = scaled(SMALLEST_FONT)
        by_height = max(lane_rect.row * _FONT_SHARE, smallest)
        size = floor(min(by_height, by_width, scaled(LARGEST_FONT)))
        return size if lane_rect.row >= number_row() and size >= smallest else 0


def layout_for(picture: Scene, width: float, height: float, camera: Camera, *, fit: bool = False) -> Geometry:
    """Geometry for a camera, which is limited to the data, or fitted to all of it."""
    if fit:
        camera = Camera(zoom=_fitting_zoom(picture, width, height))
    with_boxes = stack_lanes(picture.lanes, height, camera.zoom, boxes=True)
    numbers = hidden_row(with_boxes) >= number_row()
    room = viewport_limits(picture, width, height, with_boxes, numbers)
    camera = camera.fitted(room) if fit else camera.within(room)
    boxes = numbers and width / camera.span >= picture.box_pitch * (1.0 - 1e-9)
    stack = with_boxes if boxes else stack_lanes(picture.lanes, height, camera.zoom, boxes=False)
    camera = camera.within(viewport_limits(picture, width, height, stack, numbers))
    return Geometry(picture, width, height, camera, stack, boxes)


def _fitting_zoom(picture: Scene, width: float, height: float) -> float:
    """1, or a little more if numbers of a short sequence become visible by it."""
    row = hidden_row(stack_at_rest(picture, height))
    short = width / picture.timesteps >= picture.box_pitch
    if short and row < number_row() <= row * _DEEPEST_FIT:
        return (number_row() + 0.5) / row
    return 1.0


def viewport_limits(picture: Scene, width: float, height: float, stack: Stack, numbers: bool) -> CameraLimits:
    """Limits of the camera for this scene. The initial state is shown only next to numbers."""
    row = hidden_row(stack_at_rest(picture, height))
    return CameraLimits(
        width=width,
        height=height,
        timesteps=picture.timesteps,
        before=int(0 in picture.directions and numbers),
        after=int(1 in picture.directions and numbers),
        pitch=picture.box_pitch,
        content=stack.height,
        deepest=TALLEST_ROW / 2.0 / row if row else 1.0,
    )


def limits_of(geometry: Geometry) -> CameraLimits:
    """Limits of the camera of a geometry."""
    numbers = hidden_row(geometry.stack) >= number_row()
    return viewport_limits(geometry.picture, geometry.width, geometry.height, geometry.stack, numbers)


def stack_at_rest(picture: Scene, height: float) -> Stack:
    """The lanes without zoom."""
    return stack_lanes(picture.lanes, height, 1.0, boxes=True)


def scene_of(lanes: Sequence[tuple[Lane, int]], timesteps: int, digits: int, orders: LaneOrders | None = None) -> Scene:
    """A scene of lanes with their rows, from the top down."""
    return Scene(tuple(lanes), timesteps, digits, orders)
