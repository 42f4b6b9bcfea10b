"""Marks over the lanes: selection, first mismatch, highlighted regions, selected range, and covered future."""

from collections.abc import Sequence
from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsItem, QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from rnnviz.core.trace_index import Lane
from rnnviz.gui.regions import Order, Part, Region
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.pixels import pixel_bands
from rnnviz.gui.views.seams import SeamsInView, paint_seams
from rnnviz.gui.views.unrolled.geometry import FRAME, CellGeometry, Geometry
from rnnviz.gui.views.unrolled.lanes_item import arrow
from rnnviz.reading.units import Query, Selection

if TYPE_CHECKING:
    from rnnviz.dependence.influence import Influence
    from rnnviz.reading.parameter_gradients import Contributions

_WIDE_COLUMN = 14.0
_SMALLEST_BOX = 7.0
_TINT_BEHIND = 0.35
"""Opacity of the selected column behind boxes. Over colors it has none: a color is a value."""
_BAR = 2.0
_TALL_ROW = 7.0
_POINTER, _TALLEST_POINTER, _LARGEST_CORNER = 8.0, 10.0, 11.0

_SMALLEST_FRAME = 9.0
_REACH, _STROKE, _UNDER, _EDGE = 3.0, 2.0, 5.0, 1.5
_BEYOND = 60.0
"""Length of a frame beyond the view, in pixels. Qt draws every dash, even invisible ones."""
_THIN = 3.0
"""Width of a frame with its under-tone next to digits."""
LINES: dict[Part, tuple[tuple[float, ...], int | None]] = {
    "same": ((4.0, 3.0), None),
    "read": ((1.0, 1.5), None),
    "gates": ((2.0, 1.0), 1),
    "computed": ((), 1),
    "carried": ((6.0, 2.0), 4),
    "next": ((1.0, 1.5), 4),
}
"""Dashes of each part as multiples of the line width, and its index among the series colors (None: accent)."""
_SHORTEST_ARROW, _ARROW_GAP, _ARROW_MARGIN = 9.0, 2.0, 9.0
_LEADS = {("read", "gates"), ("read", "computed"), ("carried", "next")}
"""Parts of a step that are joined by arrows: inputs with outputs, and these with the steps that read them."""

_STRIP, _TICK = 5.0, 6.0
_INFLUENCE, _OVER_COLORS = 6.0, 4.0
"""Height of the strip of a lane, and how much of it is on the colors of a heat map; numbers stay free."""


class _Mark(QGraphicsObject):
    """A mark that ignores clicks."""

    reach = 1.0
    """Distance in pixels that the mark extends beyond its rectangle."""

    def __init__(self, parent: QGraphicsItem, depth: float) -> None:
        super().__init__(parent)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self.setZValue(depth)
        self._theme = LIGHT
        self.rect = QRectF()

    def place(self, rect: QRectF, theme: Theme) -> None:
        if rect != self.rect:
            self.prepareGeometryChange()
            self.rect = rect
        if theme is not self._theme:
            self._theme = theme
            self.update()

    def boundingRect(self) -> QRectF:
        reach = self.reach
        return QRectF() if self.rect.isNull() else self.rect.adjusted(-reach, -reach, reach, reach)

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        if not self.rect.isNull():
            self._paint(painter, self._theme)

    def _paint(self, painter: QPainter, theme: Theme) -> None:
        raise NotImplementedError


