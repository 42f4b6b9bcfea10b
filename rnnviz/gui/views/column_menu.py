"""Menu of gates and states that have a column in the table of the selected vector."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Signal
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from rnnviz.cells import CellSpec
from rnnviz.core.words import wrapped
from rnnviz.gui.settings import Settings
from rnnviz.quantities.gates import Choice, Quantity, per_unit_choices

PART = "vector-columns"


class ColumnMenuButton(QToolButton):
    """Opens the menu. The selected columns stay for other cells, as far as these have them."""

    changed = Signal()

    def __init__(self, settings: Settings | None = None, parent: QWidget | None = None) -> None:
        """`settings` store the selected columns."""
        super().__init__(parent)
        self._settings = settings
        self._chosen: set[str] = set() if settings is None else set(settings.columns(PART))
        self._offered: tuple[Choice, ...] = ()
        self.setText("+")
        self.setAutoRaise(True)
        self.setAccessibleName("Columns of gates")
        self.setToolTip(
            wrapped(
                "Add columns for gates and states, computed from the reference's values. "
                "A right click on the headings opens the same menu."
            )
        )
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        self.setMenu(self._menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)

    @property
    def chosen(self) -> tuple[Choice, ...]:
        """The selected columns that the current cell has."""
        return tuple(choice for choice in self._offered if choice.name in self._chosen)

    def show_cell(self, cell: CellSpec) -> None:
        """List the quantities of a cell."""
        offered = per_unit_choices(cell)
        if offered != self._offered:
            self._offered = offered
            self._fill()

    def choose(self, quantity: Quantity, *, wanted: bool) -> None:
        """Add or remove the column of a quantity, and save the columns."""
        (self._chosen.add if wanted else self._chosen.discard)(quantity)
        if self._settings is not None:
            self._settings.set_columns(PART, tuple(sorted(self._chosen)))
        self._fill()
        self.changed.emit()

    def choose_these(self, names: Sequence[str]) -> None:
        """Show these columns without saving them."""
        self._chosen = set(names)
        self._fill()
        self.changed.emit()

    def pop_up(self, place: QPoint) -> None:
        """Open the menu at a point of the screen."""
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
