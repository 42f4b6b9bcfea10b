"""Dialogs with the text of a bug report or an uncaught exception."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QApplication, QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

_WIDTH, _HEIGHT = 760, 520
_SAYS = (
    "Describe what you did, what you expected, and what happened. Add the text below. Check it for private data first: "
    "it contains folder names of this machine. The log contains no numbers and no text of your networks."
)


class BugReportDialog(QDialog):
    """Shows the report and copies it."""

    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, parent: QWidget, report: str) -> None:
        super().__init__(parent)
        self.setWindowTitle("Report a problem")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        words = QLabel(_SAYS)
        words.setWordWrap(True)
        self.text = QPlainTextEdit(report)
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName("Report")
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        self.copy = buttons.addButton("&Copy", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy.setObjectName("copy_report")
        self.copy.setDefault(True)
        self.copy.clicked.connect(self._copy)
        layout = QVBoxLayout(self)
        layout.addWidget(words)
        layout.addWidget(self.text, 1)
        layout.addWidget(buttons)
        self.resize(_WIDTH, _HEIGHT)

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.text.toPlainText())
        self.message.emit("Report copied.")


_CRASH_WIDTH, _CRASH_HEIGHT = 720, 420
_LONGEST = 50_000
_CRASH_SAYS = (
    "Internal error. You can continue; if the window misbehaves, quit and restart rnnviz. "
    "Please report it with the text below (check it for private data first)."
)
_KEPT = "Your work is autosaved. After Quit, the next start offers to restore it."
_NOT_KEPT = "Autosave failed. Save the session before you quit."


class CrashDialog(QDialog):
    """Explains the error and shows the text of a bug report."""

    save_requested = Signal()
    quit_requested = Signal()

    def __init__(self, parent: QWidget, text: str, *, kept: bool) -> None:
        super().__init__(parent)
        self.setWindowTitle("Internal error")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._count = 1
        words = QLabel(f"{_CRASH_SAYS}\n\n{_KEPT if kept else _NOT_KEPT}")
        words.setWordWrap(True)
        self.setAccessibleDescription(words.text())
        self._text = QPlainTextEdit(text[-_LONGEST:])
        self._text.setReadOnly(True)
        self._text.setTabChangesFocus(True)
        self._text.setAccessibleName("Error details")
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.buttons = QDialogButtonBox()
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
        layout = QVBoxLayout(self)
        layout.addWidget(words)
        layout.addWidget(self._text, 1)
        layout.addWidget(self.buttons)
        self.resize(_CRASH_WIDTH, _CRASH_HEIGHT)

    @property
    def text(self) -> str:
        """The text to copy."""
        return self._text.toPlainText()

    def add(self, text: str) -> None:
        """Append another exception, up to a limit."""
        self._count += 1
        self.setWindowTitle(f"{self._count} internal errors")
        if len(self.text) + len(text) < _LONGEST:
            self._text.appendPlainText(f"\n{text}")

    def _copy(self) -> None:
        from rnnviz.execution.log import bug_report

        QApplication.clipboard().setText(f"{self.text}\n{bug_report()}")

    def _quit(self) -> None:
        self.reject()
        self.quit_requested.emit()
