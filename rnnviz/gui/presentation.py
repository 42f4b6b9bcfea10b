"""Presentation: a lesson's step in large type next to the lanes, or the lanes in large type, on the full screen."""

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QMainWindow

from rnnviz.gui.lessons.controller import LessonController
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.view_sync import ViewSynchronizer
from rnnviz.gui.views.base import ResultView

if TYPE_CHECKING:
    from rnnviz.gui.lessons.presentation_page import PresentationPage

_TEXT_SIZE = 200
"""Smallest text size of a presentation, in percent."""


class PresentedWindow(Protocol):
    """The window as the presentation sees it."""

    main_layout: MainLayout
    views: list[ResultView]

    @property
    def lanes(self) -> ResultView:
        """The lanes."""

    def apply_text_size(self, percent: int) -> None:
        """Show all texts in a size, in percent of the system font."""


class Presentation(QObject):
    """Shows the step of a lesson, or else the lanes, on the full screen, and afterwards the window as it was."""

    changed = Signal(bool)
    """Whether the window presents."""

    def __init__(
        self,
        host: PresentedWindow,
        window: QMainWindow,
        guide: LessonController,
        following: ViewSynchronizer,
        settings: Settings,
    ) -> None:
        super().__init__(window)
        self._following = following
        self._part: ResultView | None = None
        self._source: ResultView | None = None
        """The view that the step speaks of; `_part` is a copy of it under the lanes."""
        self._host, self._window, self._guide, self._settings = host, window, guide, settings
        self._theme = LIGHT
        self._state_before: Qt.WindowState | None = None
        self.page: PresentationPage | None = None
        self._later = QTimer(self, interval=0, singleShot=True)
        self._later.timeout.connect(self._arrange)
        guide.step_changed.connect(self._on_step)
        guide.state_changed.connect(self._on_state)
        window.installEventFilter(self)

    @property
    def active(self) -> bool:
        return self._state_before is not None

    def toggle(self) -> None:
        if self.active:
            self.leave()
        else:
            self._state_before = self._window.windowState()
            for bar in (self._window.menuBar(), self._window.statusBar()):
                bar.hide()
            self._host.main_layout.present(on=True)
            self._host.apply_text_size(max(_TEXT_SIZE, self._settings.text_size))
            self._window.setWindowState(self._state_before | Qt.WindowState.WindowFullScreen)
            self._later.start()
            self.changed.emit(True)

    def leave(self) -> None:
        if self._state_before is None:
            return
        state, self._state_before = self._state_before, None
        self._drop_page()
        for bar in (self._window.menuBar(), self._window.statusBar()):
            bar.show()
        self._host.main_layout.present(on=False)
        self._host.apply_text_size(self._settings.text_size)
        self._window.setWindowState(state)
        self.changed.emit(False)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.page is not None:
            self._later.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if self.active and isinstance(event, QResizeEvent) and event.size() != event.oldSize():
            self._later.start()
        return False

    def _on_step(self) -> None:
        if not self.active:
            return
        if self.page is None or self._guide.state is None:
            self._later.start()
        else:
            self._on_state()
            self._show_part()

    def _on_state(self) -> None:
        if self.page is not None and self._guide.state is not None:
            self.page.show_state(self._guide.state)

    def _arrange(self) -> None:
        """Make the page again, as its sizes follow the window and the text; without a lesson there is none."""
        from rnnviz.gui.lessons.presentation_page import PresentationPage

        if not self.active:
            return
        self._drop_page()
        guide, state = self._guide, self._guide.state
        if state is None:
            return
        guide.presenting = True
        guide.unframe()
        self.page = PresentationPage(self._window, state, self._theme)
        self.page.question.answered.connect(guide.answer)
        self.page.part_requested.connect(guide.frame_part)
        self.page.leave_button.clicked.connect(self.leave)
        lanes = self._host.main_layout.lend_lanes()
        self.page.inside.addWidget(lanes, 1)
        lanes.show()
        self._show_part()
        self.page.show()
        self.page.raise_()
        self.page.setFocus()

    def _show_part(self) -> None:
        """Show the view that the step speaks of with the lanes, in a copy: curves, a table or the verdict."""
        from rnnviz.gui.lessons.parts import view_of

        self._drop_part()
        step = self._guide.step
        view = None if step is None or step.look.part is None else view_of(self._host.views, step.look.part)
        if view is None or self.page is None:
            return
        self._part = part = type(view)()
        part.apply_theme(self._theme)
        self._following.add(part)
        self._source = view
        view.state_changed.connect(self._copy_state)
        self._copy_state()
        # The verdict is above the lanes, in its own height.
        below = int(part.title != "Verdict")
        self.page.inside.insertWidget(below, part, below)
        part.show()

    def _copy_state(self) -> None:
        """Show what the step chooses, as the quantity of the curves."""
        if self._part is not None and self._source is not None:
            self._part.restore_state(self._source.save_state() or ())

    def _drop_part(self) -> None:
        if self._source is not None:
            self._source.state_changed.disconnect(self._copy_state)
            self._source = None
        if self._part is not None:
            self._following.remove(self._part)
            self._part.hide()
            self._part.deleteLater()
            self._part = None

    def _drop_page(self) -> None:
        self._drop_part()
        self._guide.presenting = False
        if self.page is not None:
            self._host.main_layout.set_lanes(self._host.lanes)
            self.page.hide()
            self.page.deleteLater()
            self.page = None
