"""The text of a character model: its prefix underlined, and the character at the selection marked."""

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QFont, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit

from rnnviz.gui.theme.markdown import mark_text
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped


class GeneratedTextView(QPlainTextEdit):
    """Read-only. Appending to the text costs as much as the new characters."""

    chosen = Signal(int)
    """The number of characters before the text cursor, which the user moved."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__()
        self._text, self._prefix = "", 0
        self._count: int | None = None
        self._theme = LIGHT
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setAccessibleName(name)
        self.setToolTip(wrapped(why))
        self.setUndoRedoEnabled(False)
        self.cursorPositionChanged.connect(self._on_cursor)

    def show_text(self, text: str, prefix: int) -> None:
        """Show a text whose first `prefix` characters are the prefix."""
        if (text, prefix) == (self._text, self._prefix):
            return
        with QSignalBlocker(self):
            if prefix != self._prefix or not text.startswith(self._text):
                self.clear()
                self._text = ""
            cursor = QTextCursor(self.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            start = len(self._text)
            for part, underlined in ((text[start:prefix], True), (text[max(start, prefix) :], False)):
                cursor.insertText(part, _format(underlined=underlined))
        self._text, self._prefix = text, prefix
        self.select(self._count)

    def select(self, count: int | None) -> None:
        """Mark the last of the first `count` characters; None marks none and shows the end."""
        self._count = count
        with QSignalBlocker(self):
            cursor = QTextCursor(self.document())
            cursor.setPosition(min(len(self._text) if count is None else count, len(self._text)))
            self.setTextCursor(cursor)
            if count is None:
                self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())
        self._mark()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._mark()

    def _mark(self) -> None:
        spans = []
        if self._count and self._count <= len(self._text):
            last = QTextCursor(self.document())
            last.setPosition(self._count - 1)
            last.setPosition(self._count, QTextCursor.MoveMode.KeepAnchor)
            spans.append(last)
        mark_text(self, spans, self._theme.color("accent"), self._theme.color("on_accent"))

    def _on_cursor(self) -> None:
        self.chosen.emit(self.textCursor().position())


def _format(*, underlined: bool) -> QTextCharFormat:
    text_format = QTextCharFormat()
    text_format.setFontUnderline(underlined)
    text_format.setFontWeight(QFont.Weight.Bold if underlined else QFont.Weight.Normal)
    return text_format
