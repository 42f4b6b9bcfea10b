"""Pictures of widgets, at any scale: drawn anew with more pixels, not enlarged."""

from pathlib import Path

from PySide6.QtCore import QPoint
from PySide6.QtGui import QImage, QImageWriter
from PySide6.QtWidgets import QWidget

from rnnviz.files.atomic import whole
from rnnviz.model.errors import InputError

SCALES = (1, 2, 3, 4)


def picture_of(widget: QWidget, scale: int) -> QImage:
    """What the widget shows, with `scale` pixels in each direction for one of its own."""
    image = QImage(widget.size() * scale, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(scale)
    image.fill(widget.palette().window().color())
    widget.render(image, QPoint())
    return image


def write_png(image: QImage, path: Path) -> None:
    """Write a picture; it appears whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    with whole(path) as temporary:
        writer = QImageWriter(str(temporary), b"png")
        if not writer.write(image):
            raise InputError(f"{path} cannot be written: {writer.errorString()}.")
