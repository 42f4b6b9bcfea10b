"""Color map of the lanes.

A value is mapped to an index into a table of 256 colors: 249 of a color map, and one each for values beyond either end
of the scale, NaN, both infinities, missing values and padding, which are also hatched.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import ceil, floor, log10
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.palettes import Theme
from rnnviz.reading.quantities import GateQuantity

IndexArray: TypeAlias = NDArray[np.uint8]
PixelArray: TypeAlias = NDArray[np.uint32]

STEPS = 249
BELOW, ABOVE, NAN, POSITIVE, NEGATIVE, MISSING, PADDING = range(STEPS, STEPS + 7)
SPECIAL_WORDS = {
    BELOW: "< scale",
    ABOVE: "> scale",
    NAN: "NaN",
    POSITIVE: "+infinity",
    NEGATIVE: "-infinity",
    MISSING: "no value",
    PADDING: "padding",
}
_SMALLEST_RATIO = 1e-3
DECADES = 6
"""Powers of ten on each side of 0 on a symmetric logarithmic scale."""
ENDS = 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8
"""Ends of a range, times a power of ten."""
_HATCH, _SPARSE = 4, 12
_SMALLEST_RANGE, _LARGEST_RANGE = 1e-300, 1e300
"""Limits of the ends of a scale. Beyond them, their distance or its inverse is not a finite float."""


@dataclass(frozen=True)
class ColorScale:
    """Values from `low` to `high`. With `error_ratio`, the scale is logarithmic and 1 is the limit.

    With `decades` it is logarithmic on both sides of 0, for as many powers of ten below the end farther from 0, and
    about linear below them.

    The map is diverging around 0, or with `sequential` grows from the low end.
    """

    low: float
    high: float
    error_ratio: bool = False
    sequential: bool = False
    decades: int = 0

    def within(self, low: float, high: float) -> "ColorScale":
        """The scale with other ends. A sequential scale keeps its low end."""
        return replace(self, low=self.low if self.sequential else low, high=high)

    def share(self, value: float) -> float:
        """Position of a value between the ends: 0 at the low one, 1 at the high one."""
        if self.error_ratio:
            value, low, high = log10(value), log10(self.low), log10(self.high)
            return (value - low) / (high - low)
        if self.decades:
            value, low, high = self._logarithmic(np.array([value, self.low, self.high])).tolist()
            return float((value - low) / (high - low))
        return (value - self.low) / (self.high - self.low)

    @property
    def linear(self) -> float:
        """The magnitude below which a scale of `decades` is about linear."""
        return float(max(abs(self.low), abs(self.high)) * 10.0**-self.decades)

    def _logarithmic(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.arcsinh(values / (self.linear or 1.0)))

    def indices(self, values: FloatArray) -> IndexArray:
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            if self.error_ratio:
                low, high = log10(self.low), log10(self.high)
                scaled = np.log10(np.maximum(values, self.low))
            elif self.decades:
                low, high = self._logarithmic(np.array([self.low, self.high])).tolist()
                scaled = self._logarithmic(values.astype(np.float64))
            else:
                low, high, scaled = self.low, self.high, values
            places = (scaled - low) * ((STEPS - 1) / (high - low)) + 0.5
            inside = np.minimum(np.maximum(places, 0.0), STEPS - 1.0)
            indices: IndexArray = inside.astype(np.uint8)
            if not bool((places >= 0.0).all() and (places < STEPS + 0.5).all()):
                indices[places < 0.0] = BELOW
                indices[places >= STEPS + 0.5] = ABOVE
                indices[np.isnan(values)] = NAN
                indices[np.isposinf(values)] = POSITIVE
                indices[np.isneginf(values)] = NEGATIVE
        return indices


def rounded_up(value: float, factors: Sequence[float] = (1, 2, 5)) -> float:
    """The smallest product of a factor and a power of ten that is at least `value`."""
    power = floor(log10(value))
    return next(
        number
        for number in (float(f"{factor}e{exponent}") for exponent in (power, power + 1) for factor in factors)
        if number >= value
    )


def value_scale(extent: float, *, bounded: bool = False) -> ColorScale:
    """A scale symmetric about 0 that covers `extent`, and at least 1 for a cell with `bounded` values."""
    largest = max(extent, 1.0) if bounded else extent
    return ColorScale(-largest, largest) if largest > 0.0 else ColorScale(-1.0, 1.0)


def difference_scale(largest: float) -> ColorScale:
    """A scale symmetric about 0 that covers differences up to `largest`, even if that is 0."""
    return value_scale(min(max(largest, _SMALLEST_RANGE), _LARGEST_RANGE) if largest > 0.0 else 0.0)


def gate_scale(quantity: GateQuantity, largest: float) -> ColorScale:
    """From 0 to 1 for a sigmoid, from -1 to 1 for a tanh, else symmetric about 0 up to `largest`."""
    if quantity.low is not None and quantity.high is not None:
        return ColorScale(quantity.low, quantity.high, sequential=quantity.low == 0.0)
    if quantity.low == 0.0:
        return ColorScale(0.0, difference_scale(largest).high, sequential=True)
    return difference_scale(largest)


def error_ratio_scale(largest: float) -> ColorScale:
    """From 0.001 to the power of ten above the largest error ratio, at least to 10."""
    return ColorScale(_SMALLEST_RATIO, 10.0 ** max(1, ceil(log10(largest)) if largest > 0.0 else 1), error_ratio=True)


@lru_cache(maxsize=8)
def color_table(theme: Theme, scale: ColorScale) -> PixelArray:
    """The 256 colors as 0xffRRGGBB, shared by all who ask."""
    shares = np.linspace(0.0, 1.0, STEPS)
    if scale.error_ratio:
        limit = scale.share(1.0)
        stops = theme.sequential
        # Below the limit the map is pale, above it the hue changes: the limit is a visible edge.
        calm = interpolated(stops[: len(stops) // 2 + 1], shares / limit)
        alarm = interpolated((_mixed(theme.wrong, theme.base, 0.55), theme.wrong), (shares - limit) / (1.0 - limit))
        colors = np.where((shares > limit)[:, None], alarm, calm)
        above, below = theme.wrong, stops[0]
    else:
        stops = theme.sequential if scale.sequential else theme.diverging
        # 0 has the middle color, also between ends that differ.
        middle = 0.5 if scale.sequential or scale.low >= 0.0 else scale.share(0.0)
        colors = interpolated(stops, np.interp(shares, (0.0, middle, 1.0), (0.0, 0.5, 1.0)))
        above, below = stops[-1], stops[0]
    table = np.full(256, 0xFF000000, np.uint32)
    rgb = np.round(colors).astype(np.uint32)
    table[:STEPS] |= (rgb[:, 0] << 16) | (rgb[:, 1] << 8) | rgb[:, 2]
    for index, color in ((BELOW, below), (ABOVE, above), (NAN, theme.nan)):
        table[index] = pixel(color)
    table[MISSING], table[PADDING] = pixel(theme.raised), pixel(theme.base)
    table[POSITIVE] = table[NEGATIVE] = pixel(theme.infinite)
    return table


def hatch(
    pixels: PixelArray, indices: IndexArray, left: int, top: int, theme: Theme, scale: int = 1, *, dotted: bool = True
) -> None:
    """Draw the patterns of special values over pixels in place; the first pixel is (left, top) of its lane.

    NaN is hatched diagonally, +infinity vertically and -infinity horizontally. Values beyond the scale are `dotted`.
    Missing values of recorded outputs have a few thin lines on the background, and padding a few dots.
    """
    if not (indices >= STEPS).any():
        return
    y, x = np.ogrid[top : top + indices.shape[0], left : left + indices.shape[1]]
    period = _HATCH * scale
    diagonal, upright, level = (x + y) % period < scale, x % period < scale, y % period < scale
    ground = pixel(theme.base)
    pixels[(indices == NAN) & diagonal] = ground
    pixels[(indices == POSITIVE) & upright] = ground
    pixels[(indices == NEGATIVE) & level] = ground
    pixels[(indices == MISSING) & ((x - y) % (_SPARSE * scale) < scale)] = pixel(theme.border)
    # Two dots in a square of the pattern, one in the middle between four others.
    dots = (x % (_SPARSE * scale) < scale) & (y % (_SPARSE * scale) < scale)
    half = _SPARSE * scale // 2
    dots |= ((x + half) % (_SPARSE * scale) < scale) & ((y + half) % (_SPARSE * scale) < scale)
    pixels[(indices == PADDING) & dots] = pixel(theme.muted)
    if dotted:
        pixels[((indices == ABOVE) | (indices == BELOW)) & upright & level] = ground


def pixel(color: str) -> int:
    """#rrggbb as 0xffRRGGBB."""
    return 0xFF000000 | int(color[1:], 16)


