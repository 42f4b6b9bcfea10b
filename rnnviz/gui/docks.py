"""Docks of the main window: panes around the lanes that can be closed, floated, nested and put back."""

from collections.abc import Iterator
from functools import partial

from PySide6.QtCore import QByteArray, QChildEvent, QEvent, QObject, QRect, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QAbstractScrollArea,
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QScrollArea,
    QTabBar,
    QTabWidget,
    QWidget,
)

from rnnviz.gui.tab_order import move_to_part
from rnnviz.gui.theme.icons import IconButton
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.base import across, down

_STATE_VERSION = 1
_NARROWEST = 440
"""Largest minimum width of a pane, also with large text."""
_LEAST_BESIDE = 240
"""Least width of a pane at the side of what it does not cover."""
_BUTTON = 28
"""Side of the button in the head of a pane's content."""


class PaneScrollArea(QScrollArea):
    """Scrolls a pane whose content would make the minimum size of the window too large."""

    def __init__(self, pane: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setWidget(pane)

    def minimumSizeHint(self) -> QSize:
        width = min(self.widget().minimumSizeHint().width(), scaled(_NARROWEST))
        return QSize(width + 2 * self.frameWidth(), super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # The layout of the pane has another minimum, such as with a button that appears.
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class _TitleBar(QWidget):
    """Title of a dock, and the buttons that float and close it. Qt moves the dock when it is dragged."""

    def __init__(self, dock: "Dock") -> None:
        super().__init__(dock)
        self.setObjectName("dock_title")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.text, title = QLabel(dock.windowTitle()), dock.windowTitle()
        self.text.setProperty("heading", True)
        closing = IconButton("close", f"Close {title}", "Close this pane. The View menu shows it again.")
        closing.clicked.connect(dock.close_pane)
        self.setLayout(across(self.text, None, _float_button(dock), closing, margins=(12, 2, 4, 2), spacing=2))


def _float_button(dock: "Dock") -> IconButton:
    button = IconButton("float", f"Float {dock.windowTitle()}", "Make a window of this pane, or put it back.")
    button.clicked.connect(lambda: dock.setFloating(not dock.isFloating()))
    return button


class Dock(QDockWidget):
    """A pane with a title. `wanted` is whether it is open, also while a page covers the window's work.

    In a narrow window one with a head of its content can lie over the lanes instead.
    """

    closed = Signal()
    """The user has closed it."""

    def __init__(
        self, title: str, content: QWidget, width: int, window: QMainWindow, *, titled: bool, head: QWidget | None
    ) -> None:
        super().__init__(title, window)
        self.setObjectName(title)
        self.setAccessibleName(title)
        self.wanted = False
        self.content, self.width_wanted, self._head = content, width, head
        self._overlay: QFrame | None = None
        self._floating: IconButton | None = None
        """The button in the head of the content."""
        if head is not None and isinstance(row := head.layout(), QHBoxLayout):
            self._floating = _float_button(self)
            self._floating.setFixedSize(scaled(_BUTTON), scaled(_BUTTON))
            row.insertWidget(row.count() - 1, self._floating)
        self.setTitleBarWidget(head or (_TitleBar(self) if titled else QWidget()))
        self._pane = content if isinstance(content, QAbstractScrollArea) else PaneScrollArea(content)
        self._pane.setProperty("pane", True)
        self._pane.setProperty("headed", head is not None)
        self.setWidget(self._pane)

    @property
    def whole(self) -> QWidget:
        """The widget that has the pane with its head."""
        return self if self._overlay is None else self._overlay

    def closeEvent(self, event: QCloseEvent) -> None:
        super().closeEvent(event)
        self._close()

    def show_open(self, *, shown: bool) -> None:
        """Show or hide the pane, in its dock or over the lanes."""
        if self._overlay is not None:
            self._overlay.setVisible(shown)
            self._overlay.raise_()
        self.setVisible(shown and self._overlay is None)
        if shown:
            self.raise_()

    def lie_over(self, parent: QWidget | None) -> None:
        """Put the pane over `parent`, where it cannot float, or back into the dock."""
        assert self._head is not None, "others do not lie over the lanes"
        if self._floating is not None:
            self._floating.setVisible(parent is None)
        if parent is None and self._overlay is not None:
            self.setWidget(self._pane)
            self.setTitleBarWidget(self._head)
            self._overlay.deleteLater()
            self._overlay = None
        elif parent is not None and self._overlay is None:
            self._overlay = QFrame(parent)
            self._overlay.setObjectName("overlay")
            self._overlay.setLayout(down(self._head, (self._pane, 1), margins=(1, 1, 1, 1), spacing=0))
        self.show_open(shown=self.wanted)

    def place_over(self, area: QRect, kept: QRect) -> None:
        """Place the pane in `area`, at the side of `kept` that has more room, or else above or below it."""
        if self._overlay is None:
            return
        left, right = kept.left() - area.left(), area.right() - kept.right()
        above, below = kept.top() - area.top(), area.bottom() - kept.bottom()
        placed = QRect(area)
        if (room := max(left, right)) >= scaled(_LEAST_BESIDE):
            placed.setWidth(min(scaled(self.width_wanted), area.width() * 2 // 3, room))
            if left <= right:
                placed.moveRight(area.right())
        else:
            placed.setHeight(max(above, below))
            if above <= below:
                placed.moveBottom(area.bottom())
        self._overlay.setGeometry(placed)
        self._overlay.raise_()

    def close_pane(self) -> None:
        if self._overlay is not None:
            self._overlay.hide()
            self._close()
        else:
            self.close()

    def _close(self) -> None:
        self.wanted = False
        self.closed.emit()


class Docks(QObject):
    """The docks of a window by title.

    Docks at the right share one place and have tabs as soon as two are open. A dock that is closed returns to where it
    was.
    """

    changed = Signal(str)
    """The title of a dock that was opened or closed."""

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._docks: dict[str, Dock] = {}
        self._hidden = False
        areas, corners = Qt.DockWidgetArea, Qt.Corner
        window.setDockOptions(QMainWindow.DockOption.AllowNestedDocks | QMainWindow.DockOption.AllowTabbedDocks)
        for area, ends in (
            (areas.RightDockWidgetArea, (corners.TopRightCorner, corners.BottomRightCorner)),
            (areas.LeftDockWidgetArea, (corners.TopLeftCorner, corners.BottomLeftCorner)),
        ):
            window.setTabPosition(area, QTabWidget.TabPosition.North)
            for corner in ends:
                window.setCorner(corner, area)
        window.setDocumentMode(True)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # Qt makes a row of tabs once docks share a place.
        if event.type() == QEvent.Type.ChildPolished and isinstance(event, QChildEvent):
            child = event.child()
            if isinstance(child, QTabBar):
                child.setAccessibleName("Panes")
        return False

    def __iter__(self) -> Iterator[Dock]:
        return iter(self._docks.values())

    def __contains__(self, title: str) -> bool:
        return title in self._docks

    def __getitem__(self, title: str) -> Dock:
        return self._docks[title]

    def add(self, title: str, content: QWidget, width: int, *, left: bool = False, head: QWidget | None = None) -> Dock:
        """Add a closed dock at the right under a bar with its title, or at the left without one.

        A `head` of the content takes the place of this bar, with the button that floats the dock before the last widget
        of its row.
        """
        dock = self._docks[title] = Dock(title, content, width, self._window, titled=not left, head=head)
        area = Qt.DockWidgetArea.LeftDockWidgetArea if left else Qt.DockWidgetArea.RightDockWidgetArea
        if not self._window.restoreDockWidget(dock):
            self._window.addDockWidget(area, dock)
            others = [other for other in self if other is not dock and self._window.dockWidgetArea(other) == area]
            if others:
                self._window.tabifyDockWidget(others[0], dock)
        dock.hide()
        dock.closed.connect(partial(self.changed.emit, title))
        for moved in (dock.closed, dock.topLevelChanged):
            moved.connect(self._name_once)
        return dock

    def _name_once(self) -> None:
        """Leave out the title of a dock whose tab has it."""
        for dock in self:
            bar = dock.titleBarWidget()
            if isinstance(bar, _TitleBar):
                others = self._window.tabifiedDockWidgets(dock)
                bar.text.setHidden(any(isinstance(other, Dock) and other.wanted for other in others))

    def open(self, title: str, *, next_to_page: bool = False) -> None:
        """Open a dock, in front of those that share its place. `next_to_page`: also while a page covers the work."""
        dock = self[title]
        new, dock.wanted = not dock.wanted, True
        if next_to_page or not self._hidden:
            dock.show_open(shown=True)
            focused = self._window.focusWidget()
            if any(other.isAncestorOf(focused) for other in self._window.tabifiedDockWidgets(dock)):
                # A covered control keeps no keyboard.
                move_to_part([dock.content], forward=True)
            if new:
                # Tabs that share the place keep their width: the lanes do not move for a narrower one.
                sharing = self._window.tabifiedDockWidgets(dock)
                widths = [other.width() for other in self if other.wanted and other in sharing]
                width = max(min(scaled(dock.width_wanted), self._window.width() // 2), *widths, 0)
                self._window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
        if new:
            self._name_once()
            self.changed.emit(title)

    def close(self, title: str) -> None:
        """Close a dock. The lanes get the keyboard of what is hidden."""
        if title in self and self[title].wanted:
            self[title].close_pane()

    def toggle(self, title: str) -> None:
        """Open a dock, bring it to the front, or close it if it is there."""
        if self.in_front(title):
            self.close(title)
        else:
            self.open(title)

    def is_open(self, title: str) -> bool:
        return title in self and self[title].wanted

    def in_front(self, title: str) -> bool:
        """Whether a dock is open and no other one covers it."""
        return self.is_open(title) and not self[title].content.visibleRegion().isEmpty()

    def hide_all(self, *, hidden: bool) -> None:
        """Hide the open docks, as while a page covers the window's work, or show them again."""
        self._hidden = hidden
        for dock in self:
            dock.show_open(shown=dock.wanted and not hidden)

    def save(self) -> QByteArray:
        return self._window.saveState(_STATE_VERSION)

    def restore(self, state: QByteArray) -> bool:
        """Put the docks where `save` found them, without opening any. Returns False if the data are invalid."""
        restored = self._window.restoreState(state, _STATE_VERSION)
        self.hide_all(hidden=self._hidden)
        return restored
