"""Lines of text that ask for no room: what follows the selection must not move what is beside it."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget


class ElidedLabel(QWidget):
    """One line of text. Where it does not fit it ends in an ellipsis, and the whole of it is reported on hover.

    Another text is painted and no more: a plain label lets the whole window compute its layout again, which is felt
    when several of them follow the selection. `selectable` texts can be marked with the pointer.
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
        """The whole text, whether or not there is room for it."""
        return self._text

    def setText(self, text: str) -> None:
        """Show another text."""
        self._text = text
        self._label.setAccessibleName(text)
        self._fit()

    def explain(self, why: str) -> None:
        """What is reported on hover, in place of a text that does not fit."""
        self._why = why
        self._fit()

    def setAlignment(self, alignment: Qt.AlignmentFlag) -> None:
        """Where the text is in a room that is larger."""
        self._label.setAlignment(alignment)

    def natural_width(self) -> int:
        """The pixels that the whole text takes."""
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
        tip = self._why or (self._text if shown != self._text else "")
        if tip != self.toolTip():
            self.setToolTip(tip)
