"""Frame around the widget that a lesson refers to."""

from collections.abc import Callable

from PySide6.QtCore import QEasingCurve, QEvent, QObject, QRect, QRectF, Qt, QVariantAnimation, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QPainter, QPaintEvent, QPen, QRegion
from PySide6.QtWidgets import QWidget

from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.reduced_motion import motion_reduced

_GLOW = 7
"""Width of the glow outside the line, in pixels."""
_LINE = 2.0
_AWAY = 3
"""Distance of the line from the widget, because texts reach its edges."""
_FADE_MS = 240
_FOLLOWED = (
    QEvent.Type.Resize,
    QEvent.Type.Move,
    QEvent.Type.Show,
    QEvent.Type.Hide,
    QEvent.Type.LayoutRequest,
)

Area = Callable[[], QRect]
"""Returns the rectangle to highlight in the widget's coordinates."""


class Spotlight(QWidget):
    """Overlay of the window that only draws the frame. Mouse events pass through it."""

    changed = Signal(bool)
    """Whether a widget is highlighted."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Spotlight")
        self._window = window
        self._theme = LIGHT
        self._target: QWidget | None = None
        self._area: Area = QRect
        self._watched: list[QWidget] = []
        self._strength = 1.0
        self._fade = QVariantAnimation(self, startValue=0.0, endValue=1.0, duration=_FADE_MS)
        self._fade.setEasingCurve(QEasingCurve.Type.OutCubic)
        self._fade.valueChanged.connect(self._set_strength)
        self.hide()

    @property
    def target(self) -> QWidget | None:
        """The highlighted widget, or the one that contains the highlighted area."""
        return self._target

    @property
    def highlighted(self) -> QRect:
        """The highlighted area in the window's coordinates; empty without a visible one."""
        target = self._target
        if target is None or not target.isVisible():
            return QRect()
        highlighted = self._area()
        widget: QWidget | None = target
        # A widget in a scrolled panel is visible only as far as the panel is.
        while widget is not None and widget is not self._window:
            highlighted = highlighted.intersected(widget.rect()).translated(widget.pos())
            widget = widget.parentWidget()
        return highlighted

    @property
    def fading(self) -> bool:
        """Whether the fade-in is running."""
        return self._fade.state() == QVariantAnimation.State.Running

    def highlight(self, target: QWidget, area: Area | None = None, words: str = "") -> None:
        """Highlight a widget, or an area of it. `words` is announced to a screen reader."""
        self._release()
        self._target = target
        self._area = target.rect if area is None else area
        # What moves any of these moves the part.
        widget: QWidget | None = target
        while widget is not None and widget is not self._window.parentWidget():
            widget.installEventFilter(self)
            self._watched.append(widget)
            widget = widget.parentWidget()
        target.destroyed.connect(self.clear)
        if words:
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(target, words))
        self.refresh()
        self._fade.stop()
        if motion_reduced():
            self._set_strength(1.0)
        else:
            self._fade.start()
        self.changed.emit(True)

    def clear(self) -> None:
        """Hide the frame."""
        if self._target is not None:
            self._release()
            self._fade.stop()
            self.hide()
            self.changed.emit(False)

    def refresh(self) -> None:
        """Move the frame to the widget's current position."""
        highlighted = self.highlighted
        if highlighted.isEmpty():
            self.hide()
            return
        around = highlighted.adjusted(-_GLOW, -_GLOW, _GLOW, _GLOW).intersected(self._window.rect())
        self.setGeometry(around)
        # The mask excludes the inside, so that widgets below are not painted twice during playback.
        inner = highlighted.translated(-around.topLeft()).adjusted(_GLOW, _GLOW, -_GLOW, -_GLOW)
        self.setMask(QRegion(self.rect()) - QRegion(inner))
        self.show()
        self.raise_()
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the widget when it or one of its ancestors moves."""
        if event.type() in _FOLLOWED and watched is not self:
            self.refresh()
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = QRectF(self.highlighted.translated(-self.geometry().topLeft())).adjusted(-_AWAY, -_AWAY, _AWAY, _AWAY)
        # The frame of a widget at the window's edge stays visible.
        line = line.intersected(QRectF(self.rect()).adjusted(_LINE, _LINE, -_LINE, -_LINE))
        color = self._theme.color("accent")
        for width, alpha in ((2.0 * _GLOW, 0.10), (_GLOW + 1.0, 0.16), (_LINE, 1.0)):
            color.setAlphaF(alpha * self._strength)
            painter.setPen(QPen(color, width))
            painter.drawRoundedRect(line, 5.0, 5.0)
        painter.end()

    def _set_strength(self, strength: float) -> None:
        self._strength = strength
        self.update()

    def _release(self) -> None:
        if self._target is not None:
            self._target.destroyed.disconnect(self.clear)
        for widget in self._watched:
            widget.removeEventFilter(self)
        self._watched.clear()
        self._target = None
