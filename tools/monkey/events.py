"""Events as the system would send them, to one widget; and the widgets that are visible and can be reached now."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import (
    QContextMenuEvent,
    QDragEnterEvent,
    QDragMoveEvent,
    QDropEvent,
    QKeyEvent,
    QMouseEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QDialog, QWidget

_PLAIN = Qt.KeyboardModifier.NoModifier


def mouse(
    target: QWidget,
    kind: QEvent.Type,
    at: QPoint,
    button: Qt.MouseButton,
    held: Qt.MouseButton,
    modifiers: Qt.KeyboardModifier = _PLAIN,
) -> None:
    """A press, a double click, a move or a release at a point of the widget."""
    there = QPointF(target.mapToGlobal(at))
    QApplication.sendEvent(target, QMouseEvent(kind, QPointF(at), there, button, held, modifiers))


def drag(target: QWidget, start: QPoint, way: QPoint, parts: Sequence[float]) -> None:
    """A press at a point, moves to parts of a way, and a release at its end."""
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    mouse(target, QEvent.Type.MouseButtonPress, start, left, left)
    for part in parts:
        mouse(target, QEvent.Type.MouseMove, start + way * part, none, left)
    mouse(target, QEvent.Type.MouseButtonRelease, start + way, left, none)


def hover(target: QWidget, at: QPoint) -> None:
    mouse(target, QEvent.Type.MouseMove, at, Qt.MouseButton.NoButton, Qt.MouseButton.NoButton)


def wheel(target: QWidget, at: QPoint, angle: QPoint, modifiers: Qt.KeyboardModifier) -> None:
    there, nothing = QPointF(target.mapToGlobal(at)), Qt.MouseButton.NoButton
    phase = Qt.ScrollPhase.NoScrollPhase
    QApplication.sendEvent(target, QWheelEvent(QPointF(at), there, QPoint(), angle, nothing, modifiers, phase, False))


def ask_for_menu(target: QWidget, at: QPoint) -> None:
    """A click with the right button, as far as it asks for a menu."""
    reason = QContextMenuEvent.Reason.Mouse
    QApplication.sendEvent(target, QContextMenuEvent(reason, at, target.mapToGlobal(at)))


def press(target: QWidget, key: Qt.Key, modifiers: Qt.KeyboardModifier, text: str) -> None:
    for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
        QApplication.sendEvent(target, QKeyEvent(kind, int(key), modifiers, text))


def drop(window: QWidget, path: Path) -> None:
    """A file dragged into the middle of the window and dropped, if the window takes it."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    at, action, held = QPointF(window.rect().center()), Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(at.toPoint(), action, data, held, _PLAIN)
    QApplication.sendEvent(window, enter)
    if enter.isAccepted():
        QApplication.sendEvent(window, QDragMoveEvent(at.toPoint(), action, data, held, _PLAIN))
        QApplication.sendEvent(window, QDropEvent(at, action, data, held, _PLAIN))


def modal() -> QWidget | None:
    return QApplication.activeModalWidget()


def dialogs() -> list[QDialog]:
    return [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, QDialog) and widget.isVisible()]


def windows() -> list[QWidget]:
    """Where a user can point at: a popup, else what is modal, else every window."""
    on_top = QApplication.activePopupWidget() or modal()
    if on_top is not None:
        return [on_top]
    return [widget for widget in QApplication.topLevelWidgets() if widget.isVisible() and widget.width() > 1]


def visible() -> list[QWidget]:
    return [widget for window in windows() for widget in window.findChildren(QWidget) if widget.isVisible()]
