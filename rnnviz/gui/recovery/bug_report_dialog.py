"""Dialog with the text of a bug report."""

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
