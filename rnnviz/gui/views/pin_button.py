"""Button that pins the selected unit."""

from collections.abc import Iterable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QToolButton, QWidget

from rnnviz.core.words import wrapped
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import Theme

MOST_PINNED = 4


class PinButton(QToolButton):
    """Pins or unpins the unit shown last."""

    toggled_unit = Signal()
    """The pinned units changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pinned: list[int] = []
        self._unit = 0
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setAutoRaise(True)
        self.clicked.connect(self._toggle)

    @property
    def pinned(self) -> tuple[int, ...]:
        """The pinned units, in the order of pinning."""
        return tuple(self._pinned)

    def pin(self, units: Iterable[int]) -> None:
        """Replace the pinned units, up to the maximum number."""
        self._pinned = list(dict.fromkeys(units))[:MOST_PINNED]

    def fit(self, units: int) -> None:
        """Unpin units that a network of this many units lacks, and reserve the longest text's width."""
        self._pinned = [unit for unit in self._pinned if unit < units]
        self.setText(f"Unpin unit {units - 1}")
        self.ensurePolished()
        # A fixed size, because each change of a text would repeat the layout of the whole view.
        self.setFixedSize(self.sizeHint())
        self.show_unit(min(self._unit, units - 1))

    def show_unit(self, unit: int) -> None:
        """Set the unit that the button pins or unpins."""
        self._unit = unit
        pinned, full = unit in self._pinned, len(self._pinned) >= MOST_PINNED
        self.setText(f"Unpin unit {unit}" if pinned else f"Pin unit {unit}")
        self.setEnabled(pinned or not full)
        why = (
            "Removes this unit when the selection changes."
            if pinned
            else "Keeps this unit in the plot when the selection changes."
        )
        if full and not pinned:
            why = f"{MOST_PINNED} units are pinned, the maximum: unpin one first."
        self.setToolTip(wrapped(why))
        self.setAccessibleName(self.text())
        self.setAccessibleDescription(why)

    def apply_theme(self, theme: Theme) -> None:
        """Draw the icon in these colors."""
        self.setIcon(Icons(theme).colored("pin", "text"))

    def _toggle(self) -> None:
        if self._unit in self._pinned:
            self._pinned.remove(self._unit)
        elif len(self._pinned) < MOST_PINNED:
            self._pinned.append(self._unit)
        self.toggled_unit.emit()
