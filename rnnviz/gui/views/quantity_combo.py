"""Which quantity of a unit a view shows: h, or what the cell has beside it."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QWidget

from rnnviz.quantities.catalog import Quantity, per_unit_choices


class QuantityChoice(QComboBox):
    """Lists what the cell at hand has for each unit; what was chosen stays for networks that have it."""

    chosen = Signal()

    def __init__(self, why: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._quantity: Quantity = "value"
        self.setAccessibleName("Quantity")
        self.setToolTip(why)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.activated.connect(lambda place: self.choose(self.itemData(place)))

    @property
    def quantity(self) -> Quantity:
        """What is chosen: h ("value"), or a gate, state, change or argument of an activation."""
        return self._quantity

    def choose(self, quantity: Quantity) -> None:
        """Take another one."""
        self._quantity = quantity
        self.setCurrentIndex(self.findData(quantity))
        self.chosen.emit()

    def offer(self, cell: str) -> None:
        """List what a cell has; where it lacks what was chosen, h is shown."""
        self.clear()
        self.addItem("h", "value")
        for choice in per_unit_choices(cell):
            self.addItem(choice.text, choice.name)
        place = self.findData(self._quantity)
        self._quantity = "value" if place < 0 else self._quantity
        self.setCurrentIndex(max(place, 0))
