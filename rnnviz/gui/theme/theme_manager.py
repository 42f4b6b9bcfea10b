"""Theme manager: applies the theme of the user or the system to all widgets."""

import re
from collections.abc import Callable
from functools import partial
from string import Template

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QPixmapCache
from PySide6.QtWidgets import QApplication, QStyleFactory, QWidget

from rnnviz.core.resources import resource_path
from rnnviz.gui.theme.fonts import use_fonts
from rnnviz.gui.theme.palettes import THEMES, Theme
from rnnviz.gui.theme.scaling import scaled, set_text_size, text_scale

_SIZE = re.compile(r"\b((?:width|height|radius|margin|icon-size|left): -?)(\d+)px")
"""A size in the style sheet that grows with the text."""
_DRAWN_BY_QT = "rnnviz-drawn-by-qt"


class ThemeManager(QObject):
    """Sets style, palette and style sheet, and follows the system's color scheme if configured.

    A change would block the window too long, so it is spread over several turns of the event loop. Windows keep the old
    theme until the last turn.
    """

    theme_changed = Signal(object)
    """The new `Theme`."""

    def __init__(self, choice: str, parent: QObject | None = None) -> None:
        """`choice` is "desktop", "light" or "dark"."""
        super().__init__(parent)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        self._application = application
        self._sheet = Template(resource_path("styles", "window.qss").read_text(encoding="utf-8"))
        self.choice = choice
        self._windows: list[QWidget] = []
        self._parts: list[Callable[[Theme], object]] = []
        self._left: list[Callable[[Theme], object]] = []
        self._turns = QTimer(self, interval=0)
        self._turns.timeout.connect(self._go_on)
        # Fusion is drawn by Qt itself and looks the same on every system.
        if not application.property(_DRAWN_BY_QT):
            application.setStyle(QStyleFactory.create("Fusion"))
            use_fonts(application)
            # In a menu, an icon and a tick share one place.
            application.setAttribute(Qt.ApplicationAttribute.AA_DontShowIconsInMenus)
            application.setProperty(_DRAWN_BY_QT, True)
        application.styleHints().colorSchemeChanged.connect(self._follow)
        self.theme = self._wanted()
        application.setPalette(self.theme.palette())

    def apply_stylesheet(self, window: QWidget) -> None:
        """Apply the theme's style sheet to a window and its child windows and menus, now and after each change."""
        self._windows.append(window)
        window.destroyed.connect(partial(self._forget, window))
        if len(self._windows) == 1:
            self.setParent(window)
        self._apply_sheet(self.theme, window)

    def _forget(self, window: QWidget) -> None:
        """Leave out a window that ends. The last one takes the manager with it."""
        self._windows.remove(window)
        if self._windows:
            self.setParent(self._windows[0])

    def add(self, draw: Callable[[Theme], None]) -> None:
        """Register a callback for theme changes. Each runs in a separate turn of the event loop."""
        self._parts.append(draw)

    def choose(self, choice: str) -> None:
        self.choice = choice
        self._follow()

    def set_text_size(self, percent: int, *resized: Callable[[], object]) -> None:
        """Set the text size, and call `resized` when the style sheet has it, before the callbacks of the theme."""
        if not self._windows:
            set_text_size(percent)
            return
        self._hold()
        set_text_size(percent)
        # The change of a style sheet takes longest: it has a separate turn of events.
        self._begin_turns(self._apply_sheets, *(lambda _theme, call=call: call() for call in resized))

    def _follow(self) -> None:
        wanted = self._wanted()
        if wanted is not self.theme:
            self.theme = wanted
            # Cached pixmaps of the old theme would stay until the cache is full.
            QPixmapCache.clear()
            self._hold()
            self._application.setPalette(self.theme.palette())
            self._apply_sheets(self.theme)
            self._begin_turns()

    def _begin_turns(self, *first: Callable[[Theme], object]) -> None:
        """Begin with `first`, after what an earlier change left to do."""
        late = [turn for turn in self._left if turn not in self._parts]
        self._left = [*late, *first, *self._parts]
        self._turns.start()

    def _go_on(self) -> None:
        if self._left:
            self._left.pop(0)(self.theme)
        else:
            self._turns.stop()
            self._release()
            self.theme_changed.emit(self.theme)

    def _hold(self) -> None:
        """Freeze the painting of all windows."""
        for window in self._application.topLevelWidgets():
            if window.isVisible():
                # Paint pending updates now: Qt would wait for that frame and never request another.
                window.repaint(0, 0, 1, 1)
                window.setUpdatesEnabled(False)

    def _release(self) -> None:
        """Repaint all windows. A window closed meanwhile may be opened again."""
        for window in self._application.topLevelWidgets():
            window.setUpdatesEnabled(True)
            window.repaint(0, 0, 1, 1)

    def _wanted(self) -> Theme:
        return THEMES.get(self.choice) or THEMES["dark" if self._desktop_is_dark() else "light"]

    def _desktop_is_dark(self) -> bool:
        return self._application.styleHints().colorScheme() == Qt.ColorScheme.Dark

    def _apply_sheets(self, theme: Theme) -> None:
        for window in self._windows:
            self._apply_sheet(theme, window)

    def _apply_sheet(self, theme: Theme, window: QWidget) -> None:
        # A style sheet of the application would take five times as long: Qt then polishes every widget once per
        # ancestor, with 7,700 events for 830 widgets.
        colors = {role: value for role, value in vars(theme).items() if isinstance(value, str)}
        sheet = self._sheet.substitute(colors, pictures=resource_path("styles").as_posix())
        window.setStyleSheet(_SIZE.sub(_grown, sheet))


def _grown(size: re.Match[str]) -> str:
    pixels = int(size[2])
    # Qt draws no round corner whose radius is more than half of a side.
    return f"{size[1]}{int(pixels * text_scale()) if size[1] == 'radius: ' else scaled(pixels)}px"
