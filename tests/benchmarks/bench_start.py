"""What a start of the program costs before anything is shown."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from pytest_benchmark.fixture import BenchmarkFixture

from rnnviz.gui.platform import check_platform


def bench_platform_check(benchmark: BenchmarkFixture) -> None:
    benchmark(check_platform)


def bench_import_of_the_python_face(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(subprocess.run, ([sys.executable, "-c", "import rnnviz"],), {"check": True}, rounds=10)


def bench_bare_interpreter(benchmark: BenchmarkFixture) -> None:
    """The part of the benchmark above that is Python's own."""
    benchmark.pedantic(subprocess.run, ([sys.executable, "-c", ""],), {"check": True}, rounds=10)


_BARE = """
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMainWindow
import pyqtgraph

class Plot(pyqtgraph.PlotWidget):
    painted = False

    def paintEvent(self, event):
        super().paintEvent(event)
        if not self.painted:
            self.painted = True
            QTimer.singleShot(0, told)

def told():
    print(time.perf_counter() - began)
    window.close()

application = QApplication([])
window = QMainWindow()
window.setCentralWidget(Plot())
window.resize(1280, 800)
window.show()
application.exec()
"""

_OURS = """
from rnnviz.gui.platform import check_platform

check_platform()
from PySide6.QtCore import QSettings, QTimer
from rnnviz.gui.application import make_application, make_window
from rnnviz.gui.settings import Settings

application = make_application()
window = make_window(Settings(QSettings("{settings}", QSettings.Format.IniFormat)))

def told():
    print(time.perf_counter() - began)
    QTimer.singleShot(0, complete)

def complete():
    print(time.perf_counter() - began)
    window.close()

window.first_painted.connect(told)
window.show()
application.exec()
"""

_ROUNDS = 9


def bench_first_picture_against_a_bare_window(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Seconds to the first picture, ours over those of a bare window with one pyqtgraph plot.

    Both are measured in turn, so that what else the machine does meets both alike. `complete` is when the plots, which
    are made after the first picture, are there, too.
    """
    ours = _OURS.replace("{settings}", str(tmp_path / "settings.ini"))
    bare_seconds, first_seconds, complete_seconds = [], [], []
    for _ in range(_ROUNDS):
        bare_seconds.append(_times(_BARE)[0])
        first, complete = _times(ours)
        first_seconds.append(first)
        complete_seconds.append(complete)
    bare, first, complete = map(median, (bare_seconds, first_seconds, complete_seconds))
    benchmark.extra_info |= {
        "bare": round(bare, 3),
        "first picture": round(first, 3),
        "complete": round(complete, 3),
        "first / bare": round(first / bare, 2),
        "complete / bare": round(complete / bare, 2),
    }
    print(benchmark.extra_info)
    benchmark.pedantic(_times, (ours,), rounds=3)


def _times(code: str) -> list[float]:
    code = f"import time\nbegan = time.perf_counter()\n{code}"
    environ = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environ)
    return [float(line) for line in done.stdout.split()]
