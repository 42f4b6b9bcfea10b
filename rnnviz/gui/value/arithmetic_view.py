"""The tab with all terms of a line of the opened value, in order, with the running sums of two engines."""

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QToolButton

from rnnviz.core import number_format
from rnnviz.core.places import Place
from rnnviz.explain.terms import Order
from rnnviz.explain.value_sources import InputSource
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.value.explained_view import ExplainedView
from rnnviz.gui.value.page import Page, PageRequest
from rnnviz.gui.value.term_table import TermTableView
from rnnviz.gui.value.texts import names_of
from rnnviz.gui.views.base import across, choice, down, pages
from rnnviz.gui.views.labels import ElidedLabel, hint, muted_palette
from rnnviz.verify.result import RunResult

_ORDERS: dict[Order, str] = {"index": "In order of computation", "weight": "Largest first"}
_COUNTS = {0: "As many as fit", 16: "16", 32: "32", 64: "64", 128: "128", 512: "512", 1 << 30: "All"}
_LEAST_TERMS = 32
"""Minimum number of listed terms. A small network's terms are thus complete."""
_OTHER_ROWS = 8
"""Rows of the table in addition to its terms: biases, parts, remaining terms, total."""


class ArithmeticView(ExplainedView):
    """A choice of a line, where the engines diverge, and the terms; their order and number are in a menu."""

    title = "Arithmetic"
    group = "Arithmetic"
    help_page = "window#arithmetic"
    later_ms = 40

    def __init__(self) -> None:
        super().__init__()
        self._order: Order = "index"
        self._count = 0
        self.lines = choice("Equation", ())
        self.lines.setToolTip("Equation whose terms are listed.")
        self.lines.currentIndexChanged.connect(lambda place: self.choose_line(self.lines.itemData(place)))
        self.note = ElidedLabel(selectable=True)
        self.options = QToolButton()
        self.options.setText("Terms")
        self.options.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        # The arrow is behind the text.
        self.options.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.options.setAccessibleName("Order and number of the terms")
        self.options.setToolTip(wrapped("Sort the terms by computation order or by contribution, or list more."))
        self.options.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.options.setMenu(self._menu())
        self.table = TermTableView()
        self.empty = hint()
        self._pages = pages(None, self.empty, self.table)
        head = across(self.lines, (self.note, 1), self.options)
        self.setLayout(down(head, (self._pages, 1), margins=(8, 4, 8, 8), spacing=4))
        self.table.followed.connect(self.place_requested)
        self.table.stepped.connect(self._on_stepped)
        self.show_result(None, None)

    def set_order(self, order: Order) -> None:
        self._order = order
        self._ask()

    def set_count(self, count: int) -> None:
        """List this many terms; 0 for as many as fit."""
        self._count = count
        self._ask()

    def request_for(self, result: RunResult) -> PageRequest:
        room = self.table.viewport().height() // self.table.verticalHeader().defaultSectionSize()
        top = self._count or max(_LEAST_TERMS, room - _OTHER_ROWS)
        return PageRequest(result, self._candidate, self.place, self._line, self._order, top)

    def show_page(self, page: Page) -> None:
        names = names_of(page.shown)
        with QSignalBlocker(self.lines):
            self.lines.clear()
            for line in page.shown.lines:
                self.lines.addItem("  ".join(filter(None, (line.name, names.get(line.name, "")))), line.name)
            self.lines.setCurrentIndex(self.lines.findData(page.line.name))
        # They quote numbers of both engines.
        sentences = () if self.masks else page.explained.sentences or page.explained.notes
        self.note.setText(number_format.true_minus_in(sentences[-1] if sentences else ""))
        self.note.explain("\n".join(sentences))
        where = page.shown.place.location
        hides = where is not None and self.is_masked(Place.at(page.line.name, where))
        self.table.show_page(page, self.is_masked, hides_sums=hides)
        self._show_controls(shown=True)
        self._pages.setCurrentWidget(self.table)

    def copy_text(self) -> str:
        """The whole arithmetic, or the table while a question asks for some of its numbers."""
        if self.masks and self.result is not None:
            return self.empty.text() if self.ends else self.table.copy_text()
        return super().copy_text()

    def show_text(self, text: str) -> None:
        self.table.page = self.page
        self.empty.setText(text)
        self._show_controls(shown=False)
        self._pages.setCurrentWidget(self.empty)

    def show_source(self, source: InputSource) -> None:
        self.show_text("\n".join((source.heading, *source.sentences)))

    def apply_theme(self, theme: Theme) -> None:
        self.table.apply_theme(theme)
        self.options.setIcon(Icons(theme)["down"])
        self.empty.setPalette(muted_palette(theme))
        self.note.use(self.font(), muted_palette(theme))

    def _show_controls(self, *, shown: bool) -> None:
        for control in (self.lines, self.note, self.options):
            control.setVisible(shown)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        for title, entries, chosen, choose in (
            ("Order", _ORDERS, self._order, self.set_order),
            ("Number of terms", _COUNTS, self._count, self.set_count),
        ):
            menu.addSection(title)
            group = QActionGroup(menu)
            for key, text in entries.items():
                action = menu.addAction(text)
                action.setCheckable(True)
                action.setChecked(key == chosen)
                action.triggered.connect(lambda _=False, key=key, choose=choose: choose(key))
                group.addAction(action)
        return menu

    def _on_stepped(self, by: int) -> None:
        if self.result is not None:
            there = self._location.moved(timestep=self._location.timestep + by)
            self.location_requested.emit(there.within(self.result.shape))
