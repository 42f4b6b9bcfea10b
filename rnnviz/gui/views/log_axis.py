"""Plot over time with a logarithmic axis that has positions for zero and infinity."""

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.curve import cosmetic_pen
from rnnviz.gui.views.time_plot import TimePlot
from rnnviz.quantities.plot_series import LogScale

_ABOVE = [(0.0, 1.0), (0.0, 1.0)]
"""Anchors that place the label above its line."""


class LogAxis(pg.AxisItem):
    """Ticks at the decades, at zero and at infinity."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.scale_of_values = LogScale(-1, 1)

    def show_scale(self, scale: LogScale) -> None:
        self.scale_of_values = scale
        self.picture = None
        self.update()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        scale = self.scale_of_values
        room = max(1, int(size // 18) - 2)
        step = -(-(scale.highest - scale.lowest + 1) // room)
        decades = [float(e) for e in range(scale.lowest, scale.highest + 1) if e % step == 0]
        ends = [scale.zero, scale.infinity]
        return [(float(step), [value for value in (*decades, *ends) if low <= value <= high])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [self.scale_of_values.text(value) for value in values]


class LogTimePlot(TimePlot):
    """Draws positions on a logarithmic axis, with lines at the tolerance and at zero."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._axis = LogAxis("left")
        self.setAxisItems({"left": self._axis})
        self._limit = pg.InfiniteLine(angle=0, movable=False, label="", labelOpts={"position": 0.02, "anchors": _ABOVE})
        self._limit.setZValue(5)
        self.addItem(self._limit, ignoreBounds=True)
        self._floor = pg.InfiniteLine(angle=0, movable=False)
        self._floor.setZValue(-3)
        self.addItem(self._floor, ignoreBounds=True)

    @property
    def scale_of_values(self) -> LogScale:
        """Scale of the vertical axis."""
        return self._axis.scale_of_values

    @property
    def limit(self) -> float | None:
        """Position of the tolerance line on the vertical axis, or None."""
        return float(self._limit.value()) if self._limit.isVisible() else None

    def show_scale(self, scale: LogScale, limit: tuple[float, str] | None) -> None:
        """Set the scale, and position and label of the tolerance line."""
        self._axis.show_scale(scale)
        self._floor.setValue(scale.zero)
        self._limit.setVisible(limit is not None)
        bottom = scale.zero - 0.3
        top = (scale.infinity if scale.infinite else float(scale.highest)) + 0.3
        if limit is not None:
            at = float(scale.positions(np.array([limit[0]]))[0])
            self._limit.setValue(at)
            self._limit.label.setFormat(limit[1])
            # The label is above its line.
            top = max(top, bottom + (at - bottom) / 0.82)
        self.show_values(bottom, top)

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._limit.setPen(cosmetic_pen(theme.color("wrong"), 1.0, Qt.PenStyle.DashLine))
        self._limit.label.setColor(theme.color("wrong"))
        self._floor.setPen(cosmetic_pen(theme.color("grid"), 1.0))
