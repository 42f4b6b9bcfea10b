"""Marks over the lanes: what they are, as data, where they lie, and how they are painted."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QPolygonF, QRegion
from PySide6.QtWidgets import QApplication

from rnnviz.core.config import Network
from rnnviz.core.trace_index import Lane, Location
from rnnviz.frozen import dataclass
from rnnviz.gui.regions import Order, Part, Region, input_regions, previous_regions
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.seams import SeamsInView, paint_seams
from rnnviz.gui.views.unrolled.geometry import DIGIT_SHARE, CellGeometry, Geometry, LaneRect, Rect
from rnnviz.gui.views.unrolled.lane_text import MASK
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.reading.units import Query, Selection
from rnnviz.series.outlines import pixel_bands, runs

if TYPE_CHECKING:
    from rnnviz.dependence.influence import Influence
    from rnnviz.reading.parameter_gradients import Contributions

_HEAD, _SMALLEST_FRAME = 5.0, 10.0
_REACH = 1.0
"""Distance in pixels by which marks may exceed their bounds."""


class Frame(NamedTuple):
    """A rounded frame along the edge of a rectangle, on a wider one of the color `under`."""

    rect: Rect
    color: str
    width: float
    dashes: tuple[float, ...] = ()
    under: str = "base"
    radius: float = 4.0
    rim: float = 1.0
    """How far the frame below reaches beyond it."""

    @property
    def bounds(self) -> Rect:
        return self.rect.grown(self.width / 2.0 + self.rim + _REACH)

    def paint(self, painter: QPainter, theme: Theme) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        over = QPen(_color(self.color, theme), self.width)
        if self.dashes:
            over.setDashPattern(self.dashes)
            over.setCapStyle(Qt.PenCapStyle.FlatCap)
        under = QPen(theme.color(self.under), self.width + 2.0 * self.rim)
        for pen in (under, over) if self.rim else (over,):
            painter.setPen(pen)
            painter.drawRoundedRect(QRectF(*self.rect), self.radius, self.radius)


class Fill(NamedTuple):
    """A filled rectangle."""

    rect: Rect
    color: str
    radius: float = 0.0

    @property
    def bounds(self) -> Rect:
        return self.rect.grown(_REACH)

    def paint(self, painter: QPainter, theme: Theme) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_color(self.color, theme))
        if self.radius:
            painter.drawRoundedRect(QRectF(*self.rect), self.radius, self.radius)
        else:
            painter.drawRect(QRectF(*self.rect))


class Arrow(NamedTuple):
    """A horizontal or vertical arrow from (x, y) to (to_x, to_y)."""

    x: float
    y: float
    to_x: float
    to_y: float
    color: str
    width: float = 1.5

    @property
    def bounds(self) -> Rect:
        x, y = min(self.x, self.to_x), min(self.y, self.to_y)
        return Rect(x, y, abs(self.to_x - self.x), abs(self.to_y - self.y)).grown(_HEAD + self.width)

    def paint(self, painter: QPainter, theme: Theme) -> None:
        arrow(painter, QPointF(self.x, self.y), QPointF(self.to_x, self.to_y), _color(self.color, theme), self.width)


class Text(NamedTuple):
    """A text in the middle of a rectangle, on a rounded ground with a frame if it has a `frame`."""

    rect: Rect
    text: str
    color: str
    frame: str = ""
    dashes: tuple[float, ...] = ()
    pixels: int = 12

    @property
    def bounds(self) -> Rect:
        return self.rect.grown(2.0 * _REACH)

    def paint(self, painter: QPainter, theme: Theme) -> None:
        if self.frame:
            Frame(self.rect, self.frame, 1.5, self.dashes, rim=0.0).paint(painter, theme)
            Fill(self.rect.grown(-0.75), "base", 3.0).paint(painter, theme)
        painter.setFont(_bold(self.pixels))
        painter.setPen(_color(self.color, theme))
        painter.drawText(QRectF(*self.rect), Qt.AlignmentFlag.AlignCenter, self.text)


@dataclass(frozen=True, eq=False)
class Strip:
    """An image that is stretched over a rectangle."""

    rect: Rect
    image: QImage

    @property
    def bounds(self) -> Rect:
        return self.rect

    def paint(self, painter: QPainter, _theme: Theme) -> None:
        painter.drawImage(QRectF(*self.rect), self.image)


class Seams(NamedTuple):
    """Dashed lines where new calls begin."""

    places: tuple[float, ...]
    top: float
    bottom: float

    @property
    def bounds(self) -> Rect:
        return Rect(self.places[0], self.top, self.places[-1] - self.places[0], self.bottom - self.top).grown(_HEAD)

    def paint(self, painter: QPainter, theme: Theme) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        paint_seams(painter, self.places, self.top, self.bottom, theme, "text")
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)


Mark: TypeAlias = Frame | Fill | Arrow | Text | Strip | Seams
Marks: TypeAlias = tuple[Mark, ...]


def paint_marks(painter: QPainter, marks: Iterable[Mark], theme: Theme, dirty: QRegion) -> None:
    """Paint the marks that a region has."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for mark in marks:
        if dirty.intersects(QRectF(*mark.bounds).toAlignedRect()):
            mark.paint(painter, theme)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def arrow(painter: QPainter, start: QPointF, end: QPointF, color: QColor, width: float = 1.4) -> None:
    """A horizontal or vertical arrow."""
    dx, dy = end.x() - start.x(), end.y() - start.y()
    length = max(abs(dx), abs(dy), 1e-9)
    ux, uy = dx / length, dy / length
    head = min(_HEAD, length)
    base = QPointF(end.x() - ux * head, end.y() - uy * head)
    side = head * 0.7
    painter.setPen(QPen(color, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
    painter.drawLine(start, base)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    sides = (QPointF(base.x() - uy * side, base.y() + ux * side), QPointF(base.x() + uy * side, base.y() - ux * side))
    painter.drawPolygon(QPolygonF([end, *sides]))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _color(name: str, theme: Theme) -> QColor:
    """The color of a role, or by its number of a series."""
    return QColor(theme.series[int(name)]) if name.isdigit() else theme.color(name)


@lru_cache(16)
def _bold(pixels: int) -> QFont:
    font = QFont(QApplication.font())
    font.setBold(True)
    font.setPixelSize(pixels)
    return font


# The selection, and what it reads

_HALO, _LINK = 3.0, 1.5


def selection_marks(cell: CellGeometry, geometry: Geometry, *, focused: bool, card: float | None) -> Marks:
    """A frame around the selected value, with the keyboard a second one; ticks between lanes of a heat map.

    A line below a value in view leads to the x of its `card`.
    """
    lane_rect = geometry.stack.find(cell.lane)
    if lane_rect is None or lane_rect.band:
        return ()
    box = _at_least(geometry.rect(cell))
    marks: list[Mark] = []
    if not geometry.boxes:
        marks += _ticks(cell.timestep, geometry)
    if focused:
        marks.append(Frame(box.grown(_HALO), "accent", 2.0, rim=0.0, radius=6.0))
    marks.append(Frame(box.grown(1.0), "cursor", 2.0))
    if card is not None and lane_rect.gap and box.right > 0.0 and box.x < card:
        y = box.bottom + lane_rect.gap / 2.0
        marks.append(Fill(Rect(box.right, y - _LINK / 2.0, max(card - box.right, 0.0), _LINK), "cursor"))
    return tuple(marks)


def _ticks(timestep: int, geometry: Geometry) -> list[Mark]:
    """Lines in the gaps between lanes at a time step."""
    left, width = geometry.column(timestep)
    x = round(left + width / 2.0) - 1.0
    rects = geometry.stack.lane_rects
    ends = [rects[0].top - 6.0, *(own.top for own in rects[1:]), rects[-1].bottom + 6.0]
    begins = [own.bottom for own in rects]
    tops = [ends[0], *begins]
    bottoms = [rects[0].top, *ends[1:]]
    shift = geometry.camera.scroll
    return [Fill(Rect(x, top - shift, 2.0, bottom - top), "cursor") for top, bottom in zip(tops, bottoms, strict=True)]


def _at_least(box: Rect) -> Rect:
    """A box that is large enough for a frame."""
    wider, taller = max(_SMALLEST_FRAME - box.width, 0.0), max(_SMALLEST_FRAME - box.height, 0.0)
    return Rect(box.x - wider / 2.0, box.y - taller / 2.0, box.width + wider, box.height + taller)


def pointer_marks(hovered: CellGeometry | None, geometry: Geometry, *, pressed: bool) -> Marks:
    """A frame around the value under the pointer."""
    if hovered is None or not geometry.boxes or geometry.stack.lane_rect(hovered.lane).row < _SMALLEST_FRAME:
        return ()
    return (Frame(geometry.rect(hovered).grown(0.5 if pressed else 0.0), "muted", 2.0 if pressed else 1.0, rim=0.0),)


def read_marks(network: Network, at: Location, shown: RenderState, geometry: Geometry) -> Marks:
    """Frames around the columns that the selected value reads, and an arrow from the lowest one.

    A gradient is computed from those of the steps that read the value.
    """
    if not geometry.boxes or shown.gradient or shown.compared_values or shown.contributions is not None:
        return ()
    regions = (*previous_regions(network, at, shown.length)[:1], *input_regions(network, at))
    view = Rect(0.0, 0.0, geometry.width, geometry.height)
    marks: list[Mark] = []
    for region in regions:
        own, times = geometry.stack.find(region.lane), region.times
        if own is None or own.band or (region.lane == Lane(at.layer, at.direction) and not _has(own, times, geometry)):
            continue
        area = geometry.lane_area(own, times).grown(1.0)
        if QRectF(*area).intersects(QRectF(*view)):
            marks.append(Frame(area, "accent", 1.5))
    lanes = [own.lane for own in geometry.stack.lane_rects]
    below = [region.lane for region in regions[1:] if region.lane in lanes]
    here = geometry.stack.find(Lane(at.layer, at.direction))
    if below and here is not None:
        # From the nearest of the lanes below, across the other direction of the layer if need be.
        source = geometry.stack.lane_rect(min(below, key=lanes.index))
        x = sum(geometry.column(at.timestep)) - geometry.column(at.timestep)[1] / 2.0
        target = geometry.stack.lane_rects[lanes.index(source.lane) - 1]
        marks.append(Arrow(x, geometry.top_of(source), x, geometry.top_of(target) + target.height + 2.0, "accent"))
    return tuple(marks)


def _has(own: LaneRect, times: range, geometry: Geometry) -> bool:
    """Whether a lane has a column: that of the initial state is not always there."""
    initial = geometry.initial_timestep(own.lane)
    return times.start in geometry.picture.computed or times.start == initial


def arrow_marks(geometry: Geometry, shown: RenderState) -> Marks:
    """Arrows from each step to the next in the order of computation, and from each lane to the one above."""
    if not geometry.picture.arrows or not geometry.boxes:
        return ()
    marks: list[Mark] = []
    computed = geometry.picture.computed
    for own in geometry.lane_rects_in_view() if geometry.arrows else ():
        if own.lane.layer is None:
            continue
        y = geometry.top_of(own) + own.height / 2.0
        backward = own.lane.backward
        first = computed.start - (0 if backward or not geometry.picture.initial else 1)
        last = computed.stop - (0 if backward and geometry.picture.initial else 1)
        for before in range(first, last):
            ends = sum(geometry.column(before)) + 3.0, geometry.column(before + 1)[0] - 3.0
            start, end = ends if backward == shown.gradient else ends[::-1]
            marks.append(Arrow(start, y, end, y, "muted"))
    layers = [own for own in geometry.stack.lane_rects if own.lane.direction == 0 or own.lane.layer is None]
    for below, above in zip(layers[1:], layers[:-1], strict=True):
        start, end = geometry.top_of(below) - 2.0, geometry.top_of(above) + above.height + 2.0
        if below.lane.layer is not None:
            # Both directions of a layer are read: from the upper one.
            upper = next(own for own in geometry.stack.lane_rects if own.lane.layer == below.lane.layer)
            start = geometry.top_of(upper) - 2.0
        start, end = (end, start) if shown.gradient else (start, end)
        for timestep in computed:
            x = geometry.column(timestep)[0] + geometry.box_width / 2.0
            marks.append(Arrow(x, start, x, end, "muted"))
    return tuple(marks)


# Mismatches and masks

_WHOLE, _AROUND = 2.0, 4.0


def wrong_marks(shown: RenderState, geometry: Geometry) -> Marks:
    """A frame around each run of time steps at which nearly all units of a lane mismatch."""
    marks: list[Mark] = []
    view, times = Rect(0.0, 0.0, geometry.width, geometry.height).grown(8.0), geometry.timesteps_in_view()
    for own in geometry.lane_rects_in_view():
        framed = shown.framed(own.lane)
        if framed is None or not times:
            continue
        first, last = max(times.start - 1, 0), min(times.stop + 1, len(framed))
        spans = runs(framed[first:last]) + first
        if len(spans) > geometry.width / _SMALLEST_FRAME:
            # Runs that share pixels share a frame.
            edges = pixel_bands(spans, geometry.time_at(0.0), geometry.time_at(geometry.width), int(geometry.width), 4)
            areas = [Rect(x, geometry.top_of(own), stop - x, own.height) for x, stop in edges.tolist()]
        else:
            areas = [geometry.lane_area(own, range(start, stop + 1)) for start, stop in spans.tolist()]
        for area in areas:
            framed_area = area.grown(_AROUND - _WHOLE / 2.0)
            left, right = max(framed_area.x, view.x), min(framed_area.right, view.right)
            marks.append(
                Frame(
                    Rect(left, framed_area.y, right - left, framed_area.height), "outline", _WHOLE, rim=0.0, radius=5.0
                )
            )
    return tuple(marks)


def masked_marks(shown: RenderState, geometry: Geometry) -> Marks:
    """A "?" in place of each number that a question asks for, without its color."""
    if not shown.look.masks:
        return ()
    marks: list[Mark] = []
    for own in geometry.lane_rects_in_view():
        steps, lane = geometry.timesteps_in_view(), own.lane
        units = shown.left.colors.shape(lane)[1] if shown.per_unit else shown.result.shape[4]
        asked = shown.masked(lane, steps, range(units))
        if asked is not None and asked.all():
            marks.append(Fill(geometry.lane_area(own, steps), "raised"))
        places = [(steps[t], int(unit)) for t, unit in np.argwhere(asked)] if asked is not None else []
        initial = geometry.initial_timestep(lane)
        if initial is not None:
            places += [(initial, u) for u in range(own.rows) if shown.is_masked(CellGeometry(lane, initial, u))]
        if len(places) > _MOST_MASKED:
            continue
        boxes = [geometry.rect(CellGeometry(lane, timestep, min(unit, own.rows - 1))) for timestep, unit in places]
        marks += [Fill(box, "raised") for box in boxes]
        pixels, asked_for = geometry.font_pixels(own), list[Rect]()
        for box in sorted(set(boxes), key=lambda box: (box.y, box.x)):
            last = asked_for[-1] if asked_for else box
            near = last.x <= box.x <= last.right + _IN_FRAME and box.y <= last.bottom + _IN_FRAME
            if asked_for and near and not _has_room(box, pixels):
                # Boxes that are too small for it share a "?" with their neighbors.
                asked_for[-1] = last.united(box)
            else:
                asked_for.append(box)
        for place in asked_for:
            if geometry.boxes:
                marks.append(Frame(place.grown(-1.0), "accent", 2.0, (2.5, 1.5), rim=0.0, radius=3.0))
            if _has_room(place, pixels):
                marks.append(Text(place, MASK, "accent", pixels=pixels))
    return tuple(dict.fromkeys(marks))


_IN_FRAME = 4.0
"""Room that the frame of a masked number takes of the width of its box."""


def _has_room(box: Rect, pixels: int) -> bool:
    """Whether a "?" with a font of `pixels` fits in a box."""
    return box.width >= pixels * DIGIT_SHARE + _IN_FRAME and box.height >= pixels


_MOST_MASKED = 2000
"""Masked numbers of a lane that are marked one by one."""

# Highlighted regions

_WHOLE_VIEW = 60.0
"""Length of a frame beyond the view, in pixels. Qt draws every dash, even invisible ones."""
LINES: dict[Part, tuple[tuple[float, ...], str]] = {
    "same": ((4.0, 3.0), "accent"),
    "read": ((1.0, 1.5), "accent"),
    "gates": ((2.0, 1.0), "1"),
    "computed": ((), "1"),
    "carried": ((6.0, 2.0), "4"),
    "next": ((1.0, 1.5), "4"),
}
"""Dashes of each part as multiples of the line width, and the color."""
_LEADS = {("read", "gates"), ("read", "computed"), ("carried", "next")}
"""Parts of a step that are joined by arrows: inputs with outputs, and these with the steps that read them."""
_SHORTEST_ARROW, _ARROW_GAP, _ARROW_MARGIN = 9.0, 2.0, 9.0
_TAG_HEIGHT, _TAG_SIDE, _TAG_FONT = 15, 4.0, 10


@dataclass(frozen=True)
class Highlight:
    """A highlighted region in view: its rectangle and its label."""

    region: Region
    rect: Rect
    tag: str


def highlights_of(highlighted: Sequence[Region], geometry: Geometry) -> list[Highlight]:
    """The visible regions. h and c of one step share a frame.

    Regions that the shown network lacks are skipped, for example during a change of the network. So is an initial state
    without a column: only boxes have one, where a sample has padding.
    """
    padding = range(geometry.picture.computed.stop, geometry.picture.timesteps)
    places: dict[tuple[object, ...], list[Region]] = {}
    for region in highlighted:
        places.setdefault((region.lane, region.times, region.units, region.part), []).append(region)
    view = QRectF(0.0, 0.0, geometry.width, geometry.height)
    found = [
        Highlight(together[0], _region_rect(together[0], geometry), _tag(together))
        for together in places.values()
        if geometry.picture.holds(together[0].lane, together[0].units)
        and (geometry.boxes or together[0].times.start not in padding)
    ]
    return [highlight for highlight in found if QRectF(*highlight.rect).intersects(view)]


def _region_rect(region: Region, geometry: Geometry) -> Rect:
    """The frame of a region. The edge of what is wholly in view is in view, too."""
    box = geometry.around(region.lane, region.times, region.units)
    framed, width, height = _at_least(box).grown(2.0), geometry.width, geometry.height
    left = max(framed.x, 1.5 if box.x >= -1.0 else -_WHOLE_VIEW)
    top = max(framed.y, 1.5 if box.y >= -1.0 else -_WHOLE_VIEW)
    right = min(framed.right, width - 1.5 if box.right <= width + 1.0 else width + _WHOLE_VIEW)
    bottom = min(framed.bottom, height - 1.5 if box.bottom <= height + 1.0 else height + _WHOLE_VIEW)
    return Rect(left, top, right - left, bottom - top)


def _tag(together: Sequence[Region]) -> str:
    """Label of regions in one frame: c if they include it, because the lanes show h."""
    arrays, part = ", ".join(dict.fromkeys(region.array for region in together)), together[0].part
    if part == "same":
        return "" if "h" in arrays else arrays
    return f"{part} {arrays}" if "c" in arrays else part


def highlight_marks(highlights: Sequence[Highlight], width: float) -> Marks:
    """A dashed frame around each region, arrows from what a step reads to what it computes, and labels."""
    frames: list[Mark] = [
        Frame(own.rect, LINES[own.region.part][1], 2.0, LINES[own.region.part][0], rim=1.5, radius=0.0)
        for own in highlights
    ]
    arrows = [
        mark
        for source in highlights
        for target in highlights
        if (source.region.part, target.region.part) in _LEADS
        for mark in _join(source, target)
    ]
    return (*frames, *arrows, *_tags(highlights, width))


def _join(source: Highlight, target: Highlight) -> Sequence[Mark]:
    """An arrow: horizontal within a lane, vertical between lanes; none if it does not fit."""
    here, there = source.rect, target.rect
    if source.region.lane == target.region.lane:
        y = here.y + here.height / 2.0
        ends = (here.right + _ARROW_GAP, y), (there.x - _ARROW_GAP, y)
        room = ends[1][0] - ends[0][0]
        if here.x + here.right >= there.x + there.right:
            ends = (here.x - _ARROW_GAP, y), (there.right + _ARROW_GAP, y)
            room = ends[0][0] - ends[1][0]
    else:
        # Numbers are in the middle of a column.
        x = there.x + min(_ARROW_MARGIN, there.width / 2.0)
        ends = (x, here.y - _ARROW_GAP), (x, there.bottom + _ARROW_GAP)
        room = ends[0][1] - ends[1][1]
    if room < _SHORTEST_ARROW:
        return ()
    return Arrow(*ends[0], *ends[1], "base", 5.0), Arrow(*ends[0], *ends[1], "text", 2.0)


def _tags(highlights: Sequence[Highlight], width: float) -> list[Mark]:
    """Labels over the frames, side by side. Frames of one column with the same label have one."""
    metrics = QFontMetricsF(_bold(scaled(_TAG_FONT)))
    named = {(own.tag, round(own.rect.x + own.rect.width / 2.0)): own for own in highlights if own.tag}
    tags: list[Text] = []
    for (text, center), own in sorted(named.items(), key=lambda item: (item[0][1], item[0][0])):
        dashes, color = LINES[own.region.part]
        across, tall = metrics.horizontalAdvance(text) + 2.0 * _TAG_SIDE, float(scaled(_TAG_HEIGHT))
        left = max(center - across / 2.0, tags[-1].rect.right + _TAG_SIDE if tags else 0.0)
        top = max(own.rect.y - tall / 2.0, _REACH)
        tags.append(Text(Rect(left, top, across, tall), text, "text", color, dashes, scaled(_TAG_FONT)))
    # Those that were pushed beyond the right edge push the others back.
    edge, placed = width, list[Mark]()
    for tag in reversed(tags):
        left = min(tag.rect.x, edge - tag.rect.width)
        placed.insert(0, tag._replace(rect=tag.rect._replace(x=left)))
        edge = left - _TAG_SIDE
    return placed


# What the user asked for: seams, a range, contributions, influence, hidden future

_STRIP, _TICK = 5.0, 6.0
_INFLUENCE, _OVER_COLORS = 6.0, 4.0
"""Height of the strip of a lane, and how much of it is on the colors of a heat map; numbers stay free."""


def seam_marks(seams: SeamsInView, geometry: Geometry) -> Marks:
    """Dashed lines between time steps, through all lanes."""
    top = max(geometry.top_of(geometry.stack.lane_rects[0]) - 6.0, 0.0)
    places = tuple(geometry.x_of(t - 0.5) for t in seams.drawn.tolist())
    return (Seams(places, top, geometry.bottom),) if places else ()


def range_marks(query: Query | None, found: Selection | None, geometry: Geometry) -> Marks:
    """A frame of the selected range, ticks at its active units, and other ranges along the lower edge."""
    own = None if query is None else geometry.stack.find(Lane(query.layer, query.direction))
    if query is None or own is None:
        return ()
    area = geometry.lane_area(own, query.times)
    marks: list[Mark] = [Frame(area._replace(width=max(area.width, 3.0)), "accent", 2.0, radius=2.0)]
    if found is None:
        return tuple(marks)
    for unit in found.units:
        box = geometry.rect(CellGeometry(own.lane, query.times.start, min(unit, own.rows - 1)))
        marks.append(Fill(Rect(area.x - _TICK - 1.0, box.y, _TICK, max(box.height, 1.0)), "accent"))
    ranges = np.array(sorted((match.times.start, match.times.stop - 1) for match in found.matches), np.int64)
    if len(ranges):
        ends = geometry.time_at(0.0), geometry.time_at(geometry.width)
        for start, stop in pixel_bands(ranges, *ends, int(geometry.width) or 1, 3).tolist():
            strip = Rect(start, geometry.bottom - _STRIP, stop - start, _STRIP)
            marks += [Fill(strip.grown(1.0), "base"), Fill(strip, "accent")]
    return tuple(marks)


def contribution_marks(found: "Contributions | None", geometry: Geometry) -> Marks:
    """A frame around the row of the selected parameter."""
    own = None if found is None else geometry.stack.find(found.lane)
    if found is None or own is None:
        return ()
    row = geometry.rect(CellGeometry(found.lane, 0, found.unit))
    return (Frame(_at_least(row._replace(x=0.0, width=geometry.width)), "accent", 1.5, radius=0.0),)


class InfluenceImages:
    """Strips along the lower edge of each lane: the influence of its states and of the inputs on one value.

    The color is full at the largest influence, and empty at the end of its `decades`.
    """

    def __init__(self, influence: "Influence | None" = None) -> None:
        self.influence = influence
        self._shares: dict[Lane, NDArray[np.float64]] = {}

    def shares(self, lane: Lane) -> NDArray[np.float64]:
        """(T,): how full the color of each time step is, from 0 to 1."""
        found = self.influence
        assert found is not None
        if lane not in self._shares:
            norms = found.inputs if lane.layer is None else found.hidden[lane.layer, lane.direction]
            with np.errstate(divide="ignore", invalid="ignore"):
                self._shares[lane] = np.clip(1.0 + np.log10(norms / found.largest) / found.decades, 0.0, 1.0)
        return self._shares[lane]

    def strips(self, geometry: Geometry, theme: Theme) -> dict[Lane, Strip]:
        """The strips of the visible lanes. A pixel of several time steps has the largest of them."""
        found = self.influence
        if found is None or len(found.inputs) != geometry.picture.timesteps:
            return {}
        width = max(1, round(geometry.width))
        times = geometry.time_at(0.0) + 0.5 + np.arange(width + 1) / geometry.pitch
        edges = np.clip(np.floor(times).astype(np.int64), -1, geometry.picture.timesteps)
        outside = (edges[:-1] < 0) | (edges[:-1] >= len(geometry.picture.computed))
        starts = np.clip(edges[:-1], 0, geometry.picture.timesteps - 1)
        # Neither tone of the values.
        ends = QColor(theme.base), QColor(theme.series[4])
        low, high = np.array([[color.red(), color.green(), color.blue()] for color in ends])
        first, last = int(starts[0]), int(max(starts[-1], edges[-1] - 1))
        strips = {}
        for own in geometry.lane_rects_in_view():
            shares = np.nan_to_num(self.shares(own.lane)[first : last + 1], nan=1.0)
            seen = np.maximum.reduceat(shares, starts - first)
            pixels = np.full((1, width, 4), 255, np.uint8)
            pixels[0, :, :3] = (low + seen[:, np.newaxis] * (high - low)).round()
            pixels[0, outside, 3] = 0
            image = QImage(pixels.tobytes(), width, 1, 4 * width, QImage.Format.Format_RGBA8888).copy()
            top = round(geometry.top_of(own) + own.height) + (1.0 if geometry.boxes else -_OVER_COLORS)
            strips[own.lane] = Strip(Rect(0.0, top, width, _INFLUENCE - 2.0 * geometry.boxes), image)
        return strips


class Future(NamedTuple):
    """The part that is not computed yet, in an order of computation, where the selected step is the last one that is.

    By lane, all lanes have computed as many steps as the selected one, except in a bidirectional network: its layers
    are computed one after the other. By layers, lanes above the selected one have computed nothing, and those below it
    everything. While it is `reading`, the selected step itself is future. Of `gradients` the order is that of the
    backward pass, at whose end is the gradient of the input, if that is shown (`of_input`).
    """

    order: Order | None
    at: CellGeometry
    reading: bool = False
    gradients: bool = False
    of_input: bool = False

    def times(self, lane: Lane, geometry: Geometry) -> range:
        """Time steps of a lane that are covered."""
        if self.order is None:
            return range(0)
        if lane.layer is None:
            first = Lane(0, 0, reverse=geometry.picture.lanes[0][0].reverse)
            return self.times(first, geometry) if self.of_input else range(0)
        timesteps, here = len(geometry.picture.computed), self.at.lane
        # With the input selected, every lane is at its time step.
        step = min(max(self.at.timestep, 0), timesteps - 1)
        from_end = here.layer is not None and here.backward
        if from_end != self.gradients:
            step = timesteps - 1 - step
        done = step + 1
        if here.layer is not None:
            at, selected = (lane.layer, lane.direction), (here.layer, here.direction)
            if self.order == "lane":
                # Both directions of a layer are computed together.
                at, selected = (lane.layer, 0), (here.layer, 0)
            in_turn = self.order == "layers" or len(geometry.picture.directions) > 1
            if in_turn and at != selected:
                done = timesteps if (at < selected) != self.gradients else 0
            elif at >= selected or self.gradients:
                done -= self.reading
        return range(timesteps - done) if lane.backward != self.gradients else range(done, timesteps)

    def marks(self, geometry: Geometry) -> Marks:
        """Covers of the visible lanes."""
        found: list[Mark] = []
        for own in geometry.lane_rects_in_view():
            times = self.times(own.lane, geometry)
            if times:
                left = max(floor(geometry.edge(times.start)), 0)
                right = min(ceil(geometry.edge(times.stop)), ceil(geometry.width))
                if left < right:
                    found.append(Fill(Rect(left, geometry.top_of(own), right - left, own.height), "raised"))
        return tuple(found)
