"""The heat map in pieces at the resolution of the screen.

Pieces lie on a grid of pixels that does not move while the picture pans, so that panning draws what is there
and makes only the pieces that come into view: the cost of a frame does not grow with T·H.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from PySide6.QtGui import QImage

from rnnviz.analysis.lanes import Lane, LaneSource
from rnnviz.gui.look.theme import Theme
from rnnviz.gui.views.unrolled.colours import STEPS, ColourScale, PixelArray, colour_table, hatch
from rnnviz.gui.views.unrolled.marks import OUTLINED_CELL, REACH, mark_cells, mark_region
from rnnviz.gui.views.unrolled.scale import Scale

COLUMNS, ROWS = 128, 256
MOST_KEPT = 512
"""How many images the picture keeps: a whole screen several times over."""
_Key: TypeAlias = tuple[Lane, float, float, int, int, int]


@dataclass(frozen=True, eq=False)
class Paint:
    """How numbers become pixels: the scale of hidden lanes, that of the input, and the theme's colours for each."""

    theme: Theme
    hidden: ColourScale
    input: ColourScale
    hidden_table: PixelArray = field(init=False)
    input_table: PixelArray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden_table", colour_table(self.theme, self.hidden))
        object.__setattr__(self, "input_table", colour_table(self.theme, self.input))

    def of(self, lane: Lane) -> tuple[ColourScale, PixelArray]:
        """The scale and the colours of a lane."""
        return (self.input, self.input_table) if lane.layer is None else (self.hidden, self.hidden_table)


class Tiles:
    """Images of lanes of one source; the least recently drawn are forgotten first.

    `seen` gathers the indices of the special colours that occurred, for the legend.
    """

    def __init__(self, source: LaneSource, paint: Paint, kept: int = MOST_KEPT) -> None:
        self._source, self._paint, self._kept = source, paint, kept
        self._images: OrderedDict[_Key, QImage] = OrderedDict()
        self.seen: set[int] = set()

    def image(self, lane: Lane, times: Scale, units: Scale, across: int, down: int, density: int) -> QImage:
        """Piece (across, down) of a lane at these scales, in pixels of which `density` are one of the window's."""
        key = lane, times.size, units.size, across, down, density
        image = self._images.get(key)
        if image is None:
            image = self._drawn(lane, times, units, across * COLUMNS, down * ROWS, density)
            self._images[key] = image
            if len(self._images) > self._kept:
                self._images.popitem(last=False)
        else:
            self._images.move_to_end(key)
        return image

    def _drawn(self, lane: Lane, times: Scale, units: Scale, left: int, top: int, density: int) -> QImage:
        right, bottom = min(left + COLUMNS, times.pixels), min(top + ROWS, units.pixels)
        # Marks reach into the neighbouring pieces.
        wide_left, wide_top = max(0, left - REACH), max(0, top - REACH)
        wide_right, wide_bottom = min(right + REACH, times.pixels), min(bottom + REACH, units.pixels)
        patch = self._source.read(lane, times.bins(wide_left, wide_right), units.bins(wide_top, wide_bottom))
        scale, table = self._paint.of(lane)
        indices = scale.indices(patch.values)
        pixels = table[indices]
        hatch(pixels, indices, wide_left, wide_top, self._paint.theme, density)
        if indices.max() >= STEPS:
            self.seen.update(int(index) for index in np.unique(indices[indices >= STEPS]))
        if patch.marks is not None and patch.marks.any():
            theme = self._paint.theme
            if min(times.size, units.size) >= OUTLINED_CELL * density:
                mark_cells(pixels, patch.marks, wide_left, wide_top, times, units, theme, density)
            else:
                mark_region(pixels, patch.marks, wide_left, wide_top, theme)
        inner = pixels[top - wide_top : bottom - wide_top, left - wide_left : right - wide_left]
        return image_of(inner)


def image_of(pixels: PixelArray) -> QImage:
    """An image that owns its pixels."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape
    return QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32).copy()
