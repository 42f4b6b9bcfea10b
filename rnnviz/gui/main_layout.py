"""Layout of the main window: settings panel or lesson, lanes, side views, tabs."""

from collections.abc import Sequence
from struct import Struct
from struct import error as NotPackedError
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rnnviz.gui.settings import Settings
from rnnviz.gui.tabs import TABS, BottomTabs
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ResultView

if TYPE_CHECKING:
    from rnnviz.io.session import SavedViewState

_PACKED = Struct(">iiIii?i")
"""Qt's format for two widgets: magic number, version, count, sizes, collapsible, handle width (-1: from the style)."""
_LARGEST, _WIDEST = 100_000, 100


def divide_as(splitter: QSplitter, state: QByteArray) -> bool:
    """Restore a splitter of two widgets from `saveState` data. Returns False if the data are invalid.

    Qt does not validate: it would create a handle wider than any screen.
    """
    try:
        _, _, parts, *sizes, _, handle = _PACKED.unpack_from(state.data())
    except NotPackedError:
        return False
    fits = parts == 2 and all(0 <= size <= _LARGEST for size in sizes) and -1 <= handle <= _WIDEST
    return fits and splitter.restoreState(state)


_LESSON_WIDTH, _NARROWEST = 420, 300
"""Initial and minimum width of a lesson, in pixels."""
_SHARE_OF_WINDOW, _LARGEST_SHARE = 3, 2 / 5
"""Initial width of a lesson as a part of the window's, and its largest minimum width with large text."""
_LESSON_SHARE, _PANEL_SHARE = 2, 1


