"""A whole window on the screen, engines that stay warm from test to test, and a check of leftovers after each test."""

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from PySide6.QtCore import QByteArray, QMimeData, QModelIndex, QPoint, QPointF, QSettings, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QAbstractItemView, QApplication, QFileDialog, QLineEdit, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from rnnviz.core.config import Config
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.execution.supervisor import Supervisor
from rnnviz.gui.application import GcTimer
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.scaling import set_text_size
from rnnviz.gui.theme.theme_manager import ThemeManager
from rnnviz.lessons.index import lessons
from tests.leaks import children
from tests.shared_worker import WARM

PATIENCE = 100_000
"""Milliseconds after which something hangs. How long things take, benchmarks say: a machine may be busy."""
Kind = TypeVar("Kind", bound=QWidget)
SHARED: list[tuple[MainWindow, Config, list[QByteArray]]] = []
"""The window that tests share, its first config and layout; none before the first such test and after one closed it."""


class PatientBot(QtBot):
    """Waits however long a busy machine takes, and does what users do with windows and their dialogs."""

    def waitSignal(self, signal: Any, *, timeout: int = 0, raising: bool | None = None, **more: Any) -> Any:
        # One that does not raise expects no signal, as `assertNotEmitted` does, and would wait in vain.
        return super().waitSignal(signal, timeout=timeout if raising is False else PATIENCE, raising=raising, **more)

    def waitUntil(self, callback: Callable[[], bool | None]) -> None:
        super().waitUntil(callback, timeout=PATIENCE)

    def on_screen(self, widget: Kind, width: int, height: int) -> Kind:
        """Show a widget, which is closed at the end of the test."""
        self.addWidget(widget)
        widget.resize(width, height)
        widget.show()
        return widget

    def finished(self, window: MainWindow) -> Any:
        """Wait at the end of the block for the result of a run."""
        return self.waitSignal(window.runner.finished)

    def idle(self, window: MainWindow) -> None:
        """Wait until nothing runs or is about to run by itself."""
        self.waitUntil(lambda: not window.runner.busy and not window.control.due)

    def activate(self, window: QWidget) -> None:
        """Give the keyboard to a window, as a desktop does when a dialog closes; the offscreen platform does not."""
        window.activateWindow()
        self.waitUntil(window.isActiveWindow)

    def shown(self, window: QWidget, kind: type[Kind]) -> Kind:
        """The visible dialog of a kind, once it is there."""
        self.waitUntil(lambda: bool(visible_of(window, kind)))
        return visible_of(window, kind)[0]

    def question(self, window: QWidget) -> QMessageBox:
        return self.shown(window, QMessageBox)

    def acknowledge(self, window: QWidget) -> str:
        """Close the message that is open, and return its text."""
        box = self.question(window)
        box.accept()
        return box.text()

    def answer(self, window: QWidget, text: str) -> None:
        """Press a button of the message that is open."""
        (button,) = [each for each in self.question(window).buttons() if text in each.text().replace("&", "")]
        self.mouseClick(button, Qt.MouseButton.LeftButton)

    def click(self, view: QAbstractItemView, index: QModelIndex) -> None:
        """Click an item of a table or a list."""
        self.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(index).center())

    def drop(self, widget: QWidget, *paths: Path) -> None:
        """Drop files on a widget, which accepts them."""
        data, at = QMimeData(), QPoint(5, 5)
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        common = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
        enter = QDragEnterEvent(at, *common)
        QApplication.sendEvent(widget, enter)
        assert enter.isAccepted()
        QApplication.sendEvent(widget, QDropEvent(QPointF(at), *common))

    def choose_file(self, window: QWidget, path: Path) -> str:
        """Choose a file in the dialog that is open, and return its title."""
        dialog = self.shown(window, QFileDialog)
        dialog.findChild(QLineEdit).setText(str(path))
        dialog.accept()
        return dialog.windowTitle()


def visible_of(window: QWidget, kind: type[Kind]) -> list[Kind]:
    return [widget for widget in window.findChildren(kind) if widget.isVisible()]


@pytest.fixture
def qtbot(qtbot, request):
    return PatientBot(request)


def own_threads() -> Counter[str]:
    """How many of the window's threads there are by name."""
    tasks = Path("/proc/self/task")
    names = []
    for task in tasks.iterdir() if tasks.is_dir() else ():
        with contextlib.suppress(OSError):
            names.append((task / "comm").read_text().strip())
    own = {"runs", "jobs", "lanes", "arithmetic", "lessons", "series", "order", "ranges", "sweeps", "training"}
    return Counter(filter(own.__contains__, names))


