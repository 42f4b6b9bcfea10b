"""Rendering of widgets at any scale, redrawn with more pixels."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage, QPainter, QRegion
from PySide6.QtWidgets import QApplication, QGraphicsView, QWidget

from rnnviz.core.errors import InputError
from rnnviz.io.export.png import encode_png, write_png

SCALES = (1, 2, 3, 4)

_LARGEST_SIDE = 32_767
_LARGEST_BYTES = (1 << 31) - 1
"""Limits of Qt images: pixels in each direction, and bytes in total."""

_STRIP_PIXELS = 1 << 20


def render_widget(widget: QWidget, scale: int) -> QImage:
    """Render a widget at `scale` times its resolution.

    Raises
    ------
    InputError
        If the picture is too large.
    """
    image = allocate_image(widget, scale)
    flush_scene_updates(widget)
    draw_part(image, widget, QRegion(widget.rect()))
    return image


def allocate_image(widget: QWidget, scale: int) -> QImage:
    """Create an uninitialized image of the picture's size.

    Raises
    ------
    InputError
        As `render_widget` does.
    """
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

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    write_png(_strips(image), image.width(), image.height(), path, progress)


def png_of(image: QImage) -> bytes:
    """The content of a PNG file of the picture."""
    out = BytesIO()
    encode_png(_strips(image), image.width(), image.height(), out)
    return out.getvalue()


def _strips(image: QImage) -> Iterator[NDArray[np.uint8]]:
    """Blocks of pixel rows from top to bottom, each of shape (rows, width, 3)."""
    width, height = image.width(), image.height()
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = image.copy(0, top, width, min(rows, height - top)).convertToFormat(QImage.Format.Format_RGB888)
        lines = np.frombuffer(strip.constBits(), np.uint8).reshape(strip.height(), strip.bytesPerLine())
        yield lines[:, : 3 * width].reshape(strip.height(), width, 3)