class _Column(_Mark):
    """The selected time step: a line, or two at the edges of a column that is wide enough, or a tint behind boxes."""

    reach = 2.0

    def _paint(self, painter: QPainter, theme: Theme) -> None:
        x, top, bottom = round(self.rect.left()), round(self.rect.top()), round(self.rect.bottom())
        if self.zValue() < 0.0 and self.rect.width():
            tint = theme.color("accent")
            tint.setAlphaF(_TINT_BEHIND)
            painter.fillRect(QRectF(x, top, round(self.rect.width()), bottom - top), tint)
            return
        for role, width in (("base", 3.0), ("cursor", 1.0)):
            painter.setPen(QPen(theme.color(role), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
            for edge in {x, x + round(self.rect.width())}:
                painter.drawLine(edge, top, edge, bottom)


class _Frame(_Mark):
    """The frame of the selected cell. Where numbers are written, only its sides are bold, outside the digits."""

    reach = 3.0
    numbered = False

    @property
    def drawn(self) -> QRectF:
        """The cell with its frame."""
        sides, ends = (_BAR + 1.0, 0.0) if self.numbered else (2.0, 2.0)
        return QRectF() if self.rect.isNull() else self.rect.adjusted(-sides, -ends, sides, ends)

    def _paint(self, painter: QPainter, theme: Theme) -> None:
        rect = self.rect
        if not self.numbered:
            painter.setBrush(Qt.BrushStyle.NoBrush)
        for role, grown in (("base", 1.0), ("cursor", 0.0)):
            color = theme.color(role)
            if self.numbered:
                for x in (rect.left() - _BAR, rect.right()):
                    painter.fillRect(QRectF(x - grown, rect.top(), _BAR + 2.0 * grown, rect.height()), color)
            else:
                cap, join = Qt.PenCapStyle.SquareCap, Qt.PenJoinStyle.MiterJoin
                painter.setPen(QPen(color, 2.0 + 2.0 * grown, Qt.PenStyle.SolidLine, cap, join))
                painter.drawRect(rect)
        for y in (rect.top(), rect.bottom() - 1.0) if self.numbered else ():
            painter.fillRect(QRectF(rect.left(), y, rect.width(), 1.0), theme.color("cursor"))


class _Pointer(_Mark):
    """A triangle at the first mismatch: in the upper left corner of a number's cell, which digits do not reach.

    Else it points at the cell from the left, or from the right at the edge of the view.
    """

    from_right = False
    in_corner = False

    def _paint(self, painter: QPainter, theme: Theme) -> None:
        base, tip = self.rect.left(), self.rect.right()
        if self.from_right:
            base, tip = tip, base
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color("outline_under"), 1.0))
        painter.setBrush(theme.color("text"))
        ends = QPointF(base, self.rect.top()), QPointF(base, self.rect.bottom())
        top = self.rect.top() if self.in_corner else self.rect.center().y()
        painter.drawPolygon(QPolygonF([*ends, QPointF(tip, top)]))


class SelectionItem:
    """Lines or a tint through all lanes at the selected time step, a frame of the selected cell, the first mismatch."""

    def __init__(self, parent: QGraphicsItem) -> None:
        self.column, self.first, self.frame = _Column(parent, 10), _Pointer(parent, 11), _Frame(parent, 12)

    def hide(self) -> None:
        for item in (self.column, self.frame, self.first):
            item.place(QRectF(), LIGHT)

    def move_to(self, cell: CellGeometry, geometry: Geometry, theme: Theme, *, at_split: bool = False) -> None:
        """Move to a cell. With `at_split`, the line is at the left edge of its time step."""
        x, y, width, height = geometry.rect(cell)
        self.column.setZValue(-1.0 if geometry.boxes else 10.0)
        top, bottom = geometry.extent
        tall = bottom - top
        if width >= _WIDE_COLUMN:
            left, right = round(geometry.edge(cell.timestep)), x + width + (FRAME if geometry.boxes else 0.0)
            self.column.place(QRectF(left, top, round(right) - left, tall), theme)
        else:
            line = geometry.edge(cell.timestep) if at_split else x + width / 2.0
            self.column.place(QRectF(round(line), top, 0.0, tall), theme)
        grown_x, grown_y = max(_SMALLEST_BOX - width, 0.0) / 2.0, max(_SMALLEST_BOX - height, 0.0) / 2.0
        self.frame.numbered = geometry.font_pixels(geometry.stack.lane_rect(cell.lane)) > 0
        self.frame.place(
            QRectF(round(x), y, round(width), height).adjusted(-grown_x, -grown_y, grown_x, grown_y), theme
        )

    def point_at(self, first: CellGeometry | None, geometry: Geometry, theme: Theme) -> None:
        """Mark the first mismatch, or none."""
        if first is None:
            self.first.place(QRectF(), theme)
            return
        x, y, width, height = geometry.rect(first)
        self.first.in_corner = geometry.font_pixels(geometry.stack.lane_rect(first.lane)) > 0
        if self.first.in_corner:
            size = min(_LARGEST_CORNER, height / 2.0)
            self.first.from_right = False
            self.first.place(QRectF(x - 1.0, y - 1.0, size, size), theme)
            return
        self.first.from_right = x < _POINTER
        left = x + width if self.first.from_right else x - _POINTER
        self.first.place(QRectF(left, y + (height - _TALLEST_POINTER) / 2.0, _POINTER, _TALLEST_POINTER), theme)


