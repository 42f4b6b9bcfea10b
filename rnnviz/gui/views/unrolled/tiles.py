"""Tiles of the lanes at the resolution of the screen: colors, gaps between boxes, and outlines of mismatches.

Tiles are on a fixed grid of pixels, so that panning reuses them and renders only those that become visible. The cost of
a frame does not grow with T·H.
"""

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QImage

from rnnviz.core.trace_index import Lane
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.unrolled.colormap import (
    ABOVE,
    MISSING,
    PADDING,
    STEPS,
    ColorScale,
    PixelArray,
    color_table,
    hatch,
    on,
    pixel,
)
from rnnviz.gui.views.unrolled.geometry import BOXED, Scale
from rnnviz.reading.lane_reader import LaneReader, Wanted
from rnnviz.reading.quantities import Quantity
from rnnviz.reading.units import OrderKey
from rnnviz.verify.metrics import BoolArray

REACH = 10
"""Distance in pixels up to which marks influence the painting of a pixel."""
OUTLINED_CELL = 8.0
"""Minimum cell size in pixels for separate outlines; smaller cells are outlined together."""
BOLD_OUTLINE = 20.0
"""Minimum cell size for an under-tone within the outline: in smaller cells it would touch the digits."""
_HATCH, _NEAR = 20, 3


def mark_region(pixels: PixelArray, marks: BoolArray, left: int, top: int, theme: Theme) -> None:
    """Outline marked pixels, together with the gaps between near ones, in place, and hatch the inside of a large area.

    A fill would hide the values, and an outline alone be out of view in the middle of the area.
    """
    region = np.pad(marks, _NEAR)
    for _ in range(_NEAR):
        region = _grown(region)
    for _ in range(_NEAR):
        region = ~_grown(~region)
    region = region[_NEAR:-_NEAR, _NEAR:-_NEAR] | marks
    ring = _grown(region)
    pixels[_grown(ring) & ~ring] = pixel(theme.outline_under)
    pixels[ring & ~region] = pixel(theme.outline)
    y, x = np.ogrid[top : top + marks.shape[0], left : left + marks.shape[1]]
    inside = ~_grown(_grown(_grown(~region)))
    pixels[inside & ((x + y) % _HATCH == 0)] = pixel(theme.outline)
    pixels[inside & ((x + y) % _HATCH == 1)] = pixel(theme.outline_under)


def _grown(marks: BoolArray) -> BoolArray:
    """The marks and their eight neighbors."""
    wide = marks.copy()
    wide[:, 1:] |= marks[:, :-1]
    wide[:, :-1] |= marks[:, 1:]
    tall = wide.copy()
    tall[1:] |= wide[:-1]
    tall[:-1] |= wide[1:]
    return tall


def _depth(scale: Scale, first: int, count: int) -> NDArray[np.int64]:
    """Distance of each pixel from the nearer edge of its cell."""
    bins = scale.bins(first, first + count)
    edges = [scale.span(cell) for cell in range(bins.first, bins.stop)]
    starts, stops = np.array(edges, np.int64).T
    at, cell = np.arange(first, first + count), bins.starts - bins.first
    return np.asarray(np.minimum(at - starts[cell], stops[cell] - 1 - at))


COLUMNS, ROWS = 256, 256


@dataclass(frozen=True, eq=False)
class LaneColors:
    """Mapping from values to pixels and text colors, in hidden lanes or in the input."""

    scale: ColorScale
    theme: Theme

    @cached_property
    def table(self) -> PixelArray:
        return color_table(self.theme, self.scale)

    @cached_property
    def inks(self) -> list[QColor]:
        """Text color for each color of the table."""
        return [on(int(entry), self.theme) for entry in self.table]


@dataclass(frozen=True, eq=False)
class Paint:
    """Colors of all lanes in a theme."""

    theme: Theme
    hidden: LaneColors
    input: LaneColors

    def of(self, lane: Lane) -> LaneColors:
        return self.input if lane.layer is None else self.hidden


class TileStyle(NamedTuple):
    """Everything that determines the images of one source, other than lane and scale.

    `turn` counts the shown results: tiles of an earlier one are stale. `scale` is that of the hidden lanes.
    """

    turn: int
    engine: str
    candidate: str | None
    sample: int
    quantity: Quantity
    theme: str
    scale: ColorScale
    order: OrderKey | None = None


class Sheet(NamedTuple):
    """Pixels per time step and per unit, screen pixels per window pixel, and the gap between columns in these."""

    times: float
    units: float
    density: int
    gap: float = 0.0

    @property
    def gaps(self) -> tuple[int, int]:
        """Half of the gaps between columns and between rows, in pixels of the sheet."""
        rows = self.density if self.units >= BOXED * self.density else 0
        return round(self.gap * self.density / 2.0), rows


@dataclass(frozen=True, eq=False)
class Board:
    """All tiles of one lane in one style and on one sheet. The cache has one object for each, which is fast to hash."""

    style: TileStyle
    lane: Lane
    sheet: Sheet


class TileKey(NamedTuple):
    """One tile: its board, and its position on the grid."""

    board: Board
    across: int
    down: int


