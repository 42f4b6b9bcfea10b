"""Files whose saving has to be noticed."""

import os
from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from rnnviz.core.errors import InputError
from rnnviz.core.regular_file import check_regular

_DELAY_MS = 150
"""Editors write a file in several steps; what follows begins when they are done."""
_HELD_BYTES = 1 << 22
"""Up to this size a file's content is held, so that it can be compared."""


class FileWatcher(QObject):
    """Tells when files have another content, however they were written; not when one is gone.

    A large file counts as another one as soon as it is written.
    """

    edited = Signal(object)
    """The set of the paths, as they were named, that have another content."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._contents: dict[str, bytes | None] = {}
        self._watcher = QFileSystemWatcher(self)
        self._settle = QTimer(self, singleShot=True, interval=_DELAY_MS)
        self._settle.timeout.connect(self._look)
        # A file that is replaced is lost to its watch, but its folder tells of the new one.
        self._watcher.fileChanged.connect(self._settle.start)
        self._watcher.directoryChanged.connect(self._settle.start)

    def watch(self, names: Iterable[str]) -> None:
        """Watch these files, and no others."""
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
        """See which files really have another content."""
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
