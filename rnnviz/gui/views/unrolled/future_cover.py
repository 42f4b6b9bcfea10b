"""Cover of the values that are computed after the selected step."""

from math import ceil, floor

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from rnnviz.core.trace_index import Lane
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.unrolled.geometry import CellGeometry, Geometry
from rnnviz.quantities.traversal import Order


class FutureCover(QGraphicsItem):
    """Paints over the future of each hidden lane; nothing without an order of computation.

    By lane, all lanes have computed as many steps as the selected one. By layers, lanes above the selected one have
    computed nothing, and those below it everything.
    """

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent)
        self.setZValue(5)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._theme = LIGHT
        self._order: Order | None = None
        self._geometry: Geometry | None = None
        self._cell: CellGeometry | None = None
        self.hide()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def set_order(self, order: Order | None) -> None:
        """Set the order of computation; None shows everything."""
        self._order = order
        self.setVisible(order is not None)
        self.update()

    def show_selection(self, cell: CellGeometry, geometry: Geometry) -> None:
        """Set the geometry, and the selection as the last computed step."""
        if (cell, geometry) != (self._cell, self._geometry) and self._order is not None:
            self.prepareGeometryChange()
        self._cell, self._geometry = cell, geometry

    def times(self, lane: Lane) -> range:
        """Time steps of a lane that are covered."""
        geometry, cell = self._geometry, self._cell
        if geometry is None or cell is None or self._order is None or lane.layer is None:
            return range(0)
        timesteps, here = geometry.picture.timesteps, cell.lane
        # With the input selected, every lane is at its time step.
        step = min(max(cell.timestep, 0), timesteps - 1)
        if here.layer is not None and here.backward:
            step = timesteps - 1 - step
        if self._order == "layers" and here.layer is not None:
            at, selected = (lane.layer, lane.direction), (here.layer, here.direction)
            step = step if at == selected else timesteps - 1 if at < selected else -1
        return range(timesteps - 1 - step) if lane.backward else range(step + 1, timesteps)

    def boundingRect(self) -> QRectF:
        geometry = self._geometry
        return QRectF() if geometry is None else QRectF(0.0, 0.0, geometry.width, geometry.height)

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        geometry = self._geometry
        if geometry is None:
            return
        for lane_rect in geometry.lane_rects_in_view():
            times = self.times(lane_rect.lane)
            if times:
                left, right = floor(geometry.edge(times.start)), ceil(geometry.edge(times.stop))
                rect = QRectF(left, geometry.top_of(lane_rect), right - left, lane_rect.height)
                painter.fillRect(rect & self.boundingRect(), self._theme.color("raised"))
