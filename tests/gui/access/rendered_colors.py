"""Contrast as WCAG 2 computes it, of colors and of pictures, and colors as color-blind people see them."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QImage

# Machado, Oliveira and Fernandes (2009): no working cones of one kind, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.95047, 1.0, 1.08883])


def _linear(color: QColor | str) -> NDArray[np.float64]:
    found = QColor(color)
    channels = np.array([found.redF(), found.greenF(), found.blueF()])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: QColor | str, other: QColor | str) -> float:
    """1 of equal colors to 21 of black on white."""
    bright, dark = sorted((float(_XYZ[1] @ _linear(color)) for color in (one, other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def ground(picture: QImage) -> QColor:
    """The most frequent color of a picture: that behind its text."""
    colors, counts = np.unique(_pixels(picture), return_counts=True)
    return QColor(int(colors[counts.argmax()]))


def ink_contrast(picture: QImage) -> float:
    """Contrast of the text or mark in a picture: the largest of any of its colors with the most frequent one.

    Smooth edges of letters have less; their stems have the contrast of the text.
    """
    behind = ground(picture)
    return max(contrast(QColor(int(color)), behind) for color in np.unique(_pixels(picture)))


def _pixels(picture: QImage) -> NDArray[np.uint32]:
    picture = picture.convertToFormat(QImage.Format.Format_RGB32)
    return np.frombuffer(picture.constBits(), np.uint32)


def _lab(color: QColor | str, deficiency: str) -> NDArray[np.float64]:
    seen = np.clip(DEFICIENCIES[deficiency] @ _linear(color), 0.0, 1.0)
    x, y, z = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16.0 / 116.0 for v in _XYZ @ seen / _WHITE)
    return np.array([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)])


def distance(one: QColor | str, other: QColor | str, deficiency: str = "none") -> float:
    """How far two colors are apart in CIELAB: 2 is just seen side by side, 10 at a glance."""
    return float(np.linalg.norm(_lab(one, deficiency) - _lab(other, deficiency)))


def lightness(color: QColor | str, deficiency: str = "none") -> float:
    """0 of black to 100 of white."""
    return float(_lab(color, deficiency)[0])
