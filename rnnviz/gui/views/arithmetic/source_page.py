"""Page of a number without equations: an input value or an initial state, with its source."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from rnnviz.core import number_format
from rnnviz.core.words import wrapped
from rnnviz.explain.equations import format_short
from rnnviz.explain.provenance import InputSource
from rnnviz.gui.theme.palettes import Theme

_LARGER = 1.7


class SourcePage(QWidget):
    """Shows the name and the number in large type, with details below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value, self._heading, self._description = QLabel(), QLabel(), QLabel()
        large = QFont(self.font())
        large.setPointSizeF(large.pointSizeF() * _LARGER)
        self._value.setFont(large)
        bold = QFont(self.font())
        bold.setBold(True)
        self._heading.setFont(bold)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.setSpacing(4)
        for label in (self._value, self._heading, self._description):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            label.setWordWrap(True)
            layout.addWidget(label)
        layout.addStretch()

    @property
    def text(self) -> str:
        """The page as text."""
        return "\n".join(label.text() for label in (self._value, self._heading, self._description))

    def show_origin(self, origin: InputSource) -> None:
        self._value.setText(f"{origin.name} = {format_short(float(origin.value))}")
        self._value.setToolTip(wrapped(number_format.full(origin.value)))
        self._value.setAccessibleName(self._value.text())
        self._heading.setText(origin.heading)
        self._description.setText("\n".join((*origin.sentences, f"In full: {number_format.full(origin.value)}")))

    def apply_theme(self, theme: Theme) -> None:
        palette = theme.palette()
        palette.setColor(palette.ColorRole.Window, theme.color("base"))
        self.setPalette(palette)
