"""The command palette: a search over commands, values, tabs, quantities, engines and settings."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
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
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.table import COMMANDS, CommandHost
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.scaling import scaled, space_dialog
from rnnviz.gui.views.table import ROW_HEIGHT

_COMMANDS = {command.id for command in COMMANDS}
_MOST_RECENT = 8
_WIDEST_GAPS = 6
"""Length of a match with gaps, relative to the query, above which it is chance."""
_WIDTH, _HEIGHT, _AROUND = 620, 420, 32
_HINT = "Command, setting, tab, lesson, engine, or a place such as t 12 unit 3"
_NOTHING = "Nothing matches."
_UNAVAILABLE = "Not available now."

_INDEX = r"(layer|l|time ?step|t|sample|n|unit|u)\s*=?\s*(\d{1,9})"
_DIRECTION = r"(forward|backward|→|←)"
_PLACE = re.compile(rf"(?:(?:{_INDEX}|{_DIRECTION})[\s,]*)+", re.IGNORECASE)
_FIELDS = {"l": "layer", "t": "timestep", "s": "sample", "n": "sample", "u": "unit"}


@dataclass(frozen=True)
class PaletteEntry:
    """A row of the palette.

    `key` identifies the entry in the settings, `kind` is its menu or kind, and `also` are further words to match.
    """

    key: str
    title: str
    kind: str
    run: Callable[[], object]
    shortcut: str = ""
    why: str = ""
    also: str = ""
    enabled: bool = True


def match(query: str, text: str) -> tuple[int, int] | None:
    """Rank of a match of the query as a subsequence, best first; None without a match.

    The first number is 0 at the start of the text, 1 at the start of a word, 2 inside a word, and 3 with gaps. The
    second is the length of the matched part.
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
    return (3, end - start) if end - start <= _WIDEST_GAPS * len(query) else None


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
    layout, colors, session = window.main_layout, window.toolbar.colors, window.session
    for title in layout.tabs.titles:
        yield PaletteEntry(f"tab {title}", title, "Tab", partial(_show_tab, window, title))
    for place in colors.places():
        text, engine = colors.itemText(place), colors.itemData(place)[1]
        title, kind = (text, "Color by") if engine is None else (f"Values of {text}", "Engine")
        yield PaletteEntry(f"color {text}", title, kind, partial(colors.choose, place))
    for comparison in () if session.result is None else session.result.comparisons:
        name = comparison.candidate
        title = f"Compare with {display_name(name)}"
        yield PaletteEntry(f"candidate {name}", title, "Candidate", partial(session.set_candidate, name))
    for key, (title, why) in window.panel.visible_fields.items():
        yield PaletteEntry(f"setting {key}", title, "Setting", partial(_show_field, window, key), why=why, also=key)


def _menu_entries(action: QAction, menus: dict[QAction, QMenu], *path: str) -> Iterator[PaletteEntry]:
    """Entries of a menu with those of its submenus, or one entry; `path` are the titles of the menus above it."""
    menu = menus.get(action)
    text = _plain(action.text()).rstrip("…")
    if menu is not None:
        # Some menus list their entries when they open.
        menu.aboutToShow.emit()
        for inner in menu.actions():
            yield from _menu_entries(inner, menus, *path, text)
    elif action.objectName():
        shortcut = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        why = " ".join(action.toolTip().split())
        title = text if action.objectName() in _COMMANDS else ": ".join((*path[1:], text))
        enabled = action.isEnabled()
        yield PaletteEntry(action.objectName(), title, path[0], action.trigger, shortcut, why, enabled=enabled)


def _plain(text: str) -> str:
    """The text of a menu entry without its mnemonic."""
    return re.sub("&(.)", r"\1", text)


def _show_tab(window: CommandHost, title: str) -> None:
    window.presentation.leave()
    window.first_screen.leave()
    window.main_layout.select_tab(title)
    window.main_layout.tabs.tabBar().setFocus(Qt.FocusReason.OtherFocusReason)


def _show_field(window: CommandHost, key: str) -> None:
    window.presentation.leave()
    window.main_layout.fold("settings", folded=False)
    window.panel.reveal_field(key)


