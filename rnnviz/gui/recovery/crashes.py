"""Orderly exit when the display is lost, and handling of uncaught exceptions on all threads."""

import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from PySide6.QtCore import QMessageLogContext, QObject, Qt, QtMsgType, Signal, qFormatLogMessage, qInstallMessageHandler

from rnnviz.frozen import dataclass
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.recovery.session_recovery import SessionRecovery

if TYPE_CHECKING:
    from rnnviz.gui.recovery.report_dialogs import CrashDialog


_SAYS = "connection broke"
"""Part of Qt's message before it ends the process, for X11 and Wayland."""
ENDED = 3


def install_display_loss_handler(save_now: Callable[[], bool]) -> None:
    """Exit in order if Qt reports a lost display; `save_now` saves the session for the next start.

    Other messages of Qt are printed as usual.
    """

    def on_message(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        if _SAYS in text:
            _end(save_now)
        elif sys.stderr is not None:
            sys.stderr.write(f"{qFormatLogMessage(kind, context, text)}\n")

    qInstallMessageHandler(on_message)


def uninstall_display_loss_handler() -> None:
    qInstallMessageHandler(None)


def _end(save_now: Callable[[], bool]) -> NoReturn:
    """Save and exit without waiting for threads or worker processes, which end by themselves and remove the runs."""
    try:
        with suppress(Exception):
            from rnnviz.execution.log import log

            kept = save_now()
            log.warning("display lost; session %s", "saved" if kept else "not saved")
            last = "The next start offers to restore unsaved changes." if kept else "Unsaved changes are lost."
            if sys.stderr is not None:
                sys.stderr.write(f"rnnviz: The connection to the display was lost. {last}\n")
                sys.stderr.flush()
    finally:
        os._exit(ENDED)


_MOST_KINDS = 100
"""Limit of distinct failures; further ones are counted together."""


@dataclass(frozen=True)
class Failure:
    """An exception: `kind` identifies type and place, `text` is its traceback."""

    kind: str
    text: str


class CrashHandler(QObject):
    """Python's exception hooks. Exceptions of any thread are shown on the window's thread."""

    _failed = Signal(object)

    def __init__(self, window: MainWindow, recovery: SessionRecovery) -> None:
        super().__init__(window)
        self._window, self._recovery = window, recovery
        self.seen = Counter[str]()
        self._lock = threading.Lock()
        self.dialog: CrashDialog | None = None
        self._failed.connect(self._show, Qt.ConnectionType.QueuedConnection)

    def install(self) -> None:
        """Install the hooks. Exceptions in Qt slots arrive like those of the main thread."""
        sys.excepthook = self._on_exception
        threading.excepthook = lambda args: self._on_exception(args.exc_type, args.exc_value, args.exc_traceback)
        sys.unraisablehook = lambda args: self._on_exception(args.exc_type, args.exc_value, args.exc_traceback)

    def uninstall(self) -> None:
        sys.excepthook = sys.__excepthook__
        threading.excepthook = threading.__excepthook__
        sys.unraisablehook = sys.__unraisablehook__

    def _on_exception(
        self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt | SystemExit):
            sys.__excepthook__(kind, kind() if error is None else error, trace)
            return
        text = "".join(traceback.format_exception(kind, error, trace))
        failure = Failure(f"{kind.__name__} {_place(trace)}", text)
        with self._lock:
            if failure.kind not in self.seen and len(self.seen) >= _MOST_KINDS:
                failure = Failure("others", text)
            self.seen[failure.kind] += 1
            first = self.seen[failure.kind] == 1
        if os.environ.get("RNNVIZ_DEBUG") == "1":
            sys.stderr.write(text)
        if first:
            self._log(kind, trace)
            self._failed.emit(failure)

    def _log(self, kind: type[BaseException], trace: TracebackType | None) -> None:
        from rnnviz.execution.log import log
        from rnnviz.gui.recovery.log_file import keep_log, where

        keep_log()
        thread = threading.current_thread().name
        log.error("uncaught %s on %s, at\n%s", kind.__name__, thread, "\n".join(where(trace)))

    def _show(self, failure: Failure) -> None:
        kept = self._recovery.save_now()
        if self.dialog is not None:
            self.dialog.add(failure.text)
            return
        from rnnviz.gui.recovery.report_dialogs import CrashDialog

        self.dialog = CrashDialog(self._window, failure.text, kept=kept)
        self.dialog.save_requested.connect(self._window.sessions.ask_save)
        self.dialog.quit_requested.connect(self._quit)
        self.dialog.finished.connect(self._clear)
        self.dialog.open()

    def _clear(self) -> None:
        self.dialog = None

    def _quit(self) -> None:
        self._recovery.keep_for_next_start()
        self._window.leave()


def _place(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace, limit=-1)
    return f"{frames[0].filename}:{frames[0].lineno}" if frames else "nowhere"
