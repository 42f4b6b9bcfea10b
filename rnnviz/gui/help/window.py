"""Guide window: the list of pages or search results, and one page."""

from functools import lru_cache, partial
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import (
    QDesktopServices,
    QImage,
    QKeySequence,
    QResizeEvent,
    QShortcut,
    QTextCursor,
    QTextDocument,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSplitter,
    QTextBrowser,
    QTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.resources import resource_path
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.markdown import mark_text, show_markdown
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.io.resources import INDEX, GuidePage, anchor_of, find_in_guide, guide_groups, guide_pages

_MARGIN = 18.0
_WIDEST = 900
"""Maximum line width in pixels, because longer lines are hard to read."""
_REDRAW_MS = 80
_LIGHT, _DARK = "-light.png", "-dark.png"


class GuideBrowser(QTextBrowser):
    """Shows one page; a link to another page emits `page_wanted`."""

    page_wanted = Signal(str, str)
    """Name of a page, and the anchor of one of its headings or ""."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self.page: GuidePage | None = None
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

    def show_page(self, page: GuidePage, anchor: str = "", words: list[str] | None = None) -> None:
        """Show a page from a heading, or from its top, with `words` highlighted."""
        self.page, self._words = page, words or []
        self._render()
        self._scroll_to(anchor)

    def apply_theme(self, theme: Theme) -> None:
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
        if self.page is not None and self.page.images and self.viewport().width() != self._drawn_width:
            self._redraw.start()

    def _render_in_place(self) -> None:
        bar = self.verticalScrollBar()
        share = bar.value() / max(1, bar.maximum())
        self._render()
        bar.setValue(round(share * bar.maximum()))

    def _render(self) -> None:
        if self.page is None:
            return
        self._drawn_width = self.viewport().width()
        self.document().clear()
        show_markdown(self, self.page.text, self._theme, surface="base")
        self._mark_words()

    def _mark_words(self) -> None:
        found = []
        for word in self._words:
            cursor = self.document().find(word)
            while not cursor.isNull():
                found.append(cursor)
                cursor = self.document().find(word, cursor)
        mark_text(self, found, self._theme.color("doubtful_surface"), self._theme.color("doubtful"))

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
        here = "" if self.page is None else self.page.name
        self.page_wanted.emit(target or here, link.fragment())


@lru_cache(maxsize=8)
def _stored(file: str) -> QImage:
    return QImage(str(resource_path("guide", "images", file)))


def _picture(file: str) -> QImage:
    try:
        return QImage(_stored(file))
    except FileNotFoundError:
        return QImage(QSize(1, 1), QImage.Format.Format_RGB32)


KEYS = {
    "find": ("Ctrl+F", "Search the guide."),
    "back": ("Alt+Left", "Go to the previous page."),
    "forward": ("Alt+Right", "Go to the next page."),
}
"""Shortcuts of this window, and their tooltips."""
_SIZE = QSize(1080, 760)
_INDEX_WIDTH = 300
_INDENT = "    "
_SEARCH_MS = 120
_PLACE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class _Place:
    page: str
    anchor: str = ""
    words: tuple[str, ...] = ()


class GuideWindow(QWidget):
    """A separate window, so that the guide stays visible next to the main window."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setWindowTitle("Guide")
        self.resize(_SIZE)
        self._theme = LIGHT
        self._visited: list[_Place] = []
        self._at = -1
        self.search = QLineEdit()
        self.search.setPlaceholderText(f"Search the guide ({KEYS['find'][0]})")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search the guide")
        self.search.setToolTip("Finds sections that contain all of these words or parts of words.")
        self._delay = QTimer(self, singleShot=True, interval=_SEARCH_MS)
        self._delay.timeout.connect(self._list)
        self.search.textChanged.connect(lambda _text: self._delay.start())
        self.search.returnPressed.connect(self._choose_first)
        self.places = QListWidget()
        self.places.setObjectName("guide_places")
        self.places.setAccessibleName("Pages of the guide")
        self.places.setToolTip("Pages, or search results. Press Enter or click to open one.")
        self.places.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.places.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.places.itemClicked.connect(self._choose)
        self.places.itemActivated.connect(self._choose)
        self.browser = GuideBrowser()
        self.browser.page_wanted.connect(self.open)
        self.back, self.forward = QToolButton(), QToolButton()
        self._title = QLabel()
        self._title.setProperty("heading", True)
        for button, key, go in ((self.back, "back", -1), (self.forward, "forward", 1)):
            button.setAutoRaise(True)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.setAccessibleName(key.capitalize())
            button.setToolTip(f"{KEYS[key][1][:-1]} ({QKeySequence(KEYS[key][0]).toString()}).")
            button.clicked.connect(lambda _checked=False, go=go: self._go(go))
            QShortcut(QKeySequence(KEYS[key][0]), self, partial(self._go, go))
        QShortcut(QKeySequence(KEYS["find"][0]), self, self._find)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self.close)
        self._arrange()
        self._list()

    def open(self, page: str, anchor: str = "") -> None:
        """Show a page from a heading on; the index replaces a missing page."""
        self._visit(_Place(page if page in guide_pages() else INDEX, anchor))

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._list()
        icons = Icons(theme)
        self.back.setIcon(icons["previous"])
        self.forward.setIcon(icons["next"])
        self.browser.apply_theme(theme)

    def _arrange(self) -> None:
        left = QWidget()
        index = QVBoxLayout(left)
        index.setContentsMargins(8, 8, 0, 8)
        index.addWidget(self.search)
        index.addWidget(self.places, 1)
        right = QWidget()
        page = QVBoxLayout(right)
        page.setContentsMargins(0, 8, 8, 8)
        head = QHBoxLayout()
        head.addWidget(self.back)
        head.addWidget(self.forward)
        head.addSpacing(8)
        head.addWidget(self._title, 1)
        page.addLayout(head)
        page.addWidget(self.browser, 1)
        parts = QSplitter(Qt.Orientation.Horizontal)
        parts.addWidget(left)
        parts.addWidget(right)
        parts.setChildrenCollapsible(False)
        parts.setStretchFactor(1, 1)
        parts.setSizes([_INDEX_WIDTH, _SIZE.width() - _INDEX_WIDTH])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(parts)

    def _find(self) -> None:
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def _list(self) -> None:
        self._delay.stop()
        self.places.clear()
        words = tuple(self.search.text().split())
        if not words:
            self._list_pages()
            return
        hits = find_in_guide(self.search.text())
        for hit in hits:
            heading = hit.section.heading
            where = hit.page.title if heading == hit.page.title else f"{hit.page.title} › {heading}"
            self._add(f"{where}\n{hit.line}", _Place(hit.page.name, hit.section.anchor, words), f"{where}\n{hit.line}")
        if not hits:
            nothing = QListWidgetItem("No section contains all of these words.\nTry fewer words, or parts of words.")
            nothing.setFlags(Qt.ItemFlag.NoItemFlags)
            self.places.addItem(nothing)

    def _list_pages(self) -> None:
        pages = guide_pages()
        self._add(pages[INDEX].title, _Place(INDEX), pages[INDEX].title)
        for title, names in guide_groups().items():
            heading = QListWidgetItem(title)
            font = heading.font()
            font.setBold(True)
            heading.setFont(font)
            # The palette's color for disabled items is too pale to read.
            heading.setForeground(self._theme.color("text"))
            heading.setFlags(Qt.ItemFlag.NoItemFlags)
            self.places.addItem(heading)
            for name in names:
                self._add(f"{_INDENT}{pages[name].title}", _Place(name), pages[name].title)
        self._mark_present()

    def _add(self, text: str, place: _Place, tip: str) -> None:
        item = QListWidgetItem(text)
        item.setData(_PLACE, place)
        item.setToolTip(wrapped(tip))
        self.places.addItem(item)

    def _choose_first(self) -> None:
        self._list()
        if self.places.count():
            self.places.setCurrentRow(0)
            self._choose(self.places.item(0))

    def _choose(self, item: QListWidgetItem) -> None:
        place = item.data(_PLACE)
        if place is not None:
            self._visit(place)

    def _visit(self, place: _Place) -> None:
        if self._at < 0 or self._visited[self._at] != place:
            self._visited[self._at + 1 :] = [place]
            self._at += 1
        self._show()

    def _go(self, by: int) -> None:
        if 0 <= self._at + by < len(self._visited):
            self._at += by
            self._show()

    def _show(self) -> None:
        place = self._visited[self._at]
        page = guide_pages()[place.page]
        self._title.setText(page.title)
        self.setWindowTitle(f"Guide: {page.title}")
        self.browser.show_page(page, place.anchor, list(place.words))
        self.back.setEnabled(self._at > 0)
        self.forward.setEnabled(self._at + 1 < len(self._visited))
        if not place.words:
            self._mark_present()

    def _mark_present(self) -> None:
        if self._at < 0 or self.search.text().strip():
            return
        present = self._visited[self._at].page
        for row in range(self.places.count()):
            place = self.places.item(row).data(_PLACE)
            if place is not None and place.page == present:
                self.places.setCurrentRow(row)