class Frame(NamedTuple):
    """Rectangle of a region, and its label."""

    region: Region
    rect: QRectF
    tag: str


def _frames_of(highlighted: Sequence[Region], geometry: Geometry) -> list[Frame]:
    """Frames of the visible regions. h and c of one step share a frame.

    Regions that the shown network lacks are skipped, for example during a change of the network. So is an initial state
    without a column: only boxes have one, where a sample has padding.
    """
    padding = range(geometry.picture.computed.stop, geometry.picture.timesteps)
    places: dict[tuple[object, ...], list[Region]] = {}
    for region in highlighted:
        places.setdefault((region.lane, region.times, region.units, region.part), []).append(region)
    view = QRectF(0.0, 0.0, geometry.width, geometry.height)
    frames = [
        Frame(together[0], _rect(together[0], geometry), _tag(together))
        for together in places.values()
        if geometry.picture.holds(together[0].lane, together[0].units)
        and (geometry.boxes or together[0].times.start not in padding)
    ]
    return [frame for frame in frames if frame.rect.intersects(view)]


def _rect(region: Region, geometry: Geometry) -> QRectF:
    rect = QRectF(*geometry.around(region.lane, region.times, region.units))
    reach = 0.0 if _touches_digits(geometry) else _REACH
    wider, taller = (max(_SMALLEST_FRAME - size, 0.0) / 2.0 + reach for size in (rect.width(), rect.height()))
    framed = rect.adjusted(-wider, -taller, wider, taller)
    view = QRectF(0.0, 0.0, geometry.width, geometry.height)
    # The edge of what is wholly in view is in view, too.
    inner = view.adjusted(_EDGE, _EDGE, -_EDGE, -_EDGE)
    outer = view.adjusted(-_BEYOND, -_BEYOND, _BEYOND, _BEYOND)
    outer.setLeft(inner.left() if rect.left() >= -1.0 else outer.left())
    outer.setRight(inner.right() if rect.right() <= view.right() + 1.0 else outer.right())
    outer.setTop(inner.top() if rect.top() >= -1.0 else outer.top())
    outer.setBottom(inner.bottom() if rect.bottom() <= view.bottom() + 1.0 else outer.bottom())
    return framed & outer


def _tag(together: Sequence[Region]) -> str:
    """Label of regions in one frame: c if they include it, because the lanes show h."""
    arrays, part = ", ".join(dict.fromkeys(region.array for region in together)), together[0].part
    if part == "same":
        return "" if "h" in arrays else arrays
    return f"{part} {arrays}" if "c" in arrays else part


class HighlightItem(_Mark):
    """A dashed two-tone frame around each region. Inputs and outputs of a step are joined by arrows."""

    reach = 0.0

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent, 9)
        self._highlighted: tuple[Region, ...] = ()
        self.frames: list[Frame] = []
        """The current frames."""
        self._thin = False
        self.hide()

    def set_regions(self, highlighted: Sequence[Region], geometry: Geometry | None, theme: Theme) -> None:
        self._highlighted = tuple(highlighted)
        self.set_geometry(geometry, theme)

    def set_geometry(self, geometry: Geometry | None, theme: Theme) -> None:
        if not self._highlighted and not self.frames:
            return
        self.prepareGeometryChange()
        self._theme, self.rect = theme, QRectF()
        self.frames = [] if geometry is None else _frames_of(self._highlighted, geometry)
        self._thin = geometry is not None and _touches_digits(geometry)
        for frame in self.frames:
            self.rect |= frame.rect
        if geometry is not None:
            self.rect.adjust(-_UNDER, -_UNDER, _UNDER, _UNDER)
            self.rect &= QRectF(0.0, 0.0, geometry.width, geometry.height)
        self.setVisible(bool(self.frames))
        self.update()

    def _paint(self, painter: QPainter, theme: Theme) -> None:
        painter.setClipRect(self.rect)
        ground = theme.color("base")
        for frame in self.frames:
            dashes, _ = LINES[frame.region.part]
            over = QPen(color_of(frame, theme), _STROKE)
            if dashes:
                over.setDashPattern(dashes)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for pen in (QPen(ground, _THIN if self._thin else _UNDER), over):
                pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
                pen.setCapStyle(Qt.PenCapStyle.FlatCap)
                painter.setPen(pen)
                painter.drawRect(frame.rect)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for source in self.frames:
            for target in self.frames:
                if (source.region.part, target.region.part) in _LEADS:
                    _join(painter, source, target, theme)


