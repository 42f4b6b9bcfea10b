"""Combo box of the quantities that color the lanes: values, error ratio, difference, gates, states."""

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QWidget

from rnnviz.core.engine_spec import display_name
from rnnviz.gui.app_state import Session
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.quantities.gates import Quantity, choices_of
from rnnviz.verify.result import RunResult

WHY = (
    "Values of an engine.\n"
    "Error ratio: difference ÷ tolerance. Difference: candidate − reference. Split: both engines, side by side.\n"
    "Gates, cell state, and pre-activations.\n"
    "Next: Q. Previous: Shift+Q."
)
_NARROW = 9


class ColorByCombo(ElidedComboBox):
    """Shows and sets the quantity of the application state. Headings group the entries and cannot be selected.

    The data of an entry is (quantity, engine or None, whether the lanes are split between two engines).
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Color by", WHY, _NARROW, parent)
        self._session = session
        self.setMaxVisibleItems(30)
        self.activated.connect(self._choose)
        session.on_change(self._list_quantities, "result")
        session.on_change(self._select, "color_by", "engine", "swipe")
        self._list_quantities()

    def entries(self) -> list[str]:
        """Texts of the selectable entries, from top to bottom."""
        return [self.itemText(place) for place in self._places()]

    def step(self, by: int) -> None:
        """Select the next (1) or previous (-1) entry, with wrap-around."""
        places = self._places()
        if self.isEnabled() and places:
            here = places.index(self.currentIndex()) if self.currentIndex() in places else -1
            self._choose(places[(here + by) % len(places)])

    def _list_quantities(self) -> None:
        result = self._session.result
        with QSignalBlocker(self):
            self.clear()
            self.setEnabled(result is not None)
            if result is None:
                self._add("values", "value")
                self._add("error ratio", "error_ratio")
            else:
                self._list(result)
        self._select()

    def _list(self, result: RunResult) -> None:
        self._head("Values of")
        for name in result.traces:
            self._add(display_name(name), "value", engine=name)
        self._head("Comparison")
        self._add("error ratio", "error_ratio")
        self._add("difference", "difference")
        self._add("split at selection", "value", swiping=True)
        group = ""
        for choice in choices_of(result.config.network.kind):
            if choice.group != group:
                group = choice.group
                self._head(group)
            self._add(choice.text, choice.name, why=f"{choice.title.capitalize()}, computed from the shown engine's h.")

    def _head(self, text: str) -> None:
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        item = QStandardItem(text)
        item.setEnabled(False)
        font = self.font()
        font.setBold(True)
        item.setFont(font)
        model.appendRow(item)

    def _add(
        self, text: str, quantity: Quantity, *, engine: str | None = None, swiping: bool = False, why: str = ""
    ) -> None:
        self.addItem(text, (quantity, engine, swiping))
        if why:
            self.setItemData(self.count() - 1, why, Qt.ItemDataRole.ToolTipRole)

    def _places(self) -> list[int]:
        return [place for place in range(self.count()) if self.itemData(place) is not None]

    def _select(self) -> None:
        session = self._session
        engine = None if session.swiping or session.quantity != "value" else session.engine
        wanted = session.quantity, engine, session.swiping
        for place in self._places():
            if self.itemData(place) == wanted:
                self.setCurrentIndex(place)

    def _choose(self, place: int) -> None:
        quantity, engine, swiping = self.itemData(place)
        if engine is not None:
            self._session.set_engine(engine)
        self._session.set_color_by(quantity)
        self._session.set_swiping(swiping)
