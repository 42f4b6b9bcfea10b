"""What is not saved is written to the window's own folder a moment after each change, beside the window."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.core.errors import InputError
from rnnviz.gui.jobs.task_queue import Progress, Task, TaskQueue
from rnnviz.gui.main_window import MainWindow
from rnnviz.io.session.types import SavedDocument, SavedSession

DELAY_MS, MOVED_MS = 1_000, 5_000
"""How long after a change it is saved, and how long after the cursor has moved, as it does all the time in playing."""


class Autosave(QObject):
    """Follows a window. A disk that takes nothing is told once, until it does again."""

    saved = Signal()
    message = Signal(str)
    """A passing remark."""

    def __init__(self, window: MainWindow, path: Path, parent: QObject) -> None:
        super().__init__(parent)
        self._window, self._path = window, path
        self._saved: SavedSession | None = None
        self._writing: SavedSession | None = None
        self._told = self._closed = False
        self._jobs = TaskQueue(self)
        self._jobs.done.connect(self._on_saved)
        self._jobs.failed.connect(self._on_failed)
        # Not begun anew by each change: who plays or drags for an hour has it saved, too.
        self._delay = QTimer(self, singleShot=True)
        self._delay.timeout.connect(self._save)
        session = window.session
        for signal in (
            session.config_changed,
            session.candidate_changed,
            session.engine_changed,
            session.color_by_changed,
            session.order_changed,
            session.swipe_changed,
            window.document.changed,
            window.arrangement.tab_chosen,
        ):
            signal.connect(lambda _new=None: self._want(DELAY_MS))
        session.location_changed.connect(lambda _new: self._want(MOVED_MS))

    def save_now(self) -> bool:
        """Save before anything else happens, and say whether that worked; nothing is told."""
        self._delay.stop()
        session = self._present()
        try:
            if session is not None:
                _write(session, self._path)
        except (InputError, OSError):
            return False
        return True

    def close(self) -> None:
        """Save no more, and wait for what is being written."""
        self._closed = True
        self._delay.stop()
        self._jobs.close()

    def _want(self, within_ms: int) -> None:
        """Save at the latest in so many milliseconds."""
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

        self._jobs.start(Task("autosaving the session", work))

    def _present(self) -> SavedSession | None:
        """What is to be kept; None while the user has done nothing that could be lost."""
        document = self._window.document
        if not document.can_undo and document.path is None:
            return None
        path = None if document.path is None else str(document.path)
        session = self._window.sessions.present()
        return replace(session, document=SavedDocument(document.origin.title, path, document.modified))

    def _on_saved(self, _words: str) -> None:
        self._saved, self._told = self._writing, False
        self.saved.emit()

    def _on_failed(self, _title: str, sentence: str) -> None:
        if not self._told:
            self._told = True
            self.message.emit(f"Autosave failed; a crash would lose unsaved changes: {sentence}")


def _write(session: SavedSession, path: Path) -> None:
    from rnnviz.io.session.save import write_session

    write_session(session, path)
