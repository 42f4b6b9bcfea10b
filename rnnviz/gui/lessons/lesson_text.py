"""A step's text, as tall as it is, so that what is below scrolls with it."""

import re

from PySide6.QtCore import QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextBrowser, QWidget

from rnnviz.gui.theme.markdown import show_markdown
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.lessons.targets import LINK_SCHEME

_EQUATION = re.compile(r"\b(\w+) = (?=\S)")


def no_break(text: str) -> str:
    """The text with "t = 5" on one line: the pane is narrow, and an equation in two parts reads badly."""
    return _EQUATION.sub("\\1\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}", text)


class Prose(QTextBrowser):
    """Renders Markdown in the window's font and colors. Its width is what it is given, its height what it needs."""

    part_requested = Signal(str)
    """A link to a part of the window was followed: its name."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._markdown = ""
        self._theme = LIGHT
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.anchorClicked.connect(self._go)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Text of the step")
        self.document().setDocumentMargin(0.0)
        self.viewport().setAutoFillBackground(False)

    def show_markdown(self, markdown: str) -> None:
        """Show another text."""
        self._markdown = markdown
        # Keys scroll what holds the text; Tab stops at it where there are links to go to.
        linked = f"]({LINK_SCHEME}:" in markdown
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if linked else Qt.FocusPolicy.ClickFocus)
        self._render()

    def apply_theme(self, theme: Theme) -> None:
        """Write in these colors."""
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

    def _go(self, link: QUrl) -> None:
        if link.scheme() == LINK_SCHEME:
            self.part_requested.emit(link.path())
        else:
            QDesktopServices.openUrl(link)

    def _needed(self) -> int:
        return int(self.document().size().height() + 0.999)

    def _fit(self) -> None:
        self.document().setTextWidth(self.viewport().width())
        self.setFixedHeight(self._needed())

    def _render(self) -> None:
        show_markdown(self, no_break(self._markdown), self._theme, surface="window")
        self._fit()
