"""Mouse handling of the lanes.

The wheel zooms, dragging pans, Shift and dragging selects a range, a click selects, a double click explains.
"""

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QGraphicsSceneHoverEvent, QGraphicsSceneWheelEvent, QToolTip

_ZOOM_A_STEP = 1.25
_STEP = 120.0
"""Angle delta of one wheel notch in Qt's units."""


class LanesBox(pg.ViewBox):
    """A view box that emits requests instead of moving. Positions are pixels within it."""

    time_zoom_asked = Signal(float, float)
    """Factor, and the x that stays in place."""
    lane_zoom_asked = Signal(float, float)
    """Factor, and the y that stays in place."""
    pan_asked = Signal(float, float)
    """Movement of the content in pixels, right and down."""
    pointed = Signal(float, float)
    double_clicked = Signal(float, float)
    range_dragged = Signal(float, float, float)
    """Start of a drag with Shift (x, y), and its current x."""
    hovered = Signal(bool)
    """Whether the pointer is over the lanes."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False, enableMouse=False, defaultPadding=0.0)
        self._ranging = False
        self.disableAutoRange()
        self.setAcceptHoverEvents(True)

    def hoverEnterEvent(self, event: QGraphicsSceneHoverEvent) -> None:
        self.hovered.emit(True)
        super().hoverEnterEvent(event)

    def hoverLeaveEvent(self, event: QGraphicsSceneHoverEvent) -> None:
        self.hovered.emit(False)
        super().hoverLeaveEvent(event)

    def wheelEvent(self, event: QGraphicsSceneWheelEvent, axis: int | None = None) -> None:
        """Zoom time, with Ctrl the lanes; pan with Shift or a horizontal wheel."""
        turned = event.delta() / _STEP
        keys = event.modifiers()
        if event.orientation() == Qt.Orientation.Horizontal:
            self.pan_asked.emit(turned * _STEP / 2.0, 0.0)
        elif keys & Qt.KeyboardModifier.ControlModifier:
            self.lane_zoom_asked.emit(_ZOOM_A_STEP**turned, event.pos().y())
        elif keys & Qt.KeyboardModifier.ShiftModifier:
            self.pan_asked.emit(turned * _STEP / 2.0, 0.0)
        else:
            self.time_zoom_asked.emit(_ZOOM_A_STEP**turned, event.pos().x())
        event.accept()

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        """Pan, or with Shift select a range of time steps."""
        if event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            event.ignore()
            return
        event.accept()
        if self._ranging or (event.isStart() and event.modifiers() & Qt.KeyboardModifier.ShiftModifier):
            self._ranging = not event.isFinish()
            begun = event.buttonDownPos()
            self.range_dragged.emit(begun.x(), begun.y(), event.pos().x())
            return
        moved = event.pos() - event.lastPos()
        self.pan_asked.emit(moved.x(), moved.y())
        self.setCursor(Qt.CursorShape.ArrowCursor if event.isFinish() else Qt.CursorShape.ClosedHandCursor)

    def mouseClickEvent(self, event: Any) -> None:
        """Select or explain a cell."""
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        event.accept()
        if event.double():
            self.double_clicked.emit(event.pos().x(), event.pos().y())
        else:
            self.pointed.emit(event.pos().x(), event.pos().y())


class LanesCanvas(pg.GraphicsView):
    """Widget of the scene. It leaves the keyboard to the view."""

    def __init__(self) -> None:
        super().__init__(background=None)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(pg.GraphicsView.Shape.NoFrame)
        self.describe: Any = lambda _place: ""

    def viewportEvent(self, event: QEvent) -> bool:
        """Show tooltips."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            place: QPoint = event.pos()
            QToolTip.showText(event.globalPos(), self.describe(QPointF(self.mapToScene(place))), self)
            return True
        handled: bool = super().viewportEvent(event)
        return handled