def _join(painter: QPainter, source: Frame, target: Frame, theme: Theme) -> None:
    """Draw an arrow: horizontal within a lane, vertical between lanes; none if it does not fit."""
    here, there = source.rect, target.rect
    if source.region.lane == target.region.lane:
        y = here.center().y()
        ends = QPointF(here.right() + _ARROW_GAP, y), QPointF(there.left() - _ARROW_GAP, y)
        room = ends[1].x() - ends[0].x()
        if here.center().x() >= there.center().x():
            ends = QPointF(here.left() - _ARROW_GAP, y), QPointF(there.right() + _ARROW_GAP, y)
            room = ends[0].x() - ends[1].x()
    else:
        # Numbers are in the middle of a column.
        x = there.left() + min(_ARROW_MARGIN, there.width() / 2.0)
        ends = QPointF(x, here.top() - _ARROW_GAP), QPointF(x, there.bottom() + _ARROW_GAP)
        room = ends[0].y() - ends[1].y()
    if room >= _SHORTEST_ARROW:
        for role, width in (("base", 5.0), ("text", 2.0)):
            arrow(painter, *ends, theme.color(role), width)


def color_of(frame: Frame, theme: Theme) -> QColor:
    _, series = LINES[frame.region.part]
    return theme.color("accent") if series is None else QColor(theme.series[series])


def _touches_digits(geometry: Geometry) -> bool:
    """Whether a wide frame would cover digits: they are written on cells without gaps."""
    return geometry.numbered and not geometry.boxes


class _Cover(_Mark):
    """A mark with the extent of the lanes, hidden until it has something to show."""

    reach = 0.0

    def __init__(self, parent: QGraphicsItem, depth: float) -> None:
        super().__init__(parent, depth)
        self._geometry: Geometry | None = None
        self.hide()

    def set_geometry(self, geometry: Geometry, theme: Theme) -> None:
        if geometry != self._geometry and self.isVisible():
            self.update()
        self._geometry = geometry
        self.place(QRectF(0.0, 0.0, geometry.width, geometry.height), theme)


class SeamMarks(_Cover):
    """The seams in view: dashed lines between time steps, through all lanes."""

    reach = 4.0

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent, 6)
        self.seams: SeamsInView | None = None

    def show_seams(self, seams: SeamsInView, geometry: Geometry, theme: Theme) -> None:
        self.seams = seams
        self.setVisible(len(seams.drawn) > 0)
        self.set_geometry(geometry, theme)
        self.update()

    def _paint(self, painter: QPainter, theme: Theme) -> None:
        geometry = self._geometry
        if geometry is None or self.seams is None:
            return
        top, bottom = geometry.extent
        places = [geometry.x_of(t - 0.5) for t in self.seams.drawn.tolist()]
        paint_seams(painter, places, top, bottom, theme, "text")


class RangeMarks(_Cover):
    """Marks of the selected range and its active units, and of other ranges along the lower edge."""

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent, 9)
        self._query: Query | None = None
        self._found: Selection | None = None

    def show_range(self, query: Query | None, found: Selection | None) -> None:
        self._query, self._found = query, found
        self.setVisible(query is not None)
        self.update()

    def _paint(self, painter: QPainter, theme: Theme) -> None:
        query, geometry = self._query, self._geometry
        if query is None or geometry is None:
            return
        lane = Lane(query.layer, query.direction)
        if lane not in {shown for shown, _ in geometry.picture.lanes}:
            return
        lane_rect = geometry.stack.lane_rect(lane)
        left, right = geometry.edge(query.times.start), sum(geometry.column(query.times.stop - 1))
        for width, role in ((4.0, "base"), (2.0, "accent")):
            painter.setPen(QPen(theme.color(role), width))
            painter.drawRect(QRectF(left, geometry.top_of(lane_rect), max(right - left, 3.0), lane_rect.height))
        if self._found is None:
            return
        for unit in self._found.units:
            rect = geometry.rect(CellGeometry(lane, query.times.start, unit))
            tick = QRectF(left - _TICK - 1.0, rect.y, _TICK, max(rect.height, 1.0))
            painter.fillRect(tick, theme.color("accent"))
        self._paint_others(painter, theme, geometry, self._found)

    def _paint_others(self, painter: QPainter, theme: Theme, geometry: Geometry, found: Selection) -> None:
        """Draw a strip along the lower edge. Narrow ranges are widened to be visible."""
        ranges = sorted((match.times.start, match.times.stop - 1) for match in found.matches)
        if not ranges:
            return
        low = geometry.camera.start
        bands = pixel_bands(np.array(ranges, np.int64), low, low + geometry.camera.span, int(geometry.width) or 1, 3)
        for start, stop in bands:
            strip = QRectF(float(start), geometry.height - _STRIP, float(stop - start), _STRIP)
            painter.fillRect(strip.adjusted(-1.0, -1.0, 1.0, 0.0), theme.color("base"))
            painter.fillRect(strip, theme.color("accent"))


