"""Options of the list of terms: order and number."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSpinBox, QWidget

from rnnviz.core.words import wrapped
from rnnviz.explain.term_table import Order, TermTable

_ORDERS: tuple[tuple[str, Order, str], ...] = (
    ("in order", "index", "In computation order: x, then h[t-1], by index."),
    ("by weight", "weight", "By absolute contribution, largest first."),
)


class ListOptions(QWidget):
    """Emits `changed` for another order or number."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.orders = QComboBox()
        for text, _, why in _ORDERS:
            self.orders.addItem(text)
            self.orders.setItemData(self.orders.count() - 1, why)
        self.orders.setAccessibleName("Order of the terms")
        self.orders.setToolTip("Sort the terms by computation order or by contribution.")
        self.orders.currentIndexChanged.connect(self.changed)
        self.count = QSpinBox()
        self.count.setRange(0, 0)
        self.count.setSpecialValueText("auto")
        self.count.setAccessibleName("Number of listed terms")
        self.count.setToolTip(
            wrapped("Number of largest terms to list; the rest are summed in one row (auto: as many as fit).")
        )
        self.count.valueChanged.connect(self.changed)
        label = QLabel("terms")
        label.setBuddy(self.count)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.orders)
        layout.addWidget(label)
        layout.addWidget(self.count)

    @property
    def order(self) -> Order:
        """Order of the terms."""
        return _ORDERS[self.orders.currentIndex()][1]

    @property
    def terms(self) -> int | None:
        """Number of listed terms; None for as many as fit."""
        return self.count.value() or None

    def show_terms(self, term_table: TermTable) -> None:
        """Enable the options for a table. Products of a state are always listed completely, in one order."""
        for control in (self.orders, self.count):
            control.setEnabled(term_table.shared)
        if term_table.shared and self.count.maximum() != term_table.terms:
            self.count.setMaximum(term_table.terms)
