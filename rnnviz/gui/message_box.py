"""Message boxes."""

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
