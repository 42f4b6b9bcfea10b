"""Controller of the welcome page."""

from functools import partial
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from rnnviz.core.resources import resource_path
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.dialogs import RecentFiles
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.document import Document
from rnnviz.gui.generate.commands import GenerateCommands
from rnnviz.gui.help.commands import HelpCommands
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.lessons.controller import LessonController
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.settings import Settings
from rnnviz.gui.training.commands import TrainingCommands
from rnnviz.lessons.index import LessonEntry, lesson_entries

if TYPE_CHECKING:
    from rnnviz.gui.welcome.page import WelcomePage


class WelcomeHost(Protocol):
    """The window as the welcome page sees it."""

    main_layout: MainLayout
    document: Document
    files: FileCommands
    generating: GenerateCommands
    guide: LessonController
    help: HelpCommands
    runner: Runner
    session: Session
    trainings: TrainingCommands


class WelcomeController(QObject):
    """Shows the page at a start without a file, or on command, and hides it when something runs or is opened."""

    def __init__(self, window: WelcomeHost, parent: QObject, settings: Settings, recent: RecentFiles) -> None:
        super().__init__(parent)
        self._window, self._settings, self._recent = window, settings, recent
        self.page: WelcomePage | None = None
        window.document.changed.connect(self.leave)
        window.runner.started.connect(self.leave)
        # A lesson whose result is already shown starts no run.
        window.guide.step_changed.connect(lambda: self.leave() if window.guide.lesson is not None else None)

    @property
    def shown(self) -> bool:
        return self.page is not None and self._window.main_layout.covered

    def show_on_startup(self) -> None:
        """Show the page at startup, unless it is turned off or a lesson is open."""
        if self._settings.welcome and not self._settings.open_lesson:
            self.show()

    def show(self) -> None:
        page = self.page = self.page or self._make()
        page.show_recent(self._recent.paths())
        page.show_progress(self._settings.finished_lessons, *self._going_on())
        page.set_back_visible(self._window.session.result is not None)
        self._window.main_layout.cover(page)
        page.focus_first_lesson()

    def leave(self) -> None:
        if self.shown:
            self._window.main_layout.uncover()

    def _going_on(self) -> tuple[LessonEntry | None, int]:
        name = self._settings.last_lesson
        step = self._settings.lesson_step(name) if name else 0
        entry = next((entry for entry in lesson_entries() if entry.name == name), None)
        if entry is None or (step == 0 and entry.number == 1):
            return None, 0
        return entry, step

    def _make(self) -> "WelcomePage":
        from rnnviz.gui.welcome.page import WelcomePage

        page = WelcomePage(lesson_entries(), at_start=self._settings.welcome)
        page.lesson_chosen.connect(self._open_lesson)
        page.recent_chosen.connect(self._window.files.open)
        page.model_wanted.connect(self._window.files.ask_open_model)
        page.sample_wanted.connect(self._open_sample)
        page.config_wanted.connect(self._window.files.ask_open_config)
        page.small_network_wanted.connect(self._begin_small)
        page.training_wanted.connect(self._window.trainings.open)
        page.text_wanted.connect(self._window.generating.show)
        page.guide_wanted.connect(self._window.help.open)
        page.map_wanted.connect(self._window.guide.show_map)
        page.back_wanted.connect(self.leave)
        page.shown_at_start.connect(self._remember)
        return page

    def _open_lesson(self, entry: LessonEntry) -> None:
        self._window.files.after_changes(partial(self._window.guide.open, entry))

    def _open_sample(self) -> None:
        self._window.files.open(resource_path("models", "sample-lstm.safetensors"))

    def _begin_small(self) -> None:
        from rnnviz.io.config_toml import load_config

        config = load_config(resource_path("examples", "small-lstm.toml"))
        self._window.files.after_changes(partial(self._window.document.take, config, "Small LSTM"))

    def _remember(self, at_start: bool) -> None:
        self._settings.welcome = at_start