def threads_left(before: Counter[str] | None = None) -> Counter[str]:
    """Those that do not end: the system may still know of one for a moment after it was waited for."""
    left: Counter[str] = Counter()
    for _ in range(PATIENCE // 5):
        left = own_threads() - (before or Counter())
        if not left:
            break
        QTest.qWait(5)
    return left


def visible() -> set[QWidget]:
    return {widget for widget in QApplication.topLevelWidgets() if widget.isVisible()}


def close_tooltip() -> None:
    """Close the tooltip of the widget under the pointer: a slow test lasts long enough for it."""
    for widget in visible():
        if widget.windowType() == Qt.WindowType.ToolTip:
            widget.close()


@pytest.fixture(scope="session")
def qapp(qapp):
    """With the style and the fonts of the program, in whatever order the tests run."""
    ThemeManager("light").deleteLater()
    # The first call takes the present size of the font for that of the system, and a test may set a larger one.
    set_text_size(100)
    return qapp


@pytest.fixture(scope="session")
def supervisor():
    WARM.start()
    return WARM


@pytest.fixture(scope="session")
def collector(qapp):
    """As in the program: what is left of the windows of earlier tests is not deleted by a thread of a later one."""
    collector = GcTimer(qapp)
    yield collector
    collector.stop()


@pytest.fixture
def nothing_is_left_running():
    """Engines and the shared window stay; what else a test opened, the next fixture looks for."""


@pytest.fixture(autouse=True)
def nothing_is_left_open(request):
    """Windows, threads and processes that a test opened have ended when it is done."""
    if "qtbot" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("collector")
    shared = request.getfixturevalue("supervisor") if "supervisor" in request.fixturenames else None
    shares = "shared_windows" in request.fixturenames
    for window, *_ in SHARED:
        # In front of another test's widget it would have the pointer.
        window.move(0 if shares else 5000, 0)
    before, shown, running = children(), visible(), own_threads()
    yield
    close_tooltip()
    assert visible() <= shown.union(window for window, *_ in SHARED if shares)
    own = set() if shared is None else {shared.pid}
    left = [process for process in children() - before if process.pid not in own]
    _, alive = psutil.wait_procs(left, timeout=PATIENCE / 1000)
    assert alive == []
    # The shared window starts threads at any time. None is left when it is closed, at the end of the session.
    assert SHARED or threads_left(running) == Counter()


@pytest.fixture
def settings(tmp_path):
    return Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


def opened(supervisor: Supervisor, settings: Settings, size: tuple[int, int] | None = (1280, 800)) -> MainWindow:
    """A window with all views, in which nothing runs yet."""
    window = MainWindow(settings, ThemeManager("light"), Runner(supervisor))
    if size is not None:
        window.resize(*size)
    completed = QSignalSpy(window.completed)
    window.show()
    assert completed.count() or completed.wait(PATIENCE)
    return window


def settle(window: MainWindow) -> None:
    """Wait for the end of a run: one that is cut off kills the shared worker, which imports engines again."""
    window.control.cancel()
    for _ in range(PATIENCE // 5):
        if not window.runner.busy:
            break
        QTest.qWait(5)


def close(*windows: MainWindow) -> None:
    """Close windows without a question about unsaved changes."""
    for window in windows:
        settle(window)
        window.leave()
        window.deleteLater()
    QTest.qWait(0)


@pytest.fixture(scope="session")
def shared_windows(collector):
    yield SHARED
    windows = [window for window, *_ in SHARED]
    SHARED.clear()
    close(*windows)
    assert threads_left() == Counter()


@pytest.fixture
def window(qtbot, tmp_path, supervisor, shared_windows):
    """The shared window on the first lesson, with its result, selection, colors, size, tab, focus and new settings."""
    file = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    if not shared_windows:
        window = opened(supervisor, Settings(file))
        with qtbot.finished(window):
            window.begin(None)
        layout = window.main_layout.docks.save()
        shared_windows.append((window, window.session.config, layout))
    ((window, config, layout),) = shared_windows
    window.settings.__init__(file)
    window.guide.leave()
    if window.session.result is None or not window.session.config == window.session.result.config == config:
        settle(window)
        with qtbot.finished(window):
            window.document.take(config, lessons()[0].title)
            window.control.run()
    assert not window.document.modified
    window.playback.dismiss()
    window.session.set_location(Location())
    if window.navigation.place.is_gradient:
        window.navigation.visit(Place.at("h", Location()))
    window.session.set_color_by("value")
    window.session.set_order("index")
    window.session.set_swiping(False)
    window.theme_manager.choose("light")
    window.main_layout.tabs.setCurrentIndex(0)
    window.resize(1280, 800)
    window.main_layout.docks.restore(layout)
    window.main_layout.open_only(("Value", "tabs"))
    window.lanes.fit()
    window.statusBar().clearMessage()
    qtbot.activate(window)
    window.lanes.setFocus()
    yield window
    if not window.isVisible():
        shared_windows.clear()
        close(window)


@pytest.fixture
def make_window(qtbot, settings, supervisor):
    """Opens a window of the test's own, in which nothing runs yet."""
    windows = []

    def make(size=(1280, 800), worker=supervisor):
        windows.append(window := opened(worker, settings, size))
        qtbot.activate(window)
        return window

    yield make
    close(*windows)


@pytest.fixture
def bare_window(make_window):
    """A window of the test's own on the first lesson, before anything was run."""
    return make_window()


@pytest.fixture
def run_config(qtbot, window):
    """Runs a config made of the given tables and waits for the result."""

    def run(network, **tables):
        with qtbot.finished(window):
            window.document.edit(Config.from_mapping({"network": network, **tables}))
            window.control.run()

    return run


@pytest.fixture
def press(qtbot, window):
    """Presses a key in the window, with the focus where the lanes are."""

    def press(key, modifiers=Qt.KeyboardModifier.NoModifier):
        if not window.isActiveWindow():
            qtbot.activate(window)
        window.lanes.setFocus()
        QTest.keyClick(window.lanes, key, modifiers)

    return press


@pytest.fixture
def clipboard(qapp):
    qapp.clipboard().clear()
    return lambda: qapp.clipboard().text()
