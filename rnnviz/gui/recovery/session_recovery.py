"""Autosave, recovery of crashed windows, and logging."""

import faulthandler
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, TextIO

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QSizePolicy

from rnnviz.core.errors import InputError
from rnnviz.gui.kit.tasks import BackgroundTask, Progress, TaskQueue
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.recovery.recovery_dir import AUTOSAVE, CRASH, TRAINING, RecoveryDir, holds_something, left_at
from rnnviz.gui.recovery.session_commands import DECISIONS, temporary_folder
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import across

if TYPE_CHECKING:
    from rnnviz.io.session import SavedDocument, SavedSession


DELAY_MS, MOVED_MS = 1_000, 5_000
"""Delay after a change, and after a move of the selection or a checkpoint, which are frequent."""
_PAUSE = 20.0
"""The shortest time between two copies of a training, as a multiple of the time that one takes."""
_RESTORED = "Restored. The training goes on from its last checkpoint: later training steps are lost."


class Autosave(QObject):
    """Autosaves the session and the training of a window. A failure is reported once, until a save succeeds."""

    saved = Signal()
    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, window: MainWindow, folder: Path, parent: QObject) -> None:
        super().__init__(parent)
        self._window = window
        self._session_file, self._training_file = folder / AUTOSAVE, folder / TRAINING
        self.latest: SavedSession | None = None
        self._writing: SavedSession | None = None
        self._file = Lock()
        self._reported = self._closed = False
        self._trained, self._train_again = False, 0.0
        """Whether the training has a checkpoint that is in no file, and the time from which on it may be written."""
        self._jobs = TaskQueue(self)
        self._jobs.done.connect(self._on_saved)
        self._jobs.failed.connect(self._on_failed)
        # A change does not restart the timer, so that continuous changes are saved, too.
        self._delay = QTimer(self, singleShot=True)
        self._delay.timeout.connect(self.save)
        session = window.session
        session.on_change(lambda: self._want(DELAY_MS), "config", *DECISIONS)
        for signal in (
            window.view_decided,
            window.document.changed,
            window.main_layout.tabs.view_chosen,
            window.player.pace_changed,
        ):
            signal.connect(lambda _new=None: self._want(DELAY_MS))
        session.on_change(lambda: self._want(MOVED_MS), "location")
        window.trainings.checkpointed.connect(self._on_checkpoint)

    def save_now(self) -> bool:
        """Save at once. Returns False on failure, without a message."""
        self._delay.stop()
        session, write_training = self._present(), self._window.trainings.writer() if self._trained else None
        try:
            if session is not None:
                self._writing = session
                self._write(session)
            if write_training is not None:
                write_training(self._training_file)
        except (InputError, OSError):
            return False
        return True

    def close(self) -> None:
        self._closed = True
        self._delay.stop()
        self._jobs.close()

    def _want(self, within_ms: int) -> None:
        if self._closed:
            return
        if not self._delay.isActive() or self._delay.remainingTime() > within_ms:
            self._delay.start(within_ms)

    def _on_checkpoint(self) -> None:
        self._trained = True
        self._want(max(MOVED_MS, int(1000 * (self._train_again - monotonic()))))

    def save(self) -> None:
        session, write_training = self._present(), None
        if self._trained and monotonic() >= self._train_again:
            write_training = self._window.trainings.writer()
        changed = session is not None and session != self.latest
        if not changed and write_training is None:
            return
        if self._jobs.busy:
            self._delay.start(DELAY_MS)
            return
        self._writing = session
        if write_training is not None:
            self._trained = False

        def work(_progress: Progress) -> str:
            if session is not None and changed:
                self._write(session)
            if write_training is not None:
                began = monotonic()
                write_training(self._training_file)
                # A long one must not keep the disk busy.
                self._train_again = monotonic() + _PAUSE * (monotonic() - began)
            return ""

        self._jobs.start(BackgroundTask("autosaving the session", work))

    def _write(self, session: "SavedSession") -> None:
        """Write the file, unless a newer session is or will be in it: a task may begin after `save_now`."""
        from rnnviz.io.session import write_session

        with self._file:
            if session is self._writing:
                write_session(session, self._session_file)

    def _present(self) -> "SavedSession | None":
        """The session to save; None if there is nothing to lose."""
        document = self._window.document
        if document.untouched:
            return None
        from rnnviz.io.session import SavedDocument

        path = None if document.path is None else str(document.path)
        session = self._window.sessions.present()
        return replace(session, document=SavedDocument(document.origin.title, path, document.modified))

    def _on_saved(self, _words: str) -> None:
        self.latest, self._reported = self._writing, False
        self.saved.emit()

    def _on_failed(self, _title: str, sentence: str) -> None:
        self._trained = True
        if not self._reported:
            self._reported = True
            self.message.emit(f"Autosave failed; a crash would lose unsaved changes: {sentence}")


