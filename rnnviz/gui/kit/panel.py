"""Panels with separate commands: in a dock of the main window, or as a window next to it."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QAction, QCloseEvent, QKeyEvent, QKeySequence, QPalette
from PySide6.QtWidgets import QFrame, QLabel, QMenu, QToolButton, QWidget

from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.tooltips import wrapped


class Panel(QWidget):
    """Its keys work while the keyboard is in it, where they come before the keys of the window around it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.commands: list[QAction] = []

    def apply_theme(self, theme: Theme) -> None:
        icons = Icons(theme)
        for action in self.commands:
            if action.objectName():
                action.setIcon(icons[action.objectName()])

    def leave(self) -> None:
        """Stop what goes on, after the user has closed the dock or the window with the panel."""

    def make_action(self, text: str, icon: str, keys: str, why: str, asked: Callable[[], object]) -> QAction:
        """Create a command of this panel; `icon` and `keys` may be ""."""
        action = QAction(text, self)
        action.setObjectName(icon)
        shortcut = QKeySequence.fromString(keys)
        action.setShortcut(shortcut)
        # The panel handles its keys itself: Qt would find that a key of the window is meant as well, and do neither.
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        shown = f" ({shortcut.toString(QKeySequence.SequenceFormat.NativeText)})" if keys else ""
        action.setToolTip(wrapped(f"{why}{shown}"))
        action.triggered.connect(lambda: asked())
        self.commands.append(action)
        return action

    def event(self, event: QEvent) -> bool:
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and self._command_of(event) is not None
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        command = self._command_of(event)
        if command is None:
            super().keyPressEvent(event)
        else:
            command.trigger()

    def _command_of(self, event: QKeyEvent) -> QAction | None:
        """The enabled command of a key."""
        pressed = QKeySequence(event.keyCombination())
        return next((each for each in self.commands if each.isEnabled() and each.shortcut() == pressed), None)


class ToolWindow(Panel):
    """A panel in a window that belongs to the main window, whose key opens the guide here as well."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowFlag(Qt.WindowType.Window)
        self.addActions([action for action in parent.actions() if action.objectName() == "guide"])
        self.make_action("&Close", "", "Ctrl+W", "Close this window.", self.close)

    def bring_to_front(self) -> None:
        self.show()
        self.raise_()
        self.activateWindow()

    def closeEvent(self, event: QCloseEvent) -> None:
        super().closeEvent(event)
        self.leave()


def action_button(action: QAction) -> QToolButton:
    """A button with icon and text of a command, which the Tab key reaches."""
    button = QToolButton()
    button.setDefaultAction(action)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return button


def menu_button(name: str, actions: Sequence[QAction]) -> QToolButton:
    """A button that opens a menu of commands."""
    button = QToolButton()
    button.setText("…")
    button.setAccessibleName(name)
    button.setToolTip(name)
    button.setAutoRaise(True)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    menu = QMenu(button)
    menu.setToolTipsVisible(True)
    menu.addActions(actions)
    button.setMenu(menu)
    return button


def caption(text: str, field: QWidget | None = None) -> QLabel:
    """A muted text, perhaps as the label of a field."""
    label = QLabel(text)
    label.setProperty("muted", True)
    if field is not None:
        label.setBuddy(field)
    return label


def line() -> QFrame:
    """A line between two cards."""
    drawn = QFrame()
    drawn.setAutoFillBackground(True)
    drawn.setBackgroundRole(QPalette.ColorRole.Mid)
    drawn.setFixedHeight(1)
    return drawn
