"""Counter of the true statements of a step, visible also when the statements are scrolled out of view."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QToolButton, QWidget

from rnnviz.core.words import wrapped
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.lessons.evaluate import StatementResult

_LOOKS = {True: ("check", "right"), False: ("cross", "wrong"), None: ("clock", "muted")}


class StatementCounter(QToolButton):
    """Counts true statements. A click requests to show them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._icons = LIGHT, Icons(LIGHT)
        self._state: bool | None = None
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setIconSize(QSize(16, 16))
        self.setAutoRaise(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(
            wrapped("Number of this step's statements that are true for the shown values. Click to see them.")
        )

    def show_findings(self, findings: tuple[StatementResult | None, ...]) -> None:
        """Count the results; None is one not checked yet. The counter is hidden without statements."""
        self.setVisible(bool(findings))
        held = [None if finding is None else finding.holds for finding in findings]
        self._state = False if False in held else None if None in held else True
        waiting = all(finding is None for finding in findings)
        self.setText("not checked yet" if waiting else f"{held.count(True)} of {len(held)} true")
        self.setAccessibleName(f"Statements: {self.text()}")
        self._mark()

    def apply_theme(self, theme: Theme) -> None:
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
