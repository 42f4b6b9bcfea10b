"""Geometry of the lanes in pixels from the upper left corner: cells, stacked lanes, camera. Independent of Qt."""

from dataclasses import replace
from functools import lru_cache
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
SHORTEST_LANE, SHORTEST_INPUT = 30.0, 18.0
BAND = 36.0
"""Height of a lane that is folded."""
BOXED = 12.0
"""Size in pixels from which cells are boxes with gaps."""
GAP, ARROW_GAP = 2.0, 22.0
"""Gaps between boxes, without and with arrows in them."""
FEW_COLUMNS = 12
"""Columns below which a lesson has arrows between all of them."""
_TALLEST, _TALLEST_INPUT = {False: 64.0, True: 72.0}, {False: 18.0, True: 54.0}
"""Tallest row of a hidden lane and of the input, outside lessons and in them."""
_ONE_ROW = 24.0
_INPUT_SHARE = 0.15
"""Minimum height of the input relative to a hidden lane; the maximum is 1."""
_LEAST_ROW = 6.0
"""Rows that are lower than this have no gaps between columns either."""
_NUMBER_ROW = 10.0
_LANE_GAP, _LEAST_GAP, _GAPS_SHARE = 18.0, 9.0, 0.18
_INITIAL_GAP = 6.0
"""Distance of the column of the initial state from the first step, beyond the gap of boxes."""


def number_row() -> float:
    """Minimum height of a row with a number at the current font size."""
    return _NUMBER_ROW * text_scale()


@dataclass(frozen=True)
class LaneRect:
    """Rectangle of a lane: top, height, and number of rows (units). A `band` is folded and has no numbers."""

    lane: Lane
    rows: int
    top: float
    height: float
    band: bool = False

    @property
    def row(self) -> float:
        return self.height / self.rows

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def gap(self) -> float:
        """Gap between its rows."""
        return GAP if self.row >= BOXED and not self.band else 0.0

    @property
    def scale(self) -> Scale:
        return Scale(self.row, self.rows)


@dataclass(frozen=True)
class Stack:
    """All lanes from the top down, and the total height."""

    lane_rects: tuple[LaneRect, ...]
    height: float

    def find(self, lane: Lane) -> LaneRect | None:
        return next((lane_rect for lane_rect in self.lane_rects if lane_rect.lane == lane), None)

    def lane_rect(self, lane: Lane) -> LaneRect:
        found = self.find(lane)
        assert found is not None, lane
        return found

    def nearest(self, y: float) -> LaneRect:
        """The lane at a height, or the nearest one."""
        return min(self.lane_rects, key=lambda lane_rect: max(lane_rect.top - y, y - lane_rect.bottom, 0.0))


def stack_lanes(picture: "Scene", height: float, zoom: float) -> Stack:
    """Lay out lanes in `height` pixels, `zoom` times as tall as they would fit.

    Rows of the input are as tall as other rows, within the limits of the input's height. Lanes are at least as tall
    as their label, so that the content may exceed `height`.
    """
    return _stacked(picture.lanes, picture.bands, height, zoom, picture.lesson, text_scale())


