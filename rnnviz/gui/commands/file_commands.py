"""Commands that open, save and drop files."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.dialogs import (
    CELLS,
    CONFIGS,
    MODELS,
    OPENABLE,
    RECURRENCES,
    ask_file,
    ask_new_file,
    ask_to_save,
    ask_to_save_over,
    show_error_dialog,
)
from rnnviz.gui.commands.external_changes import FileStamps
from rnnviz.gui.commands.file_kinds import (
    comparing_own,
    config_with,
    is_config,
    is_model,
    is_of_sweep,
    is_session,
    of_new_cell,
)
from rnnviz.gui.commands.open_model import ModelCommands
from rnnviz.gui.commands.recent_files import RecentFiles
from rnnviz.gui.document import Document
from rnnviz.gui.recovery.session_commands import SessionCommands
from rnnviz.io.templates import write_cell_starter, write_starter
from rnnviz.lessons.index import Lesson

_CREATED = "Created {path}. Each time you save it, rnnviz runs it again."


class FileCommands(QObject):
    """Functions of the File menu and of dropped files. An error opens a dialog and changes nothing."""

    message = Signal(str)
    """A text for the status bar."""
    written = Signal(str)
    """The path of a Python file that rnnviz has just created."""
    sweep_requested = Signal(object)
    """The `Path` of a sweep or its results."""

    def __init__(
        self, window: QWidget, session: Session, document: Document, recent: RecentFiles, sessions: SessionCommands
    ) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._document = document
        self._recent = recent
        self._sessions = sessions
        self._models = ModelCommands(window, document, recent)
        self._known = FileStamps()
        recent.used.connect(self._known.remember)

    def ask_open(self) -> None:
        """Ask for a config, session or model and open it."""
        ask_file(self._window, "Open", OPENABLE, self.open)

    def ask_open_config(self) -> None:
        """Ask for a config and open it."""
        ask_file(self._window, "Open config", CONFIGS, self.open)

    def ask_open_model(self) -> None:
        """Ask for a model file and open it."""
        ask_file(self._window, "Open model", MODELS, self.open)

    def open(self, path: Path) -> None:
        """Open a config, session, model, sweep or sweep results."""
        if is_session(path):
            self._sessions.open(path)
            return
        if is_model(path):
            self._models.open(path)
            return
        if is_of_sweep(path):
            self.sweep_requested.emit(path)
            return
        try:
            sentence = self._document.open(path)
        except InputError as error:
            show_error_dialog(self._window, "Cannot open the config", error, "configs")
            return
        self._recent.add(path)
        if sentence:
            self.message.emit(sentence)

    def close(self) -> None:
        """Stop the background tasks."""
        self._models.close()

    def ask_open_recurrence(self) -> None:
        """Ask for a custom step and compare it."""
        ask_file(self._window, "Open custom step", RECURRENCES, self.open_recurrence)

    def open_recurrence(self, path: Path) -> None:
        """Compare a custom step with the reference."""
        config = comparing_own(self._session.config, path.absolute())
        self._select_added(config)
        self._document.edit(config, f"comparing with {path.name}")

    def ask_new_recurrence(self) -> None:
        """Ask where to create a custom step for the current cell, and compare it."""
        network = self._session.config.network

        def write(path: Path) -> None:
            try:
                write_starter(network.kind, path)
            except InputError as error:
                show_error_dialog(self._window, "Cannot write the custom step", error)
                return
            self.written.emit(str(path.absolute()))
            self.open_recurrence(path)
            self.message.emit(_CREATED.format(path=path))

        ask_new_file(self._window, "New custom step", RECURRENCES, "py", f"my_{Path(network.cell).stem}.py", write)

    def ask_new_cell(self) -> None:
        """Ask where to create a custom cell, and make it the network's cell."""

        def write(path: Path) -> None:
            try:
                write_cell_starter(path)
            except InputError as error:
                show_error_dialog(self._window, "Cannot write the custom cell", error)
                return
            self.written.emit(str(path.absolute()))
            self._document.edit(of_new_cell(self._session.config, path.absolute()), f"using the cell {path.name}")
            self.message.emit(_CREATED.format(path=path))

        ask_new_file(self._window, "New custom cell", CELLS, "py", "my_cell.py", write)

    def open_lesson(self, lesson: Lesson) -> None:
        """Open the config of a lesson. Undo restores the config before."""
        # The registry is imported only after the first paint.
        from rnnviz.gui.lessons.engine_fallback import runnable

        config, sentence = runnable(lesson.config)
        self._document.take(config, lesson.title)
        self.message.emit(sentence or lesson.summary)

    def make_runnable(self) -> None:
        """Replace engines of the initial config that are not installed."""
        from rnnviz.gui.lessons.engine_fallback import runnable

        config, sentence = runnable(self._session.config)
        if sentence:
            self._document.take(config, self._document.origin.title)
            self.message.emit(sentence)

    def save(self, then: Callable[[], None] = lambda: None) -> None:
        """Write the config or session to its file, or ask for a file; then call `then`."""
        if self._document.path is None:
            self.ask_save_as(then)
        else:
            self._save_and(self._document.path, then)

    def ask_save_as(self, then: Callable[[], None] = lambda: None) -> None:
        """Ask where to write the config."""
        suggestion = self._document.path
        name = "network.toml" if suggestion is None else str(suggestion.with_suffix(".toml"))

        def write(path: Path) -> None:
            if self._save(path):
                then()

        ask_new_file(self._window, "Save config", CONFIGS, "toml", name, write)

    def ask_about_changes(self, leave: Callable[[], None]) -> bool:
        """Ask whether to save a changed config, then call `leave`. Returns False without changes."""
        if not self._document.modified:
            return False
        ask_to_save(self._window, self._document.origin.title, lambda: self.save(leave), leave)
        return True

    def drop(self, paths: Sequence[Path]) -> None:
        """Open dropped configs, models and sweeps; then add dropped arrays to the config.

        All of it is one undo entry. If one file is not supported, no file changes anything.
        """
        opened = [path for path in paths if any(kind(path) for kind in (is_config, is_session, is_of_sweep, is_model))]
        read = [path for path in paths if path not in opened]
        present = self._document.origin
        for path in sorted(opened, key=is_config, reverse=True):
            self.open(path)
        config = before = self._session.config
        try:
            for path in read:
                config = config_with(config, path.absolute()).checked()
        except InputError as error:
            show_error_dialog(self._window, "Cannot use the file", error)
            return
        self._select_added(config)
        if config != before and self._document.origin is not present:
            self._document.amend(config)
        elif config != before:
            self._document.edit(config, f"dropping {', '.join(path.name for path in read)}")

    def _select_added(self, config: Config) -> None:
        """Select the candidate that a config adds to the current ones."""
        present = self._session.config.compare.engines
        for name in config.compare.candidates:
            if name not in present:
                self._session.set_candidate(name)

    def _save_and(self, path: Path, then: Callable[[], None]) -> None:
        """Write the config or session, after a question if another program changed the file; then call `then`."""
        if not self._known.changed(path):
            self._write_and(path, then)
        elif is_session(path):
            ask_to_save_over(self._window, path, lambda: self._write_and(path, then), self._sessions.ask_save)
        else:
            ask_to_save_over(self._window, path, lambda: self._write_and(path, then), lambda: self.ask_save_as(then))

    def _write_and(self, path: Path, then: Callable[[], None]) -> None:
        if is_session(path):
            self._sessions.save(path, then=then)
        elif self._save(path):
            then()

    def _save(self, path: Path) -> bool:
        own = [Path(file).name for file in self._sessions.files_of_its_own(self._session.config)]
        if own:
            sentence = (
                f"{path} would refer to {', '.join(own)}, which exists only inside the open session. "
                "Save the session with files, or unzip the session and open its config.toml."
            )
            show_error_dialog(self._window, "Cannot save the config", sentence)
            return False
        try:
            self._document.save(path)
        except InputError as error:
            show_error_dialog(self._window, "Cannot save the config", error)
            return False
        self._recent.add(path)
        self.message.emit(f"Saved {path}.")
        return True
