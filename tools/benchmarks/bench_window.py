"""How long the whole window takes to follow the selection and every other choice, and how much memory that holds.

The window is the real one, 1600 x 1000 pixels, with every view in it. After each choice is a pause for
the answers of threads. A frame is the longest turn of events: from the choice to the end of its painting, or from an
answer to its painting. Memory is what is private to the process and not mapped from a file: mapped pages are the
system's cache, which it takes back when it needs to.
"""

import gc
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter, process_time, sleep, thread_time
from typing import NamedTuple

import numpy as np
from PySide6.QtCore import QEventLoop, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from rnnviz.core.trace import open_trace
from rnnviz.core.trace_index import Location
from rnnviz.gui.app import SWITCH_SECONDS
from rnnviz.gui.application import GcTimer
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.kit.plot import Plot
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.theme_manager import ThemeManager
from rnnviz.reading.quantities import Quantity
from rnnviz.verify.result import RunResult
from tools.benchmarks.private_memory import MEGABYTE, watched

WIDTH, HEIGHT = 1600, 1000
FRAMES = 200
_PAUSE = 0.03
"""Seconds between two choices, as between two repeats of a key."""


class Figure(NamedTuple):
    """A measurement over all its repetitions; `processor_p95` is the processor time of the window's thread alone."""

    what: str
    p50: float
    p95: float
    worst: float
    unit: str = "ms"
    processor_p95: float | None = None


def figure(what: str, values: list[float], unit: str = "ms", processor: list[float] | None = None) -> Figure:
    p50, p95 = np.percentile(values, (50, 95))
    used = None if processor is None else float(np.percentile(processor, 95))
    return Figure(what, float(p50), float(p95), float(max(values)), unit, used)


@contextmanager
def open_window(result: RunResult | None) -> Iterator[MainWindow]:
    application = QApplication.instance() or QApplication([])
    # As in the program.
    sys.setswitchinterval(SWITCH_SECONDS)
    collector = GcTimer(application)
    with tempfile.TemporaryDirectory(prefix="rnnviz-settings-") as folder:
        settings = Settings(QSettings(str(Path(folder) / "settings.ini"), QSettings.Format.IniFormat))
        window = MainWindow(settings, ThemeManager("light"), Runner())
        window.resize(WIDTH, HEIGHT)
        painted = QEventLoop()
        window.completed.connect(painted.quit)
        window.completed.connect(gc.freeze)
        window.show()
        painted.exec()
        application.processEvents()
        if result is not None:
            window.show_result(result)
            finish_pending(window)
        try:
            yield window
        finally:
            window.leave()
            window.deleteLater()
            application.processEvents()
            gc.unfreeze()
            collector.stop()


def finish_pending(window: MainWindow) -> None:
    """Wait until everything is painted and background reads have arrived."""
    loop = QEventLoop()
    QTimer.singleShot(0, loop.quit)
    loop.exec()
    QApplication.processEvents()


def frames(what: str, actions: list[Callable[[], object]]) -> Figure:
    """Milliseconds of the longest turn of each action: its own, or that of an answer to it."""
    times, used = [], []
    for action in actions:
        turns = [_turn(action)]
        until = perf_counter() + _PAUSE
        while perf_counter() < until:
            sleep(0.001)
            turns.append(_turn())
        # A frame that other programs interrupt takes longer, but no more of the processor.
        times.append(max(time for time, _ in turns))
        used.append(max(processor for _, processor in turns))
    return figure(what, times, processor=used)


def _turn(action: Callable[[], object] = lambda: None) -> tuple[float, float]:
    """Milliseconds of an action and of one turn of events, and the processor's."""
    began, before = perf_counter(), thread_time()
    action()
    QApplication.processEvents()
    return (perf_counter() - began) * 1e3, (thread_time() - before) * 1e3


def places(result: RunResult, count: int, seed: int = 1) -> list[Location]:
    layers, directions, timesteps, _, units = result.shape
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, (layers, directions, timesteps, units), (count, 4))
    return [Location(int(k), int(d), int(t), 0, int(u)) for k, d, t, u in drawn]


