"""Pictures of widgets at any scale, redrawn with more pixels; large ones in several turns of the event loop."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QTimer
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QRegion
from PySide6.QtWidgets import QApplication, QGraphicsView, QWidget

from rnnviz.core.errors import InputError

SCALES = (1, 2, 3, 4)

_LARGEST_SIDE = 32_767
_LARGEST_BYTES = (1 << 31) - 1
"""Limits of Qt images: pixels in each direction, and bytes in total."""

_STRIP_PIXELS = 1 << 20


def render_widget(widget: QWidget, scale: int) -> QImage:
    """Render a widget at `scale` times its resolution. Raises InputError if the picture is too large."""
    image = allocate_image(widget, scale)
    flush_scene_updates(widget)
    draw_part(image, widget, QRegion(widget.rect()))
    return image


def allocate_image(widget: QWidget, scale: int) -> QImage:
    """Create an uninitialized image of the picture's size. Raises InputError as `render_widget` does."""
    size = widget.size() * scale
    image = QImage()
    if max(size.width(), size.height()) <= _LARGEST_SIDE:
        image = QImage(size, QImage.Format.Format_RGB32)
    if image.isNull():
        raise InputError(
            f"The picture is too large (got {size.width():,} × {size.height():,} pixels): the limits are "
            f"{_LARGEST_SIDE:,} in each direction and {_LARGEST_BYTES // 4:,} in total, or less if memory is short. "
            "Use a smaller scale."
        )
    image.setDevicePixelRatio(scale)
    return image


def draw_part(image: QImage, widget: QWidget, part: QRegion) -> None:
    """Draw a region of the picture, in the widget's pixels.

    Call `flush_scene_updates` first.
    """
    fill_background(image, widget, part)
    widget.render(image, part.boundingRect().topLeft(), part)


def fill_background(image: QImage, widget: QWidget, part: QRegion) -> None:
    """Fill a region with the widget's background.

    The first access to an image region takes longer than drawing, because the system allocates its memory.
    """
    painter = QPainter(image)
    painter.setClipRegion(part)
    painter.fillRect(part.boundingRect(), widget.palette().window())
    painter.end()


def flush_scene_updates(widget: QWidget) -> None:
    """Process pending updates of the graphics scenes in a widget.

    Otherwise a moved item is never erased from its old position.
    """
    for view in widget.findChildren(QGraphicsView):
        QApplication.sendPostedEvents(view.scene())


def write_picture(image: QImage, path: Path, progress: Callable[[float], None] = lambda _: None) -> None:
    """Write a picture as PNG, atomically. Safe on any thread, without blocking others.

    `progress` may raise to cancel; an existing file then stays unchanged.

    Raises InputError if the file cannot be written.
    """
    from rnnviz.io.export.pictures import write_png

    write_png(_strips(image), image.width(), image.height(), path, progress)


def png_of(image: QImage) -> bytes:
    """The content of a PNG file of the picture."""
    from rnnviz.io.export.pictures import encode_png

    out = BytesIO()
    encode_png(_strips(image), image.width(), image.height(), out)
    return out.getvalue()


def pixels_of(image: QImage) -> NDArray[np.uint8]:
    """All pixels, of shape (height, width, 3)."""
    # Qt frees a strip when the next one comes.
    return np.concatenate([strip.copy() for strip in _strips(image)])


def _strips(image: QImage) -> Iterator[NDArray[np.uint8]]:
    """Blocks of pixel rows from top to bottom, each of shape (rows, width, 3)."""
    width, height = image.width(), image.height()
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = image.copy(0, top, width, min(rows, height - top)).convertToFormat(QImage.Format.Format_RGB888)
        lines = np.frombuffer(strip.constBits(), np.uint8).reshape(strip.height(), strip.bytesPerLine())
        yield lines[:, : 3 * width].reshape(strip.height(), width, 3)


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

        Raises InputError if the picture is too large.
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
            self.end()
        elif self._widget.size() * self._scale != self._image.size():
            self._restart()
        elif self._parts:
            self._draw(self._parts.pop(0))
        elif window.updatesEnabled():
            # A window that is frozen during a theme change reports no changes.
            self._catch_up()

    def _restart(self) -> None:
        self.end()
        self._disturbed()

    def _catch_up(self) -> None:
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
        self._turns.stop()
        # The callback, such as opening a dialog, takes a turn, too.
        QTimer.singleShot(0, self, self._deliver)

    def _deliver(self) -> None:
        self.end()
        if self._widget.window().isVisible():
            self._taken(self._image)

    def end(self) -> None:
        """Take no picture, if it is not finished."""
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
