"""Curves of a quantity over time: the selected lane, its additional curves, and the other lanes."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen

from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.curve import Curve, cosmetic_pen
from rnnviz.gui.views.table import blend
from rnnviz.gui.views.time_plot import TimePlot
from rnnviz.quantities.plot_series import Outline

_DASHED_UP_TO = 600
"""Maximum number of visible time steps for dashed lines. With more, dashes merge and drawing is slow."""
_COMPANIONS = ((1, Qt.PenStyle.DashLine), (2, Qt.PenStyle.DotLine))
"""Index of the color in the theme's series, and line style, of each additional curve."""


class LaneCurves:
    """Owns curves of a plot, and creates new ones only if their number grows."""

    def __init__(self, plot: TimePlot) -> None:
        self._plot = plot
        self._theme = LIGHT
        self._dashed = True
        self._others: list[Curve] = []
        self._beside: list[Curve] = []
        self._mine: list[Curve] = []
        self.selected: Outline | None = None
        """The drawn outline of the selected lane, or None."""
        self.beside: tuple[Outline, ...] = ()
        self.others: tuple[Outline, ...] = ()

    def draw(self, selected: Outline, beside: Sequence[Outline], others: Sequence[Outline]) -> None:
        """Draw other outlines. NaN leaves gaps."""
        dashed = len(self._plot.timesteps_in_sight) <= _DASHED_UP_TO
        turned, self._dashed = dashed != self._dashed, dashed
        wanted = len(others), len(beside), 1
        if (len(self._others), len(self._beside), len(self._mine)) != wanted:
            self.clear()
            self._others += [self._plot.add_curve(self.thin, depth=1.0) for _ in others]
            self._beside += [self._plot.add_curve(self.companion(p), depth=8.0 - p) for p in range(len(beside))]
            self._mine.append(self._plot.add_curve(self.wide, depth=10.0))
        elif turned:
            self.apply_theme(self._theme)
        self.selected, self.beside, self.others = selected, tuple(beside), tuple(others)
        curves = (*self._others, *self._beside, *self._mine)
        for curve, outline in zip(curves, (*others, *beside, selected), strict=True):
            curve.show_outline(outline)

    def clear(self) -> None:
        self.selected, self.beside, self.others = None, (), ()
        for curves in (self._others, self._beside, self._mine):
            for curve in curves:
                self._plot.remove_curve(curve)
            curves.clear()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        for curve in self._others:
            curve.draw_with(self.thin, depth=1.0)
        for place, curve in enumerate(self._beside):
            curve.draw_with(self.companion(place), depth=8.0 - place)
        for curve in self._mine:
            curve.draw_with(self.wide, depth=10.0)

    @property
    def thin(self) -> QPen:
        """Pen of the other lanes."""
        # Opaque, for what shines through takes ten times as long to draw.
        return cosmetic_pen(blend(self._theme, "muted", 0.5), 1.0)

    @property
    def wide(self) -> QPen:
        """Pen of the selected lane."""
        return cosmetic_pen(self._theme.color("accent"), 2.0)

    def companion(self, place: int) -> QPen:
        """Pen of an additional curve."""
        color, style = _COMPANIONS[place]
        if not self._dashed:
            return cosmetic_pen(QColor(self._theme.series[color]), 1.0)
        return cosmetic_pen(QColor(self._theme.series[color]), 1.5, style)
