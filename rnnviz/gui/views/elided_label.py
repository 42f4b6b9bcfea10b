"""Label of fixed size, so that a changing text moves no neighbor."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from rnnviz.core.words import wrapped


class ElidedLabel(QWidget):
    """One line of text, elided if it does not fit. The tooltip then shows the whole text.

    A new text only repaints. A QLabel would start a new layout of the window, which is slow for labels that follow
    the selection. `selectable` texts can be selected with the mouse.
    """

    def __init__(
        self, text: str = "", *, bold: bool = False, selectable: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._text, self._why = text, ""
        # In no layout: what it asks for goes unheard.
        self._label = QLabel(self)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        if selectable:
            self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        if bold:
            font = QFont(self.font())
            font.setBold(True)
            self.setFont(font)
            # A style sheet of the application keeps a font from being handed down.
            self._label.setFont(font)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def text(self) -> str:
        """The whole text."""
        return self._text

    def setText(self, text: str) -> None:
        self._text = text
        self._label.setAccessibleName(text)
        self._fit()

    def explain(self, why: str) -> None:
        """Set a tooltip that replaces the one with the whole text."""
        self._why = why
        self._fit()

    def setAlignment(self, alignment: Qt.AlignmentFlag) -> None:
        """Align the text within a larger label."""
        self._label.setAlignment(alignment)

    def natural_width(self) -> int:
        """Width of the whole text in pixels."""
        return self.fontMetrics().horizontalAdvance(self._text)

    def sizeHint(self) -> QSize:
        return QSize(self.natural_width(), self.minimumSizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self.fontMetrics().height() + 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._label.setGeometry(self.rect())
        self._fit()

    def _fit(self) -> None:
        shown = self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, self.width())
        if shown != self._label.text():
            self._label.setText(shown)
        tip = wrapped(self._why or (self._text if shown != self._text else ""))
        if tip != self.toolTip():
            self.setToolTip(wrapped(tip))
