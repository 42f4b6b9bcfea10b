"""Commands and their QActions, and keys that a focused control handles itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

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
    QToolButton,
    QWidget,
)

from rnnviz.frozen import dataclass
from rnnviz.gui.settings_panel.widgets import LongLineEdit
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.tooltips import wrapped

Host = TypeVar("Host")


@dataclass(frozen=True)
class Command(Generic[Host]):
    """A command of the window."""

    id: str
    text: str
    keys: tuple[str, ...]
    why: str
    run: Callable[[Host], object]
    icon: str = ""
    enabled: Callable[[Host], bool] | None = None
    target: Callable[[Host], str] | None = None


@dataclass(frozen=True)
class Submenu(Generic[Host]):
    """A menu within a menu."""

    title: str
    commands: tuple[Command[Host], ...]


Entry: TypeAlias = Command[Any] | Submenu[Any] | str | None
"""A command, a submenu, the title of a submenu that the window makes, or a separator."""
Menus: TypeAlias = Mapping[str, Sequence[Entry]]
"""Entries by menu."""


def commands_in(entries: Sequence[Entry]) -> tuple[Command[Any], ...]:
    """The commands of a menu and of its submenus."""
    found: list[Command[Any]] = []
    for entry in entries:
        if isinstance(entry, Command):
            found.append(entry)
        elif isinstance(entry, Submenu):
            found += entry.commands
    return tuple(found)


class Actions:
    """One QAction for each command, by its id."""

    def __init__(self, window: QWidget, host: Host, commands: Sequence[Command[Host]]) -> None:
        """`host` is passed to the functions of the commands."""
        self._actions: dict[str, QAction] = {}
        self._icon_names = {command.id: command.icon for command in commands if command.icon}
        for command in commands:
            action = _action(command, window)
            # Drops the argument of `triggered`, which Qt passes to a handler that accepts one.
            action.triggered.connect(lambda _checked=False, command=command: command.run(host))
            window.addAction(action)
            self._actions[command.id] = action
        self._changing = [(c, self._actions[c.id]) for c in commands if c.enabled or c.target]
        self._host = host
        self._guard = _KeyGuard(window)
        self._icons: Icons | None = None
        self._playing = False
        self.refresh()

    def __getitem__(self, command_id: str) -> QAction:
        return self._actions[command_id]

    def refresh(self) -> None:
        """Show which commands can run now, and their targets."""
        for command, action in self._changing:
            target = None if command.target is None else command.target(self._host)
            action.setEnabled(target != "" if command.enabled is None else command.enabled(self._host))
            if target is not None:
                action.setText(f"{command.text} {target.replace('&', '&&')}".rstrip())

    def show_playing(self, playing: bool) -> None:
        self._playing = playing
        self._actions["play"].setText("&Pause" if playing else "&Play")
        if self._icons is not None:
            self._actions["play"].setIcon(self._icons["pause" if playing else "play"])

    def apply_icons(self, icons: Icons) -> None:
        """Draw the icons of buttons; menus show none."""
        self._icons = icons
        for action in self._actions.values():
            name = self._icon_names.get(action.objectName())
            if name is not None and any(isinstance(place, QToolButton) for place in action.associatedObjects()):
                action.setIcon(icons[name])
        self.show_playing(self._playing)


def _action(command: Command[Any], window: QWidget) -> QAction:
    action = QAction(command.text, window)
    action.setObjectName(command.id)
    action.setShortcuts([QKeySequence.fromString(keys) for keys in command.keys])
    action.setToolTip(wrapped(f"{command.why} ({shown_keys(command)})" if command.keys else command.why))
    roles = {"quit": QAction.MenuRole.QuitRole, "about": QAction.MenuRole.AboutRole}
    action.setMenuRole(roles.get(command.id, QAction.MenuRole.NoRole))
    return action


def shown_keys(command: Command[Any]) -> str:
    """Keys of a command in the notation of this system."""
    native = QKeySequence.SequenceFormat.NativeText
    return ", ".join(QKeySequence.fromString(keys).toString(native) for keys in command.keys)


TAKES_ARROWS = "rnnviz-takes-arrows"
"""Property of a button that handles Up and Down itself."""
_WAYS = {Qt.Key.Key_Up, Qt.Key.Key_Down}
_SCROLLS = _WAYS | {Qt.Key.Key_PageUp, Qt.Key.Key_PageDown}
_HISTORY = (QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Redo)
_MOVES = _SCROLLS | {Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End}


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
        if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        if isinstance(watched, QAbstractSpinBox | LongLineEdit) and any(map(event.matches, _HISTORY)):
            # The config has each edit of these, and a number that was stepped is no text to undo.
            event.ignore()
            return True
        if needs(watched, event):
            event.accept()
            return True
        return False


def needs(control: QObject, event: QKeyEvent) -> bool:
    """Whether a focused control handles the key itself."""
    plain = event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier)
    if plain != Qt.KeyboardModifier.NoModifier:
        return False
    key = event.key()
    if isinstance(control, QLineEdit | QTextEdit | QPlainTextEdit | QAbstractSpinBox | QComboBox):
        return key in _MOVES or bool(event.text().strip()) or key == Qt.Key.Key_Space
    if isinstance(control, QAbstractItemView | QAbstractSlider):
        return key in _MOVES
    if isinstance(control, QScrollArea):
        return key in _SCROLLS
    if isinstance(control, QTabBar):
        return key in (Qt.Key.Key_Left, Qt.Key.Key_Right)
    if isinstance(control, QAbstractButton):
        return key == Qt.Key.Key_Space or (key in _WAYS and bool(control.property(TAKES_ARROWS)))
    return False
