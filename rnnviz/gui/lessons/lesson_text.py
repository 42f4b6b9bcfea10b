"""Texts of a lesson: Markdown in its full height, and in labels, in the sizes of the pane."""

import re

from PySide6.QtCore import QMimeData, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QFont, QResizeEvent, QTextDocumentFragment, QWheelEvent
from PySide6.QtWidgets import QApplication, QFrame, QLabel, QSizePolicy, QTextBrowser, QWidget

from rnnviz.core.number_format import true_minus_in
from rnnviz.gui.theme.fonts import CODE_FAMILY
from rnnviz.gui.theme.markdown import fit_code, show_markdown
from rnnviz.gui.theme.palettes import LIGHT, Theme
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


class LessonText(QTextBrowser):
    """Renders Markdown in the window's font and colors. The layout sets its width, its content its height."""

    part_requested = Signal(str)
    """Name of the part of the window in a followed link."""

    def __init__(self, name: str, pixels: float = _BODY, weight: QFont.Weight = QFont.Weight.Normal) -> None:
        super().__init__()
        self._markdown = ""
        self._theme = LIGHT
        set_size(self, pixels, weight)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.anchorClicked.connect(self._go)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)
        self.document().setDocumentMargin(0.0)
        self.viewport().setAutoFillBackground(False)

    def show_markdown(self, markdown: str) -> None:
        """Show a text; without one the widget is hidden."""
        self._markdown = markdown
        # Keys scroll what holds the text; Tab stops at it where there are links to go to.
        linked = f"]({LINK_SCHEME}:" in markdown
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if linked else Qt.FocusPolicy.ClickFocus)
        self._render()
        self.setVisible(bool(markdown))

    def apply_theme(self, theme: Theme) -> None:
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
        event.ignore()

    def createMimeDataFromSelection(self) -> QMimeData:
        # As all that is copied: other programs read no number with a true minus sign.
        data = QMimeData()
        data.setText(self.textCursor().selection().toPlainText().replace("\N{MINUS SIGN}", "-"))
        return data

    def height_at(self, width: float) -> float:
        """The height of the text in a width."""
        document = self.document().clone()
        document.setTextWidth(width)
        return float(document.size().height())

    def _go(self, link: QUrl) -> None:
        if link.scheme() == LINK_SCHEME:
            self.part_requested.emit(link.path())
        else:
            QDesktopServices.openUrl(link)

    def _needed(self) -> int:
        return int(self.document().size().height() + 0.999)

    def _fit(self) -> None:
        fit_code(self.document(), self.font(), self.viewport().width())
        self.document().setTextWidth(self.viewport().width())
        self.setFixedHeight(self._needed())

    def _render(self) -> None:
        show_markdown(self, typeset(self._markdown), self._theme, surface="window")
        self._fit()
