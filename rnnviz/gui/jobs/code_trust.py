"""Files that a config names: detection of changed contents, and permission to run code of the user.

A Python file or a program runs only after the user allows it. The answer is saved for each file, and for each command
in its folder."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal
from PySide6.QtWidgets import QMessageBox, QPushButton, QWidget

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import command_of, is_program
from rnnviz.core.errors import InputError, check_regular
from rnnviz.gui.kit.questions import Answer, ask
from rnnviz.gui.settings import Settings

_SETTLE_MS = 150
"""Delay after a change: editors save a file in several steps."""
_TITLE = "Run code named by this {subject}?"
_QUESTION = (
    "This {subject} runs the code of:\n{files}\n\n"
    "It runs with your permissions and is not sandboxed. Run it only if you trust its author."
)
_HELD_BYTES = 1 << 22
"""Largest file whose content is kept for comparison."""


class FileWatcher(QObject):
    """Reports files with changed content, but not deleted files.

    A large file counts as changed whenever it is written.
    """

    edited = Signal(object)
    """Set of the changed paths, as passed to `watch`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._contents: dict[str, bytes | None] = {}
        self._watcher = QFileSystemWatcher(self)
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._look)
        # A replaced file loses its watch, but its folder reports the new one.
        self._watcher.fileChanged.connect(self._settle.start)
        self._watcher.directoryChanged.connect(self._settle.start)

    def watch(self, names: Iterable[str]) -> None:
        """Watch these files only."""
        self._contents = {name: self._contents.get(name, _content(name)) for name in names}
        self._watch_paths()

    def _watch_paths(self) -> None:
        wanted = {path for name in self._contents for path in (name, str(Path(name).parent)) if os.path.exists(path)}
        watched = {*self._watcher.files(), *self._watcher.directories()}
        if watched - wanted:
            self._watcher.removePaths(list(watched - wanted))
        if wanted - watched:
            self._watcher.addPaths(list(wanted - watched))

    def _look(self) -> None:
        """Compare file contents and emit the changed paths."""
        before, self._contents = self._contents, {name: _content(name) for name in self._contents}
        self._watch_paths()
        edited = {name for name, content in self._contents.items() if content != before[name] and content is not None}
        if edited:
            self.edited.emit(edited)


def _content(name: str) -> bytes | None:
    try:
        check_regular(name)
        state = Path(name).stat()
        if state.st_size > _HELD_BYTES:
            return f"{state.st_size} {state.st_mtime_ns}".encode()
        return Path(name).read_bytes()
    except (OSError, InputError):
        return None


def _key(config: Config, name: str) -> str:
    """The name of a permission: a file, or a command in a folder, as the same command is another program elsewhere."""
    return f"{name} in {config.engines.folder}" if is_program(name) else name


def _files_of(config: Config, name: str) -> list[str]:
    if not is_program(name):
        return [name]
    folder = config.engines.folder or ""
    return [path for word in command_of(name).split() if os.path.isfile(path := os.path.join(folder, word))]


class CodeTrust(QObject):
    """Asks for permission, stores it, and watches the files of the config."""

    edited = Signal()
    """A watched, trusted file has changed."""

    def __init__(self, window: QWidget, settings: Settings) -> None:
        super().__init__(window)
        self._window = window
        self._settings = settings
        self._files = FileWatcher(self)
        self._watched: dict[str, str] = {}
        self._files.edited.connect(self._on_edited)

    @property
    def trusted(self) -> frozenset[str]:
        """Paths that may run, as written in a config, and commands with their folders."""
        return frozenset(self._settings.trusted)

    def allowed(self, config: Config) -> frozenset[str]:
        """The files and programs of a config that may run, by their names."""
        return frozenset(name for name in config.code if _key(config, name) in self.trusted)

    def trust(self, path: str) -> None:
        if path not in self._settings.trusted:
            self._settings.trusted = (*self._settings.trusted, path)

    def untrusted(self, config: Config) -> list[str]:
        """The code of the config that is not trusted."""
        return [key for key in (_key(config, name) for name in config.code) if key not in self.trusted]

    def ask(
        self,
        paths: list[str],
        run: Callable[[], None],
        leave: Callable[[], None],
        subject: str = "config",
        parent: QWidget | None = None,
    ) -> QMessageBox:
        """Ask whether files may run; call `run` if so, else `leave`.

        `subject` names the files, such as "sweep"; the question belongs to its window, `parent`.
        """

        def agree() -> None:
            for path in paths:
                self.trust(path)
            run()

        box = ask(
            parent or self._window,
            _TITLE.format(subject=subject),
            _QUESTION.format(subject=subject, files="\n".join(paths)),
            Answer("&Run code", agree),
            Answer("&Don't run", leave),
        )
        box.setDefaultButton(cast(QPushButton, box.escapeButton()))
        return box

    def watch(self, config: Config) -> None:
        """Watch the files of a config only: Python files, programs, and files that are arguments of them."""
        self._watched = {path: _key(config, name) for name in config.code for path in _files_of(config, name)}
        self._files.watch(self._watched)

    def _on_edited(self, paths: set[str]) -> None:
        if {self._watched[path] for path in paths if path in self._watched} & self.trusted:
            self.edited.emit()