@dataclass(frozen=True, eq=False)
class Tile:
    """An image, and the indices of the special colors in it."""

    image: QImage
    special: frozenset[int]


@dataclass(frozen=True, eq=False)
class Tiles:
    """Renders the tiles of one source. Thread-safe. `seen` collects the special colors of painted tiles.

    Mismatches at the time steps `framed` of a lane, of shape (T,), are not outlined: a frame is around all of them.
    """

    source: LaneReader
    paint: Paint
    style: TileStyle
    framed: Mapping[Lane, BoolArray] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)


class Request(NamedTuple):
    """A tile to render."""

    key: TileKey
    tiles: Tiles
    times: Scale
    units: Scale

    @property
    def cost(self) -> float:
        """Upper bound of the pixels, plus the cells weighted by their cost."""
        pixels = min(COLUMNS, self.times.pixels) * min(ROWS, self.units.pixels)
        read = pixels * (1.0 + 1.0 / min(self.times.size, 1.0) / min(self.units.size, 1.0))
        return read + pixels / (self.times.size * self.units.size) * (
            self.tiles.source.effort(self.key.board.lane) - 1.0
        )

    def draw(self, wanted: Wanted = lambda: True) -> Tile:
        """Read the values and render the tile.

        Raises CancelledError if values must be computed, and the tile is no longer `wanted`.
        """
        times, units, lane, density = self.times, self.units, self.key.board.lane, self.key.board.sheet.density
        left, top = self.key.across * COLUMNS, self.key.down * ROWS
        right, bottom = min(left + COLUMNS, times.pixels), min(top + ROWS, units.pixels)
        # Marks reach into the neighboring pieces.
        wide_left, wide_top = max(0, left - REACH), max(0, top - REACH)
        wide_right, wide_bottom = min(right + REACH, times.pixels), min(bottom + REACH, units.pixels)
        across, down = times.bins(wide_left, wide_right), units.bins(wide_top, wide_bottom)
        patch = self.tiles.source.read(lane, across, down, wanted)
        paint, values, marks = self.tiles.paint, patch.values, patch.marks
        inner = slice(top - wide_top, bottom - wide_top), slice(left - wide_left, right - wide_left)
        colors = paint.of(lane)
        indices = colors.scale.indices(values[inner])
        recorded = self.tiles.source.recorded(lane)
        if len(recorded) < times.cells:
            first = across.starts[inner[1]]
            indices[:, (first < recorded.start) | (first >= recorded.stop)] = MISSING
        length = self.tiles.source.length
        if length < times.cells:
            indices[:, across.starts[inner[1]] >= length] = PADDING
        pixels = colors.table[indices]
        boxed = any(self.key.board.sheet.gaps)
        hatch(pixels, indices, left, top, paint.theme, density, dotted=not boxed)
        first_special = ABOVE + 1 if boxed else STEPS
        special = np.unique(indices[indices >= first_special]).tolist() if indices.max() >= STEPS else ()
        framed = self.tiles.framed.get(lane)
        if marks is not None and framed is not None:
            starts = across.starts - across.first
            marks = marks & ~np.logical_or.reduceat(framed[across.first : across.stop], starts)
        if marks is not None and not marks.any():
            marks = None
        if marks is not None and min(times.size, units.size) < OUTLINED_CELL * density:
            wide = np.zeros(marks.shape, np.uint32)
            wide[inner] = pixels
            mark_region(wide, marks, wide_left, wide_top, paint.theme)
            pixels, marks = wide[inner], None
        if boxed or marks is not None:
            marks = None if marks is None else marks[inner]
            draw_boxes(pixels, marks, (times, units), (left, top), self.key.board.sheet, paint.theme)
        return Tile(image_of(pixels), frozenset(special))


def draw_boxes(
    pixels: PixelArray,
    marks: BoolArray | None,
    cells: tuple[Scale, Scale],
    corner: tuple[int, int],
    sheet: Sheet,
    theme: Theme,
) -> None:
    """Leave gaps between the cells, with blunt corners, and outline each marked one along its edge, in place.

    `cells` are the scales of time steps and units, and `corner` is the first pixel on both.
    """
    density, (gap_x, gap_y) = sheet.density, sheet.gaps
    across = _depth(cells[0], corner[0], pixels.shape[1])[None, :] - gap_x
    down = _depth(cells[1], corner[1], pixels.shape[0])[:, None] - gap_y
    outside = (across < 0) | (down < 0)
    if gap_x and gap_y:
        outside |= across + down < density
    pixels[outside] = pixel(theme.base)
    if marks is not None:
        # The outline reaches into the gap, and so leaves more of the color.
        depth = np.minimum(across, down) + (density if gap_x and gap_y else 0)
        if min(cells[0].size, cells[1].size) >= BOLD_OUTLINE * density:
            pixels[marks & (depth >= 0) & (depth < 3 * density)] = pixel(theme.outline_under)
        pixels[marks & (depth >= 0) & (depth < 2 * density)] = pixel(theme.outline)


def image_of(pixels: PixelArray) -> QImage:
    """An image that owns its pixels."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape
    return QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32).copy()
