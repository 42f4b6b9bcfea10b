"""Texts of a lesson: Markdown in its full height, and in labels, in the sizes of the pane."""

import re
from math import ceil

from PySide6.QtCore import QMimeData, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QFont, QResizeEvent, QTextDocumentFragment, QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel, QSizePolicy, QWidget

from rnnviz.core.number_format import true_minus_in
from rnnviz.gui.theme.fonts import CODE_FAMILY
from rnnviz.gui.theme.markdown import MarkdownView, fit_code
from rnnviz.lessons.index import LINK_SCHEME
from rnnviz.lessons.markdown_html import inline_html

_BODY = 13.0
"""Size of the application's font that the sizes in pixels assume."""
_INDEX = re.compile(r"(\[[^\]\n]*\])")
_EQUATION = re.compile(r"\b(\w+) = (?=\S)")


def set_size(widget: QWidget, pixels: float, weight: QFont.Weight = QFont.Weight.Normal) -> None:
    """Set the font size of a widget in pixels at a text size of 100%, and its weight."""
    font = QFont(QApplication.font())
    font.setPointSizeF(font.pointSizeF() * pixels / _BODY)
    font.setWeight(weight)
    widget.setFont(font)


def typeset(text: str) -> str:
    """A text for the narrow pane: no line ends within "t = 5", and numbers have true minus signs, except in indices."""
    parts = _INDEX.split(text)
    parts[::2] = map(true_minus_in, parts[::2])
    text = "".join(parts)
    return _EQUATION.sub("\\1\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}", text)


def label_html(text: str) -> str:
    """One line of Markdown as the rich text of a label in the narrow pane."""
    return inline_html(typeset(text)).replace("<code>", f"<code style=\"font-family: '{CODE_FAMILY}'\">")


def plain(text: str) -> str:
    """One line of Markdown without its marks, for screen readers, tooltips and copies."""
    return QTextDocumentFragment.fromHtml(inline_html(text)).toPlainText()


def text_label(pixels: float = _BODY, weight: QFont.Weight = QFont.Weight.Normal, *, muted: bool = False) -> QLabel:
    """A label that breaks its text into lines."""
    label = QLabel()
    label.setWordWrap(True)
    label.setProperty("muted", muted)
    set_size(label, pixels, weight)
    return label


class LessonText(MarkdownView):
    """Renders Markdown in the window's font and colors. The layout sets its width, its content its height."""

    surface = "window"
    part_requested = Signal(str)
    """Name of the part of the window in a followed link."""

    def __init__(self, name: str, pixels: float = _BODY, weight: QFont.Weight = QFont.Weight.Normal) -> None:
        super().__init__(name)
        self._markdown = ""
        set_size(self, pixels, weight)
        self.anchorClicked.connect(self._go)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.viewport().setAutoFillBackground(False)

    @property
    def markdown(self) -> str:
        return typeset(self._markdown)

    def show_markdown(self, markdown: str) -> None:
        """Show a text; without one the widget is hidden."""
        self._markdown = markdown
        # Keys scroll what holds the text; Tab stops at it where there are links to go to.
        linked = f"]({LINK_SCHEME}:" in markdown
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if linked else Qt.FocusPolicy.ClickFocus)
        self.render_text()
        self.setVisible(bool(markdown))

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), self.heightForWidth(self.width()))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 0)

    def heightForWidth(self, width: int) -> int:
        # A copy, because a layout asks for widths that the widget does not get.
        document = self.document().clone()
        fit_code(document, self.font(), width)
        document.setTextWidth(width)
        return ceil(document.size().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            fit_code(self.document(), self.font(), self.viewport().width())
            # The layout may have limited the height by the lines of another width.
            self.updateGeometry()

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def createMimeDataFromSelection(self) -> QMimeData:
        # As all that is copied: other programs read no number with a true minus sign.
        data = QMimeData()
        data.setText(self.textCursor().selection().toPlainText().replace("\N{MINUS SIGN}", "-"))
        return data

    def _go(self, link: QUrl) -> None:
        if link.scheme() == LINK_SCHEME:
            self.part_requested.emit(link.path())
        else:
            QDesktopServices.openUrl(link)

    def render_text(self) -> None:
        super().render_text()
        fit_code(self.document(), self.font(), self.viewport().width())
        self.updateGeometry()
