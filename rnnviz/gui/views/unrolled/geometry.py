"""Geometry of the lanes in pixels from the upper left corner: cells, stacked lanes, camera. Independent of Qt."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from math import ceil, floor
from typing import NamedTuple

import numpy as np

from rnnviz.core.trace_index import Lane
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.scaling import scaled, text_scale
from rnnviz.reading.level_of_detail import Bins
from rnnviz.reading.units import LaneOrders, UnitOrder


@dataclass(frozen=True)
class Scale:
    """`cells` cells in a row, each `size` pixels long, from pixel 0.

    Every cell covers at least one pixel. A cell of at least one pixel covers the pixels whose centers are in it;
    smaller cells share the pixel in which they begin.
    """

    size: float
    cells: int

    @property
    def pixels(self) -> int:
        """Total length in pixels, at least one."""
        return max(1, self.span(self.cells - 1)[1])

    def cell_at(self, pixel: float) -> int:
        """The cell at a pixel, or the nearest one."""
        if self.size < 1:
            return min(max(floor(pixel / self.size), 0), self.cells - 1)
        whole = min(max(floor(pixel), 0), self.pixels - 1)
        return self.bins(whole, whole + 1).first

    def span(self, cell: int) -> tuple[int, int]:
        """First pixel of a cell, and the pixel after its last."""
        if self.size < 1:
            pixel = floor(cell * self.size)
            return pixel, pixel + 1
        return ceil(cell * self.size - 0.5), ceil((cell + 1) * self.size - 0.5)

    def bins(self, first: int, stop: int) -> Bins:
        """Cells of each pixel from `first` to before `stop`, all of which contain cells.

        A shared pixel shows all cells that begin in it.
        """
        pixels = np.arange(first, stop + 1, dtype=np.float64)
        if self.size < 1:
            edges = np.ceil(pixels / self.size).astype(np.int64)
            # A cell that begins at a pixel's edge may round up or down; `span` uses `floor`, too.
            edges += np.floor(edges * self.size) < pixels
            edges -= np.floor((edges - 1) * self.size) >= pixels
            edges = np.clip(edges, 0, self.cells)
            starts = np.minimum(edges[:-1], self.cells - 1)
            return Bins(starts, max(int(edges[-1]), int(starts[-1]) + 1))
        starts = np.floor((pixels[:-1] + 0.5) / self.size).astype(np.int64)
        # The same for a cell whose edge lies just on a pixel's center.
        starts += np.ceil((starts + 1) * self.size - 0.5) <= pixels[:-1]
        starts -= np.ceil(starts * self.size - 0.5) > pixels[:-1]
        starts = np.clip(starts, 0, self.cells - 1)
        return Bins(starts, int(starts[-1]) + 1)


MARGIN = 6.0
SHORTEST_LANE, SHORTEST_INPUT = 30.0, 22.0
TALLEST_ROW = 64.0
_ROUNDING = 1e-9
NUMBER_ROW = 9.5
"""Minimum height of a row with a number at the usual font size."""
_GAPS = {False: (3.0, 9.0), True: (8.0, 18.0)}
"""Gaps between directions and between layers: in a heat map (False), and with boxes (True)."""
_INPUT_SHARE = 0.15
"""Minimum height of the input relative to a hidden lane; the maximum is 1."""


def number_row() -> float:
    """Minimum height of a row with a number at the current font size."""
    return NUMBER_ROW * text_scale()


@dataclass(frozen=True)
class LaneRect:
    """Rectangle of a lane: top, height, and number of rows (units)."""

    lane: Lane
    rows: int
    top: float
    height: float

    @property
    def row(self) -> float:
        return self.height / self.rows

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass(frozen=True)
class Stack:
    """All lanes from the top down, and the total height."""

    lane_rects: tuple[LaneRect, ...]
    height: float

    def lane_rect(self, lane: Lane) -> LaneRect:
        return next(lane_rect for lane_rect in self.lane_rects if lane_rect.lane == lane)

    def nearest(self, y: float) -> LaneRect:
        """The lane at a height, or the nearest one."""
        return min(self.lane_rects, key=lambda lane_rect: max(lane_rect.top - y, y - lane_rect.bottom, 0.0))


def stack_lanes(lanes: Sequence[tuple[Lane, int]], height: float, zoom: float, *, boxes: bool) -> Stack:
    """Lay out lanes in `height` pixels, `zoom` times as tall as they would fit.

    Rows of the input are as tall as other rows, within the limits of the input's height. Lanes are at least as tall
    as their header, so that the content may exceed `height`. Lower content is centered.
    """
    return _stacked(tuple(lanes), height, zoom, boxes, text_scale())


@lru_cache(maxsize=16)
def _stacked(lanes: tuple[tuple[Lane, int], ...], height: float, zoom: float, boxes: bool, scale: float) -> Stack:
    """The lanes at a scale of the text. Each picture needs the same few stacks several times."""
    gaps = _gaps_below([lane for lane, _ in lanes], boxes)
    tallest = max((rows for lane, rows in lanes if lane.layer is not None), default=1)
    weights = [
        rows if lane.layer is not None else min(max(rows, _INPUT_SHARE * tallest), tallest) for lane, rows in lanes
    ]
    shortest = [float(round((SHORTEST_INPUT if lane.layer is None else SHORTEST_LANE) * scale)) for lane, _ in lanes]
    per_row = min(_per_row(weights, shortest, height - sum(gaps) - 2.0 * MARGIN), TALLEST_ROW) * zoom
    heights = [
        float(max(floor(weight * per_row + _ROUNDING), least)) for weight, least in zip(weights, shortest, strict=True)
    ]
    content = sum(heights) + sum(gaps) + 2.0 * MARGIN
    top = MARGIN + max(0.0, (height - content) // 2.0)
    lane_rects = []
    for (lane, rows), lane_height, gap in zip(lanes, heights, gaps, strict=True):
        lane_rects.append(LaneRect(lane, rows, top, lane_height))
        top += lane_height + gap
    return Stack(tuple(lane_rects), content)


def _per_row(weights: Sequence[float], shortest: Sequence[float], room: float) -> float:
    """Row height with which the lanes fill `room`, while none is shorter than its minimum."""
    flexible = list(range(len(weights)))
    while flexible:
        left = room - sum(least for lane, least in enumerate(shortest) if lane not in flexible)
        per_row = max(left, 0.0) / sum(weights[lane] for lane in flexible)
        flat = {lane for lane in flexible if weights[lane] * per_row < shortest[lane]}
        if not flat:
            return per_row
        flexible = [lane for lane in flexible if lane not in flat]
    return max(0.0, min(least / weight for weight, least in zip(weights, shortest, strict=True)))


def hidden_row(stack: Stack) -> float:
    return next((lane_rect.row for lane_rect in stack.lane_rects if lane_rect.lane.layer is not None), 0.0)


def _gaps_below(lanes: Sequence[Lane], boxes: bool) -> list[float]:
    within, between = _GAPS[boxes]
    gaps = [within if above.layer == below.layer else between for above, below in pairwise(lanes)]
    return [*gaps, 0.0]


FEWEST_STEPS = 3.0
"""Number of visible time steps at the highest zoom."""


@dataclass(frozen=True)
class CameraLimits:
    """Limits of the camera.

    `width` and `height` are those of the picture in pixels. `before` and `after` are 1 if the initial state has a
    column left of t = 0 or right of t = T-1. `pitch` is the width in pixels that this column needs.
    """

    width: float
    height: float
    timesteps: int
    before: int
    after: int
    pitch: float
    content: float
    deepest: float

    def fits_initial(self, span: float) -> bool:
        """Whether the column of the initial state fits with `span` visible columns."""
        return span * self.pitch <= self.width * (1.0 + 1e-9)

    @property
    def whole(self) -> float:
        """Number of columns of the whole sequence, with the initial state's if they fit."""
        columns = float(self.timesteps + self.before + self.after)
        return columns if self.fits_initial(columns) else float(self.timesteps)

    @property
    def fewest(self) -> float:
        """Number of columns at the highest zoom."""
        return min(FEWEST_STEPS, self.whole)


