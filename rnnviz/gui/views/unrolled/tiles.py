"""Tiles of the heat map at the resolution of the screen, with outlines of mismatches.

Tiles are on a fixed grid of pixels, so that panning reuses them and renders only those that become visible. The cost of
a frame does not grow with T·H.
"""

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
from rnnviz.gui.views.unrolled.geometry import Scale
from rnnviz.reading.lane_reader import LaneReader, Wanted
from rnnviz.reading.level_of_detail import BoolArray
from rnnviz.reading.quantities import Quantity
from rnnviz.reading.units import OrderKey

REACH = 20
"""Distance in pixels up to which marks influence the painting of a pixel."""
OUTLINED_CELL = 8.0
"""Minimum cell size in pixels for separate outlines; smaller cells are outlined together."""
_HATCH = 20
_NEAR, _DENSE = 3, 0.3
"""Radius in pixels, and the share of marked pixels above which gaps belong to the region."""
_AROUND, _CROWDED = 8, 0.5
"""Radius in pixels, and the share of ring pixels above which a mark gets no ring."""
BOLD_OUTLINE = 20.0
"""Minimum cell size for an outline of two pixels in four of under-tone: in smaller cells it would touch the digits."""


def mark_region(pixels: PixelArray, marks: BoolArray, left: int, top: int, theme: Theme) -> None:
    """Outline marked pixels with a ring in place, and hatch the inside if it is large enough.

    With a ring alone, a completely marked area would look unmarked; a fill would hide the values. Marks scattered
    so densely that rings would hide the values are single pixels of the outline color.
    """
    dense = _share(marks, _NEAR) > _DENSE
    for _ in range(_NEAR):
        # As far within as the neighborhood reached out.
        dense = ~_grown(~dense)
    solid = _grown(~_grown(~marks)) & marks | dense
    loose = marks & ~solid
    crowded = loose & (_share(_grown(_grown(loose)), _AROUND) > _CROWDED)
    region = solid | (loose & ~crowded)
    ring = _grown(region)
    # Among marks without rings a second tone would be one more thing to look at.
    under = _grown(ring) & ~ring & ~_grown(_grown(_grown(crowded)))
    pixels[under] = pixel(theme.outline_under)
    pixels[ring & ~region] = pixel(theme.outline)
    y, x = np.ogrid[top : top + marks.shape[0], left : left + marks.shape[1]]
    inside = ~_grown(_grown(_grown(~region)))
    pixels[inside & ((x + y) % _HATCH == 0)] = pixel(theme.outline)
    pixels[inside & ((x + y) % _HATCH == 1)] = pixel(theme.outline_under)
    pixels[crowded] = pixel(theme.outline)


def mark_cells(
    pixels: PixelArray, marks: BoolArray, left: int, top: int, times: Scale, units: Scale, theme: Theme, width: int
) -> None:
    """Outline each marked cell along its inner edge in place; `width` is a thin line in pixels.

    From the edge inwards: under-tone, outline at twice its width, under-tone.
    """
    depth = np.minimum(
        _depth(units, top, marks.shape[0])[:, None],
        _depth(times, left, marks.shape[1])[None, :],
    )
    size = min(times.size, units.size) / width
    outline = 2 * width if size >= BOLD_OUTLINE else width
    under = outline + (2 if size >= BOLD_OUTLINE else 1) * width
    pixels[marks & (depth < under)] = pixel(theme.outline_under)
    pixels[marks & (depth >= width) & (depth < width + outline)] = pixel(theme.outline)


def _depth(scale: Scale, first: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Distance of each pixel from the nearer edge of its cell."""
    bins = scale.bins(first, first + count)
    edges = [scale.span(cell) for cell in range(bins.first, bins.stop)]
    starts, stops = np.array(edges, np.int64).T
    at, cell = np.arange(first, first + count), bins.starts - bins.first
    return np.asarray(np.minimum(at - starts[cell], stops[cell] - 1 - at))


def _grown(marks: BoolArray) -> BoolArray:
    """The marks and their eight neighbors."""
    wide = marks.copy()
    wide[:, 1:] |= marks[:, :-1]
    wide[:, :-1] |= marks[:, 1:]
    tall = wide.copy()
    tall[1:] |= wide[:-1]
    tall[:-1] |= wide[1:]
    return tall


def _share(marks: BoolArray, reach: int) -> NDArray[np.float32]:
    """Share of marked pixels within `reach` in each direction; pixels beyond the edges count as unmarked."""
    sums = np.pad(marks.astype(np.int32), ((reach + 1, reach), (reach + 1, reach))).cumsum(0).cumsum(1)
    size = 2 * reach + 1
    inside = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return np.asarray(inside / np.float32(size * size), np.float32)


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
    """Pixels per time step and per unit, and screen pixels per window pixel."""

    times: float
    units: float
    density: int


class TileKey(NamedTuple):
    """One tile: style, lane, scale, and position on the grid."""

    style: TileStyle
    lane: Lane
    sheet: Sheet
    across: int
    down: int


@dataclass(frozen=True, eq=False)
class Tile:
    """An image, and the indices of the special colors in it."""

    image: QImage
    special: frozenset[int]


@dataclass(frozen=True, eq=False)
class Tiles:
    """Renders the tiles of one source. Thread-safe. `seen` collects the special colors of painted tiles."""

    source: LaneReader
    paint: Paint
    style: TileStyle
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
        return read + pixels / (self.times.size * self.units.size) * (self.tiles.source.effort(self.key.lane) - 1.0)

    def draw(self, wanted: Wanted = lambda: True) -> Tile:
        """Read the values and render the tile.

        Raises CancelledError if values must be computed, and the tile is no longer `wanted`.
        """
        times, units, lane, density = self.times, self.units, self.key.lane, self.key.sheet.density
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
        hatch(pixels, indices, left, top, paint.theme, density)
        special = np.unique(indices[indices >= STEPS]).tolist() if indices.max() >= STEPS else ()
        if marks is not None and marks.any():
            wide = np.zeros(marks.shape, np.uint32)
            wide[inner] = pixels
            if min(times.size, units.size) >= OUTLINED_CELL * density:
                mark_cells(wide, marks, wide_left, wide_top, times, units, paint.theme, density)
            else:
                mark_region(wide, marks, wide_left, wide_top, paint.theme)
            pixels = wide[inner]
        return Tile(image_of(pixels), frozenset(special))


def image_of(pixels: PixelArray) -> QImage:
    """An image that owns its pixels."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape
    return QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32).copy()