class RestoreBar(QFrame):
    """Shows one session at a time, with buttons to restore, discard or postpone."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("restore_bar")
        self.setAccessibleName("Unsaved session")
        self._text = QLabel()
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setWordWrap(True)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.restore = self._button("Restore", "Restore the config, selection, view, and the training.")
        self.discard = self._button("Discard", "Delete that session permanently.")
        self.later = self._button("Later", "Decide at the next start.")
        self.setLayout(across((self._text, 1), self.restore, self.discard, self.later, margins=(12, 4, 8, 4)))
        self.hide()

    @property
    def text(self) -> str:
        return "" if self.isHidden() else self._text.text()

    def show_offer(self, text: str, *, restorable: bool) -> None:
        self._text.setText(text)
        self.setAccessibleDescription(text)
        self.restore.setVisible(restorable)
        self.discard.setText("Discard" if restorable else "Dismiss")
        self.show()

    def _button(self, text: str, why: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(f"{text.lower()}_session")
        button.setToolTip(wrapped(why))
        button.setAutoDefault(True)
        return button


class SessionRecovery(QObject):
    """Starts after the window is complete, so that the disk does not delay the start."""

    begun = Signal()

    def __init__(self, window: MainWindow, *, own_process: bool = True) -> None:
        """`own_process`: whether the process belongs to the window, so that it may install a crash handler."""
        super().__init__(window)
        self._window, self._own_process = window, own_process
        self.bar: RestoreBar | None = None
        self._left: list[Path] = []
        self.recovery_dir: RecoveryDir | None = None
        self._crash: TextIO | None = None
        self._stays = self._logs = False
        self._was_enabled = faulthandler.is_enabled()
        self.autosave: Autosave | None = None
        window.completed.connect(self.begin)
        window.closed.connect(self.close)

    def save_now(self) -> bool:
        return self.autosave is not None and self.autosave.save_now()

    def keep_for_next_start(self) -> None:
        """Save the session for the next start, although this window is about to close."""
        self._stays = self.save_now()

    def leave(self) -> None:
        """Quit, and keep what is unsaved for the next start."""
        self.keep_for_next_start()
        self._window.leave()

    def close(self) -> None:
        """Stop. The autosaved session of a regularly closed window is deleted."""
        if self.autosave is not None:
            self.autosave.close()
        if self._logs:
            from rnnviz.execution.log import log

            self._logs = False
            log.info("window closed%s", ", session saved for the next start" if self._stays else "")
        if self._crash is not None:
            # Restore the state of the host process.
            if self._was_enabled:
                faulthandler.enable(sys.__stderr__ or 2)
            else:
                faulthandler.disable()
            self._crash.close()
            self._crash = None
        self._window.sessions.unpacks_to = temporary_folder
        if self.recovery_dir is not None and not self._stays:
            self.recovery_dir.close()

    def begin(self) -> None:
        from rnnviz.execution.folders import make_state_folder, state_folder
        from rnnviz.execution.log import log
        from rnnviz.gui.recovery.log_file import keep_log, log_failure, log_run

        keep_log()
        log.info("window opened")
        self._logs = True
        if self._window.runner.busy or self._window.session.result is not None:
            # The first run may have started before.
            log_run(self._window.session.config)
        self._window.runner.started.connect(log_run)
        self._window.runner.failed.connect(log_failure)
        try:
            self.recovery_dir = RecoveryDir(make_state_folder("windows"))
            if self._own_process:
                self._crash = self.recovery_dir.crash.open("w", encoding="utf-8")
        except OSError as error:
            reason = error.strerror or error
            self._window.show_message(
                f"Autosave is off; a crash would lose unsaved changes: {state_folder()}: {reason}."
            )
        else:
            if self._crash is not None:
                faulthandler.enable(self._crash)
            recovery_dir = self.recovery_dir
            self._window.sessions.unpacks_to = lambda: recovery_dir.folder
            self.autosave = Autosave(self._window, recovery_dir.folder, self)
            self.autosave.message.connect(self._window.show_message)
            self._left = [folder for folder in recovery_dir.abandoned() if _is_offered(folder)]
            self._offer()
        self.begun.emit()

    def _offer(self) -> None:
        """Offer the newest session of a crashed window."""
        if not self._left:
            if self.bar is not None:
                self.bar.hide()
            return
        if self.bar is None:
            self.bar = RestoreBar()
            self.bar.restore.clicked.connect(lambda: self._window.files.after_changes(self._restore))
            self.bar.discard.clicked.connect(self._discard)
            self.bar.later.clicked.connect(self.bar.hide)
            self._window.main_layout.add_bar(self.bar)
        folder = self._left[0]
        left = datetime.fromtimestamp(left_at(folder))
        when = f"{left:%H:%M} on {left.day} {left:%B}"
        document, trained = _document(folder), holds_something(folder / TRAINING)
        what = "" if document is None else f" while it showed “{document.title}”"
        crashed = bool(_text_of(folder / CRASH))
        how = " Its training can be restored, too." if trained else ""
        how += " It crashed outside Python: see Help > Report a problem." if crashed else ""
        more = f" {len(self._left) - 1} more unsaved." if len(self._left) > 1 else ""
        restorable = trained or document is not None
        self.bar.show_offer(f"rnnviz ended unexpectedly at {when}{what}.{how}{more}", restorable=restorable)
        if crashed:
            from rnnviz.gui.recovery.log_file import log_crash

            log_crash(folder, _text_of(folder / CRASH))

    def _restore(self) -> None:
        """Show the session that was left, then its training; an error of one keeps the other."""
        folder = self._take()
        if folder is None:
            self._window.show_message("Another window already restored that session.")
            return
        if holds_something(folder / AUTOSAVE):
            self._restore_session(folder / AUTOSAVE)
        if holds_something(folder / TRAINING):
            self._window.trainings.restore(folder / TRAINING, "")
            self._window.show_message(_RESTORED)

    def _restore_session(self, file: Path) -> None:
        from rnnviz.gui.commands.dialogs import show_error_dialog
        from rnnviz.io.session import read_session

        try:
            session = read_session(file, self._window.sessions.unpacks_to)
        except InputError as error:
            show_error_dialog(self._window, "Cannot restore the session", error)
            return
        document = session.document
        path = None if document.path is None else Path(document.path)
        self._window.sessions.show(
            session,
            lambda config: self._window.document.restore(config, document.title, path, modified=document.modified),
        )

    def _discard(self) -> None:
        folder = self._take()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _take(self) -> Path | None:
        assert self.recovery_dir is not None
        folder = self.recovery_dir.claim(self._left.pop(0))
        self._offer()
        return folder


def _is_offered(folder: Path) -> bool:
    """Whether a window crashed, or may have had unsaved changes; the folder of another is removed."""
    document = _document(folder)
    if document is None or document.modified or any(holds_something(folder / name) for name in (TRAINING, CRASH)):
        return True
    shutil.rmtree(folder, ignore_errors=True)
    return False


def _document(folder: Path) -> "SavedDocument | None":
    from rnnviz.io.session import read_document

    with suppress(InputError):
        return read_document(folder / AUTOSAVE)
    return None


def _text_of(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace")
    return ""