@dataclass(frozen=True)
class Camera:
    """`span` columns of the time axis from `start`; time step t extends from t - 0.5 to t + 0.5.

    Lanes are `zoom` times as tall as when all fit, and scrolled down by `scroll` pixels.
    """

    start: float = -0.5
    span: float = 1.0
    zoom: float = 1.0
    scroll: float = 0.0

    def fitted(self, room: CameraLimits) -> "Camera":
        """A camera on the whole sequence, at the top of the lanes."""
        return Camera(span=room.whole, zoom=self.zoom).within(room)

    def zoomed_time(self, factor: float, around: float, room: CameraLimits) -> "Camera":
        """Scale time by `factor`; the time `around` stays in place."""
        span = _clamped(self.span / factor, room.fewest, room.whole)
        share = (around - self.start) / self.span
        return replace(self, span=span, start=around - share * span).within(room)

    def panned(self, columns: float, pixels: float, room: CameraLimits) -> "Camera":
        return replace(self, start=self.start + columns, scroll=self.scroll + pixels).within(room)

    def zoomed_lanes(self, factor: float, room: CameraLimits) -> "Camera":
        """Scale the height of the lanes by `factor`, within limits."""
        return replace(self, zoom=_clamped(self.zoom * factor, 1.0, room.deepest))

    def showing(self, timestep: int, room: CameraLimits) -> "Camera":
        """Move only as far as needed to show a time step with some of its neighbors."""
        if self.start <= timestep - 0.5 and timestep + 0.5 <= self.start + self.span:
            return self
        margin = min(1.0, (self.span - 1.0) / 2.0)
        low, high = timestep - 0.5 - margin, timestep + 0.5 + margin
        start = min(self.start, low)
        if start + self.span < high:
            start = high - self.span
        return replace(self, start=start).within(room)

    def within(self, room: CameraLimits) -> "Camera":
        """The nearest camera that the window can reach, whatever numbers this one has."""
        span = _clamped(self.span, room.fewest, room.whole)
        low, high = -0.5, room.timesteps - 0.5
        if room.fits_initial(span):
            low, high = low - room.before, high + room.after
        start = _clamped(self.start, low, high - span)
        scroll = _clamped(self.scroll, 0.0, room.content - room.height)
        return Camera(start, span, _clamped(self.zoom, 1.0, room.deepest), scroll)