@lru_cache(maxsize=16)
def _stacked(
    lanes: tuple[tuple[Lane, int], ...], bands: frozenset[Lane], height: float, zoom: float, lesson: bool, scale: float
) -> Stack:
    """The lanes at a scale of the text. Each picture needs the same few stacks several times."""
    tallest = max((rows for lane, rows in lanes if lane.layer is not None), default=1)
    gap = min(max(_GAPS_SHARE * height / len(lanes), _LEAST_GAP), _LANE_GAP)
    limits: list[tuple[float, float, float]] = []
    for lane, rows in lanes:
        if lane in bands:
            limits.append((0.0, BAND * scale, BAND * scale))
        elif lane.layer is not None:
            limits.append((rows, round(SHORTEST_LANE * scale), _TALLEST[lesson] * scale * zoom * rows))
        elif rows == 1:
            limits.append((0.0, _ONE_ROW * scale, _ONE_ROW * scale))
        else:
            weight = min(max(rows, _INPUT_SHARE * tallest), tallest)
            limits.append((weight, round(SHORTEST_INPUT * scale), _TALLEST_INPUT[lesson] * scale * zoom * rows))

    def heights(per_row: float) -> list[float]:
        return [max(min(floor(weight * per_row + 1e-9), most), least) for weight, least, most in limits]

    room = height - gap * (len(lanes) - 1) - 2.0 * MARGIN
    low, high = 0.0, _TALLEST[lesson] * scale
    for _ in range(0 if sum(heights(high)) <= room else 40):
        middle = (low + high) / 2.0
        low, high = (middle, high) if sum(heights(middle)) <= room else (low, middle)
    found = heights((high if sum(heights(high)) <= room else low) * zoom)
    tops = np.cumsum([MARGIN, *(own + gap for own in found)]).tolist()
    rects = [
        LaneRect(lane, rows, top, own, lane in bands)
        for (lane, rows), top, own in zip(lanes, tops[:-1], found, strict=True)
    ]
    return Stack(tuple(rects), tops[-1] - gap + MARGIN)


def hidden_row(stack: Stack) -> float:
    """Height of the rows of hidden lanes that are not folded; 0 without any."""
    return next((own.row for own in stack.lane_rects if own.lane.layer is not None and not own.band), 0.0)


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
FREE = 4.0
"""Least distance of a number from the edges of its box with half of the gap."""
_NUMBER, _LESSON_NUMBER, _SMALLEST_NUMBER, _NUMBER_SHARE = 12, 13, 9, 0.75
"""Font sizes of numbers, the smallest one, and the largest share of a row's height."""
_MOST_ROOM, _LEAST_ROOM = 8, 4
"""Most characters that numbers use, and the fewest with which there are any."""
_ROOM_BESIDE = 5 * DIGIT_SHARE
_DEEPEST_FIT = 2.0


class Rect(NamedTuple):
    """Left, top, width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def grown(self, by: float) -> "Rect":
        return Rect(self.x - by, self.y - by, self.width + 2.0 * by, self.height + 2.0 * by)

    def united(self, other: "Rect") -> "Rect":
        """The bounding rectangle of both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Rect(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)


class CellGeometry(NamedTuple):
    """A value: its lane, time step (-1 or the sample's length for the column of the initial state) and unit."""

    lane: Lane
    timestep: int
    unit: int


@dataclass(frozen=True)
class Scene:
    """Content of the picture: lanes with their rows, those that are folded to `bands`, and T.

    `initial` is whether there are columns of the initial state. A `lesson` has larger boxes, with arrows if there are
    few of them.
    """

    lanes: tuple[tuple[Lane, int], ...]
    timesteps: int
    orders: LaneOrders | None = None
    length: int | None = None
    """Number of time steps of the sample, where it is not T."""
    bands: frozenset[Lane] = frozenset()
    initial: bool = True
    lesson: bool = False

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
    def arrows(self) -> bool:
        """Whether arrows join the columns of all time steps."""
        return self.lesson and self.timesteps < FEW_COLUMNS


