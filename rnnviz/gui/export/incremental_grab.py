"""Large pictures of what is on the screen, drawn in turns of the event loop, so that the window answers meanwhile.

What changes on the screen in the meantime is drawn again before the picture is done: it shows one moment, the last.
"""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QTimer
from PySide6.QtGui import QImage, QPaintEvent, QRegion
from PySide6.QtWidgets import QApplication, QWidget

from rnnviz.gui.export.widget_render import allocate_image, draw_part, fill_background, flush_scene_updates

AT_ONCE = 1 << 21
"""So many pixels are drawn in a turn: about 10 ms, and 60 where lanes of a large run were never drawn so finely."""
_ROUNDS = 4
"""What moves for ever is drawn at once after so many rounds, for they would not come to an end."""


class IncrementalGrab(QObject):
    """Takes one picture and is gone, as it is without one when its window is closed before."""

    def __init__(
        self,
        widget: QWidget,
        scale: int,
        make_ready: Callable[[], object],
        taken: Callable[[QImage], object],
        disturbed: Callable[[], object],
    ) -> None:
        """Begin; `taken` gets the picture, with `scale` pixels in each direction for one of the widget's.

        A small one is drawn before this returns. One of a widget that is out of sight is drawn at once in the end, as
        nothing tells what changes in it. Before anything is drawn, `make_ready` has the widget show what the picture is
        to have. `disturbed` is called instead if the widget gets another size, comes into sight or goes out of it: the
        picture has to be begun anew.

        Raises
        ------
        InputError
            If so many pixels cannot be painted on, or there is no memory for them.
        """
        super().__init__(widget.window())
        make_ready()
        self._widget, self._scale, self._taken, self._disturbed = widget, scale, taken, disturbed
        self._make_ready, self._in_sight = make_ready, widget.isVisible()
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
            if self._in_sight:
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
        elif not self._as_begun():
            self._begin_anew()
        elif self._parts and self._in_sight:
            self._draw(self._parts.pop(0))
        elif self._parts:
            fill_background(self._image, self._widget, self._parts.pop(0))
        elif not self._in_sight:
            self._draw_hidden()
        elif window.updatesEnabled():
            # A screen that is held while the theme changes tells of no change.
            self._catch_up()

    def _as_begun(self) -> bool:
        widget = self._widget
        return widget.isVisible() == self._in_sight and widget.size() * self._scale == self._image.size()

    def _begin_anew(self) -> None:
        self._end()
        self._disturbed()

    def _draw_hidden(self) -> None:
        self._make_ready()
        if self._as_begun():
            self._draw(QRegion(self._widget.rect()))
            self._finish()
        else:
            self._begin_anew()

    def _catch_up(self) -> None:
        """Draw again what has changed: in further turns if it is much."""
        flush_scene_updates(self._widget)
        # What else is to be painted anew may wait for the next frame; a point that is painted at once takes it along.
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
            # The drawing itself has sent events like those of the screen.
            self._changed = before

    def _finish(self) -> None:
        self._end()
        window, image, taken = self._widget.window(), self._image, self._taken
        # What is done with it, such as opening a dialog, takes as long as drawing a part.
        QTimer.singleShot(0, window, lambda: taken(image) if window.isVisible() else None)

    def _end(self) -> None:
        self._turns.stop()
        _application().removeEventFilter(self)
        self.deleteLater()

    def _parts_of(self, region: QRegion) -> list[QRegion]:
        """The region in strips that take a turn each, from top to bottom."""
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
