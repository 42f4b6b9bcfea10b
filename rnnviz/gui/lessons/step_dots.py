"""Dots that show the progress in a lesson, one for each step."""

from PySide6.QtCore import QEvent, QPoint, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from rnnviz.core.words import wrapped
from rnnviz.gui.theme.palettes import LIGHT, Theme

_PITCH, _RADIUS = 16, 4.0


class StepDots(QWidget):
    """Filled up to the current step, which is larger. A click goes to a step; keys do so by commands."""

    step_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._titles: tuple[str, ...] = ()
        self._at = 0
        self._theme = LIGHT
        self.setAccessibleName("Steps of the lesson")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_steps(self, titles: tuple[str, ...], at: int) -> None:
        """Show the steps by their titles; `at` is the index of the current one."""
        self._titles, self._at = titles, at
        self.setAccessibleDescription(f"step {at + 1} of {len(titles)}")
        self.updateGeometry()
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(_PITCH * len(self._titles), _PITCH)

    def step_at(self, position: QPoint) -> int | None:
        """The step below a position."""
        step = position.x() // _PITCH
        return step if 0 <= step < len(self._titles) else None

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            step = self.step_at(event.pos())
            text = "" if step is None else wrapped(f"Goes to step {step + 1}: {self._titles[step]}")
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        step = self.step_at(event.position().toPoint())
        if step is not None and event.button() == Qt.MouseButton.LeftButton:
            self.step_requested.emit(step)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for step in range(len(self._titles)):
            reached = step <= self._at
            painter.setPen(QPen(self._theme.color("accent" if reached else "muted"), 1.2))
            painter.setBrush(self._theme.color("accent") if reached else Qt.BrushStyle.NoBrush)
            radius = _RADIUS + (1.5 if step == self._at else 0.0)
            painter.drawEllipse(QPointF((step + 0.5) * _PITCH, _PITCH / 2), radius, radius)
        painter.end()
