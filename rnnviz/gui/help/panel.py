"""Guide panel: one page, and the list of pages or search results."""

from functools import lru_cache
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QAction, QDesktopServices, QImage, QKeyEvent, QResizeEvent, QTextCursor, QTextDocument
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStackedWidget,
    QTextEdit,
    QToolButton,
    QVBoxLayout,
)

from rnnviz.core.resources import resource_path
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.panel import Panel, action_button
from rnnviz.gui.theme.markdown import MarkdownView, mark_text
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.io.resources import INDEX, GuidePage, anchor_of, find_in_guide, guide_groups, guide_pages

_MARGIN = 16.0
_WIDEST = 900
"""Maximum line width in pixels, because longer lines are hard to read."""
_REDRAW_MS, _SEARCH_MS = 80, 120
_LIGHT, _DARK = "-light.png", "-dark.png"
_INDENT = "    "
KEYS = {"back": "Alt+Left", "forward": "Alt+Right", "search": "Ctrl+F"}
_PLACE = Qt.ItemDataRole.UserRole


class GuideView(MarkdownView):
    """Shows one page; a link to another page emits `page_wanted`."""

    page_wanted = Signal(str, str)
    """Name of a page, and the anchor of one of its headings or ""."""

    def __init__(self) -> None:
        super().__init__("Page of the guide", _MARGIN)
        self.page: GuidePage | None = None
        self._words: list[str] = []
        self._drawn_width = 0
        # One that comes and goes would change the width that the pictures are made for.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setLineWrapMode(QTextEdit.LineWrapMode.FixedPixelWidth)
        self.anchorClicked.connect(self._follow)
        # Pictures are as wide as the page, which changes many times while a border is dragged.
        self._redraw = QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._redraw.timeout.connect(self.render_text)

    @property
    def markdown(self) -> str:
        return "" if self.page is None else self.page.text

    def show_page(self, page: GuidePage, anchor: str = "", words: list[str] | None = None) -> None:
        """Show a page from a heading, or from its top, with `words` highlighted."""
        self.page, self._words = page, words or []
        self.render_text()
        self._scroll_to(anchor)

    def render_text(self) -> None:
        bar = self.verticalScrollBar()
        share = bar.value() / max(1, bar.maximum())
        self._drawn_width = self.viewport().width()
        self.document().clear()
        super().render_text()
        self._mark_words()
        bar.setValue(round(share * bar.maximum()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # The panel has the keys for back and forward, as it knows the pages.
        if event.modifiers() & Qt.KeyboardModifier.AltModifier:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def loadResource(self, kind: int, name: QUrl | str) -> Any:
        if kind != QTextDocument.ResourceType.ImageResource.value:
            return None
        file = (name.path() if isinstance(name, QUrl) else name).rpartition("/")[2]
        if self.theme.name == "dark":
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

    def _mark_words(self) -> None:
        found = []
        for word in self._words:
            cursor = self.document().find(word)
            while not cursor.isNull():
                found.append(cursor)
                cursor = self.document().find(word, cursor)
        mark_text(self, found, self.theme.color("doubtful_surface"), self.theme.color("doubtful"))

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


@dataclass(frozen=True)
class _Place:
    page: str
    anchor: str = ""
    words: tuple[str, ...] = ()


class GuidePanel(Panel):
    """The page, or in its place the list of pages, or of search results while a search is typed."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Guide")
        self._theme = LIGHT
        self._visited: list[_Place] = []
        self._at = -1
        self.search = QLineEdit()
        self.search.setPlaceholderText(f"Search the guide ({KEYS['search']})")
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
        self.places.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.places.itemClicked.connect(self._choose)
        self.places.itemActivated.connect(self._choose)
        self.view = GuideView()
        self.view.page_wanted.connect(self.open)
        self.back = self.make_action("Back", "previous", KEYS["back"], "Go to the previous page.", lambda: self._go(-1))
        self.forward = self.make_action("Forward", "next", KEYS["forward"], "Go to the next page.", lambda: self._go(1))
        self.contents = self.make_action("Contents", "", "", "List all pages.", self._show_contents)
        self.make_action("Search", "", KEYS["search"], "Search the guide.", self._find)
        self._title = ElidedLabel(bold=True)
        head = QHBoxLayout()
        for action in (self.back, self.forward):
            head.addWidget(_button(action, Qt.ToolButtonStyle.ToolButtonIconOnly))
        head.addWidget(self._title, 1)
        head.addWidget(_button(self.contents, Qt.ToolButtonStyle.ToolButtonTextOnly))
        self._parts = QStackedWidget()
        self._parts.addWidget(self.view)
        self._parts.addWidget(self.places)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addLayout(head)
        layout.addWidget(self.search)
        layout.addWidget(self._parts, 1)

    @property
    def title(self) -> str:
        """The title of the page."""
        return self._title.text()

    def sizeHint(self) -> QSize:
        return QSize(640, 760)

    def open(self, page: str, anchor: str = "") -> None:
        """Show a page from a heading on; the index replaces a missing page."""
        self._visit(_Place(page if page in guide_pages() else INDEX, anchor))

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._theme = theme
        self.view.apply_theme(theme)

    def _find(self) -> None:
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def _show_contents(self) -> None:
        if self._parts.currentWidget() is self.places:
            self._parts.setCurrentWidget(self.view)
        else:
            self._list_pages()
            self.places.setFocus()

    def _list(self) -> None:
        """List what the search finds; without one, show the page again."""
        self._delay.stop()
        words = tuple(self.search.text().split())
        if not words:
            self._parts.setCurrentWidget(self.view)
            return
        self.places.clear()
        hits = find_in_guide(self.search.text())
        for hit in hits:
            heading = hit.section.heading
            where = hit.page.title if heading == hit.page.title else f"{hit.page.title} › {heading}"
            self._add(f"{where}\n{hit.line}", _Place(hit.page.name, hit.section.anchor, words))
        if not hits:
            self._add_heading("No section contains all of these words.\nTry fewer words, or parts of words.")
        self._parts.setCurrentWidget(self.places)

    def _list_pages(self) -> None:
        pages = guide_pages()
        self.places.clear()
        self._add(pages[INDEX].title, _Place(INDEX))
        for title, names in guide_groups().items():
            self._add_heading(title)
            for name in names:
                self._add(f"{_INDENT}{pages[name].title}", _Place(name))
        present = self._visited[self._at].page if self._visited else ""
        for item in map(self.places.item, range(self.places.count())):
            place = item.data(_PLACE)
            if place is not None and place.page == present:
                self.places.setCurrentItem(item)
        self._parts.setCurrentWidget(self.places)

    def _add(self, text: str, place: _Place) -> None:
        item = QListWidgetItem(text)
        item.setData(_PLACE, place)
        item.setToolTip(wrapped(text.strip()))
        self.places.addItem(item)

    def _add_heading(self, text: str) -> None:
        heading = QListWidgetItem(text)
        font = heading.font()
        font.setBold(True)
        heading.setFont(font)
        # The palette's color for disabled items is too pale to read.
        heading.setForeground(self._theme.color("text"))
        heading.setFlags(Qt.ItemFlag.NoItemFlags)
        self.places.addItem(heading)

    def _choose_first(self) -> None:
        self._list()
        if self.places.count():
            self.places.setCurrentRow(0)
            self._choose(self.places.item(0))

    def _choose(self, item: QListWidgetItem) -> None:
        place = item.data(_PLACE)
        if place is not None:
            self._visit(place)
            self.view.setFocus()

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
        self.view.show_page(page, place.anchor, list(place.words))
        self.back.setEnabled(self._at > 0)
        self.forward.setEnabled(self._at + 1 < len(self._visited))
        self._parts.setCurrentWidget(self.view)


def _button(action: QAction, style: Qt.ToolButtonStyle) -> QToolButton:
    button = action_button(action)
    button.setToolButtonStyle(style)
    button.setAutoRaise(True)
    return button
