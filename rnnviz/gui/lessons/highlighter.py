"""Highlighter of widgets by the names that lessons use."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from rnnviz.gui.commands.actions import Actions
from rnnviz.gui.lessons.spotlight import Spotlight
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.output_map import OutputMap
from rnnviz.lessons.index import PARTS

if TYPE_CHECKING:
    # It imports the lanes, which exist before the first highlight.
    from rnnviz.gui.lessons.widget_lookup import HighlightTarget

_ARITHMETIC = 340
"""Minimum height in pixels for a cell's equations, or for the terms of a small network."""


class Highlighter(QObject):
    """Owns the highlight frame of one window. Esc hides it."""

    def __init__(self, window: "HighlightTarget", parent: QWidget, actions: Actions) -> None:
        super().__init__(parent)
        self._window, self._stop = window, actions["stop"]
        self._unfolded = False
        self.spotlight = Spotlight(parent)
        window.session.on_change(self.spotlight.refresh, "location", "result")
        # Esc stops a run while one goes on; else nothing but the light is there to go.
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), parent)
        self._escape.activated.connect(self.spotlight.clear)
        self.spotlight.changed.connect(self._enable_escape)
        self._stop.changed.connect(self._enable_escape)
        self._stop.triggered.connect(self.spotlight.clear)
        self._enable_escape()

    def highlight(self, part: str, line: str | None = None) -> None:
        """Make a widget visible and highlight it. `part` is one of `lesson_parts.PARTS`.

        `line` is the symbol of the equation whose terms are shown.
        """
        from rnnviz.gui.lessons.widget_lookup import target_of

        folded = self._window.main_layout.is_folded("settings")
        if part.startswith("panel"):
            self._unfolded = self._unfolded or folded
        elif self._unfolded:
            self._unfolded = False
            self._window.main_layout.fold("settings", folded=True)
        # A text that is about the arithmetic also leads to the panel: what it speaks of must not move then.
        if part == "arithmetic":
            self._window.main_layout.expand_tabs(scaled(_ARITHMETIC))
        elif not part.startswith("panel"):
            self._window.main_layout.restore_tabs()
        target = target_of(self._window, part)
        if isinstance(target.widget, OutputMap):
            self._window.main_layout.expand_side(target.widget, target.widget.whole_height)
        if line is not None:
            self._choose(line)
        self.spotlight.highlight(target.widget, target.area, f"Look at {PARTS[part]}.")

    def _choose(self, line: str) -> None:
        from rnnviz.gui.views.arithmetic.view import ArithmeticView

        for view in self._window.views:
            if isinstance(view, ArithmeticView):
                view.choose_line(line)

    def _enable_escape(self) -> None:
        self._escape.setEnabled(self.spotlight.target is not None and not self._stop.isEnabled())
