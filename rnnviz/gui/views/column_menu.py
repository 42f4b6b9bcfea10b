"""Which gates and states have a column in the table of the vector at the selection: a menu, and what was chosen in
it."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Signal
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from rnnviz.gui.settings import Settings
from rnnviz.quantities.catalog import Choice, Quantity, per_unit_choices

PART = "vector-columns"


class GateColumns(QToolButton):
    """Opens the menu; the choice stays for networks with other cells, of which each shows what it has."""

    changed = Signal()

    def __init__(self, settings: Settings | None = None, parent: QWidget | None = None) -> None:
        """`settings` hold what was chosen the last time, and keep what is chosen."""
        super().__init__(parent)
        self._settings = settings
        self._chosen: set[str] = set() if settings is None else set(settings.columns(PART))
        self._offered: tuple[Choice, ...] = ()
        self.setText("+")
        self.setAutoRaise(True)
        self.setAccessibleName("Columns of gates")
        self.setToolTip(
            "Choose the gates and states that have columns beside h: computed from the reference's values. "
            "A click with the right button on the table's headings opens this as well."
        )
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        self.setMenu(self._menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)

    @property
    def chosen(self) -> tuple[Choice, ...]:
        """What the cell at hand has of what was chosen."""
        return tuple(choice for choice in self._offered if choice.name in self._chosen)

    def show_cell(self, cell: str) -> None:
        """Offer what a cell has for each unit."""
        offered = per_unit_choices(cell)
        if offered != self._offered:
            self._offered = offered
            self._fill()

    def choose(self, quantity: Quantity, *, wanted: bool) -> None:
        """Give a quantity a column, or take it away."""
        (self._chosen.add if wanted else self._chosen.discard)(quantity)
        if self._settings is not None:
            self._settings.set_columns(PART, tuple(sorted(self._chosen)))
        self._fill()
        self.changed.emit()

    def choose_these(self, names: Sequence[str]) -> None:
        """Have columns of these for now; what the settings keep stays as it is."""
        self._chosen = set(names)
        self._fill()
        self.changed.emit()

    def pop_up(self, place: QPoint) -> None:
        """Open the menu at a place of the screen."""
        self._menu.popup(place)

    def _fill(self) -> None:
        self._menu.clear()
        group = ""
        for choice in self._offered:
            if choice.group != group:
                group = choice.group
                self._menu.addSection(group)
            action = self._menu.addAction(choice.text)
            action.setCheckable(True)
            action.setChecked(choice.name in self._chosen)
            action.setToolTip(f"{choice.title.capitalize()}, beside each unit's h.")
            action.triggered.connect(lambda wanted, name=choice.name: self.choose(name, wanted=wanted))
