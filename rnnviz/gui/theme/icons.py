"""Icons: monochrome line drawings on a grid of 20 pixels, in the theme's colors."""

from PySide6.QtCore import QByteArray, QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPalette, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QToolButton, QWidget

from rnnviz.core.resources import resource_path
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped

_SIZES = (16, 20, 40)
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
            self._drawn[name, role] = _icon(name, self._theme.color(role).name(), self._theme.border)
        return self._drawn[name, role]


class IconButton(QToolButton):
    """Flat button with an icon in the text color of the palette."""

    def __init__(self, icon: str, name: str, why: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = icon
        self._drawn: tuple[str, str, int] | None = None
        self.setAutoRaise(True)
        self.setAccessibleName(name)
        self.setToolTip(wrapped(why))
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._draw()

    def _draw(self) -> None:
        roles, palette, size = QPalette.ColorRole, self.palette(), scaled(_SIZES[0])
        drawn = palette.color(roles.Text).name(), palette.color(roles.Mid).name(), size
        if drawn == self._drawn:
            # A change of the style sheet sends several events to every widget.
            return
        self._drawn = drawn
        self.setIcon(_icon(self._name, *drawn[:2]))
        self.setIconSize(QSize(size, size))


def _icon(name: str, color: str, disabled: str) -> QIcon:
    icon = QIcon()
    for mode, tint in ((QIcon.Mode.Normal, color), (QIcon.Mode.Disabled, disabled)):
        for pixmap in _drawings(name, tint):
            icon.addPixmap(pixmap, mode)
    return icon


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
