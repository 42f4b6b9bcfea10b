"""Dialog that lists the keyboard shortcuts of the table of commands."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from rnnviz.core.words import wrapped
from rnnviz.gui.commands.actions import shown_keys
from rnnviz.gui.commands.table import COMMANDS, MENUS


class ShortcutsDialog(QDialog):
    """Shortcuts under the headings of the menus, in three columns."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        columns = QHBoxLayout()
        columns.setSpacing(32)
        for menus in (MENUS[:3], MENUS[3:4], MENUS[4:]):
            columns.addWidget(_Column(menus), 0, Qt.AlignmentFlag.AlignTop)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(columns)
        note = QLabel("A focused text field, list or table handles its own keys first.")
        note.setProperty("muted", True)
        layout.addWidget(note)
        layout.addWidget(buttons)


class _Column(QWidget):
    def __init__(self, menus: tuple[str, ...]) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(16)
        row = 0
        for menu in menus:
            commands = [command for command in COMMANDS if command.menu == menu and command.keys]
            heading = QLabel(menu.replace("&", ""))
            heading.setProperty("heading", True)
            heading.setContentsMargins(0, 8, 0, 0)
            grid.addWidget(heading, row, 0, 1, 2)
            for command in commands:
                row += 1
                keys = QLabel(shown_keys(command))
                keys.setTextFormat(Qt.TextFormat.PlainText)
                words = QLabel(command.text.replace("&", "").rstrip("…"))
                words.setToolTip(wrapped(command.why))
                grid.addWidget(keys, row, 0)
                grid.addWidget(words, row, 1)
            row += 1