class CommandPalette(QDialog):
    """A line to search, and the matching entries: recently used ones first among equal matches."""

    def __init__(self, window: CommandHost, parent: QWidget, menu_bar: QMenuBar, settings: Settings) -> None:
        super().__init__(parent)
        self.setWindowTitle("Find command")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._session, self._settings = window.session, settings
        entries: dict[str, PaletteEntry] = {}
        for entry in entries_of(window, menu_bar):
            # A command of a submenu may be in the menu, too.
            if entry.key not in entries or len(entry.title) < len(entries[entry.key].title):
                entries[entry.key] = entry
        self._entries = tuple(entries.values())
        self._shown: Sequence[PaletteEntry] = ()
        self.search = QLineEdit()
        self.search.setPlaceholderText(_HINT)
        self.search.setAccessibleName("Search")
        self.search.setAccessibleDescription(_HINT)
        self.search.setToolTip("Fuzzy search: nxm finds Next mismatch.")
        self.search.setClearButtonEnabled(True)
        self.search.installEventFilter(self)
        self.search.textChanged.connect(self._list)
        self.list = QTreeWidget()
        self.list.setAccessibleName("Commands, values and settings")
        self.list.setToolTip("Enter runs the selected entry.")
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
        layout = QVBoxLayout(self)
        space_dialog(layout)
        for widget in (self.search, self.list, self.note):
            layout.addWidget(widget, int(widget is self.list))
        room = parent.window().size().boundedTo(self.screen().availableSize()) - QSize(_AROUND, _AROUND)
        self.resize(QSize(scaled(_WIDTH), scaled(_HEIGHT)).boundedTo(room))
        self._list()

    @property
    def entries(self) -> Sequence[PaletteEntry]:
        """The listed entries."""
        return self._shown

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Move in the list by keys while the search line has the focus."""
        moves = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and event.key() in moves:
            QApplication.sendEvent(self.list, event)
            return True
        return False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._run()
        else:
            super().keyPressEvent(event)

    def _list(self) -> None:
        query = self.search.text()
        place = place_in(query, self._session)
        self._shown = self._found(query)
        if place is not None:
            run, why = partial(self._session.set_location, place), "Select this value."
            self._shown = [PaletteEntry("", f"Go to {place}", "Place", run, why=why), *self._shown]
        self.list.clear()
        items = [self._item(entry) for entry in self._shown]
        self.list.addTopLevelItems(items)
        first = next((item for item, entry in zip(items, self._shown, strict=True) if entry.enabled), None)
        if first is not None:
            self.list.setCurrentItem(first)
        self._describe()

    def _found(self, query: str) -> list[PaletteEntry]:
        recent = self._settings.recent_commands
        ranked = []
        for number, entry in enumerate(self._entries):
            # A match of the title comes before one of the menu.
            ranks = (match(query, entry.title), match(query, f"{entry.kind} {entry.title} {entry.also}"))
            found = [(rank[0], place, rank[1]) for place, rank in enumerate(ranks) if rank is not None]
            if found:
                kind, place, length = min(found)
                used = recent.index(entry.key) if entry.key in recent else len(recent)
                ranked.append((kind, place if query else 0, used, length, number, entry))
        return [entry for *_, entry in sorted(ranked, key=lambda row: row[:-1])]

    def _item(self, entry: PaletteEntry) -> QTreeWidgetItem:
        item = QTreeWidgetItem([entry.title, entry.kind, entry.shortcut])
        item.setSizeHint(0, QSize(0, scaled(ROW_HEIGHT)))
        words = [entry.title, entry.kind, entry.shortcut, "" if entry.enabled else _UNAVAILABLE]
        item.setData(0, Qt.ItemDataRole.AccessibleTextRole, ", ".join(filter(None, words)))
        if not entry.enabled:
            item.setFlags(Qt.ItemFlag.NoItemFlags)
        return item

    def _describe(self, *_items: Any) -> None:
        entry = self._selected()
        self.note.setText(_NOTHING if entry is None else entry.why)

    def _selected(self) -> PaletteEntry | None:
        row = self.list.currentIndex().row()
        return self._shown[row] if row >= 0 else None

    def _run(self, *_item: Any) -> None:
        entry = self._selected()
        if entry is None or not entry.enabled:
            return
        if entry.key:
            others = [key for key in self._settings.recent_commands if key != entry.key]
            self._settings.recent_commands = (entry.key, *others)[:_MOST_RECENT]
        # After the dialog has returned the focus, on which some commands depend.
        QTimer.singleShot(0, self.parent(), entry.run)
        self.accept()
