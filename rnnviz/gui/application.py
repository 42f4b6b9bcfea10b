"""The Qt application and its windows: start, garbage collection, files from the system, shutdown."""

import atexit
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QSocketNotifier, QThread, QTimer
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication

import rnnviz
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.recovery.crashes import CrashHandler, install_display_loss_handler, uninstall_display_loss_handler
from rnnviz.gui.recovery.session_recovery import SessionRecovery
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.icons import application_icon
from rnnviz.gui.theme.theme_manager import ThemeManager
from rnnviz.verify.result import RunResult

_EVERY_MS = 200


class GcTimer(QObject):
    """Collects garbage from a Qt timer instead of Python's automatic collection.

    Python collects on the thread that allocates. A worker thread would delete menus, pixmaps and timers of a closed
    window, which Qt allows only on the window's thread.
    """

    def __init__(self, parent: QObject, spare: int | None = None) -> None:
        super().__init__(parent)
        self.spare = spare
        self._enabled, self._thresholds = gc.isenabled(), gc.get_threshold()
        self._old = 0
        if spare is None:
            gc.disable()
        else:
            gc.set_threshold(spare, *self._thresholds[1:])
        self.timer = QTimer(self)
        self.timer.timeout.connect(self.collect)
        self.timer.start(_EVERY_MS)

    def collect(self) -> None:
        counts = gc.get_count()
        newest, newer, old = (count > threshold for count, threshold in zip(counts, self._thresholds, strict=True))
        # Counting many old objects takes a frame, so they are counted only when a full collection is due.
        counting = newer and old and counts[2] % (self._thresholds[2] + 1) == 0
        # As in CPython: a full collection once the old objects have grown by a quarter.
        if counting and len(gc.get_objects(generation=2)) > 1.25 * self._old:
            gc.collect(2)
            self._old = len(gc.get_objects(generation=2))
        elif newer:
            gc.collect(1)
        elif newest:
            gc.collect(0)

    def stop(self) -> None:
        self.timer.stop()
        self.setParent(None)
        gc.set_threshold(*self._thresholds)
        if self._enabled:
            gc.enable()


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


windows: dict[MainWindow, SessionRecovery] = {}
"""Windows opened by `show_result`, referenced until they close."""
_SPARE_OBJECTS = 200_000
"""Objects that a host process may create before Python collects garbage itself, as during a long notebook cell."""


def run_window(path: Path | None) -> int:
    application = make_application()
    settings = Settings()
    window = make_window(settings)
    recovery = SessionRecovery(window)
    crashes = CrashHandler(window, recovery.save_now, window.sessions.ask_save, recovery.leave)
    crashes.install()
    install_display_loss_handler(recovery.save_now)
    if path is None:
        window.first_screen.show_on_startup()
    # The worker process would compete with the first paint for the processor.
    if sys.platform == "darwin":
        opened = FileOpenEvents(application, window.files.open)
        window.usable.connect(lambda: window.begin(opened.begin() or path))
    else:
        window.usable.connect(lambda: window.begin(path))
    # Objects that live as long as the program are excluded from garbage collection, which would take over a frame.
    window.completed.connect(gc.freeze)
    window.show()

    def end(number: int) -> None:
        """Close without a question, and let the next start offer unsaved changes."""
        if window.document.modified or window.trainings.unsaved:
            recovery.keep_for_next_start()
        window.leave()
        application.exit(128 + number)

    with _interruptible(application, end):
        code = application.exec()
    window.shut_down()
    uninstall_display_loss_handler()
    crashes.uninstall()
    if not settings.save() and sys.stderr is not None:
        print(f"rnnviz: cannot write {settings.path}; layout, theme and recent files are not saved.", file=sys.stderr)
    return code


def show_result(result: RunResult) -> None:
    """Open a window on a finished run. Blocks until it closes, unless an event loop is running.

    Changes are autosaved as in the program. The host process stays untouched: no exception hook, no crash handler,
    no handler of Qt messages.
    """
    running = QApplication.instance()
    application = running if isinstance(running, QApplication) else make_application()
    window = make_window(Settings())
    window.usable.connect(window.warm_up)
    recovery = SessionRecovery(window, own_process=False)
    window.show_result(result)
    window.show()
    windows[window] = recovery
    window.closed.connect(partial(_let_go, window))
    if not _events_are_handled():
        with _interruptible(application):
            application.exec()
        _leave(window)


def _events_are_handled() -> bool:
    """Whether an event loop runs, or IPython runs one while it waits for input (`%gui qt`)."""
    if QThread.currentThread().loopLevel() > 0:
        return True
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return str(getattr(shell, "active_eventloop", None)).startswith("qt")


def _let_go(window: MainWindow) -> None:
    """Release a closed window and its result: a notebook may open many."""
    windows.pop(window, None)
    application = QApplication.instance()
    collector = None if application is None else application.findChild(GcTimer)
    if not windows and collector is not None and collector.spare is not None:
        collector.stop()
    # First, because views outlive their window in Python if one of their signals is connected to a closure.
    window.session.set_result(None)
    window.deleteLater()


@atexit.register
def close_windows() -> None:
    """Close all windows: an interpreter that exits with an open window crashes."""
    for window in tuple(windows):
        _leave(window)


def _leave(window: MainWindow) -> None:
    """Close an open window without a question. The next window offers to restore its unsaved changes."""
    if window in windows:
        windows[window].keep_for_next_start()
        window.leave()


def make_application() -> QApplication:
    application = QApplication([sys.argv[0] or "rnnviz"])
    application.setApplicationName("rnnviz")
    application.setApplicationDisplayName("rnnviz")
    application.setApplicationVersion(rnnviz.__version__)
    application.setOrganizationName("rnnviz")
    application.setDesktopFileName("rnnviz")
    application.setWindowIcon(application_icon())
    return application


def make_window(settings: Settings) -> MainWindow:
    """Create a main window in the theme of the settings.

    After its first paint, garbage is collected only on this thread, and settings are written on a separate thread.
    """
    window = MainWindow(settings, ThemeManager(settings.theme))
    window.completed.connect(_collect_here)
    window.completed.connect(settings.write_at_once)
    return window


def _collect_here() -> None:
    application = QApplication.instance()
    assert application is not None, "a window was painted"
    if application.findChild(GcTimer) is None:
        GcTimer(application, _SPARE_OBJECTS if windows else None)


@contextmanager
def _interruptible(application: QCoreApplication, end: Callable[[int], None] | None = None) -> Iterator[None]:
    """Let Ctrl-C in the terminal close the windows. Qt's loop would notice it only at the next event.

    `end` gets the number of another signal that ends programs, unless it is ignored, as under nohup.
    """
    try:
        here, there = socket.socketpair()
    except OSError:
        yield
        return
    here.setblocking(False)
    there.setblocking(False)
    notifier = QSocketNotifier(here.fileno(), QSocketNotifier.Type.Read)
    notifier.activated.connect(lambda: here.recv(64))
    before = {signal.SIGINT: signal.signal(signal.SIGINT, lambda _number, _frame: application.quit())}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if end is not None and number is not None and signal.getsignal(number) == signal.SIG_DFL:
            # Not in the middle of what the window does at this moment, such as making a view.
            before[number] = signal.signal(number, lambda number, _frame: QTimer.singleShot(0, partial(end, number)))
    before_fd = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        notifier.setEnabled(False)
        here.close()
        there.close()
