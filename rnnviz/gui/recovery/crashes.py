"""Lost displays and uncaught exceptions: an orderly exit, and dialogs with the text of a bug report."""

import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import NoReturn

from PySide6.QtCore import QMessageLogContext, QObject, Qt, QtMsgType, Signal, qFormatLogMessage, qInstallMessageHandler
from PySide6.QtWidgets import QApplication, QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from rnnviz.frozen import dataclass
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.scaling import space_dialog

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

    def __init__(
        self, window: QWidget, save_now: Callable[[], bool], ask_save: Callable[[], None], leave: Callable[[], None]
    ) -> None:
        """`save_now` autosaves, `ask_save` asks for the file of a session; `leave` quits and keeps what is unsaved."""
        super().__init__(window)
        self._window, self._save_now, self._ask_save, self._leave = window, save_now, ask_save, leave
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
        kept = self._save_now()
        if self.dialog is not None:
            self.dialog.add(failure.text)
            return
        self.dialog = CrashDialog(self._window, failure.text, kept=kept)
        self.dialog.save_requested.connect(self._ask_save)
        self.dialog.quit_requested.connect(self._leave)
        self.dialog.finished.connect(self._clear)
        self.dialog.open()

    def _clear(self) -> None:
        self.dialog = None


def _place(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace, limit=-1)
    return f"{frames[0].filename}:{frames[0].lineno}" if frames else "nowhere"


_REPORT = (
    "Describe what you did, what you expected, and what happened. Add the text below. Check it for private data first: "
    "it contains folder names of this machine. The log contains no numbers and no text of your networks."
)
_LONGEST = 50_000
_CRASH = (
    "Internal error. You can continue; if the window misbehaves, quit and restart rnnviz. "
    "Please report it with the text below (check it for private data first)."
)
_KEPT = "Your work is autosaved. After Quit, the next start offers to restore it."
_NOT_KEPT = "Autosave failed. Save the session before you quit."


class _TextDialog(QDialog):
    """Words above a text in a fixed font, and buttons."""

    def __init__(self, parent: QWidget, title: str, words: str, name: str, text: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        above = QLabel(words)
        above.setWordWrap(True)
        self.text = QPlainTextEdit(text)
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName(name)
        self.text.setFont(code_font())
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.buttons = QDialogButtonBox()
        layout = QVBoxLayout(self)
        space_dialog(layout)
        layout.addWidget(above)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.buttons)
        self.resize(740, 480)


class BugReportDialog(_TextDialog):
    """Shows the report and copies it."""

    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, parent: QWidget, report: str) -> None:
        super().__init__(parent, "Report a problem", _REPORT, "Report", report)
        self.buttons.addButton(QDialogButtonBox.StandardButton.Close)
        self.buttons.rejected.connect(self.reject)
        self.copy = self.buttons.addButton("&Copy", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy.setObjectName("copy_report")
        self.copy.setDefault(True)
        self.copy.clicked.connect(self._copy)

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.text.toPlainText())
        self.message.emit("Report copied.")


class CrashDialog(_TextDialog):
    """Explains the error and shows the text of a bug report."""

    save_requested = Signal()
    quit_requested = Signal()

    def __init__(self, parent: QWidget, text: str, *, kept: bool) -> None:
        words = f"{_CRASH}\n\n{_KEPT if kept else _NOT_KEPT}"
        super().__init__(parent, "Internal error", words, "Error details", text[-_LONGEST:])
        self.setAccessibleDescription(words)
        self._count = 1
        roles = QDialogButtonBox.ButtonRole
        for name, label, role, act in (
            ("copy_crash", "&Copy", roles.ActionRole, self._copy),
            ("save_after_crash", "&Save session…", roles.ActionRole, self.save_requested.emit),
            ("quit_after_crash", "&Quit", roles.DestructiveRole, self._quit),
            ("continue_after_crash", "Co&ntinue", roles.RejectRole, self.reject),
        ):
            button = self.buttons.addButton(label, role)
            button.setObjectName(name)
            button.clicked.connect(act)
            # Enter must not quit.
            button.setAutoDefault(name != "quit_after_crash")
            button.setDefault(name == "copy_crash")

    def add(self, text: str) -> None:
        self._count += 1
        self.setWindowTitle(f"{self._count} internal errors")
        if len(self.text.toPlainText()) + len(text) < _LONGEST:
            self.text.appendPlainText(f"\n{text}")

    def _copy(self) -> None:
        from rnnviz.execution.log import bug_report

        QApplication.clipboard().setText(f"{self.text.toPlainText()}\n{bug_report()}")

    def _quit(self) -> None:
        self.reject()
        self.quit_requested.emit()
