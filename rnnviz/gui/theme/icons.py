"""Icons: monochrome line drawings in the theme's colors."""

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer

from rnnviz.gui.theme.palettes import Theme
from rnnviz.io.resources import resource_path

_SIZES = (16, 18, 36)
"""Sizes for menus and controls, and for high-resolution screens; Qt scales others."""


class Icons:
    """Icons of one theme by name, drawn on demand."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._drawn: dict[tuple[str, str], QIcon] = {}

    def __getitem__(self, name: str) -> QIcon:
        return self.colored(name, "text")

    def colored(self, name: str, role: str) -> QIcon:
        if (name, role) not in self._drawn:
            icon = QIcon()
            for mode, color in ((QIcon.Mode.Normal, role), (QIcon.Mode.Disabled, "border")):
                for pixmap in _drawings(name, self._theme.color(color).name()):
                    icon.addPixmap(pixmap, mode)
            self._drawn[name, role] = icon
        return self._drawn[name, role]


def _drawings(name: str, color: str) -> list[QPixmap]:
    """Pixmaps of an icon in one color at every size, shared through Qt's cache."""
    keys = [f"icon {name} {color} {size}" for size in _SIZES]
    kept = [QPixmap() for _ in keys]
    if all(QPixmapCache.find(key, pixmap) for key, pixmap in zip(keys, kept, strict=True)):
        return kept
    source = resource_path("icons", f"{name}.svg").read_text(encoding="utf-8")
    renderer = QSvgRenderer(QByteArray(source.replace("currentColor", color).encode()))
    drawn = [_pixmap(renderer, size) for size in _SIZES]
    for key, pixmap in zip(keys, drawn, strict=True):
        QPixmapCache.insert(key, pixmap)
    return drawn


def application_icon() -> QIcon:
    renderer = QSvgRenderer(str(resource_path("icons", "rnnviz.svg")))
    icon = QIcon()
    for size in (16, 32, 48, 128):
        icon.addPixmap(_pixmap(renderer, size))
    return icon


def _pixmap(renderer: QSvgRenderer, size: int) -> QPixmap:
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return pixmap
