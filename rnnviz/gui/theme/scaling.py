"""Sizes that grow with the desktop's font, for what is laid out in pixels."""

from PySide6.QtGui import QFontInfo
from PySide6.QtWidgets import QApplication

_USUAL_PIXELS = 12.0
"""Of the font that the pixels in the source are meant for."""


def text_scale() -> float:
    """How many times as large as usual the application's font is; never less than 1."""
    if QApplication.instance() is None:
        return 1.0
    return max(1.0, QFontInfo(QApplication.font()).pixelSize() / _USUAL_PIXELS)


def scaled(pixels: float) -> int:
    """This many pixels beside a font of the usual size, and more beside a larger one."""
    return round(pixels * text_scale())
