"""Pictures of widgets, at any scale: drawn anew with more pixels, not enlarged."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from rnnviz.files.png import encode_png, write_png
from rnnviz.model.errors import InputError

SCALES = (1, 2, 3, 4)

_LARGEST_SIDE = 32_767
_LARGEST_BYTES = (1 << 31) - 1
"""What Qt can paint on: pixels in each direction, and bytes in all."""

_STRIP_PIXELS = 1 << 20


def picture_of(widget: QWidget, scale: int) -> QImage:
    """What the widget shows, with `scale` pixels in each direction for one of its own.

    Raises
    ------
    InputError
        If so many pixels cannot be painted on, or there is no memory for them.
    """
    size = widget.size() * scale
    image = QImage()
    if max(size.width(), size.height()) <= _LARGEST_SIDE:
        image = QImage(size, QImage.Format.Format_RGB32)
    if image.isNull():
        raise InputError(
            f"A picture of {size.width():,} × {size.height():,} pixels cannot be drawn: at most {_LARGEST_SIDE:,} in "
            f"each direction and {_LARGEST_BYTES // 4:,} in all are allowed, as far as there is memory; take a smaller "
            "scale."
        )
    image.setDevicePixelRatio(scale)
    image.fill(widget.palette().window().color())
    widget.render(image, QPoint())
    return image


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
