"""How long the lanes take to pan, zoom, follow the selection and change their colors over a large trace.

At 1600 x 1000 pixels, with a mismatch overlay. A frame ends when it is painted; "complete" is the time until every
tile of the picture is final.
"""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
from PySide6.QtCore import QEventLoop
from PySide6.QtWidgets import QApplication

from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.reading.quantities import gradients_of
from rnnviz.verify.result import RunResult
from tests.gui.views.unrolled.seen import picture_complete
from tools.benchmarks.bench_window import HEIGHT, WIDTH, Figure, figure

FRAMES = 200
_PAN = 23.0
"""Pixels from one frame of panning to the next."""


def measure(result: RunResult, frames: int = FRAMES) -> list[Figure]:
    """First picture, panning and zooming, the selection, and what else is shown of the lanes."""
    application = QApplication.instance() or QApplication([])
    view = UnrolledView(Session(result.config))
    view.resize(WIDTH, HEIGHT)
    view.show()
    application.processEvents()
    measured: list[Figure] = []

    def timed(action: Callable[[], object]) -> float:
        began = perf_counter()
        action()
        application.processEvents()
        return (perf_counter() - began) * 1e3

    def settled(began: float) -> float:
        while not picture_complete(view):
            application.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
        return (perf_counter() - began) * 1e3

    def series(what: str, actions: Sequence[Callable[[], object]], *, apart: bool = False) -> None:
        """One frame for each action; `apart` only after the picture has been completed, which is timed as well."""
        times, complete = [], []
        for action in actions:
            began = perf_counter()
            times.append(timed(action))
            if apart:
                complete.append(settled(began))
        settled(perf_counter())
        for name, taken in ((what, times), (f"{what}, complete", complete)):
            if taken:
                measured.append(figure(name, taken))

    try:
        candidate = result.comparisons[0].candidate
        series("first picture", [lambda: view.show_result(result, candidate)], apart=True)
        timesteps, units = result.shape[2], result.shape[4]
        generator = np.random.default_rng(1)
        places = [
            Location(timestep=int(generator.integers(timesteps)), unit=int(generator.integers(units)))
            for _ in range(frames)
        ]
        series("cursor, whole sequence", [lambda p=place: view.show_location(p) for place in places])
        view.show_location(Location())
        for zoom in (2.0, 8.0, 64.0, *([4096.0] if timesteps >= 100_000 else [])):
            view.fit()
            view.zoom_time(zoom)
            view.canvas.pan(1e9, 0.0)
            application.processEvents()
            settled(perf_counter())
            # To and fro, in sweeps that end within the sequence.
            sweep = max(1, min(frames, int((zoom - 1.0) * view.canvas.area.width() / _PAN)))
            ways = [-_PAN if frame // sweep % 2 == 0 else _PAN for frame in range(frames)]
            series(f"panning at {zoom:g} x", [lambda w=way: view.canvas.pan(w, 0.0) for way in ways])
        near = [place.moved(timestep=place.timestep % 5) for place in places]
        series("cursor, zoomed in", [lambda p=place: view.show_location(p) for place in near])
        view.show_location(Location())
        view.fit()
        settled(perf_counter())
        series("zooming in and out", [lambda: view.zoom_time(1.25)] * 30 + [lambda: view.zoom_time(0.8)] * 30)
        for zoom in (1.0, 8.0):
            view.fit()
            view.zoom_time(zoom)
            settled(perf_counter())
            ways = [
                lambda q=quantity: view.session.set_color_by(q) for quantity in ("error_ratio", "difference", "value")
            ]
            series(f"recoloring at {zoom:g} x", ways * 7, apart=True)
            engines = [lambda e=engine: view.session.set_engine(e) for engine in reversed(result.traces)]
            series(f"another engine at {zoom:g} x", engines * 10, apart=True)
            samples = [lambda s=sample: view.show_location(Location(sample=s)) for sample in (1, 0)]
            gradients = gradients_of(result.traces.values(), result.config.network.kind)
            if gradients:
                chosen = [lambda g=name: view.session.set_color_by(g) for name in ("value", *gradients)]
                series(f"h and gradients in turn at {zoom:g} x", chosen * 5, apart=True)
                view.session.set_color_by("value")
                settled(perf_counter())
            if result.shape[3] > 1:
                series(f"another sample at {zoom:g} x", samples * 10, apart=True)
    finally:
        view.close()
        view.deleteLater()
        application.processEvents()
    return measured
