"""Message boxes, and questions that report the answer through a callback."""

from collections.abc import Callable
from typing import NamedTuple

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QMessageBox, QWidget


class MessageBox(QMessageBox):
    """A message box with plain text, which is deleted when it closes.

    A letter alone presses no button: a box may open while the user types, and Qt's would take "d" for Discard.
    """

    def __init__(self, parent: QWidget, title: str, text: str, icon: QMessageBox.Icon) -> None:
        super().__init__(icon, title, text, parent=parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        commands = Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.ControlModifier
        if event.text().isprintable() and event.text() and not event.modifiers() & commands:
            event.accept()
        else:
            super().keyPressEvent(event)


class Answer(NamedTuple):
    """A button of a question: its text, what it does besides closing the question, and its tooltip."""

    text: str
    chosen: Callable[[], None] | None = None
    why: str = ""


CANCEL = Answer("&Cancel")


def ask(parent: QWidget, title: str, text: str, *answers: Answer) -> QMessageBox:
    """Ask a question. Enter chooses the first answer, Esc the last one."""
    box = MessageBox(parent, title, text, QMessageBox.Icon.Question)
    roles = QMessageBox.ButtonRole
    order = (roles.AcceptRole, *[roles.DestructiveRole] * (len(answers) - 2), roles.RejectRole)
    buttons = [box.addButton(answer.text, role) for answer, role in zip(answers, order, strict=True)]
    for button, answer in zip(buttons, answers, strict=True):
        button.setToolTip(answer.why)
    box.setDefaultButton(buttons[0])
    box.setEscapeButton(buttons[-1])

    def choose(_result: int) -> None:
        answer = next((a for b, a in zip(buttons, answers, strict=True) if b is box.clickedButton()), answers[-1])
        if answer.chosen is not None:
            answer.chosen()

    box.finished.connect(choose)
    box.open()
    return box
