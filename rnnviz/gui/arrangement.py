"""Where the parts of the window stand: panel, lanes, side, tabs; how they are divided comes back."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QTabWidget, QVBoxLayout, QWidget

from rnnviz.gui.settings import Settings
from rnnviz.gui.views.base import View

_PANEL_WIDTH, _SIDE_WIDTH, _TABS_HEIGHT = 264, 330, 250


class Arrangement(QWidget):
    """The window's central widget."""

    def __init__(self, panel: QWidget, verdict: View, lanes: View, side: Sequence[View], tabs: Sequence[View]) -> None:
        super().__init__()
        self._side = QSplitter(Qt.Orientation.Vertical)
        for view in side:
            self._side.addWidget(view)
        self._middle = QSplitter(Qt.Orientation.Horizontal)
        self._middle.addWidget(lanes)
        self._middle.addWidget(self._side)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName("Further views")
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
        for splitter in (self._whole, self._upper, self._middle, self._side):
            splitter.setChildrenCollapsible(False)
            splitter.setStretchFactor(0, 1)
            splitter.setStretchFactor(1, 0)
        self._whole.setStretchFactor(0, 0)
        self._whole.setStretchFactor(1, 1)
        self._whole.setSizes([_PANEL_WIDTH, 10_000])
        self._middle.setSizes([10_000, _SIDE_WIDTH])
        self._upper.setSizes([10_000, _TABS_HEIGHT])

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
        """Divide the parts as they were; what cannot be understood stays as it is."""
        for name, splitter in self._splitters.items():
            state = settings.layout(name)
            sizes = splitter.sizes()
            if not state.isEmpty() and not splitter.restoreState(state):
                splitter.setSizes(sizes)

    @property
    def _splitters(self) -> dict[str, QSplitter]:
        return {"whole": self._whole, "upper": self._upper, "middle": self._middle, "side": self._side}