@dataclass(frozen=True)
class Geometry:
    """A scene in an area of `width` x `height` pixels, seen by a camera.

    `before` and `after` are 1 where there is a column of the initial state left of t = 0 or right of t = T-1. They are
    a little apart from the others.
    """

    picture: Scene
    width: float
    height: float
    camera: Camera
    stack: Stack
    before: int = 0
    after: int = 0

    @property
    def pitch(self) -> float:
        return (self.width - _INITIAL_GAP * (self.before + self.after)) / self.camera.span

    @property
    def boxes(self) -> bool:
        """Whether columns are wide enough for gaps."""
        return self.pitch >= BOXED

    @property
    def gap(self) -> float:
        """Gap between the columns of two time steps."""
        if not self.boxes or hidden_row(self.stack) < _LEAST_ROW:
            return 0.0
        return ARROW_GAP if self.arrows else GAP

    @property
    def arrows(self) -> bool:
        """Whether arrows join the columns: there are few of them, with room for arrows and numbers."""
        return self.picture.arrows and self.pitch >= ARROW_GAP + 2.0 * FREE + _ROOM_BESIDE * scaled(_LESSON_NUMBER)

    @property
    def box_width(self) -> float:
        return self.pitch - self.gap

    def x_of(self, time: float) -> float:
        """x of a time; time step t is centered at t."""
        return (time - self.camera.start) * self.pitch + _INITIAL_GAP * self.before

    def time_at(self, x: float) -> float:
        return self.camera.start + (x - _INITIAL_GAP * self.before) / self.pitch

    @property
    def origin(self) -> int:
        """The pixel at which time step 0 begins."""
        return round(self.x_of(-0.5))

    def span(self, timestep: int) -> tuple[float, float]:
        """Left edge and width of a time step's column with half of the gaps around it, in whole pixels."""
        first, stop = Scale(self.pitch, self.picture.timesteps).span(timestep)
        left = float(self.origin + first)
        if self.boxes and self.before and timestep < 0:
            left -= _INITIAL_GAP
        elif self.boxes and self.after and timestep >= self.picture.timesteps:
            left += _INITIAL_GAP
        return left, stop - first

    def column(self, timestep: int) -> tuple[float, float]:
        """Left edge and width of a time step's cells."""
        left, width = self.span(timestep)
        return left + self.gap / 2.0, width - self.gap

    def edge(self, timestep: int) -> float:
        """Left edge of a time step's column, including half of the gap."""
        return self.span(timestep)[0]

    def top_of(self, lane_rect: LaneRect) -> float:
        return lane_rect.top - self.camera.scroll

    @property
    def bottom(self) -> float:
        """Lower end of the lanes, which may not fill the height."""
        return min(self.stack.height - self.camera.scroll, self.height)

    @property
    def numbered(self) -> bool:
        """Whether the numbers of any visible hidden lane are written."""
        return any(self.room(own) for own in self.lane_rects_in_view() if own.lane.layer is not None)

    def rect(self, cell: CellGeometry) -> Rect:
        """Rectangle of a cell, in whole pixels as in the heat map."""
        return self.around(cell.lane, range(cell.timestep, cell.timestep + 1), range(cell.unit, cell.unit + 1))

    def around(self, lane: Lane, times: range, units: range) -> Rect:
        """The bounding rectangle of the cells of some time steps and units."""
        lane_rect = self.stack.lane_rect(lane)
        # A norm has one row for all units.
        rows = [min(self.picture.row_of(lane, unit), lane_rect.rows - 1) for unit in units]
        left, right = self.column(times.start)[0], sum(self.column(times.stop - 1))
        gap = lane_rect.gap / 2.0
        first, stop = lane_rect.scale.span(min(rows))[0] + gap, lane_rect.scale.span(max(rows))[1] - gap
        return Rect(left, self.top_of(lane_rect) + first, right - left, stop - first)

    def lane_area(self, lane_rect: LaneRect, times: range | None = None) -> Rect:
        """The rectangle of a lane over some time steps, or over all columns."""
        times = range(-self.before, self.picture.timesteps + self.after) if times is None else times
        left, right = self.column(times.start)[0], sum(self.column(times.stop - 1))
        return Rect(left, self.top_of(lane_rect), right - left, lane_rect.height)

    def timesteps_in_view(self) -> range:
        """Time steps that are at least partly visible."""
        first = max(0, floor(self.time_at(0.0) + 0.5 + 1e-9))
        stop = min(self.picture.timesteps, ceil(self.time_at(self.width) + 0.5 - 1e-9))
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
        scale, top = lane_rect.scale, self.top_of(lane_rect)
        return range(scale.cell_at(max(-top, 0.0)), scale.cell_at(min(self.height - top, lane_rect.height) - 1e-6) + 1)

    def initial_timestep(self, lane: Lane) -> int | None:
        """Column of a lane's initial state, or None if it is not visible.

        It is -1, or in a backward lane the length of the sample, which is a column of padding if that is not T.
        """
        if not self.boxes or lane.layer is None or not self.picture.initial:
            return None
        timestep = self.picture.computed.stop if lane.backward else -1
        x, width = self.column(timestep)
        return timestep if x + width > 0.0 and x < self.width else None

    def hit(self, x: float, y: float) -> CellGeometry | None:
        """The cell at a point, with the nearest lane and unit; None outside the columns."""
        if not (0.0 <= x < self.width and 0.0 <= y < self.height):
            return None
        lane_rect = self.stack.nearest(y + self.camera.scroll)
        unit = self.picture.unit_at(lane_rect.lane, lane_rect.scale.cell_at(y - self.top_of(lane_rect)))
        return CellGeometry(lane_rect.lane, self.timestep_at(x), unit)

    def timestep_at(self, x: float) -> int:
        """The time step whose column is at x: -1 left of all, T right of all."""
        times, right = Scale(self.pitch, self.picture.timesteps), x - self.origin
        return -1 if right < 0.0 else times.cells if right >= times.pixels else times.cell_at(right)

    def font_pixels(self, lane_rect: LaneRect) -> int:
        """Font size of a lane's numbers in pixels, whether or not they fit."""
        usual = scaled(_LESSON_NUMBER if self.picture.lesson else _NUMBER)
        by_width = floor((self.box_width + GAP - 2.0 * FREE) / (_LEAST_ROOM * DIGIT_SHARE))
        size = min(usual, floor(lane_rect.row * _NUMBER_SHARE), by_width)
        return max(size, min(usual, scaled(_SMALLEST_NUMBER)))

    def room(self, lane_rect: LaneRect) -> int:
        """Number of characters that fit in the boxes of a lane, at most 8; 0 if there are too few for numbers."""
        if not self.boxes or lane_rect.band or lane_rect.row < number_row():
            return 0
        fitting = int((self.box_width + GAP - 2.0 * FREE) / (self.font_pixels(lane_rect) * DIGIT_SHARE))
        return min(fitting, _MOST_ROOM) if fitting >= _LEAST_ROOM else 0


