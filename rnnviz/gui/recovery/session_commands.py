"""Sessions are opened and saved beside the window; the status bar shows how far that is, and Stop ends it."""

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
from rnnviz.gui.jobs.task_queue import Progress, Task, TaskQueue
from rnnviz.gui.recovery.view_state import ViewStateHost, ViewStateRestorer, view_choices_of, view_state_of
from rnnviz.io.session.types import ENDING, SavedDocument, SavedSession

if TYPE_CHECKING:
    from rnnviz.io.session.file_refs import NamedFile

SESSIONS = f"Sessions (*{ENDING})"


class SessionHost(ViewStateHost, Protocol):
    """The window, as far as a session keeps it."""

    jobs: TaskQueue
    control: RunControl


class SessionCommands(QObject):
    """What is known of the window goes into a file, and comes back from it as one step for undo."""

    restored = Signal()
    """A session has been opened."""

    _read = Signal(object, object)
    _written = Signal(object, object, object)
    _collected = Signal(object, object)

    def __init__(self, window: SessionHost, parent: QWidget, recent: RecentFiles) -> None:
        super().__init__(parent)
        self._window, self._parent, self._recent = window, parent, recent
        self._restoring: ViewStateRestorer | None = None
        self._with_copies: set[Path] = set()
        self.unpacks_to: Callable[[], Path] = _temporary
        """Where the copies in a session are put while it is open."""
        queued = Qt.ConnectionType.QueuedConnection
        self._read.connect(self._take, queued)
        self._written.connect(self._on_written, queued)
        self._collected.connect(self._ask_where, queued)

    def open(self, path: Path) -> None:
        """Open a session; one that is not as it must be is a dialog, and nothing else changes."""

        def work(progress: Progress) -> str:
            from rnnviz.io.session.load import read_session

            self._read.emit(path, read_session(path, self.unpacks_to, progress))
            return f"Opened {path}."

        self._window.jobs.start(Task(f"opening {path.name}", work))

    def ask_save(self) -> None:
        """Ask where to save a session that says where its files are."""
        self._ask("Save session", None)

    def ask_save_with_files(self) -> None:
        """Ask where to save a session that holds a copy of each file; how large they are stands above."""
        config = self._window.session.config

        def work(_progress: Progress) -> str:
            files, size = _collect(config)
            self._collected.emit(files, size)
            return ""

        self._window.jobs.start(Task("collecting files", work))

    def save(self, path: Path, *, copies: bool | None = None, then: Callable[[], None] = lambda: None) -> None:
        """Save a session, with copies as it was unless `copies` says otherwise; `then` follows when it is written.

        Files that are nowhere but in a session are always copied.
        """
        session = self.present()
        with_copies = path in self._with_copies if copies is None else copies
        with_copies = with_copies or bool(self.files_of_its_own(session.config))

        def work(progress: Progress) -> str:
            from rnnviz.io.session.save import write_session

            files = _collect(session.config)[0] if with_copies else None
            written = write_session(session, path, files, progress)
            self._written.emit(path, session.config, then)
            held = "" if not files else f", with {len(files)} file{'' if len(files) == 1 else 's'}"
            return f"Saved {path}: {readable(written)}{held}."

        if with_copies:
            self._with_copies.add(path)
        else:
            self._with_copies.discard(path)
        self._window.jobs.start(Task(f"saving {path.name}", work))

    def files_of_its_own(self, config: Config) -> list[str]:
        """What the config reads that was unpacked from a session, and goes with the window."""
        from rnnviz.io.session.file_refs import paths_in

        folder = self.unpacks_to()
        return [path for path in paths_in(config) if Path(path).is_relative_to(folder)]

    def present(self) -> SavedSession:
        """What the window shows, called after its config; where that is from stays on this machine."""
        window = self._window
        return SavedSession(
            window.session.config,
            SavedDocument(window.document.origin.title),
            view_state_of(window),
            view_choices_of(window),
        )

    def show(self, session: SavedSession, take: Callable[[Config], None]) -> None:
        """Show a session, whose config `take` hands to the document, and run it."""
        self._restoring = self._restoring or ViewStateRestorer(self._window, self)
        take(session.config)
        self._restoring.begin(session.look, session.choices)
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
    """What is to be copied, and how large it is; models are looked into in a process of their own."""
    from rnnviz.io.session.file_refs import files_to_copy, paths_in, size_of

    if any(path.lower().endswith(".onnx") for path in paths_in(config)):
        from rnnviz.execution.subprocess_call import call_in_subprocess

        files = call_in_subprocess(files_to_copy, config, what="The files could not be read")
    else:
        files = files_to_copy(config)
    return files, readable(size_of(files))


def _temporary() -> Path:
    from rnnviz.execution.run_dirs import storage

    return storage().folder
