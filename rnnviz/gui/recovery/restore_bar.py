"""Bar above the panes that offers to restore the session of a crashed window."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from rnnviz.core.words import wrapped


class RestoreBar(QFrame):
    """Shows one session at a time, with buttons to restore, discard or postpone."""

    restore_requested = Signal()
    discard_requested = Signal()
    later_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("restore_bar")
        self.setAccessibleName("Unsaved session")
        self._text = QLabel()
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 4, 8, 4)
        layout.addWidget(self._text, 1)
        self.restore = self._button("Restore", "Restore the config, selection and view.")
        self.discard = self._button("Discard", "Delete that session permanently.")
        self.later = self._button("Later", "Decide at the next start.")
        self.restore.clicked.connect(self.restore_requested)
        self.discard.clicked.connect(self.discard_requested)
        self.later.clicked.connect(self.later_requested)
        for button in (self.restore, self.discard, self.later):
            layout.addWidget(button)
        self.hide()

    @property
    def text(self) -> str:
        """The text shown; empty while hidden."""
        return "" if self.isHidden() else self._text.text()

    def show_offer(self, text: str, *, restorable: bool) -> None:
        """Show a message, with a Restore button if the session can be restored."""
        self._text.setText(text)
        self.setAccessibleDescription(text)
        self.restore.setVisible(restorable)
        self.discard.setText("Discard" if restorable else "Dismiss")
        self.show()

    def _button(self, text: str, why: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(f"{text.lower()}_session")
        button.setToolTip(wrapped(why))
        button.setAutoDefault(True)
        return button