class ContributionRow(_Cover):
    """Marks the row of the selected parameter in its lane: a tip at either end, and lines along a tall row."""

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent, 8)
        self.row: CellGeometry | None = None
        """The first cell of the row."""

    def show_contributions(self, found: "Contributions | None", geometry: Geometry, theme: Theme) -> None:
        self.row = None if found is None else CellGeometry(found.lane, 0, found.unit)
        self.setVisible(self.row is not None)
        self.set_geometry(geometry, theme)
        self.update()

    def _paint(self, painter: QPainter, theme: Theme) -> None:
        if self.row is None or self._geometry is None:
            return
        _, top, _, height = self._geometry.rect(self.row)
        width = self._geometry.width
        # Along a low row, lines would cover the rows next to it.
        for role, stroke in (("base", 3.0), ("accent", 1.5)) if height >= _TALL_ROW else ():
            painter.setPen(QPen(theme.color(role), stroke))
            for y in (top - 0.5, top + height + 0.5):
                painter.drawLine(QPointF(0.0, y), QPointF(width, y))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color("base"), 1.0))
        painter.setBrush(theme.color("accent"))
        middle = top + height / 2.0
        for x, by in ((0.0, _POINTER), (width, -_POINTER)):
            ends = QPointF(x, middle - 0.75 * _POINTER), QPointF(x, middle + 0.75 * _POINTER)
            painter.drawPolygon(QPolygonF([QPointF(x + by, middle), *ends]))


class InfluenceStrips(_Cover):
    """A strip along the lower edge of each lane: the influence of its states and of the inputs on one value.

    The color is full at the largest influence, and empty at the end of its `decades`.
    """

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent, 7)
        self._influence: Influence | None = None
        self._shares: dict[Lane, NDArray[np.float64]] = {}
        self.strips: dict[Lane, tuple[QRectF, QImage]] = {}
        """Place and pixels of the visible strips."""

    def show_influence(self, influence: "Influence | None") -> None:
        self._influence, self._shares = influence, {}
        self.setVisible(influence is not None)
        self._build()

    def set_geometry(self, geometry: Geometry, theme: Theme) -> None:
        renewed = geometry != self._geometry or theme is not self._theme
        super().set_geometry(geometry, theme)
        if renewed:
            self._build()

    def shares(self, lane: Lane) -> NDArray[np.float64]:
        """(T,): how full the color of each time step is, from 0 to 1."""
        found = self._influence
        assert found is not None
        if lane not in self._shares:
            norms = found.inputs if lane.layer is None else found.hidden[lane.layer, lane.direction]
            with np.errstate(divide="ignore", invalid="ignore"):
                self._shares[lane] = np.clip(1.0 + np.log10(norms / found.largest) / found.decades, 0.0, 1.0)
        return self._shares[lane]

    def _build(self) -> None:
        geometry, found = self._geometry, self._influence
        self.strips = {}
        if geometry is None or found is None or len(found.inputs) != geometry.picture.timesteps:
            return
        width = max(1, round(geometry.width))
        edges = np.floor(geometry.time_at(0.0) + 0.5 + np.arange(width + 1) / geometry.pitch).astype(np.int64)
        edges = np.clip(edges, -1, geometry.picture.timesteps)
        outside = (edges[:-1] < 0) | (edges[:-1] >= len(geometry.picture.computed))
        starts = np.clip(edges[:-1], 0, geometry.picture.timesteps - 1)
        low, high = np.array([[getattr(QColor(c), k)() for k in ("red", "green", "blue")] for c in self._ends])
        for lane_rect in geometry.lane_rects_in_view():
            shares = self.shares(lane_rect.lane)
            # A pixel of several time steps has the largest of them.
            first, last = int(starts[0]), int(max(starts[-1], edges[-1] - 1))
            seen = np.maximum.reduceat(np.nan_to_num(shares[first : last + 1], nan=1.0), starts - first)
            pixels = np.full((1, width, 4), 255, np.uint8)
            pixels[0, :, :3] = (low + seen[:, np.newaxis] * (high - low)).round()
            pixels[0, outside, 3] = 0
            image = QImage(pixels.tobytes(), width, 1, 4 * width, QImage.Format.Format_RGBA8888).copy()
            top = round(geometry.top_of(lane_rect) + lane_rect.height) + (1.0 if geometry.boxes else -_OVER_COLORS)
            self.strips[lane_rect.lane] = QRectF(0.0, top, width, _INFLUENCE - 2.0 * geometry.boxes), image
        self.update()

    @property
    def _ends(self) -> tuple[str, str]:
        # Neither tone of the values.
        return self._theme.base, self._theme.series[4]

    def _paint(self, painter: QPainter, theme: Theme) -> None:
        for place, image in self.strips.values():
            painter.drawImage(place, image)


