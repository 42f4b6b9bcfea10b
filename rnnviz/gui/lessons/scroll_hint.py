"""Hint that text or statements of a step continue below the visible part."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QScrollArea, QToolButton, QWidget

from rnnviz.gui.theme.palettes import LIGHT, Theme

_KEPT_IN_SIGHT = 36
"""Overlap in pixels of successive pages: about two lines."""
_CLIPPED = 4
"""Pixels of a widget's margin that may be hidden before it counts as below."""


class ScrollHint(QToolButton):
    """Names the hidden items. Its layout space stays reserved while it is hidden."""

    def __init__(self, area: QScrollArea) -> None:
        super().__init__()
        self._area = area
        self._text: QWidget | None = None
        self._statements: Sequence[QWidget] = ()
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip("Scrolls down by a page. The arrow keys scroll, too.")
        # What is read must not move because there is nothing more to come.
        kept = self.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self.setSizePolicy(kept)
        self.clicked.connect(self._read_on)
        bar = area.verticalScrollBar()
        bar.valueChanged.connect(self._count)
        bar.rangeChanged.connect(self._count)
        self.apply_theme(LIGHT)
        self._count()

    def follow(self, text: QWidget, statements: Sequence[QWidget]) -> None:
        """Set the text and the statements inside the scroll area."""
        self._text, self._statements = text, statements
        self._count()

    def apply_theme(self, theme: Theme) -> None:
        self.setStyleSheet(
            f"QToolButton {{ color: {theme.accent}; border: 1px solid {theme.window}; border-radius: 4px;"
            f" padding: 1px 5px; }} QToolButton:focus {{ border-color: {theme.accent}; }}"
        )

    def _count(self) -> None:
        bar = self._area.verticalScrollBar()
        text = self._text is not None and self._is_below(self._text)
        statements = sum(map(self._is_below, self._statements))
        words = ["more text"] if text else []
        if statements:
            words.append(f"{statements} statement{'s' if statements > 1 else ''}")
        below = " and ".join(words)
        self.setText(f"\N{DOWNWARDS ARROW} {below} below")
        self.setAccessibleName(f"Read on: {below} below")
        seen = bool(words) and bar.value() < bar.maximum()
        if self.hasFocus() and not seen:
            # Tab continues from here, not from the widget that Qt would focus.
            self.focusNextPrevChild(True)
        self.setVisible(seen)

    def _is_below(self, widget: QWidget) -> bool:
        bottom = widget.mapTo(self._area.widget(), QPoint(0, widget.height())).y()
        return bottom > self._area.verticalScrollBar().value() + self._area.viewport().height() + _CLIPPED

    def _read_on(self) -> None:
        bar, focused = self._area.verticalScrollBar(), self.hasFocus()
        bar.setValue(bar.value() + max(bar.pageStep() - _KEPT_IN_SIGHT, bar.singleStep()))
        if focused and not self.isVisible():
            self._area.setFocus()
