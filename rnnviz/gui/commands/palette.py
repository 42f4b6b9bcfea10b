"""The command palette: the search field of the menu bar, and the sheet below it with what matches."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, Qt, QTimer
from PySide6.QtGui import QAction, QFocusEvent, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMainWindow,
    QMenu,
    QMenuBar,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.frozen import dataclass
from rnnviz.gui.access import announce
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.table import CommandHost
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped

_MOST_RECENT = 8
_WIDEST_GAPS = 2
"""Length of a match with gaps, relative to the query, above which it is chance."""
_FIELD_WIDTH, _WIDTH, _HEIGHT, _ROW, _AROUND = 220, 620, 420, 28, 8
_MOVES = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1, Qt.Key.Key_PageUp: -10, Qt.Key.Key_PageDown: 10}
_NAME = "Find anything"
_HINT = "Command, setting, tab, lesson, engine, or a place such as t 12 unit 3"
_NOTHING = "No matching command"
_UNAVAILABLE = "Not available now."
SYNONYMS: Mapping[str, str] = {
    "open": "load checkpoint weights pytorch keras onnx safetensors pt h5 capture",
    "check_port": "verify implementation c code embedded recording golden",
    "compare_files": "diff checkpoint weights two models",
    "new_network": "create blank small lstm",
    "export_picture": "figure plot image pdf svg png paper publication",
    "export_animation": "gif video movie",
    "export_handout": "print worksheet",
    "export_report": "html summary",
    "export_csv": "pandas polars dataframe spreadsheet excel numbers",
    "export_npz": "numpy arrays checkpoint numbers",
    "export_weights": "checkpoint save model state_dict safetensors",
    "save": "write store config toml",
    "save_session": "workspace project",
    "train": "fit learn optimize loss checkpoint",
    "generate": "sample write language model characters",
    "compute_gradients": "backward pass backpropagation bptt autograd",
    "influence": "saliency attribution",
    "mismatch_next": "difference error wrong",
    "find_command": "search palette",
    "keys": "shortcuts keyboard hotkeys",
    "guide": "help manual documentation docs",
    "present": "full screen slides projector",
    "theme_dark": "night mode appearance",
    "theme_light": "appearance",
    "text_larger": "font size zoom bigger",
    "problem": "bug issue feedback",
}
"""Other words for an entry by its key."""

_INDEX = r"(layer|l|time ?step|t|sample|n|unit|u)\s*=?\s*(\d{1,9})"
_DIRECTION = r"(forward|backward|→|←)"
_PLACE = re.compile(rf"(?:(?:{_INDEX}|{_DIRECTION})[\s,]*)+", re.IGNORECASE)
_FIELDS = {"l": "layer", "t": "timestep", "s": "sample", "n": "sample", "u": "unit"}


@dataclass(frozen=True)
class PaletteEntry:
    """A row of the palette.

    `key` identifies the entry in the settings, `kind` is its kind or the way to it in the menus, and `also` are further
    words to match.
    """

    key: str
    title: str
    kind: str
    run: Callable[[], object]
    shortcut: str = ""
    why: str = ""
    also: str = ""
    enabled: bool = True

    def rank(self, query: str) -> tuple[int, int, int] | None:
        """Rank of a match, best first: how it matches, 0 in the title and 1 in other words, and its length."""
        words = f"{self.kind} {self.title} {self.also} {SYNONYMS.get(self.key, '')}"
        found = [(m[0], place, m[1]) for place, text in enumerate((self.title, words)) if (m := match(query, text))]
        return min((rank for rank in found if rank[0] < _GAPS or rank[1] == 0), default=None)


_GAPS = 3


def match(query: str, text: str) -> tuple[int, int] | None:
    """Rank of a match of the query in a text, best first; None without a match.

    The first number is 0 at the start of the text, 1 at the start of a word, 2 inside a word, and 3 with short gaps.
    The second is the length of the matched part.
    """
    query, text = query.lower().strip(), text.lower()
    found = text.find(query)
    if found >= 0:
        word = re.search(rf"\b{re.escape(query)}", text)
        return (0 if found == 0 else 1 if word else 2), len(query)
    start = end = -1
    for letter in query.replace(" ", ""):
        end = text.find(letter, end + 1)
        if end < 0:
            return None
        start = end if start < 0 else start
    return (_GAPS, end - start) if end - start <= _WIDEST_GAPS * len(query) else None


def place_in(query: str, session: Session) -> Location | None:
    """The location that a query names, such as "layer 1 t 5 unit 3", inside the result; None for other queries."""
    if session.result is None or not _PLACE.fullmatch(query.strip()):
        return None
    at = session.location
    for name, number in re.findall(_INDEX, query, re.IGNORECASE):
        at = at.moved(**{_FIELDS[name[0].lower()]: int(number)})
    for name in re.findall(_DIRECTION, query, re.IGNORECASE):
        at = at.moved(direction=int(name.lower() in (DIRECTIONS[1], "←")))
    return session.state.inside(at)


def entries_of(window: CommandHost, menu_bar: QMenuBar) -> Iterator[PaletteEntry]:
    """Every entry without a query: menus, tabs, quantities, candidates and settings."""
    # Not by `QAction.menu`, which passes the ownership of a menu to Python.
    menus = {menu.menuAction(): menu for menu in menu_bar.window().findChildren(QMenu)}
    for action in menu_bar.actions():
        yield from _menu_entries(action, menus)
    layout, head, session = window.main_layout, window.lanes.head, window.session
    for title in layout.tabs.titles:
        yield PaletteEntry(f"tab {title}", title, "Tab", partial(_show_tab, window, title))
    for place in head.colors.places():
        text = head.colors.itemText(place)
        yield PaletteEntry(f"color {text}", text, "Color by", partial(head.colors.choose, place))
    for place in range(head.engine.count()):
        text = head.engine.itemText(place)
        yield PaletteEntry(f"engine {text}", f"Lanes of {text}", "Engine", partial(head.engine.choose, place))
    for comparison in () if session.result is None else session.result.comparisons:
        name = comparison.candidate
        title = f"Compare with {display_name(name)}"
        yield PaletteEntry(f"candidate {name}", title, "Candidate", partial(session.set_candidate, name))
    for key, (title, why) in window.panel.visible_fields.items():
        yield PaletteEntry(f"setting {key}", title, "Setting", partial(_show_field, window, key), why=why, also=key)


def _menu_entries(action: QAction, menus: dict[QAction, QMenu], *path: str) -> Iterator[PaletteEntry]:
    """Entries of a menu with those of its submenus, or one entry; `path` are the titles of the menus above it."""
    menu = menus.get(action)
    # The text of a menu entry without its mnemonic.
    text = re.sub("&(.)", r"\1", action.text()).rstrip("…")
    if menu is not None:
        # Some menus list their entries when they open.
        menu.aboutToShow.emit()
        for inner in menu.actions():
            yield from _menu_entries(inner, menus, *path, text)
    elif action.objectName():
        shortcut = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        why = " ".join(action.toolTip().split())
        kind, enabled = " › ".join(path), action.isEnabled()
        yield PaletteEntry(action.objectName(), text, kind, action.trigger, shortcut, why, enabled=enabled)


def _show_tab(window: CommandHost, title: str) -> None:
    window.presentation.leave()
    window.first_screen.leave()
    window.main_layout.select_tab(title)
    window.main_layout.tabs.tabBar().setFocus(Qt.FocusReason.OtherFocusReason)


def _show_field(window: CommandHost, key: str) -> None:
    window.presentation.leave()
    window.show_setting(key)


class CommandPalette(QLineEdit):
    """The search field. While it has the keyboard, a sheet below it lists the matches, recently used ones first."""

    def __init__(self, window: CommandHost, parent: QMainWindow, settings: Settings) -> None:
        super().__init__(parent.menuBar())
        self._window, self._main, self._settings = window, parent, settings
        self._entries: Sequence[PaletteEntry] = ()
        self._shown: Sequence[PaletteEntry] = ()
        self._before: QWidget | None = None
        self.setObjectName("find_anything")
        self.setPlaceholderText(_NAME)
        self.setAccessibleName(_NAME)
        self.setAccessibleDescription(_HINT)
        self.setToolTip(wrapped(f"{_HINT} (Ctrl+K)"))
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._key = QLabel("Ctrl K", self)
        self._key.setObjectName("key")
        self._icon = self.addAction(self._main.windowIcon(), QLineEdit.ActionPosition.LeadingPosition)
        self.textChanged.connect(self._list)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._remember)
        self.list = QTreeWidget()
        self.list.setAccessibleName("Commands, values and settings")
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setColumnCount(3)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        header = self.list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.itemClicked.connect(self._run)
        self.list.currentItemChanged.connect(self._describe)
        self.note = QLabel()
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setProperty("muted", True)
        self.note.setWordWrap(True)
        self.sheet = QFrame(parent)
        self.sheet.setObjectName("sheet")
        self.sheet.setAccessibleName(_NAME)
        layout = QVBoxLayout(self.sheet)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.note)
        self.sheet.hide()
        self.corner = QWidget(parent.menuBar())
        """The widget at the end of the menu bar."""
        around = QHBoxLayout(self.corner)
        around.setContentsMargins(8, 2, 8, 2)
        around.addWidget(self)

    @property
    def entries(self) -> Sequence[PaletteEntry]:
        """The listed entries."""
        return self._shown

    def apply_theme(self, theme: Theme) -> None:
        self._icon.setIcon(Icons(theme).colored("search", "muted"))
        self._key.setFont(code_font(11))
        self._place_key()
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(scaled(_FIELD_WIDTH), scaled(24))

    def open(self, query: str = "") -> None:
        """Give the keyboard to the search field, with a query to change."""
        self.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.setText(query)
        self.selectAll()

    def close_sheet(self) -> None:
        """Close the sheet, and return the keyboard."""
        if self.hasFocus() and self._before is not None:
            self._before.setFocus()
        elif self.hasFocus():
            self.clearFocus()
        self._hide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_key()

    def _place_key(self) -> None:
        key = self._key.sizeHint()
        self._key.resize(key)
        self._key.move(self.width() - key.width() - 5, (self.height() - key.height()) // 2)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if not self.sheet.isVisible():
            self._show()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if event.reason() not in (Qt.FocusReason.PopupFocusReason, Qt.FocusReason.ActiveWindowFocusReason):
            self._hide()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key in _MOVES:
            self._move(_MOVES[Qt.Key(key)])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._run()
        elif key == Qt.Key.Key_Escape:
            self.close_sheet()
        else:
            super().keyPressEvent(event)

    def _remember(self, old: QWidget | None, new: QWidget | None) -> None:
        """Remember the control to which the keyboard returns."""
        if new is self:
            self._before = old

    def _show(self) -> None:
        entries: dict[str, PaletteEntry] = {}
        for entry in entries_of(self._window, self._main.menuBar()):
            entries.setdefault(entry.key, entry)
        self._entries = tuple(entries.values())
        self._key.hide()
        self._list()
        self.sheet.show()
        self.sheet.raise_()

    def _fit(self) -> None:
        """Place the sheet below the field, as high as its rows."""
        self.list.setVisible(bool(self._shown))
        top = self._main.menuBar().geometry().bottom() + 4
        width = min(scaled(_WIDTH), self._main.width() - 2 * _AROUND)
        rows = len(self._shown) * scaled(_ROW) + 2 * self.list.frameWidth() + scaled(4)
        self.list.setFixedHeight(min(rows, scaled(_HEIGHT), self._main.height() - top - scaled(64)))
        self.sheet.setFixedWidth(width)
        self.sheet.adjustSize()
        self.sheet.move(self._main.width() - width - _AROUND, top)

    def _hide(self) -> None:
        self.sheet.hide()
        self._key.show()
        self.clear()

    def _list(self) -> None:
        query = self.text()
        place = place_in(query, self._window.session)
        self._shown = self._found(query)
        if place is not None:
            run, why = partial(self._window.session.set_location, place), "Select this value."
            self._shown = [PaletteEntry("", f"Go to {place}", "Place", run, why=why), *self._shown]
        items = [self._item(entry) for entry in self._shown]
        first = next((item for item, entry in zip(items, self._shown, strict=True) if entry.enabled), None)
        with QSignalBlocker(self.list):
            # Only the row that is selected in the end is announced.
            self.list.clear()
            self.list.addTopLevelItems(items)
            if first is not None:
                self.list.setCurrentItem(first)
        self._describe()
        self._fit()

    def _found(self, query: str) -> list[PaletteEntry]:
        recent = self._settings.recent_commands

        def order(number: int, entry: PaletteEntry) -> tuple[int, ...] | None:
            rank = entry.rank(query) if query.strip() else (0, 0, 0)
            used = recent.index(entry.key) if entry.key in recent else len(recent)
            return None if rank is None else (*rank[:2], used, rank[2], number)

        ranked = [(order(number, entry), entry) for number, entry in enumerate(self._entries)]
        found = [(rank, entry) for rank, entry in ranked if rank is not None]
        return [entry for _, entry in sorted(found, key=lambda row: row[0])]

    def _describe(self, *_items: Any) -> None:
        entry = self._selected()
        self.note.setText(_NOTHING if entry is None else entry.why)
        # The keyboard stays in the field, so that a screen reader does not see the row.
        if self.hasFocus():
            announce(self, _NOTHING if entry is None else f"{entry.title}, {entry.kind}")

    def _selected(self) -> PaletteEntry | None:
        row = self.list.currentIndex().row()
        return self._shown[row] if row >= 0 else None

    def _move(self, by: int) -> None:
        """Select another entry that is available."""
        rows = [row for row, entry in enumerate(self._shown) if entry.enabled]
        if rows:
            place = rows.index(self.list.currentIndex().row()) + by
            self.list.setCurrentIndex(self.list.model().index(rows[min(max(place, 0), len(rows) - 1)], 0))

    def _run(self, *_item: Any) -> None:
        entry = self._selected()
        if entry is None or not entry.enabled:
            return
        if entry.key:
            others = [key for key in self._settings.recent_commands if key != entry.key]
            self._settings.recent_commands = (entry.key, *others)[:_MOST_RECENT]
        # After the keyboard has returned, on which some commands depend.
        QTimer.singleShot(0, self._main, entry.run)
        self.close_sheet()

    def _item(self, entry: PaletteEntry) -> QTreeWidgetItem:
        item = QTreeWidgetItem([entry.title, f"{entry.kind}  ", entry.shortcut])
        item.setSizeHint(0, QSize(0, scaled(_ROW)))
        for column in (1, 2):
            item.setForeground(column, self.palette().placeholderText())
        words = [entry.title, entry.kind, entry.shortcut, "" if entry.enabled else _UNAVAILABLE]
        item.setData(0, Qt.ItemDataRole.AccessibleTextRole, ", ".join(filter(None, words)))
        if not entry.enabled:
            item.setFlags(Qt.ItemFlag.NoItemFlags)
        return item
