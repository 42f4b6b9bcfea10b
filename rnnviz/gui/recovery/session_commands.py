"""Commands that open and save sessions as background tasks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Config
from rnnviz.core.memory_budget import readable
from rnnviz.gui.commands.dialogs import ask_new_file
from rnnviz.gui.commands.recent_files import RecentFiles
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.jobs.task_queue import BackgroundTask, Progress, TaskQueue
from rnnviz.gui.recovery.view_state import ViewStateHost, ViewStateRestorer, view_choices_of, view_state_of
from rnnviz.io.session import ENDING, SavedDocument, SavedSession

if TYPE_CHECKING:
    from rnnviz.io.session import NamedFile

SESSIONS = f"Sessions (*{ENDING})"


class SessionHost(ViewStateHost, Protocol):
    """The window as sessions see it."""

    jobs: TaskQueue
    control: RunControl


class SessionCommands(QObject):
    """Opens and saves sessions. Opening one is a single undo entry."""

    restored = Signal()
    """A session has been opened."""

    _read = Signal(object, object)
    _written = Signal(object, object, object)
    _collected = Signal(object, object)

    def __init__(self, window: SessionHost, parent: QWidget, recent: RecentFiles) -> None:
        super().__init__(parent)
        self._window, self._parent, self._recent = window, parent, recent
        self._restorer: ViewStateRestorer | None = None
        self._with_copies: set[Path] = set()
        self.unpacks_to: Callable[[], Path] = _temporary
        """Folder for the input files unpacked from a session."""
        queued = Qt.ConnectionType.QueuedConnection
        self._read.connect(self._take, queued)
        self._written.connect(self._on_written, queued)
        self._collected.connect(self._ask_where, queued)

    def open(self, path: Path) -> None:
        """Open a session. An invalid one opens a dialog and changes nothing."""

        def work(progress: Progress) -> str:
            from rnnviz.io.session import read_session

            self._read.emit(path, read_session(path, self.unpacks_to, progress))
            return f"Opened {path}."

        self._window.jobs.start(BackgroundTask(f"opening {path.name}", work))

    def ask_save(self) -> None:
        """Ask where to save a session that references its input files."""
        self._ask("Save session", None)

    def ask_save_with_files(self) -> None:
        """Ask where to save a session with copies of its input files. The dialog's title gives their size."""
        config = self._window.session.config

        def work(_progress: Progress) -> str:
            files, size = _collect(config)
            self._collected.emit(files, size)
            return ""

        self._window.jobs.start(BackgroundTask("collecting files", work))

    def save(self, path: Path, *, copies: bool | None = None, then: Callable[[], None] = lambda: None) -> None:
        """Save a session, then call `then`. `copies` None: as saved before.

        Files that exist only inside a session are always copied.
        """
        session = self.present()
        with_copies = path in self._with_copies if copies is None else copies
        with_copies = with_copies or bool(self.files_of_its_own(session.config))

        def work(progress: Progress) -> str:
            from rnnviz.io.session import write_session

            files = _collect(session.config)[0] if with_copies else None
            written = write_session(session, path, files, progress)
            self._written.emit(path, session.config, then)
            held = "" if not files else f", with {len(files)} file{'' if len(files) == 1 else 's'}"
            return f"Saved {path}: {readable(written)}{held}."

        if with_copies:
            self._with_copies.add(path)
        else:
            self._with_copies.discard(path)
        self._window.jobs.start(BackgroundTask(f"saving {path.name}", work))

    def files_of_its_own(self, config: Config) -> list[str]:
        """Input files that were unpacked from a session and are deleted with the window."""
        from rnnviz.io.session import paths_in

        folder = self.unpacks_to()
        return [path for path in paths_in(config) if Path(path).is_relative_to(folder)]

    def present(self) -> SavedSession:
        """The session of the window. It does not contain the path of the config."""
        window = self._window
        return SavedSession(
            window.session.config,
            SavedDocument(window.document.origin.title),
            view_state_of(window),
            view_choices_of(window),
        )

    def show(self, session: SavedSession, take: Callable[[Config], None]) -> None:
        """Show a session and run it; `take` passes its config to the document."""
        self._restorer = self._restorer or ViewStateRestorer(self._window, self)
        take(session.config)
        self._restorer.begin(session.look, session.choices)
        self._window.control.run()
        self.restored.emit()

    def _take(self, path: Path, session: SavedSession) -> None:
        if session.unpacked is not None:
            self._with_copies.add(path)
        self.show(session, lambda config: self._window.document.take_file(config, path))
        self._recent.add(path)

    def _ask_where(self, files: "list[NamedFile]", size: str) -> None:
        count = f"{len(files)} file{'' if len(files) == 1 else 's'}"
        self._ask(f"Save session with {count}, {size}" if files else "Save session (no input files)", True)

    def _ask(self, title: str, copies: bool | None) -> None:
        stem = Path(self._window.document.origin.title.replace(":", "")).stem
        name = f"{stem}{ENDING}"
        save = partial(self.save, copies=bool(copies))
        ask_new_file(self._parent, title, SESSIONS, ENDING.removeprefix("."), name, save)

    def _on_written(self, path: Path, config: Config, then: Callable[[], None]) -> None:
        self._window.document.saved_as(path, config)
        self._recent.add(path)
        then()


def _collect(config: Config) -> "tuple[list[NamedFile], str]":
    """Files to copy and their size. Models are inspected in a subprocess."""
    from rnnviz.io.session import files_to_copy, paths_in, size_of

    if any(path.lower().endswith(".onnx") for path in paths_in(config)):
        from rnnviz.execution.child_process import call_in_subprocess

        files = call_in_subprocess(files_to_copy, config, what="The files could not be read")
    else:
        files = files_to_copy(config)
    return files, readable(size_of(files))


def _temporary() -> Path:
    from rnnviz.execution.folders import storage

    return storage().folder
