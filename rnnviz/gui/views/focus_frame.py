"""What shows that a table, or a link within a text, has the keyboard: Qt's own styles mark neither of them."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QFocusEvent, QPalette
from PySide6.QtWidgets import QFrame, QLabel, QTableView

from rnnviz.gui.theme.palettes import Theme


class FramedTable(QTableView):
    """Its frame has the accent's color while it has the keyboard."""

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colors."""
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
    """A text with links. Tab reaches the first of them at once, and does not stop where there is none."""

    def offer_links(self, offered: bool) -> None:
        """Whether there are any."""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if offered else Qt.FocusPolicy.ClickFocus)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if event.reason() == Qt.FocusReason.TabFocusReason:
            super().focusNextPrevChild(True)
        elif event.reason() == Qt.FocusReason.BacktabFocusReason:
            super().focusNextPrevChild(False)
