"""Dialogs with the text of a bug report or an uncaught exception."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QApplication, QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.scaling import space_dialog

_REPORT = (
    "Describe what you did, what you expected, and what happened. Add the text below. Check it for private data first: "
    "it contains folder names of this machine. The log contains no numbers and no text of your networks."
)
_LONGEST = 50_000
_CRASH = (
    "Internal error. You can continue; if the window misbehaves, quit and restart rnnviz. "
    "Please report it with the text below (check it for private data first)."
)
_KEPT = "Your work is autosaved. After Quit, the next start offers to restore it."
_NOT_KEPT = "Autosave failed. Save the session before you quit."


class _TextDialog(QDialog):
    """Words above a text in a fixed font, and buttons."""

    def __init__(self, parent: QWidget, title: str, words: str, name: str, text: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        above = QLabel(words)
        above.setWordWrap(True)
        self.text = QPlainTextEdit(text)
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName(name)
        self.text.setFont(code_font())
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.buttons = QDialogButtonBox()
        layout = QVBoxLayout(self)
        space_dialog(layout)
        layout.addWidget(above)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.buttons)
        self.resize(740, 480)


class BugReportDialog(_TextDialog):
    """Shows the report and copies it."""

    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, parent: QWidget, report: str) -> None:
        super().__init__(parent, "Report a problem", _REPORT, "Report", report)
        self.buttons.addButton(QDialogButtonBox.StandardButton.Close)
        self.buttons.rejected.connect(self.reject)
        self.copy = self.buttons.addButton("&Copy", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy.setObjectName("copy_report")
        self.copy.setDefault(True)
        self.copy.clicked.connect(self._copy)

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.text.toPlainText())
        self.message.emit("Report copied.")


class CrashDialog(_TextDialog):
    """Explains the error and shows the text of a bug report."""

    save_requested = Signal()
    quit_requested = Signal()

    def __init__(self, parent: QWidget, text: str, *, kept: bool) -> None:
        words = f"{_CRASH}\n\n{_KEPT if kept else _NOT_KEPT}"
        super().__init__(parent, "Internal error", words, "Error details", text[-_LONGEST:])
        self.setAccessibleDescription(words)
        self._count = 1
        roles = QDialogButtonBox.ButtonRole
        for name, label, role, act in (
            ("copy_crash", "&Copy", roles.ActionRole, self._copy),
            ("save_after_crash", "&Save session…", roles.ActionRole, self.save_requested.emit),
            ("quit_after_crash", "&Quit", roles.DestructiveRole, self._quit),
            ("continue_after_crash", "Co&ntinue", roles.RejectRole, self.reject),
        ):
            button = self.buttons.addButton(label, role)
            button.setObjectName(name)
            button.clicked.connect(act)
            # Enter must not quit.
            button.setAutoDefault(name != "quit_after_crash")
            button.setDefault(name == "copy_crash")

    def add(self, text: str) -> None:
        self._count += 1
        self.setWindowTitle(f"{self._count} internal errors")
        if len(self.text.toPlainText()) + len(text) < _LONGEST:
            self.text.appendPlainText(f"\n{text}")

    def _copy(self) -> None:
        from rnnviz.execution.log import bug_report

        QApplication.clipboard().setText(f"{self.text.toPlainText()}\n{bug_report()}")

    def _quit(self) -> None:
        self.reject()
        self.quit_requested.emit()
