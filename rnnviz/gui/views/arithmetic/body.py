"""Cards of a value's equations with the terms and the activation of the selected line."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QWidget

from rnnviz.core.engine_spec import display_name
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.arithmetic.activation import ActivationPlot
from rnnviz.gui.views.arithmetic.cards import Cards
from rnnviz.gui.views.arithmetic.page import Page
from rnnviz.gui.views.arithmetic.term_table import TermTableView

_PLOT_SHARE, _PLOT_LESS = 7, 40
"""The plot's width: this share of the whole, less these pixels, so that the terms fit into a narrow window."""

_CARDS_PERCENT = 60


class Body(QSplitter):
    """Gives the cards their natural width and the terms the most, until the user moves a splitter handle."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.cards, self.table, self.plot = Cards(), TermTableView(), ActivationPlot()
        self._by_hand = False
        for place, part in enumerate((self.cards, self.table, self.plot)):
            self.addWidget(part)
            self.setCollapsible(place, False)
        self.splitterMoved.connect(self._keep)

    def show_page(self, page: Page) -> None:
        needed = self.cards.natural_width
        self.cards.show_page(page)
        if self.cards.natural_width != needed:
            self._divide()
        self.table.show_page(page)
        self.plot.show_curve(page.curve, [display_name(arithmetic.engine) for arithmetic in page.arithmetics])

    def apply_theme(self, theme: Theme) -> None:
        for part in (self.cards, self.table, self.plot):
            part.apply_theme(theme)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._divide()

    def _divide(self) -> None:
        if not self._by_hand:
            plot = max(self.plot.minimumSizeHint().width(), self.width() // _PLOT_SHARE - _PLOT_LESS)
            room = self.width() - 2 * self.handleWidth()
            # In a narrow window the cards scroll, so that the terms stay readable.
            cards = min(self.cards.natural_width, (room - plot) * _CARDS_PERCENT // 100)
            self.setSizes([cards, max(room - cards - plot, 1), plot])

    def _keep(self) -> None:
        self._by_hand = True
