"""Docks of the main window: panes around the lanes that can be closed, floated, nested and put back."""

from collections.abc import Iterator, Sequence
from functools import partial

from PySide6.QtCore import QByteArray, QObject, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QDockWidget, QFrame, QHBoxLayout, QLabel, QMainWindow, QScrollArea, QTabWidget, QWidget

from rnnviz.gui.theme.icons import IconButton
from rnnviz.gui.theme.scaling import scaled

_STATE_VERSION = 1
_NARROWEST = 440
"""Largest minimum width of a pane, also with large text."""


class PaneScrollArea(QScrollArea):
    """Scrolls a pane whose content would make the minimum size of the window too large."""

    def __init__(self, pane: QWidget, width: int) -> None:
        super().__init__()
        self._width = width
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setWidget(pane)

    def sizeHint(self) -> QSize:
        return QSize(scaled(self._width), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        width = min(self.widget().minimumSizeHint().width(), scaled(_NARROWEST))
        return QSize(width, super().minimumSizeHint().height())


class _TitleBar(QWidget):
    """Title of a dock, and the buttons that float and close it. Qt moves the dock when it is dragged."""

    def __init__(self, dock: QDockWidget) -> None:
        super().__init__(dock)
        self.setObjectName("dock_title")
        title = QLabel(dock.windowTitle())
        title.setProperty("heading", True)
        self.floating = IconButton(
            "float", f"Float {dock.windowTitle()}", "Make a window of this pane, or put it back."
        )
        self.floating.clicked.connect(lambda: dock.setFloating(not dock.isFloating()))
        self.closing = IconButton(
            "close", f"Close {dock.windowTitle()}", "Close this pane. The View menu shows it again."
        )
        self.closing.clicked.connect(dock.close)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 2, 4, 2)
        row.setSpacing(2)
        row.addWidget(title, 1)
        row.addWidget(self.floating)
        row.addWidget(self.closing)


class Dock(QDockWidget):
    """A pane with a title. `wanted` is whether it is open, also while a page covers the window's work."""

    closed = Signal()
    """The user has closed it."""

    def __init__(self, title: str, content: QWidget, width: int, window: QMainWindow) -> None:
        super().__init__(title, window)
        self.setObjectName(title)
        self.setAccessibleName(title)
        self.wanted = False
        self.content = content
        self.setTitleBarWidget(_TitleBar(self))
        self.setWidget(PaneScrollArea(content, width))
        self.setFeatures(
            QDockWidget.DockWidgetFeature.DockWidgetClosable
            | QDockWidget.DockWidgetFeature.DockWidgetMovable
            | QDockWidget.DockWidgetFeature.DockWidgetFloatable
        )

    def closeEvent(self, event: QCloseEvent) -> None:
        super().closeEvent(event)
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
        for corner, area in (
            (corners.TopRightCorner, areas.RightDockWidgetArea),
            (corners.BottomRightCorner, areas.RightDockWidgetArea),
            (corners.TopLeftCorner, areas.LeftDockWidgetArea),
            (corners.BottomLeftCorner, areas.LeftDockWidgetArea),
        ):
            window.setCorner(corner, area)
        for area in (areas.LeftDockWidgetArea, areas.RightDockWidgetArea):
            window.setTabPosition(area, QTabWidget.TabPosition.North)
        window.setDocumentMode(True)

    def __iter__(self) -> Iterator[Dock]:
        return iter(self._docks.values())

    def __contains__(self, title: str) -> bool:
        return title in self._docks

    def __getitem__(self, title: str) -> Dock:
        return self._docks[title]

    def add(self, title: str, content: QWidget, width: int, *, left: bool = False) -> Dock:
        """Add a closed dock at the right, or at the left."""
        dock = self._docks[title] = Dock(title, content, width, self._window)
        area = Qt.DockWidgetArea.LeftDockWidgetArea if left else Qt.DockWidgetArea.RightDockWidgetArea
        if not self._window.restoreDockWidget(dock):
            self._window.addDockWidget(area, dock)
            others = [other for other in self if other is not dock and self._window.dockWidgetArea(other) == area]
            if others:
                self._window.tabifyDockWidget(others[0], dock)
        dock.hide()
        dock.closed.connect(partial(self.changed.emit, title))
        return dock

    def open(self, title: str) -> None:
        """Open a dock, in front of those that share its place."""
        dock = self[title]
        new, dock.wanted = not dock.wanted, True
        if not self._hidden:
            dock.show()
            dock.raise_()
        if new:
            self.changed.emit(title)

    def close(self, title: str) -> None:
        """Close a dock. The lanes get the keyboard of what is hidden."""
        if title in self and self[title].wanted:
            self[title].close()

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
        return self.is_open(title) and not self[title].visibleRegion().isEmpty()

    def hide_all(self, *, hidden: bool) -> None:
        """Hide the open docks, as while a page covers the window's work, or show them again."""
        self._hidden = hidden
        for dock in self:
            dock.setVisible(dock.wanted and not hidden)

    @property
    def open_titles(self) -> tuple[str, ...]:
        return tuple(dock.objectName() for dock in self if dock.wanted)

    def save(self) -> QByteArray:
        return self._window.saveState(_STATE_VERSION)

    def restore(self, state: QByteArray, titles: Sequence[str]) -> None:
        """Put the docks where `save` found them, and open those with these titles. Invalid data change nothing."""
        self._window.restoreState(state, _STATE_VERSION)
        for dock in self:
            dock.wanted = dock.objectName() in titles
        self.hide_all(hidden=self._hidden)
