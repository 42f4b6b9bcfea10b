"""Outlines of mismatches in pixels, in two tones of which one is visible on any color."""

import numpy as np
from numpy.typing import NDArray

from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.unrolled.colormap import PixelArray, pixel
from rnnviz.gui.views.unrolled.pixel_grid import Scale
from rnnviz.quantities.level_of_detail import BoolArray

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
