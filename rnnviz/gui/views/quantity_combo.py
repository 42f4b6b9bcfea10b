"""Combo box of the quantities of a unit: h, gates, states, changes, pre-activations."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QWidget

from rnnviz.cells import CellSpec
from rnnviz.core.words import wrapped
from rnnviz.quantities.gates import Quantity, per_unit_choices


class QuantityCombo(QComboBox):
    """Lists the quantities of the current cell. The selected one stays for other cells that have it."""

    chosen = Signal()

    def __init__(self, why: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._quantity: Quantity = "value"
        self.setAccessibleName("Quantity")
        self.setToolTip(wrapped(why))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.activated.connect(lambda place: self.choose(self.itemData(place)))

    @property
    def quantity(self) -> Quantity:
        """The selected quantity; "value" is h."""
        return self._quantity

    def choose(self, quantity: Quantity) -> None:
        self._quantity = quantity
        self.setCurrentIndex(self.findData(quantity))
        self.chosen.emit()

    def offer(self, cell: CellSpec) -> None:
        """List the quantities of a cell. Select h if it lacks the selected one."""
        self.clear()
        self.addItem("h", "value")
        for choice in per_unit_choices(cell):
            self.addItem(choice.text, choice.name)
        place = self.findData(self._quantity)
        self._quantity = "value" if place < 0 else self._quantity
        self.setCurrentIndex(max(place, 0))
