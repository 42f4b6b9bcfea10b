"""Buttons of the verdict banner: links, and actions with a full and a short label."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QToolButton

from rnnviz.core.words import wrapped


class ActionButton(QToolButton):
    """A button with a full label, and a short one for little room."""

    def __init__(self, whole: str, short: str) -> None:
        super().__init__()
        self._whole, self._short, self._shortened = whole, short, False
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._write()

    @property
    def width_of_whole(self) -> int:
        """Width of the button with its full label, in pixels."""
        metrics = self.fontMetrics()
        return self.sizeHint().width() + metrics.horizontalAdvance(self._whole) - metrics.horizontalAdvance(self.text())

    def explain(self, why: str) -> None:
        """Set the tooltip."""
        self.setToolTip(wrapped(why))
        self.setAccessibleDescription(why)

    def shorten(self, shortened: bool) -> None:
        """Use the short label, or the full one."""
        self._shortened = shortened
        self._write()

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def _write(self) -> None:
        self.setText(self._short if self._shortened else self._whole)
        self.setAccessibleName(self._whole)


def link_button(text: str, why: str) -> QToolButton:
    """A button that looks like a link: it navigates and changes nothing."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(wrapped(why))
    button.setAccessibleName(text)
    button.setAccessibleDescription(why)
    button.setAutoRaise(True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    font = button.font()
    font.setUnderline(True)
    button.setFont(font)
    return button