class FutureCover(_Cover):
    """Covers the future of each hidden lane; nothing without an order of computation.

    By lane, all lanes have computed as many steps as the selected one, except in a bidirectional network: its layers
    are computed one after the other. By layers, lanes above the selected one have computed nothing, and those below it
    everything. Before the stage that computes the state, the selected step itself is future. Of gradients the order is
    that of the backward pass, at whose end is the gradient of the input.
    """

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent, 5)
        self._order: Order | None = None
        self._cell: CellGeometry | None = None
        self._reading = self._gradients = self._input = False

    def show_stage(self, highlighted: Sequence[Region]) -> None:
        """Set the highlighted regions, which show whether the selected step is computed."""
        parts = {region.part for region in highlighted}
        reading = "read" in parts and "computed" not in parts
        if reading != self._reading:
            self._reading = reading
            self.update()

    def set_order(self, order: Order | None) -> None:
        """Set the order of computation; None shows everything."""
        self._order = order
        self.setVisible(order is not None)
        self.update()

    def show_selection(
        self,
        cell: CellGeometry,
        geometry: Geometry,
        theme: Theme,
        *,
        gradients: bool = False,
        of_input: bool = False,
    ) -> None:
        """Set the selection as the last computed step, with `gradients` of the backward pass, maybe also `of_input`."""
        if (cell, gradients) != (self._cell, self._gradients) and self._order is not None:
            self.update()
        self._cell, self._gradients, self._input = cell, gradients, of_input
        self.set_geometry(geometry, theme)

    def times(self, lane: Lane) -> range:
        """Time steps of a lane that are covered."""
        geometry, cell = self._geometry, self._cell
        if geometry is None or cell is None or self._order is None:
            return range(0)
        if lane.layer is None:
            first = Lane(0, 0, reverse=geometry.picture.lanes[0][0].reverse)
            return self.times(first) if self._input else range(0)
        timesteps, here = len(geometry.picture.computed), cell.lane
        # With the input selected, every lane is at its time step.
        step = min(max(cell.timestep, 0), timesteps - 1)
        from_end = here.layer is not None and here.backward
        if from_end != self._gradients:
            step = timesteps - 1 - step
        done = step + 1
        if here.layer is not None:
            at, selected = (lane.layer, lane.direction), (here.layer, here.direction)
            if self._order == "lane":
                # Both directions of a layer are computed together.
                at, selected = (lane.layer, 0), (here.layer, 0)
            in_turn = self._order == "layers" or len(geometry.picture.directions) > 1
            if in_turn and at != selected:
                done = timesteps if (at < selected) != self._gradients else 0
            elif at >= selected or self._gradients:
                done -= self._reading
        return range(timesteps - done) if lane.backward != self._gradients else range(done, timesteps)

    def _paint(self, painter: QPainter, theme: Theme) -> None:
        geometry = self._geometry
        if geometry is None:
            return
        for lane_rect in geometry.lane_rects_in_view():
            times = self.times(lane_rect.lane)
            if times:
                left, right = floor(geometry.edge(times.start)), ceil(geometry.edge(times.stop))
                rect = QRectF(left, geometry.top_of(lane_rect), right - left, lane_rect.height)
                painter.fillRect(rect & self.rect, theme.color("raised"))
