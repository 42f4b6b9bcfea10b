"""Random input: clicks, keys, wheels, drags, drops, texts and sizes.

Nothing here knows the program: every visible control of every open window is reached, and every command of the menus.
"""

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QFileDialog,
    QLineEdit,
    QMenu,
    QSlider,
    QTabBar,
    QWidget,
)

from rnnviz.gui.main_window import MainWindow
from tools.apart import Chance
from tools.monkey.events import ask_for_menu, dialogs, drag, drop, hover, modal, mouse, press, visible, wheel, windows

ENDS = ("quit", "edit_code")
"""Commands that would end the walk, or start another program."""
KEYS = (
    *(Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End),
    *(Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Return, Qt.Key.Key_Space),
    *(Qt.Key.Key_Escape, Qt.Key.Key_Delete, Qt.Key.Key_Backspace, Qt.Key.Key_F1, Qt.Key.Key_F5, Qt.Key.Key_Menu),
    *range(Qt.Key.Key_A, Qt.Key.Key_Z + 1),
    *range(Qt.Key.Key_0, Qt.Key.Key_9 + 1),
    *(Qt.Key.Key_Plus, Qt.Key.Key_Minus, Qt.Key.Key_Period, Qt.Key.Key_Comma, Qt.Key.Key_Question, Qt.Key.Key_Slash),
)
MODIFIERS = (
    *(Qt.KeyboardModifier.NoModifier,) * 6,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
)
TEXTS = (
    *("", "0", "1", "-1", "3", "8", "12", "1e-3", "nan", "1e400", "99999999999", "hello", "ä€😀", "a,b", "../x", " "),
    '"',
)
SIZES = ((1280, 800), (1600, 1000), (800, 600), (2560, 1440), (640, 480), (1000, 1400))
_TRIES = 20
"""An action that is impossible now, such as an answer without a dialog, is drawn again."""


