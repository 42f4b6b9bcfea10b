"""Qt's application, the window in it, and the end of both."""

import atexit
import gc
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QSocketNotifier, QThread
from PySide6.QtWidgets import QApplication

import rnnviz
from rnnviz.gui.gc_timer import Collector
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.recovery.display_loss import install_display_loss_handler, uninstall_display_loss_handler
from rnnviz.gui.recovery.excepthook import CrashHandler
from rnnviz.gui.recovery.session_recovery import SessionRecovery
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.icons import application_icon
from rnnviz.gui.theme.theme_manager import Appearance
from rnnviz.verify.result import RunResult

_windows: dict[MainWindow, SessionRecovery] = {}
"""Those that `show_result` opened, kept until they are closed."""
_SPARE_OBJECTS = 200_000
"""How many a process that is somebody else's may make and keep while Qt's events wait, as during a long cell."""


def run_window(path: Path | None) -> int:
    """Open the window and stay until it is closed."""
    application = make_application()
    settings = Settings()
    window = make_window(settings)
    keeper = SessionRecovery(window)
    crashes = CrashHandler(window, keeper)
    crashes.install()
    install_display_loss_handler(keeper.save_now)
    if path is None:
        window.welcome.greet()
    # The engines' process would compete with the first picture for the processor.
    if sys.platform == "darwin":
        from rnnviz.gui.file_open_events import OpenedFiles

        opened = OpenedFiles(application, window.files.open)
        window.usable.connect(lambda: window.begin(opened.begin() or path))
    else:
        window.usable.connect(lambda: window.begin(path))
    # What lives as long as the program is left out of every search for garbage, which would take more than a frame.
    window.completed.connect(gc.freeze)
    window.show()
    with _interruptible(application):
        code = application.exec()
    window.shut_down()
    uninstall_display_loss_handler()
    crashes.uninstall()
    if not settings.save() and sys.stderr is not None:
        print(f"rnnviz: cannot write {settings.path}; layout, theme and recent files are not saved.", file=sys.stderr)
    return code


def show_result(result: RunResult) -> None:
    """Open a window on a finished run; stay until it is closed unless others handle Qt's events.

    What is changed in it is kept as in the program's own window, but nothing is hooked into a process that is somebody
    else's: neither into Python's errors and crashes, nor into Qt's messages, one of which tells that a screen is lost.
    """
    running = QApplication.instance()
    application = running if isinstance(running, QApplication) else make_application()
    window = make_window(Settings())
    window.usable.connect(window.warm_up)
    keeper = SessionRecovery(window, own_process=False)
    window.take_result(result)
    window.show()
    _windows[window] = keeper
    window.closed.connect(partial(_let_go, window))
    if not _events_are_handled():
        with _interruptible(application):
            application.exec()
        _leave(window)


def _events_are_handled() -> bool:
    """Whether an event loop runs, or IPython runs one whenever it waits for input, as `%gui qt` asks it to."""
    if QThread.currentThread().loopLevel() > 0:
        return True
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return str(getattr(shell, "active_eventloop", None)).startswith("qt")


def _let_go(window: MainWindow) -> None:
    """Keep neither a window that was closed nor the run that it showed: a notebook may open many."""
    _windows.pop(window, None)
    application = QApplication.instance()
    collector = None if application is None else application.findChild(Collector)
    if not _windows and collector is not None and collector.spare is not None:
        collector.stop()
    # First, as views outlive their window in Python wherever a signal of theirs is connected to a closure.
    window.session.set_result(None)
    window.deleteLater()


@atexit.register
def _close_windows() -> None:
    """An interpreter that ends with a window open would crash."""
    for window in tuple(_windows):
        _leave(window)


def _leave(window: MainWindow) -> None:
    """Close a window that is still open, and let the next one offer what is not saved: nobody can be asked any more."""
    if window in _windows:
        _windows[window].leave_it()
        window.leave()


def make_application() -> QApplication:
    """The application with its names and icon."""
    application = QApplication([sys.argv[0] or "rnnviz"])
    application.setApplicationName("rnnviz")
    application.setApplicationDisplayName("rnnviz")
    application.setApplicationVersion(rnnviz.__version__)
    application.setOrganizationName("rnnviz")
    application.setDesktopFileName("rnnviz")
    application.setWindowIcon(application_icon())
    return application


def make_window(settings: Settings) -> MainWindow:
    """A window in the theme that the settings ask for.

    From its first picture on, garbage is looked for here alone, and settings are written on a thread of their own.
    """
    window = MainWindow(settings, Appearance(settings.theme))
    window.completed.connect(_collect_here)
    window.completed.connect(settings.write_at_once)
    return window


def _collect_here() -> None:
    application = QApplication.instance()
    assert application is not None, "a window was painted"
    if application.findChild(Collector) is None:
        Collector(application, _SPARE_OBJECTS if _windows else None)


@contextmanager
def _interruptible(application: QCoreApplication) -> Iterator[None]:
    """Let Ctrl-C in the terminal close the windows, which Qt's loop would not notice before the next event."""
    try:
        here, there = socket.socketpair()
    except OSError:
        yield
        return
    here.setblocking(False)
    there.setblocking(False)
    notifier = QSocketNotifier(here.fileno(), QSocketNotifier.Type.Read)
    notifier.activated.connect(lambda: here.recv(64))
    before_handler = signal.signal(signal.SIGINT, lambda _number, _frame: application.quit())
    before_fd = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before_fd)
        signal.signal(signal.SIGINT, before_handler)
        notifier.setEnabled(False)
        here.close()
        there.close()
