"""Tool window: a window next to the main window, with a toolbar of its commands."""

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QWidget

from rnnviz.gui.kit.panel import Panel

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


class ToolWindow(Panel):
    """Belongs to the main window, whose key opens the guide here as well. Ctrl+W closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowFlag(Qt.WindowType.Window)
        self.addActions([action for action in parent.actions() if action.objectName() == "guide"])
        self.make_action("&Close", "", "Ctrl+W", "Close this window.", self.close)

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

    def closeEvent(self, event: QCloseEvent) -> None:
        super().closeEvent(event)
        self.leave()


def front_window(window: ToolWindow | None, main: QWidget) -> QWidget:
    """The tool window if it is visible, else the main window: the parent of a dialog."""
    return main if window is None or not window.isVisible() else window
