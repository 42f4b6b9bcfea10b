"""Focus indicators of tables and of links in texts. Qt's styles draw none."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFocusEvent, QMouseEvent, QPalette
from PySide6.QtWidgets import QFrame, QLabel, QTableView, QWidget

from rnnviz.gui.theme.palettes import Theme


class FramedTable(QTableView):
    """The frame has the accent color while the table has the focus."""

    def apply_theme(self, theme: Theme) -> None:
        palette = self.palette()
        # Qt draws a plain frame in the color of texts, which the cells and the headings have from elsewhere.
        palette.setColor(QPalette.ColorRole.WindowText, theme.color("accent"))
        self.setPalette(palette)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.setFrameStyle(QFrame.Shape.Box.value | QFrame.Shadow.Plain.value)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.setFrameStyle(QFrame.Shape.StyledPanel.value | QFrame.Shadow.Sunken.value)


class LinkLabel(QLabel):
    """A text with links. Tab moves to the first link, and skips a text without links. A click takes no focus."""

    clicked = Signal()
    """A click beside the links that selects no text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hovered = ""
        self.linkHovered.connect(self._hover)

    def _hover(self, link: str) -> None:
        self._hovered = link

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        beside = not self._hovered and not self.hasSelectedText()
        super().mouseReleaseEvent(event)
        if beside and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()

    def offer_links(self, offered: bool) -> None:
        """Set whether the text has links."""
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if offered else Qt.FocusPolicy.NoFocus)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if event.reason() == Qt.FocusReason.TabFocusReason:
            super().focusNextPrevChild(True)
        elif event.reason() == Qt.FocusReason.BacktabFocusReason:
            super().focusNextPrevChild(False)
