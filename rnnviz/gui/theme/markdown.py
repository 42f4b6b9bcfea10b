"""Markdown and marked text in the window's font and colors."""

from collections.abc import Callable, Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontMetricsF,
    QPalette,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFrameFormat,
    QTextTable,
)
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QTextBrowser, QTextEdit

from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.palettes import LIGHT, Theme

_LINE_HEIGHT = 128.0
"""Line height of prose in percent."""
_CODE_HEIGHT = 118.0
"""Line height of code in percent. With less, the background covers underscores of the line above."""
_CODE_STEP = 0.25
_CODE_SIZE, _SMALLEST_CODE = 0.95, 0.6
"""Size of code as a share of that of prose, and of code that does not fit as a share of that."""
_ABOVE_HEADING = 20.0
_CELL_PADDING = 5.0
_PICTURE = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Placeholder of a picture, whose line must not get extra height."""


def show_markdown(browser: QTextBrowser, markdown: str, theme: Theme, *, surface: str) -> None:
    """Render Markdown in a browser. `surface` is the color role of the background."""
    palette = browser.palette()
    for role, name in (
        (QPalette.ColorRole.Text, "text"),
        (QPalette.ColorRole.Base, surface),
        (QPalette.ColorRole.Link, "accent"),
    ):
        palette.setColor(role, theme.color(name))
    browser.setPalette(palette)
    document = browser.document()
    document.setDefaultFont(browser.font())
    document.setMarkdown(markdown, QTextDocument.MarkdownFeature.MarkdownDialectGitHub)
    # One edit block, or Qt lays out a table again for each line.
    changes = QTextCursor(document)
    changes.beginEditBlock()
    _set_lines(document, theme)
    _set_code(document, browser.font(), theme)
    _underline_links(document)
    _set_tables(document, theme)
    changes.endEditBlock()


class MarkdownView(QTextBrowser):
    """A text in Markdown, whose links are followed by the code that shows it."""

    surface = "base"
    """The color role of the background."""

    def __init__(self, name: str, margin: float = 0.0) -> None:
        super().__init__()
        self.theme = LIGHT
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.document().setDocumentMargin(margin)

    @property
    def markdown(self) -> str:
        """The text, as it is to be shown."""
        return ""

    def apply_theme(self, theme: Theme) -> None:
        self.theme = theme
        self.render_text()

    def render_text(self) -> None:
        """Show the text in the present font and colors."""
        show_markdown(self, self.markdown, self.theme, surface=self.surface)


class _Mark(QTextEdit.ExtraSelection):
    """With the attributes that PySide's stubs do not declare."""

    cursor: QTextCursor
    format: QTextCharFormat


def mark_text(
    view: QPlainTextEdit | QTextEdit, spans: Iterable[QTextCursor], background: QColor, foreground: QColor
) -> None:
    """Show spans of a text in other colors, in place of those marked before; the document is unchanged."""
    marks = []
    for span in spans:
        mark = _Mark()
        mark.cursor = span
        mark.format.setBackground(background)
        mark.format.setForeground(foreground)
        marks.append(mark)
    view.setExtraSelections(marks)


def fit_code(document: QTextDocument, font: QFont, room: float) -> None:
    """Shrink blocks of code with lines that are wider than `room` pixels: numbers that are cut read as others."""
    blocks = []
    block = document.begin()
    while block.isValid():
        if _is_code(block) and block.text():
            blocks.append(block)
        block = block.next()
    if not blocks or room <= 0.0:
        return
    own, size = QFont(code_font()), font.pointSizeF() * _CODE_SIZE
    longest, smallest = max((block.text() for block in blocks), key=len), size * _SMALLEST_CODE
    own.setPointSizeF(size)
    # In steps, as the widths of hinted characters are not proportional to their sizes.
    while size > smallest and QFontMetricsF(own).horizontalAdvance(longest) > room:
        size = max(size - _CODE_STEP, smallest)
        own.setPointSizeF(size)
    change = QTextCharFormat()
    change.setFontPointSize(size)
    if blocks[0].begin().fragment().charFormat().fontPointSize() == change.fontPointSize():
        return
    for block in blocks:
        _merge(document, block.position(), len(block.text()), change)


def _is_code(block: QTextBlock) -> bool:
    return block.blockFormat().hasProperty(QTextBlockFormat.Property.BlockCodeLanguage.value)


def _set_lines(document: QTextDocument, theme: Theme) -> None:
    """Set line heights, and the background of code blocks."""
    block = document.begin()
    while block.isValid():
        change = QTextBlockFormat()
        if _is_code(block):
            change.setBackground(theme.color("raised"))
            change.setLineHeight(_CODE_HEIGHT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        elif block.text() != _PICTURE:
            change.setLineHeight(_LINE_HEIGHT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        if block.blockFormat().headingLevel() > 1:
            change.setTopMargin(_ABOVE_HEADING)
        QTextCursor(block).mergeBlockFormat(change)
        block = block.next()


def _set_code(document: QTextDocument, font: QFont, theme: Theme) -> None:
    change = QTextCharFormat()
    change.setFontFamilies(code_font().families())
    change.setFontPointSize(font.pointSizeF() * _CODE_SIZE)
    change.setBackground(theme.color("raised"))
    for position, length in _spans(document, lambda look: look.fontFixedPitch()):
        _merge(document, position, length, change)


def _underline_links(document: QTextDocument) -> None:
    change = QTextCharFormat()
    change.setFontUnderline(True)
    for position, length in _spans(document, lambda look: look.isAnchor()):
        _merge(document, position, length, change)


def _spans(document: QTextDocument, wanted: Callable[[QTextCharFormat], bool]) -> list[tuple[int, int]]:
    spans = []
    block = document.begin()
    while block.isValid():
        iterator = block.begin()
        while not iterator.atEnd():
            fragment = iterator.fragment()
            if wanted(fragment.charFormat()):
                spans.append((fragment.position(), fragment.length()))
            iterator += 1
        block = block.next()
    return spans


def _merge(document: QTextDocument, position: int, length: int, change: QTextCharFormat) -> None:
    cursor = QTextCursor(document)
    cursor.setPosition(position)
    cursor.setPosition(position + length, QTextCursor.MoveMode.KeepAnchor)
    cursor.mergeCharFormat(change)


def _set_tables(document: QTextDocument, theme: Theme) -> None:
    # Not by the frames of the document: PySide keeps those of every text until the document is deleted.
    cursor, more = QTextCursor(document), True
    while more:
        # Shiboken declares that every cursor has one.
        table: QTextTable | None = cursor.currentTable()
        if table is not None:
            look = table.format().toTableFormat()
            look.setBorderCollapse(True)
            look.setBorder(1.0)
            look.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
            look.setBorderBrush(QBrush(theme.color("border"), Qt.BrushStyle.SolidPattern))
            look.setCellPadding(_CELL_PADDING)
            look.setCellSpacing(0.0)
            table.setFormat(look)
            cursor.setPosition(table.lastPosition())
        more = cursor.movePosition(QTextCursor.MoveOperation.NextBlock)
