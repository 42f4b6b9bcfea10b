"""A step's text, as tall as it is, so that what stands beneath scrolls with it."""

import re

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import (
    QFontDatabase,
    QPalette,
    QResizeEvent,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextBrowser, QWidget

from rnnviz.gui.look.theme import LIGHT, Theme

_LINE_HEIGHT = 128.0
"""Percent of the font's own: prose is read, not scanned."""
_EQUATION = re.compile(r"\b(\w+) = (?=\S)")


def kept_together(text: str) -> str:
    """The text with "t = 5" on one line: the pane is narrow, and an equation in two parts reads badly."""
    return _EQUATION.sub("\\1\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}", text)


class Prose(QTextBrowser):
    """Renders Markdown in the window's font and colours. Its width is what it is given, its height what it needs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._markdown = ""
        self._theme = LIGHT
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenExternalLinks(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # Keys scroll what holds the text; links and a selection are reached by Tab and by the mouse.
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setAccessibleName("Text of the step")
        self.document().setDocumentMargin(0.0)
        self.viewport().setAutoFillBackground(False)

    def show_markdown(self, markdown: str) -> None:
        """Show another text."""
        self._markdown = markdown
        self._render()

    def apply_theme(self, theme: Theme) -> None:
        """Write in these colours from now on."""
        self._theme = theme
        self._render()

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), self._needed())

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self._needed())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel scrolls what holds the text."""
        event.ignore()

    def _needed(self) -> int:
        return int(self.document().size().height() + 0.999)

    def _fit(self) -> None:
        self.document().setTextWidth(self.viewport().width())
        self.setFixedHeight(self._needed())

    def _render(self) -> None:
        palette = self.palette()
        for role, name in (
            (QPalette.ColorRole.Text, "text"),
            (QPalette.ColorRole.Base, "window"),
            (QPalette.ColorRole.Link, "accent"),
        ):
            palette.setColor(role, self._theme.color(name))
        self.setPalette(palette)
        document = self.document()
        document.setDefaultFont(self.font())
        document.setMarkdown(kept_together(self._markdown), QTextDocument.MarkdownFeature.MarkdownDialectGitHub)
        self._set_lines()
        self._set_code()
        self._fit()

    def _set_lines(self) -> None:
        """Give lines air; blocks of code keep theirs together."""
        block = self.document().begin()
        while block.isValid():
            code = block.blockFormat().hasProperty(QTextBlockFormat.Property.BlockCodeLanguage.value)
            if not code:
                change = QTextBlockFormat()
                change.setLineHeight(_LINE_HEIGHT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
                QTextCursor(block).mergeBlockFormat(change)
            block = block.next()

    def _set_code(self) -> None:
        """Draw code in the fixed font of the views, on a surface of its own."""
        change = QTextCharFormat()
        fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        change.setFontFamilies([fixed.family()])
        change.setFontPointSize(self.font().pointSizeF() * 0.95)
        change.setBackground(self._theme.color("raised"))
        spans: list[tuple[int, int]] = []
        block = self.document().begin()
        while block.isValid():
            iterator = block.begin()
            while not iterator.atEnd():
                fragment = iterator.fragment()
                if fragment.charFormat().fontFixedPitch():
                    spans.append((fragment.position(), fragment.length()))
                iterator += 1
            block = block.next()
        for position, length in spans:
            cursor = QTextCursor(self.document())
            cursor.setPosition(position)
            cursor.setPosition(position + length, QTextCursor.MoveMode.KeepAnchor)
            cursor.mergeCharFormat(change)
