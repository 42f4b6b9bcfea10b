"""When the ways to begin are shown, and what each of them does."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.commands.help_commands import HelpCommands
from rnnviz.gui.commands.recent_files import RecentFiles
from rnnviz.gui.document import Document
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.lessons.controller import Guide
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.settings import Settings
from rnnviz.io.resources import resource_path
from rnnviz.lessons.index import LessonEntry, lesson_entries

if TYPE_CHECKING:
    from rnnviz.gui.welcome.page import WelcomePage


class WelcomeHost(Protocol):
    """The window, as far as one can begin in it."""

    arrangement: MainLayout
    document: Document
    files: FileCommands
    guide: Guide
    help: HelpCommands
    runner: Runner
    session: Session


class WelcomeController(QObject):
    """Shown by a start without a file, and by command; it makes way as soon as something runs or is opened."""

    def __init__(self, window: WelcomeHost, parent: QObject, settings: Settings, recent: RecentFiles) -> None:
        super().__init__(parent)
        self._window, self._settings, self._recent = window, settings, recent
        self._page: WelcomePage | None = None
        window.document.changed.connect(self.leave)
        window.runner.started.connect(self.leave)

    @property
    def shown(self) -> bool:
        """Whether the page covers the picture."""
        return self._page is not None and self._window.arrangement.covered

    @property
    def page(self) -> "WelcomePage | None":
        """The page, once it has been shown."""
        return self._page

    def show_on_startup(self) -> None:
        """Show the page at the start, unless the user does without it or is in the middle of a lesson."""
        if self._settings.welcome and not self._settings.open_lesson:
            self.show()

    def show(self) -> None:
        """Show the page over the picture."""
        page = self._page = self._page or self._make()
        page.show_recent(self._recent.paths())
        page.offer_way_back(self._window.session.result is not None)
        self._window.arrangement.cover(page)
        page.take_keyboard()

    def stay(self, change: Callable[[], None]) -> None:
        """Make a change that is no reason to leave the page."""
        shown = self.shown
        change()
        if shown:
            self.show()

    def leave(self) -> None:
        """Show the picture."""
        if self.shown:
            self._window.arrangement.uncover()

    def _make(self) -> "WelcomePage":
        from rnnviz.gui.welcome.page import WelcomePage

        page = WelcomePage(lesson_entries(), at_start=self._settings.welcome)
        page.lesson_chosen.connect(self._open_lesson)
        page.recent_chosen.connect(self._window.files.open)
        page.model_wanted.connect(self._window.files.ask_open_model)
        page.sample_wanted.connect(self._open_sample)
        page.config_wanted.connect(self._window.files.ask_open_config)
        page.small_network_wanted.connect(self._begin_small)
        page.guide_wanted.connect(self._window.help.guide.open_first_steps)
        page.back_wanted.connect(self.leave)
        page.shown_at_start.connect(self._remember)
        return page

    def _open_lesson(self, entry: LessonEntry) -> None:
        self._window.guide.open(entry)
        # A lesson whose run is shown already runs nothing.
        if self._window.guide.lesson is not None:
            self.leave()

    def _open_sample(self) -> None:
        self._window.files.open(resource_path("models", "sample-lstm.safetensors"))

    def _begin_small(self) -> None:
        from rnnviz.gui.lessons.engine_fallback import runnable
        from rnnviz.io.config_toml import load_config

        config, _ = runnable(load_config(resource_path("examples", "small-lstm.toml")))
        self._window.document.take(config, "Small LSTM")

    def _remember(self, at_start: bool) -> None:
        self._settings.welcome = at_start
