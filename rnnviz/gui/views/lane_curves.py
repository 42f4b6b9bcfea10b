"""The curves of a quantity over time: one lane that stands out, what stands beside it, and the other lanes."""

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen

from rnnviz.gui.look.theme import LIGHT, Theme
from rnnviz.gui.views.time_plot import TimePlot

Positions = NDArray[np.float64]

_DASHED_UP_TO = 4_000
"""Longer sequences are drawn in solid lines: their dashes would run together, and take long to draw."""
_COMPANIONS = ((1, Qt.PenStyle.DashLine), (2, Qt.PenStyle.DotLine))
"""The colour, by its place in the theme's series, and the line of each companion."""


class LaneCurves:
    """Owns curves of a plot, and makes new ones only when their number changes."""

    def __init__(self, plot: TimePlot) -> None:
        self._plot = plot
        self._theme = LIGHT
        self._timesteps = 0
        self._others: list[pg.PlotDataItem] = []
        self._beside: list[pg.PlotDataItem] = []
        self._mine: list[pg.PlotDataItem] = []

    @property
    def mine(self) -> Positions:
        """(T,): the positions of the lane that stands out."""
        return _drawn(self._mine[0])

    @property
    def beside(self) -> list[Positions]:
        """The positions of what stands beside it."""
        return [_drawn(curve) for curve in self._beside]

    @property
    def others(self) -> list[Positions]:
        """The positions of the thin curves."""
        return [_drawn(curve) for curve in self._others]

    def draw(self, mine: Positions, beside: Sequence[Positions], others: Sequence[Positions]) -> None:
        """Draw other values, each of shape (T,), where NaN leaves gaps."""
        long = self._timesteps > _DASHED_UP_TO
        self._timesteps = len(mine)
        wanted = len(others), len(beside), 1
        if (len(self._others), len(self._beside), len(self._mine)) != wanted:
            self.clear()
            self._others += [self._plot.add_curve(self.thin, depth=1.0) for _ in others]
            self._beside += [self._plot.add_curve(self.companion(p), depth=8.0 - p) for p in range(len(beside))]
            self._mine.append(self._plot.add_curve(self.wide, depth=10.0))
        elif long != (self._timesteps > _DASHED_UP_TO):
            self.apply_theme(self._theme)
        curves = (*self._others, *self._beside, *self._mine)
        for curve, values in zip(curves, (*others, *beside, mine), strict=True):
            self._plot.move_curve(curve, values)

    def clear(self) -> None:
        """Draw nothing."""
        for curves in (self._others, self._beside, self._mine):
            for curve in curves:
                self._plot.removeItem(curve)
            curves.clear()

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colours from now on."""
        self._theme = theme
        for curve in self._others:
            self._plot.draw_curve(curve, self.thin, depth=1.0)
        for place, curve in enumerate(self._beside):
            self._plot.draw_curve(curve, self.companion(place), depth=8.0 - place)
        for curve in self._mine:
            self._plot.draw_curve(curve, self.wide, depth=10.0)

    @property
    def thin(self) -> QPen:
        """Of the other lanes."""
        faint = self._theme.color("muted")
        faint.setAlphaF(0.5)
        return cosmetic_pen(faint, 1.0)

    @property
    def wide(self) -> QPen:
        """Of the lane that stands out."""
        return cosmetic_pen(self._theme.color("accent"), 2.0)

    def companion(self, place: int) -> QPen:
        """Of one of the curves beside it."""
        colour, style = _COMPANIONS[place]
        if self._timesteps > _DASHED_UP_TO:
            return cosmetic_pen(QColor(self._theme.series[colour]), 1.0)
        return cosmetic_pen(QColor(self._theme.series[colour]), 1.5, style)


def cosmetic_pen(colour: QColor, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    """A pen whose width is in pixels, whatever the plot's scale."""
    pen = QPen(colour, width, style)
    pen.setCosmetic(True)
    return pen


def _drawn(curve: pg.PlotDataItem) -> Positions:
    y: Positions = curve.getOriginalDataset()[1]
    return y