class LeftColumn(QSplitter):
    """Widens for a lesson, and restores its width afterwards."""

    def __init__(self, panel: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self.panel = panel
        self._pane: QWidget | None = None
        self._width_before = 0
        self._sizes: list[int] = []
        self.addWidget(panel)
        self.setChildrenCollapsible(False)

    @property
    def is_open(self) -> bool:
        return self._pane is not None and not self._pane.isHidden()

    def open(self, pane: QWidget, state: QByteArray) -> None:
        """Show the lesson above the panel with the splitter `state`, if it is valid."""
        if self.is_open:
            return
        if self._pane is None:
            self._pane = pane
            self.insertWidget(0, pane)
            self.setStretchFactor(0, _LESSON_SHARE)
            self.setStretchFactor(1, _PANEL_SHARE)
        pane.show()
        self.show()
        if not divide_as(self, state):
            self._divide()
        self._width_before = self.width()
        self.fit_text_size()

    def fit_text_size(self) -> None:
        """Give an open lesson the width that its text needs, at most a part of the window's."""
        if self.is_open:
            window = self.window().width()
            self.setMinimumWidth(min(scaled(_NARROWEST), int(window * _LARGEST_SHARE)))
            wide = min(window // _SHARE_OF_WINDOW, scaled(_LESSON_WIDTH))
            self._widen(max(self._width_before, self.minimumWidth(), wide))

    def close_pane(self) -> None:
        if self._pane is not None and self.is_open:
            self._pane.hide()
            self.setMinimumWidth(0)
            self._widen(self._width_before)
            self.setHidden(self.panel.isHidden())

    def show_panel(self, *, shown: bool) -> None:
        """Show or hide the settings panel. Without a lesson, the column follows."""
        if self.is_open and not shown:
            self._sizes = self.sizes()
        self.panel.setVisible(shown)
        self.setVisible(shown or self.is_open)
        if self.is_open and shown:
            # At once, so that a part of the panel can be scrolled to.
            self._divide()

    def _divide(self) -> None:
        unit = max(self.height(), 1) // (_LESSON_SHARE + _PANEL_SHARE)
        kept = self._sizes if self._sizes and min(self._sizes) > 0 else None
        self.setSizes(kept or [_LESSON_SHARE * unit, _PANEL_SHARE * unit])

    def _widen(self, width: int) -> None:
        whole = self.parentWidget()
        if isinstance(whole, QSplitter) and width:
            first, *others = whole.sizes()
            others[0] += first - width
            whole.setSizes([width, *others])


_PANEL_WIDTH = 248
_LANES_SHARE = 6
_LESSON_SIDE = 290
_LEAST_SIDE, _MOST_SIDE = 290, 480
_LEAST_TABS, _MOST_TABS = 216, 380
_LEAST_LANES = 440, 240
"""Width and height below which the other panes start folded."""
_HANDLE = 12
_WIDEST_MINIMUM = 440
"""Largest minimum width of a pane, also with large text."""
_UNLIMITED = 16_777_215
"""Qt's maximum size of a widget without one."""


class FoldHandle(QToolButton):
    """Handle at the edge of a pane that folds it. Its arrow shows the direction in which the pane moves."""

    def __init__(self, name: str, why: str, edge: Qt.Edge) -> None:
        super().__init__()
        left, right, up, down = (getattr(Qt.ArrowType, f"{name}Arrow") for name in ("Left", "Right", "Up", "Down"))
        self._arrows = {Qt.Edge.LeftEdge: (left, right), Qt.Edge.RightEdge: (right, left)}.get(edge, (down, up))
        self.setAutoRaise(True)
        self.setObjectName("fold_handle")
        self.setAccessibleName(name)
        self.setToolTip(wrapped(why))
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        if edge != Qt.Edge.BottomEdge:
            self.setFixedWidth(_HANDLE)
            self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.show_folded(folded=False)

    def show_folded(self, *, folded: bool) -> None:
        self.setArrowType(self._arrows[folded])
        self.setAccessibleDescription("folded" if folded else "unfolded")


class PaneScrollArea(QScrollArea):
    """Scrolls a pane whose content would make the minimum size of the window too large."""

    def __init__(self, pane: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setWidget(pane)

    def minimumSizeHint(self) -> QSize:
        width = min(self.widget().minimumSizeHint().width(), _WIDEST_MINIMUM)
        return QSize(width, super().minimumSizeHint().height())


class MainLayout(QWidget):
    """The central widget. It reserves space for the lanes before they exist.

    Most of its methods fold, resize, choose and restore one of its panes each.
    """

    def __init__(
        self, panel: QWidget, verdict: ResultView, side: Sequence[ResultView], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._divided = self._restored = False
        self._narrowed: list[str] = []
        """Panes that are folded because the text is too large for them."""
        self._verdict = verdict
        self._before_enlarging: list[int] = []
        self._lent: dict[QSplitter, int] = {}
        self._folded: set[str] = set()
        self._presenting = False
        self._before_presenting: tuple[QSize, list[list[int]]] | None = None
        self._for_lesson = False
        self._side_before = 0
        self._heights: dict[str, int] = {}
        self._top_bars: list[QWidget] = []
        self._tab_before = 0
        self.handles = {
            "settings": FoldHandle("Fold settings panel", "Hides or shows the settings (F9).", Qt.Edge.LeftEdge),
            "side": FoldHandle("Fold side views", "Hides or shows the side views (Shift+F9).", Qt.Edge.RightEdge),
            "tabs": FoldHandle("Fold bottom pane", "Hides or shows the bottom pane (Ctrl+F9).", Qt.Edge.BottomEdge),
        }
        for pane, handle in self.handles.items():
            handle.clicked.connect(lambda _checked=False, pane=pane: self.toggle(pane))
        # From the outside to the inside: Qt styles a widget again whenever one around it gets another parent.
        layout = self._rows = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self.whole = QSplitter(Qt.Orientation.Horizontal)
        layout.addWidget(self.whole, 1)
        self.column = LeftColumn(panel, self.whole)
        work = QWidget()
        self.whole.addWidget(_row(self.handles["settings"], work))
        work_layout = self._work_rows = QVBoxLayout(work)
        work_layout.setContentsMargins(0, 8, 0, 0)
        work_layout.setSpacing(8)
        banner = self._banner = _row(verdict)
        banner.setContentsMargins(0, 0, 8, 0)
        work_layout.addWidget(banner)
        self._pages = QStackedWidget()
        work_layout.addWidget(self._pages, 1)
        self.upper = QSplitter(Qt.Orientation.Vertical)
        self._pages.addWidget(self.upper)
        self.middle = QSplitter(Qt.Orientation.Horizontal)
        self.upper.addWidget(_row(self.middle, self.handles["side"]))
        self.middle.addWidget(QWidget())
        self.side = QSplitter(Qt.Orientation.Vertical)
        self._side_scroll = PaneScrollArea(self.side)
        self.middle.addWidget(self._side_scroll)
        for view in side:
            self.side.addWidget(view)
        self.tabs = BottomTabs()
        self._drawer = PaneScrollArea(self.tabs)
        self.upper.addWidget(self._drawer)
        self.tabs.currentChanged.connect(self._on_tab)
        self.tabs.tabBarClicked.connect(self._on_tab_clicked)
        self.tabs.setCornerWidget(self.handles["tabs"])
        self.upper.splitterMoved.connect(self._keep_lent)
        self.side.splitterMoved.connect(self._keep_lent)
        # Stretch factors: everything grows with the window except the settings panel.
        self._splitters = {"whole": self.whole, "upper": self.upper, "middle": self.middle, "side": self.side}
        for splitter, shares in zip(self._splitters.values(), ((0, 1), (3, 1), (_LANES_SHARE, 1), (3, 2)), strict=True):
            splitter.setChildrenCollapsible(False)
            for place, share in enumerate(shares):
                splitter.setStretchFactor(place, share)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if not self._divided:
            self._divided = True
            self._divide(self.width(), self.height())
        elif self._restored:
            self._restored = False
            narrow = self._without_room(*self._usual_sizes(self.width(), self.height())[1:])
            # Folded by the text at the last start, too; a smaller text unfolds them.
            self._narrowed = [pane for pane in narrow if self.is_folded(pane)]
        elif self._narrowed and not self._presenting and not self._side_before:
            # No lesson is open. A larger window has room for them again.
            narrow = self._without_room(*self._usual_sizes(self.width(), self.height())[1:])
            for pane in set(self._narrowed) - set(narrow):
                self._narrowed.remove(pane)
                self.fold(pane, folded=False)
        if not self._presenting and self._before_presenting is not None and event.size() == self._before_presenting[0]:
            # After the window has its own size again; larger panes would not shrink as they grew.
            for splitter, sizes in zip(self._splitters.values(), self._before_presenting[1], strict=True):
                splitter.setSizes(sizes)
            self._before_presenting = None

    def _usual_sizes(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Widths of the settings, of the middle with the side views, and of these, and the height above the tabs."""
        panel = min(scaled(_PANEL_WIDTH), width // 3)
        middle = width - panel
        side = min(max(width // 5, scaled(_LEAST_SIDE)), scaled(_MOST_SIDE), middle // 2)
        return panel, middle, side, height - self._usual_tabs_height(height)

    def _divide(self, width: int, height: int) -> None:
        panel, middle, side, upper = self._usual_sizes(width, height)
        tabs = height - upper
        self.whole.setSizes([panel, middle])
        self.middle.setSizes([middle - side, side])
        self.upper.setSizes([upper, tabs])
        self.side.setSizes([upper // 2, upper // 2])
        self._make_room(middle, side, upper)

    def _make_room(self, middle: int, side: int, upper: int) -> None:
        """Fold the panes that would leave too little to the lanes, by their widths and the height above the tabs."""
        for pane in self._without_room(middle, side, upper):
            if self.is_folded(pane):
                continue
            self._narrowed.append(pane)
            self.fold(pane, folded=True)

    def _without_room(self, middle: int, side: int, upper: int) -> list[str]:
        least_width, least_height = map(scaled, _LEAST_LANES)
        narrow = {
            "side": middle - side < least_width,
            "settings": middle < least_width,
            "tabs": upper - self._verdict.sizeHint().height() < least_height,
        }
        return [pane for pane, lacks in narrow.items() if lacks]

    def set_lanes(self, lanes: ResultView) -> None:
        self.middle.replaceWidget(0, lanes).deleteLater()
        # A splitter stores the stretch factor in the widget that was replaced.
        self.middle.setStretchFactor(0, _LANES_SHARE)

    @property
    def covered(self) -> bool:
        return self._pages.currentWidget() is not self.upper

    def cover(self, page: QWidget) -> None:
        self._pages.setCurrentIndex(self._pages.addWidget(page))

    def uncover(self) -> None:
        """Show the lanes again, which get the keyboard of the page that covers them."""
        focused = self._pages.currentWidget().isAncestorOf(self.window().focusWidget())
        self._pages.setCurrentWidget(self.upper)
        if focused:
            self.middle.widget(0).setFocus()

    def select_tab(self, title: str) -> None:
        """Put a view in front of the tabs, and unfold them. The lanes get the keyboard of the page that is hidden."""
        self.fold("tabs", folded=False)
        focused = self.window().focusWidget()
        inside = self.tabs.isAncestorOf(focused)
        self.tabs.select(title)
        if inside and not focused.isVisible():
            self.middle.widget(0).setFocus()

    @property
    def parts(self) -> list[QWidget]:
        """The panes in reading order; some may be hidden."""
        column = [self.column.widget(place) for place in range(self.column.count())]
        if self._presenting:
            return [self._verdict, self.middle.widget(0)]
        if self.covered:
            return [*column, self._verdict, self._pages.currentWidget()]
        side = [self.side.widget(place) for place in range(self.side.count())]
        return [*column, self._verdict, self.middle.widget(0), *side, self.tabs]

    def is_folded(self, pane: str) -> bool:
        return pane in self._folded

    def toggle(self, pane: str) -> None:
        """Fold or unfold a pane by the user's choice, which a change of the text size keeps."""
        if pane in self._narrowed:
            self._narrowed.remove(pane)
        self.fold(pane, folded=not self.is_folded(pane))

    def fold(self, pane: str, *, folded: bool) -> None:
        """Fold or unfold "settings", "side" or "tabs". Of the tabs, the bar stays visible."""
        if folded == self.is_folded(pane):
            return
        page = self.tabs.findChild(QStackedWidget)
        assert isinstance(page, QStackedWidget), "every QTabWidget has one"
        parts: dict[str, QWidget] = {"settings": self.column.panel, "side": self._side_scroll, "tabs": page}
        if folded and parts[pane].isAncestorOf(self.window().focusWidget()):
            self.middle.widget(0).setFocus()
        if pane == "tabs" and folded:
            self.restore_tabs()
            self._before_enlarging = []
            self._keep_height()
        (self._folded.add if folded else self._folded.remove)(pane)
        self.handles[pane].show_folded(folded=folded)
        if pane == "settings":
            self.column.show_panel(shown=not folded)
            self.column.setHidden(self.column.isHidden() or self._presenting)
            return
        parts[pane].setVisible(not (folded or (pane == "side" and self._presenting)))
        if pane == "tabs":
            self.rescale()
            if not folded:
                self.set_tabs_height(
                    self._heights.get(TABS[self.tabs.currentIndex()], self._usual_tabs_height(self.height()))
                )

    @property
    def folded(self) -> tuple[str, ...]:
        """Panes that the user has folded, unlike those that a lesson or a large text folds."""
        lesson = {"settings"} if self._for_lesson else set()
        return tuple(sorted(self._folded - lesson - set(self._narrowed)))

    def restore_folded(self, panes: Sequence[str]) -> None:
        """Fold these panes and unfold the others, except those that a lesson or a large text folds."""
        for pane in self.handles:
            if pane in self.folded or not self.is_folded(pane):
                self.fold(pane, folded=pane in panes)

    def fit_text_size(self) -> None:
        """Fold the panes that a larger text leaves no room for, and unfold them with a smaller one."""
        self.column.fit_text_size()
        while self._narrowed:
            self.fold(self._narrowed.pop(), folded=False)
        self._make_room(*self._usual_sizes(self.width(), self.height())[1:])
        self.rescale()

    def rescale(self) -> None:
        """Limit the folded tabs to the height of their bar."""
        bar = self.tabs.tabBar().sizeHint().height() + 1
        for widget in (self.tabs, self._drawer):
            widget.setMinimumHeight(bar if self.is_folded("tabs") else 0)
            widget.setMaximumHeight(bar if self.is_folded("tabs") else _UNLIMITED)
        # A row of tabs has arrows for those without room; a scroll bar would cover it.
        self.tabs.setMinimumWidth(1 if self.is_folded("tabs") else 0)

    def present(self, *, on: bool) -> None:
        """Show only the banner and the lanes, or the panes that are not folded again, in their sizes."""
        if on:
            self._before_presenting = self.size(), [splitter.sizes() for splitter in self._splitters.values()]
        self._presenting = on
        for bar in self._top_bars:
            bar.setHidden(on)
        self._banner.setContentsMargins(8 if on else 0, 0, 8, 0)
        self.column.show_panel(shown=not self.is_folded("settings"))
        self.column.setHidden(self.column.isHidden() or on)
        self._side_scroll.setHidden(on or self.is_folded("side"))
        self._drawer.setHidden(on)
        for handle in self.handles.values():
            handle.setHidden(on)
        self.middle.widget(0).setFocus()

    def open_lesson(self, pane: QWidget, state: QByteArray) -> None:
        """Open the column of a lesson with its splitter `state`, and fold the settings panel until `close_lesson`.

        The next start shows the panel again.
        """
        self._side_before = self._side_before or self.middle.sizes()[1]
        self.column.open(pane, state)
        if not self.is_folded("settings"):
            self.fold("settings", folded=True)
            self._for_lesson = True
        # The lesson takes its width from the lanes, before the side views elide their numbers.
        lanes, side = self.middle.sizes()
        lack = min(scaled(_LESSON_SIDE), (lanes + side) // 2) - side
        if lack > 0 and not self.is_folded("side"):
            self.middle.setSizes([lanes - lack, side + lack])

    def close_lesson(self) -> None:
        """Close the lesson's column, and revert `open_lesson`."""
        if self._for_lesson:
            self._for_lesson = False
            self.fold("settings", folded=False)
        self.column.close_pane()
        lanes, side = self.middle.sizes()
        if self._side_before and side:
            self.middle.setSizes([lanes + side - self._side_before, self._side_before])
        self._side_before = 0

    def _on_tab(self, place: int) -> None:
        borrowed = self.upper in self._lent or self._before_enlarging or self.is_folded("tabs")
        if not borrowed:
            self._keep_height()
            self.set_tabs_height(self._heights.get(TABS[place], 0))
        self._tab_before = place

    def _on_tab_clicked(self, place: int) -> None:
        if place >= 0:
            self.fold("tabs", folded=False)

    def _keep_height(self) -> None:
        height = self.upper.sizes()[1]
        if height and not self.is_folded("tabs"):
            self._heights[TABS[self._tab_before]] = height

    def set_tabs_height(self, height: int) -> None:
        room = sum(self.upper.sizes())
        if 0 < height < room:
            self.upper.setSizes([room - height, height])

    def _usual_tabs_height(self, height: int) -> int:
        return min(max(height // 4, scaled(_LEAST_TABS)), scaled(_MOST_TABS), height // 2)

    def enlarge_tabs(self) -> None:
        self.fold("tabs", folded=False)
        self.restore_tabs()
        before, self._before_enlarging = self._before_enlarging, []
        if not before:
            self._before_enlarging = self.upper.sizes()
        self.upper.setSizes(before or [0, sum(self.upper.sizes())])

    def expand_tabs(self, height: int) -> None:
        """Enlarge the tabs to `height`, at most to half of the height, until `restore_tabs`."""
        self.fold("tabs", folded=False)
        self._lend(self.upper, height, 1 / 2)

    def expand_side(self, view: QWidget, height: int) -> None:
        """Enlarge the lower side view to `height`, at most to two thirds of the height, until `restore_tabs`."""
        if self.side.widget(1) is view:
            self._lend(self.side, height, 2 / 3)

    def _lend(self, splitter: QSplitter, height: int, most: float) -> None:
        above, below = splitter.sizes()
        more = min(height, int((above + below) * most)) - below
        if more > 0:
            splitter.setSizes([above - more, below + more])
            # The upper pane keeps its minimum height.
            self._lent[splitter] = self._lent.get(splitter, 0) + splitter.sizes()[1] - below

    def _keep_lent(self) -> None:
        self._lent.clear()

    def restore_tabs(self) -> None:
        """Revert `expand_tabs` and `expand_side`, unless the user has moved the splitter since."""
        for splitter, lent in self._lent.items():
            above, below = splitter.sizes()
            if below > lent:
                splitter.setSizes([above + lent, below - lent])
        self._lent.clear()

    def save(self, settings: Settings) -> None:
        self.restore_tabs()
        self._keep_height()
        settings.folded = tuple(sorted(self._folded - ({"settings"} if self._for_lesson else set())))
        for title, height in self._heights.items():
            settings.set_tab_height(title, height)
        for name, splitter in self._splitters.items():
            settings.set_layout(name, splitter.saveState())

    def restore(self, settings: Settings) -> None:
        """Restore the splitter states, if all are valid, the folded panes, and the height of each tab."""
        states = {name: settings.layout(name) for name in self._splitters}
        self._divided = all(divide_as(self._splitters[name], state) for name, state in states.items())
        self._restored = self._divided
        self._heights = {title: height for title in TABS if (height := settings.tab_height(title))}
        for pane in settings.folded:
            if pane in self.handles:
                self.fold(pane, folded=True)

    def add_top_bar(self, bar: QWidget) -> None:
        """Add a bar above all panes, which is hidden during a presentation."""
        row = _row(bar)
        self._top_bars.append(row)
        self._rows.insertWidget(0, row)
        row.setHidden(self._presenting)

    def shares(self) -> dict[str, float]:
        """The share of the first pane of each splitter without a folded pane, by the splitter's name."""
        sizes = {name: splitter.sizes() for name, splitter in self._splitters.items() if not self._has_folded(name)}
        return {name: parts[0] / sum(parts) for name, parts in sizes.items() if sum(parts) > 0}

    def restore_shares(self, state: "SavedViewState") -> None:
        for name, splitter in self._splitters.items():
            share, room = getattr(state, name), sum(splitter.sizes())
            if share is not None and room > 0 and not self._has_folded(name):
                splitter.setSizes([round(share * room), room - round(share * room)])

    def _has_folded(self, splitter: str) -> bool:
        return {"whole": "settings", "upper": "tabs", "middle": "side", "side": "side"}[splitter] in self._folded


def _row(*widgets: QWidget) -> QWidget:
    """A widget that lays out others from left to right without gaps."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    for widget in widgets:
        layout.addWidget(widget)
    return row
