"""File-open events of macOS. Other systems pass a file as an argument."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QObject
from PySide6.QtGui import QFileOpenEvent


class FileOpenEvents(QObject):
    """Queues requested files until the window is usable, then opens each one at once.

    It filters every event of the application, so it is installed on macOS only.
    """

    def __init__(self, application: QCoreApplication, opened: Callable[[Path], None]) -> None:
        super().__init__(application)
        self._opened = opened
        self._waiting: list[Path] | None = []
        application.installEventFilter(self)

    def begin(self) -> Path | None:
        """Return the last queued file. Later files open at once."""
        waiting, self._waiting = self._waiting or [], None
        return waiting[-1] if waiting else None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QFileOpenEvent) or not event.file():
            return False
        path = Path(event.file())
        if self._waiting is None:
            self._opened(path)
        else:
            self._waiting.append(path)
        return True
