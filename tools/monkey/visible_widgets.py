"""The widgets that are visible and reachable now."""

from PySide6.QtWidgets import QApplication, QDialog, QWidget


def modal() -> QWidget | None:
    """The modal dialog, if there is one."""
    return QApplication.activeModalWidget()


def dialogs() -> list[QDialog]:
    """Every dialog that is open."""
    return [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, QDialog) and widget.isVisible()]


def windows() -> list[QWidget]:
    """Where a user can point at: a popup, else what is modal, else every window."""
    on_top = QApplication.activePopupWidget() or modal()
    if on_top is not None:
        return [on_top]
    return [widget for widget in QApplication.topLevelWidgets() if widget.isVisible() and widget.width() > 1]


def visible() -> list[QWidget]:
    """Every widget in these windows."""
    return [widget for window in windows() for widget in window.findChildren(QWidget) if widget.isVisible()]
