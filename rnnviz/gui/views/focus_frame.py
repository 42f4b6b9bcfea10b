"""Focus indicators of tables and of links in texts. Qt's styles draw none."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QFocusEvent, QPalette
from PySide6.QtWidgets import QFrame, QLabel, QTableView

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

    def offer_links(self, offered: bool) -> None:
        """Set whether the text has links."""
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if offered else Qt.FocusPolicy.NoFocus)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if event.reason() == Qt.FocusReason.TabFocusReason:
            super().focusNextPrevChild(True)
        elif event.reason() == Qt.FocusReason.BacktabFocusReason:
            super().focusNextPrevChild(False)