def layout_for(picture: Scene, width: float, height: float, camera: Camera, *, fit: bool = False) -> Geometry:
    """Geometry for a camera, which is limited to the data, or fitted to all of it."""
    if fit:
        camera = Camera(zoom=_fitting_zoom(picture, width, height))
    # The height of the lanes follows from the zoom, and the limits of the rest from the height.
    camera = replace(camera, zoom=_clamped(camera.zoom, 1.0, _deepest(picture, height)))
    stack = stack_lanes(picture, height, camera.zoom)
    room = viewport_limits(picture, width, height, stack)
    camera = camera.fitted(room) if fit else camera.within(room)
    ends = (room.before, room.after) if room.fits_initial(camera.span) else (0, 0)
    return Geometry(picture, width, height, camera, stack, *ends)


def _fitting_zoom(picture: Scene, width: float, height: float) -> float:
    """1, or a little more if numbers of a short sequence become visible by it."""
    row = hidden_row(stack_lanes(picture, height, 1.0))
    least = 2.0 * FREE + _LEAST_ROOM * scaled(_SMALLEST_NUMBER) * DIGIT_SHARE
    if width / picture.timesteps >= least and 0.0 < row < number_row() <= row * _DEEPEST_FIT:
        return (number_row() + 0.5) / row
    return 1.0


def viewport_limits(picture: Scene, width: float, height: float, stack: Stack) -> CameraLimits:
    """Limits of the camera for this scene. The initial state is shown only next to boxes."""
    return CameraLimits(
        width=width,
        height=height,
        timesteps=picture.timesteps,
        before=int(0 in picture.directions and picture.initial),
        # Where the sample has padding, the initial state of a backward lane takes a column of it.
        after=int(1 in picture.directions and picture.initial and len(picture.computed) == picture.timesteps),
        pitch=BOXED + 1.0,
        content=stack.height,
        deepest=_deepest(picture, height),
    )


def _deepest(picture: Scene, height: float) -> float:
    """The largest zoom of the lanes."""
    row = hidden_row(stack_lanes(picture, height, 1.0))
    return max(_TALLEST[False] / 2.0 / row, 1.0) if row else 1.0


def limits_of(geometry: Geometry) -> CameraLimits:
    return viewport_limits(geometry.picture, geometry.width, geometry.height, geometry.stack)
