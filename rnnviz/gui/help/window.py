"""Guide window: the list of pages or search results, and one page."""

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.words import wrapped
from rnnviz.gui.help.browser import GuideBrowser
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.io.resources import INDEX, find_in_guide, guide_groups, guide_pages

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
        self._bind()
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

    def _bind(self) -> None:
        for key, act in (
            ("find", self._find),
            ("back", lambda: self._go(-1)),
            ("forward", lambda: self._go(1)),
        ):
            QShortcut(QKeySequence(KEYS[key][0]), self, act)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self.close)

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
        head.addSpacing(6)
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
        """List the pages, or the search results."""
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
        for group in guide_groups():
            heading = QListWidgetItem(group.title)
            font = heading.font()
            font.setBold(True)
            heading.setFont(font)
            # The palette's color for disabled items is too pale to read.
            heading.setForeground(self._theme.color("text"))
            heading.setFlags(Qt.ItemFlag.NoItemFlags)
            self.places.addItem(heading)
            for name in group.pages:
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
        """Select the current page in the list."""
        if self._at < 0 or self.search.text().strip():
            return
        present = self._visited[self._at].page
        for row in range(self.places.count()):
            place = self.places.item(row).data(_PLACE)
            if place is not None and place.page == present:
                self.places.setCurrentRow(row)
