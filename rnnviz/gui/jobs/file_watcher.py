"""Detection of changed file contents."""

import os
from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from rnnviz.core.errors import InputError, check_regular

_DELAY_MS = 150
"""Delay after a change: editors save a file in several steps."""
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
        self._settle = QTimer(self, singleShot=True, interval=_DELAY_MS)
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
