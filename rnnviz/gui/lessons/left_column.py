"""Left column of the window: the settings panel, and the open lesson above it."""

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtWidgets import QSplitter, QWidget

from rnnviz.gui.splitter_state import divide_as
from rnnviz.gui.theme.scaling import scaled

_LESSON_WIDTH, _NARROWEST = 420, 300
"""Initial and minimum width of a lesson, in pixels."""
_SHARE_OF_WINDOW = 3
_LESSON_SHARE, _PANEL_SHARE = 2, 1


class LeftColumn(QSplitter):
    """Widens for a lesson, and restores its width afterwards."""

    def __init__(self, panel: QWidget) -> None:
        super().__init__(Qt.Orientation.Vertical)
        self.panel = panel
        self._pane: QWidget | None = None
        self._width_before = 0
        self._sizes: list[int] = []
        self.addWidget(panel)
        self.setChildrenCollapsible(False)

    @property
    def is_open(self) -> bool:
        """Whether a lesson is visible."""
        return self._pane is not None and not self._pane.isHidden()

    def open(self, pane: QWidget, state: QByteArray) -> None:
        """Show the lesson above the panel with the splitter `state`, if it is valid."""
        if self.is_open:
            return
        if self._pane is None:
            self._pane = pane
            self.insertWidget(0, pane)
            self.setStretchFactor(0, _LESSON_SHARE)
            self.setStretchFactor(1, _PANEL_SHARE)
        pane.show()
        self.show()
        if not divide_as(self, state):
            self._divide()
        self._width_before = self.width()
        self.setMinimumWidth(scaled(_NARROWEST))
        wide = min(self.window().width() // _SHARE_OF_WINDOW, scaled(_LESSON_WIDTH))
        self._widen(max(self.width(), wide))

    def close_pane(self) -> None:
        """Hide the lesson and restore the previous width."""
        if self._pane is not None and self.is_open:
            self._pane.hide()
            self.setMinimumWidth(0)
            self._widen(self._width_before)
            self.setHidden(self.panel.isHidden())

    def show_panel(self, *, shown: bool) -> None:
        """Show or hide the settings panel. Without a lesson, the column follows."""
        if self.is_open and not shown:
            self._sizes = self.sizes()
        self.panel.setVisible(shown)
        self.setVisible(shown or self.is_open)
        if self.is_open and shown:
            # At once, so that a part of the panel can be scrolled to.
            self._divide()

    def _divide(self) -> None:
        unit = max(self.height(), 1) // (_LESSON_SHARE + _PANEL_SHARE)
        kept = self._sizes if self._sizes and min(self._sizes) > 0 else None
        self.setSizes(kept or [_LESSON_SHARE * unit, _PANEL_SHARE * unit])

    def _widen(self, width: int) -> None:
        whole = self.parentWidget()
        if isinstance(whole, QSplitter) and width:
            first, *others = whole.sizes()
            others[0] += first - width
            whole.setSizes([width, *others])
