"""Tiles of the heat map at the resolution of the screen.

Tiles are on a fixed grid of pixels, so that panning reuses them and renders only those that become visible. The cost of
a frame does not grow with T·H.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from PySide6.QtGui import QColor, QImage

from rnnviz.core.trace_index import Lane
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.unrolled.colormap import MISSING, STEPS, ColorScale, PixelArray, color_table, hatch, on
from rnnviz.gui.views.unrolled.mismatch_overlay import OUTLINED_CELL, REACH, mark_cells, mark_region
from rnnviz.gui.views.unrolled.pixel_grid import Scale
from rnnviz.quantities.gates import Quantity
from rnnviz.quantities.lane_reader import LaneSource, Wanted, always
from rnnviz.quantities.units import OrderKey

COLUMNS, ROWS = 256, 256


@dataclass(frozen=True, eq=False)
class Paint:
    """Mapping from values to pixels: the scales of hidden lanes and input, with the theme's colors."""

    theme: Theme
    hidden: ColorScale
    input: ColorScale
    hidden_table: PixelArray = field(init=False)
    input_table: PixelArray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden_table", color_table(self.theme, self.hidden))
        object.__setattr__(self, "input_table", color_table(self.theme, self.input))

    def of(self, lane: Lane) -> tuple[ColorScale, PixelArray]:
        """Scale and color table of a lane."""
        return (self.input, self.input_table) if lane.layer is None else (self.hidden, self.hidden_table)

    def inks(self, lane: Lane) -> list[QColor]:
        """Text color for each color of a lane."""
        return self._input_inks if lane.layer is None else self._hidden_inks

    @cached_property
    def _hidden_inks(self) -> list[QColor]:
        return [on(int(entry), self.theme) for entry in self.hidden_table]

    @cached_property
    def _input_inks(self) -> list[QColor]:
        return [on(int(entry), self.theme) for entry in self.input_table]


class TileStyle(NamedTuple):
    """Everything that determines the images of one source, other than lane and scale.

    `turn` counts the shown results: tiles of an earlier one are stale. `low` and `high` are the ends of the hidden
    lanes' scale.
    """

    turn: int
    engine: str
    candidate: str | None
    sample: int
    quantity: Quantity
    theme: str
    low: float
    high: float
    order: OrderKey | None = None


class TileKey(NamedTuple):
    """One tile: style, lane, pixels per time step and per unit, and position on the grid."""

    style: TileStyle
    lane: Lane
    times: float
    units: float
    density: int
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

    source: LaneSource
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

    def draw(self, wanted: Wanted = always) -> Tile:
        """Read the values and render the tile.

        Raises
        ------
        CancelledError
            If values must be computed, and the tile is no longer `wanted`.
        """
        times, units, lane, density = self.times, self.units, self.key.lane, self.key.density
        left, top = self.key.across * COLUMNS, self.key.down * ROWS
        right, bottom = min(left + COLUMNS, times.pixels), min(top + ROWS, units.pixels)
        # Marks reach into the neighboring pieces.
        wide_left, wide_top = max(0, left - REACH), max(0, top - REACH)
        wide_right, wide_bottom = min(right + REACH, times.pixels), min(bottom + REACH, units.pixels)
        across, down = times.bins(wide_left, wide_right), units.bins(wide_top, wide_bottom)
        patch = self.tiles.source.read(lane, across, down, wanted)
        paint, values, marks = self.tiles.paint, patch.values, patch.marks
        inner = slice(top - wide_top, bottom - wide_top), slice(left - wide_left, right - wide_left)
        scale, table = paint.of(lane)
        indices = scale.indices(values[inner])
        recorded = self.tiles.source.recorded(lane)
        if len(recorded) < times.cells:
            first = across.starts[inner[1]]
            indices[:, (first < recorded.start) | (first >= recorded.stop)] = MISSING
        pixels = table[indices]
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
