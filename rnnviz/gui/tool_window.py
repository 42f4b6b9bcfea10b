"""Tool window: a window next to the main window, with a toolbar of its commands."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QToolBar, QWidget

from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.tooltips import wrapped

_FRAME = QSize(16, 48)
"""Space for the frame and the title bar of a window, whose size Qt learns only after it is shown."""


def place_beside(size: QSize, main: QRect, lanes: QRect, screen: QRect) -> QPoint:
    """The place of a new window that covers the least of the lanes, then of the main window, and is near it."""
    across = main.left(), main.right() + 1, main.left() - size.width(), lanes.right() + 1, screen.left(), screen.right()
    down = main.top(), main.bottom() + 1, main.top() - size.height(), lanes.bottom() + 1, screen.top(), screen.bottom()
    most = screen.right() + 1 - size.width(), screen.bottom() + 1 - size.height()

    def cost(place: QPoint) -> tuple[int, int, int]:
        window = QRect(place, size)
        return _area(window & lanes), _area(window & main), (place - main.topLeft()).manhattanLength()

    places = (
        QPoint(max(screen.left(), min(x, most[0])), max(screen.top(), min(y, most[1]))) for x in across for y in down
    )
    return min(places, key=cost)


def _area(rect: QRect) -> int:
    return rect.width() * rect.height() if rect.isValid() else 0


class ToolWindow(QWidget):
    """Belongs to the main window, whose key opens the guide here as well."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self._made: list[QAction] = []
        self.addActions([action for action in parent.actions() if action.objectName() == "guide"])

    def bring_to_front(self) -> None:
        main = self.parentWidget()
        if not self.isVisible() and main is not None:
            lanes = main.findChild(QWidget, "lanes") or main
            covered = QRect(lanes.mapToGlobal(QPoint()), lanes.size())
            screen = main.screen().availableGeometry()
            self.move(place_beside(self.size() + _FRAME, main.frameGeometry(), covered, screen))
        self.show()
        self.raise_()
        self.activateWindow()

    def apply_theme(self, theme: Theme) -> None:
        icons = Icons(theme)
        for action in self._made:
            if action.objectName():
                action.setIcon(icons[action.objectName()])

    def make_action(self, text: str, icon: str, keys: str, why: str, asked: Callable[[], object]) -> QAction:
        """Create an action of this window; `icon` and `keys` may be ""."""
        action = QAction(text, self)
        action.setObjectName(icon)
        shortcut = QKeySequence.fromString(keys)
        action.setShortcut(shortcut)
        shown = f" ({shortcut.toString(QKeySequence.SequenceFormat.NativeText)})" if keys else ""
        action.setToolTip(wrapped(f"{why}{shown}"))
        action.triggered.connect(lambda: asked())
        self.addAction(action)
        self._made.append(action)
        return action


def toolbar(*groups: Sequence[QAction]) -> QToolBar:
    """A toolbar with a separator between groups."""
    bar = QToolBar()
    bar.setMovable(False)
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    for group in groups:
        if bar.actions():
            bar.addSeparator()
        bar.addActions(group)
    return bar


def front_window(window: ToolWindow | None, main: QWidget) -> QWidget:
    """The tool window if it is visible, else the main window: the parent of a dialog."""
    return main if window is None or not window.isVisible() else window