_READABLE = 4.5


def on(table_entry: int, theme: Theme) -> QColor:
    """The first ink with enough contrast on a color of the table: that of texts, the opposite one, black or white."""
    return QColor(_ink(int(table_entry), theme.text, theme.on_accent))


@lru_cache(4096)
def _ink(table_entry: int, *inks: str) -> str:
    ground = QColor.fromRgb(table_entry)
    every = (*inks, "#000000", "#ffffff")
    return next(ink for ink in every if _contrast(QColor(ink), ground) >= _READABLE)


def _contrast(one: QColor, other: QColor) -> float:
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(color: QColor) -> float:
    channels = color.redF(), color.greenF(), color.blueF()
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return float(0.2126 * r + 0.7152 * g + 0.0722 * b)


def interpolated(stops: tuple[str, ...], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Red, green and blue between equidistant stops, of shape (len(shares), 3)."""
    at = np.linspace(0.0, 1.0, len(stops))
    rgb = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops], np.float64)
    return np.stack([np.interp(shares, at, rgb[:, channel]) for channel in range(3)], axis=1)


def _mixed(color: str, ground: str, share: float) -> str:
    parts = [round(int(color[i : i + 2], 16) * share + int(ground[i : i + 2], 16) * (1 - share)) for i in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in parts)
