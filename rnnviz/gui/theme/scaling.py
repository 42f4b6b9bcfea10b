"""Scaling of pixel sizes with the system font."""

from PySide6.QtGui import QFontInfo
from PySide6.QtWidgets import QApplication

_USUAL_PIXELS = 12.0
"""Font size in pixels that the sizes in the source code assume."""


def text_scale() -> float:
    """Ratio of the application's font size to the usual one, at least 1."""
    if QApplication.instance() is None:
        return 1.0
    return max(1.0, QFontInfo(QApplication.font()).pixelSize() / _USUAL_PIXELS)


def scaled(pixels: float) -> int:
    """Scale a pixel size by `text_scale`."""
    return round(pixels * text_scale())
