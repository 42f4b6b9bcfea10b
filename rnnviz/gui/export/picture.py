"""Pictures of widgets at any scale, redrawn with more pixels, and their files."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint
from PySide6.QtGui import QImage, QRegion
from PySide6.QtWidgets import QApplication, QGraphicsView, QWidget

from rnnviz.core.errors import InputError

SCALES = (1, 2, 3, 4)

_LARGEST_SIDE = 32_767
_LARGEST_BYTES = (1 << 31) - 1
"""Limits of Qt images: pixels in each direction, and bytes in total."""

_STRIP_PIXELS = 1 << 20
"""Pixels that are encoded at a time."""
_STRIP_HEIGHT = 32
"""Height, in pixels of the screen, of the part of a widget that is drawn at a time."""


def render_widget(widget: QWidget, scale: int) -> QImage:
    """Render a widget at `scale` times its resolution. Raises InputError if the picture is too large."""
    image = blank_picture(widget, scale)
    for _ in render_strips(widget, image):
        pass
    return image


def blank_picture(widget: QWidget, scale: int) -> QImage:
    """A picture of the size of a widget times `scale`. Raises InputError if it is too large."""
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
    image.fill(widget.palette().color(widget.backgroundRole()))
    return image


def render_strips(widget: QWidget, image: QImage) -> Iterator[None]:
    """Render a widget from top to bottom. Each strip takes a few milliseconds, where the whole takes half a second."""
    for view in widget.findChildren(QGraphicsView):
        # A moved item is otherwise never erased from its old position.
        QApplication.sendPostedEvents(view.scene())
    for top in range(0, widget.height(), _STRIP_HEIGHT):
        widget.render(image, QPoint(0, top), QRegion(0, top, widget.width(), _STRIP_HEIGHT))
        yield


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
