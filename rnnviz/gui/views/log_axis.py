"""A logarithmic axis that also has a place for zero and for infinity."""

from collections.abc import Sequence

import pyqtgraph as pg

from rnnviz.analysis.series import LogScale


class LogAxis(pg.AxisItem):
    """Ticks at the decades, at zero and at infinity."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.scale_of_values = LogScale(-1, 1)

    def show_scale(self, scale: LogScale) -> None:
        """Take another scale."""
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
