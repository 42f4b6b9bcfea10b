"""Presentation: lanes, banner and the text of the lesson's step on the full screen, without panels."""

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QMainWindow, QScrollArea, QToolBar, QToolButton

from rnnviz.gui.lessons.controller import LessonController
from rnnviz.gui.lessons.lesson_text import LessonText
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import Theme

_CAPTION_SHARE = 3
"""Divisor of the window's height for the largest caption."""


class _CaptionArea(QScrollArea):
    """Scrolls a caption that is taller than its part of the window."""

    def __init__(self, caption: LessonText) -> None:
        super().__init__()
        self.setObjectName("panel_scroll")
        self.setAccessibleName("Text of the lesson's step")
        self.setToolTip("Up and Down scroll a long text. F6 moves to it.")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(caption)
        self.fit()

    def fit(self) -> None:
        self.setFixedHeight(min(self.widget().sizeHint().height(), self.window().height() // _CAPTION_SHARE))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        QTimer.singleShot(0, self, self.fit)


class Presentation(QObject):
    """Hides the bars and panels of a window, and brings back those that were visible."""

    changed = Signal(bool)
    """Whether the window presents."""

    def __init__(self, window: QMainWindow, main_layout: MainLayout, guide: LessonController) -> None:
        super().__init__(window)
        self._window, self._main_layout, self._guide = window, main_layout, guide
        self._state_before: Qt.WindowState | None = None
        self.caption = LessonText()
        self._caption_area = _CaptionArea(self.caption)
        self._caption_area.hide()
        self._leave_button = QToolButton()
        self._leave_button.setAutoRaise(True)
        self._leave_button.setAccessibleName("Leave presentation")
        self._leave_button.setToolTip("Shows the panels again (Esc or F11).")
        self._leave_button.clicked.connect(self.leave)
        self._leave_button.hide()
        main_layout.add_presentation(self._leave_button, self._caption_area)
        guide.step_changed.connect(self._show_caption)

    @property
    def active(self) -> bool:
        return self._state_before is not None

    def toggle(self) -> None:
        if self.active:
            self.leave()
        else:
            self._state_before = self._window.windowState()
            self._set(presenting=True)
            self._window.setWindowState(self._state_before | Qt.WindowState.WindowFullScreen)

    def leave(self) -> None:
        if self._state_before is not None:
            state, self._state_before = self._state_before, None
            self._set(presenting=False)
            self._window.setWindowState(state)

    def apply_theme(self, theme: Theme) -> None:
        self.caption.apply_theme(theme)
        self._leave_button.setIcon(Icons(theme)["close"])

    def _set(self, *, presenting: bool) -> None:
        for bar in (self._window.menuBar(), self._window.statusBar(), *self._window.findChildren(QToolBar)):
            bar.setHidden(presenting)
        self._leave_button.setVisible(presenting)
        self._main_layout.present(on=presenting)
        self._show_caption()
        self.changed.emit(presenting)

    def _show_caption(self) -> None:
        step = self._guide.step
        self._caption_area.setVisible(self.active and step is not None)
        if step is not None:
            self.caption.show_markdown(self._guide.caption)
            self._caption_area.verticalScrollBar().setValue(0)
            self._caption_area.fit()
