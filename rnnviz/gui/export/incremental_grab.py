"""Large pictures of a widget, drawn in several turns of the event loop to keep the window responsive.

Changes in the meantime are drawn again, so that the picture shows a single moment, the last.
"""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QTimer
from PySide6.QtGui import QImage, QPaintEvent, QRegion
from PySide6.QtWidgets import QApplication, QWidget

from rnnviz.gui.export.widget_render import allocate_image, draw_part, flush_scene_updates

AT_ONCE = 1 << 21
"""Pixels per turn: about 10 ms, or 60 ms for lanes of a large run at a new scale."""
_ROUNDS = 4
"""Rounds after which continuous changes are drawn in one turn, because the rounds would never end."""


class IncrementalGrab(QObject):
    """Takes one picture, then deletes itself; without a picture if its window closes first."""

    def __init__(
        self,
        widget: QWidget,
        scale: int,
        make_ready: Callable[[], object],
        taken: Callable[[QImage], object],
        disturbed: Callable[[], object],
    ) -> None:
        """Start. `taken` receives the picture at `scale` times the widget's resolution.

        A small picture is drawn before this returns. `make_ready` is called before drawing. `disturbed` is called
        instead of `taken` if the widget is resized; the picture must then be started again.

        Raises
        ------
        InputError
            If the picture is too large.
        """
        super().__init__(widget.window())
        make_ready()
        self._widget, self._scale, self._taken, self._disturbed = widget, scale, taken, disturbed
        self._image = allocate_image(widget, scale)
        self._changed = QRegion()
        self._rounds = 0
        self._parts = self._parts_of(QRegion(widget.rect()))
        self._turns = QTimer(self, interval=0)
        self._turns.timeout.connect(self._go_on)
        if len(self._parts) == 1:
            self._draw(QRegion(widget.rect()))
            self._finish()
        else:
            _application().installEventFilter(self)
            self._turns.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QPaintEvent) and isinstance(watched, QWidget):
            widget, window = self._widget, self._widget.window()
            if watched.window() is window:
                moved = watched.mapTo(window, QPoint()) - widget.mapTo(window, QPoint())
                self._changed |= event.region().translated(moved) & QRegion(widget.rect())
        return False

    def _go_on(self) -> None:
        window = self._widget.window()
        if not window.isVisible():
            self._end()
        elif self._widget.size() * self._scale != self._image.size():
            self._restart()
        elif self._parts:
            self._draw(self._parts.pop(0))
        elif window.updatesEnabled():
            # A window that is frozen during a theme change reports no changes.
            self._catch_up()

    def _restart(self) -> None:
        self._end()
        self._disturbed()

    def _catch_up(self) -> None:
        """Draw changes again, in further turns if they are large."""
        flush_scene_updates(self._widget)
        # Painting one pixel at once flushes all pending updates.
        self._widget.window().repaint(0, 0, 1, 1)
        changed, self._changed = self._changed, QRegion()
        self._rounds += 1
        parts = self._parts_of(changed)
        if len(parts) > 1 and self._rounds < _ROUNDS:
            self._parts = parts
        else:
            self._draw(changed)
            self._finish()

    def _draw(self, part: QRegion) -> None:
        if not part.isEmpty():
            flush_scene_updates(self._widget)
            before = QRegion(self._changed)
            draw_part(self._image, self._widget, part)
            # Drawing sends paint events, too; ignore them.
            self._changed = before

    def _finish(self) -> None:
        self._end()
        window, image, taken = self._widget.window(), self._image, self._taken
        # The callback, such as opening a dialog, takes a turn, too.
        QTimer.singleShot(0, window, lambda: taken(image) if window.isVisible() else None)

    def _end(self) -> None:
        self._turns.stop()
        _application().removeEventFilter(self)
        self.deleteLater()

    def _parts_of(self, region: QRegion) -> list[QRegion]:
        """Split a region into strips of one turn each, from top to bottom."""
        around = region.boundingRect()
        rows = max(1, AT_ONCE // (max(around.width(), 1) * self._scale**2))
        strips = (
            region & QRegion(QRect(around.left(), top, around.width(), rows))
            for top in range(around.top(), around.top() + around.height(), rows)
        )
        return [strip for strip in strips if not strip.isEmpty()]


def _application() -> QApplication:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    return application
