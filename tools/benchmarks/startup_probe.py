"""Starts the program in a separate process and reports the time of each stage; also a bare window for comparison.

python -m tools.benchmarks.startup_probe bare | start SETTINGS | first_screen SETTINGS | run SETTINGS
"""

import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnviz.gui.main_window import MainWindow

_WAIT_MS = 2_000
_WARM_RUNS = 9

Seconds = dict[str, float]


def bare(seconds: Seconds) -> None:
    """A window that holds nothing but one of pyqtgraph's plots, until it has been painted."""
    began = time.perf_counter()
    from PySide6.QtCore import QTimer
    from PySide6.QtGui import QPaintEvent
    from PySide6.QtWidgets import QApplication, QMainWindow

    application = QApplication([])
    import pyqtgraph

    class Plot(pyqtgraph.PlotWidget):
        def paintEvent(self, event: QPaintEvent) -> None:
            super().paintEvent(event)
            QTimer.singleShot(0, told)

    def told() -> None:
        seconds.setdefault("bare", time.perf_counter() - began)
        window.close()

    window = QMainWindow()
    window.setCentralWidget(Plot())
    window.resize(1280, 800)
    window.show()
    application.exec()


def start(seconds: Seconds, *, greet: bool = False) -> None:
    """The program until every tab has its view; a key is pressed as soon as the lanes are painted."""
    began = time.perf_counter()

    def tell(what: str) -> None:
        seconds[what] = time.perf_counter() - began

    def watch(window: "MainWindow") -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        def press() -> None:
            tell("lanes")
            editor = window.panel.field("network.hidden_size").editor.widget
            editor.setFocus()
            QTest.keyClick(editor, Qt.Key.Key_Up)

        def complete() -> None:
            tell("complete")
            window.close()

        window.first_painted.connect(lambda: tell("first picture"))
        window.usable.connect(press)
        window.session.on_change(lambda: tell("usable"), "config")
        window.completed.connect(complete)

    _program(watch, greet=greet)


def first_screen(seconds: Seconds) -> None:
    """The program as it is first met, until the ways to begin are there and a key has had its effect."""
    found: Seconds = {}
    start(found, greet=True)
    seconds["first screen"] = found["usable"]


def run(seconds: Seconds) -> None:
    """The program left alone until it has shown the first lesson, then runs; and its longest step meanwhile."""

    def watch(window: "MainWindow") -> None:
        from PySide6.QtCore import QTimer

        beat = QTimer(window, interval=0)
        beats: list[float] = []
        beat.timeout.connect(lambda: beats.append(time.perf_counter()))
        runs: list[float] = []
        asked = 0.0
        waited = shown = False

        def begin() -> None:
            nonlocal asked
            asked = time.perf_counter()
            beat.start()
            QTimer.singleShot(_WAIT_MS, wait)
            window.runner.finished.connect(show)

        def wait() -> None:
            nonlocal waited
            waited = True
            ask()

        def show(*_result: object) -> None:
            nonlocal shown
            shown = True
            seconds["first lesson"] = time.perf_counter() - asked
            window.runner.finished.disconnect(show)
            ask()

        def ask() -> None:
            if waited and shown:
                beat.stop()
                window.runner.finished.connect(done)
                again()

        def done(*_result: object) -> None:
            runs.append(time.perf_counter() - asked)
            if len(runs) <= _WARM_RUNS:
                QTimer.singleShot(0, again)
                return
            seconds["longest step"] = max(after - before for before, after in pairwise(beats))
            seconds["first run"] = runs[0]
            seconds["warm run"] = sorted(runs[1:])[_WARM_RUNS // 2]
            window.close()

        def again() -> None:
            nonlocal asked
            asked = time.perf_counter()
            window.actions_["run"].trigger()

        window.usable.connect(begin)

    _program(watch)


def _program(watch: Callable[["MainWindow"], None], *, greet: bool = False) -> None:
    """Start as the command line does, with separate settings; nothing is imported before the program itself does."""
    from rnnviz.gui import app

    check_platform = app.check_platform

    def check_and_watch() -> None:
        check_platform()
        from PySide6.QtCore import QSettings

        from rnnviz.gui import application
        from rnnviz.gui.settings import Settings

        make_window = application.make_window

        def make_watched(_settings: Settings) -> "MainWindow":
            settings = Settings(QSettings(sys.argv[2], QSettings.Format.IniFormat))
            window = make_window(settings)
            if not greet:
                window.first_screen.show_on_startup = lambda: None
            window.files.ask_about_changes = lambda _leave: False
            watch(window)
            return window

        application.make_window = make_watched

    app.check_platform = check_and_watch
    app.main(None)


if __name__ == "__main__":
    found: Seconds = {}
    {"bare": bare, "start": start, "first_screen": first_screen, "run": run}[sys.argv[1]](found)
    print(json.dumps(found))
