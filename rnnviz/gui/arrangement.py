"""Where the parts of the window stand: panel, lanes, side, tabs; how they are divided comes back."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QTabWidget, QVBoxLayout, QWidget

from rnnviz.gui.settings import Settings
from rnnviz.gui.views.base import View

_PANEL_WIDTH = 264
_LEAST_SIDE, _MOST_SIDE = 330, 480
_LEAST_TABS, _MOST_TABS = 216, 380


class Arrangement(QWidget):
    """The window's central widget."""

    def __init__(
        self,
        panel: QWidget,
        verdict: View,
        side: Sequence[View],
        kept: Sequence[str],
        tabs: Sequence[View],
    ) -> None:
        """`kept` are the titles of the first tabs, which `fill` fills; `tabs` are the views behind them."""
        super().__init__()
        self._divided = False
        self._side = QSplitter(Qt.Orientation.Vertical)
        for view in side:
            self._side.addWidget(view)
        self._middle = QSplitter(Qt.Orientation.Horizontal)
        self._middle.addWidget(QWidget())
        self._middle.addWidget(self._side)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName("Further views")
        for title in kept:
            self.tabs.addTab(QWidget(), title)
        for view in tabs:
            self.tabs.addTab(view, view.title)
        self._upper = QSplitter(Qt.Orientation.Vertical)
        self._upper.addWidget(self._middle)
        self._upper.addWidget(self.tabs)
        work = QWidget()
        work_layout = QVBoxLayout(work)
        work_layout.setContentsMargins(0, 8, 8, 0)
        work_layout.setSpacing(6)
        work_layout.addWidget(verdict)
        work_layout.addWidget(self._upper, 1)
        self._whole = QSplitter(Qt.Orientation.Horizontal)
        self._whole.addWidget(panel)
        self._whole.addWidget(work)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._whole)
        # What grows with the window, and by which share: never the panel.
        for splitter, shares in (
            (self._whole, (0, 1)),
            (self._middle, (6, 1)),
            (self._upper, (3, 1)),
            (self._side, (3, 2)),
        ):
            splitter.setChildrenCollapsible(False)
            for place, share in enumerate(shares):
                splitter.setStretchFactor(place, share)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Divide the room when it is known for the first time; from then on each part grows by its share."""
        super().resizeEvent(event)
        if not self._divided:
            self._divided = True
            self._divide(self.width(), self.height())

    def _divide(self, width: int, height: int) -> None:
        side = min(max(width // 5, _LEAST_SIDE), _MOST_SIDE)
        tabs = min(max(height // 4, _LEAST_TABS), _MOST_TABS)
        middle, upper = width - _PANEL_WIDTH, height - tabs
        self._whole.setSizes([_PANEL_WIDTH, middle])
        self._middle.setSizes([middle - side, side])
        self._upper.setSizes([upper, tabs])
        self._side.setSizes([upper * 3 // 5, upper * 2 // 5])

    def fill(self, lanes: View, views: Sequence[View]) -> None:
        """Put the lanes in the middle, and their views into the tabs that were kept for them."""
        self._middle.replaceWidget(0, lanes).deleteLater()
        chosen = self.tabs.currentIndex()
        for place, view in enumerate(views):
            kept = self.tabs.widget(place)
            self.tabs.removeTab(place)
            self.tabs.insertTab(place, view, view.title)
            kept.deleteLater()
        self.tabs.setCurrentIndex(chosen)

    def add_tabs(self, views: Sequence[View]) -> None:
        """Put further views behind the others."""
        for view in views:
            self.tabs.addTab(view, view.title)

    def show_tab(self, view: View, *, present: bool) -> None:
        """Offer a view's tab, or hide it while the view has nothing to show."""
        self.tabs.setTabVisible(self.tabs.indexOf(view), present)

    def set_tab_text(self, view: View, text: str) -> None:
        """Let a tab say more than its view's title."""
        self.tabs.setTabText(self.tabs.indexOf(view), text)

    def prepare(self, view: View) -> None:
        """Give a view whose tab is behind the size that it has in front, so that a picture of it can be made."""
        if self.tabs.indexOf(view) >= 0 and self.tabs.currentWidget() is not view:
            view.resize(self.tabs.currentWidget().size())

    def save(self, settings: Settings) -> None:
        """Remember how the parts are divided, and which tab is in front."""
        for name, splitter in self._splitters.items():
            settings.set_layout(name, splitter.saveState())

    def restore(self, settings: Settings) -> None:
        """Divide the parts as they were, if all of it can be understood."""
        states = {name: settings.layout(name) for name in self._splitters}
        self._divided = all(self._splitters[name].restoreState(state) for name, state in states.items())

    @property
    def _splitters(self) -> dict[str, QSplitter]:
        return {"whole": self._whole, "upper": self._upper, "middle": self._middle, "side": self._side}
