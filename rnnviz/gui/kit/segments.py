"""Segments: a row of buttons of which one is chosen, such as the pages of a card."""

from collections.abc import Iterable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QToolButton

from rnnviz.gui.tooltips import wrapped


class Segments(QFrame):
    """Buttons by name, of which one is chosen. Left and Right move between them, as in every group of Qt."""

    chosen = Signal(str)
    """The name of a button that the user has chosen."""

    def __init__(self, name: str, entries: Iterable[tuple[str, str]] = ()) -> None:
        """`name` is for screen readers; the entries are names with tooltips. The first is chosen."""
        super().__init__()
        self.setObjectName("segments")
        self.setAccessibleName(name)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(2, 2, 2, 2)
        self._row.setSpacing(2)
        for text, why in entries:
            self.add(text, why)

    def add(self, name: str, why: str) -> None:
        """Add a button with its tooltip."""
        button = self._buttons[name] = QToolButton()
        button.setObjectName("segment")
        button.setText(name)
        button.setCheckable(True)
        button.setChecked(len(self._buttons) == 1)
        button.setAccessibleName(name)
        button.setToolTip(wrapped(why))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda _checked=False: self.chosen.emit(name))
        self._group.addButton(button)
        self._row.addWidget(button)

    @property
    def current(self) -> str:
        """The name of the chosen button."""
        return self._group.checkedButton().text()

    def choose(self, name: str) -> None:
        """Choose a button without a signal."""
        self._buttons[name].setChecked(True)

    def offer(self, name: str, *, offered: bool) -> None:
        """Show or hide a button."""
        self._buttons[name].setHidden(not offered)
