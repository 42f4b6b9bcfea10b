"""Pictures of widgets, at any scale: drawn anew with more pixels, not enlarged."""

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
"""What Qt can paint on: pixels in each direction, and bytes in all."""

_STRIP_PIXELS = 1 << 20


def render_widget(widget: QWidget, scale: int) -> QImage:
    """What the widget shows, with `scale` pixels in each direction for one of its own.

    Raises
    ------
    InputError
        If so many pixels cannot be painted on, or there is no memory for them.
    """
    image = allocate_image(widget, scale)
    flush_scene_updates(widget)
    draw_part(image, widget, QRegion(widget.rect()))
    return image


def allocate_image(widget: QWidget, scale: int) -> QImage:
    """An image of the picture's size with anything in it.

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
    """Draw a part of the picture, in the widget's own pixels: all of it drawn part by part is the same picture.

    `flush_scene_updates` comes before.
    """
    fill_background(image, widget, part)
    widget.render(image, part.boundingRect().topLeft(), part)


def fill_background(image: QImage, widget: QWidget, part: QRegion) -> None:
    """Fill a part with the ground on which the widget is drawn.

    Where it is the first to touch that part of the image this takes longer than drawing: the system has to find memory.
    """
    painter = QPainter(image)
    painter.setClipRegion(part)
    painter.fillRect(part.boundingRect(), widget.palette().window())
    painter.end()


def flush_scene_updates(widget: QWidget) -> None:
    """Have the scenes in a widget paint on the screen what has changed, which they do with their next event.

    An item that is drawn elsewhere before that is never wiped off the screen where it was.
    """
    for view in widget.findChildren(QGraphicsView):
        QApplication.sendPostedEvents(view.scene())


def write_picture(image: QImage, path: Path, progress: Callable[[float], None] = lambda _: None) -> None:
    """Write a picture as PNG; it appears whole or not at all. Any thread may do it, and holds up no other.

    `progress` may raise to stop the writing; an existing file is then left as it was.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    write_png(_strips(image), image.width(), image.height(), path, progress)


def png_of(image: QImage) -> bytes:
    """The picture as a PNG file's content."""
    out = BytesIO()
    encode_png(_strips(image), image.width(), image.height(), out)
    return out.getvalue()


def _strips(image: QImage) -> Iterator[NDArray[np.uint8]]:
    """The picture's rows from top to bottom, some at a time: (rows, width, 3)."""
    width, height = image.width(), image.height()
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = image.copy(0, top, width, min(rows, height - top)).convertToFormat(QImage.Format.Format_RGB888)
        lines = np.frombuffer(strip.constBits(), np.uint8).reshape(strip.height(), strip.bytesPerLine())
        yield lines[:, : 3 * width].reshape(strip.height(), width, 3)