def measure(result: RunResult, count: int = FRAMES) -> list[Figure]:
    """The frames of one window on a result, with everything in sight."""
    with open_window(result) as window:
        return [
            *_cursor(window, result, count),
            *_choices(window, result),
            *_tabs(window, result, count // 4),
            *over_time(window, count // 4),
            *playing(window),
            *(_gradients(window, result, count) if result.has_gradients else ()),
        ]


def _moves(window: MainWindow, what: str, where: list[Location]) -> Figure:
    session = window.session
    return frames(what, [lambda p=place: session.set_location(p) for place in where])


def _cursor(window: MainWindow, result: RunResult, count: int) -> list[Figure]:
    """With the plot of units over time in front."""
    _select_tab(window, "Units over time")
    timesteps, units = result.shape[2], result.shape[4]
    middle = Location(timestep=timesteps // 2)
    return [
        _moves(window, "cursor in time", [middle.moved(timestep=(37 * n) % timesteps) for n in range(count)]),
        _moves(window, "cursor over units", [middle.moved(unit=(5 * n + 1) % units) for n in range(count)]),
        _moves(window, "cursor anywhere", places(result, count)),
    ]


def _select_tab(window: MainWindow, title: str) -> None:
    window.main_layout.tabs.select(title)
    QApplication.processEvents()


def _choices(window: MainWindow, result: RunResult) -> list[Figure]:
    session, candidates = window.session, [comparison.candidate for comparison in result.comparisons]
    samples, engines = result.shape[3], list(result.traces)
    changes: dict[str, list[Callable[[], object]]] = {
        "sample": [lambda n=n: session.set_location(session.location.moved(sample=n % samples)) for n in range(1, 21)],
        "engine": [lambda n=n: session.set_engine(engines[n % len(engines)]) for n in range(1, 21)],
        "candidate": [lambda n=n: session.set_candidate(candidates[(n + 1) % len(candidates)]) for n in range(20)],
        "next mismatch": [lambda: session.go_to_mismatch(forward=True)] * 40,
        "previous mismatch": [lambda: session.go_to_mismatch(forward=False)] * 40,
    }
    if not session.in_backward_pass:
        quantities: tuple[Quantity, ...] = ("error_ratio", "difference", "value")
        changes["colors"] = [lambda n=n: session.set_color_by(quantities[n % 3]) for n in range(21)]
    return [frames(what, actions) for what, actions in changes.items()]


def _gradients(window: MainWindow, result: RunResult, count: int) -> list[Figure]:
    """The same while the lanes and every view show gradients."""
    session, tabs = window.session, window.main_layout.tabs
    _select_tab(window, "Units over time")
    first, *others = session.gradients
    first_looks = [lambda g=name: session.set_color_by(g) for name in (first, *others)]
    chosen = [lambda n=n: session.set_color_by(("value", first)[n % 2]) for n in range(20)]
    another = [lambda n=n: session.set_color_by(others[n % len(others)]) for n in range(20)]
    found = [
        frames("first look at a gradient", first_looks),
        frames("h and a gradient in turn", chosen),
        frames("another gradient", another),
        *_cursor(window, result, count),
        *_choices(window, result),
    ]
    session.set_color_by(first)
    window.navigation.explain(gradient=True)
    for seed, title in enumerate(tabs.titles):
        _select_tab(window, title)
        found.append(_moves(window, f"cursor beside {title}", places(result, count // 4, seed)))
    found += playing(window)
    window.navigation.explain(gradient=False)
    session.set_color_by("value")
    finish_pending(window)
    return [
        figure if "gradient" in figure.what else figure._replace(what=f"{figure.what}, of gradients")
        for figure in found
    ]


def _tabs(window: MainWindow, result: RunResult, count: int) -> list[Figure]:
    tabs = window.main_layout.tabs
    turned = [lambda title=title: tabs.select(title) for title in tabs.titles]
    found = [frames("first look at a tab", turned), frames("another tab", turned * 5)]
    for seed, title in enumerate(tabs.titles):
        _select_tab(window, title)
        found.append(_moves(window, f"cursor beside {title}", places(result, count, seed)))
    return found


def over_time(window: MainWindow, count: int) -> list[Figure]:
    """Zooming in a plot, and panning the lanes, on their common time axis."""
    lanes, found = window.lanes.canvas, []

    def zoom(plot: Plot, factor: float) -> None:
        plot.view_box.scaleBy(x=factor)
        plot.tell_part()

    for title in ("Units over time", "Error over time", "Gradient flow"):
        _select_tab(window, title)
        plot = window.main_layout.tabs.front.plot
        zooms = [partial(zoom, plot, factor) for factor in [0.8] * count + [1.25] * count]
        found.append(frames(f"zooming {title}", zooms))
        parts = [partial(lanes.show_part, 1000.0 + 10 * n, 2000.0 + 10 * n) for n in range(2 * count)]
        found.append(frames(f"panning beside {title}", parts))
        lanes.fit()
    return found


def playing(window: MainWindow, count: int = 300) -> list[Figure]:
    """Milliseconds from one frame of playing to the next, and the processor's in each."""
    session, loop = window.session, QEventLoop()
    at, used = [], []

    def moved(_changed: object) -> None:
        at.append(perf_counter())
        used.append(process_time())
        if len(at) > count:
            loop.quit()

    def ended(playing: bool) -> None:
        if not playing:
            loop.quit()

    # The backward pass begins at the end.
    first = session.length - 1 if session.in_backward_pass else 0
    session.set_location(session.location.moved(timestep=first))
    QApplication.processEvents()
    session.changed.connect(moved)
    window.player.playing_changed.connect(ended)
    window.player.toggle()
    loop.exec()
    window.player.pause()
    session.changed.disconnect(moved)
    window.player.playing_changed.disconnect(ended)
    if len(at) < 3:
        return []
    return [
        figure("playing, from frame to frame", list(np.diff(at) * 1e3)),
        figure("playing, processor per frame", list(np.diff(used) * 1e3)),
    ]


def measure_memory(result: RunResult, count: int = 20) -> list[Figure]:
    """Megabytes above an empty window, while every view is shown."""
    # Pages of files that were read before would count as the window's.
    folders = {name: trace.folder for name, trace in result.traces.items() if trace.folder is not None}
    traces = {name: replace(open_trace(folder), engine=name) for name, folder in folders.items()}
    result = replace(result, traces=traces)
    with open_window(None) as window, watched() as peak:
        window.show_result(result)
        finish_pending(window)
        _moves(window, "cursor anywhere", places(result, count))
        _choices(window, result)
        _tabs(window, result, count)
        playing(window, 60)
        finish_pending(window)
    return [figure("memory above idle", [peak.above / MEGABYTE], "MB")]
