"""Autosave of the session on a background thread, shortly after each change."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.core.errors import InputError
from rnnviz.gui.app_state import Field
from rnnviz.gui.jobs.task_queue import BackgroundTask, Progress, TaskQueue
from rnnviz.gui.main_window import MainWindow
from rnnviz.io.session import SavedDocument, SavedSession

DELAY_MS, MOVED_MS = 1_000, 5_000
"""Delay after a change, and after a move of the selection, which is frequent during playback."""


class Autosave(QObject):
    """Autosaves a window. A failure is reported once, until a save succeeds."""

    saved = Signal()
    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, window: MainWindow, path: Path, parent: QObject) -> None:
        super().__init__(parent)
        self._window, self._path = window, path
        self._saved: SavedSession | None = None
        self._writing: SavedSession | None = None
        self._reported = self._closed = False
        self._jobs = TaskQueue(self)
        self._jobs.done.connect(self._on_saved)
        self._jobs.failed.connect(self._on_failed)
        # A change does not restart the timer, so that continuous changes are saved, too.
        self._delay = QTimer(self, singleShot=True)
        self._delay.timeout.connect(self._save)
        session = window.session
        shown: tuple[Field, ...] = ("config", "candidate", "engine", "color_by", "order", "swipe")
        session.on_change(lambda: self._want(DELAY_MS), *shown)
        for signal in (window.document.changed, window.main_layout.tab_chosen):
            signal.connect(lambda _new=None: self._want(DELAY_MS))
        session.on_change(lambda: self._want(MOVED_MS), "location")

    def save_now(self) -> bool:
        """Save at once. Returns False on failure, without a message."""
        self._delay.stop()
        session = self._present()
        try:
            if session is not None:
                _write(session, self._path)
        except (InputError, OSError):
            return False
        return True

    def close(self) -> None:
        """Stop saving, and wait for a pending write."""
        self._closed = True
        self._delay.stop()
        self._jobs.close()

    def _want(self, within_ms: int) -> None:
        """Save within this time."""
        if self._closed:
            return
        if not self._delay.isActive() or self._delay.remainingTime() > within_ms:
            self._delay.start(within_ms)

    def _save(self) -> None:
        session = self._present()
        if session is None or session == self._saved:
            return
        if self._jobs.busy:
            self._delay.start(DELAY_MS)
            return
        self._writing, path = session, self._path

        def work(_progress: Progress) -> str:
            _write(session, path)
            return ""

        self._jobs.start(BackgroundTask("autosaving the session", work))

    def _present(self) -> SavedSession | None:
        """The session to save; None if there is nothing to lose."""
        document = self._window.document
        if not document.can_undo and document.path is None:
            return None
        path = None if document.path is None else str(document.path)
        session = self._window.sessions.present()
        return replace(session, document=SavedDocument(document.origin.title, path, document.modified))

    def _on_saved(self, _words: str) -> None:
        self._saved, self._reported = self._writing, False
        self.saved.emit()

    def _on_failed(self, _title: str, sentence: str) -> None:
        if not self._reported:
            self._reported = True
            self.message.emit(f"Autosave failed; a crash would lose unsaved changes: {sentence}")


def _write(session: SavedSession, path: Path) -> None:
    from rnnviz.io.session import write_session

    write_session(session, path)
