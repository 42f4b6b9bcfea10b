"""Layout of the main window: bars at the top, lanes in the middle, docks around them."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QRect, Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow, QStackedWidget, QToolBar, QToolButton, QWidget

from rnnviz.gui.docks import Docks
from rnnviz.gui.settings import Settings
from rnnviz.gui.tabs import BottomTabs
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import down

if TYPE_CHECKING:
    from rnnviz.io.session import SavedViewState

SETTINGS, VALUE = "Settings", "Value"
"""Titles of docks that every window has."""
_LESSON = "Lesson"
TOP_LINE, VERDICT, TABS = "top line", "verdict", "tabs"
"""Names of the parts that a step of a lesson may do without; the tabs can be folded, too."""
_ALL = TOP_LINE, VERDICT, TABS
_VALUE_WIDTHS = ((0, 362), (1440, 404), (2200, 560))
"""Width of the value's dock by the least width of the window."""
_NARROW, _LOW = 1100, 1000
"""Width of a window below which the value lies over the lanes, and height below which the tabs start folded."""
_LEAST_TABS, _MOST_TABS = 216, 380
_LESSON_WIDTH = 384
_LAYOUT = "docks"
_UNLIMITED = 16_777_215
"""Qt's maximum size of a widget without one."""


class MainLayout(QObject):
    """Places the parts of a main window, and covers its work by a page such as the first screen.

    Most of its methods open, fold, size or restore one part each.
    """

    def __init__(self, window: QMainWindow, verdict: QWidget, brief_verdict: QWidget, tabs: BottomTabs) -> None:
        super().__init__(window)
        self.window = window
        self._bars: list[QToolBar] = []
        self._inside: dict[QToolBar, QWidget] = {}
        """The widgets of the bars that are there while these are not hidden."""
        self._before_enlarging = 0
        self._fresh, self._restored = True, False
        self._narrow = self._presenting = False
        self.kept_in_view: Callable[[], QRect] = QRect
        """The part of the lanes that a pane over them does not cover."""
        self._needed = frozenset(_ALL)
        self.working = True
        """Whether the work is shown: no page covers it."""
        self.folded = False
        """Whether the tabs are folded to their bar."""
        self.docks = Docks(window)
        self.tabs = tabs
        self.pages = QStackedWidget()
        self._lanes: QWidget = QWidget()
        self.pages.addWidget(self._lanes)
        window.setCentralWidget(self.pages)
        self._verdict_bar = self.add_bar(verdict)
        self._brief_verdict = brief_verdict
        window.statusBar().addWidget(brief_verdict, 1)
        # Where Qt writes messages.
        window.statusBar().setContentsMargins(4, 0, 0, 0)
        brief_verdict.hide()
        self._drawer = QDockWidget("More views", window)
        self._drawer.setObjectName("More views")
        self._drawer.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)
        self._drawer.setTitleBarWidget(QWidget())
        self._drawer.setWidget(tabs)
        self._drawer.toggleViewAction().setVisible(False)
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self._drawer)
        self._fold_button = QToolButton()
        self._fold_button.setAutoRaise(True)
        self._fold_button.setAccessibleName("Fold tabs")
        self._fold_button.setToolTip(wrapped("Hide or show the views under the lanes (Ctrl+F9)."))
        self._fold_button.clicked.connect(lambda: self.fold_tabs(folded=not self.folded))
        tabs.setCornerWidget(self._fold_button)
        tabs.tabBarClicked.connect(lambda place: self.fold_tabs(folded=False) if place >= 0 else None)
        tabs.tabBarDoubleClicked.connect(lambda _place: self.enlarge_tabs())
        self.fold_tabs(folded=False)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show and self._fresh:
            self._fresh = False
            self._fit_first()
        elif event.type() == QEvent.Type.Resize:
            self._make_room()
        return False

    def add_bar(self, widget: QWidget) -> QToolBar:
        """Add a bar over the others, which is there while `widget` is not hidden."""
        bar = widget if isinstance(widget, QToolBar) else QToolBar(widget.accessibleName().partition(":")[0])
        bar.setObjectName(bar.objectName() or f"bar {len(self._bars)}")
        bar.setMovable(False)
        bar.toggleViewAction().setVisible(False)
        if bar is not widget:
            # A toolbar would show and hide its widget itself.
            holder = QWidget()
            holder.setLayout(down(widget))
            bar.addWidget(holder)
            self._inside[bar] = widget
            widget.installEventFilter(_HidesWith(bar, self))
            bar.setHidden(widget.isHidden())
        if self._bars:
            self.window.insertToolBar(self._bars[0], bar)
            self.window.insertToolBarBreak(self._bars[0])
        else:
            self.window.addToolBar(bar)
        self._bars.insert(0, bar)
        return bar

    def refresh_bar(self, bar: QToolBar) -> None:
        """Show a bar with its widget, or hide it."""
        shown = self.working or (self._presenting and bar is self._verdict_bar)
        bar.setVisible(shown and self._is_needed(bar))

    def set_lanes(self, lanes: QWidget, *, keep: bool = False) -> None:
        """Put the lanes in the middle; with `keep`, what was there before is used elsewhere."""
        self.pages.insertWidget(0, lanes)
        if not self.covered:
            self.pages.setCurrentIndex(0)
        self.pages.removeWidget(self._lanes)
        if not keep:
            self._lanes.deleteLater()
        self._lanes = lanes

    def lend_lanes(self) -> QWidget:
        """Take the lanes out of the window, until `set_lanes` puts them back."""
        lanes = self._lanes
        self.set_lanes(QWidget(), keep=True)
        return lanes

    @property
    def covered(self) -> bool:
        return self.pages.currentWidget() is not self._lanes

    def cover(self, page: QWidget) -> None:
        """Show a page in place of the window's work: its lanes, bars and docks."""
        self.pages.setCurrentIndex(self.pages.addWidget(page))
        self._show_work(shown=False)
        page.setFocus()

    def uncover(self) -> None:
        """Show the work again. The lanes get the keyboard of the page that covers them."""
        focused = self.pages.currentWidget().isAncestorOf(self.window.focusWidget())
        self.pages.setCurrentWidget(self._lanes)
        self._show_work(shown=True)
        if focused:
            self._lanes.setFocus()

    def present(self, *, on: bool) -> None:
        """Show only the lanes, the verdict and the value, or all that was open before."""
        self._presenting = on
        self._show_work(shown=not on)
        if on and self.docks.is_open(VALUE):
            self.docks[VALUE].show_open(shown=True)
        self._lanes.setFocus()

    def _show_work(self, *, shown: bool) -> None:
        self.working = shown
        self._drawer.setVisible(shown and TABS in self._needed)
        self._brief_verdict.setVisible(shown and VERDICT not in self._needed)
        for bar in self._bars:
            self.refresh_bar(bar)
        self.docks.hide_all(hidden=not shown)

    def _is_needed(self, bar: QToolBar) -> bool:
        if bar is self._verdict_bar:
            return VERDICT in self._needed
        if bar in self._inside:
            return not self._inside[bar].isHidden()
        return TOP_LINE in self._needed

    def open_lesson(self, pane: QWidget) -> None:
        """Show a lesson at the left."""
        if _LESSON not in self.docks:
            self.docks.add(_LESSON, pane, _LESSON_WIDTH, left=True)
        self.docks.open(_LESSON)

    def show_needed(self, needed: Iterable[str]) -> None:
        """Show of the top line, the verdict and the tabs what a step of a lesson needs."""
        self._needed = frozenset(needed)
        self._show_work(shown=self.working)

    def close_lesson(self) -> None:
        self.docks.close(_LESSON)
        self.show_needed(_ALL)

    @property
    def parts(self) -> list[QWidget]:
        """The parts of the window in reading order; some may be hidden."""
        if self.covered:
            return [
                self.window.menuBar(),
                self.pages.currentWidget(),
                *(dock for dock in self.docks if dock.isVisible()),
            ]
        left: list[QWidget] = []
        right: list[QWidget] = []
        for dock in self.docks:
            at_left = self.window.dockWidgetArea(dock) == Qt.DockWidgetArea.LeftDockWidgetArea
            (left if at_left else right).append(dock)
        return [*left, *self._bars, self._lanes, self.tabs, *right]

    def select_tab(self, title: str) -> None:
        """Put the view of a title in front, in its tab, and unfold the tabs."""
        self._needed |= {TABS}
        self._drawer.setVisible(self.working)
        self.fold_tabs(folded=False)
        front = self.tabs.front
        if front is not None and title != front.title and front.isAncestorOf(self.window.focusWidget()):
            self._lanes.setFocus()
        self.tabs.select(title)

    def fold_tabs(self, *, folded: bool) -> None:
        """Fold the tabs under the lanes to their bar, or unfold them."""
        height = self.tabs.height()
        self.folded = folded
        if folded and self.tabs.currentWidget().isAncestorOf(self.window.focusWidget()):
            self._lanes.setFocus()
        self._fold_button.setArrowType(Qt.ArrowType.UpArrow if folded else Qt.ArrowType.DownArrow)
        self._fold_button.setAccessibleDescription("folded" if folded else "unfolded")
        self.rescale()
        if not folded and height <= self.bar_height:
            self.set_tabs_height(self._usual_tabs_height)

    @property
    def bar_height(self) -> int:
        return self.tabs.tabBar().sizeHint().height() + 1

    def rescale(self) -> None:
        """Limit the folded tabs to the height of their bar, which grows with the text."""
        self.tabs.setMinimumHeight(self.bar_height if self.folded else 0)
        self.tabs.setMaximumHeight(self.bar_height if self.folded else _UNLIMITED)

    def fit_text_size(self) -> None:
        self.rescale()
        self._make_room()
        self._fit_value()

    def enlarge_tabs(self) -> None:
        """Give the tabs nearly all the height, or the height that they had before."""
        self.fold_tabs(folded=False)
        before, self._before_enlarging = self._before_enlarging, 0
        if not before:
            self._before_enlarging = self.tabs.height()
        self.set_tabs_height(before or self.window.height())

    def set_tabs_height(self, height: int) -> None:
        self.window.resizeDocks([self._drawer], [height], Qt.Orientation.Vertical)

    @property
    def _usual_tabs_height(self) -> int:
        return min(max(self.window.height() // 4, scaled(_LEAST_TABS)), scaled(_MOST_TABS))

    def _fit_first(self) -> None:
        """Divide a window that is shown for the first time, where an earlier one left no sizes."""
        self._make_room()
        if not self._restored:
            self.docks.open(VALUE)
            self.fold_tabs(folded=self.window.height() < scaled(_LOW))
            self._fit_value()
            if not self.folded:
                self.set_tabs_height(self._usual_tabs_height)
        self.docks.hide_all(hidden=self.covered)

    def _make_room(self) -> None:
        """Let the value lie over the lanes of a narrow window."""
        narrow = self.window.width() < scaled(_NARROW)
        if narrow != self._narrow:
            self._narrow = narrow
            self.docks[VALUE].lie_over(self.pages if narrow else None)
        if narrow:
            self.place_value()

    def place_value(self) -> None:
        """Move the value that lies over the lanes away from what is selected."""
        if self._narrow:
            self.docks[VALUE].place_over(self.pages.rect(), self.kept_in_view())

    def _fit_value(self) -> None:
        width = max(width for least, width in _VALUE_WIDTHS if self.window.width() >= least)
        self.window.resizeDocks([self.docks[VALUE]], [scaled(width)], Qt.Orientation.Horizontal)

    def save(self, settings: Settings) -> None:
        settings.set_layout(_LAYOUT, self.docks.save())
        settings.panes = self.open_panes

    def restore(self, settings: Settings) -> None:
        """Restore the docks of the last window, if its state is valid."""
        state = settings.layout(_LAYOUT)
        if not state.isEmpty() and self.docks.restore(state):
            self._restored = True
            self.open_only(settings.panes)

    @property
    def open_panes(self) -> tuple[str, ...]:
        """Names of the open panes that a new window opens again."""
        shown = [title for title in (SETTINGS, VALUE) if self.docks.is_open(title)]
        return (*shown, *(() if self.folded else (TABS,)))

    def open_only(self, panes: Sequence[str]) -> None:
        """Open these panes and close the others."""
        for title in (SETTINGS, VALUE):
            (self.docks.open if title in panes else self.docks.close)(title)
        self.fold_tabs(folded=TABS not in panes)

    def shares(self) -> dict[str, float]:
        """The share of the lanes of the height with the tabs ("upper"), and of the width with the value ("middle")."""
        width, height = self._lanes.width(), self._lanes.height()
        found = {} if self.folded else {"upper": height / max(height + self._drawer.height(), 1)}
        value = self.docks[VALUE]
        if self.docks.is_open(VALUE) and not value.isFloating():
            found["middle"] = width / max(width + value.width(), 1)
        return found

    def restore_shares(self, state: "SavedViewState") -> None:
        value, sizes = self.docks[VALUE], (self._lanes.size(), self._drawer.size())
        if state.upper is not None and not self.folded:
            self.set_tabs_height(round((1 - state.upper) * (sizes[0].height() + sizes[1].height())))
        if state.middle is not None and self.docks.is_open(VALUE):
            width = round((1 - state.middle) * (sizes[0].width() + value.width()))
            self.window.resizeDocks([value], [width], Qt.Orientation.Horizontal)


class _HidesWith(QObject):
    """Hides a bar with its widget."""

    def __init__(self, bar: QToolBar, layout: MainLayout) -> None:
        super().__init__(layout)
        self._bar, self._layout = bar, layout

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            self._layout.refresh_bar(self._bar)
        return False
