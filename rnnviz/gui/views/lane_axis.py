"""One time axis of the lanes and of plots under them."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPoint, QTimer

from rnnviz.gui.kit.plot import Plot

if TYPE_CHECKING:
    from rnnviz.gui.views.unrolled.canvas import LanesCanvas

_AFTER = 1
"""Milliseconds from a movement of the lanes to that of the plot, after the lanes are painted."""
_NARROWEST, _WIDEST = 36, 260
"""Widths of the values' axis in pixels at which time steps of plot and lanes are above each other."""


class LaneAxis(QObject):
    """Shows the time steps of the lanes in a plot, at the same places of the screen, and the other way round."""

    def __init__(self, plot: Plot, lanes: "LanesCanvas") -> None:
        super().__init__(plot)
        self._plot, self._lanes = plot, lanes
        # The lanes come first. Of several movements before the next paint, the last one counts.
        self._later = QTimer(self, interval=_AFTER, singleShot=True)
        self._later.timeout.connect(self._follow)
        lanes.moved.connect(self._later.start)
        plot.part_requested.connect(lanes.show_part)
        plot.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Show, QEvent.Type.Resize, QEvent.Type.Move):
            self._later.start()
        return False

    def _follow(self) -> None:
        geometry, plot, lanes = self._lanes.geometry_in_view, self._plot, self._lanes
        if geometry is None or not plot.isVisible():
            return
        left = lanes.mapToGlobal(lanes.area.topLeft()).x() - plot.mapToGlobal(QPoint()).x()
        right = plot.width() - left - round(geometry.width)
        fits = _NARROWEST <= left <= _WIDEST and right >= 0
        plot.set_margins(left if fits else None, right if fits else None)
        plot.show_part(geometry.camera.start, geometry.camera.start + geometry.camera.span)
