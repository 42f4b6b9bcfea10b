"""Graphics item that paints all lanes in the window's pixels."""

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QBackingStore, QPainter
from PySide6.QtWidgets import QGraphicsItem, QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from rnnviz.core.trace_index import Lane
from rnnviz.gui.views.unrolled.boxes import digits_on, paint_boxes, paint_frames, paint_numbers, paint_recurrence
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.heatmap import HeatmapLayer
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.gui.views.unrolled.visible_values import CellNumber, block_in_view, numbers_of

_SPLIT_REACH = 2.0
"""Tolerance in pixels for the split after rounding to screen pixels."""


class LanesItem(QGraphicsObject):
    """Paints the exposed part of the visible lanes."""

    special_seen = Signal()
    """A special value has been painted for the first time."""

    computing_changed = Signal(object)
    """Frozen set of the visible lanes that are still being computed."""

    completed = Signal()
    """The visible lanes are painted completely, for the first time after a change."""

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent)
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._shown: RenderState | None = None
        self._geometry: Geometry | None = None
        self.complete = False
        """Whether the visible lanes are painted completely on the screen."""
        self._heatmap = HeatmapLayer(self)
        self._heatmap.tiles_ready.connect(self.update)
        self._heatmap.computing_changed.connect(self.computing_changed)

    def show_lanes(self, shown: RenderState | None, geometry: Geometry | None) -> None:
        if _size(geometry) != _size(self._geometry):
            self.prepareGeometryChange()
        self._shown, self._geometry = shown, geometry
        self.complete = False
        if shown is None:
            self._heatmap.reset()
        self.update()

    @property
    def computing(self) -> frozenset[Lane]:
        """The visible lanes that are still being computed."""
        return self._heatmap.computing

    def stop(self) -> None:
        """Stop the rendering thread until the next paint."""
        self._heatmap.stop()

    def move_split(self, shown: RenderState, geometry: Geometry) -> None:
        """Move the split between two engines, and repaint only the changed part."""
        before, self._shown = self._shown, shown
        self.complete = False
        if before is not None and before.split != shown.split:
            left, right = sorted(geometry.edge(shown_at.split) for shown_at in (before, shown))
            self.update(QRectF(left - _SPLIT_REACH, 0.0, right - left + 2.0 * _SPLIT_REACH, geometry.height))

    def numbers(self) -> list[CellNumber]:
        """All visible numbers."""
        shown, geometry = self._shown, self._geometry
        if shown is None or geometry is None:
            return []
        return [
            number
            for lane_rect in geometry.lane_rects_in_view()
            if geometry.font_pixels(lane_rect)
            for number in numbers_of(block_in_view(shown, geometry, lane_rect), digits_on(geometry, lane_rect))
        ]

    def boundingRect(self) -> QRectF:
        return QRectF(0.0, 0.0, *_size(self._geometry))

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        shown, geometry = self._shown, self._geometry
        if shown is None or geometry is None:
            return
        exposed: QRectF = option.exposedRect  # type: ignore[attr-defined]
        density, seen = painter.deviceTransform().m11(), len(shown.seen)
        on_screen = _on_screen(painter, widget)
        self._heatmap.prepare(shown, geometry, density, None if on_screen else exposed)
        if geometry.boxes:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            paint_frames(painter, shown, geometry)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for lane_rect in geometry.lane_rects_in_view():
            top = geometry.top_of(lane_rect)
            if top > exposed.bottom() + 2.0 or top + lane_rect.height < exposed.top() - 2.0:
                continue
            numbered = geometry.font_pixels(lane_rect) > 0
            block = block_in_view(shown, geometry, lane_rect) if geometry.boxes or numbered else None
            if geometry.boxes and block is not None:
                paint_boxes(painter, shown, geometry, block, density)
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                paint_recurrence(painter, shown, geometry, block)
                painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            else:
                self._heatmap.paint(painter, shown, geometry, lane_rect, exposed)
            if numbered and block is not None:
                paint_numbers(painter, shown, geometry, block, exposed)
        if len(shown.seen) > seen:
            self.special_seen.emit()
        if on_screen and self._heatmap.complete and not self.complete:
            self.complete = True
            self.completed.emit()


def _on_screen(painter: QPainter, widget: QWidget | None) -> bool:
    """Whether the window itself is painted, which repaints later; a picture of it does not."""
    if widget is None:
        return False
    shown: QBackingStore | None = widget.window().backingStore()
    return shown is not None and painter.paintEngine().paintDevice() is shown.paintDevice()


def _size(geometry: Geometry | None) -> tuple[float, float]:
    return (0.0, 0.0) if geometry is None else (geometry.width, geometry.height)
