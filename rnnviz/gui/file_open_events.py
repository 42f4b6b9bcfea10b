"""Files that the system asks the running program to open: macOS does so where others start it with an argument."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QObject
from PySide6.QtGui import QFileOpenEvent


class OpenedFiles(QObject):
    """Keeps what is asked for until the window can take it, and hands it over from then on.

    It sees every event of the program, and so is for the system alone that needs it.
    """

    def __init__(self, application: QCoreApplication, opened: Callable[[Path], None]) -> None:
        super().__init__(application)
        self._opened = opened
        self._waiting: list[Path] | None = []
        application.installEventFilter(self)

    def begin(self) -> Path | None:
        """The last file that was asked for so far; others are handed over as they come."""
        waiting, self._waiting = self._waiting or [], None
        return waiting[-1] if waiting else None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the requests, and nothing else."""
        if not isinstance(event, QFileOpenEvent) or not event.file():
            return False
        path = Path(event.file())
        if self._waiting is None:
            self._opened(path)
        else:
            self._waiting.append(path)
        return True
