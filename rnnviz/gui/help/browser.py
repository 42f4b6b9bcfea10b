"""Browser for one page of the guide, with pictures in the colors of the theme and anchors for headings."""

from functools import lru_cache
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QImage, QResizeEvent, QTextCharFormat, QTextCursor, QTextDocument
from PySide6.QtWidgets import QFrame, QTextBrowser, QTextEdit, QWidget

from rnnviz.gui.theme.markdown import show_markdown
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.io.resources import GuidePage, anchor_of, resource_path

_MARGIN = 18.0
_WIDEST = 900
"""Maximum line width in pixels, because longer lines are hard to read."""
_REDRAW_MS = 80
_LIGHT, _DARK = "-light.png", "-dark.png"


class GuideBrowser(QTextBrowser):
    """Shows one page; a link to another page emits `page_wanted`."""

    page_wanted = Signal(str, str)
    """Name of a page, and the anchor of one of its headings or ""."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = LIGHT
        self._page: GuidePage | None = None
        self._words: list[str] = []
        self._drawn_width = 0
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        # One that comes and goes would change the width that the pictures are made for.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setLineWrapMode(QTextEdit.LineWrapMode.FixedPixelWidth)
        self.setAccessibleName("Page of the guide")
        self.document().setDocumentMargin(_MARGIN)
        self.anchorClicked.connect(self._follow)
        # Pictures are as wide as the page, which changes many times while a border is dragged.
        self._redraw = QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._redraw.timeout.connect(self._render_in_place)

    @property
    def page(self) -> GuidePage | None:
        """The current page."""
        return self._page

    def show_page(self, page: GuidePage, anchor: str = "", words: list[str] | None = None) -> None:
        """Show a page from a heading, or from its top, with `words` highlighted."""
        self._page, self._words = page, words or []
        self._render()
        self._scroll_to(anchor)

    def apply_theme(self, theme: Theme) -> None:
        """Use the colors of this theme for text and pictures."""
        self._theme = theme
        self._render_in_place()

    def loadResource(self, kind: int, name: QUrl | str) -> Any:
        if kind != QTextDocument.ResourceType.ImageResource.value:
            return None
        file = (name.path() if isinstance(name, QUrl) else name).rpartition("/")[2]
        if self._theme.name == "dark":
            file = file.replace(_LIGHT, _DARK)
        image = _picture(file)
        ratio = self.devicePixelRatioF()
        room = int((min(self.viewport().width(), _WIDEST) - 2.0 * _MARGIN - 2.0) * ratio)
        if image.width() > room > 0:
            image = image.scaledToWidth(room, Qt.TransformationMode.SmoothTransformation)
        image.setDevicePixelRatio(ratio)
        return image

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setLineWrapColumnOrWidth(min(self.viewport().width(), _WIDEST))
        if self._page is not None and self._page.images and self.viewport().width() != self._drawn_width:
            self._redraw.start()

    def _render_in_place(self) -> None:
        bar = self.verticalScrollBar()
        share = bar.value() / max(1, bar.maximum())
        self._render()
        bar.setValue(round(share * bar.maximum()))

    def _render(self) -> None:
        if self._page is None:
            return
        self._drawn_width = self.viewport().width()
        self.document().clear()
        show_markdown(self, self._page.text, self._theme, surface="base")
        self._mark_words()

    def _mark_words(self) -> None:
        look = QTextCharFormat()
        look.setBackground(self._theme.color("doubtful_surface"))
        look.setForeground(self._theme.color("doubtful"))
        marks = []
        for word in self._words:
            cursor = self.document().find(word)
            while not cursor.isNull():
                mark = QTextEdit.ExtraSelection()
                mark.cursor, mark.format = cursor, look  # type: ignore[attr-defined]
                marks.append(mark)
                cursor = self.document().find(word, cursor)
        self.setExtraSelections(marks)

    def _scroll_to(self, anchor: str) -> None:
        block = self.document().begin()
        while anchor and block.isValid():
            if block.blockFormat().headingLevel() and anchor_of(block.text()) == anchor:
                top = self.document().documentLayout().blockBoundingRect(block).top()
                self.verticalScrollBar().setValue(round(top - _MARGIN))
                self.setTextCursor(QTextCursor(block))
                self.verticalScrollBar().setValue(round(top - _MARGIN))
                return
            block = block.next()
        self.moveCursor(QTextCursor.MoveOperation.Start)
        self.verticalScrollBar().setValue(0)

    def _follow(self, link: QUrl) -> None:
        if link.scheme():
            QDesktopServices.openUrl(link)
            return
        target = link.path().removesuffix(".md")
        here = "" if self._page is None else self._page.name
        self.page_wanted.emit(target or here, link.fragment())


@lru_cache(maxsize=8)
def _stored(file: str) -> QImage:
    return QImage(str(resource_path("guide", "images", file)))


def _picture(file: str) -> QImage:
    try:
        return QImage(_stored(file))
    except FileNotFoundError:
        return QImage(QSize(1, 1), QImage.Format.Format_RGB32)
