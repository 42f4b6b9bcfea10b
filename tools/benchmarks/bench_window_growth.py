"""How the window's own work grows with a result: opening it, its first picture, and moving the selection through it."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import pytest
from PySide6.QtWidgets import QApplication

from rnnviz.gui.app_state import Session
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tools.benchmarks.bench_growth import add_growth, geometric
from tools.benchmarks.bench_window import HEIGHT, WIDTH, finish_pending, open_window, places
from tools.benchmarks.large_results import large_result
from tools.benchmarks.private_memory import MEGABYTE, malloc_trim, watched
from tools.benchmarks.table import Table

_ROUNDS, _MOVES = 3, 40
_AXES: dict[str, tuple[dict[str, int], list[int]]] = {
    "T": ({"H": 64, "L": 1, "N": 1}, geometric(1000, 256_000)),
    "N": ({"T": 2000, "H": 64, "L": 1}, geometric(4, 64)),
    "H": ({"T": 2000, "L": 1, "N": 1}, geometric(64, 1024)),
    "L": ({"T": 2000, "H": 64, "N": 1}, geometric(1, 16)),
}
"""By the size that grows: the sizes that stay, and those that are taken in turn."""


@pytest.mark.parametrize("axis", _AXES)
def bench_growth_in_the_window(axis: str, qapp: QApplication, table: Table, quick: bool) -> None:
    """Seconds and peak private memory; one window shows one result after the other."""
    base, sizes = _AXES[axis]
    sizes = sizes[:3] if quick else sizes
    seconds: dict[str, list[float]] = {"opening a result": [], "first picture": [], "cursor move": []}
    memory: dict[str, list[float]] = {"opening a result": []}
    with open_window(None) as window, large_result(100, 8, 1, 1, 1) as small:
        _open(window, small)
        for size in sizes:
            wanted = {**base, axis: size}
            with large_result(wanted["T"], wanted["H"], wanted["L"], 1, wanted["N"]) as result:
                malloc_trim()
                with watched() as peak:
                    _open(window, result)
                memory["opening a result"].append(max(peak.above, MEGABYTE))
                opened = [_open(window, each) for _ in range(_ROUNDS) for each in (small, result)]
                seconds["opening a result"].append(median(opened[1::2]))
                moves = [_seconds(lambda p=place: window.session.set_location(p)) for place in places(result, _MOVES)]
                seconds["cursor move"].append(median(moves))
                _open(window, small)
                seconds["first picture"].append(median(_first_picture(result) for _ in range(_ROUNDS)))
    add_growth(table, "time", axis, sizes, seconds)
    add_growth(table, "memory", axis, sizes, memory)


def _open(window: MainWindow, result: RunResult) -> float:
    took = _seconds(lambda: window.show_result(result))
    finish_pending(window)
    return took


def _seconds(action: Callable[[], object]) -> float:
    """From an action to the end of what it paints."""
    began = perf_counter()
    action()
    QApplication.processEvents()
    return perf_counter() - began


def _first_picture(result: RunResult) -> float:
    view = UnrolledView(Session(result.config))
    view.resize(WIDTH, HEIGHT)
    view.show()
    QApplication.processEvents()
    took = _seconds(lambda: view.show_result(result, result.comparisons[0].candidate))
    view.close()
    view.deleteLater()
    QApplication.processEvents()
    return took
