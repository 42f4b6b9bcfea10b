"""QActions of the commands, and keys that a focused control handles itself."""

from collections.abc import Callable, Mapping

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QTabBar,
    QTextEdit,
    QWidget,
)

from rnnviz.core.words import wrapped
from rnnviz.gui.commands.table import COMMANDS, Command
from rnnviz.gui.theme.icons import Icons


class Actions:
    """One QAction for each command of the table, by its id."""

    def __init__(self, window: QWidget, handlers: Mapping[str, Callable[[], object]]) -> None:
        """`handlers` maps each command id to its function."""
        ids = {command.id for command in COMMANDS}
        if ids != set(handlers):
            raise ValueError(f"commands and handlers differ in {sorted(ids ^ set(handlers))}")
        self._actions: dict[str, QAction] = {}
        for command in COMMANDS:
            action = _action(command, window)
            # Drops the argument of `triggered`, which Qt passes to a handler that accepts one.
            action.triggered.connect(lambda _checked=False, handler=handlers[command.id]: handler())
            window.addAction(action)
            self._actions[command.id] = action
        self._guard = _KeyGuard(window)
        self._icons: Icons | None = None
        self._playing = False

    def __getitem__(self, command_id: str) -> QAction:
        return self._actions[command_id]

    def set_target(self, command_id: str, what: str) -> None:
        """Append the target of a command to its menu entry. An empty target disables it."""
        command, action = next(c for c in COMMANDS if c.id == command_id), self._actions[command_id]
        action.setText(f"{command.text} {what.replace('&', '&&')}".rstrip())
        action.setEnabled(bool(what))

    def show_playing(self, playing: bool) -> None:
        """Turn the Play command into Pause, or back."""
        self._playing = playing
        self._actions["play"].setText("&Pause" if playing else "&Play")
        if self._icons is not None:
            self._actions["play"].setIcon(self._icons["pause" if playing else "play"])

    def apply_icons(self, icons: Icons) -> None:
        """Set the icons in the theme's colors."""
        self._icons = icons
        for command in COMMANDS:
            if command.icon:
                self._actions[command.id].setIcon(icons[command.icon])
        self.show_playing(self._playing)


def _action(command: Command, window: QWidget) -> QAction:
    action = QAction(command.text, window)
    action.setObjectName(command.id)
    action.setShortcuts([QKeySequence.fromString(keys) for keys in command.keys])
    action.setToolTip(wrapped(f"{command.why} ({shown_keys(command)})" if command.keys else command.why))
    if command.id == "quit":
        action.setMenuRole(QAction.MenuRole.QuitRole)
    elif command.id == "about":
        action.setMenuRole(QAction.MenuRole.AboutRole)
    else:
        action.setMenuRole(QAction.MenuRole.NoRole)
    return action


def shown_keys(command: Command) -> str:
    """Keys of a command in the notation of this system."""
    native = QKeySequence.SequenceFormat.NativeText
    return ", ".join(QKeySequence.fromString(keys).toString(native) for keys in command.keys)


_MOVES = {
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
}


_SCROLLS = {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown}


class _KeyGuard(QObject):
    """Gives a focused control its keys before the window's shortcuts see them.

    Qt's line edits accept theirs; spin boxes, lists and tables do not. Only the focused widget is
    filtered, so that no other event passes through Python.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._watched: QWidget | None = None
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._watch)

    def _watch(self, _old: QWidget | None, new: QWidget | None) -> None:
        if self._watched is not None:
            self._watched.removeEventFilter(self)
        self._watched = new if new is not None and self._window.isAncestorOf(new) else None
        if self._watched is not None:
            self._watched.installEventFilter(self)
            self._watched.destroyed.connect(self._clear)

    def _clear(self) -> None:
        self._watched = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and needs(watched, event):
            event.accept()
            return True
        return False


def needs(control: QObject, event: QKeyEvent) -> bool:
    """Whether a focused control handles the key itself."""
    plain = event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier)
    if plain != Qt.KeyboardModifier.NoModifier:
        return False
    key = event.key()
    if isinstance(control, QLineEdit | QTextEdit | QPlainTextEdit | QAbstractSpinBox):
        return key in _MOVES or bool(event.text().strip()) or key == Qt.Key.Key_Space
    if isinstance(control, QComboBox):
        return key in _MOVES or bool(event.text().strip()) or key == Qt.Key.Key_Space
    if isinstance(control, QAbstractItemView | QAbstractSlider):
        return key in _MOVES
    if isinstance(control, QScrollArea):
        return key in _SCROLLS
    if isinstance(control, QTabBar):
        return key in (Qt.Key.Key_Left, Qt.Key.Key_Right)
    return isinstance(control, QAbstractButton) and key == Qt.Key.Key_Space
