"""Controller of the first screen: when it is shown, and what its parts open."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Signal

from rnnviz.core.resources import resource_path
from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.comparison import ComparisonCommands
from rnnviz.gui.commands.dialogs import RecentFiles
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.document import Document
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.lessons.controller import LessonController
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.theme_manager import ThemeManager
from rnnviz.lessons.index import LessonEntry, lesson_entries

if TYPE_CHECKING:
    from rnnviz.gui.first_screen.screen import FirstScreen


class FirstScreenHost(Protocol):
    """The window as the first screen sees it."""

    comparisons: ComparisonCommands
    main_layout: MainLayout
    document: Document
    files: FileCommands
    guide: LessonController
    runner: Runner
    session: Session
    theme_manager: ThemeManager


class FirstScreenController(QObject):
    """Shows the screen at a start without a file, or on command, and hides it when something runs or is opened."""

    changed = Signal()
    """The screen was shown or hidden."""

    def __init__(self, window: FirstScreenHost, parent: QObject, settings: Settings, recent: RecentFiles) -> None:
        super().__init__(parent)
        self._window, self._settings, self._recent = window, settings, recent
        self.screen: FirstScreen | None = None
        window.document.changed.connect(self.leave)
        window.runner.started.connect(self.leave)
        # A lesson whose result is already shown starts no run.
        window.guide.step_changed.connect(lambda: self.leave() if window.guide.lesson is not None else None)
        window.theme_manager.add(self._apply_theme)

    @property
    def shown(self) -> bool:
        return self.screen is not None and self._window.main_layout.covered

    def show_on_startup(self) -> None:
        """Show the screen at startup, unless a lesson is open."""
        if not self._settings.open_lesson:
            self.show()

    def show(self) -> None:
        screen = self.screen = self.screen or self._make()
        settings = self._settings
        steps = {entry.name: settings.lesson_step(entry.name) for entry in lesson_entries()}
        screen.show_recent(self._recent.paths())
        screen.show_progress(settings.finished_lessons, steps, settings.last_lesson)
        screen.show_open("" if self._window.session.result is None else self._window.document.origin.title)
        self._window.main_layout.cover(screen)
        screen.focus_first()
        self.changed.emit()

    def leave(self) -> None:
        if self.shown:
            self._window.main_layout.uncover()
            self.changed.emit()

    def close(self) -> None:
        if self.screen is not None:
            self.screen.picture.close_task()

    def _make(self) -> "FirstScreen":
        from rnnviz.gui.first_screen.screen import FirstScreen

        window, screen = self._window, FirstScreen(lesson_entries())
        screen.apply_theme(window.theme_manager.theme)
        screen.lesson_chosen.connect(self._open_lesson)
        screen.value_chosen.connect(self._open_sample)
        screen.recent_chosen.connect(window.files.open)
        screen.model_wanted.connect(window.files.ask_open)
        screen.port_wanted.connect(window.comparisons.ask_port)
        screen.comparison_wanted.connect(window.comparisons.ask_two)
        screen.map_wanted.connect(window.guide.show_map)
        screen.back_wanted.connect(self.leave)
        return screen

    def _apply_theme(self, theme: Theme) -> None:
        if self.screen is not None:
            self.screen.apply_theme(theme)

    def _open_lesson(self, entry: LessonEntry) -> None:
        self._window.files.after_changes(partial(self._window.guide.open, entry))

    def _open_sample(self, location: Location) -> None:
        """Open the sample network at a value."""
        from rnnviz.gui.first_screen.picture import SAMPLE

        def select() -> None:
            session = self._window.session
            session.replace(replace(session.state, wanted=location, fresh=False))

        self._window.files.open(resource_path(*SAMPLE), select)
