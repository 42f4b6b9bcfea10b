"""A whole window on the screen, engines that stay warm from test to test, and a check of leftovers after each test."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from rnnviz.core.config import Config
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
from tests.shared_worker import WARM, WarmWorker

PATIENCE = 100_000
"""Milliseconds after which something hangs. How long things take, benchmarks say: a machine may be busy."""


class PatientBot(QtBot):
    """Waits for signals and states however slow the machine is, whatever limit a test names."""

    def waitSignal(self, signal: Any, *, timeout: int = 0, raising: bool | None = None, **more: Any) -> Any:
        # One that does not raise expects no signal, as `assertNotEmitted` does, and would wait in vain.
        patience = 0 if raising is False else PATIENCE
        return super().waitSignal(signal, timeout=max(timeout, patience), raising=raising, **more)

    def waitUntil(self, callback: Callable[[], bool | None], *, timeout: int = 0) -> None:
        super().waitUntil(callback, timeout=max(timeout, PATIENCE))


@pytest.fixture
def qtbot(qtbot: QtBot, request: pytest.FixtureRequest) -> PatientBot:
    return PatientBot(request)


def own_threads() -> Counter[str]:
    """How many of the window's threads there are by name; Qt's pool is not ours to end."""
    tasks = Path("/proc/self/task")
    names = []
    for task in tasks.iterdir() if tasks.is_dir() else ():
        with contextlib.suppress(OSError):
            names.append((task / "comm").read_text().strip())
    return Counter(
        name
        for name in names
        if name in ("runs", "jobs", "lanes", "arithmetic", "lessons", "series", "order", "ranges", "sweeps", "training")
    )


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
def qapp(qapp: QApplication) -> QApplication:
    """With the style and the fonts of the program, in whatever order the tests run."""
    ThemeManager("light").deleteLater()
    # The first call takes the present size of the font for that of the system, and a test may set a larger one.
    set_text_size(100)
    return qapp


@pytest.fixture(scope="session")
def supervisor() -> WarmWorker:
    WARM.start()
    return WARM


@pytest.fixture(scope="session")
def collector(qapp: QApplication) -> Iterator[GcTimer]:
    """As in the program: what is left of the windows of earlier tests is not deleted by a thread of a later one."""
    collector = GcTimer(qapp)
    yield collector
    collector.stop()


@pytest.fixture(autouse=True)
def nothing_is_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Windows, threads and processes that a test opened have ended when it is done."""
    if "qtbot" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("collector")
    shared = request.getfixturevalue("supervisor") if "supervisor" in request.fixturenames else None
    before, shown, running = children(), visible(), own_threads()
    yield
    close_tooltip()
    common = request.getfixturevalue("module_windows") if "module_windows" in request.fixturenames else []
    assert visible() <= shown.union(window for window, _ in common)
    own = set() if shared is None else {shared.pid}
    left = [process for process in children() - before if process.pid not in own]
    _, alive = psutil.wait_procs(left, timeout=PATIENCE / 1000)
    assert alive == []
    # Threads of the module's windows end with the module.
    assert common or threads_left(running) == Counter()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
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


def close(*windows: MainWindow) -> None:
    """Close windows without a question about unsaved changes, after their runs.

    A run that is cut off kills the shared worker, and the next one imports its engines again.
    """
    for window in windows:
        window.control.auto_run.cancel()
        for _ in range(PATIENCE // 5):
            if not window.runner.busy:
                break
            QTest.qWait(5)
        window.leave()
        window.deleteLater()
    QTest.qWait(0)


@pytest.fixture(scope="module")
def module_windows(collector: GcTimer, supervisor: WarmWorker) -> Iterator[list[tuple[MainWindow, Config]]]:
    """Windows that tests of a module share, each with its first config: one, and another after a test closes it."""
    windows: list[tuple[MainWindow, Config]] = []
    yield windows
    close(*(window for window, _ in windows))
    assert threads_left() == Counter()


@pytest.fixture
def shared_window(
    qtbot: Any, settings: Settings, supervisor: WarmWorker, module_windows: list[tuple[MainWindow, Config]]
) -> MainWindow:
    """The window of the module on the first lesson, with its result, selection, colors, size, tab and focus."""
    if not module_windows or not module_windows[-1][0].isVisible():
        window = opened(supervisor, settings)
        with qtbot.waitSignal(window.runner.finished, timeout=20_000):
            window.begin(None)
        module_windows.append((window, window.session.config))
    window, config = module_windows[-1]
    if window.session.result is None or not window.session.config == window.session.result.config == config:
        with qtbot.waitSignal(window.runner.finished, timeout=20_000):
            window.document.take(config, lessons()[0].title)
            window.control.run()
    assert not window.document.modified
    window.session.set_location(Location())
    window.session.set_color_by("value")
    window.theme_manager.choose("light")
    window.main_layout.tabs.setCurrentIndex(0)
    window.resize(1280, 800)
    window.statusBar().clearMessage()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.lanes.setFocus()
    return window


@pytest.fixture
def make_window(qtbot: Any, settings: Settings) -> Iterator[Callable[..., MainWindow]]:
    """Opens a window in which nothing runs yet."""
    windows: list[MainWindow] = []

    def make(supervisor: Supervisor, size: tuple[int, int] | None = (1280, 800)) -> MainWindow:
        windows.append(window := opened(supervisor, settings, size))
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        return window

    yield make
    close(*windows)


@pytest.fixture
def bare_window(make_window: Callable[..., MainWindow], supervisor: WarmWorker) -> MainWindow:
    """A window on the first lesson, before anything was run."""
    return make_window(supervisor)


@pytest.fixture
def window(qtbot: Any, bare_window: MainWindow) -> MainWindow:
    """A window on the first lesson, with its result."""
    with qtbot.waitSignal(bare_window.runner.finished, timeout=20_000):
        bare_window.begin(None)
    return bare_window


@pytest.fixture
def run_config(qtbot: Any, window: MainWindow) -> Callable[..., None]:
    """Runs a config made of the given tables and waits for the result."""

    def run(network: dict[str, Any], **tables: Any) -> None:
        config = Config.from_mapping({"network": network, **tables})
        with qtbot.waitSignal(window.runner.finished, timeout=60_000):
            window.document.edit(config)
            window.control.run()

    return run


@pytest.fixture
def press(qtbot: Any, window: MainWindow) -> Callable[..., None]:
    """Presses a key in the window, with the focus where the lanes are."""

    def press(key: Qt.Key | str, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        # A desktop gives the keyboard back to the window when a dialog closes; the offscreen platform does not.
        if not window.isActiveWindow():
            window.activateWindow()
            qtbot.waitUntil(window.isActiveWindow)
        window.lanes.setFocus()
        QTest.keyClick(window.lanes, key, modifiers)

    return press


@pytest.fixture
def clipboard(qapp: QApplication) -> Callable[[], str]:
    qapp.clipboard().clear()
    return lambda: qapp.clipboard().text()
