"""How many of a step's statements hold: seen also while the statements themselves are scrolled out of sight."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QToolButton, QWidget

from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.lessons.statements.result import StatementResult

_LOOKS = {True: ("check", "right"), False: ("cross", "wrong"), None: ("clock", "muted")}


class StatementCounter(QToolButton):
    """Counts findings; a click on it is a wish to see them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._icons = LIGHT, Icons(LIGHT)
        self._state: bool | None = None
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setIconSize(QSize(16, 16))
        self.setAutoRaise(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip("Number of this step's statements that are true for the shown values. Click to see them.")

    def show_findings(self, findings: tuple[StatementResult | None, ...]) -> None:
        """Count them; None is one that is still to come. Without any there is nothing to show."""
        self.setVisible(bool(findings))
        held = [None if finding is None else finding.holds for finding in findings]
        self._state = False if False in held else None if None in held else True
        waiting = all(finding is None for finding in findings)
        self.setText("not checked yet" if waiting else f"{held.count(True)} of {len(held)} true")
        self.setAccessibleName(f"Statements: {self.text()}")
        self._mark()

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colors."""
        self._theme, self._icons = theme, Icons(theme)
        self._mark()

    def _mark(self) -> None:
        theme = self._theme
        icon, color = _LOOKS[self._state]
        self.setIcon(self._icons.colored(icon, color))
        self.setStyleSheet(
            f"QToolButton {{ color: {theme.color(color).name()}; font-weight: 600; border: 1px solid {theme.window};"
            f" border-radius: 4px; padding: 3px 5px; }} QToolButton:focus {{ border-color: {theme.accent}; }}"
        )
