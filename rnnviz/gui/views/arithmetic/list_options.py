"""How a ledger is listed: in which order, and how many of its terms."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSpinBox, QWidget

from rnnviz.explain.term_table import Order, TermTable

_ORDERS: tuple[tuple[str, Order, str], ...] = (
    ("in order", "index", "x first, then h', each by its index: as one adds them up with a pencil."),
    ("by weight", "weight", "The terms first that add most, whether they push up or down."),
)


class Listing(QWidget):
    """`changed` tells that another order or number is wanted."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.orders = QComboBox()
        for text, _, why in _ORDERS:
            self.orders.addItem(text)
            self.orders.setItemData(self.orders.count() - 1, why)
        self.orders.setAccessibleName("Order of the terms")
        self.orders.setToolTip("List the terms as they are added up, or those first that add most.")
        self.orders.currentIndexChanged.connect(self.changed)
        self.count = QSpinBox()
        self.count.setRange(0, 0)
        self.count.setSpecialValueText("auto")
        self.count.setAccessibleName("How many terms are listed")
        self.count.setToolTip(
            "How many terms are listed, those that add most; the others are summed in one row. "
            "auto: as many as there is room for."
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
        """In which order the terms are listed."""
        return _ORDERS[self.orders.currentIndex()][1]

    @property
    def terms(self) -> int | None:
        """How many terms are listed; None for as many as there is room for."""
        return self.count.value() or None

    def show_ledger(self, ledger: TermTable) -> None:
        """Offer what a ledger allows; the products of a state are always listed all, in one order."""
        for control in (self.orders, self.count):
            control.setEnabled(ledger.shared)
        if ledger.shared and self.count.maximum() != ledger.terms:
            self.count.setMaximum(ledger.terms)