def _clamped(value: float, low: float, high: float) -> float:
    """The nearest number from `low` to `high`; `low` for NaN, or where `high` is less."""
    return max(low, min(high, value)) if value == value else low


DIGIT_SHARE = 0.602
"""Width of a digit in JetBrains Mono, as a share of the font size."""
SMALLEST_FONT, LARGEST_FONT = 9, 15
FRAME = 4.0
"""Distance of a frame from its box, in pixels."""
_PADDING = 8.0
_OUTLINES = 3.0
"""Width of a box that its outlines and those of a mismatch take."""
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
    """A value: its lane, time step (-1 or the sample's length for the column of the initial state) and unit."""

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
    length: int | None = None
    """Number of time steps of the sample, where it is not T."""

    @property
    def computed(self) -> range:
        """Time steps that are not padding."""
        return range(self.timesteps if self.length is None else self.length)

    def row_of(self, lane: Lane, unit: int) -> int:
        order = self._order(lane)
        return unit if order is None else int(order.rows[unit])

    def holds(self, lane: Lane, units: range) -> bool:
        """Whether a lane exists and has these units. A lane with one row for all units has any."""
        rows = dict(self.lanes).get(lane)
        return rows is not None and (units.stop <= rows or (rows == 1 and self._order(lane) is None))

    def unit_at(self, lane: Lane, row: int) -> int:
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
        return self.camera.start + x / self.pitch

    def column(self, timestep: int) -> tuple[float, float]:
        """Left edge and width of a time step's cells."""
        center = self.x_of(timestep)
        return center - self.box_width / 2.0, self.box_width

    def edge(self, timestep: int) -> float:
        """Left edge of a time step's column, including its frame."""
        return self.column(timestep)[0] - (FRAME if self.boxes else 0.0)

    def top_of(self, lane_rect: LaneRect) -> float:
        return lane_rect.top - self.camera.scroll

    @property
    def extent(self) -> tuple[float, float]:
        """Top and bottom of the visible lanes with their margin; lanes of few units do not fill the height."""
        highest, lowest = self.stack.lane_rects[0], self.stack.lane_rects[-1]
        return (
            max(self.top_of(highest) - MARGIN, 0.0),
            min(self.top_of(lowest) + lowest.height + MARGIN, self.height),
        )

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
        by_width = (self.box_width - _OUTLINES) / (self.picture.digits * DIGIT_SHARE)
        smallest = scaled(SMALLEST_FONT)
        by_height = max(lane_rect.row * _FONT_SHARE, smallest)
        size = floor(min(by_height, by_width, scaled(LARGEST_FONT)))
        return size if lane_rect.row >= number_row() and size >= smallest else 0


def layout_for(picture: Scene, width: float, height: float, camera: Camera, *, fit: bool = False) -> Geometry:
    """Geometry for a camera, which is limited to the data, or fitted to all of it."""
    if fit:
        camera = Camera(zoom=_fitting_zoom(picture, width, height))
    # The height of the lanes follows from the zoom, and the limits of the rest from the height.
    camera = replace(camera, zoom=_clamped(camera.zoom, 1.0, _deepest(picture, height)))
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
    return CameraLimits(
        width=width,
        height=height,
        timesteps=picture.timesteps,
        before=int(0 in picture.directions and numbers),
        # Where the sample has padding, the initial state of a backward lane takes a column of it.
        after=int(1 in picture.directions and numbers and len(picture.computed) == picture.timesteps),
        pitch=picture.box_pitch,
        content=stack.height,
        deepest=_deepest(picture, height),
    )


def _deepest(picture: Scene, height: float) -> float:
    """The largest zoom of the lanes."""
    row = hidden_row(stack_at_rest(picture, height))
    return max(TALLEST_ROW / 2.0 / row, 1.0) if row else 1.0


def limits_of(geometry: Geometry) -> CameraLimits:
    numbers = hidden_row(geometry.stack) >= number_row()
    return viewport_limits(geometry.picture, geometry.width, geometry.height, geometry.stack, numbers)


def stack_at_rest(picture: Scene, height: float) -> Stack:
    return stack_lanes(picture.lanes, height, 1.0, boxes=True)
