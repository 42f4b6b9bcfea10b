"""What the mouse does on the lanes.

The wheel zooms, dragging pans, with Shift it chooses a range, a click points, a double click asks for more.
"""

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QGraphicsSceneHoverEvent, QGraphicsSceneWheelEvent, QToolTip

_ZOOM_A_STEP = 1.25
_STEP = 120.0
"""What a notch of a wheel is in Qt's units."""


class LanesBox(pg.ViewBox):
    """A view box that asks for movements instead of making them; all places are pixels within it."""

    time_zoom_asked = Signal(float, float)
    """Factor, and the x of the place that stays where it is."""
    lane_zoom_asked = Signal(float, float)
    """Factor, and the y of the place that stays where it is."""
    pan_asked = Signal(float, float)
    """By how many pixels the content moves right and down."""
    pointed = Signal(float, float)
    double_clicked = Signal(float, float)
    range_dragged = Signal(float, float, float)
    """Where a drag with Shift began, x and y, and the x at which it is now."""
    hovered = Signal(bool)
    """Whether the pointer is over the lanes."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False, enableMouse=False, defaultPadding=0.0)
        self._ranging = False
        self.disableAutoRange()
        self.setAcceptHoverEvents(True)

    def hoverEnterEvent(self, event: QGraphicsSceneHoverEvent) -> None:
        """Say that the pointer has come."""
        self.hovered.emit(True)
        super().hoverEnterEvent(event)

    def hoverLeaveEvent(self, event: QGraphicsSceneHoverEvent) -> None:
        """Say that the pointer has gone."""
        self.hovered.emit(False)
        super().hoverLeaveEvent(event)

    def wheelEvent(self, event: QGraphicsSceneWheelEvent, axis: int | None = None) -> None:
        """Zoom time; with Ctrl lanes, with Shift pan, and pan where the wheel is moved sideways."""
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
        """Pan; with Shift choose a range of time steps."""
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
        """Point at a cell, or ask for more."""
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        event.accept()
        if event.double():
            self.double_clicked.emit(event.pos().x(), event.pos().y())
        else:
            self.pointed.emit(event.pos().x(), event.pos().y())


class LanesCanvas(pg.GraphicsView):
    """The widget that the scene is drawn in; it leaves the keyboard to the view around it."""

    def __init__(self) -> None:
        super().__init__(background=None)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(pg.GraphicsView.Shape.NoFrame)
        self.describe: Any = lambda _place: ""

    def viewportEvent(self, event: QEvent) -> bool:
        """Say what is under the pointer when it rests."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            place: QPoint = event.pos()
            QToolTip.showText(event.globalPos(), self.describe(QPointF(self.mapToScene(place))), self)
            return True
        handled: bool = super().viewportEvent(event)
        return handled