class RandomInput(Chance):
    """Does one random thing after the other to whatever is open."""

    def __init__(self, window: MainWindow, files: Sequence[Path], folder: Path, seed: int) -> None:
        """`files` are opened and dropped; `folder` takes what is saved."""
        self._window = window
        self._files = list(files)
        self._folder = folder
        super().__init__(seed)
        self._saved = 0
        self._actions: tuple[tuple[Callable[[], str], float], ...] = (
            (self._click, 20),
            (self._press_a_key, 20),
            (self._drag, 10),
            (self._turn_the_wheel, 10),
            (self._hover, 8),
            (self._command, 8),
            (self._use_a_control, 14),
            (self._answer, 12),
            (self._ask_for_a_menu, 2),
            (self._drop, 1.5),
            (self._size, 1),
        )

    def act(self) -> str:
        """Do one thing, and say what it was."""
        for _ in range(_TRIES):
            done = self._try()
            if done != "nothing":
                return done
        return "nothing"

    def _try(self) -> str:
        action, _ = self.one_of(self._actions, [weight for _, weight in self._actions])
        try:
            return action()
        except RuntimeError as error:
            # The target vanished meanwhile, as a menu does. Only the monkey may touch a deleted widget.
            where = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
            if where.parent != Path(__file__).parent:
                raise
            return "nothing"

    def close_popups(self) -> None:
        """Close every menu and dialog that is open."""
        for _ in range(20):
            popup = QApplication.activePopupWidget()
            if popup is None:
                break
            popup.close()
        for _ in range(20):
            # From the top down: lower windows wait for the modal one.
            top = modal()
            rest = [top] if isinstance(top, QDialog) else dialogs()
            if not rest:
                break
            rest[0].reject()

    # The mouse

    def _click(self) -> str:
        target, at = self._somewhere()
        if self._ends(target, at):
            return "nothing"
        kind = QEvent.Type.MouseButtonDblClick if self.random.random() < 0.15 else QEvent.Type.MouseButtonPress
        modifiers = self.one_of(MODIFIERS)
        mouse(target, kind, at, Qt.MouseButton.LeftButton, Qt.MouseButton.LeftButton, modifiers)
        mouse(target, QEvent.Type.MouseButtonRelease, at, Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton, modifiers)
        return f"click {type(target).__name__}"

    def _drag(self) -> str:
        target, start = self._somewhere()
        if self._ends(target, start):
            return "nothing"
        drag(target, start, QPoint(self.among(-300, 299), self.among(-200, 199)), (0.3, 0.6, 1.0))
        return f"drag {type(target).__name__}"

    def _hover(self) -> str:
        target, at = self._somewhere()
        hover(target, at)
        return f"hover {type(target).__name__}"

    def _turn_the_wheel(self) -> str:
        target, at = self._somewhere()
        angle = QPoint(0, self.one_of((-1200, -120, 120, 1200)))
        wheel(target, at, angle, self.one_of(MODIFIERS))
        return f"wheel {type(target).__name__}"

    def _ask_for_a_menu(self) -> str:
        target, at = self._somewhere()
        ask_for_menu(target, at)
        return f"context menu of {type(target).__name__}"

    # The keyboard

    def _press_a_key(self) -> str:
        key, modifiers = Qt.Key(self.one_of(KEYS)), self.one_of(MODIFIERS)
        control, alt = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
        if modifiers & control and key in (Qt.Key.Key_Q, Qt.Key.Key_W):
            return "nothing"
        target = QApplication.activePopupWidget() or QApplication.focusWidget() or self._window
        if not target.isVisible():
            # A dialog that closes keeps the focus until it is gone; a desktop would send it no key any more.
            return "nothing"
        text = "" if modifiers & (control | alt) else chr(key).lower() if key < 128 else ""
        shortcut = None if QApplication.activePopupWidget() else self._shortcut(key, modifiers)
        if shortcut is not None:
            shortcut.trigger()
            return f"key of {shortcut.objectName() or shortcut.text()}"
        press(target, key, modifiers, text)
        return f"key {key.name} in {type(target).__name__}"

    def _shortcut(self, key: Qt.Key, modifiers: Qt.KeyboardModifier) -> QAction | None:
        """The command that the key is bound to, for events that are sent do not pass by the shortcuts."""
        if (isinstance(QApplication.focusWidget(), QLineEdit) and not modifiers) or modal() is not None:
            return None
        pressed = int(key) | modifiers.value
        for action in self._commands():
            if any(keys[0].toCombined() == pressed for keys in action.shortcuts() if keys.count() == 1):
                return action
        return None

    # What controls are for

    def _command(self) -> str:
        if modal() is not None or QApplication.activePopupWidget() is not None:
            return "nothing"
        action = self.one_of(self._commands())
        action.trigger()
        return f"command {action.objectName() or action.text()}"

    def _use_a_control(self) -> str:
        controls = [
            widget
            for widget in visible()
            if widget.isEnabled()
            and isinstance(widget, QAbstractButton | QAbstractSpinBox | QComboBox | QLineEdit | QSlider | QTabBar)
        ]
        if not controls:
            return "nothing"
        control = self.one_of(controls)
        match control:
            case QAbstractButton():
                control.click()
            case QAbstractSpinBox() if self.random.random() < 0.7:
                control.stepBy(self.among(-5, 5))
            case QComboBox() if control.count():
                model = control.model()
                index = self.among(0, control.count() - 1)
                if model.flags(model.index(index, control.modelColumn())) & Qt.ItemFlag.ItemIsEnabled:
                    control.setCurrentIndex(index)
                    control.activated.emit(index)
            case QSlider():
                control.setValue(self.among(control.minimum(), control.maximum()))
            case QTabBar() if control.count():
                control.setCurrentIndex(self.among(0, control.count() - 1))
            case _:
                self._type(control)
        return f"use {control.objectName() or control.accessibleName() or type(control).__name__}"

    def _type(self, control: QWidget) -> None:
        field = control.findChild(QLineEdit) if not isinstance(control, QLineEdit) else control
        if field is not None and field.isEnabled() and not field.isReadOnly():
            field.setFocus()
            field.selectAll()
            field.insert(self.one_of(TEXTS))
            field.editingFinished.emit()

    def _answer(self) -> str:
        """Close the menu that is open, or answer a dialog, if there is one."""
        popup = QApplication.activePopupWidget()
        if popup is not None:
            popup.close()
            return f"close {type(popup).__name__}"
        # The modal dialog is on top: a dialog below it cannot be answered.
        top = modal()
        answerable = dialogs() if top is None else [top] if isinstance(top, QDialog) else []
        if not answerable:
            return "nothing"
        dialog = self.one_of(answerable)
        if isinstance(dialog, QFileDialog) and self.random.random() < 0.7:
            # With the focus, as the name of a new folder is left by it, which Qt complains about if it is skipped.
            name = dialog.findChild(QLineEdit, "fileNameEdit")
            assert isinstance(name, QLineEdit)
            name.setFocus()
            if dialog.acceptMode() == QFileDialog.AcceptMode.AcceptSave:
                self._saved += 1
                name.setText(str(self._folder / f"saved-{self._saved % 12}.{dialog.defaultSuffix() or 'txt'}"))
            else:
                name.setText(str(self.one_of(self._files)))
            dialog.accept()
            return f"choose a file in {dialog.windowTitle()}"
        buttons = [
            button for button in dialog.findChildren(QAbstractButton) if button.isVisible() and button.isEnabled()
        ]
        if buttons and not isinstance(dialog, QFileDialog) and self.random.random() < 0.7:
            button = self.one_of(buttons)
            button.click()
            return f"answer {button.text()} to {dialog.windowTitle()}"
        dialog.reject()
        return f"dismiss {dialog.windowTitle()}"

    def _drop(self) -> str:
        path = self.one_of(self._files)
        if modal() is not None or QApplication.activePopupWidget() is not None:
            return "nothing"
        drop(self._window, path)
        return f"drop {path.name}"

    def _size(self) -> str:
        width, height = self.one_of(SIZES)
        self._window.resize(width, height)
        return f"size {width} x {height}"

    # What there is

    def _commands(self) -> list[QAction]:
        menus = self._window.findChildren(QMenu)
        # Not by `QAction.menu`, which makes Python take the actions of that menu for deleted.
        submenus = [menu.menuAction() for menu in menus]
        actions = self._window.actions() + [action for menu in menus for action in menu.actions()]
        return [
            action
            for action in actions
            if action.isEnabled()
            and not action.isSeparator()
            and action not in submenus
            and action.objectName() not in ENDS
        ]

    def _somewhere(self) -> tuple[QWidget, QPoint]:
        window = self.one_of(windows() or [self._window])
        at = QPoint(self.among(0, max(0, window.width() - 1)), self.among(0, max(0, window.height() - 1)))
        target = window.childAt(at) or window
        while not target.isEnabled() and target.parentWidget() is not None:
            target = target.parentWidget()
        return target, target.mapFromGlobal(window.mapToGlobal(at))

    def _ends(self, target: QWidget, at: QPoint) -> bool:
        """Whether a click there would end the walk."""
        action = target.actionAt(at) if isinstance(target, QMenu) else None
        return action is not None and action.objectName() in ENDS
