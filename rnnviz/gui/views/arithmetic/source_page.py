"""Where a trail ends: a number of the input or of the initial state, and how it was computed."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from rnnviz.core import number_format
from rnnviz.explain.digit_format import format_short
from rnnviz.explain.input_source import InputSource
from rnnviz.gui.theme.palettes import Theme

_LARGER = 1.7


class EndPage(QWidget):
    """A name and its number in large type, and below it what there is to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value, self._heading, self._told = QLabel(), QLabel(), QLabel()
        large = QFont(self.font())
        large.setPointSizeF(large.pointSizeF() * _LARGER)
        self._value.setFont(large)
        bold = QFont(self.font())
        bold.setBold(True)
        self._heading.setFont(bold)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.setSpacing(4)
        for label in (self._value, self._heading, self._told):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            label.setWordWrap(True)
            layout.addWidget(label)
        layout.addStretch()

    @property
    def text(self) -> str:
        """All that is said."""
        return "\n".join(label.text() for label in (self._value, self._heading, self._told))

    def show_origin(self, origin: InputSource) -> None:
        """Show another number."""
        self._value.setText(f"{origin.name} = {format_short(float(origin.value))}")
        self._value.setToolTip(number_format.full(origin.value))
        self._value.setAccessibleName(self._value.text())
        self._heading.setText(origin.heading)
        self._told.setText("\n".join((*origin.sentences, f"In full: {number_format.full(origin.value)}")))

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colors."""
        palette = theme.palette()
        palette.setColor(palette.ColorRole.Window, theme.color("base"))
        self.setPalette(palette)
